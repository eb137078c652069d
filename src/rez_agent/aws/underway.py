"""What goes on in a stage: what the engine follows, who is told, what waits and what was given up.

Changes nothing. Dead letters are received to be read and are visible again at once; a queue of dead letters
has none of its own, so that this counts for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rez_agent.aws.asking import Asking, Identity, arn
from rez_agent.aws.deployed import COMMANDS, DEAD_LETTERS, WORK
from rez_agent.aws.items import UNARMED as LAGGING
from rez_agent.aws.tables import BY_STATUS, SCHEDULES, UNARMED
from rez_agent.aws.wire import from_wire, to_wire
from rez_agent.domain.errors import Unavailable

ALARMS = "alarms"
"""The topic of the alarms, where an address for them was configured."""

TIMERS = ("sweep", "reconcile")
PEEKED = 10
"""Dead letters of a queue that are read."""

LISTED = 20
"""Pages of a hundred schedules that are counted one by one."""


@dataclass(frozen=True, slots=True)
class UnarmedSchedule:
    """A schedule that EventBridge Scheduler does not follow yet. ``since``: its last change, which is what
    EventBridge lacks. ``error``: what the last arming came to, as far as is known."""

    schedule_id: str
    name: str
    since: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Dead letters: how many wait, about, and what some of them say went wrong."""

    queue: str
    count: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who is told what is published to a topic. ``pending``: not confirmed yet, so not told."""

    topic: str
    protocol: str
    endpoint: str
    pending: bool


class Underway:
    """The facts. Raises what :class:`~rez_agent.aws.asking.Asking` says."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def unarmed(self, limit: int = 20) -> list[UnarmedSchedule]:
        """The schedules that the engine does not follow yet, the oldest first."""
        name = self._ask.names(SCHEDULES.what)
        answer = self._ask.found(
            self._ask.client("dynamodb").query,
            TableName=name,
            IndexName=UNARMED.name,
            KeyConditionExpression="unarmed = :u",
            ExpressionAttributeValues=to_wire({":u": LAGGING}),
            Limit=limit,
        )
        rows = [] if answer is None else [from_wire(item) for item in answer["Items"]]
        return [self._unarmed(name, row) for row in rows]

    def _unarmed(self, table: str, row: Mapping[str, Any]) -> UnarmedSchedule:
        answer = self._ask.asked(
            self._ask.client("dynamodb").get_item, TableName=table, Key=to_wire({"id": row["id"]})
        )
        item = from_wire(answer.get("Item", {}))
        changed = item.get("updated_date", row["unarmed_since"])
        since, error = datetime.fromisoformat(changed), str(item.get("error_message", ""))
        return UnarmedSchedule(row["id"], str(item.get("name", "")), since, error)

    def schedules(self, status: str, limit: int) -> list[dict[str, Any]]:
        """The newest schedules of a status, as they stand in their rows."""
        found: list[dict[str, Any]] = []
        asked: dict[str, Any] = {
            "TableName": self._ask.names(SCHEDULES.what),
            "IndexName": BY_STATUS.name,
            "KeyConditionExpression": "#s = :s",
            "ExpressionAttributeNames": {"#s": "status"},
            "ExpressionAttributeValues": to_wire({":s": status}),
            "ScanIndexForward": False,
            "Limit": limit,
        }
        while len(found) < limit:
            answer = self._ask.asked(self._ask.client("dynamodb").query, **asked)
            found += (from_wire(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                break
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found[:limit]

    def dead_letters(self) -> list[Waiting]:
        """The queues of dead letters in which any wait."""
        found = []
        for what in DEAD_LETTERS:
            count = self._ask.queue_attribute(what, "ApproximateNumberOfMessages")
            if count:
                found.append(Waiting(self._ask.names(what), count, tuple(self._peeked(what))))
        return found

    def _peeked(self, what: str) -> Iterator[str]:
        url = self._ask.asked(self._ask.client("sqs").get_queue_url, QueueName=self._ask.names(what))[
            "QueueUrl"
        ]
        answer = self._ask.asked(
            self._ask.client("sqs").receive_message,
            QueueUrl=url,
            MaxNumberOfMessages=PEEKED,
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,
        )
        for message in answer.get("Messages", ()):
            text = error_in(message)
            if text:
                yield text

    def subscriptions(self, identity: Identity) -> list[Subscription]:
        """Who is subscribed to the stage's topics, that of alarms included where there is one."""
        found: list[Subscription] = []
        for what in (COMMANDS, *WORK, ALARMS):
            topic = arn(identity, "sns", self._ask.names(what))
            answer = self._ask.found(self._ask.client("sns").list_subscriptions_by_topic, TopicArn=topic)
            entries = [] if answer is None else answer["Subscriptions"]
            found += (
                Subscription(what, e["Protocol"], e["Endpoint"], not e["SubscriptionArn"].startswith("arn:"))
                for e in entries
            )
        return found

    # --- the engine ---

    def timers(self) -> dict[str, str]:
        """The state of the sweep's own schedules, by name: ENABLED, DISABLED, or ``missing``."""
        found = {}
        for what in TIMERS:
            name = self._ask.names(what)
            answer = self._ask.found(
                self._ask.client("scheduler").get_schedule, Name=name, GroupName="default"
            )
            found[name] = "missing" if answer is None else answer.get("State", "ENABLED")
        return found

    def engine_count(self) -> tuple[int, bool]:
        """How many schedules stand in the group, and whether that is exact: a large group is not counted
        through, but told by the table's own count, which AWS brings up to date some times a day."""
        asked: dict[str, Any] = {"GroupName": self._ask.names.schedule_group, "MaxResults": 100}
        count = 0
        for _ in range(LISTED):
            answer = self._ask.found(self._ask.client("scheduler").list_schedules, **asked)
            count += 0 if answer is None else len(answer["Schedules"])
            if answer is None or not answer.get("NextToken"):
                return count, True
            asked["NextToken"] = answer["NextToken"]
        name = self._ask.names(SCHEDULES.what)
        answer = self._ask.asked(self._ask.client("dynamodb").describe_table, TableName=name)
        return max(count, int(answer["Table"].get("ItemCount", 0))), False

    def quota(self, name: str) -> float | None:
        """EventBridge Scheduler's quota so called in this account and region; None where it can't be read."""
        client = self._ask.client("service-quotas")
        for operation in (client.list_service_quotas, client.list_aws_default_service_quotas):
            try:
                quotas = self._ask.asked(operation, ServiceCode="scheduler")["Quotas"]
            except Unavailable:
                continue
            for quota in quotas:
                if quota["QuotaName"].lower() == name.lower():
                    return float(quota["Value"])
        return None

    def api_url(self) -> str | None:
        """Where the stage's API answers."""
        asked: dict[str, str] = {}
        while True:
            answer = self._ask.asked(self._ask.client("apigatewayv2").get_apis, **asked)
            for api in answer["Items"]:
                if api["Name"] == self._ask.names("api"):
                    return str(api["ApiEndpoint"])
            if not answer.get("NextToken"):
                return None
            asked["NextToken"] = answer["NextToken"]


def error_in(letter: Mapping[str, Any]) -> str:
    """What a dead letter says went wrong; empty where it does not say.

    EventBridge Scheduler writes it in the message's attributes (its guide, "Configuring a dead-letter
    queue"), Lambda's on-failure destination in its body (its guide, "Retaining records of asynchronous
    invocations").
    """
    attributes = letter.get("MessageAttributes") or {}
    code = (attributes.get("ERROR_CODE") or {}).get("StringValue", "")
    text = (attributes.get("ERROR_MESSAGE") or {}).get("StringValue", "")
    if code or text:
        return f"{code}: {text}"
    try:
        payload = json.loads(letter.get("Body", "")).get("responsePayload")
    except (ValueError, AttributeError):
        return ""
    if not isinstance(payload, Mapping):
        return ""
    return f"{payload.get('errorType', 'Error')}: {payload.get('errorMessage', '')}"
