"""Changes that a page asks for: a command, and what became of it while the browser waits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.command import Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.instants import from_seconds, rfc3339
from rez_agent.domain.reading import read
from rez_agent.domain.zones import zone
from rez_agent.ports import Ports
from rez_agent.usecases.commands import submit
from rez_agent.web.operations import Api
from rez_agent.web.page.visits import Form, Toast, Visit

PAUSES = {"1h": 1, "4h": 4, "1d": 24, "7d": 168}
"""How long a pause may be told to last, in hours; else it lasts until a given time, or until it is ended."""

SECONDS = 10
"""How long a page waits for a command to be judged."""


async def carry_out(api: Api, visit: Visit, **command: Any) -> Message:
    """Submit a command and wait for its end. Raises what it is refused with at once; the message tells the
    rest."""
    (message,) = await carry_out_all(api, visit, [read(ScheduleCreationRequest, command)])
    return message


async def carry_out_all(
    api: Api, visit: Visit, requests: Sequence[ScheduleCreationRequest]
) -> tuple[Message, ...]:
    """The same for several, which are accepted together or not at all."""
    caller, quota = visit.caller, api.settings.quota

    def accept(ports: Ports) -> list[str]:
        return [submit(ports, caller, request, quota=quota).message.id for request in requests]

    ids = await api.host.write(accept)
    return tuple([await api.host.judged(message_id, SECONDS) for message_id in ids])


def toast_of(message: Message, done: str, undo: str = "") -> Toast:
    """What to say of a command: ``done``, why it was refused, or that it is still on its way."""
    if message.status is MessageStatus.FAILED:
        first, *more = [problem.message for problem in message.problems] or ["It was refused."]
        return Toast(first, "bad", details=tuple(more))
    if message.status is not MessageStatus.COMPLETED:
        return Toast("It was accepted, and will be done in a moment.", "plain")
    return Toast(done, undo=undo)


def wall_instant(text: str, timezone: str, name: str) -> datetime | None:
    """The instant of a field of date and time, on the clocks of ``timezone``; None for an empty one. Raises
    Invalid for what is none."""
    if not text:
        return None
    try:
        wall = datetime.fromisoformat(text)
        return from_seconds(zone(timezone).resolve(wall.replace(tzinfo=None, microsecond=0)))
    except (ValueError, OverflowError, KeyError):
        wrong = f"'{text[:40]}' is no date and time. Write it like 2026-03-08T07:30."
        raise Invalid(wrong, problems=[Problem("invalid_value", wrong, field=name)]) from None


def until_of(form: Form, timezone: str, now: datetime) -> str | None:
    """When a pause that a form asks for ends: after a while, or at a time on the clocks of ``timezone``."""
    hours = PAUSES.get(form.text("for"))
    if hours is not None:
        return rfc3339(now + timedelta(hours=hours))
    until = wall_instant(form.text("until"), timezone, "until")
    return None if until is None else rfc3339(until)


def json_object(text: str, name: str) -> dict[str, Any]:
    """The JSON object in a field. Raises Invalid for what is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        wrong = f"This is not JSON: {error}." if isinstance(error, ValueError) else "It is too deep."
        raise Invalid(wrong, problems=[Problem("malformed_json", wrong, f"/{name}")]) from None
    if not isinstance(value, dict):
        wrong = 'Write a JSON object, such as {"message": "hello"}.'
        raise Invalid(wrong, problems=[Problem("wrong_type", wrong, f"/{name}")])
    return value
