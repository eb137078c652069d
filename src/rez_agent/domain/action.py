"""What passes between the processor and an action: the work, and what became of it.

Values only. The kinds of action live in ``rez_agent.actions``, one file a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rez_agent.domain.condition import Condition

RESPONSE_KEPT = 4096
"""Bytes of a response that the ledger keeps."""


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt to be made.

    ``idempotency_key`` is the same for all attempts of one execution, so a target can make it exactly once.
    ``scheduled_time`` is aware, in UTC: the occurrence's nominal instant, not the moment of the attempt.
    ``attempt`` counts from 1. ``payload`` is the target's definition, with secrets only by reference;
    ``payload_text``, where it is given, is its JSON, the same text for the same payload: what an action may
    remember its preparations by. ``condition``, where there is one, is to be judged first.
    """

    execution_id: str
    schedule_id: str
    schedule_name: str
    owner: str
    target_type: str
    payload: Mapping[str, Any]
    scheduled_time: datetime
    attempt: int
    idempotency_key: str
    payload_text: str | None = None
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class OfferedAction:
    """An entry of the action catalogue: its name, what it is for, and the JSON Schema of its parameters."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Offered:
    """What a payload may name: entries of the catalogue, channels of notifications, custom actions."""

    catalogue: tuple[OfferedAction, ...] = ()
    channels: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds spent in each phase of an attempt; None where the phase did not happen."""

    name: float | None = None
    connect: float | None = None
    first_byte: float | None = None
    body: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt.

    ``ok``: the target did what was asked. Otherwise ``code`` is a stable word (``timeout``, ``refused``,
    ``dns``, ``tls``, ``status``, ``forbidden_target``, ...), ``error`` a sentence for people, and
    ``permanent`` says that another attempt can't help. ``retry_after`` is the least number of seconds that
    the target asked to be left alone. ``response`` holds at most :data:`RESPONSE_KEPT` bytes, as text, with
    every known secret replaced. ``made``: false where the target was not even asked, since the schedule's
    condition was false (code ``condition``) or could not be judged (``condition_error``).
    """

    ok: bool
    code: str = "ok"
    error: str | None = None
    permanent: bool = False
    retry_after: float | None = None
    response_status: int | None = None
    response: str | None = None
    response_truncated: bool = False
    timings: Timings = field(default_factory=Timings)
    made: bool = True
