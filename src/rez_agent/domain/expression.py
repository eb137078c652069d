"""Expressions: ``cron(...)``, ``rate(...)`` and ``at(...)`` in EventBridge Scheduler's grammar.

:func:`parse` reads one for a time zone; :class:`Occurrences` binds it to a schedule's dates and answers when
it is due. Cron is read on the wall clock of the zone: a time in the spring gap is skipped, a time in the
autumn fold is due once, at its first pass. A rate counts elapsed time on a grid. An ``at`` in a gap moves
forward by the gap. docs/reference/expressions.md holds the whole grammar and every decision.

All values here are immutable and safe to share between threads. Instants are aware datetimes; answers are
aware, in UTC, on whole seconds. The ``_epoch`` methods answer the same in whole seconds since
1970-01-01T00:00:00Z: the engine uses them where datetimes would cost too much.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from rez_agent.domain.clock_notes import Skipped, at_in_gap, explain_at_gap, note_for, skipped_walls
from rez_agent.domain.cron import Cron
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.explain import describe
from rez_agent.domain.grammar import At, Meaning, Rate, read
from rez_agent.domain.timelines import EARLIEST, LATEST, AtTimeline, CronTimeline, RateTimeline, Timeline
from rez_agent.domain.zones import DAY, Zone, suggest_zone, zone

__all__ = ["Expression", "InvalidExpression", "InvalidTimezone", "Kind", "Occurrences", "Skipped", "parse"]

Kind = Literal["cron", "rate", "at"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidExpression(Invalid):
    """The text is no expression: each problem has the field, the position and the nearest right thing."""

    code = "invalid_schedule_expression"


class InvalidTimezone(Invalid):
    """The time zone is not one of IANA's."""

    code = "invalid_timezone"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was read, for a time zone. Made by :func:`parse`; equal by text and zone."""

    text: str
    timezone: str
    meaning: Meaning = field(repr=False, compare=False)
    zone: Zone = field(repr=False, compare=False)
    timeline: Timeline = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    @property
    def kind(self) -> Kind:
        """Which of the three it is."""
        match self.meaning:
            case Cron():
                return "cron"
            case Rate():
                return "rate"
            case At():
                return "at"

    @property
    def never(self) -> bool:
        """No instant from 1970 to 2199 ever matches (30 February; a time that only gaps would hold)."""
        return isinstance(self.meaning, Cron) and self.timeline.next_epoch(EARLIEST) is None

    def explain(self) -> str:
        """One plain English sentence that says when this is due, in its zone."""
        return describe(self.meaning, self.zone, never=self.never)

    def warnings(self) -> list[Problem]:
        """What a caller should know though the expression is right: ``never_fires``, ``at_in_gap``."""
        if self.never:
            text = f"{self.text} never fires: no date from 1970 to 2199 matches it in {self.timezone}"
            return [Problem("never_fires", text, "/schedule_expression")]
        if isinstance(self.meaning, At) and at_in_gap(self.meaning.wall, self.zone):
            text = explain_at_gap(self.meaning.wall, self.zone)
            return [Problem("at_in_gap", text, "/schedule_expression")]
        return []

    def check_future(self, now: datetime) -> Problem | None:
        """The problem (``schedule_in_past``) with an ``at`` that ``now`` has passed: it would never fire."""
        if not isinstance(self.timeline, AtTimeline) or self.timeline.instant > _floor(now):
            return None
        due = _instant(self.timeline.instant)
        text = (
            f"{self.text} in {self.timezone} is {due:%Y-%m-%dT%H:%M:%SZ}, which has passed: "
            "nothing would ever fire. Choose a later time"
        )
        return Problem("schedule_in_past", text, "/schedule_expression")

    def next_epoch(
        self, after: int, start: int | None = None, end: int | None = None, anchor: int | None = None
    ) -> int | None:
        """The first instant strictly after ``after`` within the inclusive bounds ``start`` and ``end``."""
        return self.timeline.next_epoch(after, start, end, anchor)

    def previous_epoch(
        self, before: int, start: int | None = None, end: int | None = None, anchor: int | None = None
    ) -> int | None:
        """The last instant strictly before ``before`` within the inclusive bounds."""
        return self.timeline.previous_epoch(before, start, end, anchor)

    def count_epochs(
        self,
        after: int,
        until: int,
        start: int | None = None,
        end: int | None = None,
        anchor: int | None = None,
    ) -> int:
        """How many instants lie in ``(after, until]``, within the inclusive bounds: exact and quick."""
        return self.timeline.count_epochs(after, until, start, end, anchor)

    def skipped_between(self, after: datetime, until: datetime, limit: int = 20) -> list[Skipped]:
        """Wall times that a gap in ``(after, until]`` swallows, in order, at most ``limit``; cron's only."""
        if not isinstance(self.timeline, CronTimeline):
            return []
        low, high = max(_floor(after), EARLIEST), min(_floor(until), LATEST)
        return skipped_walls(self.timeline, self.zone, low, high, limit)

    def note_at(self, instant: datetime) -> str | None:
        """A sentence for people where a clock change matters to this occurrence; None where none does."""
        return note_for(self.meaning, self.zone, _floor(instant))


class Occurrences:
    """When a schedule is due: an expression within the schedule's dates.

    ``start`` and ``end`` are inclusive; an ``at`` heeds neither. A rate's grid begins at ``start``, which is
    also its first occurrence, or else at ``anchor``, the schedule's creation, cut to the whole second; a rate
    with neither is a ValueError. Sub-second parts of ``start`` round up, of ``end`` down, since occurrences
    are whole seconds. Naive datetimes are a TypeError, everywhere.
    """

    __slots__ = ("_anchor", "_end", "_start", "_timeline", "expression")

    def __init__(
        self,
        expression: Expression,
        start: datetime | None = None,
        end: datetime | None = None,
        anchor: datetime | None = None,
    ) -> None:
        if expression.kind == "rate" and start is None and anchor is None:
            raise ValueError("a rate is counted from its start or an anchor: give one of them")
        self.expression = expression
        self._timeline = expression.timeline
        self._start = None if start is None else _ceil(start)
        self._end = None if end is None else _floor(end)
        self._anchor = None if anchor is None else _floor(anchor)

    def next_after(self, instant: datetime) -> datetime | None:
        """The first occurrence strictly after ``instant``; None where no more follow."""
        delta = instant - _EPOCH
        found = self._timeline.next_epoch(
            delta.days * DAY + delta.seconds, self._start, self._end, self._anchor
        )
        return None if found is None else datetime.fromtimestamp(found, UTC)

    def previous_before(self, instant: datetime) -> datetime | None:
        """The last occurrence strictly before ``instant``; None where none came earlier."""
        found = self.previous_epoch(_ceil(instant))
        return None if found is None else _instant(found)

    def between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The occurrences in ``(after, until]``, the earliest ``limit`` of them, in order."""
        found: list[datetime] = []
        last, epoch = _floor(until), self.next_epoch(_floor(after))
        while epoch is not None and epoch <= last and len(found) < limit:
            found.append(_instant(epoch))
            epoch = self.next_epoch(epoch)
        return found

    def count_between(self, after: datetime, until: datetime) -> int:
        """How many occurrences lie in ``(after, until]``: exact, whatever the number, in milliseconds."""
        return self.count_epochs(_floor(after), _floor(until))

    def matches(self, instant: datetime) -> bool:
        """Whether ``instant`` is an occurrence."""
        return instant.microsecond == 0 and self.next_epoch(_floor(instant) - 1) == _floor(instant)

    def next_epoch(self, after: int) -> int | None:
        """:meth:`next_after` in whole seconds."""
        return self._timeline.next_epoch(after, self._start, self._end, self._anchor)

    def previous_epoch(self, before: int) -> int | None:
        """:meth:`previous_before` in whole seconds."""
        return self._timeline.previous_epoch(before, self._start, self._end, self._anchor)

    def count_epochs(self, after: int, until: int) -> int:
        """:meth:`count_between` in whole seconds."""
        return self._timeline.count_epochs(after, until, self._start, self._end, self._anchor)


@lru_cache(maxsize=8192)
def parse(text: str, timezone: str = "UTC") -> Expression:
    """Read ``text`` for ``timezone``, an IANA name.

    Raises :class:`InvalidExpression`, or :class:`InvalidTimezone` where only the zone is wrong, with every
    problem at once. Any text is read or refused in well under 50 ms.
    """
    meaning, faults = read(text)
    problems = [
        Problem(InvalidExpression.code, fault.message, "/schedule_expression", fault.field, fault.position)
        for fault in faults
    ]
    found = _zone(timezone)
    if isinstance(found, Problem):
        raise (InvalidExpression if problems else InvalidTimezone).of([*problems, found])
    if meaning is None:
        raise InvalidExpression.of(problems)
    return Expression(text, timezone, meaning, found, _timeline(meaning, found))


def _zone(name: str) -> Zone | Problem:
    try:
        return zone(name)
    except KeyError:
        return Problem(InvalidTimezone.code, suggest_zone(name), "/timezone")


def _timeline(meaning: Meaning, where: Zone) -> Timeline:
    match meaning:
        case Cron():
            return CronTimeline(meaning, where)
        case Rate():
            return RateTimeline(meaning.seconds)
        case At():
            return AtTimeline(where.resolve(meaning.wall))


def _floor(instant: datetime) -> int:
    """The whole second in which ``instant`` lies."""
    delta = instant - _EPOCH
    return delta.days * DAY + delta.seconds


def _ceil(instant: datetime) -> int:
    """The first whole second not before ``instant``."""
    delta = instant - _EPOCH
    return delta.days * DAY + delta.seconds + (delta.microseconds > 0)


def _instant(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
