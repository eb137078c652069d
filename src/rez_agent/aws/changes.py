"""The changes of schedules, in DynamoDB, over a unit: one record each, ``"change#"+id`` by revision.

They go with the schedule's tombstone: what deletes a schedule sets their time (:func:`expire_changes`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from rez_agent.aws.items import dumps, instant, stamp, ttl_at
from rez_agent.aws.keeping import TOMBSTONE_KEPT
from rez_agent.aws.tables import RECORDS, TTL
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item
from rez_agent.cursors import cursor_for, position_of
from rez_agent.domain.changes import CHANGES_KEPT, Change, ChangeAction, diff_document, diff_from
from rez_agent.ports import Clock, Page

PAGE = 100
"""Changes read at a time where there is no saying how many are wanted."""

_LAST = "~"
"""Sorts after every place."""


class DynamoChanges:
    """The Changes port."""

    def __init__(self, unit: Unit, clock: Clock) -> None:
        self._unit = unit
        self._clock = clock

    def add(self, change: Change) -> None:
        """Keep it, as long as the schedule stands, and forget the one that is too many. A deletion is kept
        as long as the other changes of its schedule, which the deletion gave an end to."""
        pk, sk = _pk(change.schedule_id), _sk(change.place)
        item = {
            "pk": pk,
            "sk": sk,
            "revision": change.revision,
            "action": change.action.value,
            "at": stamp(change.at),
            "by": change.by,
            "reason": change.reason,
            "message_id": change.message_id,
            "diff": dumps(diff_document(change.diff)),
        }
        if change.action is ChangeAction.DELETE:
            item[TTL] = ttl_at(change.at + TOMBSTONE_KEPT)
        self._unit.put(RECORDS, item)
        if change.revision > CHANGES_KEPT:
            for number in (0, 1):
                self._unit.delete(RECORDS, pk, _sk((change.revision - CHANGES_KEPT, number)))

    def list(self, schedule_id: str, *, cursor: str | None = None, limit: int = 50) -> Page[Change]:
        """A page, newest first."""
        before = position_of(cursor, f"changes|{schedule_id}", 1)[0] if cursor else _LAST
        page = list(islice(self._newest(schedule_id, str(before), limit + 1), limit + 1))
        more = len(page) > limit
        following = cursor_for(f"changes|{schedule_id}", [_sk(page[limit - 1].place)]) if more else None
        total = self._unit.count(RECORDS, **self._asked("pk = :pk", pk=_pk(schedule_id)))
        return Page(tuple(page[:limit]), following, total)

    def back_to(self, schedule_id: str, moment: datetime) -> tuple[Change, ...]:
        """Those made after ``moment``, newest first, and before it back to the last update."""
        found: list[Change] = []
        for change in self._newest(schedule_id, _LAST, PAGE):
            found.append(change)
            if change.at <= moment and change.action is ChangeAction.UPDATE:
                break
        return tuple(found)

    def _newest(self, schedule_id: str, before: str, limit: int) -> Iterator[Change]:
        asked = self._asked("pk = :pk AND sk < :before", pk=_pk(schedule_id), before=before)
        rows = self._unit.query(RECORDS, ScanIndexForward=False, Limit=limit, **asked)
        return (_change(schedule_id, row) for row in rows)

    def _asked(self, key: str, **values: str) -> dict[str, Any]:
        """A Query that finds nothing whose time is over."""
        now = int(self._clock.now().timestamp())
        return {
            "KeyConditionExpression": key,
            "FilterExpression": "attribute_not_exists(#ttl) OR #ttl > :now",
            "ExpressionAttributeNames": {"#ttl": TTL},
            "values": {":now": now, **{f":{name}": value for name, value in values.items()}},
            "ConsistentRead": True,
        }


def expire_changes(unit: Unit, schedule_id: str, gone: datetime) -> None:
    """Stage that a schedule's changes go at ``gone``."""
    rows = unit.query(
        RECORDS, KeyConditionExpression="pk = :pk", values={":pk": _pk(schedule_id)}, ConsistentRead=True
    )
    for row in rows:
        unit.put(RECORDS, {**row, TTL: ttl_at(gone)})


def _pk(schedule_id: str) -> str:
    return f"change#{schedule_id}"


def _sk(place: tuple[int, int]) -> str:
    return f"{place[0]:010d}#{place[1]}"


def _change(schedule_id: str, row: Item) -> Change:
    return Change(
        schedule_id=schedule_id,
        revision=row["revision"],
        action=ChangeAction(row["action"]),
        at=instant(row["at"]),
        by=row.get("by"),
        reason=row["reason"],
        message_id=row.get("message_id"),
        diff=diff_from(json.loads(row["diff"])),
    )
