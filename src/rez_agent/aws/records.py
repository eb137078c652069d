"""Records and messages: small documents by key."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice

from rez_agent.aws.blobs import S3Blobs
from rez_agent.aws.items import (
    MESSAGE_KEPT,
    PENDING,
    dumps,
    expired,
    instant_or_none,
    message_from,
    message_item,
    request_text,
    stamp_or_none,
    ttl_at,
)
from rez_agent.aws.tables import MESSAGES, RECORDS, TTL
from rez_agent.aws.tables import PENDING as PENDING_INDEX
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item
from rez_agent.domain.command import CommandAction, Message
from rez_agent.domain.schedule import INLINE_PAYLOAD_BYTES
from rez_agent.ports import Clock, Record
from rez_agent.usecases.commands import twin_message_id

INLINE_BYTES = INLINE_PAYLOAD_BYTES
"""A text up to this size stands in its row; a larger one goes to the blobs."""

PENDING_LOOKED_AT = 100
"""Of the commands that are not judged yet, so many are looked through for a create, the newest first."""


class DynamoRecords:
    """The Records port. A key has 1 to 1,024 bytes, as DynamoDB allows."""

    def __init__(self, unit: Unit, blobs: S3Blobs) -> None:
        self._unit = unit
        self._blobs = blobs

    def get(self, kind: str, key: str, now: datetime) -> Record | None:
        """The record, unless it has expired."""
        item = self._unit.get(RECORDS, pk_of(kind), key)
        return None if item is None else self._record(kind, item, now)

    def put(self, record: Record) -> None:
        """Keep it."""
        pk, before = pk_of(record.kind), self._unit.get(RECORDS, pk_of(record.kind), record.key)
        owner = f"{pk}#{record.key}"
        if before is not None and "value_blob" in before:
            self._blobs.drop(owner)
        item = {"pk": pk, "sk": record.key, "expires_at": stamp_or_none(record.expires_at)}
        text = dumps(record.value)
        if fits(text):
            item["value"] = text
        else:
            item["value_blob"] = self._blobs.put(owner, text.encode())
        if record.expires_at is not None:
            self._unit.put(RECORDS, {**item, TTL: ttl_at(record.expires_at)})
            if "value_blob" in item:
                self._blobs.expire(owner, record.expires_at)
        else:
            self._unit.put(RECORDS, item)

    def delete(self, kind: str, key: str) -> bool:
        """Whether there was one."""
        before = self._unit.get(RECORDS, pk_of(kind), key)
        if before is None:
            return False
        if "value_blob" in before:
            self._blobs.drop(f"{pk_of(kind)}#{key}")
        self._unit.delete(RECORDS, pk_of(kind), key)
        return True

    def list(self, kind: str, now: datetime) -> list[Record]:
        """All of a kind that have not expired, by key."""
        pk = pk_of(kind)
        read = self._unit.query(
            RECORDS, KeyConditionExpression="pk = :pk", values={":pk": pk}, ConsistentRead=True
        )
        rows: dict[str, Item | None] = {row["sk"]: row for row in read}
        rows |= {key[1]: row for key, row in self._unit.staged(RECORDS).items() if key[0] == pk}
        found = (self._record(kind, row, now) for _, row in sorted(rows.items()) if row is not None)
        return [record for record in found if record is not None]

    def _record(self, kind: str, item: Item, now: datetime) -> Record | None:
        expires_at = instant_or_none(item.get("expires_at"))
        if expires_at is not None and expires_at <= now:
            return None
        text = item["value"] if "value" in item else self._blobs.text(item["value_blob"])
        return Record(kind, item["sk"], json.loads(text), expires_at)


class DynamoMessages:
    """The Messages port."""

    def __init__(self, unit: Unit, blobs: S3Blobs, clock: Clock) -> None:
        self._unit = unit
        self._blobs = blobs
        self._clock = clock

    def add(self, message: Message) -> None:
        """Keep a new message."""
        if self._unit.get(MESSAGES, message.id) is not None:
            return
        text = request_text(message.request)
        if fits(text):
            request: Item = {"request": text}
        else:
            request = {"request_blob": self._blobs.put(message.id, text.encode())}
        self._unit.put(MESSAGES, message_item(message, request))

    def save(self, message: Message) -> None:
        """Keep what became of it. The request stays as it was added; a message that is not there stays so."""
        present = self._unit.get(MESSAGES, message.id)
        if present is None:
            return
        request: Item = {name: present[name] for name in ("request", "request_blob") if name in present}
        self._unit.put(MESSAGES, message_item(message, request))
        if "request_blob" in request and message.status.final:
            self._blobs.expire(message.id, message.updated_date + MESSAGE_KEPT)

    def get(self, message_id: str) -> Message | None:
        """The message, or None."""
        item = self._unit.get(MESSAGES, message_id)
        if item is None or expired(item, self._clock.now()):
            return None
        return message_from(item, self._blobs.text)

    def judged(self, message_id: str) -> Message | None:
        """The message if it is final, or None."""
        item = self._unit.get(MESSAGES, message_id)
        return None if item is None or "pending" in item else self.get(message_id)

    def pending_create(self, schedule_id: str) -> Message | None:
        """The create of this schedule that has not been judged yet, or None.

        Found at once by its twin id; where the caller chose the schedule's id, only among the newest
        :data:`PENDING_LOOKED_AT` commands, and a moment after it was added.
        """
        twin = twin_message_id(schedule_id)
        if _creates(self._unit.get(MESSAGES, twin), schedule_id):
            return self.get(twin)
        newest = self._unit.query(
            MESSAGES,
            PENDING_INDEX.name,
            KeyConditionExpression="pending = :pending",
            values={":pending": PENDING},
            ScanIndexForward=False,
            Limit=PENDING_LOOKED_AT,
        )
        ids = [(row["id"],) for row in islice(newest, PENDING_LOOKED_AT)]
        for (message_id,), item in self._unit.get_all(MESSAGES, ids).items():
            if _creates(item, schedule_id):
                return self.get(message_id)
        return None


def fits(text: str) -> bool:
    """Whether a text may stand in a row."""
    return len(text) <= INLINE_BYTES // 4 or len(text.encode()) <= INLINE_BYTES


def pk_of(kind: str) -> str:
    """The hash key of the records of a kind."""
    return f"record#{kind}"


def _creates(item: Item | None, schedule_id: str) -> bool:
    return (
        item is not None
        and "pending" in item
        and item["action"] == CommandAction.CREATE.value
        and item.get("schedule_id") == schedule_id
    )
