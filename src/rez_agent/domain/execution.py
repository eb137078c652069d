"""The ledger's entry: what became of one occurrence, or of a run that somebody asked for.

Identity: the execution of an occurrence is ``{schedule_id}_{due, compact UTC}``, so a duplicate from any
engine, topic or retry meets the same row. Run-now, backfill and replay are executions of their own, with
their cause and the command's message in the id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from rez_agent.domain.action import Timings
from rez_agent.domain.instants import compact

KEPT_AT_EACH_END = 5
"""Of an execution's attempts, the first and the last so many keep their response."""

CRASHES_AT_MOST = 20
"""An execution during which the process died so often is a dead letter: it may be what kills it. High, for
most of what is in flight at a crash is innocent."""


class ExecutionStatus(StrEnum):
    """The states of an execution. ``queued`` covers the wait between two attempts too."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen, unless somebody asks for a retry."""
        return self not in IN_FLIGHT


IN_FLIGHT = frozenset({ExecutionStatus.QUEUED, ExecutionStatus.RUNNING})

MOVES: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    ExecutionStatus.QUEUED: frozenset(
        {ExecutionStatus.RUNNING, ExecutionStatus.CANCELLED, ExecutionStatus.SKIPPED, ExecutionStatus.FAILED}
    ),
    ExecutionStatus.RUNNING: frozenset(
        {
            ExecutionStatus.SUCCEEDED,
            ExecutionStatus.FAILED,
            ExecutionStatus.CANCELLED,
            ExecutionStatus.QUEUED,
            ExecutionStatus.SKIPPED,
        }
    ),
    ExecutionStatus.FAILED: frozenset({ExecutionStatus.QUEUED}),
    ExecutionStatus.CANCELLED: frozenset({ExecutionStatus.QUEUED}),
    ExecutionStatus.SUCCEEDED: frozenset(),
    ExecutionStatus.SKIPPED: frozenset(),
}
"""The moves allowed. Whatever is not here never happens, on any host."""


class Cause(StrEnum):
    """Why an execution exists. ``catch_up``: its occurrence was missed and is made good. ``engine_only``: an
    engine that keeps time by itself fired at an instant that our own evaluation of the expression does not
    know; it runs, and this tells. ``replay``: one that had ended was asked for anew. ``test``: a definition
    was tried out."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"
    RUN = "run"
    BACKFILL = "backfill"
    REPLAY = "replay"
    ENGINE_ONLY = "engine_only"
    TEST = "test"


class Reason(StrEnum):
    """Why an execution was skipped or cancelled."""

    MISSED = "missed"
    OVERLAP = "overlap"
    EXPIRED = "expired"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    CONDITION = "condition"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Span:
    """Several occurrences in one entry: the first, the last, and how many."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of an execution at its target.

    ``outcome`` is ``succeeded``, ``failed``, ``cancelled`` or ``interrupted`` (the process died while it
    ran); ``code`` and ``error`` tell of a failure. Only the first and last five keep ``response``.
    """

    number: int
    started_at: datetime
    finished_at: datetime
    outcome: str
    code: str = "ok"
    error: str | None = None
    response_status: int | None = None
    response: str | None = None
    response_truncated: bool = False
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, slots=True)
class Execution:
    """One entry of the ledger.

    ``scheduled_time`` is the occurrence's nominal instant; ``due_at`` the moment from which it may start
    (later by the flexible window's share); ``next_attempt_at`` when it is tried (again), None when it is
    held behind another or final. ``attempts`` counts the tries begun; ``crashes`` those that the process
    did not survive; ``tries`` those that failed and count against the retry policy, since it was queued or
    redriven. ``expires_at``: no attempt starts later. ``span`` is set on one entry that stands for
    many skipped occurrences. ``payload`` is set only where it differs from the schedule's. ``replay_of`` is
    the id of the execution that a replay repeats.
    """

    id: str
    schedule_id: str
    owner: str
    scheduled_time: datetime
    status: ExecutionStatus
    cause: Cause
    target_type: str
    target: str
    schedule_revision: int
    created_date: datetime
    due_at: datetime
    expires_at: datetime
    reason: Reason | None = None
    detail: str | None = None
    next_attempt_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: int = 0
    crashes: int = 0
    tries: int = 0
    dead_letter: bool = False
    code: str | None = None
    error: str | None = None
    response_status: int | None = None
    span: Span | None = None
    message_id: str | None = None
    payload: dict[str, Any] | None = None
    replay_of: str | None = None

    @property
    def came_late(self) -> bool:
        """Whether its occurrence was missed: it is caught up, or nothing of it will run."""
        return self.reason is Reason.MISSED or self.cause is Cause.CATCH_UP

    @property
    def lateness(self) -> timedelta | None:
        """From the moment it was due to its first attempt; None before that."""
        return None if self.started_at is None else self.started_at - self.due_at

    @property
    def duration(self) -> timedelta | None:
        """From its first attempt's start to its end, the waits between attempts included."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


def execution_id(schedule_id: str, scheduled_time: datetime) -> str:
    """The id of an occurrence's execution, the same whoever computes it."""
    return f"{schedule_id}_{compact(scheduled_time)}"


def asked_execution_id(schedule_id: str, scheduled_time: datetime, cause: Cause, message_id: str) -> str:
    """The id of an execution that a command asked for: the same command twice meets the same row."""
    return f"{execution_id(schedule_id, scheduled_time)}_{cause.value}_{message_id}"


def is_test(identity: str) -> bool:
    """Whether the execution of this id is a test run's."""
    return f"_{Cause.TEST.value}_" in identity


def window_share(identity: str, window_ms: int) -> int:
    """The execution's own moment within the flexible window, in ms: stable for its id, evenly spread."""
    drawn = int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), "big")
    return drawn % window_ms
