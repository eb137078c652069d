"""Shared calendars: which days are open, and what closes the others.

A calendar is a set of days. Schedules refer to it by name; an occurrence on a day that it closes is skipped,
or moved to the same time of the next or the previous open day (:mod:`rez_agent.domain.calendar_times`). What
a day is called when it is closed stands with it, so that every answer can say why.

Days are counted in whole days since 1970-01-01, as everywhere in the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

MOVED_AT_MOST = 31
"""Days by which an occurrence is moved at most. Where no day is open so near it stays, and is skipped."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))

_EPOCH = date(1970, 1, 1).toordinal()
_THURSDAY = 3
"""The weekday of 1970-01-01, Monday being 0."""

_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """The days of one calendar, as they are at a revision of it.

    ``weekdays`` are those that are open, Monday being 0. ``closed`` and ``opened`` name single days, each
    with what to call it (may be empty); a day in ``opened`` is open whatever else says otherwise.
    ``changed``: when the days became what they are.
    """

    name: str
    weekdays: frozenset[int]
    closed: Mapping[date, str]
    opened: Mapping[date, str]
    revision: int
    changed: datetime

    def why_closed(self, day: date) -> str | None:
        """What closes ``day`` (a holiday's name, or the weekday's); None where it is open."""
        if day in self.opened:
            return None
        label = self.closed.get(day)
        if label is not None:
            return label or "closed"
        return None if day.weekday() in self.weekdays else _NAMES[day.weekday()]

    def is_closed(self, number: int) -> bool:
        """Whether a day is closed, by its number."""
        day = date_of(number)
        if day in self.opened:
            return False
        return (number + _THURSDAY) % 7 not in self.weekdays or day in self.closed

    def sentence(self, day: date) -> str | None:
        """For people: that ``day`` is closed, and why; None where it is open."""
        label = self.why_closed(day)
        if label is None:
            return None
        return f"{day.isoformat()} is closed in calendar '{self.name}': {label}"

    def next_open(self, number: int) -> int | None:
        """The first open day after a day, within :data:`MOVED_AT_MOST`; None where none is so near."""
        return self._open(range(number + 1, number + MOVED_AT_MOST + 1))

    def previous_open(self, number: int) -> int | None:
        """The last open day before a day, within :data:`MOVED_AT_MOST`."""
        return self._open(range(number - 1, number - MOVED_AT_MOST - 1, -1))

    def days(self, first: date, last: date) -> Iterator[tuple[date, str | None]]:
        """Every day from ``first`` to ``last``, both inclusive, with what closes it."""
        day = first
        while day <= last:
            yield day, self.why_closed(day)
            day += timedelta(days=1)

    def _open(self, numbers: range) -> int | None:
        return next((number for number in numbers if not self.is_closed(number)), None)


def date_of(number: int) -> date:
    """The date of a day by its number."""
    return date.fromordinal(number + _EPOCH)


def number_of(day: date) -> int:
    """The number of a date."""
    return day.toordinal() - _EPOCH
