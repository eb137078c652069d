"""Entries of the ledger: executions that a command or an occurrence calls for, and what is not executed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.due import Fire, Passed
from rez_agent.domain.execution import (
    Cause,
    Execution,
    ExecutionStatus,
    Reason,
    Span,
    asked_execution_id,
    execution_id,
)
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.policies import MISSED_AFTER_SECONDS
from rez_agent.domain.schedule import Schedule

DETAILS = {
    Reason.MISSED: "nothing could fire when it was due, and the catch-up policy does not run it",
    Reason.OVERLAP: "an earlier execution was still in flight",
}


def asked_execution(
    schedule: Schedule,
    scheduled_time: datetime,
    cause: Cause,
    message_id: str,
    *,
    now: datetime,
    held: bool = False,
    payload: dict[str, Any] | None = None,
    target: str | None = None,
) -> Execution:
    """The execution that a command asked for: run now, or one of a backfill. Due at once, unless held."""
    age = timedelta(seconds=schedule.definition.policies.retry.max_event_age_seconds)
    return Execution(
        id=asked_execution_id(schedule.id, scheduled_time, cause, message_id),
        schedule_id=schedule.id,
        owner=schedule.created_by,
        scheduled_time=scheduled_time,
        status=ExecutionStatus.QUEUED,
        cause=cause,
        target_type=schedule.definition.target_type,
        target=target or schedule.target,
        schedule_revision=schedule.revision,
        created_date=now,
        due_at=now,
        expires_at=now + age,
        next_attempt_at=None if held else now,
        payload=payload,
        message_id=message_id,
    )


def due_execution(schedule: Schedule, fire: Fire, now: datetime) -> Execution:
    """The execution of one occurrence, found due at ``now``. It may start at once, unless it is held: an
    engine that keeps the flexible window has chosen the moment already."""
    scheduled = from_seconds(fire.scheduled)
    policies = schedule.definition.policies
    at_once = policies.flexible_window_minutes or to_seconds(now) - fire.scheduled >= MISSED_AFTER_SECONDS
    due_at = now if at_once else max(scheduled, schedule.created_date)
    return Execution(
        id=execution_id(schedule.id, scheduled),
        schedule_id=schedule.id,
        owner=schedule.created_by,
        scheduled_time=scheduled,
        status=ExecutionStatus.QUEUED,
        cause=fire.cause,
        target_type=schedule.definition.target_type,
        target=schedule.target,
        schedule_revision=schedule.revision,
        created_date=now,
        due_at=due_at,
        expires_at=max(due_at, now) + timedelta(seconds=policies.retry.max_event_age_seconds),
        next_attempt_at=None if fire.held else due_at,
    )


def skipped_execution(
    schedule: Schedule, passed: Passed, reason: Reason, now: datetime, *, detail: str
) -> Execution:
    """The entry for one or many occurrences that are not executed. Its id is the first one's."""
    first = from_seconds(passed.first)
    return Execution(
        id=execution_id(schedule.id, first),
        schedule_id=schedule.id,
        owner=schedule.created_by,
        scheduled_time=first,
        status=ExecutionStatus.SKIPPED,
        cause=Cause.SCHEDULE,
        target_type=schedule.definition.target_type,
        target=schedule.target,
        schedule_revision=schedule.revision,
        created_date=now,
        due_at=first,
        expires_at=now,
        reason=reason,
        detail=detail,
        finished_at=now,
        span=Span(first, from_seconds(passed.last), passed.count) if passed.count > 1 else None,
    )
