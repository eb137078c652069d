"""A stretch of time as a schedule lived it: what was expected, and what became of each.

Expected is what the schedule's present definition says; what became of it, its executions. Where neither
tells (an occurrence long ago without an entry: the definition may have been another one then, or the entry is
no longer kept) it is said to be unknown, never missed. Instants are whole seconds since 1970.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason
from rez_agent.domain.instants import to_seconds

HOUR = 3_600
DAY = 24 * HOUR

GRACE = 120
"""Seconds after which an occurrence without an entry counts as missed: an engine is within the minute."""

_ON_ITS_SCHEDULE = (Cause.SCHEDULE, Cause.CATCH_UP, Cause.ENGINE_ONLY)


class MarkFate(StrEnum):
    """What became of an occurrence or of a run that somebody asked for. ``expected`` lies ahead; ``due`` is
    past by less than :data:`GRACE` and has no entry yet; ``paused`` does not fire, or did not."""

    EXPECTED = "expected"
    DUE = "due"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    MISSED = "missed"
    PAUSED = "paused"
    UNKNOWN = "unknown"


_OF_REASON = {Reason.MISSED: MarkFate.MISSED, Reason.PAUSED: MarkFate.PAUSED}


class Times(Protocol):
    """A schedule's :class:`~rez_agent.domain.expression.Occurrences`."""

    def next_epoch(self, after: int) -> int | None:
        """The first one strictly after ``after``."""

    def count_epochs(self, after: int, until: int) -> int:
        """How many lie in ``(after, until]``."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to know of a schedule besides its occurrences and executions.

    ``born``: its creation. ``defined``: its last change; before that it may have been another. ``read``: all
    its executions from here on are known. ``paused``: since and until when (None: nobody knows).
    ``firing`` is false where nothing will fire: it can't be evaluated, or is deleted. ``closed``: days that
    its calendar closes without moving what is due on them, each from its first second to the next day's.
    """

    now: int
    born: int
    defined: int
    read: int
    paused: tuple[int, int | None] | None = None
    firing: bool = True
    closed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """One occurrence or run, or ``count`` occurrences in one entry up to ``last``."""

    at: int
    fate: MarkFate
    execution: Execution | None = None
    last: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour of a schedule that is due too often for marks: how many met which fate."""

    begins: int
    fates: dict[MarkFate, int] = field(default_factory=dict)


def fate_of(execution: Execution) -> MarkFate:
    """What became of an execution."""
    if execution.status is ExecutionStatus.SKIPPED:
        return _OF_REASON.get(execution.reason, MarkFate.SKIPPED) if execution.reason else MarkFate.SKIPPED
    return MarkFate(execution.status.value)


def fate_without(facts: Facts, at: int) -> MarkFate | None:
    """What an occurrence at ``at`` without an entry is; None where it never was one."""
    if at < facts.born:
        return None
    paused = facts.paused
    if paused is not None and at > paused[0] and (paused[1] is None or at < paused[1]):
        return MarkFate.PAUSED
    if at > facts.now:
        ahead = MarkFate.SKIPPED if _covered_by(facts.closed, at) else MarkFate.EXPECTED
        return ahead if facts.firing else None
    if at > facts.now - GRACE:
        return MarkFate.DUE
    long_ago = at < facts.read or at <= facts.defined or at <= facts.now - DAY
    return MarkFate.UNKNOWN if long_ago else MarkFate.MISSED


def marks_of(
    times: Times, executions: Sequence[Execution], facts: Facts, begins: int, ends: int
) -> tuple[Mark, ...]:
    """Every occurrence in ``[begins, ends)`` and every run scheduled in it, in order. Of ``executions``,
    those that stand for many may begin earlier."""
    found = [mark for mark in map(_mark, executions) if mark.at < ends and _last(mark) >= begins]
    spans = [(mark.at, _last(mark)) for mark in found if mark.last is not None]
    taken = {to_seconds(one.scheduled_time) for one in executions if one.cause in _ON_ITS_SCHEDULE}
    for at in _between(times, begins, ends):
        fate = None if at in taken or _covered(spans, at) else fate_without(facts, at)
        if fate is not None:
            found.append(Mark(at, fate))
    return tuple(sorted(found, key=lambda mark: mark.at))


def cells_of(
    times: Times, executions: Sequence[Execution], facts: Facts, begins: int, ends: int
) -> tuple[Cell, ...]:
    """The same by the hour, counted instead of visited: what is due every minute has 10,080 a week."""
    marks = [_mark(one) for one in executions]
    spans = [mark for mark in marks if mark.last is not None]
    hours: defaultdict[int, list[Mark]] = defaultdict(list)
    for mark in marks:
        if mark.last is None and begins <= mark.at < ends:
            hours[(mark.at - begins) // HOUR].append(mark)
    cuts = _cuts(facts, spans)
    cells = []
    for number, hour in enumerate(range(begins, ends, HOUR)):
        fates = Counter(mark.fate for mark in hours[number])
        for low, high in _pieces(cuts, hour, min(hour + HOUR, ends)):
            span = next((one for one in spans if one.at <= low and high - 1 <= _last(one)), None)
            fate = span.fate if span else fate_without(facts, low)
            if fate is not None:
                entries = sum(1 for mark in hours[number] if low <= mark.at < high and _on_schedule(mark))
                fates[fate] += max(0, times.count_epochs(low - 1, high - 1) - entries)
        cells.append(Cell(hour, {fate: fates[fate] for fate in MarkFate if fates[fate]}))
    return tuple(cells)


def _cuts(facts: Facts, spans: Iterable[Mark]) -> list[int]:
    """Where :func:`fate_without` may change, or an entry for many begins or is over."""
    cuts = {facts.born, facts.read, facts.defined + 1, facts.now + 1}
    cuts |= {facts.now - GRACE + 1, facts.now - DAY + 1}
    if facts.paused is not None:
        since, until = facts.paused
        cuts |= {since + 1} if until is None else {since + 1, until}
    for span in spans:
        cuts |= {span.at, _last(span) + 1}
    for begins, ends in facts.closed:
        cuts |= {begins, ends}
    return sorted(cuts)


def _pieces(cuts: Sequence[int], low: int, high: int) -> Iterator[tuple[int, int]]:
    return pairwise([low, *(cut for cut in cuts if low < cut < high), high])


def _mark(execution: Execution) -> Mark:
    span = execution.span
    at = to_seconds(execution.scheduled_time)
    if span is None:
        return Mark(at, fate_of(execution), execution)
    return Mark(at, fate_of(execution), execution, to_seconds(span.last), span.count)


def _last(mark: Mark) -> int:
    return mark.at if mark.last is None else mark.last


def _on_schedule(mark: Mark) -> bool:
    return mark.execution is not None and mark.execution.cause in _ON_ITS_SCHEDULE


def _covered(spans: Iterable[tuple[int, int]], at: int) -> bool:
    return any(first <= at <= last for first, last in spans)


def _covered_by(days: Iterable[tuple[int, int]], at: int) -> bool:
    return any(begins <= at < ends for begins, ends in days)


def _between(times: Times, begins: int, ends: int) -> Iterator[int]:
    at = times.next_epoch(begins - 1)
    while at is not None and at < ends:
        yield at
        at = times.next_epoch(at)
