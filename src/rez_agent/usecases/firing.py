"""Firing: the executions and entries that follow from what is owed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.due import Fire, Owed
from rez_agent.domain.execution import (
    Cause,
    Execution,
    ExecutionStatus,
    Reason,
    Span,
    asked_execution_id,
    execution_id,
    window_share,
)
from rez_agent.domain.schedule import Schedule

DETAILS = {
    Reason.MISSED: "nothing could fire when it was due, and the catch-up policy does not run it",
    Reason.OVERLAP: "an earlier execution was still in flight",
}


def executions_owed(schedule: Schedule, owed: Owed, now: datetime) -> list[Execution]:
    """The ledger's entries for what is owed: executions to queue, and what is skipped and why."""
    fired = [_fired(schedule, fire, now) for fire in owed.fires]
    skipped = [skipped_execution(schedule, s.span, s.reason, now, detail=DETAILS[s.reason]) for s in owed.skips]
    return fired + skipped


def _fired(schedule: Schedule, fire: Fire, now: datetime) -> Execution:
    identity = execution_id(schedule.id, fire.scheduled_time)
    share = window_share(identity, schedule.definition.window)
    made_good = fire.cause is Cause.CATCH_UP
    due_at = now if made_good else fire.scheduled_time + share
    return _queued(schedule, identity, fire.scheduled_time, fire.cause, now, due_at, held=fire.held)


def asked_execution(  # noqa: PLR0913 - the facts of the case
    schedule: Schedule,
    scheduled_time: datetime,
    cause: Cause,
    message_id: str,
    now: datetime,
    *,
    held: bool = False,
    payload: dict[str, Any] | None = None,
    target: str | None = None,
) -> Execution:
    """The execution that a command asked for: run now, or one of a backfill."""
    identity = asked_execution_id(schedule.id, scheduled_time, cause, message_id)
    return _queued(
        schedule,
        identity,
        scheduled_time,
        cause,
        now,
        now,
        held=held,
        payload=payload,
        target=target,
        message_id=message_id,
    )


def skipped_execution(
    schedule: Schedule, span: Span, reason: Reason, now: datetime, *, detail: str
) -> Execution:
    """The entry for one or many occurrences that are not executed. Its id is the first one's."""
    return Execution(
        id=execution_id(schedule.id, span.first),
        schedule_id=schedule.id,
        owner=schedule.created_by,
        scheduled_time=span.first,
        status=ExecutionStatus.SKIPPED,
        cause=Cause.SCHEDULE,
        target_type=schedule.definition.target_type,
        target=schedule.target,
        schedule_revision=schedule.revision,
        created_date=now,
        due_at=span.first,
        expires_at=now,
        reason=reason,
        detail=detail,
        finished_at=now,
        span=span if span.count > 1 else None,
    )


def _queued(  # noqa: PLR0913
    schedule: Schedule,
    identity: str,
    scheduled_time: datetime,
    cause: Cause,
    now: datetime,
    due_at: datetime,
    *,
    held: bool = False,
    payload: dict[str, Any] | None = None,
    target: str | None = None,
    message_id: str | None = None,
) -> Execution:
    age = timedelta(seconds=schedule.definition.policies.retry.max_event_age_seconds)
    return Execution(
        id=identity,
        schedule_id=schedule.id,
        owner=schedule.created_by,
        scheduled_time=scheduled_time,
        status=ExecutionStatus.QUEUED,
        cause=cause,
        target_type=schedule.definition.target_type,
        target=target or schedule.target,
        schedule_revision=schedule.revision,
        created_date=now,
        due_at=due_at,
        expires_at=max(due_at, now) + age,
        next_attempt_at=None if held else due_at,
        payload=payload,
        message_id=message_id,
    )
