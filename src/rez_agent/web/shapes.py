"""What is answered: values as documents. Instants are RFC 3339 in UTC, durations whole milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from rez_agent.domain.changes import diff_document
from rez_agent.domain.command import Message
from rez_agent.domain.consequences import Fate
from rez_agent.domain.errors import Problem, RezError
from rez_agent.domain.execution import Attempt, Execution, ExecutionStatus, Span
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.policies import DEFAULT_POLICIES, Policies
from rez_agent.domain.schedule import Pause, Schedule
from rez_agent.ports import Page
from rez_agent.usecases.editing import Edit
from rez_agent.usecases.history import Entry
from rez_agent.usecases.keys import Key
from rez_agent.usecases.preview import Due, Preview
from rez_agent.usecases.statistics import Summary

T = TypeVar("T")
Document = dict[str, Any]

_MILLISECOND = timedelta(milliseconds=1)


def page_document(page: Page[T], shape: Callable[[T], Document]) -> Document:
    """A list's answer. ``total`` is a number, or ``{"at_least": n}`` where counting stopped."""
    return {
        "items": [shape(item) for item in page.items],
        "next_cursor": page.next_cursor,
        "total": page.total if page.total_is_exact else {"at_least": page.total},
    }


def schedule_document(schedule: Schedule) -> Document:
    """A schedule: its definition and its state, flat."""
    definition = schedule.definition
    return {
        "id": schedule.id,
        "name": definition.name,
        "description": definition.description,
        "schedule_expression": definition.schedule_expression,
        "timezone": definition.timezone,
        "target_type": definition.target_type.value,
        "payload": definition.payload,
        "tags": definition.tags,
        "start": _instant(definition.start),
        "end": _instant(definition.end),
        "policies": _policies(definition.policies),
        "condition": definition.condition,
        "calendar": _model(definition.calendar),
        "template": _model(definition.template),
        "status": schedule.status.value,
        "created_by": schedule.created_by,
        "created_date": rfc3339(schedule.created_date),
        "updated_date": rfc3339(schedule.updated_date),
        "revision": schedule.revision,
        "error_message": schedule.error_message,
        "next_run": _instant(schedule.next_run),
        "finished_at": _instant(schedule.finished_at),
        "pause": None if schedule.pause is None else _pause(schedule.pause),
    }


def schedule_detail(schedule: Schedule) -> Document:
    """The same, with the sentence that says when it is due."""
    return {**schedule_document(schedule), "explanation": _explanation(schedule)}


def entry_document(entry: Entry) -> Document:
    """An execution with its attempts, responses included."""
    return _execution(entry.execution, [attempt_document(attempt) for attempt in entry.attempts])


def entry_summary(entry: Entry) -> Document:
    """The same for a list: what the target answered is left to the execution's own address."""
    attempts = [attempt_document(attempt) for attempt in entry.attempts]
    for attempt in attempts:
        del attempt["response"], attempt["response_truncated"]
    return _execution(entry.execution, attempts)


def attempt_document(attempt: Attempt) -> Document:
    """One try at the target."""
    timings = attempt.timings
    return {
        "number": attempt.number,
        "started_at": rfc3339(attempt.started_at),
        "finished_at": rfc3339(attempt.finished_at),
        "duration_ms": (attempt.finished_at - attempt.started_at) // _MILLISECOND,
        "outcome": attempt.outcome,
        "code": attempt.code,
        "error": attempt.error,
        "response_status": attempt.response_status,
        "response": attempt.response,
        "response_truncated": attempt.response_truncated,
        "timings_ms": {
            "name": timings.name,
            "connect": timings.connect,
            "first_byte": timings.first_byte,
            "body": timings.body,
        },
    }


def summary_document(found: Summary) -> Document:
    """What a schedule's executions come to."""
    told = found.statistics
    return {
        "schedule_id": found.schedule_id,
        "executions": told.executions,
        "more": found.more,
        "since": _instant(found.first),
        "until": _instant(found.last),
        "by_status": {status.value: told.by_status.get(status, 0) for status in ExecutionStatus},
        "by_reason": {reason.value: count for reason, count in told.by_reason.items()},
        "success_rate": told.success_rate,
        "duration_ms": None if told.duration is None else asdict(told.duration),
        "lateness_ms": None if told.lateness is None else asdict(told.lateness),
    }


def message_document(message: Message) -> Document:
    """A command on its way, and what became of it."""
    return {
        "id": message.id,
        "action": message.request.action.value,
        "status": message.status.value,
        "schedule_id": message.schedule_id,
        "execution_id": message.result.get("execution_id", message.request.execution_id),
        "created_by": message.created_by,
        "created_date": rfc3339(message.created_date),
        "updated_date": rfc3339(message.updated_date),
        "result": message.result,
        "errors": problem_documents(message.problems),
    }


def problem_documents(problems: tuple[Problem, ...]) -> list[Document]:
    """Problems and warnings, each with its code, its place and a text for people."""
    return [problem_item(problem) for problem in problems]


def problem_item(problem: Problem) -> Document:
    """One problem."""
    item: Document = {"code": problem.code, "detail": problem.message, "pointer": problem.pointer}
    if problem.field is not None:
        item["field"] = problem.field
    if problem.position is not None:
        item["position"] = problem.position
    return item


def due_document(due: Due) -> Document:
    """One occurrence, in UTC and as its zone's clocks show it."""
    return {
        "utc": rfc3339(due.at),
        "local": due.local.isoformat(),
        "note": due.note,
        "closed": due.closed,
        "moved_from": None if due.moved_from is None else due.moved_from.isoformat(),
    }


def preview_document(preview: Preview) -> Document:
    """What an expression comes to."""
    return {
        "valid": preview.valid,
        "explanation": preview.explanation,
        "occurrences": [due_document(due) for due in preview.occurrences],
        "skipped": list(preview.skipped),
        "warnings": problem_documents(preview.warnings),
        "errors": problem_documents(preview.problems),
    }


def edit_document(edit: Edit) -> Document:
    """What an edit would come to."""
    found = edit.consequences
    return {
        "revision": edit.schedule.revision,
        "changes": diff_document(found.changes),
        **{fate.value: found.count(fate) for fate in Fate},
        "occurrences": [{**due_document(due), "fate": fate.value} for due, fate in edit.coming()],
        "until": rfc3339(found.until),
        "cut": found.cut,
        "warnings": problem_documents(edit.warnings),
    }


def key_document(key: Key) -> Document:
    """A key, without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope.value,
        "created_date": rfc3339(key.created_date),
        "expires_at": _instant(key.expires_at),
    }


def _execution(execution: Execution, attempts: list[Document]) -> Document:
    return {
        "id": execution.id,
        "schedule_id": execution.schedule_id,
        "created_by": execution.owner,
        "scheduled_time": rfc3339(execution.scheduled_time),
        "status": execution.status.value,
        "reason": None if execution.reason is None else execution.reason.value,
        "detail": execution.detail,
        "cause": execution.cause.value,
        "attempts": attempts,
        "attempt_count": execution.attempts,
        "dead_letter": execution.dead_letter,
        "code": execution.code,
        "error": execution.error,
        "response_status": execution.response_status,
        "target_type": str(execution.target_type),
        "target": execution.target,
        "schedule_revision": execution.schedule_revision,
        "message_id": execution.message_id,
        "replay_of": execution.replay_of,
        "created_date": rfc3339(execution.created_date),
        "due_at": rfc3339(execution.due_at),
        "expires_at": rfc3339(execution.expires_at),
        "next_attempt_at": _instant(execution.next_attempt_at),
        "started_at": _instant(execution.started_at),
        "finished_at": _instant(execution.finished_at),
        "lateness_ms": _milliseconds(execution.lateness),
        "duration_ms": _milliseconds(execution.duration),
        "span": None if execution.span is None else _span(execution.span),
    }


def _span(span: Span) -> Document:
    return {"from": rfc3339(span.first), "to": rfc3339(span.last), "count": span.count}


def _pause(pause: Pause) -> Document:
    return {
        "since": rfc3339(pause.since),
        "by": pause.by,
        "reason": pause.reason,
        "until": _instant(pause.until),
    }


def _policies(policies: Policies) -> Document:
    return _DEFAULT_POLICIES if policies == DEFAULT_POLICIES else policies.model_dump(mode="json")


def _model(value: BaseModel | None) -> Document | None:
    return None if value is None else value.model_dump(mode="json")


def _explanation(schedule: Schedule) -> str | None:
    """None where the expression can't be read any more; ``error_message`` says why."""
    try:
        return schedule.definition.expression.explain()
    except RezError:
        return None


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)


def _milliseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // _MILLISECOND


_DEFAULT_POLICIES: Document = DEFAULT_POLICIES.model_dump(mode="json")
