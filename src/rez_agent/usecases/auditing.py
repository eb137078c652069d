"""Telling a change: what a command or the engine by itself has made of a schedule, to be kept with it."""

from __future__ import annotations

from datetime import datetime

from rez_agent.domain.changes import Change, ChangeAction, change_between
from rez_agent.domain.command import Message
from rez_agent.domain.schedule import Schedule


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
