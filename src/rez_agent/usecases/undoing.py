"""Undo: the commands that lead back from a change, kept for an hour for whoever made it.

They are ordinary commands, carried out on behalf of whoever undoes: nobody undoes more than they may do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rez_agent.domain.command import CommandAction, Message
from rez_agent.domain.errors import NotFound
from rez_agent.domain.instants import floor_second, rfc3339
from rez_agent.domain.schedule import Pause, Schedule
from rez_agent.ports import Ports, Record
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.changes import definition_document

KIND = "undo"
KEPT = timedelta(hours=1)

Command = dict[str, Any]


def way_back(before: Schedule, done: Message, *, caller: Caller, new_id: str) -> tuple[Command, ...]:
    """The commands that undo ``done``, which found the schedule as ``before``; none where nothing does.

    A deleted schedule is created anew, as ``new_id``: ids are never used again, so its history stays with the
    old one. It would be its creator's, so only its owner is offered that.
    """
    match done.request.action:
        case CommandAction.PAUSE if before.pause is None:
            return ({"action": "resume", "schedule_id": before.id},)
        case CommandAction.PAUSE | CommandAction.RESUME if before.pause is not None:
            return (_paused(before.id, before.pause),)
        case CommandAction.DELETE if before.created_by == caller.name:
            create = {"action": "create", "schedule_id": new_id, "schedule": _anew(before)}
            return (create, _paused(new_id, before.pause)) if before.pause is not None else (create,)
        case CommandAction.RUN if "execution_id" in done.result:
            return ({"action": "cancel", "execution_id": done.result["execution_id"]},)
    return ()


def _anew(schedule: Schedule) -> Command:
    """The definition that makes its like. A rate without a start counts from its creation: it is given that
    start, else its grid would begin anew, and it would fire at once."""
    document = definition_document(schedule.definition)
    if schedule.definition.start is None and schedule.definition.schedule_expression.startswith("rate"):
        document["start"] = rfc3339(floor_second(schedule.created_date))
    return document


def _paused(schedule_id: str, pause: Pause) -> Command:
    until = None if pause.until is None else rfc3339(pause.until)
    return {"action": "pause", "schedule_id": schedule_id, "reason": pause.reason, "until": until}


def remember(ports: Ports, caller: Caller, steps: Sequence[Command]) -> str:
    """Keep the way back; the key under which ``caller`` finds it."""
    now = ports.clock.now()
    key = ports.random.new_id("undo", now)
    ports.records.put(Record(KIND, key, {"owner": caller.name, "steps": list(steps)}, now + KEPT))
    return key


def recall(ports: Ports, caller: Caller, key: str) -> list[Command]:
    """The way back, this once. Raises NotFound ``undo_over``."""
    record = ports.records.get(KIND, key, ports.clock.now())
    if record is None or record.value["owner"] != caller.name:
        text = "It is too late to undo this, or it was undone already."
        raise NotFound(text, code="undo_over")
    ports.records.delete(KIND, key)
    steps: list[Command] = record.value["steps"]
    return steps
