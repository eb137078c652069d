"""Firing, on a host whose engine keeps time by itself and tells of one occurrence at a time.

Such an engine fires at least once, in any order, hours late after an outage, and may not have heard yet of a
schedule's last change. :func:`fire` decides what is owed for the occurrence it names; :func:`make_good`
finds the occurrences of which the engine never told. Both write under the occurrence's own id, so whichever
comes second meets the entry of the first. What is owed is decided in ``domain.due``, as on every host.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from rez_agent.domain.calendar_due import skip_closed
from rez_agent.domain.calendar_times import LocalDays, OnDays
from rez_agent.domain.due import (
    NOTHING_IN_FLIGHT,
    Fire,
    InFlight,
    Instants,
    Passed,
    Skip,
    Times,
    owed,
    under_overlap,
)
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, execution_id
from rez_agent.domain.expression import Occurrences
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.policies import MISSED_AFTER_SECONDS, CatchUp, CatchUpMode, Overlap
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.timelines import EARLIEST
from rez_agent.ports import ExecutionQuery, Ledger, Ports, Topic
from rez_agent.usecases.applying import resume
from rez_agent.usecases.entries import DETAILS, due_execution, skipped_execution

ENTRIES_AT_ONCE = 1_000
"""Entries of the ledger read at a time."""

SPANS_BEFORE = 10
"""How many entries before an instant are looked at for one that stands for it too."""

OFF_GRID_SECONDS = 60
"""An engine's instant of a rate so far off our grid is an instant of its own."""

_SECOND = timedelta(seconds=1)
_INSTANT = timedelta(microseconds=1)


class Firing(StrEnum):
    """What became of a firing.

    ``queued``: it is (or is held behind another). ``skipped``: its entry says why. ``repeated``: it was
    queued before, and was published again. ``known``: it was dealt with before. ``resumed``: it ended a
    pause. ``paused``: it falls into a pause, whose own entry tells of it. ``stale``: its schedule was
    changed before it, and it is no occurrence any more; or the pause that it was to end is over. ``gone``:
    its schedule is deleted, or never was.
    """

    QUEUED = "queued"
    SKIPPED = "skipped"
    REPEATED = "repeated"
    KNOWN = "known"
    RESUMED = "resumed"
    PAUSED = "paused"
    STALE = "stale"
    GONE = "gone"


def fire(ports: Ports, schedule_id: str, due: datetime, revision: int, *, ends_pause: bool = False) -> Firing:
    """The engine says that ``schedule_id`` is due at ``due``, armed as it was at ``revision``. With
    ``ends_pause`` it was armed for a pause's end, which is no occurrence by itself. An instant of a rate less
    than a minute off its grid is the occurrence next to it: engines promise no better.

    May be called again and in any order. Raises Invalid when a pause is to end whose schedule's zone has
    left the tz database.
    """
    now = ports.clock.now()
    schedule = ports.schedules.get(schedule_id)
    if schedule is None or not schedule.living:
        return Firing.GONE
    if not ends_pause and revision >= schedule.revision:
        due = _on_grid(schedule, due)
    known = ports.ledger.get(execution_id(schedule_id, due))
    if known is not None:
        return _again(ports.topic, known)
    if schedule.pause is not None and due > schedule.pause.since:
        return _while_paused(ports, schedule, due)
    current = revision >= schedule.revision and not ends_pause and not schedule.moves
    expected = _expects(schedule, due)
    if not current and not expected and (ends_pause or due > _changed(schedule)):
        if schedule.moves and not ends_pause and schedule.pause is None:
            ports.engine.arm(_past(schedule, due))  # it was armed for what is no occurrence any more
        return Firing.STALE
    late = to_seconds(now) - to_seconds(due) >= _late_after(schedule)
    if (late or not current) and _stands_in_a_span(ports.ledger, schedule_id, due):
        return Firing.KNOWN
    cause = Cause.ENGINE_ONLY if current and not expected else None
    written = _decide(ports.ledger, ports.topic, schedule, [to_seconds(due)], now=now, cause=cause)
    if schedule.moves:
        ports.engine.arm(_past(schedule, due))
    return Firing.QUEUED if written[0].status is ExecutionStatus.QUEUED else Firing.SKIPPED


def make_good(
    ledger: Ledger, topic: Topic, schedule: Schedule, *, since: datetime, until: datetime, now: datetime
) -> list[Execution]:
    """Write what is owed for the occurrences from ``since`` to ``until``, both inclusive and none later than
    ``now``, that have no entry; what was written, oldest first.

    ``since`` lies in the life of the present definition: what an earlier one owed is settled when it is
    changed. Nothing, where nobody can say what is due (the zone has left the tz database).
    """
    try:
        occurrences = schedule.occurrences
    except Invalid:
        return []
    due = list(_between(occurrences, to_seconds(since - _INSTANT), to_seconds(until)))
    if not due:
        return []
    missing = _without_entry(ledger, schedule.id, due)
    return _decide(ledger, topic, schedule, missing, now=now) if missing else []


# --- one firing ---


def _again(topic: Topic, known: Execution) -> Firing:
    """What is queued and was never tried is published again: the hand-over may have been lost."""
    waits = known.status is ExecutionStatus.QUEUED and known.next_attempt_at is not None
    if not waits or known.attempts:
        return Firing.KNOWN
    topic.publish_work([known])
    return Firing.REPEATED


def _while_paused(ports: Ports, schedule: Schedule, due: datetime) -> Firing:
    """The pause's end, or an occurrence that the pause lets pass."""
    until = schedule.pause.until if schedule.pause else None
    if until is None or due < until:
        return Firing.PAUSED
    resume(ports, schedule, until)
    return Firing.RESUMED


def _expects(schedule: Schedule, due: datetime) -> bool:
    """Whether our own evaluation knows the instant as an occurrence."""
    try:
        return schedule.occurrences.matches(due)
    except Invalid:  # its zone has left the tz database
        return False


def _on_grid(schedule: Schedule, due: datetime) -> datetime:
    """Of a rate the occurrence nearest to ``due``, if it is less than a minute away (of two the later, which
    is not late); else ``due`` itself."""
    if not schedule.definition.schedule_expression.startswith("rate("):
        return due
    at, occurrences = to_seconds(due), schedule.occurrences
    around = (occurrences.next_epoch(at - 1), occurrences.previous_epoch(at))
    near = [each for each in around if each is not None and abs(each - at) < OFF_GRID_SECONDS]
    return from_seconds(min(near, key=lambda each: abs(each - at))) if near else due


def _stands_in_a_span(ledger: Ledger, schedule_id: str, due: datetime) -> bool:
    """Whether an entry for many occurrences (a pause, an outage) stands for this one."""
    query = ExecutionQuery(schedule_id=schedule_id, until=due, limit=SPANS_BEFORE)
    return any(entry.span is not None and due <= entry.span.last for entry in ledger.list(query).items)


# --- deciding ---


def _decide(
    ledger: Ledger,
    topic: Topic,
    schedule: Schedule,
    missing: Sequence[int],
    *,
    now: datetime,
    cause: Cause | None = None,
) -> list[Execution]:
    """Decide about ``missing`` occurrences (at least one, ascending), write it and publish what may start.
    ``cause`` is given where it is known."""
    overlap = schedule.definition.overlap
    in_flight = NOTHING_IN_FLIGHT if overlap is Overlap.ALLOW else ledger.in_flight(schedule.id)
    fires, skips = _owed(schedule, missing, to_seconds(now), in_flight)
    if cause is not None:
        fires = [replace(fired, cause=cause) for fired in fires]
    queued = [due_execution(schedule, fired, now) for fired in fires]
    skipped = [
        skipped_execution(schedule, skip.passed, skip.reason, now, detail=skip.detail or DETAILS[skip.reason])
        for skip in skips
    ]
    ledger.add(queued + skipped)
    topic.publish_work([execution for execution in queued if execution.next_attempt_at is not None])
    return sorted(queued + skipped, key=lambda execution: execution.scheduled_time)


def _owed(
    schedule: Schedule, missing: Sequence[int], now: int, in_flight: InFlight
) -> tuple[list[Fire], list[Skip]]:
    """What is owed for ``missing`` alone. Late is what the flexible window can't account for."""
    missing, closed = _on_closed_days(schedule, missing)
    split = bisect_right(missing, now - _late_after(schedule))
    late, on_time = missing[:split], [Fire(instant) for instant in missing[split:]]
    catch_up = schedule.definition.policies.catch_up
    if catch_up.mode is CatchUpMode.LATEST and late and (on_time or _overtaken(schedule, late[-1], now)):
        catch_up = catch_up.model_copy(update={"mode": CatchUpMode.SKIP})
    made_good, skips = _made_good(late, now, catch_up)
    allowed, forbidden = under_overlap(
        made_good + on_time,
        schedule.definition.overlap,
        in_flight,
        all_made_good=catch_up.mode is CatchUpMode.ALL,
    )
    return allowed, skips + forbidden + closed


def _on_closed_days(schedule: Schedule, missing: Sequence[int]) -> tuple[Sequence[int], list[Skip]]:
    """Those of ``missing`` on days that are open; and one entry for the others."""
    calendar = schedule.calendar
    if schedule.definition.calendar is None or calendar is None:
        return missing, []
    try:
        occurrences = schedule.occurrences
    except Invalid:  # its zone has left the tz database
        return missing, []
    days = LocalDays(occurrences.expression.zone)
    closed = [each for each in missing if calendar.is_closed(days.of(each))]
    if not closed:
        return missing, []
    left = set(closed)
    passed = Passed(closed[0], closed[-1], len(closed))
    return [each for each in missing if each not in left], [skip_closed(occurrences, calendar, passed)]


def _changed(schedule: Schedule) -> datetime:
    """When its occurrences became what they are."""
    if schedule.calendar is None or not schedule.moves:
        return schedule.updated_date
    return max(schedule.updated_date, schedule.calendar.changed)


def _past(schedule: Schedule, due: datetime) -> Schedule:
    """The schedule with what comes after ``due`` as its next occurrence."""
    with suppress(Invalid):  # its calendar is gone: the engine finds that too
        return replace(schedule, next_run=schedule.occurrences.next_after(due))
    return schedule


def _late_after(schedule: Schedule) -> int:
    return MISSED_AFTER_SECONDS + 60 * schedule.definition.policies.flexible_window_minutes


def _overtaken(schedule: Schedule, instant: int, now: int) -> bool:
    """Whether a later occurrence has come, which is then the latest."""
    try:
        following = _open_times(schedule, now).next_epoch(instant)
    except Invalid:
        return False
    return following is not None and following <= now


def _open_times(schedule: Schedule, now: int) -> Times:
    """The occurrences that are executed: a calendar's closed days have none."""
    occurrences, calendar = schedule.occurrences, schedule.calendar
    if calendar is None:
        return occurrences
    return OnDays(occurrences, calendar, closed=False, low=EARLIEST, high=now)


def _made_good(late: Sequence[int], now: int, catch_up: CatchUp) -> tuple[list[Fire], list[Skip]]:
    """Catch-up's answer, however many rounds it takes. Overlap is not looked at yet."""
    fires: list[Fire] = []
    skips: list[Skip] = []
    cursor = late[0] if late else None
    times = Instants(late)
    while cursor is not None:
        decided = owed(times, cursor=cursor, now=now, catch_up=catch_up, overlap=Overlap.ALLOW)
        fires += decided.fires
        skips += decided.skips
        cursor = decided.next_run
    return fires, skips


# --- what has an entry ---


def _without_entry(ledger: Ledger, schedule_id: str, due: Sequence[int]) -> list[int]:
    """Those of the occurrences ``due`` (at least one, ascending) that no entry stands for, alone or with
    others; an entry for many that begins before the first is looked for only where one is missing."""
    first, last = from_seconds(due[0]), from_seconds(due[-1])
    within = ExecutionQuery(schedule_id=schedule_id, since=first, until=last + _SECOND, limit=ENTRIES_AT_ONCE)
    missing = _left_out(due, schedule_id, _all(ledger, within))
    if not missing:
        return missing
    before = ExecutionQuery(schedule_id=schedule_id, until=first, limit=SPANS_BEFORE)
    return _left_out(missing, schedule_id, ledger.list(before).items)


def _left_out(due: Sequence[int], schedule_id: str, entries: Iterable[Execution]) -> list[int]:
    """The occurrences that none of ``entries`` stands for; what was asked for stands for none."""
    alone: set[int] = set()
    stretches: list[tuple[int, int]] = []
    for entry in entries:
        if entry.span is not None:
            stretches.append((to_seconds(entry.span.first), to_seconds(entry.span.last)))
        elif entry.id == execution_id(schedule_id, entry.scheduled_time):
            alone.add(to_seconds(entry.scheduled_time))
    return [
        instant
        for instant in due
        if instant not in alone and not any(first <= instant <= last for first, last in stretches)
    ]


def _all(ledger: Ledger, query: ExecutionQuery) -> Iterator[Execution]:
    page = ledger.list(query)
    yield from page.items
    while page.next_cursor is not None:
        page = ledger.list(replace(query, cursor=page.next_cursor))
        yield from page.items


def _between(occurrences: Occurrences, after: int, until: int) -> Iterator[int]:
    """The occurrences in ``(after, until]``."""
    following = occurrences.next_epoch(after)
    while following is not None and following <= until:
        yield following
        following = occurrences.next_epoch(following)
