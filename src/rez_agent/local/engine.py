"""The engine: finds the schedules that are due, writes what is owed, and advances them.

It never loads all schedules. ``wake_at`` is indexed; :func:`take_due` takes a batch of what is due, asks
``domain.due`` what is owed, and writes the executions and the schedules' next occurrences in one
transaction, rows of a batch in one statement each. Half of a batch is for what fell due within the last
minute, so a backlog after an outage never delays what is on time.

Crash, anywhere: the transaction is whole or was not. If it was not, the schedules are still due and the next
look takes them; if it was, the executions' ids meet themselves should anything fire twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import apsw

from rez_agent.domain.calendar_due import owed_on_open_days
from rez_agent.domain.due import NOTHING_IN_FLIGHT, InFlight, Owed, Skip, owed
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.execution import Cause, Reason, window_share
from rez_agent.domain.expression import Occurrences, parse
from rez_agent.domain.instants import compact, from_ms, from_seconds, to_ms
from rez_agent.domain.policies import MISSED_AFTER_SECONDS, Overlap, Policies
from rez_agent.domain.schedule import CalendarUse, Schedule, ScheduleDefinition, heeding
from rez_agent.local.alert_facts import note_late
from rez_agent.local.calendars import calendar_used
from rez_agent.local.changes import SqliteChanges
from rez_agent.local.ledger import in_flight_of
from rez_agent.local.rows import Row, dumps, extras_from, fetch, ms_or_none, policies_from, wake_of
from rez_agent.local.schedule_store import SqliteSchedules
from rez_agent.local.signals import Signals
from rez_agent.usecases.applying import resume
from rez_agent.usecases.auditing import broken
from rez_agent.usecases.entries import DETAILS

if TYPE_CHECKING:
    from rez_agent.local.bundle import LocalPorts

BATCH = 1_000
"""Schedules taken in one transaction, at most."""

_DUE_COLUMNS = "seq, id, expression, timezone, starts, ends, created, policies, next_run, status, extras"
_ON_TIME = f"""
SELECT {_DUE_COLUMNS} FROM schedules WHERE wake_at IS NOT NULL AND wake_at <= ?1 AND wake_at > ?2
ORDER BY wake_at LIMIT ?3
"""  # noqa: S608 - constant columns
_LATE = f"""
SELECT {_DUE_COLUMNS} FROM schedules WHERE wake_at IS NOT NULL AND wake_at <= ?1 ORDER BY wake_at LIMIT ?2
"""  # noqa: S608
_FIRE = """
INSERT OR IGNORE INTO executions (id, schedule_id, owner, scheduled, status, cause, target_type, target,
    revision, created, due, expires, late, held, visible)
SELECT value ->> 1, s.id, s.owner, value ->> 2, 'queued', value ->> 3, s.target_type, s.target, s.revision,
    ?2, value ->> 4, value ->> 5, value ->> 6, value ->> 7, iif(value ->> 7, NULL, value ->> 4)
FROM json_each(?1) JOIN schedules s ON s.seq = value ->> 0
"""
_SKIP = """
INSERT OR IGNORE INTO executions (id, schedule_id, owner, scheduled, status, cause, target_type, target,
    revision, created, due, expires, reason, detail, finished, span_last, span_count)
SELECT value ->> 1, s.id, s.owner, value ->> 2, 'skipped', 'schedule', s.target_type, s.target, s.revision,
    ?2, value ->> 2, ?2, value ->> 3, value ->> 4, ?2, value ->> 5, value ->> 6
FROM json_each(?1) JOIN schedules s ON s.seq = value ->> 0
RETURNING status, reason
"""
_ADVANCE = """
UPDATE schedules SET next_run = moved.next_run, wake_at = moved.next_run,
    finished = iif(moved.next_run IS NULL, ?2, NULL)
FROM (SELECT value ->> 0 AS seq, value ->> 1 AS next_run FROM json_each(?1)) AS moved
WHERE schedules.seq = moved.seq
"""
_BREAK = "UPDATE schedules SET status = 'error', error = ?2, next_run = NULL, wake_at = NULL WHERE seq = ?1"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a look brought: how many schedules, whether more are due, and when to look next (ms)."""

    count: int
    more: bool
    next_wake: int | None


class SqliteEngine:
    """The Engine port. What wakes the engine stands in the schedules' rows: arming only tells it to look."""

    def __init__(self, connection: apsw.Connection, schedules: SqliteSchedules, signals: Signals) -> None:
        self._connection = connection
        self._schedules = schedules
        self._signals = signals

    def check(self, definition: ScheduleDefinition) -> list[Problem]:  # noqa: ARG002 - the port's signature
        """Nothing: this engine keeps time by the very evaluation that read the expression."""
        return []

    def settle(self, schedule: Schedule, now: datetime) -> Schedule:
        """Fire what is due of ``schedule``; the schedule as it is then."""
        while schedule.pause is None and schedule.next_run is not None and schedule.next_run <= now:
            sql = f"SELECT {_DUE_COLUMNS} FROM schedules WHERE id = ?"  # noqa: S608
            rows = fetch(self._connection, sql, (schedule.id,))
            fire(self._connection, rows, to_ms(now), self._signals)
            self._signals.work = True
            fired = self._schedules.get(schedule.id)
            assert fired is not None  # it was read in this very transaction
            schedule = fired
        return schedule

    def arm(self, schedule: Schedule) -> None:
        """Look when the schedule's next occurrence, or the end of its pause, has come."""
        self._signals.wake(ms_or_none(wake_of(schedule)))

    def disarm(self, schedule_id: str) -> None:
        """Nothing to do: a row without ``wake_at`` is never looked at."""


def take_due(ports: LocalPorts, now: datetime, limit: int = BATCH) -> Taken:
    """Take at most ``limit`` schedules that are due: fire them, or resume them where a pause ends."""
    connection, at = ports.connection, to_ms(now)
    minute_ago = at - MISSED_AFTER_SECONDS * 1000
    rows = fetch(connection, _ON_TIME, (at, minute_ago, limit))
    if len(rows) < limit:
        rows += fetch(connection, _LATE, (minute_ago, limit - len(rows)))
    elif fetch(connection, _LATE, (minute_ago, 1)):
        rows = rows[: limit // 2] + fetch(connection, _LATE, (minute_ago, limit - limit // 2))
    paused = [row for row in rows if row[9] == "paused"]
    fire(connection, [row for row in rows if row[9] != "paused"], at, ports.signals)
    for row in paused:
        try:
            _resume_itself(ports, row[1])
        except Invalid as error:  # the zone has left the tz database
            _break(connection, row, error.message, at)
    ports.signals.work |= bool(rows)
    ((next_wake,),) = fetch(connection, "SELECT min(wake_at) FROM schedules WHERE wake_at IS NOT NULL")
    return Taken(len(rows), next_wake is not None and next_wake <= at, next_wake)


def _resume_itself(ports: LocalPorts, schedule_id: str) -> None:
    """A pause's ``until`` has come: resume as of then, so what came since goes through catch-up."""
    schedule = ports.schedules.get(schedule_id)
    if schedule is not None and schedule.pause is not None and schedule.pause.until is not None:
        resume(ports, schedule, schedule.pause.until)


def fire(connection: apsw.Connection, rows: Sequence[Row], at: int, signals: Signals) -> None:
    """Write what is owed for the schedules in ``rows``, all due by ``at`` (ms), and advance them; what was
    skipped is told by ``signals``."""
    if not rows:
        return
    busy = _in_flight(connection, rows)
    fires: list[list[Any]] = []
    skips: list[list[Any]] = []
    moves: list[tuple[int, int | None]] = []
    for row in rows:
        try:
            decided = _owed(connection, row, at, busy.get(row[1], NOTHING_IN_FLIGHT))
        except Invalid as error:  # the zone has left the tz database
            _break(connection, row, error.message, at)
            continue
        _add_fires(fires, row, decided, at)
        skips += [_skip_row(row, skip) for skip in decided.skips]
        moves.append((row[0], None if decided.next_run is None else decided.next_run * 1000))
    connection.execute(_FIRE, (dumps(fires), at))
    if skips:
        signals.endings += fetch(connection, _SKIP, (dumps(skips), at))
    caught_up = [fired[1] for fired in fires if fired[6]]
    note_late(connection, caught_up + [skip[1] for skip in skips if skip[3] == Reason.MISSED.value])
    connection.execute(_ADVANCE, (dumps(moves), at))


def _break(connection: apsw.Connection, row: Row, why: str, at: int) -> None:
    """The schedule can't be evaluated any more: it is in error until it is changed."""
    schedules = SqliteSchedules(connection)
    before = schedules.get(row[1])
    connection.execute(_BREAK, (row[0], why))
    after = schedules.get(row[1])
    assert before is not None  # both were read in this very transaction
    assert after is not None
    SqliteChanges(connection).add(broken(before, after, from_ms(at)))


def _in_flight(connection: apsw.Connection, rows: Sequence[Row]) -> dict[str, InFlight]:
    """What is in flight of those schedules for which it matters."""
    ids = [row[1] for row in rows if _overlap(row) is not Overlap.ALLOW]
    return in_flight_of(connection, ids) if ids else {}


def _overlap(row: Row) -> Overlap:
    chosen = policies_from(row[7]).overlap
    if chosen is not None:
        return chosen
    return Overlap.ALLOW if row[2].startswith("at(") else Overlap.SKIP


def _owed(connection: apsw.Connection, row: Row, at: int, in_flight: InFlight) -> Owed:
    if row[10] != "{}":
        use = extras_from(row[10]).calendar
        if use is not None:
            return _owed_by_calendar(connection, row, at, in_flight, use)
    policies = policies_from(row[7])
    created = row[6] // 1000 if row[2].startswith("rate(") else None
    return owed(
        _occurrences(row[2], row[3], row[4], row[5], created),
        cursor=row[8] // 1000,
        now=at // 1000,
        catch_up=policies.catch_up,
        overlap=_overlap(row),
        in_flight=in_flight,
    )


def _owed_by_calendar(
    connection: apsw.Connection, row: Row, at: int, in_flight: InFlight, use: CalendarUse
) -> Owed:
    """The same for a schedule that heeds a calendar. Raises Invalid where that is gone."""
    policies = policies_from(row[7])
    created = row[6] // 1000 if row[2].startswith("rate(") else None
    calendar = calendar_used(connection, use)
    occurrences = heeding(_occurrences(row[2], row[3], row[4], row[5], created), use, calendar)
    assert calendar is not None  # else there are no occurrences
    return owed_on_open_days(
        occurrences,
        calendar,
        cursor=row[8] // 1000,
        now=at // 1000,
        catch_up=policies.catch_up,
        overlap=_overlap(row),
        in_flight=in_flight,
    )


@lru_cache(maxsize=4_096)
def _occurrences(
    expression: str, timezone: str, starts: int | None, ends: int | None, created: int | None
) -> Occurrences:
    """A schedule's occurrences; schedules that share expression and dates share them."""
    return Occurrences(
        parse(expression, timezone),
        start=None if starts is None else from_ms(starts),
        end=None if ends is None else from_ms(ends),
        anchor=None if created is None else from_seconds(created),
    )


def _add_fires(fires: list[list[Any]], row: Row, decided: Owed, at: int) -> None:
    policies = policies_from(row[7])
    age = policies.retry.max_event_age_seconds * 1000
    for fired in decided.fires:
        late = fired.cause is Cause.CATCH_UP
        identity = f"{row[1]}_{_compact(fired.scheduled)}"
        begun = min(row[6], at)  # never before its schedule was made, unless the clock was set back since
        due = at if late else max(fired.scheduled * 1000 + _share(identity, policies), begun)
        expires = max(due, at) + age
        fires.append(
            [
                row[0],
                identity,
                fired.scheduled * 1000,
                fired.cause.value,
                due,
                expires,
                int(late),
                int(fired.held),
            ]
        )


def _share(identity: str, policies: Policies) -> int:
    """The execution's moment in the flexible window, in ms after its occurrence."""
    if not policies.flexible_window_minutes:
        return 0
    return window_share(identity, policies.flexible_window_minutes * 60_000)


def _skip_row(row: Row, skip: Skip) -> list[Any]:
    passed, reason = skip.passed, skip.reason
    many = passed.count > 1
    return [
        row[0],
        f"{row[1]}_{_compact(passed.first)}",
        passed.first * 1000,
        reason.value,
        skip.detail or DETAILS.get(reason),
        passed.last * 1000 if many else None,
        passed.count if many else None,
    ]


@lru_cache(maxsize=1_024)
def _compact(seconds: int) -> str:
    return compact(from_seconds(seconds))
