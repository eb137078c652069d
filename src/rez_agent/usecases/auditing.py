"""The changes of a schedule: what a command or the engine by itself has made of it, and reading them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from rez_agent.domain.changes import (
    Change,
    ChangeAction,
    as_it_was,
    change_between,
    creation_of,
    without_a_gap,
)
from rez_agent.domain.command import Message
from rez_agent.domain.schedule import Schedule, ScheduleDefinition
from rez_agent.ports import Page, Ports
from rez_agent.usecases.callers import Caller, known_schedule

UNDONE_AT_MOST = 200
"""Changes that are undone to tell what a schedule was created with."""

_CREATION = "created"
"""The cursor behind which nothing but the creation is left."""


def asked_change(message: Message, before: Schedule, after: Schedule) -> Change:
    """The change that a command asked for. It counts from the moment that is the schedule's new date."""
    return change_between(
        before,
        after,
        ChangeAction(message.request.action.value),
        at=after.updated_date,
        by=message.created_by,
        reason=message.request.reason,
        message_id=message.id,
    )


def ended_pause(before: Schedule, after: Schedule) -> Change:
    """A pause's ``until`` has come."""
    reason = "the pause was until then"
    return change_between(before, after, ChangeAction.RESUME, at=after.updated_date, reason=reason)


def completed(before: Schedule, after: Schedule) -> Change:
    """The schedule had nothing left, and was to be deleted then."""
    reason = "nothing was left, and it was to be deleted then"
    return change_between(before, after, ChangeAction.DELETE, at=after.updated_date, reason=reason)


def broken(before: Schedule, after: Schedule, at: datetime) -> Change:
    """The schedule can't be evaluated any more, as ``after`` says."""
    return change_between(before, after, ChangeAction.ERROR, at=at, reason=after.error_message or "")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a schedule was created with. ``later``: members of the definition of which only a later state is
    known, since a change of them was too large to be kept."""

    definition: ScheduleDefinition
    later: tuple[str, ...] = ()


def beginning_of(ports: Ports, schedule: Schedule) -> Beginning | None:
    """What the schedule was created with; None if not all of its changes are kept, or there are more than
    :data:`UNDONE_AT_MOST`."""
    changes = ports.changes.list(schedule.id, limit=UNDONE_AT_MOST).items
    first = as_it_was(schedule, changes)
    if first.revision != 1 or not without_a_gap(schedule, changes):
        return None
    omitted = (each.path.split("/")[1] for change in changes for each in change.diff if each.omitted)
    return Beginning(first.definition, tuple(dict.fromkeys(omitted)))


def changes_of(
    ports: Ports, caller: Caller, schedule_id: str, *, cursor: str | None = None, limit: int = 50
) -> Page[Change]:
    """A page of a schedule's changes, newest first, its creation the last; of a deleted one too, as long as
    its tombstone stands. Raises NotFound ``schedule_not_found`` and Invalid ``invalid_cursor``."""
    creation = creation_of(known_schedule(ports, caller, schedule_id))
    if cursor == _CREATION:
        return Page((creation,), None, ports.changes.list(schedule_id, limit=1).total + 1)
    page = ports.changes.list(schedule_id, cursor=cursor, limit=limit)
    page = replace(page, total=page.total + 1)
    if page.next_cursor is not None:
        return page
    if len(page.items) == limit:
        return replace(page, next_cursor=_CREATION)
    return replace(page, items=(*page.items, creation))
