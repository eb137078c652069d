"""What a caller says of a calendar, and what is kept of it.

The days of an ICS file and those of a country's holidays are found when the calendar is made or changed, and
holidays once a year again (:mod:`rez_agent.day_sources`), for a bounded stretch of years: so every host knows
the same days, and no decision about an occurrence reads a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from rez_agent.domain.calendar import EVERY_DAY, WEEKDAYS, Calendar
from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import Name

DAYS_AT_MOST = 2_000
"""Days that a calendar names, whichever way."""

YEARS_BACK, YEARS_AHEAD = 1, 10
"""Of the days of a source, so many years before the present one and after it are kept."""

ICS_AT_MOST = 1_000_000
"""Characters of an ICS file."""

Label = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Days = Annotated[dict[date, Label], Field(max_length=DAYS_AT_MOST)]


class HolidaySource(Frozen):
    """A country's holidays, as the ``holidays`` library has them; ``country`` by ISO 3166 (``AT``)."""

    kind: Literal["holidays"] = "holidays"
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,3}$")]
    subdivision: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = None
    categories: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)] = ("public",)


class IcsSource(Frozen):
    """The whole days of an ICS file (RFC 5545). Its text is read and not kept; without ``text`` a change of
    the calendar leaves the days that were read before."""

    kind: Literal["ics"] = "ics"
    text: Annotated[str, StringConstraints(min_length=1, max_length=ICS_AT_MOST)] | None = None


Source = Annotated[HolidaySource | IcsSource, Field(discriminator="kind")]


class CalendarDefinition(Frozen):
    """A calendar's days. ``open_weekdays``: those that are open; where it is left out, the country's working
    week for holidays, else every day. ``closed`` and ``open`` name single days, each with what to call it;
    ``open`` goes before everything else."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    open_weekdays: tuple[Weekday, ...] | None = None
    source: Source | None = None
    closed: Days = Field(default_factory=dict)
    open: Days = Field(default_factory=dict)


class NamedCalendar(CalendarDefinition):
    """The same, with its name."""

    name: Name


@dataclass(frozen=True, slots=True)
class Found:
    """What a source says: its days, the working week where it knows one, and the last day it was asked
    about."""

    days: dict[date, str]
    weekdays: frozenset[int] | None = None
    until: date | None = None


NOTHING_FOUND = Found({})


@dataclass(frozen=True, slots=True)
class Kept:
    """A calendar as it is kept. ``source`` is without an ICS file's text; ``found`` are the days it gave."""

    name: str
    title: str
    created_by: str
    created_date: datetime
    updated_date: datetime
    revision: int
    weekdays: frozenset[int]
    source: dict[str, Any] | None
    closed: dict[date, str]
    open: dict[date, str]
    found: dict[date, str]
    known_until: date | None
    changed: datetime

    @property
    def calendar(self) -> Calendar:
        """Its days, for whoever decides by them."""
        return Calendar(
            name=self.name,
            weekdays=self.weekdays,
            closed=self.found | self.closed,
            opened=self.open,
            revision=self.revision,
            changed=self.changed,
        )

    def is_outdated(self, today: date) -> bool:
        """Whether its source knows more days by now: a country's holidays, not asked for this year yet."""
        if self.known_until is None or self.source is None or self.source["kind"] != "holidays":
            return False
        return self.known_until.year < today.year + YEARS_AHEAD

    @property
    def definition(self) -> dict[str, Any]:
        """What its caller said, as far as it is kept: fit for a replacement."""
        return {
            "title": self.title,
            "open_weekdays": [WEEKDAYS[number] for number in sorted(self.weekdays)],
            "source": self.source,
            "closed": _texts(self.closed),
            "open": _texts(self.open),
        }


def weekdays_of(definition: CalendarDefinition, found: Found) -> frozenset[int]:
    """The weekdays that are open."""
    if definition.open_weekdays is not None:
        return frozenset(map(WEEKDAYS.index, definition.open_weekdays))
    return EVERY_DAY if found.weekdays is None else found.weekdays


def _texts(days: dict[date, str]) -> dict[str, str]:
    return {day.isoformat(): label for day, label in sorted(days.items())}
