"""What is owed and what comes next: catch-up, overlap and pause, decided from facts alone.

The engine finds a schedule whose next occurrence has come and asks :func:`owed`. The answer lists the
executions to queue, the entries to write for what is skipped, and the next occurrence. Nothing passes in
silence: every occurrence from the cursor up to ``now`` is in the answer exactly once, unless the answer was
cut at :data:`OWED_AT_ONCE`, in which case the next cursor stands before ``now`` and the engine asks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rez_agent.domain.execution import Cause, Reason, Span
from rez_agent.domain.expression import Occurrences
from rez_agent.domain.policies import HELD_AT_MOST, MISSED_AFTER_SECONDS, CatchUp, CatchUpMode, Overlap

OWED_AT_ONCE = 500
"""Executions owed in one answer at most, so that a long catch-up keeps memory flat."""

_SECOND = timedelta(seconds=1)
_LATE = timedelta(seconds=MISSED_AFTER_SECONDS)


@dataclass(frozen=True, slots=True)
class Fire:
    """An execution to queue; ``held`` means behind the one in flight, until that is final."""

    scheduled_time: datetime
    cause: Cause = Cause.SCHEDULE
    held: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """Occurrences that are not executed, and why."""

    span: Span
    reason: Reason


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed at a moment; ``next_run`` is the next cursor, None when nothing is left."""

    fires: tuple[Fire, ...]
    skips: tuple[Skip, ...]
    next_run: datetime | None


@dataclass(frozen=True, slots=True)
class InFlight:
    """A schedule's executions that are not final: how many in all, and how many of them are held."""

    total: int = 0
    held: int = 0


NOTHING_IN_FLIGHT = InFlight()


def owed(  # noqa: PLR0913 - the facts of the case, each by name
    occurrences: Occurrences,
    *,
    cursor: datetime,
    now: datetime,
    catch_up: CatchUp,
    overlap: Overlap,
    in_flight: InFlight = NOTHING_IN_FLIGHT,
) -> Owed:
    """What is owed for the occurrences from ``cursor`` (itself one, at or before ``now``) up to ``now``."""
    following = occurrences.next_after(cursor)
    if now - cursor < _LATE and (following is None or following > now):
        fires, skips = [Fire(cursor)], []  # the ordinary case: one occurrence, on time
    else:
        fires, skips = _several(occurrences, cursor, now, catch_up)
        following = occurrences.next_after(max([f.scheduled_time for f in fires] + [s.span.last for s in skips]))
    allowed, forbidden = under_overlap(fires, overlap, in_flight)
    return Owed(tuple(allowed), tuple(skips + forbidden), following)


def _several(
    occurrences: Occurrences, cursor: datetime, now: datetime, catch_up: CatchUp
) -> tuple[list[Fire], list[Skip]]:
    """More than one, or late: those missed go through catch-up, those of the last minute fire."""
    on_time = occurrences.between(now - _LATE, now, OWED_AT_ONCE)
    on_time = [due for due in on_time if due >= cursor]
    last_missed = occurrences.previous_before(now - _LATE + _SECOND)
    if last_missed is None or last_missed < cursor:
        return [Fire(due) for due in on_time], []
    if catch_up.mode is CatchUpMode.ALL:
        return _all_missed(occurrences, cursor, last_missed, now, catch_up, on_time)
    makes_good = catch_up.mode is CatchUpMode.LATEST and not on_time
    if not makes_good or last_missed < now - timedelta(seconds=catch_up.window_seconds):
        return [Fire(due) for due in on_time], _missed(occurrences, cursor, last_missed)
    before = occurrences.previous_before(last_missed)
    skipped = _missed(occurrences, cursor, before) if before is not None and before >= cursor else []
    return [Fire(last_missed, Cause.CATCH_UP)], skipped


def _all_missed(  # noqa: PLR0913
    occurrences: Occurrences,
    cursor: datetime,
    last_missed: datetime,
    now: datetime,
    catch_up: CatchUp,
    on_time: list[datetime],
) -> tuple[list[Fire], list[Skip]]:
    """Each missed one within the window, in batches, and behind them those on time."""
    window_opens = now - timedelta(seconds=catch_up.window_seconds)
    first = max(cursor, window_opens)
    missed = occurrences.between(first - _SECOND, last_missed, OWED_AT_ONCE)
    too_old = occurrences.previous_before(first)
    skipped = _missed(occurrences, cursor, too_old) if too_old is not None and too_old >= cursor else []
    fires = [Fire(due, Cause.CATCH_UP) for due in missed]
    cut = len(missed) == OWED_AT_ONCE
    return fires if cut else fires + [Fire(due) for due in on_time], skipped


def _missed(occurrences: Occurrences, first: datetime, last: datetime) -> list[Skip]:
    return [Skip(span_of(occurrences, first, last), Reason.MISSED)]


def span_of(occurrences: Occurrences, first: datetime, last: datetime) -> Span:
    """The occurrences from ``first`` to ``last``, both of them occurrences, counted exactly."""
    return Span(first, last, occurrences.count_between(first - _SECOND, last))


def passed_in(occurrences: Occurrences, since: datetime, until: datetime) -> Span | None:
    """The occurrences that a pause from ``since`` (inclusive) to ``until`` (exclusive) let pass, if any."""
    first = occurrences.next_after(since - timedelta(microseconds=1))
    last = occurrences.previous_before(until)
    if first is None or last is None or first > last:
        return None
    return span_of(occurrences, first, last)


def under_overlap(
    fires: list[Fire], overlap: Overlap, in_flight: InFlight
) -> tuple[list[Fire], list[Skip]]:
    """Which fires go ahead, wait behind another, or are skipped, with what is in flight already.

    What ``catch_up: all`` makes good is never skipped for overlap: where two at once are not allowed, it
    runs one after the other, without the limit of ten.
    """
    if overlap is Overlap.ALLOW:
        return fires, []
    allowed: list[Fire] = []
    skipped: list[Skip] = []
    total, held = in_flight.total, in_flight.held
    many = sum(fire.cause is Cause.CATCH_UP for fire in fires) > 1
    for fire in fires:
        waits = total > 0
        made_good = many and fire.cause is Cause.CATCH_UP
        if waits and not made_good and (overlap is Overlap.SKIP or held >= HELD_AT_MOST):
            skipped.append(Skip(Span(fire.scheduled_time, fire.scheduled_time, 1), Reason.OVERLAP))
            continue
        allowed.append(Fire(fire.scheduled_time, fire.cause, held=waits))
        total, held = total + 1, held + waits
    return allowed, skipped
