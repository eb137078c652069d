"""A stage of its own for a test, on an emulator that the whole process shares."""

from __future__ import annotations

import atexit
import itertools
from contextlib import ExitStack
from functools import cache
from typing import Any

from infrastructure.aws_local.process import Endpoint, emulator

from rez_agent.aws.names import Names
from rez_agent.aws.settings import AwsSettings
from rez_agent.aws.tables import TABLES, Index, Key, Table
from rez_agent.domain.schedule import TargetType

_numbers = itertools.count(1)

WORK = {
    TargetType.WEB_ACTION: "web-actions",
    TargetType.NOTIFICATION: "notifications",
    TargetType.CUSTOM: "custom",
}
COMMANDS = "schedule-creation"


@cache
def endpoint() -> Endpoint:
    """The emulator of this process, where nothing falls due by itself; stopped when the process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(emulator(firing=False))


@cache
def client(service: str) -> Any:
    """A client of the emulator."""
    return endpoint().client(service)


class Stage:
    """A fresh stage: its tables and its bucket are there; its topics and queues once :meth:`sns` or
    :meth:`sqs` was asked for."""

    def __init__(self) -> None:
        self.names = Names(f"t{next(_numbers)}")
        self.settings = self._settings()
        self.publishes = False
        for table in TABLES:
            make_table(client("dynamodb"), table, self.settings.tables[table.what])
        client("s3").create_bucket(Bucket=self.settings.blobs_bucket)

    def sns(self) -> Any:
        """SNS, with the stage's topics."""
        self._publish()
        return client("sns")

    def sqs(self) -> Any:
        """SQS, with the stage's queues; each takes what is published to the topic of its name."""
        self._publish()
        return client("sqs")

    def queue(self, what: str) -> str:
        """A queue's URL."""
        at = endpoint()
        return f"{at.url}/{at.account}/{self.names(what)}"

    def received(self, what: str) -> list[str]:
        """The bodies of everything in a queue, which is empty then."""
        sqs, url, bodies = self.sqs(), self.queue(what), []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def _arn(self, service: str, what: str) -> str:
        at = endpoint()
        return f"arn:aws:{service}:{at.region}:{at.account}:{what}"

    def _settings(self) -> AwsSettings:
        names = self.names
        return AwsSettings(
            stage=names.stage,
            tables={table.what: names(table.what) for table in TABLES},
            blobs_bucket=f"{names('blobs')}-{endpoint().account}",
            secrets_prefix=names.secrets_prefix,
            schedule_creation_topic=self._arn("sns", names(COMMANDS)),
            topics={kind: self._arn("sns", names(what)) for kind, what in WORK.items()},
            queues={kind: self.queue(what) for kind, what in WORK.items()},
            schedule_group=names.schedule_group,
            scheduler_function=self._arn("lambda", f"function:{names('scheduler')}"),
            scheduler_dead_letters=self._arn("sqs", names("scheduler-dead-letters")),
            execution_role=f"arn:aws:iam::{endpoint().account}:role/{names.execution_role}",
        )

    def _publish(self) -> None:
        if self.publishes:
            return
        self.publishes = True
        for what in (COMMANDS, *WORK.values()):
            topic = client("sns").create_topic(Name=self.names(what))["TopicArn"]
            client("sqs").create_queue(QueueName=self.names(what))
            client("sns").subscribe(
                TopicArn=topic,
                Protocol="sqs",
                Endpoint=self._arn("sqs", self.names(what)),
                Attributes={"RawMessageDelivery": "true"},
            )


def make_table(dynamodb: Any, table: Table, name: str) -> None:
    """Create a table as :mod:`rez_agent.aws.tables` describes it, but for TTL: the emulator would take away
    by its own clock what a test's clock keeps."""
    by_kind: dict[str, list[dict[str, Any]]] = {"LocalSecondaryIndexes": [], "GlobalSecondaryIndexes": []}
    for index in table.indexes:
        kind = "LocalSecondaryIndexes" if index.local else "GlobalSecondaryIndexes"
        by_kind[kind].append(_index(index))
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_key_schema(table.key),
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in table.attributes],
        **{kind: indexes for kind, indexes in by_kind.items() if indexes},
    )


def _index(index: Index) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": "ALL"}
    if index.includes == ():
        projection = {"ProjectionType": "KEYS_ONLY"}
    elif index.includes is not None:
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.includes)}
    return {"IndexName": index.name, "KeySchema": _key_schema(index.key), "Projection": projection}


def _key_schema(key: Key) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [
        {"AttributeName": name, "KeyType": kind} for name, kind in zip(key.attributes, kinds, strict=False)
    ]
