"""Reading: schedules, their occurrences, executions and messages, as far as the caller may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.command import Message
from rez_agent.domain.errors import Invalid, NotFound, Pending
from rez_agent.domain.execution import Attempt, Execution
from rez_agent.domain.instants import rfc3339, to_utc
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import COUNTED_EXACTLY, ExecutionQuery, Page, Ports, ScheduleQuery
from rez_agent.usecases.callers import Caller, check_known, execution_for, schedule_for
from rez_agent.usecases.preview import Due, dues_of

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """An execution with its attempts, oldest first."""

    execution: Execution
    attempts: tuple[Attempt, ...]


def schedule_or_pending(ports: Ports, caller: Caller, schedule_id: str) -> Schedule:
    """The living schedule. Raises NotFound, and Pending while the command that creates it is on its way."""
    try:
        return schedule_for(ports, caller, schedule_id)
    except NotFound:
        message = ports.messages.pending_create(schedule_id)
        if message is None or not caller.reaches(message.created_by):
            raise
        text = f"Schedule '{schedule_id}' is being created. Ask again in a second, or read its message."
        raise Pending(text, message_id=message.id) from None


def schedules_for(ports: Ports, caller: Caller, query: ScheduleQuery) -> Page[Schedule]:
    """A page of the schedules that the caller may see; ``query.owner`` narrows it further."""
    if query.owner is not None and not caller.reaches(query.owner):
        return Page((), None, 0)
    return ports.schedules.list(replace(query, owner=query.owner or caller.owner_filter))


def history(ports: Ports, caller: Caller, query: ExecutionQuery) -> Page[Entry]:
    """A page of the ledger. With a schedule's id, that schedule's, though it was deleted since."""
    if query.schedule_id is not None:
        check_known(ports, caller, query.schedule_id)
    page = ports.ledger.list(replace(query, owner=caller.owner_filter))
    return Page(_entries(ports, page.items), page.next_cursor, page.total, page.total_is_exact)


def entry(ports: Ports, caller: Caller, execution_id: str) -> Entry:
    """One entry of the ledger. Raises NotFound ``execution_not_found``."""
    return Entry(execution_for(ports, caller, execution_id), ports.ledger.attempts(execution_id))


def payload_of(ports: Ports, execution: Execution) -> dict[str, Any] | None:
    """What an execution is or was given: its own payload, else that of its schedule's revision. Secrets stand
    in it by reference only. None once the schedule is gone."""
    if execution.payload is not None:
        return execution.payload
    return ports.schedules.payload_at(execution.schedule_id, execution.schedule_revision)


def message_for(ports: Ports, caller: Caller, message_id: str) -> Message:
    """The message, if the caller may see it. Raises NotFound ``message_not_found``."""
    message = ports.messages.get(message_id)
    if message is None or not caller.reaches(message.created_by):
        raise NotFound(f"There is no message '{message_id}'.", code="message_not_found")
    return message


def occurrences(
    ports: Ports,
    caller: Caller,
    schedule_id: str,
    *,
    since: datetime | None,
    until: datetime | None,
    cursor: str | None,
    limit: int,
) -> Page[Due]:
    """When the schedule is due from ``since`` (now) to ``until`` (for ever), both inclusive, whatever its
    state. Raises Invalid ``invalid_cursor``."""
    schedule = schedule_for(ports, caller, schedule_id)
    times = schedule.occurrences
    start = (since or ports.clock.now()) - _INSTANT
    end = until or datetime.max.replace(tzinfo=start.tzinfo)
    counted = times.between(start, end, COUNTED_EXACTLY + 1)
    found = times.between(max(start, _position(cursor, start)), end, limit + 1)
    following = rfc3339(found[limit - 1]) if len(found) > limit else None
    total = min(len(counted), COUNTED_EXACTLY)
    items = tuple(dues_of(schedule, found[:limit]))
    return Page(items, following, total, len(counted) <= COUNTED_EXACTLY)


def _position(cursor: str | None, start: datetime) -> datetime:
    """The instant behind which a page begins."""
    if cursor is None:
        return start
    try:
        return to_utc(datetime.fromisoformat(cursor))
    except (ValueError, OverflowError):
        text = "The cursor is not of this list. Use next_cursor as it came."
        raise Invalid(text, code="invalid_cursor") from None


def _entries(ports: Ports, executions: Sequence[Execution]) -> tuple[Entry, ...]:
    found = ports.ledger.attempts_of([execution.id for execution in executions])
    return tuple(Entry(execution, found.get(execution.id, ())) for execution in executions)
