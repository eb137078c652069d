"""A schedule's executions as points: what the chart of durations and lateness draws."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason
from rez_agent.domain.instants import to_ms

OUTCOMES = ("succeeded", "failed", "cancelled", "skipped", "missed", "under way")
"""The kinds of points; each has a colour and a shape of its own."""

_SECOND = timedelta(seconds=1)
_ON_ITS_SCHEDULE = (Cause.SCHEDULE, Cause.ENGINE_ONLY)


def points_of(executions: Sequence[Execution]) -> dict[str, Any]:
    """Columns for the chart, oldest first: ``at`` (seconds since 1970, of the scheduled time), ``outcome`` (a
    place in :data:`OUTCOMES`), ``duration`` and ``lateness`` (seconds; null where there is none), ``id``."""
    ordered = sorted(executions, key=lambda one: (one.scheduled_time, one.id))
    return {
        "outcomes": list(OUTCOMES),
        "at": [to_ms(one.scheduled_time) / 1_000 for one in ordered],
        "outcome": [OUTCOMES.index(outcome_of(one)) for one in ordered],
        "duration": [_seconds(one.duration) for one in ordered],
        "lateness": [_seconds(one.lateness) if one.cause in _ON_ITS_SCHEDULE else None for one in ordered],
        "id": [one.id for one in ordered],
    }


def outcome_of(execution: Execution) -> str:
    """The kind of an execution's point."""
    if not execution.status.final:
        return "under way"
    if execution.status is ExecutionStatus.SKIPPED and execution.reason is Reason.MISSED:
        return "missed"
    return execution.status.value


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else round(max(0.0, span / _SECOND), 3)
