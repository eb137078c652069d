"""Commands, and the messages that carry them.

A command is a change asked for. It is checked at the edge, stored as a message, published to the
``schedule-creation`` topic, and judged when it is applied. A message tells what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from rez_agent.domain.errors import Problem
from rez_agent.domain.instants import Instant
from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import ScheduleDefinition


class CommandAction(StrEnum):
    """The changes that can be asked for."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    PAUSE = "pause"
    RESUME = "resume"
    RUN = "run"
    BACKFILL = "backfill"
    RETRY = "retry"
    CANCEL = "cancel"
    REDRIVE = "redrive"
    REPLAY = "replay"
    TEST = "test"


NEEDS_SCHEDULE = frozenset(
    {
        CommandAction.UPDATE,
        CommandAction.DELETE,
        CommandAction.PAUSE,
        CommandAction.RESUME,
        CommandAction.RUN,
        CommandAction.BACKFILL,
    }
)
MAKES_SCHEDULE = frozenset({CommandAction.CREATE, CommandAction.TEST})
NEEDS_EXECUTION = frozenset({CommandAction.RETRY, CommandAction.CANCEL, CommandAction.REPLAY})

BACKFILL_AT_MOST = 10_000
"""Occurrences that one backfill may cover."""

REDRIVE_AT_MOST = 10_000
"""Dead letters that one redrive takes up."""

Reason = Annotated[str, StringConstraints(max_length=500)]


class ScheduleCreationRequest(Frozen):
    """A command, as it travels: ``{"action": ..., "schedule": {...} | "schedule_id": ...}`` and what the
    action needs besides.

    ``schedule``: the definition, for create, test and update (a whole replacement). ``patch``: for update
    instead, a JSON merge patch (RFC 7396) of the definition, applied to the schedule as it is then.
    ``revision``: judged when applied; another revision then is a ``revision_conflict``. ``cancel``: on pause
    and delete, cancel what is queued or running, which otherwise finishes. ``payload``: on run, instead of
    the schedule's; on replay, of the original's. ``from``/``to``: of a backfill, both inclusive. ``limit``:
    of a redrive.
    """

    action: CommandAction
    schedule: dict[str, Any] | None = None
    patch: dict[str, Any] | None = None
    schedule_id: str | None = None
    execution_id: str | None = None
    revision: Annotated[int, Field(ge=1, strict=True)] | None = None
    reason: Reason = ""
    until: Instant | None = None
    cancel: bool = False
    payload: dict[str, Any] | None = None
    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    limit: Annotated[int, Field(ge=1, le=REDRIVE_AT_MOST, strict=True)] = 1_000

    @model_validator(mode="after")
    def _complete(self) -> ScheduleCreationRequest:
        if self.action in MAKES_SCHEDULE and self.schedule is None:
            raise ValueError(f"{self.action} needs 'schedule', the definition")
        if self.action is CommandAction.UPDATE and (self.schedule is None) == (self.patch is None):
            raise ValueError("update needs either 'schedule', the whole definition, or 'patch'")
        if self.action in NEEDS_SCHEDULE and not self.schedule_id:
            raise ValueError(f"{self.action} needs 'schedule_id'")
        if self.action in NEEDS_EXECUTION and not self.execution_id:
            raise ValueError(f"{self.action} needs 'execution_id'")
        if self.action is CommandAction.BACKFILL and (self.from_ is None or self.to is None):
            raise ValueError("backfill needs 'from' and 'to'")
        if self.from_ is not None and self.to is not None and self.to < self.from_:
            raise ValueError("'to' must not lie before 'from'")
        return self


class MessageStatus(StrEnum):
    """The states of a message."""

    CREATED = "created"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether the command has been judged."""
        return self in (MessageStatus.COMPLETED, MessageStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Message:
    """A command on its way, and what became of it.

    ``checked`` is a create's definition as it was checked at the edge, while the message is still in the
    process that checked it; it is never stored.

    ``problems`` (with ``error_kind``, the name of the error's class) tell why it failed; ``result`` what a
    completed one did: ``{"revision": 2}``, ``{"execution_id": ...}``, ``{"count": 3}``.
    """

    id: str
    request: ScheduleCreationRequest
    created_by: str
    created_date: datetime
    updated_date: datetime
    status: MessageStatus = MessageStatus.QUEUED
    schedule_id: str | None = None
    admin: bool = False
    problems: tuple[Problem, ...] = ()
    error_kind: str | None = None
    result: dict[str, Any] = field(default_factory=dict)
    checked: ScheduleDefinition | None = field(default=None, repr=False, compare=False)

    def completed(self, now: datetime, result: dict[str, Any]) -> Message:
        """Applied."""
        return replace(self, status=MessageStatus.COMPLETED, updated_date=now, result=result)

    def failed(self, now: datetime, kind: str, problems: tuple[Problem, ...]) -> Message:
        """Refused when it was applied; nothing changed."""
        return replace(
            self, status=MessageStatus.FAILED, updated_date=now, error_kind=kind, problems=problems
        )
