"""When a schedule is due, read a second time: day by day, by ``zoneinfo`` and ``calendar``.

Shares no code with the program's own evaluation. Cron's fields are read by ``tests.domain.oracle``; the wall
times of each day are turned to instants by ``zoneinfo`` alone: one that comes back as another did not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.domain.oracle import Matcher, zone_info

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
MOVED_AT_MOST = 31
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


@dataclass(frozen=True, slots=True)
class Days:
    """A calendar: the weekdays that are open (Monday is 0), and the single days that are closed."""

    name: str
    weekdays: frozenset[int]
    closed: frozenset[date] = field(default_factory=frozenset)

    def is_open(self, day: date) -> bool:
        """Whether it is."""
        return day.weekday() in self.weekdays and day not in self.closed

    def moved(self, day: date, step: int) -> date:
        """The next open day in that direction; the day itself where none is near."""
        found = day
        for _ in range(MOVED_AT_MOST):
            found += timedelta(days=step)
            if self.is_open(found):
                return found
        return day


def due(
    definition: Mapping[str, Any], created: datetime, first: datetime, last: datetime, days: Days | None
) -> list[datetime]:
    """Every instant from ``first`` to ``last``, both inclusive, at which a schedule is due."""
    moves = {"next": 1, "previous": -1}.get(_closed(definition), 0)
    if days is None or not moves:
        return list(nominal(definition, created, first, last))
    info, around = zone_info(definition.get("timezone", "UTC")), timedelta(days=MOVED_AT_MOST + 2)
    found = set()
    for instant in nominal(definition, created, first - around, last + around):
        local = instant.astimezone(info)
        if not days.is_open(local.date()):
            day = days.moved(local.date(), moves)
            landed = _forward(datetime.combine(day, local.time()), info) if day != local.date() else instant
        else:
            landed = instant
        if first <= landed <= last:
            found.add(landed)
    return sorted(found)


def closed_on(definition: Mapping[str, Any], instant: datetime, days: Days | None) -> bool:
    """Whether the day of an instant is closed for a schedule."""
    if days is None:
        return False
    local = instant.astimezone(zone_info(definition.get("timezone", "UTC")))
    return not days.is_open(local.date())


def nominal(
    definition: Mapping[str, Any], created: datetime, first: datetime, last: datetime
) -> Iterator[datetime]:
    """The expression's own instants within its bounds, from ``first`` to ``last``."""
    text, zone = definition["schedule_expression"], definition.get("timezone", "UTC")
    if text.startswith("at("):
        instant = _forward(datetime.fromisoformat(text[3:-1]), zone_info(zone))
        if first <= instant <= last:
            yield instant
        return
    start, end = _instant(definition.get("start")), _instant(definition.get("end"))
    low = max(first, start) if start else first
    high = min(last, end) if end else last
    if text.startswith("rate("):
        anchor = start or created.replace(microsecond=0)
        yield from _grid(text, anchor, low, high)
    else:
        yield from _cron(text, zone_info(zone), low, high)


def _grid(text: str, anchor: datetime, first: datetime, last: datetime) -> Iterator[datetime]:
    found = _RATE.fullmatch(text)
    assert found
    step = timedelta(**{f"{found[2]}s": int(found[1])})
    number = max(0, -((anchor - first) // step))
    instant = anchor + number * step
    while instant <= last:
        if instant >= first:
            yield instant
        instant += step


@lru_cache(maxsize=256)
def _times(text: str) -> tuple[Matcher, tuple[tuple[int, int], ...]]:
    matcher = Matcher(text)
    times = [(hour, minute) for hour in sorted(matcher.hours) for minute in sorted(matcher.minutes)]
    return matcher, tuple(times)


def _cron(text: str, info: ZoneInfo, first: datetime, last: datetime) -> Iterator[datetime]:
    matcher, times = _times(text)
    day, stop = first.astimezone(info).date() - DAY, last.astimezone(info).date() + DAY
    while day <= stop:
        if matcher.day(day):
            yield from sorted(each for each in _on_day(day, times, info) if first <= each <= last)
        day += DAY


def _on_day(day: date, times: tuple[tuple[int, int], ...], info: ZoneInfo) -> Iterator[datetime]:
    for hour, minute in times:
        wall = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - wall times are naive
        instant = wall.replace(tzinfo=info).astimezone(UTC)
        if instant.astimezone(info).replace(tzinfo=None) == wall:
            yield instant


def _forward(wall: datetime, info: ZoneInfo) -> datetime:
    """The first pass of a wall time; one that the clock skips moves forward by the gap."""
    return wall.replace(tzinfo=info, fold=0).astimezone(UTC)


def _closed(definition: Mapping[str, Any]) -> str:
    use = definition.get("calendar")
    return "" if use is None else str(use.get("closed", "skip"))


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
