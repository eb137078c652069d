"""AWS in the hands of somebody with every right: to bring about what faults and strangers leave behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rez_agent.aws.execution_items import schedule_of, settled
from rez_agent.aws.names import Names
from rez_agent.aws.secrets import ManagedSecrets
from rez_agent.aws.tables import EXECUTIONS, RECORDS, SCHEDULES, Table
from rez_agent.aws.wire import Item, from_wire, to_wire
from rez_agent.clock import SystemClock
from tests.stack.running import STAGE, Stack, eventually

NAMES = Names(STAGE)


@dataclass(frozen=True, slots=True)
class Console:
    """What is done past the functions."""

    stack: Stack

    # --- tables ---

    def items(self, table: Table) -> Iterator[Item]:
        """Everything in a table."""
        pages = self.stack.client("dynamodb").get_paginator("scan").paginate(TableName=NAMES(table.what))
        return (from_wire(item) for page in pages for item in page["Items"])

    def put(self, table: Table, item: Item) -> None:
        """Put a whole item; what is None is left out."""
        self.stack.client("dynamodb").put_item(TableName=NAMES(table.what), Item=to_wire(item))

    def row(self, schedule_id: str) -> Item:
        """A schedule's row, once nobody is arming it any more."""

        def found() -> Item | None:
            row = self._item(SCHEDULES, id=schedule_id)
            return None if "arming_until" in row else row

        row: Item = eventually(found, 20, f"the end of the arming of {schedule_id}")
        return row

    def change_schedule(self, schedule_id: str, **changes: Any) -> None:
        """Change attributes of a schedule's row."""
        self.put(SCHEDULES, {**self.row(schedule_id), **changes})

    def change_execution(self, execution_id: str, *, queue_at: str | None = None, **changes: Any) -> None:
        """Change an execution's item and what the indexes hold of it; ``queue_at`` by itself, which is then
        what an index holds that has not taken up the newest."""
        item = self._item(EXECUTIONS, schedule_id=schedule_of(execution_id), id=execution_id)
        changed = settled({**item, **changes})
        self.put(EXECUTIONS, changed if queue_at is None else {**changed, "queue_at": queue_at})

    def _item(self, table: Table, **key: Any) -> Item:
        answer = self.stack.client("dynamodb").get_item(
            TableName=NAMES(table.what), Key=to_wire(key), ConsistentRead=True
        )
        return from_wire(answer["Item"])

    def forget(self, pk: str, sk: str) -> None:
        """Delete a record."""
        self.stack.client("dynamodb").delete_item(
            TableName=NAMES(RECORDS.what), Key=to_wire({"pk": pk, "sk": sk})
        )

    # --- EventBridge Scheduler ---

    def lose(self, schedule_id: str) -> None:
        """Delete EventBridge's schedule."""
        self.stack.client("scheduler").delete_schedule(GroupName=NAMES.schedule_group, Name=schedule_id)

    def copy(self, schedule_id: str, name: str) -> None:
        """Make a schedule of EventBridge's that is nobody's."""
        self.stack.client("scheduler").create_schedule(**self._held(schedule_id) | {"Name": name})

    def misarm(self, schedule_id: str) -> None:
        """Change EventBridge's schedule."""
        self.stack.client("scheduler").update_schedule(
            **self._held(schedule_id) | {"ScheduleExpression": "rate(7 days)"}
        )

    def _held(self, schedule_id: str) -> dict[str, Any]:
        found = self.stack.client("scheduler").get_schedule(GroupName=NAMES.schedule_group, Name=schedule_id)
        kept = ("GroupName", "Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")
        return {name: found[name] for name in kept}

    # --- the rest ---

    def publish(self, topic: str, message: Any) -> None:
        """Publish to a topic, by the name of its output."""
        arn = self.stack.outputs[topic]
        self.stack.client("sns").publish(TopicArn=arn, Message=json.dumps(message))

    def invoke(self, function: str, event: Any) -> Any:
        """Invoke a function; its answer."""
        answer = self.stack.client("lambda").invoke(
            FunctionName=self.stack.outputs[f"{function}FunctionName"], Payload=json.dumps(event).encode()
        )
        said = answer["Payload"].read()
        assert "FunctionError" not in answer, said
        return json.loads(said)

    def keep_secret(self, name: str, value: str, host: str) -> None:
        """Keep a secret, as ``rez-agent secrets set --stage`` does."""
        client = self.stack.client("secretsmanager")
        ManagedSecrets(client, NAMES.secrets_prefix, SystemClock()).put(name, value, (host,))
