"""What a schedule does when things go otherwise: retry, catch-up, overlap, window, end of life."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

MISSED_AFTER_SECONDS = 60
"""An occurrence late by less than this is late; from here on it was missed, and catch-up decides."""

HELD_AT_MOST = 10
"""How many executions ``overlap: queue`` holds behind the one in flight."""


class Overlap(StrEnum):
    """What happens when an occurrence falls due while an earlier execution is still in flight."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"


class CatchUpMode(StrEnum):
    """Which of the occurrences missed while nothing could fire are still executed."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class OnCompletion(StrEnum):
    """What becomes of a schedule that has nothing left to do."""

    KEEP = "keep"
    DELETE = "delete"


class Frozen(BaseModel):
    """A frozen value that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RetryPolicy(Frozen):
    """How a failed attempt is tried again.

    As EventBridge Scheduler's RetryPolicy (API_RetryPolicy): ``max_attempts`` counts the tries *after* the
    first, so 0 means that the first is the only one. The wait before the n-th of them is drawn evenly from
    0 to ``min_backoff_seconds`` x 2^(n-1), capped by ``max_backoff_seconds`` (full jitter). No attempt
    starts later than ``max_event_age_seconds`` after the execution became due.
    """

    max_attempts: Annotated[int, Field(ge=0, le=185, strict=True)] = 3
    max_event_age_seconds: Annotated[int, Field(ge=60, le=86_400, strict=True)] = 3_600
    min_backoff_seconds: Annotated[float, Field(ge=0, le=3_600, strict=True)] = 10.0
    max_backoff_seconds: Annotated[float, Field(ge=0, le=86_400, strict=True)] = 600.0

    @model_validator(mode="after")
    def _ordered(self) -> RetryPolicy:
        if self.min_backoff_seconds > self.max_backoff_seconds:
            raise ValueError("min_backoff_seconds must not exceed max_backoff_seconds")
        return self


class CatchUp(Frozen):
    """What happens to occurrences missed while nothing could fire (the server was down, the clock jumped).

    ``latest`` runs the newest owed one, ``all`` each of them, ``skip`` none; only those missed by at most
    ``window_seconds``. What is not run is recorded as skipped, in one entry. ``"latest"`` alone is read as
    ``{"mode": "latest"}``.
    """

    mode: CatchUpMode = CatchUpMode.LATEST
    window_seconds: Annotated[int, Field(ge=60, le=31_536_000, strict=True)] = 86_400

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value


class Policies(Frozen):
    """A schedule's policies; every one has a default that suits most.

    ``overlap`` None means the default: ``allow`` for ``at`` (it has one occurrence), ``skip`` for the rest.
    ``flexible_window_minutes`` spreads executions: each starts at its own stable moment within the window
    after its occurrence.
    """

    retry: RetryPolicy = RetryPolicy()
    catch_up: CatchUp = CatchUp()
    overlap: Overlap | None = None
    flexible_window_minutes: Annotated[int, Field(ge=0, le=1_440, strict=True)] = 0
    on_completion: OnCompletion = OnCompletion.KEEP


DEFAULT_POLICIES = Policies()
