"""Test runs: what a definition does, run once now, before it is saved or without saving it.

A test run is a schedule of its own that never fires and is deleted in the moment it is made, with one
execution. So it leaves a trace of everything that was sent (its tombstone, its entry in the ledger, its
message), and nothing else: the schedule that is being written has no entry for it, no alert and no dead
letter. It is tried once, whatever the policies say, and heeds neither condition nor calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rez_agent.domain.command import Message
from rez_agent.domain.execution import Cause
from rez_agent.domain.instants import floor_second
from rez_agent.domain.schedule import ScheduleDefinition, created
from rez_agent.ports import Actions, Engine, Ports
from rez_agent.usecases.auditing import completed
from rez_agent.usecases.checking import checked_definition
from rez_agent.usecases.entries import asked_execution

TEST_TAG = "test-run"
"""The tag of the schedules that test runs leave behind."""

_NEVER = "cron(0 0 30 2 ? *)"
"""30 February: no engine is asked to keep time for it."""

_NAME_KEPT = 100


def checked_test(
    document: Mapping[str, Any], message_id: str, *, now: datetime, actions: Actions, engine: Engine
) -> ScheduleDefinition:
    """The schedule of a test run of ``document``, a definition of which only target type and payload have to
    be right: a target can be tried before it is settled when it is due.

    Raises :class:`~rez_agent.domain.errors.Invalid` with all that is wrong with those.
    """
    named = document.get("name")
    name = f" of {named.strip()[:_NAME_KEPT]}" if isinstance(named, str) and named.strip() else ""
    given = {field: document[field] for field in ("target_type", "payload") if field in document}
    tested = {
        **given,
        "name": f"Test{name} {message_id[-6:]}",
        "description": "A test run: it ran once, and was deleted at once.",
        "schedule_expression": _NEVER,
        "tags": [TEST_TAG],
        "policies": {"retry": {"max_attempts": 0}, "on_completion": "delete"},
    }
    return checked_definition(tested, now=now, actions=actions, engine=engine, records=None)[0]


def apply_test(ports: Ports, message: Message, now: datetime) -> dict[str, Any]:
    """Make the schedule of a test run, queue its execution, delete it: all of it or nothing."""
    definition = checked_test(
        message.request.schedule or {}, message.id, now=now, actions=ports.actions, engine=ports.engine
    )
    schedule = created(
        definition,
        schedule_id=message.schedule_id or "",
        created_by=message.created_by,
        now=message.created_date,
        target=ports.actions.target(definition.target_type, definition.payload),
    )
    ports.schedules.add(schedule)
    execution = asked_execution(schedule, floor_second(now), Cause.TEST, message.id, now=now)
    ports.ledger.add([execution])
    ports.topic.publish_work([execution])
    deleted = schedule.deleted(now)
    ports.schedules.replace(deleted, schedule)
    ports.changes.add(completed(schedule, deleted))
    return {"execution_id": execution.id}
