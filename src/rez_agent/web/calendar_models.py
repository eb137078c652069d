"""The shapes of calendars: filters and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from rez_agent.domain.policies import Frozen
from rez_agent.web.examples import SCHEDULE_ID
from rez_agent.web.models import Shape


class DaysFilter(Frozen):
    """A stretch of days, both ends included; without them, the present year."""

    from_: Annotated[date | None, Field(alias="from")] = None
    to: date | None = None


class CalendarShape(Shape):
    """A calendar. ``named_days``: how many days it names, those of its source included. ``known_until``: the
    last day that its source was asked about; later days are closed by weekday and by name alone."""

    name: str
    title: str
    open_weekdays: list[str]
    source: dict[str, Any] | None
    closed: dict[date, str]
    open: dict[date, str]
    named_days: int
    known_until: date | None
    created_by: str
    created_date: AwareDatetime
    updated_date: AwareDatetime
    revision: int


class CalendarDetail(CalendarShape):
    """The same with the schedules that heed it: the first of those that the caller may see."""

    used: bool
    used_by: list[str]


class CalendarList(Shape):
    """All calendars, by name."""

    items: list[CalendarShape]
    next_cursor: str | None
    total: int


class DayShape(Shape):
    """A day. ``closed``: what closes it, null where it is open."""

    date: date
    closed: str | None


class DayList(Shape):
    """Every day of a stretch."""

    items: list[DayShape]


DEFINITION = {
    "title": "Working days in Austria",
    "source": {"kind": "holidays", "country": "AT", "subdivision": "9"},
    "closed": {"2026-12-24": "closed early"},
}
CALENDAR = {
    "name": "at",
    "title": "Working days in Austria",
    "open_weekdays": ["mon", "tue", "wed", "thu", "fri"],
    "source": {"kind": "holidays", "country": "AT", "subdivision": "9", "categories": ["public"]},
    "closed": {"2026-12-24": "closed early"},
    "open": {},
    "named_days": 157,
    "known_until": "2036-12-31",
    "created_by": "ann",
    "created_date": "2026-03-01T10:00:00Z",
    "updated_date": "2026-03-01T10:00:00Z",
    "revision": 1,
}
DETAIL = {**CALENDAR, "used": True, "used_by": [SCHEDULE_ID]}
