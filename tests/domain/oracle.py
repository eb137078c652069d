"""A second opinion on cron, slow and simple: it looks at every minute and shares no code with the program.

It reads the fields by itself, asks ``calendar`` about days and ``zoneinfo`` about clocks. A minute of UTC is
due when its wall time matches and is not the second pass of a fold (``fold == 1``).
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from rez_agent.domain.zones import zone

MINUTE = timedelta(minutes=1)
HALF_MINUTE = timedelta(seconds=30)
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}


def zone_info(name: str) -> ZoneInfo:
    """The zone's data, the same edition as the program's."""
    return zone(name).info


def due_minutes(text: str, timezone: str, after: datetime, until: datetime) -> list[datetime]:
    """Every due instant in ``(after, until]``, found minute by minute."""
    matches, info = Matcher(text), zone_info(timezone)
    offset = after.astimezone(info).utcoffset() or timedelta(0)
    step = HALF_MINUTE if offset % MINUTE else MINUTE  # Liberia's clocks were 44 minutes 30 seconds slow
    return [instant for instant in _steps(after, until, step) if matches(instant.astimezone(info))]


def due_days(text: str, first: date, last: date) -> list[date]:
    """Every date from ``first`` to ``last`` that the day, month and year fields name."""
    matches = Matcher(text)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if matches.day(day)]


def _steps(after: datetime, until: datetime, step: timedelta) -> Iterator[datetime]:
    instant = after.astimezone(UTC).replace(second=0, microsecond=0)
    while instant <= until:
        if instant > after:
            yield instant
        instant += step


class Matcher:
    """Whether a wall time matches the six fields of a cron expression, ``minutes`` and ``hours`` of them."""

    def __init__(self, text: str) -> None:
        fields = text.removeprefix("cron(").removesuffix(")").upper().split()
        minutes, hours, self._month_day, months, self._week_day, years = fields
        self.minutes = _numbers(minutes, 0, 59)
        self.hours = _numbers(hours, 0, 23)
        self._months = _numbers(months, 1, 12, _MONTHS)
        self._years = _numbers(years, 1970, 2199)

    def __call__(self, wall: datetime) -> bool:
        if wall.fold or wall.second or wall.minute not in self.minutes or wall.hour not in self.hours:
            return False
        return self.day(wall.date())

    def day(self, day: date) -> bool:
        if day.year not in self._years or day.month not in self._months:
            return False
        return self._by_week(day) if self._month_day == "?" else self._by_month(day)

    def _by_month(self, day: date) -> bool:
        field, last = self._month_day, calendar.monthrange(day.year, day.month)[1]
        if field == "LW":
            return day.day == max(d for d in range(1, last + 1) if date(day.year, day.month, d).weekday() < 5)
        if field.endswith("W"):
            return day == _nearest_weekday(day.year, day.month, int(field[:-1]))
        if field.startswith("L"):
            return day.day == last - int(field[2:] or 0)
        return day.day in _numbers(field, 1, 31)

    def _by_week(self, day: date) -> bool:
        field, weekday = self._week_day, day.isoweekday() % 7 + 1
        if field == "L":
            return weekday == 7
        if field.endswith("L"):
            return weekday == _number(field[:-1], _WEEKDAYS) and (day + timedelta(days=7)).month != day.month
        if "#" in field:
            name, nth = field.split("#")
            return weekday == _number(name, _WEEKDAYS) and (day.day + 6) // 7 == int(nth)
        return weekday in _numbers(field, 1, 7, _WEEKDAYS)


def _nearest_weekday(year: int, month: int, day: int) -> date | None:
    if day > calendar.monthrange(year, month)[1]:
        return None
    meant = date(year, month, day)
    around = [meant + timedelta(days=n) for n in (0, -1, 1, -2, 2)]
    return next(d for d in around if d.month == month and d.weekday() < 5)


def _number(text: str, names: dict[str, int]) -> int:
    return names[text] if text in names else int(text)


def _numbers(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        body, _, step = part.partition("/")
        first, dash, last = body.partition("-")
        if body == "*":
            start, stop = low, high
        else:
            start = _number(first, names or {})
            stop = _number(last, names or {}) if dash else high if step else start
        if stop < start:
            stop += high - low + 1
        found.update((n - low) % (high - low + 1) + low for n in range(start, stop + 1, int(step or 1)))
    return found
