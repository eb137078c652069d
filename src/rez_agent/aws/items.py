"""Values to items and back: schedules and messages. The one place that knows both the attributes and the
domain.

Attributes are for people to read at the console: plain words, instants as RFC 3339 in UTC with milliseconds
always (``2026-03-08T07:30:00.000Z``), so that they sort as text. What has a structure of its own stands as
JSON text. What is None, or an empty text that could not be a key, is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import Any

from pydantic_core import to_json

from rez_agent.aws.tables import TTL
from rez_agent.aws.wire import Item
from rez_agent.domain.command import Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import Problem
from rez_agent.domain.instants import to_utc
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

UNARMED = "u"
"""The value of ``unarmed`` on the rows of schedules that the engine has not taken up."""

PENDING = "p"
"""The value of ``pending`` on the rows of commands that were not judged yet."""

ENGINE_ATTRIBUTES = ("armed_revision", "armed_at", "arm_count", "arming_until")
"""What the engine notes on a schedule's row. Whoever writes the row anew carries them over."""

Fetch = Callable[[str], str]
"""The text of a blob, by its reference."""


def dumps(value: Any) -> str:
    """Compact JSON, of a value that holds no NaN and no lone surrogate (the edge refuses both)."""
    return to_json(value).decode()


def stamp(instant: datetime) -> str:
    """An instant as it is stored; it sorts as time does. Below a millisecond it is cut off."""
    return to_utc(instant).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def instant(text: str) -> datetime:
    """The instant of :func:`stamp`."""
    return datetime.fromisoformat(text).astimezone(UTC)


def stamp_or_none(moment: datetime | None) -> str | None:
    """The same, or None."""
    return None if moment is None else stamp(moment)


def instant_or_none(text: str | None) -> datetime | None:
    """The same, or None."""
    return None if text is None else instant(text)


def ttl_at(moment: datetime) -> int:
    """The ``ttl`` of an item that may go at ``moment``: whole seconds since the epoch, rounded up."""
    return ceil(moment.timestamp())


def expired(item: Item, now: datetime) -> bool:
    """Whether an item's time is over. DynamoDB removes it up to days later: until then it is still read."""
    return TTL in item and int(item[TTL]) <= now.timestamp()


# --- schedules ---


def schedule_item(schedule: Schedule, payload: Item) -> Item:
    """A schedule's own attributes, with ``payload`` or ``payload_blob``; not what the engine notes."""
    definition = schedule.definition
    return {
        "id": schedule.id,
        "name": definition.name,
        "status": schedule.status.value,
        "created_date": stamp(schedule.created_date),
        "created_by": schedule.created_by,
        "updated_date": stamp(schedule.updated_date),
        "schedule_expression": definition.schedule_expression,
        "timezone": definition.timezone,
        "target_type": definition.target_type.value,
        "target": schedule.target,
        "description": definition.description,
        "tags": list(definition.tags),
        "start": stamp_or_none(definition.start),
        "end": stamp_or_none(definition.end),
        "policies": _policies_text(definition.policies),
        "extras": _extras_text(definition.extras),
        "revision": schedule.revision,
        "next_run": stamp_or_none(schedule.next_run),
        "finished_at": stamp_or_none(schedule.finished_at),
        "error_message": schedule.error_message,
        "pause": _pause_text(schedule.pause),
        **payload,
    }


def schedule_from(item: Item, fetch: Fetch) -> Schedule:
    """A schedule from its item, ``next_run`` as it was when it was written.

    What is stored was checked when it came in, so the definition is built without checking it again.
    """
    return Schedule(
        id=item["id"],
        definition=definition_from(item, fetch),
        created_by=item["created_by"],
        created_date=instant(item["created_date"]),
        updated_date=instant(item["updated_date"]),
        status=ScheduleStatus(item["status"]),
        revision=item["revision"],
        error_message=item.get("error_message"),
        pause=_pause_from(item.get("pause")),
        next_run=instant_or_none(item.get("next_run")),
        finished_at=instant_or_none(item.get("finished_at")),
        target=item["target"],
    )


def definition_from(item: Item, fetch: Fetch) -> ScheduleDefinition:
    """The definition in a schedule's item, or in that of an earlier revision."""
    extras = _extras_from(item.get("extras"))
    return ScheduleDefinition.model_construct(
        name=item["name"],
        description=item["description"],
        schedule_expression=item["schedule_expression"],
        timezone=item["timezone"],
        target_type=TargetType(item["target_type"]),
        payload=payload_from(item, fetch),
        tags=tuple(item["tags"]),
        start=instant_or_none(item.get("start")),
        end=instant_or_none(item.get("end")),
        policies=_policies_from(item["policies"]),
        condition=extras.condition,
        calendar=extras.calendar,
        template=extras.template,
    )


def payload_from(item: Item, fetch: Fetch) -> dict[str, Any]:
    """The payload in an item that holds one, here or in a blob."""
    text = item["payload"] if "payload" in item else fetch(item["payload_blob"])
    payload: dict[str, Any] = json.loads(text)
    return payload


_DEFINITION = (
    "name",
    "description",
    "schedule_expression",
    "timezone",
    "target_type",
    "tags",
    "start",
    "end",
    "policies",
    "extras",
    "payload",
    "payload_blob",
    "revision",
    "updated_date",
    "target",
)


def revision_part(item: Item) -> Item:
    """What of a schedule's item is kept when its next revision takes its place."""
    return {name: item[name] for name in _DEFINITION if name in item}


@lru_cache(maxsize=4_096)
def _policies_from(text: str) -> Policies:
    """Policies from their stored text; most schedules share a few."""
    return Policies.model_validate_json(text) if text != "{}" else DEFAULT_POLICIES


def _policies_text(policies: Policies) -> str:
    """What differs from the defaults."""
    if policies is DEFAULT_POLICIES or policies == DEFAULT_POLICIES:
        return "{}"
    return policies.model_dump_json(exclude_defaults=True)


@lru_cache(maxsize=4_096)
def _extras_from(text: str | None) -> Extras:
    """What a schedule asks for of what only some do; most ask for nothing."""
    return NO_EXTRAS if text is None else Extras.model_validate_json(text)


def _extras_text(extras: Extras) -> str | None:
    return None if extras is NO_EXTRAS else extras.model_dump_json(exclude_none=True)


def _pause_text(pause: Pause | None) -> str | None:
    if pause is None:
        return None
    return dumps(
        {
            "since": stamp(pause.since),
            "by": pause.by,
            "reason": pause.reason,
            "until": stamp_or_none(pause.until),
        }
    )


def _pause_from(text: str | None) -> Pause | None:
    if text is None:
        return None
    read = json.loads(text)
    return Pause(instant(read["since"]), read["by"], read["reason"], instant_or_none(read["until"]))


# --- messages ---

MESSAGE_KEPT = timedelta(days=7)
"""How long a message is kept after it was judged."""


def request_text(request: ScheduleCreationRequest) -> str:
    """A command as it is stored."""
    return request.model_dump_json(exclude_defaults=True, by_alias=True)


def message_item(message: Message, request: Item) -> Item:
    """A message's item, with ``request`` or ``request_blob``."""
    final = message.status.final
    return {
        "id": message.id,
        "status": message.status.value,
        "action": message.request.action.value,
        "schedule_id": message.schedule_id,
        "created_by": message.created_by,
        "admin": message.admin,
        "created_date": stamp(message.created_date),
        "updated_date": stamp(message.updated_date),
        "problems": _problems_text(message.problems),
        "error_kind": message.error_kind,
        "result": dumps(message.result) if message.result else None,
        "pending": None if final else PENDING,
        TTL: ttl_at(message.updated_date + MESSAGE_KEPT) if final else None,
        **request,
    }


def message_from(item: Item, fetch: Fetch) -> Message:
    """A message from its item."""
    text = item["request"] if "request" in item else fetch(item["request_blob"])
    return Message(
        id=item["id"],
        request=ScheduleCreationRequest.model_validate_json(text),
        created_by=item["created_by"],
        created_date=instant(item["created_date"]),
        updated_date=instant(item["updated_date"]),
        status=MessageStatus(item["status"]),
        schedule_id=item.get("schedule_id"),
        admin=item["admin"],
        problems=tuple(Problem(**fields) for fields in json.loads(item.get("problems", "[]"))),
        error_kind=item.get("error_kind"),
        result=json.loads(item.get("result", "{}")),
    )


def _problems_text(problems: tuple[Problem, ...]) -> str | None:
    if not problems:
        return None
    return dumps(
        [
            {
                "code": problem.code,
                "message": problem.message,
                "pointer": problem.pointer,
                "field": problem.field,
                "position": problem.position,
            }
            for problem in problems
        ]
    )
