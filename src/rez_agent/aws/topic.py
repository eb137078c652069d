"""The topics: SNS, and for what is due later the queue behind the topic, which can wait.

Everything is published after the commit that makes it true. Then a failure costs no more than time: a command
that was not published stands in the index of pending messages, an execution in the index of what waits, and
the sweep hands both over again. So a failure is logged and counted, and nobody's request fails for it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rez_agent.aws.logs import log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.settings import AwsSettings
from rez_agent.aws.unit import Unit
from rez_agent.domain.command import Message
from rez_agent.domain.execution import Execution, ExecutionStatus
from rez_agent.domain.schedule import TargetType
from rez_agent.metrics import PUBLISHES_FAILED
from rez_agent.ports import Clock

AT_ONCE = 10
"""Entries of one PublishBatch or SendMessageBatch."""

TRIES = 2
"""How often an entry is sent that SNS or SQS refuses by itself; whole calls are retried by the SDK."""

DELAY_AT_MOST = 900
"""Seconds that SQS keeps a message back for. What is due later is sent again until it is due."""

SOON_SECONDS = 1.0
"""What is due within so short a time goes by the topic: SQS counts whole seconds."""

Entry = dict[str, Any]
Send = Callable[[list[Entry]], Mapping[str, Any]]


class SnsTopic:
    """The Topic port over one unit of work: what is published goes out when the unit has been committed."""

    def __init__(self, unit: Unit, publisher: Publisher) -> None:
        self._unit = unit
        self._publisher = publisher
        self._commands: list[Message] = []
        self._work: list[Execution] = []
        self._alerts: list[str] = []

    def publish_command(self, message: Message) -> None:
        """To schedule-creation, with the attribute ``action``."""
        if not self._commands:
            self._unit.after(self._send_commands)
        self._commands.append(message)

    def publish_work(self, executions: Sequence[Execution]) -> None:
        """To the topic of each one's target type, or to its queue if it is due later. One that is held goes
        nowhere: it is published when it is released."""
        if executions and not self._work:
            self._unit.after(self._send_work)
        self._work.extend(executions)

    def publish_alert(self, alert_id: str) -> None:
        """To notifications: the processor sends what is to be told of it."""
        if not self._alerts:
            self._unit.after(self._send_alerts)
        if alert_id not in self._alerts:
            self._alerts.append(alert_id)

    def _send_alerts(self) -> None:
        alerts, self._alerts = self._alerts, []
        self._publisher.alerts(alerts)

    def _send_commands(self) -> None:
        commands, self._commands = self._commands, []
        self._publisher.commands(commands)

    def _send_work(self) -> None:
        work, self._work = self._work, []
        self._publisher.work(work)


class Publisher:
    """Sends to SNS and SQS, at least once or with an error in the log. Safe for several threads."""

    def __init__(
        self,
        settings: AwsSettings,
        *,
        sns: Any,
        sqs: Any,
        clock: Clock,
        metrics: AwsMetrics,
    ) -> None:
        self._settings = settings
        self._sns = sns
        self._sqs = sqs
        self._clock = clock
        self._metrics = metrics

    def commands(self, messages: Iterable[Message]) -> None:
        """Publish stored commands."""
        self._publish(self._settings.schedule_creation_topic, [_command(message) for message in messages])

    def work(self, executions: Iterable[Execution]) -> None:
        """Publish queued executions; those that are held or final are left out."""
        now = self._clock.now()
        soon: defaultdict[TargetType, list[Entry]] = defaultdict(list)
        later: defaultdict[TargetType, list[Entry]] = defaultdict(list)
        for execution in executions:
            at = execution.next_attempt_at
            if execution.status is not ExecutionStatus.QUEUED or at is None:
                continue
            kind = TargetType(execution.target_type)
            seconds = (at - now).total_seconds()
            if seconds > SOON_SECONDS:
                delay = min(DELAY_AT_MOST, ceil(seconds))
                later[kind].append(_work(execution) | {"DelaySeconds": delay})
            else:
                soon[kind].append(_work(execution))
        for kind, entries in soon.items():
            self._publish(self._settings.topics[kind], entries)
        for kind, entries in later.items():
            self._send(self._settings.queues[kind], entries)

    def alerts(self, alert_ids: Iterable[str]) -> None:
        """Publish alerts with something to be sent."""
        topic = self._settings.topics[TargetType.NOTIFICATION]
        self._publish(topic, [_alert(alert_id) for alert_id in alert_ids])

    def hurry(self, queue: str, receipt: str) -> None:
        """Let a received message be received again at once, rather than when its visibility timeout ends: for
        one that can't be read, whose way to the dead letters need not take an hour. ``queue`` is an ARN."""
        urls = {url.rpartition("/")[2]: url for url in self._settings.queues.values()}
        try:
            self._sqs.change_message_visibility(
                QueueUrl=urls[queue.rpartition(":")[2]], ReceiptHandle=receipt, VisibilityTimeout=0
            )
        except (ClientError, BotoCoreError, KeyError) as error:  # then it takes that hour
            log.warning("visibility_kept", action="visibility_kept", queue=queue, error=str(error))

    def _publish(self, topic: str, entries: list[Entry]) -> None:
        def send(some: list[Entry]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = self._sns.publish_batch(
                TopicArn=topic, PublishBatchRequestEntries=some
            )
            return answer

        self._in_batches(topic, [_renamed(entry) for entry in entries], send)

    def _send(self, queue: str, entries: list[Entry]) -> None:
        def send(some: list[Entry]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = self._sqs.send_message_batch(QueueUrl=queue, Entries=some)
            return answer

        self._in_batches(queue, entries, send)

    def _in_batches(self, place: str, entries: list[Entry], send: Send) -> None:
        remaining = iter(entries)
        while batch := list(islice(remaining, AT_ONCE)):
            numbered = [entry | {"Id": str(number)} for number, entry in enumerate(batch)]
            self._send_batch(place, numbered, send)

    def _send_batch(self, place: str, batch: list[Entry], send: Send) -> None:
        error, code = "", ""
        try:
            for _ in range(TRIES):
                failed = {each["Id"]: each for each in send(batch).get("Failed", ())}
                if not failed:
                    return
                batch = [entry for entry in batch if entry["Id"] in failed]
                last = failed[batch[0]["Id"]]
                error, code = str(last.get("Message", "")), str(last.get("Code", ""))
        except ClientError as refused:
            error, code = str(refused), str(refused.response["Error"]["Code"])
        except BotoCoreError as broken:
            error, code = str(broken), type(broken).__name__
        self._metrics.count(PUBLISHES_FAILED, len(batch))
        told: dict[str, Any] = {"place": place, "code": code, "error": error, "messages": len(batch)}
        log.error("publish_failed", action="publish_failed", **told)


def _command(message: Message) -> Entry:
    body = {
        "message_id": message.id,
        "action": message.request.action.value,
        "schedule_id": message.schedule_id,
    }
    return _entry(body, "action", message.request.action.value)


def _work(execution: Execution) -> Entry:
    body = {"schedule_id": execution.schedule_id, "execution_id": execution.id}
    return _entry(body, "target_type", execution.target_type)


def _alert(alert_id: str) -> Entry:
    return _entry({"alert_id": alert_id}, "target_type", TargetType.NOTIFICATION)


def _entry(body: Mapping[str, Any], attribute: str, value: str) -> Entry:
    return {
        "MessageBody": json.dumps(body, separators=(",", ":")),
        "MessageAttributes": {attribute: {"DataType": "String", "StringValue": value}},
    }


def _renamed(entry: Entry) -> Entry:
    """The entry as SNS spells it."""
    return {"Message": entry["MessageBody"], "MessageAttributes": entry["MessageAttributes"]}
