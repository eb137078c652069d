"""Applying a command: the scheduler's part.

Each handler checks first and writes last, so that a refusal leaves nothing behind. What may be too much to be
written at once (the executions that are cancelled) it writes before the change itself, so that a command that
was interrupted there can begin anew. What was due before a change is settled before the change is made: an
edit, a pause or a delete never swallows an occurrence. A message that is final already is left alone, so a
duplicate does nothing. A definition counts from the moment its command was accepted, not applied, so nothing
falls between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.changes import Change
from rez_agent.domain.command import CommandAction, Message
from rez_agent.domain.due import passed_in
from rez_agent.domain.errors import Conflict, Invalid, RezError, Unavailable
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason
from rez_agent.domain.instants import floor_second, to_seconds
from rez_agent.domain.policies import Overlap
from rez_agent.domain.schedule import Pause, Schedule, ScheduleStatus, TargetType, created
from rez_agent.ports import ExecutionQuery, Ports
from rez_agent.usecases.auditing import asked_change, completed, ended_pause
from rez_agent.usecases.calendars import calendar_used
from rez_agent.usecases.callers import Caller, execution_for, schedule_for
from rez_agent.usecases.changes import merged_definition
from rez_agent.usecases.checking import checked_definition, checked_payload
from rez_agent.usecases.commands import backfill_times, check_revision, replayable, schedule_of
from rez_agent.usecases.entries import asked_execution, skipped_execution
from rez_agent.usecases.history import payload_of
from rez_agent.usecases.testing import apply_test

Result = dict[str, Any]
Handler = Callable[[Ports, Message, datetime], Result]


def apply(ports: Ports, message: Message) -> Message:
    """Judge and carry out a command; the message tells what became of it, and is saved.

    Raises Unavailable when the host can't tell now; then the command is not judged.
    """
    if message.checked is None:  # else it was stored a moment ago, in this very transaction
        judged = ports.messages.judged(message.id)  # a topic may hand the same message over again
        if judged is not None:
            return judged
    now = ports.clock.now()
    try:
        done = message.completed(now, _HANDLERS[message.request.action](ports, message, now))
    except Unavailable:
        raise  # nothing is wrong with the command: it is judged when the host can
    except RezError as error:
        done = message.failed(now, type(error).__name__, error.problems)
    ports.messages.save(done)
    return done


def _create(ports: Ports, message: Message, now: datetime) -> Result:
    definition = message.checked
    if definition is None:
        document = message.request.schedule or {}
        definition, _ = checked_definition(
            document,
            now=message.created_date,
            actions=ports.actions,
            engine=ports.engine,
            records=ports.records,
        )
    schedule = created(
        definition,
        schedule_id=message.schedule_id or "",
        created_by=message.created_by,
        now=message.created_date,
        target=ports.actions.target(definition.target_type, definition.payload),
        calendar=calendar_used(ports.records, definition.calendar, now),
    )
    ports.schedules.add(schedule)
    ports.engine.arm(schedule)
    return {"revision": schedule.revision}


def _update(ports: Ports, message: Message, now: datetime) -> Result:
    before = _settled(ports, message, now)
    definition, _ = checked_definition(
        merged_definition(before, message.request),
        now=message.created_date,
        actions=ports.actions,
        engine=ports.engine,
        records=ports.records,
        expression_before=before.definition.schedule_expression,
    )
    target = ports.actions.target(definition.target_type, definition.payload)
    calendar = calendar_used(ports.records, definition.calendar, now)
    after = before.updated(definition, message.created_date, target=target, calendar=calendar)
    if after.pause is not None:
        after = replace(after, pause=replace(after.pause, since=now))
    ports.schedules.replace(after, before)
    ports.changes.add(asked_change(message, before, after))
    _record_pause(ports, before, now, through=to_seconds(now))
    ports.engine.arm(after)
    return {"revision": after.revision}


def _pause(ports: Ports, message: Message, now: datetime) -> Result:
    before = _settled(ports, message, now)
    request = message.request
    after = before.paused(Pause(since=now, by=message.created_by, reason=request.reason, until=request.until))
    cancelled = ports.ledger.cancel_all(after.id, now, "the schedule was paused") if request.cancel else 0
    ports.schedules.replace(after, before)
    ports.changes.add(asked_change(message, before, after))
    ports.engine.arm(after)
    return {"revision": after.revision, "cancelled": cancelled}


def _resume(ports: Ports, message: Message, now: datetime) -> Result:
    before = _settled(ports, message, now)
    after = before.resumed(now)
    _take_up(ports, before, after, asked_change(message, before, after))
    return {"revision": after.revision}


def resume(ports: Ports, before: Schedule, at: datetime) -> Schedule:
    """What the engine does when a pause's ``until`` comes: the schedule goes on as of ``at``."""
    after = before.resumed(at)
    _take_up(ports, before, after, ended_pause(before, after))
    return after


def _take_up(ports: Ports, before: Schedule, after: Schedule, change: Change) -> None:
    """Keep a resumed schedule: one entry tells of what the pause let pass."""
    at = after.updated_date
    ports.schedules.replace(after, before)
    ports.changes.add(change)
    _record_pause(ports, before, at, through=to_seconds(at) - 1)
    ports.engine.arm(after)


def _delete(ports: Ports, message: Message, now: datetime) -> Result:
    before = _settled(ports, message, now)
    after = before.deleted(now)
    cancel = message.request.cancel
    cancelled = ports.ledger.cancel_all(after.id, now, "the schedule was deleted") if cancel else 0
    ports.schedules.replace(after, before)
    ports.changes.add(asked_change(message, before, after))
    _record_pause(ports, before, now, through=to_seconds(now))
    ports.engine.disarm(after.id)
    return {"revision": after.revision, "cancelled": cancelled}


def complete(ports: Ports, before: Schedule, now: datetime) -> None:
    """Delete a schedule that asked for it and has nothing left, and nothing in flight."""
    after = before.deleted(now)
    ports.schedules.replace(after, before)
    ports.changes.add(completed(before, after))
    ports.engine.disarm(after.id)


def _run(ports: Ports, message: Message, now: datetime) -> Result:
    schedule = _reached(ports, message)
    payload = message.request.payload
    target = schedule.target
    if payload is not None:
        checked_payload(schedule.definition.target_type, payload, ports.actions)
        target = ports.actions.target(schedule.definition.target_type, payload)
    run = asked_execution(
        schedule, floor_second(now), Cause.RUN, message.id, now=now, payload=payload, target=target
    )
    _queue(ports, [run])
    return {"execution_id": run.id}


def _backfill(ports: Ports, message: Message, now: datetime) -> Result:
    schedule = _reached(ports, message)
    times = backfill_times(schedule, message.request, now)
    one_by_one = schedule.definition.overlap is not Overlap.ALLOW
    busy = ports.ledger.in_flight(schedule.id).total > 0
    executions = [
        asked_execution(
            schedule, time, Cause.BACKFILL, message.id, now=now, held=one_by_one and (busy or number > 0)
        )
        for number, time in enumerate(times)
    ]
    _queue(ports, executions)
    return {"count": len(executions)}


def _retry(ports: Ports, message: Message, now: datetime) -> Result:
    execution = execution_for(ports, _caller(message), message.request.execution_id or "")
    schedule = schedule_of(ports, execution)
    if not _requeue(ports, schedule, execution, now):
        raise Conflict(
            f"Execution '{execution.id}' is {execution.status}. "
            "Only a failed or cancelled one can be retried.",
            code="not_retryable",
        )
    return {"execution_id": execution.id}


def _cancel(ports: Ports, message: Message, now: datetime) -> Result:
    execution = execution_for(ports, _caller(message), message.request.execution_id or "")
    detail = message.request.reason or f"cancelled by {message.created_by}"
    if not ports.ledger.cancel(execution.id, now, detail):
        raise Conflict(f"Execution '{execution.id}' is {execution.status} already.", code="already_final")
    return {"execution_id": execution.id}


def _replay(ports: Ports, message: Message, now: datetime) -> Result:
    """The same work again, as an execution of its own: at the same scheduled time, with the payload that the
    original had, unless another is given. Due at once, whatever the schedule's state and policies."""
    original = execution_for(ports, _caller(message), message.request.execution_id or "")
    schedule = replayable(ports, original)
    payload, target = message.request.payload, original.target
    if payload is not None:
        checked_payload(TargetType(original.target_type), payload, ports.actions)
        target = ports.actions.target(original.target_type, payload)
    elif original.payload is not None or original.schedule_revision != schedule.revision:
        payload = payload_of(ports, original)  # kept with the replay, though its revision may go
    again = asked_execution(
        schedule, original.scheduled_time, Cause.REPLAY, message.id, now=now, payload=payload, target=target
    )
    again = replace(
        again,
        target_type=original.target_type,
        schedule_revision=original.schedule_revision,
        replay_of=original.id,
    )
    _queue(ports, [again])
    return {"execution_id": again.id}


def _redrive(ports: Ports, message: Message, now: datetime) -> Result:
    request = message.request
    owner = _caller(message).owner_filter
    query = ExecutionQuery(
        owner=owner, schedule_id=request.schedule_id, dead_letter=True, limit=request.limit
    )
    count = 0
    for execution_id in ports.ledger.dead_letters(query):
        execution = ports.ledger.get(execution_id)
        schedule = ports.schedules.get(execution.schedule_id) if execution is not None else None
        if execution is not None and schedule is not None:
            count += _requeue(ports, schedule, execution, now)
    return {"count": count}


_HANDLERS: dict[CommandAction, Handler] = {
    CommandAction.CREATE: _create,
    CommandAction.UPDATE: _update,
    CommandAction.DELETE: _delete,
    CommandAction.PAUSE: _pause,
    CommandAction.RESUME: _resume,
    CommandAction.RUN: _run,
    CommandAction.BACKFILL: _backfill,
    CommandAction.RETRY: _retry,
    CommandAction.CANCEL: _cancel,
    CommandAction.REDRIVE: _redrive,
    CommandAction.REPLAY: _replay,
    CommandAction.TEST: apply_test,
}


def _caller(message: Message) -> Caller:
    return Caller(message.created_by, admin=message.admin)


def _reached(ports: Ports, message: Message) -> Schedule:
    """The schedule the command is about, at the revision that the command names."""
    schedule = schedule_for(ports, _caller(message), message.request.schedule_id or "")
    check_revision(schedule, message.request.revision)
    return schedule


def _settled(ports: Ports, message: Message, now: datetime) -> Schedule:
    """The same, after a pause whose ``until`` has come has ended, and everything due by now was fired."""
    schedule = _reached(ports, message)
    until = schedule.pause.until if schedule.pause else None
    if schedule.status is ScheduleStatus.PAUSED and until is not None and until <= now:
        with suppress(Invalid):  # its zone has left the tz database: the change may mend that
            schedule = resume(ports, schedule, until)
    return ports.engine.settle(schedule, now)


def _queue(ports: Ports, executions: list[Execution]) -> None:
    ports.ledger.add(executions)
    ports.topic.publish_work(executions)


def _requeue(ports: Ports, schedule: Schedule, execution: Execution, now: datetime) -> bool:
    """Queue a failed or cancelled execution of ``schedule`` again; its event age counts from now."""
    age = timedelta(seconds=schedule.definition.policies.retry.max_event_age_seconds)
    queued = ports.ledger.requeue(execution.id, now, now + age)
    if queued:
        ports.topic.publish_work([replace(execution, status=ExecutionStatus.QUEUED, next_attempt_at=now)])
    return queued


def _record_pause(ports: Ports, before: Schedule, at: datetime, *, through: int) -> None:
    """One entry, written ``at``, for what the pause of ``before`` let pass, if it was paused and anything
    passed. ``through`` is the last second that belongs to the pause: a resumed schedule fires in the second
    in which it resumes, an updated or deleted one does not."""
    if before.pause is None:
        return
    try:
        occurrences = before.occurrences
    except Invalid:  # its zone has left the tz database: nobody can say what passed
        return
    passed = passed_in(occurrences, to_seconds(before.pause.since) + 1, through)
    if passed is not None:
        detail = before.pause.reason or f"paused by {before.pause.by}"
        ports.ledger.add([skipped_execution(before, passed, Reason.PAUSED, at, detail=detail)])
