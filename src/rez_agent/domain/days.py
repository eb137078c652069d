"""Which days a cron expression names, as sets that answer "the next one?" without stepping through days.

What a day rule picks depends only on how a year is laid out, and there are fourteen layouts: the weekday of
1 January, leap or not. So a rule is worked out at most fourteen times, and a search over two centuries
costs a look into a table per year at most. Days are numbered from 1970-01-01, which is day 0.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from calendar import isleap
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

FIRST_YEAR = 1970
LAST_YEAR = 2199
ALL_YEARS = tuple(range(FIRST_YEAR, LAST_YEAR + 1))
ALL_MONTHS = tuple(range(1, 13))
NO_DAY = 10_000
"""Stands for "no further day in this year": a row far behind any year's end."""

_EPOCH = date(1970, 1, 1).toordinal()
_BASE_YEAR = FIRST_YEAR - 1
_FIRST_DAYS = tuple(date(year, 1, 1).toordinal() - _EPOCH for year in range(_BASE_YEAR, LAST_YEAR + 3))
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SATURDAY, _SUNDAY = 6, 0


class Month(NamedTuple):
    """A month's layout: the weekday of its first day (0 is Sunday) and its number of days."""

    first_weekday: int
    length: int

    def weekday(self, day: int) -> int:
        """The weekday of the ``day``-th, 0 for Sunday to 6 for Saturday."""
        return (self.first_weekday + day - 1) % 7

    def nearest_weekday(self, day: int) -> int:
        """The day from Monday to Friday nearest to the ``day``-th, never leaving the month."""
        weekday = self.weekday(day)
        if weekday == _SATURDAY:
            return day - 1 if day > 1 else day + 2
        if weekday == _SUNDAY:
            return day + 1 if day < self.length else day - 2
        return day


@dataclass(frozen=True, slots=True)
class DaysOfMonth:
    """``1,15``: the days with these numbers, where the month has them."""

    days: tuple[int, ...]

    def pick(self, month: Month) -> list[int]:
        """The matching days of a month laid out like ``month``; so for every rule below."""
        return [day for day in self.days if day <= month.length]


@dataclass(frozen=True, slots=True)
class LastDay:
    """``L``: the last day of the month; ``L-3``: so many days before it, where the month has that day."""

    before: int = 0

    def pick(self, month: Month) -> list[int]:
        day = month.length - self.before
        return [day] if day >= 1 else []


@dataclass(frozen=True, slots=True)
class LastWeekday:
    """``LW``: the month's last day from Monday to Friday."""

    def pick(self, month: Month) -> list[int]:
        return [month.nearest_weekday(month.length)]


@dataclass(frozen=True, slots=True)
class NearestWeekday:
    """``15W``: the day from Monday to Friday nearest the 15th; none where the month lacks the day named."""

    day: int

    def pick(self, month: Month) -> list[int]:
        return [month.nearest_weekday(self.day)] if self.day <= month.length else []


@dataclass(frozen=True, slots=True)
class Weekdays:
    """``MON-FRI``: every such day of the week; 1 is Sunday, 7 is Saturday, as EventBridge counts."""

    weekdays: tuple[int, ...]

    def pick(self, month: Month) -> list[int]:
        return [day for day in range(1, month.length + 1) if month.weekday(day) + 1 in self.weekdays]


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """``TUE#2``: the second Tuesday; none where the month has no such fifth."""

    weekday: int
    nth: int

    def pick(self, month: Month) -> list[int]:
        day = 1 + (self.weekday - 1 - month.first_weekday) % 7 + 7 * (self.nth - 1)
        return [day] if day <= month.length else []


@dataclass(frozen=True, slots=True)
class LastOfWeekday:
    """``FRIL``: the last Friday of the month."""

    weekday: int

    def pick(self, month: Month) -> list[int]:
        return [month.length - (month.weekday(month.length) + 1 - self.weekday) % 7]


DayRule = DaysOfMonth | LastDay | LastWeekday | NearestWeekday | Weekdays | NthWeekday | LastOfWeekday

EVERY_DAY = DaysOfMonth(tuple(range(1, 32)))


class Year(NamedTuple):
    """A year's matching days. Rows count from 1 January, which is row 0 and day ``first_day``.

    ``end_day`` is the first day of the next year; ``rows`` are the matching ones in order;
    ``following[row]`` is the first matching row at or after ``row``, or :data:`NO_DAY`.
    """

    first_day: int
    end_day: int
    rows: array[int]
    following: array[int]


_Layout = tuple["array[int]", "array[int]"]
_NO_DAYS: _Layout = (array("h"), array("h", [NO_DAY]) * 368)


class Days:
    """The days from 1970 to 2199 that months, years and a day rule pick together.

    A value, apart from tables worked out when first needed; safe to share between threads. Days may be
    asked about from 1969 to 2200, so that no caller need care where the years end.
    """

    __slots__ = ("_by_index", "_layouts", "_months", "_rule", "_years")

    def __init__(self, rule: DayRule, months: tuple[int, ...], years: tuple[int, ...]) -> None:
        self._rule = rule
        self._months = months
        self._years = years
        self._layouts: dict[tuple[int, bool], _Layout] = {}
        self._by_index: dict[int, Year] = {}

    def year_of(self, day: int) -> Year:
        """The year that holds ``day``."""
        index = bisect_right(_FIRST_DAYS, day) - 1
        return self._by_index.get(index) or self._add(index)

    def after_year_of(self, day: int) -> int | None:
        """The first matching day in a later year than that of ``day``."""
        index = bisect_right(_FIRST_DAYS, day) - 1
        for at in range(bisect_right(self._years, _BASE_YEAR + index), len(self._years)):
            year = self._year(self._years[at] - _BASE_YEAR)
            if year.rows:
                return year.first_day + year.rows[0]
        return None

    def on_or_before(self, day: int) -> int | None:
        """The last matching day that is not after ``day``."""
        index = bisect_right(_FIRST_DAYS, day) - 1
        for at in range(bisect_right(self._years, _BASE_YEAR + index) - 1, -1, -1):
            first_day, _, rows, _ = self._year(self._years[at] - _BASE_YEAR)
            past = bisect_right(rows, day - first_day)
            if past > 0:
                return first_day + rows[past - 1]
        return None

    def count(self, low: int, high: int) -> int:
        """How many matching days lie in ``[low, high)``."""
        total = 0
        for index in range(bisect_right(_FIRST_DAYS, low) - 1, bisect_right(_FIRST_DAYS, high)):
            first_day, _, rows, _ = self._year(index)
            total += bisect_left(rows, high - first_day) - bisect_left(rows, low - first_day)
        return total

    def __contains__(self, day: int) -> bool:
        year = self.year_of(day)
        row = day - year.first_day
        return year.following[row] == row

    def _year(self, index: int) -> Year:
        return self._by_index.get(index) or self._add(index)

    def _add(self, index: int) -> Year:
        """The year ``index`` after 1969, without days where it is not one of those named."""
        number, first_day, found = _BASE_YEAR + index, _FIRST_DAYS[index], _NO_DAYS
        if number in self._years:
            layout = (first_day + 4) % 7, isleap(number)  # 1970 began on a Thursday
            found = self._layouts.get(layout) or self._lay_out(*layout)
            self._layouts[layout] = found
        self._by_index[index] = year = Year(first_day, _FIRST_DAYS[index + 1], *found)
        return year

    def _lay_out(self, weekday: int, leap: bool) -> _Layout:  # noqa: FBT001 - half of a layout's key
        rows = array("h")
        start = 0
        for number, days in enumerate(_LENGTHS, start=1):
            length = days + (leap and number == 2)
            if number in self._months:
                month = Month((weekday + start) % 7, length)
                rows.extend(start + day - 1 for day in self._rule.pick(month))
            start += length
        following = array("h", [NO_DAY]) * (start + 2)
        low = 0
        for row in rows:
            following[low : row + 1] = array("h", [row]) * (row + 1 - low)
            low = row + 1
        return rows, following


@lru_cache(maxsize=4096)
def days_of(rule: DayRule, months: tuple[int, ...], years: tuple[int, ...]) -> Days:
    """:class:`Days`, shared by all expressions that name the same ones."""
    return Days(rule, months, years)
