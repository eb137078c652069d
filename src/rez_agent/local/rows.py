"""Rows to values and back: the one place that knows both the columns and the domain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import apsw
from pydantic_core import to_json

from rez_agent.domain.action import Timings
from rez_agent.domain.command import CommandAction, Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import Problem
from rez_agent.domain.execution import Attempt, Cause, Execution, ExecutionStatus, Reason, Span
from rez_agent.domain.instants import from_ms, to_ms
from rez_agent.domain.policies import DEFAULT_POLICIES, Policies
from rez_agent.domain.schedule import (
    NO_EXTRAS,
    Extras,
    Pause,
    Schedule,
    ScheduleDefinition,
    ScheduleStatus,
    TargetType,
)

Row = tuple[Any, ...]


def fetch(connection: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[Row]:
    """All rows of a statement. The columns' types are the schema's; the caller knows them."""
    rows: list[Row] = connection.execute(sql, tuple(values)).fetchall()
    return rows


def dumps(value: Any) -> str:
    """Compact JSON, of a value that holds no NaN and no lone surrogate (the edge refuses both)."""
    return to_json(value).decode()


def ms_or_none(instant: datetime | None) -> int | None:
    """Milliseconds, or None."""
    return None if instant is None else to_ms(instant)


def instant_or_none(milliseconds: int | None) -> datetime | None:
    """The instant, or None."""
    return None if milliseconds is None else from_ms(milliseconds)


# --- schedules ---

SCHEDULE_COLUMNS = (
    "id, owner, name, status, expression, timezone, target_type, target, description, tags, starts, ends, "
    "policies, payload, payload_blob, created, updated, revision, error, pause, next_run, finished, "
    "extras"
)


@lru_cache(maxsize=4_096)
def policies_from(text: str) -> Policies:
    """Policies from their stored text; most schedules share a few."""
    return Policies.model_validate_json(text) if text != "{}" else DEFAULT_POLICIES


def policies_text(policies: Policies) -> str:
    """What differs from the defaults, as JSON."""
    if policies is DEFAULT_POLICIES or policies == DEFAULT_POLICIES:
        return "{}"
    return policies.model_dump_json(exclude_defaults=True)


@lru_cache(maxsize=4_096)
def extras_from(text: str) -> Extras:
    """What a schedule asks for of what only some do; most ask for nothing."""
    return Extras.model_validate_json(text) if text != "{}" else NO_EXTRAS


def extras_text(extras: Extras) -> str:
    """What is asked for, as JSON."""
    return "{}" if extras is NO_EXTRAS else extras.model_dump_json(exclude_none=True)


def pause_text(pause: Pause | None) -> str | None:
    """A pause as JSON."""
    if pause is None:
        return None
    return dumps([to_ms(pause.since), pause.by, pause.reason, ms_or_none(pause.until)])


def pause_from(text: str | None) -> Pause | None:
    """The pause of :func:`pause_text`."""
    if text is None:
        return None
    since, by, reason, until = json.loads(text)
    return Pause(from_ms(since), by, reason, instant_or_none(until))


def schedule_from(row: Row, payload: str) -> Schedule:
    """A schedule from its row (:data:`SCHEDULE_COLUMNS`) and its payload's text.

    What is stored was checked when it came in, so the definition is built without checking it again.
    """
    extras = extras_from(row[22])
    definition = ScheduleDefinition.model_construct(
        name=row[2],
        description=row[8],
        schedule_expression=row[4],
        timezone=row[5],
        target_type=TargetType(row[6]),
        payload=json.loads(payload),
        tags=tuple(json.loads(row[9])),
        start=instant_or_none(row[10]),
        end=instant_or_none(row[11]),
        policies=policies_from(row[12]),
        condition=extras.condition,
        calendar=extras.calendar,
        template=extras.template,
    )
    return Schedule(
        id=row[0],
        definition=definition,
        created_by=row[1],
        created_date=from_ms(row[15]),
        updated_date=from_ms(row[16]),
        status=ScheduleStatus(row[3]),
        revision=row[17],
        error_message=row[18],
        pause=pause_from(row[19]),
        next_run=instant_or_none(row[20]),
        finished_at=instant_or_none(row[21]),
        target=row[7],
    )


def wake_of(schedule: Schedule) -> datetime | None:
    """When the engine must look at a schedule: its next occurrence, or the end of its pause."""
    return schedule.pause.until if schedule.pause is not None else schedule.next_run


# --- executions ---

EXECUTION_COLUMNS = (
    "id, schedule_id, owner, scheduled, status, cause, target_type, target, revision, created, due, expires, "
    "reason, detail, visible, started, finished, attempts, crashes, tries, dead_letter, code, error, "
    "response_status, span_last, span_count, message_id, payload, replay_of"
)


def execution_row(execution: Execution) -> list[Any]:
    """An execution's values in the order of :data:`EXECUTION_COLUMNS`, ready for JSON."""
    span = execution.span
    return [
        execution.id,
        execution.schedule_id,
        execution.owner,
        to_ms(execution.scheduled_time),
        execution.status.value,
        execution.cause.value,
        execution.target_type,
        execution.target,
        execution.schedule_revision,
        to_ms(execution.created_date),
        to_ms(execution.due_at),
        to_ms(execution.expires_at),
        execution.reason.value if execution.reason else None,
        execution.detail,
        ms_or_none(execution.next_attempt_at),
        ms_or_none(execution.started_at),
        ms_or_none(execution.finished_at),
        execution.attempts,
        execution.crashes,
        execution.tries,
        int(execution.dead_letter),
        execution.code,
        execution.error,
        execution.response_status,
        to_ms(span.last) if span else None,
        span.count if span else None,
        execution.message_id,
        None if execution.payload is None else dumps(execution.payload),
        execution.replay_of,
    ]


_STATUSES = {status.value: status for status in ExecutionStatus}
_CAUSES = {cause.value: cause for cause in Cause}
"""A list makes thousands of executions of rows, and a look here takes a tenth of the enumeration's own."""


def execution_from(row: Row) -> Execution:
    """An execution from its row (:data:`EXECUTION_COLUMNS`)."""
    scheduled = from_ms(row[3])
    return Execution(
        id=row[0],
        schedule_id=row[1],
        owner=row[2],
        scheduled_time=scheduled,
        status=_STATUSES[row[4]],
        cause=_CAUSES[row[5]],
        target_type=row[6],
        target=row[7],
        schedule_revision=row[8],
        created_date=from_ms(row[9]),
        due_at=from_ms(row[10]),
        expires_at=from_ms(row[11]),
        reason=Reason(row[12]) if row[12] else None,
        detail=row[13],
        next_attempt_at=instant_or_none(row[14]),
        started_at=instant_or_none(row[15]),
        finished_at=instant_or_none(row[16]),
        attempts=row[17],
        crashes=row[18],
        tries=row[19],
        dead_letter=bool(row[20]),
        code=row[21],
        error=row[22],
        response_status=row[23],
        span=Span(scheduled, from_ms(row[24]), row[25]) if row[25] else None,
        message_id=row[26],
        payload=json.loads(row[27]) if row[27] else None,
        replay_of=row[28],
    )


ATTEMPT_COLUMNS = (
    "number, started, finished, outcome, code, error, response_status, response, truncated, "
    "name_ms, connect_ms, first_byte_ms, body_ms"
)


def attempt_row(attempt: Attempt) -> list[Any]:
    """An attempt's values in the order of :data:`ATTEMPT_COLUMNS`."""
    timings = attempt.timings
    return [
        attempt.number,
        to_ms(attempt.started_at),
        to_ms(attempt.finished_at),
        attempt.outcome,
        attempt.code,
        attempt.error,
        attempt.response_status,
        attempt.response,
        int(attempt.response_truncated),
        timings.name,
        timings.connect,
        timings.first_byte,
        timings.body,
    ]


def attempt_from(row: Row) -> Attempt:
    """An attempt from its row (:data:`ATTEMPT_COLUMNS`)."""
    return Attempt(
        number=row[0],
        started_at=from_ms(row[1]),
        finished_at=from_ms(row[2]),
        outcome=row[3],
        code=row[4],
        error=row[5],
        response_status=row[6],
        response=row[7],
        response_truncated=bool(row[8]),
        timings=Timings(*row[9:13]),
    )


# --- messages ---

MESSAGE_COLUMNS = (
    "id, status, schedule_id, created_by, admin, created, updated, request, problems, error_kind, result"
)


def request_text(request: ScheduleCreationRequest) -> str:
    """A command as it travels."""
    if request.action is CommandAction.CREATE and request.schedule_id is None:
        return dumps({"action": "create", "schedule": request.schedule})  # by far the most frequent
    return request.model_dump_json(exclude_defaults=True, by_alias=True)


def problems_text(problems: tuple[Problem, ...]) -> str | None:
    """Problems as JSON."""
    if not problems:
        return None
    return dumps([[p.code, p.message, p.pointer, p.field, p.position] for p in problems])


def message_from(row: Row) -> Message:
    """A message from its row (:data:`MESSAGE_COLUMNS`)."""
    return Message(
        id=row[0],
        request=ScheduleCreationRequest.model_validate_json(row[7]),
        created_by=row[3],
        created_date=from_ms(row[5]),
        updated_date=from_ms(row[6]),
        status=MessageStatus(row[1]),
        schedule_id=row[2],
        admin=bool(row[4]),
        problems=tuple(Problem(*fields) for fields in json.loads(row[8] or "[]")),
        error_kind=row[9],
        result=json.loads(row[10] or "{}"),
    )
