"""The changes of schedules, in SQLite. Runs inside the caller's transaction."""

from __future__ import annotations

import json
from datetime import datetime

import apsw

from rez_agent.cursors import cursor_for, position_of
from rez_agent.domain.changes import CHANGES_KEPT, Change, ChangeAction, diff_document, diff_from
from rez_agent.domain.instants import from_ms, to_ms
from rez_agent.local.rows import Row, dumps, fetch
from rez_agent.ports import Page

_COLUMNS = "schedule_id, revision, action, at, author, reason, message_id, diff"
_INSERT = f"INSERT INTO changes (number, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_FORGET = "DELETE FROM changes WHERE schedule_id = ? AND revision <= ?"
_NEWEST = (
    f"SELECT {_COLUMNS} FROM changes WHERE schedule_id = ? AND (revision, number) < (?, ?) "  # noqa: S608
    "ORDER BY revision DESC, number DESC"
)
_NO_PLACE = (2**62, 0)


class SqliteChanges:
    """The Changes port."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def add(self, change: Change) -> None:
        """Keep it, and forget the one that is too many."""
        self._connection.execute(_INSERT, (change.place[1], *_values(change)))
        if change.revision > CHANGES_KEPT:
            self._connection.execute(_FORGET, (change.schedule_id, change.revision - CHANGES_KEPT))

    def list(self, schedule_id: str, *, cursor: str | None = None, limit: int = 50) -> Page[Change]:
        """A page, newest first."""
        place = position_of(cursor, f"changes|{schedule_id}", 2) if cursor else _NO_PLACE
        rows = fetch(self._connection, f"{_NEWEST} LIMIT ?", (schedule_id, *place, limit + 1))
        page = tuple(_change(row) for row in rows[:limit])
        following = cursor_for(f"changes|{schedule_id}", page[-1].place) if len(rows) > limit else None
        counted = "SELECT count(*) FROM changes WHERE schedule_id = ?"
        ((total,),) = fetch(self._connection, counted, (schedule_id,))
        return Page(page, following, total)

    def back_to(self, schedule_id: str, instant: datetime) -> tuple[Change, ...]:
        """Those made after ``instant``, newest first, and before it back to the last update."""
        found: list[Change] = []
        for row in self._connection.execute(_NEWEST, (schedule_id, *_NO_PLACE)):
            found.append(_change(row))
            if found[-1].at <= instant and found[-1].action is ChangeAction.UPDATE:
                break
        return tuple(found)


def _values(change: Change) -> Row:
    return (
        change.schedule_id,
        change.revision,
        change.action.value,
        to_ms(change.at),
        change.by,
        change.reason,
        change.message_id,
        dumps(diff_document(change.diff)),
    )


def _change(row: Row) -> Change:
    return Change(
        schedule_id=row[0],
        revision=row[1],
        action=ChangeAction(row[2]),
        at=from_ms(row[3]),
        by=row[4],
        reason=row[5],
        message_id=row[6],
        diff=diff_from(json.loads(row[7])),
    )
