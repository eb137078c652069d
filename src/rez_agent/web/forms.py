"""The shapes of requests: bodies and queries, as they are read and as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rez_agent.domain.command import REDRIVE_AT_MOST
from rez_agent.domain.command import Reason as ReasonText
from rez_agent.domain.execution import ExecutionStatus, Reason
from rez_agent.domain.instants import Instant
from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import ScheduleStatus, TargetType
from rez_agent.ports import ScheduleQuery
from rez_agent.usecases.keys import Scope
from rez_agent.usecases.preview import PREVIEWED_AT_MOST
from rez_agent.usecases.statistics import COUNTED_AT_MOST

Cursor = Annotated[str | None, Field(max_length=1_024, description="`next_cursor` of the page before")]
Limit = Annotated[int, Field(ge=1, le=500, description="items on a page")]
Word = Annotated[str, Field(max_length=128)]
Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2199, 12, 31))]
"""A day in a query, where our times lie."""
Flag = Annotated[bool, Field(strict=True)]
"""True or false in a body: nothing that merely looks like it, since much hangs on it."""


# --- requests ---


class DefinitionPatch(BaseModel):
    """A JSON merge patch of a schedule's definition: any of its fields, null to take one back."""

    model_config = ConfigDict(extra="allow")


class DefinitionToTest(DefinitionPatch):
    """A definition that is tried out. Only what it does has to be there; when it is due does not matter."""

    name: Word | None = None
    target_type: TargetType
    payload: dict[str, Any] = Field(default_factory=dict)


class ConsequencesRequest(Frozen):
    """A change that might be made: a whole definition, or a merge patch of the present one."""

    schedule: dict[str, Any] | None = None
    patch: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ConsequencesRequest:
        if (self.schedule is None) == (self.patch is None):
            raise ValueError("say either 'schedule', the whole definition, or 'patch'")
        return self


class PauseRequest(Frozen):
    """A pause: why, until when (it resumes by itself), and whether to cancel what is queued or running."""

    reason: ReasonText = ""
    until: Instant | None = None
    cancel: Flag = False


class ResumeRequest(Frozen):
    """Why it goes on."""

    reason: ReasonText = ""


class RunRequest(Frozen):
    """A run now; ``payload`` stands in for the schedule's, this once."""

    payload: dict[str, Any] | None = None


class BackfillRequest(Frozen):
    """The stretch whose occurrences are to be run, both ends included. ``dry_run`` only lists them."""

    from_: Annotated[Instant, Field(alias="from")]
    to: Instant
    dry_run: Flag = False

    @model_validator(mode="after")
    def _ordered(self) -> BackfillRequest:
        if self.to < self.from_:
            raise ValueError("'to' must not lie before 'from'")
        return self


class RetryRequest(Frozen):
    """Nothing to say."""


class ReplayRequest(Frozen):
    """A replay; ``payload`` stands in for the one that the original had."""

    payload: dict[str, Any] | None = None


class CancelRequest(Frozen):
    """Why the execution is cancelled."""

    reason: ReasonText = ""


class RedriveRequest(Frozen):
    """Which dead letters to queue again: of one schedule or of all, the oldest ``limit``."""

    schedule_id: Word | None = None
    limit: Annotated[int, Field(ge=1, le=REDRIVE_AT_MOST, strict=True)] = 1_000


class PreviewRequest(Frozen):
    """An expression to be explained. ``after``: list the occurrences after this instant (else from now)."""

    schedule_expression: Annotated[str, Field(max_length=4_096)]
    timezone: Annotated[str, Field(max_length=256)] = "UTC"
    start: Instant | None = None
    end: Instant | None = None
    after: Instant | None = None
    calendar: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(:(skip|next|previous))?$",
            description="a calendar's name, or `name:next`, `name:previous`",
        ),
    ] = None
    count: Annotated[int, Field(ge=1, le=PREVIEWED_AT_MOST)] = 10


class BatchRequest(Frozen):
    """Schedules to create, each judged by itself."""

    schedules: list[Any]


class KeyRequest(Frozen):
    """A key to be made: its name is the owner of what is created with it."""

    name: Word
    scope: Scope
    expires_at: Instant | None = None


# --- filters: what stands behind the question mark ---


class NoFilter(Frozen):
    """No query parameter at all."""


Why = Annotated[ReasonText, Field(description="why; it is kept with the change")]


class ReasonFilter(Frozen):
    """Why the change is made."""

    reason: Why = ""


class DeleteFilter(ReasonFilter):
    """``cancel``: also cancel what is queued or running, which otherwise finishes."""

    cancel: bool = False


class WhyFilter(Frozen):
    """The time asked about: an instant, or a local time in the schedule's zone."""

    at: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="`2026-03-08T10:30:00Z`, or in the schedule's zone `2026-03-08T06:30`, `06:30`, "
            "`yesterday 06:30`; without seconds the whole minute is meant",
        ),
    ]


class ChangeFilter(Frozen):
    """Which page of a schedule's changes."""

    cursor: Cursor = None
    limit: Limit = 50


class ScheduleFilter(Frozen):
    """Which schedules, in which order."""

    status: Annotated[ScheduleStatus | None, Field(description="`deleted` lists tombstones")] = None
    created_by: Annotated[Word | None, Field(description="the owner: the name of the key")] = None
    tag: Word | None = None
    target_type: TargetType | None = None
    name: Annotated[Word | None, Field(description="exactly this name")] = None
    name_prefix: Annotated[Word | None, Field(description="names that begin like this")] = None
    finished: Annotated[bool | None, Field(description="whether nothing is left to fire")] = None
    order: Annotated[
        Literal["created_date", "-created_date", "name", "-name", "next_run", "-next_run"],
        Field(description="`-` reverses; `next_run` lists only schedules that have one"),
    ] = "-created_date"
    cursor: Cursor = None
    limit: Limit = 50


class ExecutionFilter(Frozen):
    """Which executions of one schedule, newest first."""

    status: ExecutionStatus | None = None
    reason: Annotated[Reason | None, Field(description="why it was skipped or cancelled")] = None
    dead_letter: Annotated[bool | None, Field(description="failed for good, and not redriven")] = None
    since: Annotated[Instant | None, Field(description="scheduled at or after")] = None
    until: Annotated[Instant | None, Field(description="scheduled before")] = None
    cursor: Cursor = None
    limit: Limit = 50


class AllExecutionsFilter(ExecutionFilter):
    """Which executions of all schedules that the key reaches, newest first."""

    schedule_id: Word | None = None


class StatisticsFilter(Frozen):
    """Which executions are counted: the newest ``limit`` that were scheduled from ``since`` to ``until``."""

    since: Annotated[Instant | None, Field(description="scheduled at or after")] = None
    until: Annotated[Instant | None, Field(description="scheduled before")] = None
    limit: Annotated[int, Field(ge=1, le=COUNTED_AT_MOST, description="executions at most")] = COUNTED_AT_MOST


class WeekFilter(Frozen):
    """Which seven days, of which schedules. Without ``from``: from the present week's Monday on."""

    from_: Annotated[Day | None, Field(alias="from", description="the first day, such as 2026-03-02")] = None
    timezone: Annotated[str, Field(max_length=256, description="whose days; an IANA name")] = "UTC"
    created_by: Annotated[Word | None, Field(description="the owner: the name of the key")] = None
    tag: Word | None = None
    name_prefix: Annotated[Word | None, Field(description="names that begin like this")] = None
    cursor: Cursor = None

    @property
    def query(self) -> ScheduleQuery:
        """The same for the store."""
        return ScheduleQuery(
            owner=self.created_by, tag=self.tag, name_prefix=self.name_prefix, cursor=self.cursor
        )


class OccurrenceFilter(Frozen):
    """The stretch, both ends included: from now, and without end, unless it says otherwise."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    cursor: Cursor = None
    limit: Limit = 50
