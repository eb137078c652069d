"""The shapes of answers, as the OpenAPI document shows them.

Answers are made by :mod:`rez_agent.web.shapes`, for speed; the tests hold each against its model here. So the
models serve the document alone, and are built when it is first asked for.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel

from rez_agent.domain.command import CommandAction, MessageStatus
from rez_agent.domain.consequences import Fate
from rez_agent.domain.execution import Cause, ExecutionStatus, Reason
from rez_agent.domain.policies import Policies
from rez_agent.domain.schedule import CalendarUse, ScheduleStatus, TargetType, TemplateUse
from rez_agent.domain.week import MarkFate
from rez_agent.usecases.keys import Scope


class Shape(BaseModel):
    """An answer: what is here is always there."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


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
    condition: str | None
    calendar: CalendarUse | None
    template: TemplateUse | None
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
    replay_of: str | None
    created_date: AwareDatetime
    due_at: AwareDatetime
    expires_at: AwareDatetime
    next_attempt_at: AwareDatetime | None
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    lateness_ms: int | None
    duration_ms: int | None
    span: SpanShape | None


class SpreadShape(Shape):
    """Milliseconds: half are at most ``p50``, 95 in 100 at most ``p95``."""

    p50: int
    p95: int
    longest: int


class StatisticsShape(Shape):
    """How a schedule fares. ``since`` and ``until``: the first and the last scheduled time that is counted;
    ``more``: there are older ones within what was asked for. ``success_rate`` is of what succeeded or failed;
    what was skipped or cancelled is no failure. ``lateness_ms`` is of what began on its schedule."""

    schedule_id: str
    executions: int
    more: bool
    since: AwareDatetime | None
    until: AwareDatetime | None
    by_status: dict[ExecutionStatus, int]
    by_reason: dict[Reason, int]
    success_rate: float | None
    duration_ms: SpreadShape | None
    lateness_ms: SpreadShape | None


class OccurrenceShape(Shape):
    """One occurrence, in UTC and on its zone's clocks; ``note`` where a clock change or a calendar matters.
    ``closed``: the calendar closes its day, so it is skipped. ``moved_from``: where the first of those that
    the calendar moved here was."""

    utc: AwareDatetime
    local: AwareDatetime
    note: str | None
    closed: bool
    moved_from: AwareDatetime | None


class PreviewShape(Shape):
    """What an expression comes to. ``skipped``: times that no clock ever shows."""

    valid: bool
    explanation: str | None
    occurrences: list[OccurrenceShape]
    skipped: list[str]
    warnings: list[ProblemItem]
    errors: list[ProblemItem]


class ComingShape(OccurrenceShape):
    """A coming occurrence, and what an edit does to it."""

    fate: Fate


class DifferenceShape(Shape):
    """A field of the definition that changes; ``path`` is a JSON pointer into it. A side that lacks it is
    left out, both where they are too large to be told (``omitted``)."""

    path: str
    before: Any = None
    after: Any = None
    omitted: Literal[True] = True


class ConsequencesShape(Shape):
    """What an edit of the schedule at ``revision`` would come to: its fields that change, and the coming
    occurrences up to ``until``. ``cut``: more follow, which were not compared."""

    revision: int
    changes: list[DifferenceShape]
    gained: int
    lost: int
    kept: int
    occurrences: list[ComingShape]
    until: AwareDatetime
    cut: bool
    warnings: list[ProblemItem]


class BackfillPlan(Shape):
    """What a backfill would run: how many, and the first of them."""

    dry_run: Literal[True]
    count: int
    items: list[OccurrenceShape]


class BackfillAnswer(RootModel[BackfillPlan | CommandApplied]):
    """The plan of a dry run, or the command's outcome."""


class MarkShape(Shape):
    """One occurrence or run, or ``count`` occurrences in one entry up to ``until``."""

    at: AwareDatetime
    fate: MarkFate
    execution_id: str | None
    until: AwareDatetime | None
    count: int


class HourShape(Shape):
    """An hour of a schedule that is due too often for marks: how many met which fate."""

    begins: AwareDatetime
    fates: dict[MarkFate, int]


class WeekRow(Shape):
    """A schedule's week: ``marks``, or ``hours`` where there are more than 84 occurrences. ``unread``: there
    are older executions in the week that were not read."""

    schedule_id: str
    name: str
    status: ScheduleStatus
    expected: int
    marks: list[MarkShape]
    hours: list[HourShape]
    unread: bool


class BusyMinute(Shape):
    """How many executions a minute starts."""

    minute: AwareDatetime
    executions: float


class FlatteningShape(Shape):
    """A flexible window for all that have none, and what the busiest minute has under it."""

    flexible_window_minutes: int
    peak: float


class LoadShape(Shape):
    """What the definitions start, by the hour from the week's beginning on, and in the busiest minute of each
    hour. ``complete``: all schedules are counted, else the first ``schedules`` of them."""

    schedules: int
    complete: bool
    per_hour: list[float]
    peaks: list[float]
    busiest: list[BusyMinute]
    flattening: FlatteningShape | None


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


class WeekShape(Listing):
    """Seven days: ``days`` are the eight midnights around them."""

    timezone: str
    now: AwareDatetime
    days: list[AwareDatetime]
    items: list[WeekRow]
    load: LoadShape


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
