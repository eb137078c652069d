"""The shapes of requests and answers, as the OpenAPI document shows them.

Requests and filters are read by these models. Answers are made by :mod:`rez_agent.web.shapes`, for speed;
the tests hold every answer against its model here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    model_validator,
)

from rez_agent.domain.command import REDRIVE_AT_MOST, CommandAction, MessageStatus
from rez_agent.domain.command import Reason as ReasonText
from rez_agent.domain.execution import Cause, ExecutionStatus, Reason
from rez_agent.domain.policies import Frozen, Policies
from rez_agent.domain.schedule import ScheduleStatus, TargetType
from rez_agent.usecases.keys import Scope
from rez_agent.usecases.preview import PREVIEWED_AT_MOST

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+ -]\d\d:\d\d)?")
_LOST_PLUS = re.compile(r" (\d\d:\d\d)$")


def _spelled(value: Any) -> Any:
    """Only RFC 3339: pydantic alone would read 1700000000 as a time too."""
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        raise ValueError("a time is written as in 2026-03-08T07:30:00Z")
    return _LOST_PLUS.sub(r"+\1", value)  # in a query, + stands for a blank


def _within(value: datetime) -> datetime:
    if not 1970 <= value.year <= 2199:
        raise ValueError("times lie between 1970 and 2199")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_spelled), AfterValidator(_within)]
Cursor = Annotated[str | None, Field(max_length=512, description="`next_cursor` of the page before")]
Limit = Annotated[int, Field(ge=1, le=500, description="items on a page")]
Word = Annotated[str, Field(max_length=128)]


# --- requests ---


class DefinitionPatch(BaseModel):
    """A JSON merge patch of a schedule's definition: any of its fields, null to take one back."""

    model_config = ConfigDict(extra="allow")


class PauseRequest(Frozen):
    """A pause: why, until when (it resumes by itself), and whether to cancel what is queued or running."""

    reason: ReasonText = ""
    until: Instant | None = None
    cancel: bool = False


class ResumeRequest(Frozen):
    """Nothing to say."""


class RunRequest(Frozen):
    """A run now; ``payload`` stands in for the schedule's, this once."""

    payload: dict[str, Any] | None = None


class BackfillRequest(Frozen):
    """The stretch whose occurrences are to be run, both ends included. ``dry_run`` only lists them."""

    from_: Annotated[Instant, Field(alias="from")]
    to: Instant
    dry_run: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> BackfillRequest:
        if self.to < self.from_:
            raise ValueError("'to' must not lie before 'from'")
        return self


class RetryRequest(Frozen):
    """Nothing to say."""


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


class DeleteFilter(Frozen):
    """``cancel``: also cancel what is queued or running, which otherwise finishes."""

    cancel: bool = False


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


class OccurrenceFilter(Frozen):
    """The stretch, both ends included: from now, and without end, unless it says otherwise."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    cursor: Cursor = None
    limit: Limit = 50


# --- answers ---


class Shape(BaseModel):
    """An answer: what is here is always there."""

    model_config = ConfigDict(extra="forbid")


class ProblemItem(Shape):
    """One thing that is wrong. ``pointer`` is a JSON pointer into the body, empty for the whole; ``field``
    names a query parameter, or the field inside an expression in which ``position`` counts characters."""

    code: str
    detail: str
    pointer: str
    field: str | None = None
    position: int | None = None


class ProblemDetails(Shape):
    """RFC 9457: what went wrong. Programs match ``code``; ``errors`` lists every problem at once."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemItem]
    message_id: str | None = None
    message: str | None = None


class PauseShape(Shape):
    """Why a schedule does not run. ``until`` null: until someone resumes it."""

    since: AwareDatetime
    by: str
    reason: str
    until: AwareDatetime | None


class ScheduleShape(Shape):
    """A schedule. ``next_run`` is null when it is paused or nothing is left (then ``finished_at`` is set)."""

    id: str
    name: str
    description: str
    schedule_expression: str
    timezone: str
    target_type: TargetType
    payload: dict[str, Any]
    tags: list[str]
    start: AwareDatetime | None
    end: AwareDatetime | None
    policies: Policies
    status: ScheduleStatus
    created_by: str
    created_date: AwareDatetime
    updated_date: AwareDatetime
    revision: int
    error_message: str | None
    next_run: AwareDatetime | None
    finished_at: AwareDatetime | None
    pause: PauseShape | None


class ScheduleDetail(ScheduleShape):
    """A schedule, and the sentence that says when it is due."""

    explanation: str | None


class ScheduleApplied(ScheduleDetail):
    """A schedule after a command that was waited for."""

    schedule_id: str
    message_id: str
    warnings: list[ProblemItem]


class CommandAccepted(Shape):
    """A command that is durable and on its way. ``status`` is the message's."""

    schedule_id: str | None
    message_id: str
    status: MessageStatus
    warnings: list[ProblemItem]


class CommandApplied(CommandAccepted):
    """A command that was waited for, and what it did."""

    execution_id: str | None = None
    count: int | None = None
    cancelled: int | None = None


class MessageShape(Shape):
    """A command on its way, and what became of it: ``errors`` if it failed, else ``result``."""

    id: str
    action: CommandAction
    status: MessageStatus
    schedule_id: str | None
    execution_id: str | None
    created_by: str
    created_date: AwareDatetime
    updated_date: AwareDatetime
    result: dict[str, Any]
    errors: list[ProblemItem]


class TimingsShape(Shape):
    """Milliseconds of each phase; null where it did not happen."""

    name: float | None
    connect: float | None
    first_byte: float | None
    body: float | None


class AttemptShape(Shape):
    """One try at the target. Lists leave ``response`` out; of many, the first and last five keep theirs."""

    number: int
    started_at: AwareDatetime
    finished_at: AwareDatetime
    duration_ms: int
    outcome: Literal["succeeded", "failed", "cancelled", "interrupted"]
    code: str
    error: str | None
    response_status: int | None
    response: str | None = None
    response_truncated: bool = False
    timings_ms: TimingsShape


class SpanShape(Shape):
    """Several occurrences in one entry."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)

    from_: Annotated[AwareDatetime, Field(alias="from")]
    to: AwareDatetime
    count: int


class ExecutionShape(Shape):
    """What became of one occurrence, or of a run that somebody asked for."""

    id: str
    schedule_id: str
    created_by: str
    scheduled_time: AwareDatetime
    status: ExecutionStatus
    reason: Reason | None
    detail: str | None
    cause: Cause
    attempts: list[AttemptShape]
    attempt_count: int
    dead_letter: bool
    code: str | None
    error: str | None
    response_status: int | None
    target_type: str
    target: str
    schedule_revision: int
    message_id: str | None
    created_date: AwareDatetime
    due_at: AwareDatetime
    expires_at: AwareDatetime
    next_attempt_at: AwareDatetime | None
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    lateness_ms: int | None
    duration_ms: int | None
    span: SpanShape | None


class OccurrenceShape(Shape):
    """One occurrence, in UTC and on its zone's clocks; ``note`` where a clock change matters."""

    utc: AwareDatetime
    local: AwareDatetime
    note: str | None


class PreviewShape(Shape):
    """What an expression comes to. ``skipped``: times that no clock ever shows."""

    valid: bool
    explanation: str | None
    occurrences: list[OccurrenceShape]
    skipped: list[str]
    warnings: list[ProblemItem]
    errors: list[ProblemItem]


class BackfillPlan(Shape):
    """What a backfill would run: how many, and the first of them."""

    dry_run: Literal[True]
    count: int
    items: list[OccurrenceShape]


class BackfillAnswer(RootModel[BackfillPlan | CommandApplied]):
    """The plan of a dry run, or the command's outcome."""


class AtLeast(Shape):
    """A total that was not counted to the end."""

    at_least: int


class Listing(Shape):
    """A page. ``next_cursor`` null: the last one. ``total`` is exact to 1,000."""

    next_cursor: str | None
    total: int | AtLeast


class ScheduleList(Listing):
    """A page of schedules."""

    items: list[ScheduleShape]


class ExecutionList(Listing):
    """A page of executions."""

    items: list[ExecutionShape]


class OccurrenceList(Listing):
    """A page of occurrences."""

    items: list[OccurrenceShape]


class BatchItem(Shape):
    """What became of one schedule of a batch: the ids, or the problem."""

    index: int
    status: int
    schedule_id: str | None = None
    message_id: str | None = None
    warnings: list[ProblemItem] | None = None
    problem: ProblemDetails | None = None


class BatchShape(Shape):
    """One answer for each schedule of a batch, in their order."""

    items: list[BatchItem]
    accepted: int
    refused: int


class KeyShape(Shape):
    """A key, without its secret."""

    id: str
    name: str
    scope: Scope
    created_date: AwareDatetime
    expires_at: AwareDatetime | None


class NewKey(KeyShape):
    """A new key with its token, which is shown this once."""

    token: str


class KeyList(Listing):
    """All keys that were not revoked."""

    items: list[KeyShape]


class AnyDocument(BaseModel):
    """A JSON object of a kind described elsewhere."""

    model_config = ConfigDict(extra="allow")


class Health(BaseModel):
    """How the host is; ``reasons`` say what is wrong. A host may tell more."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "failing"]
    reasons: list[str]
