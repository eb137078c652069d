"""What the ledger says of a schedule, as a rule looks at it: failures in a row, their share, durations.

Each function is given a schedule's latest executions in any order and looks at those that ended by their own
work: what was skipped or cancelled says nothing of the target, and a test is nobody's concern.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from rez_agent.domain.alert_rules import AlertKind, RuleDefinition
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus

RECENT = 120
"""How many of a schedule's latest executions are looked at: more than any rule asks for."""

COMPARED = 100
"""Durations that a duration is compared with, at most."""

SPREAD = 1.4826
"""A normal distribution's standard deviation in terms of its median absolute deviation."""

_MILLISECOND = timedelta(milliseconds=1)
_ENDED = (ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Finding:
    """That a rule's condition holds for a schedule, and a sentence that says so."""

    text: str


def ended(executions: Iterable[Execution], until: datetime | None = None) -> list[Execution]:
    """Those that succeeded or failed (by ``until``), the last to end first."""
    found = [
        one
        for one in executions
        if one.status in _ENDED
        and one.cause is not Cause.TEST
        and one.finished_at is not None
        and (until is None or one.finished_at <= until)
    ]
    return sorted(found, key=_end, reverse=True)


def failures_in_a_row(executions: Iterable[Execution], until: datetime | None = None) -> int:
    """How many of the last have failed, one after the other."""
    count = 0
    for one in ended(executions, until):
        if one.status is not ExecutionStatus.FAILED:
            break
        count += 1
    return count


def failing(rule: RuleDefinition, executions: Sequence[Execution], until: datetime) -> Finding | None:
    """Whether a schedule, with these executions, fails in the sense of a rule about failures."""
    last = ended(executions, until)
    if not last or last[0].status is not ExecutionStatus.FAILED:
        return None
    if rule.kind is AlertKind.DEAD_LETTER:
        return Finding(_why(last[0])) if last[0].dead_letter else None
    if rule.kind is AlertKind.CONSECUTIVE_FAILURES:
        count = failures_in_a_row(last)
        return Finding(f"{_failures(count)} in a row. {_why(last[0])}") if count >= rule.failures else None
    return _often(rule, last, until)


def mended(rule: RuleDefinition, executions: Sequence[Execution], until: datetime) -> bool:
    """Whether a schedule that failed does so no more."""
    last = ended(executions, until)
    if not last or last[0].status is not ExecutionStatus.SUCCEEDED:
        return False
    return rule.kind is not AlertKind.FAILURE_RATE or _often(rule, last, until) is None


def unusual(rule: RuleDefinition, execution: Execution, before: Sequence[int]) -> Finding | None:
    """Whether an execution took unusually long (or short), against how many milliseconds those took that
    succeeded ``before`` it, the last first."""
    if execution.duration is None or execution.status is not ExecutionStatus.SUCCEEDED:
        return None
    before = before[:COMPARED]
    if len(before) < rule.minimum_samples:
        return None
    usual, took = median(before), execution.duration // _MILLISECOND
    spread = SPREAD * median(abs(each - usual) for each in before)
    away = took - usual if rule.kind is AlertKind.TOO_SLOW else usual - took
    if away <= 0 or away < rule.minimum_difference_ms or away < rule.deviations * spread:
        return None
    word = "longer" if rule.kind is AlertKind.TOO_SLOW else "shorter"
    return Finding(
        f"It took {took} ms, much {word} than usual: the median of the last {len(before)} is {usual:.0f} ms."
    )


def _often(rule: RuleDefinition, last: Sequence[Execution], until: datetime) -> Finding | None:
    since = until - timedelta(seconds=rule.window_seconds)
    within = [one for one in last if _end(one) > since]
    bad = sum(one.status is ExecutionStatus.FAILED for one in within)
    if len(within) < rule.minimum_executions or 100 * bad < rule.percent * len(within):
        return None
    share = f"{bad} of {len(within)} executions failed within {spoken(rule.window_seconds)}."
    reason = next((_why(one) for one in last if one.status is ExecutionStatus.FAILED), "")
    return Finding(f"{share} {reason}")


def _failures(count: int) -> str:
    return "1 failure" if count == 1 else f"{count} failures"


def _why(execution: Execution) -> str:
    """The last failure's own words."""
    return (execution.error or execution.detail or f"It failed ({execution.code or 'no code'}).")[:500]


def _end(execution: Execution) -> datetime:
    assert execution.finished_at is not None  # only what has ended is asked
    return execution.finished_at


def spoken(seconds: float) -> str:
    """A length of time in words: ``90 s``, ``5 min``, ``3 h``, ``2 days``."""
    for size, word in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {word}" if seconds != 86_400 else "1 day"
    return f"{seconds:.3g} s"
