"""What is owed and what comes next: catch-up, overlap and pause, decided from facts alone.

The engine finds a schedule whose next occurrence has come and asks :func:`owed`. The answer lists the
executions to queue, the entries to write for what is skipped, and the next occurrence. Nothing passes in
silence: every occurrence from the cursor up to ``now`` is in the answer exactly once, unless the answer was
cut at :data:`OWED_AT_ONCE`, in which case the next cursor stands before ``now`` and the engine asks again.

Instants here are whole seconds since 1970-01-01T00:00:00Z: the engine asks hundreds of thousands of times.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from rez_agent.domain.execution import Cause, Reason
from rez_agent.domain.policies import HELD_AT_MOST, MISSED_AFTER_SECONDS, CatchUp, CatchUpMode, Overlap

OWED_AT_ONCE = 500
"""Executions owed in one answer at most, so that a long catch-up keeps memory flat."""


class Times(Protocol):
    """Instants in order: a schedule's :class:`~rez_agent.domain.expression.Occurrences`, or some of them."""

    def next_epoch(self, after: int) -> int | None:
        """The first one strictly after ``after``."""

    def previous_epoch(self, before: int) -> int | None:
        """The last one strictly before ``before``."""

    def count_epochs(self, after: int, until: int) -> int:
        """How many lie in ``(after, until]``."""


class Instants:
    """Some instants, as :class:`Times`: those occurrences of a schedule that are to be decided about."""

    __slots__ = ("_sorted",)

    def __init__(self, instants: Iterable[int]) -> None:
        self._sorted = sorted(instants)

    def next_epoch(self, after: int) -> int | None:
        """The first one strictly after ``after``."""
        place = bisect_right(self._sorted, after)
        return self._sorted[place] if place < len(self._sorted) else None

    def previous_epoch(self, before: int) -> int | None:
        """The last one strictly before ``before``."""
        place = bisect_left(self._sorted, before)
        return self._sorted[place - 1] if place else None

    def count_epochs(self, after: int, until: int) -> int:
        """How many lie in ``(after, until]``."""
        return bisect_right(self._sorted, until) - bisect_right(self._sorted, after)


@dataclass(frozen=True, slots=True)
class Fire:
    """An execution to queue; ``held`` means behind the one in flight, until that is final."""

    scheduled: int
    cause: Cause = Cause.SCHEDULE
    held: bool = False


@dataclass(frozen=True, slots=True)
class Passed:
    """Occurrences from ``first`` to ``last``, both of them occurrences, ``count`` in all."""

    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True)
class Skip:
    """Occurrences that are not executed, and why; ``detail`` where there is more to say than the reason."""

    passed: Passed
    reason: Reason
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed at a moment; ``next_run`` is the next cursor, None when nothing is left."""

    fires: list[Fire]
    skips: list[Skip]
    next_run: int | None


@dataclass(frozen=True, slots=True)
class InFlight:
    """A schedule's executions that are not final: how many in all, and how many of them are held."""

    total: int = 0
    held: int = 0


NOTHING_IN_FLIGHT = InFlight()


def owed(
    occurrences: Times,
    *,
    cursor: int,
    now: int,
    catch_up: CatchUp,
    overlap: Overlap,
    in_flight: InFlight = NOTHING_IN_FLIGHT,
) -> Owed:
    """What is owed for the occurrences from ``cursor`` (at or before ``now``) up to ``now``.

    Where a new edition of the tz database no longer knows ``cursor``, it counts as an occurrence unless later
    ones are owed in its place.
    """
    following = occurrences.next_epoch(cursor)
    if now - cursor < MISSED_AFTER_SECONDS and (following is None or following > now):
        fires, skips = _on_time(cursor)  # the ordinary case: one occurrence, on time
    else:
        fires, skips = _several(occurrences, cursor, now, catch_up)
        last = max([fire.scheduled for fire in fires] + [skip.passed.last for skip in skips])
        following = occurrences.next_epoch(last)
    all_made_good = catch_up.mode is CatchUpMode.ALL
    allowed, forbidden = under_overlap(fires, overlap, in_flight, all_made_good=all_made_good)
    return Owed(allowed, skips + forbidden, following)


def _several(occurrences: Times, cursor: int, now: int, catch_up: CatchUp) -> tuple[list[Fire], list[Skip]]:
    """More than one, or late: those missed go through catch-up, those of the last minute fire."""
    on_time_from = max(cursor, now - MISSED_AFTER_SECONDS + 1)
    on_time = [Fire(due) for due in _within(occurrences, on_time_from, now)]
    last_missed = occurrences.previous_epoch(on_time_from)
    if last_missed is None or last_missed < cursor:
        return (on_time, []) if on_time else _unknown(cursor, now, catch_up)
    window_opens = max(cursor, now - catch_up.window_seconds)
    match catch_up.mode:
        case CatchUpMode.ALL:
            made_good = [Fire(due, Cause.CATCH_UP) for due in _within(occurrences, window_opens, last_missed)]
            too_old = _missed(occurrences, cursor, window_opens - 1)
            cut = len(made_good) == OWED_AT_ONCE
            return made_good if cut else made_good + on_time, too_old
        case CatchUpMode.LATEST if not on_time and last_missed >= window_opens:
            return [Fire(last_missed, Cause.CATCH_UP)], _missed(occurrences, cursor, last_missed - 1)
        case _:
            return on_time, _missed(occurrences, cursor, last_missed)


def _on_time(cursor: int) -> tuple[list[Fire], list[Skip]]:
    return [Fire(cursor)], []


def _unknown(cursor: int, now: int, catch_up: CatchUp) -> tuple[list[Fire], list[Skip]]:
    """The cursor alone, which is no occurrence (any more), and nothing after it."""
    if now - cursor < MISSED_AFTER_SECONDS:
        return _on_time(cursor)
    if catch_up.mode is CatchUpMode.SKIP or now - cursor > catch_up.window_seconds:
        return [], [Skip(Passed(cursor, cursor, 1), Reason.MISSED)]
    return [Fire(cursor, Cause.CATCH_UP)], []


def _within(occurrences: Times, first: int, last: int) -> list[int]:
    """The occurrences from ``first`` to ``last``, both inclusive, the earliest :data:`OWED_AT_ONCE`."""
    found: list[int] = []
    due = occurrences.next_epoch(first - 1)
    while due is not None and due <= last and len(found) < OWED_AT_ONCE:
        found.append(due)
        due = occurrences.next_epoch(due)
    return found


def _missed(occurrences: Times, first: int, last: int) -> list[Skip]:
    passed = passed_in(occurrences, first, last)
    return [] if passed is None else [Skip(passed, Reason.MISSED)]


def passed_in(occurrences: Times, first: int, last: int) -> Passed | None:
    """The occurrences from ``first`` to ``last``, both inclusive, counted exactly; None if there are none."""
    earliest, latest = occurrences.next_epoch(first - 1), occurrences.previous_epoch(last + 1)
    if earliest is None or latest is None or earliest > latest:
        return None
    return Passed(earliest, latest, occurrences.count_epochs(earliest - 1, latest))


def under_overlap(
    fires: list[Fire], overlap: Overlap, in_flight: InFlight, *, all_made_good: bool
) -> tuple[list[Fire], list[Skip]]:
    """Which fires go ahead, wait behind another, or are skipped, with what is in flight already.

    What ``catch_up: all`` makes good is never skipped for overlap, nor is what is on time behind it: where
    two at once are not allowed, they run one after the other, without the limit of ten.
    """
    if overlap is Overlap.ALLOW:
        return fires, []
    allowed: list[Fire] = []
    skipped: list[Skip] = []
    total, held = in_flight.total, in_flight.held
    made_good = False
    for fire in fires:
        waits = total > 0
        made_good = made_good or (all_made_good and fire.cause is Cause.CATCH_UP)
        if waits and not made_good and (overlap is Overlap.SKIP or held >= HELD_AT_MOST):
            skipped.append(Skip(Passed(fire.scheduled, fire.scheduled, 1), Reason.OVERLAP))
            continue
        allowed.append(Fire(fire.scheduled, fire.cause, held=waits) if waits else fire)
        total, held = total + 1, held + waits
    return allowed, skipped
