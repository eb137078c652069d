"""Executions as items: readable attributes at the top, and what the indexes need derived from them.

``status`` and the instants beside it say where an execution stands; ``in_flight``, ``queue``, ``queue_at``
and ``ttl`` follow from them (:func:`settled`), so that no move can forget one. Besides the execution's own
attributes an item has:

- ``lease`` and ``lease_until``: who may report an end, and until when nobody else takes it over;
- ``cancel_asked``: somebody wants the running attempt to be the last;
- ``one_by_one``: its schedule does not allow two at once, so its end may let another go;
- ``attempts_made``: its attempts as JSON texts, oldest first;
- ``lane`` and ``written``: its place in the list over all schedules;
- ``kept_until``: epoch seconds, the ``ttl`` that it has as soon as it is final. What is in flight never goes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from zlib import crc32

from rez_agent.aws.items import dumps, instant, instant_or_none, stamp, stamp_or_none
from rez_agent.aws.tables import TTL
from rez_agent.aws.wire import Item
from rez_agent.domain.action import Timings
from rez_agent.domain.execution import (
    KEPT_AT_EACH_END,
    Attempt,
    Cause,
    Execution,
    ExecutionStatus,
    Reason,
    Span,
)
from rez_agent.domain.instants import to_ms

LANES = tuple("01234567")
"""Parts of the indexes over all schedules: a partition takes 1,000 writes a second."""

WAITING, RUNNING, HELD, DEAD = "waiting#", "running#", "held#", "dead#"
"""What the queue-index holds; a lane follows. Held ones say so in the in_flight-index too."""

LIVE = "live#"
"""In the in_flight-index: queued or running, and not held."""

ATTEMPTS_KEPT = 200
"""An execution that was redriven again and again loses the attempts in the middle: an item holds 400 KB."""

ERROR_BYTES = 800
RESPONSE_BYTES = 8_192
LAST_ERROR_BYTES = 4_096
CODE_BYTES = 100
"""What an attempt's error and response, the item's own error and either's code take at most as JSON, where a
control character takes six bytes: with :data:`ATTEMPTS_KEPT` and an inline payload an item stays below
370 KB."""

_INSTANTS = (
    "scheduled_time",
    "created_date",
    "due_at",
    "expires_at",
    "next_attempt_at",
    "started_at",
    "finished_at",
)
_PLAIN = (
    "id",
    "schedule_id",
    "owner",
    "target_type",
    "target",
    "schedule_revision",
    "detail",
    "attempts",
    "crashes",
    "tries",
    "dead_letter",
    "code",
    "error",
    "response_status",
    "message_id",
    "replay_of",
)
BUT_PAYLOAD = (*_PLAIN, *_INSTANTS, "status", "cause", "reason", "span_last", "span_count")
"""What :func:`execution_from` reads of an item, but for its payload."""

_ID = re.compile(r"([!-~]{1,512}?)_\d{8}T\d{6}Z(?:_[a-z_]+_[!-~]{1,256})?", re.ASCII)


def schedule_of(execution_id: str) -> str | None:
    """The id of the schedule whose execution is so named; None for what names none."""
    match = _ID.fullmatch(execution_id)
    return match[1] if match else None


# --- executions ---


def item_of(
    execution: Execution, *, number: int, kept_until: int, one_by_one: bool, payload_blob: str | None = None
) -> Item:
    """A new item. ``number`` counts what one process writes: it orders what is written in one millisecond.
    ``payload_blob`` is the reference of a payload that is too large for the item."""
    span, payload = execution.span, execution.payload
    item: Item = {name: getattr(execution, name) for name in _PLAIN}
    item |= {name: stamp_or_none(getattr(execution, name)) for name in _INSTANTS}
    item |= {
        "status": execution.status.value,
        "cause": execution.cause.value,
        "reason": execution.reason.value if execution.reason else None,
        "span_last": stamp_or_none(span.last) if span else None,
        "span_count": span.count if span else None,
        "payload": None if payload is None or payload_blob else dumps(payload),
        "payload_blob": payload_blob,
        "lease": 0,
        "one_by_one": one_by_one or None,
        "lane": LANES[crc32(execution.id.encode()) % len(LANES)],
        "written": _written(execution, number),
        "kept_until": kept_until,
    }
    return settled(item)


def _written(execution: Execution, number: int) -> str:
    """13 digits of milliseconds, 6 of the number, and 8 that make it unlike any other's."""
    own = crc32(execution.id.encode())
    return f"{digits(execution.created_date)}{number % 1_000_000:06d}{own:08x}"


def execution_from(item: Mapping[str, Any], payload: dict[str, Any] | None = None) -> Execution:
    """The execution of an item; ``payload`` is what its ``payload_blob`` refers to."""
    values: dict[str, Any] = {name: item.get(name) for name in _PLAIN}
    values |= {name: instant_or_none(item.get(name)) for name in _INSTANTS}
    if payload is None and item.get("payload") is not None:
        payload = json.loads(item["payload"])
    span = None
    if item.get("span_count") is not None:
        last = instant(item["span_last"])
        span = Span(values["scheduled_time"], last, item["span_count"])
    return Execution(
        status=ExecutionStatus(item["status"]),
        cause=Cause(item["cause"]),
        reason=Reason(item["reason"]) if item.get("reason") else None,
        span=span,
        payload=payload,
        **values,
    )


def moved(item: Item, **changes: Any) -> Item:
    """The item in its next state. Instants are given as such; None takes an attribute away."""
    told = {k: stamp(v) if isinstance(v, datetime) else v for k, v in changes.items()}
    return settled({**item, **told})


def settled(item: Item) -> Item:
    """The item with what its state means to the indexes and to DynamoDB's TTL."""
    status, lane, written = item["status"], item["lane"], item["written"]
    in_flight: str | None = LIVE + written
    queue: tuple[str | None, str | None] = (None, None)
    if is_held(item):
        in_flight, queue = HELD + written, (HELD + lane, written)
    elif status == ExecutionStatus.QUEUED:
        queue = (WAITING + lane, digits(instant(item["next_attempt_at"])))
    elif status == ExecutionStatus.RUNNING:
        queue = (RUNNING + lane, digits(instant(item["lease_until"])))
    else:
        in_flight = None
        if item["dead_letter"]:
            queue = (DEAD + lane, digits(instant(item["finished_at"])) + written)
    ttl = None if in_flight else item["kept_until"]
    found = {**item, "in_flight": in_flight, "queue": queue[0], "queue_at": queue[1], TTL: ttl}
    return {name: value for name, value in found.items() if value is not None}


def is_held(item: Mapping[str, Any]) -> bool:
    """Whether it waits behind another of its schedule."""
    return item["status"] == ExecutionStatus.QUEUED and item.get("next_attempt_at") is None


def digits(moment: datetime) -> str:
    """Milliseconds as 13 digits, which sort as time does."""
    return f"{to_ms(moment):013d}"


# --- attempts ---


def with_attempt(item: Item, attempt: Attempt) -> Item:
    """The item with an attempt added; those in the middle lose their response, and the item its error."""
    made = [one for one in attempts_from(item) if one.number != attempt.number] + [attempt]
    if len(made) > ATTEMPTS_KEPT:
        made = made[:KEPT_AT_EACH_END] + made[KEPT_AT_EACH_END - ATTEMPTS_KEPT :]
    middle = slice(KEPT_AT_EACH_END, max(KEPT_AT_EACH_END, len(made) - KEPT_AT_EACH_END))
    made[middle] = [replace(one, response=None) for one in made[middle]]
    return {**item, "attempts_made": [_attempt_text(one) for one in made]}


def attempts_from(item: Mapping[str, Any]) -> list[Attempt]:
    """An item's attempts, oldest first."""
    return [_attempt_from(text) for text in item.get("attempts_made", ())]


def _attempt_text(attempt: Attempt) -> str:
    error, response = attempt.error, attempt.response
    kept = None if response is None else fitting(response, RESPONSE_BYTES)
    values = asdict(attempt) | {
        "started_at": stamp(attempt.started_at),
        "finished_at": stamp(attempt.finished_at),
        "code": fitting(attempt.code, CODE_BYTES),
        "error": None if error is None else fitting(error, ERROR_BYTES),
        "response": kept,
        "response_truncated": attempt.response_truncated or kept != response,
        "timings": _told(asdict(attempt.timings)),
    }
    return dumps(_told(values))


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is not there."""
    return {name: value for name, value in values.items() if value is not None and value is not False}


def _attempt_from(text: str) -> Attempt:
    values = json.loads(text)
    values["started_at"] = instant(values["started_at"])
    values["finished_at"] = instant(values["finished_at"])
    values["timings"] = Timings(**values.get("timings", {}))
    return Attempt(**values)


def fitting(text: str, size: int) -> str:
    """As much of ``text`` as takes ``size`` bytes of JSON."""
    while (taken := len(dumps(text).encode()) - 2) > size:
        text = text[: len(text) * size // taken]
    return text


def without_responses(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """The attempts as a list tells them."""
    return tuple(replace(attempt, response=None) for attempt in attempts)
