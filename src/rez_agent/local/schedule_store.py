"""The schedules, in SQLite. Runs inside the caller's transaction."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import apsw

from rez_agent.domain.errors import Conflict, RevisionConflict
from rez_agent.domain.instants import to_ms
from rez_agent.domain.schedule import INLINE_PAYLOAD_BYTES, ClosedDay, Schedule
from rez_agent.local.blobs import SqliteBlobs
from rez_agent.local.calendars import calendar_used
from rez_agent.local.rows import (
    SCHEDULE_COLUMNS,
    Row,
    dumps,
    extras_text,
    ms_or_none,
    pause_text,
    policies_text,
    schedule_from,
    wake_of,
)
from rez_agent.local.schedule_list import ScheduleList
from rez_agent.ports import Page, ScheduleQuery
from rez_agent.usecases.changes import definition_document
from rez_agent.usecases.commands import name_taken

_KEPT = (
    "id, owner, name, status, expression, timezone, target_type, target, description, tags, starts, ends, "
    "policies, payload, payload_blob, created, updated, revision, error, pause, next_run, wake_at, finished, "
    "deletes, extras"
)
_COUNT = len(_KEPT.split(", "))
_INSERT = f"INSERT INTO schedules ({_KEPT}) VALUES ({', '.join('?' * _COUNT)})"  # noqa: S608 - constants
_UPDATE = (
    f"UPDATE schedules SET ({_KEPT}) = ({', '.join(f'?{n + 1}' for n in range(_COUNT))}) "  # noqa: S608
    f"WHERE id = ?1 AND revision = ?{_COUNT + 1}"
)

_HEEDING = (
    "SELECT id FROM schedules INDEXED BY schedules_calendar WHERE extras <> '{}' AND status <> 'deleted' "
    "AND extras ->> '$.calendar.name' = ? AND extras ->> '$.calendar.closed' = ? AND id > ? "
    "ORDER BY id LIMIT ?"
)
_RESCHEDULE = "UPDATE schedules SET next_run = ?, wake_at = ?, finished = ? WHERE id = ? AND revision = ?"


class SqliteSchedules:
    """The ScheduleStore port."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._blobs = SqliteBlobs(connection)
        self._list = ScheduleList(connection, self._schedule)

    def add(self, schedule: Schedule) -> None:
        """Keep a new schedule."""
        try:
            self._connection.execute(_INSERT, self._values(schedule))
        except apsw.ConstraintError as error:
            raise self._conflict(schedule, error) from None
        seq = self._connection.last_insert_rowid()
        for tag in schedule.definition.tags:
            self._connection.execute("INSERT INTO schedule_tags VALUES (?, ?)", (tag, seq))
        self._count(schedule.created_by, 1)

    def replace(self, schedule: Schedule, before: Schedule) -> None:
        """Keep the next revision, and what was before."""
        try:
            self._connection.execute(_UPDATE, (*self._values(schedule), before.revision))
        except apsw.ConstraintError as error:
            raise self._conflict(schedule, error) from None
        if not self._connection.changes():
            raise RevisionConflict(
                f"The schedule changed since revision {before.revision}. Read it again and repeat the change."
            )
        self._keep_revision(before, schedule)
        if schedule.definition.tags != before.definition.tags:
            self._retag(schedule)
        if before.living and not schedule.living:
            self._count(schedule.created_by, -1)

    def get(self, schedule_id: str) -> Schedule | None:
        """The schedule, tombstones included."""
        sql = f"SELECT {SCHEDULE_COLUMNS} FROM schedules WHERE id = ?"  # noqa: S608 - constant columns
        for row in self._connection.execute(sql, (schedule_id,)):
            return self._schedule(row)
        return None

    def payload_at(self, schedule_id: str, revision: int) -> dict[str, Any] | None:
        """The payload of a revision, or the present one."""
        sql = (
            "SELECT coalesce(r.payload, s.payload), s.payload_blob FROM schedules s LEFT JOIN revisions r "
            "ON r.schedule_id = s.id AND r.revision = ?2 AND r.revision <> s.revision WHERE s.id = ?1"
        )
        for text, blob in self._connection.execute(sql, (schedule_id, revision)):
            found: dict[str, Any] = json.loads(self._blobs.get(blob) if text is None else text)
            return found
        return None

    def named(self, owner: str, name: str) -> str | None:
        """The id of the owner's living schedule so named."""
        sql = "SELECT id FROM schedules WHERE owner = ? AND name = ? AND status <> 'deleted'"
        for row in self._connection.execute(sql, (owner, name)):
            return str(row[0])
        return None

    def living(self, owner: str) -> int:
        """How many living schedules the owner has."""
        for row in self._connection.execute("SELECT living FROM owners WHERE owner = ?", (owner,)):
            return int(row[0])
        return 0

    def heeding(self, calendar: str, closed: ClosedDay, after: str | None, limit: int) -> tuple[str, ...]:
        """Ids of the living schedules that heed the calendar in this way."""
        values = (calendar, closed.value, after or "", limit)
        return tuple(row[0] for row in self._connection.execute(_HEEDING, values))

    def reschedule(self, schedule: Schedule) -> None:
        """Keep what comes next for a schedule."""
        values = (
            ms_or_none(schedule.next_run),
            ms_or_none(wake_of(schedule)),
            ms_or_none(schedule.finished_at),
            schedule.id,
            schedule.revision,
        )
        self._connection.execute(_RESCHEDULE, values)

    def list(self, query: ScheduleQuery) -> Page[Schedule]:
        """A page."""
        return self._list.page(query)

    def _values(self, schedule: Schedule) -> tuple[Any, ...]:
        definition = schedule.definition
        payload, blob = self._kept_payload(schedule)
        return (
            schedule.id,
            schedule.created_by,
            definition.name,
            schedule.status.value,
            definition.schedule_expression,
            definition.timezone,
            definition.target_type.value,
            schedule.target,
            definition.description,
            dumps(definition.tags),
            ms_or_none(definition.start),
            ms_or_none(definition.end),
            policies_text(definition.policies),
            payload,
            blob,
            to_ms(schedule.created_date),
            to_ms(schedule.updated_date),
            schedule.revision,
            schedule.error_message,
            pause_text(schedule.pause),
            ms_or_none(schedule.next_run),
            ms_or_none(wake_of(schedule)),
            ms_or_none(schedule.finished_at),
            int(schedule.deletes_itself),
            extras_text(definition.extras),
        )

    def _kept_payload(self, schedule: Schedule) -> tuple[str | None, str | None]:
        """The payload's text for the row, or the reference of the blob that holds it."""
        text = dumps(schedule.definition.payload)
        if len(text) <= INLINE_PAYLOAD_BYTES // 4 or len(text.encode()) <= INLINE_PAYLOAD_BYTES:
            return text, None
        return None, self._blobs.put(schedule.id, text.encode())

    def _schedule(self, row: Row) -> Schedule:
        payload = row[13] if row[13] is not None else self._blobs.get(row[14]).decode()
        schedule = schedule_from(row, payload)
        if schedule.definition.calendar is None:
            return schedule
        return replace(schedule, calendar=calendar_used(self._connection, schedule.definition.calendar))

    def _keep_revision(self, before: Schedule, after: Schedule) -> None:
        document = definition_document(before.definition)
        payload = document.pop("payload")
        self._connection.execute(
            "INSERT OR REPLACE INTO revisions VALUES (?, ?, ?, ?, ?)",
            (before.id, before.revision, to_ms(after.updated_date), dumps(payload), dumps(document)),
        )

    def _retag(self, schedule: Schedule) -> None:
        ((seq,),) = self._connection.execute("SELECT seq FROM schedules WHERE id = ?", (schedule.id,))
        self._connection.execute("DELETE FROM schedule_tags WHERE seq = ?", (seq,))
        for tag in schedule.definition.tags:
            self._connection.execute("INSERT INTO schedule_tags VALUES (?, ?)", (tag, seq))

    def _count(self, owner: str, change: int) -> None:
        self._connection.execute(
            "INSERT INTO owners VALUES (?1, ?2) ON CONFLICT (owner) DO UPDATE SET living = living + ?2",
            (owner, change),
        )

    def _conflict(self, schedule: Schedule, error: apsw.ConstraintError) -> Exception:
        text = str(error)
        if "schedules.name" in text:
            return name_taken(schedule.definition.name)
        if "schedules.id" in text:
            return Conflict(f"The id '{schedule.id}' is or was in use.", code="schedule_exists")
        return error
