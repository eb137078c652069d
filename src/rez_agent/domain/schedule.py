"""A schedule: what a caller defines, and its life.

``ScheduleDefinition`` is what a caller says; ``Schedule`` is what we keep: the definition, who made it and
when, its state, and what comes next. Values are frozen: every change of a schedule is a transition that
returns the next revision.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.calendar_times import MovedOccurrences
from rez_agent.domain.errors import Conflict, Invalid, Problem
from rez_agent.domain.expression import Expression, Occurrences, parse
from rez_agent.domain.instants import Instant, floor_second, from_seconds, to_seconds
from rez_agent.domain.policies import DEFAULT_POLICIES, Frozen, OnCompletion, Overlap, Policies

INLINE_PAYLOAD_BYTES = 65_536
"""A payload up to this size stands in the schedule's row; a larger one goes to the blob store."""


class ScheduleStatus(StrEnum):
    """The states of a schedule. ``error``: it can't be evaluated any more; ``error_message`` says why."""

    ACTIVE = "active"
    PAUSED = "paused"
    DELETED = "deleted"
    ERROR = "error"


class TargetType(StrEnum):
    """The kinds of work; each has its topic."""

    WEB_ACTION = "web_action"
    NOTIFICATION = "notification"
    CUSTOM = "custom"


Text = StringConstraints(strip_whitespace=True)
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""The name of something that schedules share: a calendar, a template."""

CONDITION_AT_MOST = 2_000
"""Characters of a condition."""
Tag = Annotated[str, Text, StringConstraints(min_length=1, max_length=128)]


class ClosedDay(StrEnum):
    """What becomes of an occurrence on a day that its calendar closes: it is skipped, or moved to the same
    time of the next or the previous day that is open."""

    SKIP = "skip"
    NEXT = "next"
    PREVIOUS = "previous"


class CalendarUse(Frozen):
    """The shared calendar that a schedule heeds, by name. ``"at"`` alone is read as ``{"name": "at"}``,
    ``"at:next"`` as ``{"name": "at", "closed": "next"}``."""

    name: Name
    closed: ClosedDay = ClosedDay.SKIP

    @property
    def moves(self) -> bool:
        """Whether what falls on a closed day is moved, rather than skipped."""
        return self.closed is not ClosedDay.SKIP

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name, _, closed = value.partition(":")
        return {"name": name, "closed": closed} if closed else {"name": name}


class TemplateUse(Frozen):
    """The template that a schedule came from: its name, its revision then, and what it was filled with."""

    name: Name
    revision: Annotated[int, Field(ge=1, strict=True)]
    parameters: dict[str, Any] = Field(default_factory=dict)


ConditionText = Annotated[str, Text, StringConstraints(min_length=1, max_length=CONDITION_AT_MOST)]


class Extras(Frozen):
    """What only some schedules ask for, so that hosts keep it apart.

    ``condition``: a CEL expression; an occurrence for which it is false is skipped. ``calendar``: the days on
    which nothing fires. ``template``: where the definition came from.
    """

    condition: ConditionText | None = None
    calendar: CalendarUse | None = None
    template: TemplateUse | None = None


NO_EXTRAS = Extras()


def _unique(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


class ScheduleDefinition(Frozen):
    """What a caller says of a schedule. Field names are the ones of the first system.

    ``schedule_expression`` is cron(...), rate(...) or at(...) in EventBridge Scheduler's grammar, read on
    the wall clock of ``timezone`` (an IANA name). ``start`` and ``end`` bound the occurrences, both
    inclusive, to the second; ``at`` ignores them. ``payload`` is what the target is given; its shape
    depends on ``target_type``. For what comes after the policies see :class:`Extras`.
    """

    name: Annotated[str, Text, StringConstraints(min_length=1, max_length=128)]
    description: Annotated[str, StringConstraints(max_length=2_000)] = ""
    schedule_expression: Annotated[str, Field(max_length=256)]
    timezone: Annotated[str, Field(max_length=50)] = "UTC"
    target_type: TargetType
    payload: dict[str, Any] = Field(default_factory=dict)
    tags: Annotated[tuple[Tag, ...], Field(max_length=50), AfterValidator(_unique)] = ()
    start: Annotated[Instant, AfterValidator(floor_second)] | None = None
    end: Annotated[Instant, AfterValidator(floor_second)] | None = None
    policies: Policies = DEFAULT_POLICIES
    condition: ConditionText | None = None
    calendar: CalendarUse | None = None
    template: TemplateUse | None = None

    @model_validator(mode="after")
    def _start_before_end(self) -> ScheduleDefinition:
        if self.start and self.end and self.end < self.start:
            raise ValueError("end must not lie before start")
        return self

    @property
    def extras(self) -> Extras:
        """What this one asks for of what only some do."""
        if self.condition is None and self.calendar is None and self.template is None:
            return NO_EXTRAS
        return Extras.model_construct(
            condition=self.condition, calendar=self.calendar, template=self.template
        )

    @property
    def expression(self) -> Expression:
        """The parsed expression. Raises :class:`~rez_agent.domain.expression.InvalidExpression`."""
        return parse(self.schedule_expression, self.timezone)

    @property
    def overlap(self) -> Overlap:
        """The overlap policy in force: what was said, else ``allow`` for ``at`` and ``skip`` for the rest."""
        if self.policies.overlap is not None:
            return self.policies.overlap
        return Overlap.ALLOW if self.schedule_expression.startswith("at(") else Overlap.SKIP


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a schedule does not run, since when, by whom, and until when (None: until someone resumes it)."""

    since: datetime
    by: str
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it is kept.

    ``revision`` counts the changes that people and programs asked for, from 1; firing does not change it.
    ``next_run`` is the next occurrence's nominal instant, None when paused or when nothing is left;
    ``finished_at`` says since when nothing is left. All instants are aware, in UTC. ``calendar`` is the one
    that its definition names, as it is now: whoever keeps schedules gives it along.
    """

    id: str
    definition: ScheduleDefinition
    created_by: str
    created_date: datetime
    updated_date: datetime
    status: ScheduleStatus = ScheduleStatus.ACTIVE
    revision: int = 1
    error_message: str | None = None
    pause: Pause | None = None
    next_run: datetime | None = None
    finished_at: datetime | None = None
    target: str = field(default="", compare=False)
    calendar: Calendar | None = field(default=None, compare=False)

    @property
    def living(self) -> bool:
        """Whether it still exists for its owner (its name is taken, it can be changed)."""
        return self.status is not ScheduleStatus.DELETED

    @property
    def occurrences(self) -> Occurrences:
        """Its occurrences. A rate's grid is anchored at ``start``, else at creation, for life. Raises Invalid
        where its zone has left the tz database, or its calendar is gone."""
        return occurrences_of(self.definition, created=self.created_date, calendar=self.calendar)

    @property
    def moves(self) -> bool:
        """Whether its calendar moves what is due: an engine that knows no calendars can't keep time by its
        expression then."""
        use = self.definition.calendar
        return use is not None and use.moves

    @property
    def deletes_itself(self) -> bool:
        """Whether it is deleted once nothing is left and nothing is in flight."""
        return self.definition.policies.on_completion is OnCompletion.DELETE

    # --- transitions: each returns the next revision, or refuses with the way out in its text ---

    def updated(
        self,
        definition: ScheduleDefinition,
        now: datetime,
        *,
        target: str,
        calendar: Calendar | None = None,
    ) -> Schedule:
        """Redefined. The new definition counts from the second after ``now``, the moment it was asked for.

        An update does not resume a paused schedule; it does lift ``error``.
        """
        self._must_live("updated")
        status = ScheduleStatus.PAUSED if self.pause else ScheduleStatus.ACTIVE
        changed = replace(
            self._next(now),
            definition=definition,
            status=status,
            target=target,
            calendar=calendar,
            error_message=None,
        )
        return changed._from(now, inclusive=False)

    def paused(self, pause: Pause) -> Schedule:
        """Paused: no occurrence fires until it is resumed. Pausing again replaces reason and until, and
        keeps the moment from which nothing fired."""
        self._must_live("paused")
        since = self.pause.since if self.pause else pause.since
        return replace(
            self._next(pause.since),
            status=ScheduleStatus.PAUSED,
            pause=replace(pause, since=since),
            next_run=None,
        )

    def resumed(self, now: datetime) -> Schedule:
        """Active again. Occurrences strictly before ``now`` that fell into the pause are not caught up.

        What was due up to the second in which the pause began is settled, and not due again.
        """
        self._must_live("resumed")
        if self.pause is None:
            raise Conflict(f"Schedule '{self.definition.name}' is not paused.", code="not_paused")
        changed = replace(self._next(now), status=ScheduleStatus.ACTIVE, pause=None)
        later = to_seconds(now) > to_seconds(self.pause.since)
        return changed._from(max(now, self.pause.since), inclusive=later)

    def deleted(self, now: datetime) -> Schedule:
        """Deleted: it stays as a tombstone, so that a late duplicate of a command can't revive it."""
        self._must_live("deleted again")
        return replace(self._next(now), status=ScheduleStatus.DELETED, next_run=None, pause=None)

    def advanced(self, next_run: datetime | None, now: datetime) -> Schedule:
        """After a firing: what comes next, or finished."""
        return replace(self, next_run=next_run, finished_at=None if next_run else now)

    def _next(self, now: datetime) -> Schedule:
        return replace(self, revision=self.revision + 1, updated_date=now)

    def _from(self, now: datetime, *, inclusive: bool) -> Schedule:
        """With ``next_run`` (none while paused) and ``finished_at`` counted from ``now``."""
        following = next_run_from(self.occurrences, now, inclusive=inclusive)
        counted = self.advanced(following, now)
        return counted if self.status is ScheduleStatus.ACTIVE else replace(counted, next_run=None)

    def _must_live(self, done: str) -> None:
        if not self.living:
            raise Conflict(
                f"Schedule '{self.definition.name}' was deleted: it can't be {done}. Create a new one.",
                code="schedule_deleted",
            )


def occurrences_of(
    definition: ScheduleDefinition, *, created: datetime, calendar: Calendar | None = None
) -> Occurrences:
    """The occurrences of ``definition`` for a schedule created at ``created``, moved where its ``calendar``
    moves them. Those that it only closes are occurrences, which are skipped."""
    nominal = Occurrences(
        definition.expression, start=definition.start, end=definition.end, anchor=floor_second(created)
    )
    return heeding(nominal, definition.calendar, calendar)


def heeding(nominal: Occurrences, use: CalendarUse | None, calendar: Calendar | None) -> Occurrences:
    """``nominal`` as the calendar that is used moves it. Raises Invalid where there is none so named."""
    if use is None:
        return nominal
    if calendar is None or calendar.name != use.name:
        text = f"There is no calendar '{use.name}'. Make one so named, or name another."
        raise Invalid(text, problems=[Problem("unknown_calendar", text, "/calendar/name")])
    if not use.moves:
        return nominal
    return MovedOccurrences(nominal, calendar, forward=use.closed is ClosedDay.NEXT)


def next_run_from(occurrences: Occurrences, now: datetime, *, inclusive: bool) -> datetime | None:
    """The first occurrence after the second in which ``now`` lies; ``inclusive`` counts that second too."""
    found = occurrences.next_epoch(to_seconds(now) - inclusive)
    return None if found is None else from_seconds(found)


def created(
    definition: ScheduleDefinition,
    *,
    schedule_id: str,
    created_by: str,
    now: datetime,
    target: str,
    calendar: Calendar | None = None,
) -> Schedule:
    """A new schedule. The second of its creation counts: a ``rate`` without start has its first occurrence
    there. With nothing ahead (30 February) it is born finished."""
    occurrences = occurrences_of(definition, created=now, calendar=calendar)
    first = next_run_from(occurrences, now, inclusive=True)
    return Schedule(
        id=schedule_id,
        definition=definition,
        created_by=created_by,
        created_date=now,
        updated_date=now,
        next_run=first,
        finished_at=None if first else now,
        target=target,
        calendar=calendar,
    )
