"""How a schedule fares: what its executions came to, how long they took, how late they began.

Computed from executions alone, whichever they are: the last hundred, or those of a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason

_MILLISECOND = timedelta(milliseconds=1)
_RAN = (ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED)
_ON_ITS_SCHEDULE = (Cause.SCHEDULE, Cause.ENGINE_ONLY)


@dataclass(frozen=True, slots=True)
class Spread:
    """Whole milliseconds: half of them are at most ``p50``, 95 in 100 at most ``p95``, all at most
    ``longest``. Each is one of the values themselves (the nearest rank), never one in between."""

    p50: int
    p95: int
    longest: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """What some executions come to.

    ``executions`` counts entries: one that stands for many skipped occurrences counts once. ``by_status``
    and ``by_reason`` hold what there is. ``success_rate`` is the share of succeeded among succeeded and
    failed, None without either: what was skipped or cancelled says nothing about the target. ``duration`` is
    of the same, from the first attempt's start to the end, the waits between attempts included.
    ``lateness`` is from the moment an occurrence was due to its first attempt, of what began on its schedule:
    catch-up is late by its nature, and what somebody asked for was never due. Neither is below zero, though
    a clock was set back meanwhile.
    """

    executions: int
    by_status: dict[ExecutionStatus, int]
    by_reason: dict[Reason, int]
    success_rate: float | None
    duration: Spread | None
    lateness: Spread | None


def statistics_of(executions: Iterable[Execution]) -> Statistics:
    """What ``executions`` come to, in any order."""
    entries = tuple(executions)
    statuses = Counter(one.status for one in entries)
    succeeded, failed = statuses[ExecutionStatus.SUCCEEDED], statuses[ExecutionStatus.FAILED]
    return Statistics(
        executions=len(entries),
        by_status={status: statuses[status] for status in ExecutionStatus if statuses[status]},
        by_reason=_by_reason(entries),
        success_rate=succeeded / (succeeded + failed) if succeeded or failed else None,
        duration=spread(_milliseconds(one.duration for one in entries if one.status in _RAN)),
        lateness=spread(_milliseconds(one.lateness for one in entries if one.cause in _ON_ITS_SCHEDULE)),
    )


def spread(values: Sequence[int]) -> Spread | None:
    """The spread of ``values``, in any order; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return Spread(_at(ordered, 50), _at(ordered, 95), ordered[-1])


def _at(ordered: Sequence[int], percent: int) -> int:
    """The nearest rank: the least value that ``percent`` of all are not above."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _by_reason(entries: Sequence[Execution]) -> dict[Reason, int]:
    reasons = Counter(one.reason for one in entries)
    return {reason: reasons[reason] for reason in Reason if reasons[reason]}


def _milliseconds(spans: Iterable[timedelta | None]) -> list[int]:
    return [max(0, span // _MILLISECOND) for span in spans if span is not None]
