"""What the list of schedules shows of each: pure functions of the schedule and its last executions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rez_agent.domain.execution import Execution, ExecutionStatus
from rez_agent.domain.schedule import Schedule, ScheduleStatus
from rez_agent.domain.statistics import Statistics, statistics_of
from rez_agent.web.page.telling import absolute, duration, relative

BARS = 10
"""Executions that are drawn of each schedule."""

BAR_WIDTH, BAR_STEP, BARS_HEIGHT, BAR_LEAST = 7, 10, 24, 4

_GONE = "it can't be evaluated any more"
_MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One execution as a bar: where it stands, how high, what it came to, and what to say of it."""

    x: int
    y: int
    height: int
    kind: str
    title: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class State:
    """How a schedule stands: the word, and why."""

    word: str
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule in the list."""

    schedule: Schedule
    state: State
    sentence: str
    bars: tuple[Bar, ...]
    told: str
    statistics: Statistics

    @property
    def success(self) -> str:
        """The share of what succeeded, or nothing where nothing ran."""
        rate = self.statistics.success_rate
        if rate is None:
            return "—"
        percent = rate * 100
        return f"{percent:.0f}%" if percent == round(percent) else f"{percent:.1f}%"

    @property
    def p95(self) -> str:
        """How long 95 of 100 take at most."""
        spread = self.statistics.duration
        return duration(None if spread is None else spread.p95)


def row_of(schedule: Schedule, executions: Sequence[Execution], now: datetime) -> Row:
    """A schedule with its last executions, the newest first."""
    drawn = tuple(reversed(executions[:BARS]))
    return Row(
        schedule=schedule,
        state=state_of(schedule),
        sentence=sentence_of(schedule),
        bars=bars_of(drawn, schedule.definition.timezone, now),
        told=told_of(drawn),
        statistics=statistics_of(executions),
    )


def state_of(schedule: Schedule) -> State:
    """How a schedule stands, and why: who paused it, what is wrong, or that nothing is left to do."""
    pause = schedule.pause
    if pause is not None and schedule.status is ScheduleStatus.PAUSED:
        said = f"by {pause.by}" + (f": {pause.reason}" if pause.reason else "")
        return State("paused", said, pause.until)
    if schedule.status is ScheduleStatus.ERROR:
        return State("error", schedule.error_message or _GONE)
    if schedule.finished_at is not None and schedule.status is ScheduleStatus.ACTIVE:
        return State("finished", "nothing is left to run")
    return State(schedule.status.value)


def sentence_of(schedule: Schedule) -> str:
    """When it is due, in a sentence; the expression itself where it can't be read any more."""
    if schedule.status is ScheduleStatus.ERROR:
        return schedule.definition.schedule_expression
    return schedule.definition.expression.explain()


def bars_of(executions: Sequence[Execution], timezone: str, now: datetime) -> tuple[Bar, ...]:
    """A bar for each execution, the oldest first, at the right: its height is its share of the longest."""
    lengths = [_milliseconds(one) for one in executions]
    longest = max(lengths, default=0) or 1
    first = (BARS - len(executions)) * BAR_STEP
    return tuple(
        _bar(first + place * BAR_STEP, length / longest, one, timezone, now)
        for place, (one, length) in enumerate(zip(executions, lengths, strict=True))
    )


def _bar(x: int, share: float, execution: Execution, timezone: str, now: datetime) -> Bar:
    height = BAR_LEAST + round(share * (BARS_HEIGHT - BAR_LEAST))
    said = execution.status.value
    if execution.reason is not None:
        said += f" ({execution.reason.value})"
    if execution.duration is not None:
        said += f" in {duration(_milliseconds(execution))}"
    when = f"{absolute(execution.scheduled_time, timezone)} ({relative(execution.scheduled_time, now)})"
    title = f"{when}: {said}"
    return Bar(x, BARS_HEIGHT - height, height, execution.status.value, title, execution.id)


def told_of(executions: Sequence[Execution]) -> str:
    """The bars in words, for whoever can't see them."""
    if not executions:
        return "no runs yet"
    counts = Counter(one.status for one in executions)
    parts = [f"{counts[status]} {status.value}" for status in ExecutionStatus if counts[status]]
    return f"last {len(executions)} runs: {', '.join(parts)}"


def _milliseconds(execution: Execution) -> int:
    taken = execution.duration
    return 0 if taken is None else max(0, round(taken.total_seconds() * _MILLISECONDS))
