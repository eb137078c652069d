"""Submitting a command: checked at the edge, stored as a message, published to the scheduler.

What can be known now is refused now, with all problems at once. The rest (a name taken in between, a
revision that moved on) is judged when the command is applied; the message tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rez_agent.domain.command import (
    BACKFILL_AT_MOST,
    MAKES_SCHEDULE,
    CommandAction,
    Message,
    ScheduleCreationRequest,
)
from rez_agent.domain.errors import (
    Conflict,
    Invalid,
    NotFound,
    Problem,
    QuotaExceeded,
    RevisionConflict,
)
from rez_agent.domain.execution import Execution
from rez_agent.domain.schedule import Schedule, ScheduleDefinition, TargetType
from rez_agent.ports import Ports
from rez_agent.usecases.callers import Caller, check_known, execution_for, schedule_for
from rez_agent.usecases.changes import merged_definition
from rez_agent.usecases.checking import checked_definition, checked_payload
from rez_agent.usecases.testing import checked_test

BEFORE = timedelta(microseconds=1)
"""Makes an exclusive lower bound inclusive."""

_SCHEDULE_ID = re.compile("sch_[0-9a-z]{1,60}")
"""64 characters in all: a schedule of EventBridge Scheduler bears the id as its name, which has no more."""

_UNFIT_ID = "A schedule's id is 'sch_' and 1 to 60 of a-z 0-9. Leave it out to be given one."

SCHEDULES_PER_OWNER = 2_000_000
"""The quota of living schedules per owner, unless the host's settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """An accepted command: durable, on its way. ``warnings`` are for the caller, nothing is wrong."""

    message: Message
    warnings: tuple[Problem, ...] = ()


def submit(
    ports: Ports, caller: Caller, request: ScheduleCreationRequest, *, quota: int = SCHEDULES_PER_OWNER
) -> Submitted:
    """Accept a command. Raises what it can know to be wrong; then nothing is stored."""
    now = ports.clock.now()
    checked = _checked(ports, caller, request, now, quota)
    message_id, schedule_id = ports.random.new_id("msg", now), checked.schedule_id
    if request.action in MAKES_SCHEDULE and schedule_id is None:
        schedule_id = twin_schedule_id(message_id)
    message = Message(
        id=message_id,
        request=request,
        created_by=caller.name,
        admin=caller.admin,
        created_date=now,
        updated_date=now,
        schedule_id=schedule_id,
        checked=checked.definition,
    )
    ports.messages.add(message)
    ports.topic.publish_command(message)
    return Submitted(message, tuple(checked.warnings))


def twin_schedule_id(message_id: str) -> str:
    """The id of the schedule that a create makes, unless its caller chose one: the message's 26 characters,
    so that each is found by the other."""
    return "sch_" + message_id.removeprefix("msg_")


def twin_message_id(schedule_id: str) -> str:
    """The id of the message that a schedule was created by, unless its caller chose the schedule's id."""
    return "msg_" + schedule_id.removeprefix("sch_")


@dataclass(frozen=True, slots=True)
class _Checked:
    """What was found of a request that may be accepted: the schedule that it is about (None for a create
    whose caller chose no id, and for a redrive of all), warnings, and a create's definition."""

    schedule_id: str | None
    warnings: Sequence[Problem] = ()
    definition: ScheduleDefinition | None = None


def _checked(
    ports: Ports, caller: Caller, request: ScheduleCreationRequest, now: datetime, quota: int
) -> _Checked:
    match request.action:
        case CommandAction.CREATE:
            return _checked_create(ports, caller, request, now, quota)
        case CommandAction.UPDATE:
            return _Checked(request.schedule_id, _checked_update(ports, caller, request, now))
        case CommandAction.TEST:
            document = request.schedule or {}
            checked_test(document, "", now=now, actions=ports.actions, engine=ports.engine)
            return _Checked(None)
        case CommandAction.RETRY | CommandAction.CANCEL | CommandAction.REPLAY:
            return _Checked(_checked_execution(ports, caller, request).schedule_id)
        case CommandAction.REDRIVE:
            if request.schedule_id is not None:
                check_known(ports, caller, request.schedule_id)
        case _:
            _check_change(ports, caller, request, now)
    return _Checked(request.schedule_id)


def _checked_execution(ports: Ports, caller: Caller, request: ScheduleCreationRequest) -> Execution:
    if request.action is CommandAction.REPLAY:
        return _check_replay(ports, caller, request)
    return execution_for(ports, caller, request.execution_id or "")


def _checked_create(
    ports: Ports, caller: Caller, request: ScheduleCreationRequest, now: datetime, quota: int
) -> _Checked:
    definition, warnings = checked_definition(
        request.schedule or {}, now=now, actions=ports.actions, engine=ports.engine, records=ports.records
    )
    if request.schedule_id is not None and _SCHEDULE_ID.fullmatch(request.schedule_id) is None:
        raise Invalid(_UNFIT_ID, problems=[Problem("invalid_value", _UNFIT_ID, "/schedule_id")])
    if ports.schedules.named(caller.name, definition.name) is not None:
        raise name_taken(definition.name)
    if ports.schedules.living(caller.name) >= quota:
        raise QuotaExceeded(f"You have {quota} schedules, as many as allowed. Delete some first.")
    return _Checked(request.schedule_id, warnings, definition)


def _checked_update(
    ports: Ports, caller: Caller, request: ScheduleCreationRequest, now: datetime
) -> list[Problem]:
    schedule = schedule_for(ports, caller, request.schedule_id or "")
    check_revision(schedule, request.revision)
    _, warnings = checked_definition(
        merged_definition(schedule, request),
        now=now,
        actions=ports.actions,
        engine=ports.engine,
        records=ports.records,
        expression_before=schedule.definition.schedule_expression,
    )
    return warnings


def _check_replay(ports: Ports, caller: Caller, request: ScheduleCreationRequest) -> Execution:
    execution = execution_for(ports, caller, request.execution_id or "")
    replayable(ports, execution)
    if request.payload is not None:
        checked_payload(TargetType(execution.target_type), request.payload, ports.actions)
    return execution


def replayable(ports: Ports, execution: Execution) -> Schedule:
    """The schedule of an execution that can be replayed: one that has ended, of one occurrence.

    Raises Conflict ``not_replayable``, and NotFound when the schedule is gone for good.
    """
    if not execution.status.final:
        text = f"Execution '{execution.id}' is {execution.status}. Wait for its end, or cancel it first."
        raise Conflict(text, code="not_replayable")
    if execution.span is not None:
        raise Conflict(
            f"Execution '{execution.id}' stands for {execution.span.count} occurrences. Run those with a "
            "backfill.",
            code="not_replayable",
        )
    return schedule_of(ports, execution)


def schedule_of(ports: Ports, execution: Execution) -> Schedule:
    """The schedule of an execution, though it was deleted since. Raises NotFound once nothing is left."""
    schedule = ports.schedules.get(execution.schedule_id)
    if schedule is None:
        raise NotFound(f"The schedule of execution '{execution.id}' is gone.", code="schedule_not_found")
    return schedule


def _check_change(ports: Ports, caller: Caller, request: ScheduleCreationRequest, now: datetime) -> None:
    schedule = schedule_for(ports, caller, request.schedule_id or "")
    check_revision(schedule, request.revision)
    if request.until is not None and request.until <= now:
        raise Invalid("'until' must lie in the future.", problems=[_until_in_past()])
    if request.action is CommandAction.RESUME and schedule.pause is None:
        raise Conflict(f"Schedule '{schedule.definition.name}' is not paused.", code="not_paused")
    if request.payload is not None:
        checked_payload(schedule.definition.target_type, request.payload, ports.actions)
    if request.action is CommandAction.BACKFILL:
        backfill_times(schedule, request, now)


def _until_in_past() -> Problem:
    return Problem("invalid_value", "'until' must lie in the future: the pause would be over.", "/until")


def backfill_times(schedule: Schedule, request: ScheduleCreationRequest, now: datetime) -> list[datetime]:
    """The occurrences that a backfill covers, oldest first: from ``from`` to ``to``, neither later than now.

    Raises Invalid ``backfill_too_large`` beyond :data:`BACKFILL_AT_MOST`.
    """
    if request.from_ is None or request.to is None:
        raise Invalid("A backfill needs 'from' and 'to'.")
    first, last = request.from_, min(request.to, now)
    if first > last:
        return []
    times = schedule.occurrences.between(first - BEFORE, last, BACKFILL_AT_MOST + 1)
    if len(times) > BACKFILL_AT_MOST:
        text = f"The backfill covers more than {BACKFILL_AT_MOST} occurrences. Ask for a shorter stretch."
        raise Invalid(text, code="backfill_too_large")
    return times


def check_revision(schedule: Schedule, revision: int | None) -> None:
    """Raises RevisionConflict when the caller names another revision than the present one."""
    if revision is not None and revision != schedule.revision:
        raise RevisionConflict(
            f"The schedule is at revision {schedule.revision}, not {revision}. "
            "Read it again and repeat the change."
        )


def name_taken(name: str) -> Conflict:
    """The error for a second living schedule of one name."""
    text = f"You have a schedule named '{name}' already. Choose another name, or update that one."
    return Conflict(text, code="name_taken", problems=[Problem("name_taken", text, "/name")])
