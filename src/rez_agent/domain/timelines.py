"""When an expression is due: the search for instants, in whole seconds since 1970-01-01T00:00:00Z.

Three timelines answer the same questions. ``start`` and ``end`` are inclusive bounds, None for none;
``anchor`` is where a rate's grid begins when it has no ``start``. An ``at`` heeds none of them, as
EventBridge Scheduler says (API reference, CreateSchedule, StartDate).

How cron is searched. A zone is a row of segments of constant offset (see ``zones``), the calendar a table a
year (see ``days``), the time of day a sorted tuple. The next wall time in the calendar is one look into
each; it counts when it lies in the segment at hand, otherwise the search goes on at the segment's end, or
right before the wall time found, whichever is later. No step is ever taken by minute or by day.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from rez_agent.domain.cron import Cron
from rez_agent.domain.days import NO_DAY, Days, days_of
from rez_agent.domain.zones import DAY, Segment, Zone

EARLIEST = -2 * DAY
"""Before the first second of 1970 in any zone."""
END_OF_TIME = 7_258_118_399
"""The last second of 2199 in UTC: no rate goes on behind it."""
LATEST = END_OF_TIME + 2 * DAY
"""After the last second of 2199 in any zone."""


class Timeline(Protocol):
    """The instants of an expression within bounds. Safe to share between threads."""

    def next_epoch(
        self, after: int, start: int | None = None, end: int | None = None, anchor: int | None = None
    ) -> int | None:
        """The first instant strictly after ``after``; None where no more follow."""

    def previous_epoch(
        self, before: int, start: int | None = None, end: int | None = None, anchor: int | None = None
    ) -> int | None:
        """The last instant strictly before ``before``; None where none came earlier."""

    def count_epochs(
        self,
        after: int,
        until: int,
        start: int | None = None,
        end: int | None = None,
        anchor: int | None = None,
    ) -> int:
        """How many instants lie in ``(after, until]``: exact, and without visiting them."""


_Span = tuple[int, int, int, int, int, "array[int]"]
"""A stretch within one segment and one year, where the next instant is a few look-ups away.

Its first instant, the end of its instants, the offset, the end of its wall times, the year's first day, and
the year's ``following`` table.
"""

_NOWHERE: _Span = (0, 0, 0, 0, 0, array("h"))


class CronTimeline:
    """A cron expression on the wall clock of its zone, skipping gaps and running once in folds.

    ``_span`` remembers where the last answer was found: a derived value, replaced whole, never needed for
    the answer to be right.
    """

    __slots__ = ("_days", "_span", "_times", "_zone")

    def __init__(self, cron: Cron, zone: Zone) -> None:
        self._times = _times_of_day(cron.hours, cron.minutes)
        self._days: Days = days_of(cron.days, cron.months, cron.years)
        self._zone = zone
        self._span = _NOWHERE

    def next_epoch(
        self,
        after: int,
        start: int | None = None,
        end: int | None = None,
        anchor: int | None = None,  # noqa: ARG002 - only a rate has one
    ) -> int | None:
        """See :class:`Timeline`. Looks into the span at hand first, then searches."""
        if start is not None and after < start:
            after = start - 1
        found: int | None
        lo, hi, offset, wall_end, first_day, following = self._span
        if lo <= after < hi:
            wall = after + offset
            day = wall // DAY
            row = day - first_day
            times = self._times
            if following[row] != row:
                wall = (first_day + following[row]) * DAY + times[0]
            elif wall - day * DAY < times[-1]:
                wall = day * DAY + times[bisect_right(times, wall - day * DAY)]
            else:
                wall = (first_day + following[row + 1]) * DAY + times[0]
            found = wall - offset if wall < wall_end else self._search(after)
        else:
            found = self._search(after)
        return found if end is None or found is None or found <= end else None

    def previous_epoch(
        self,
        before: int,
        start: int | None = None,
        end: int | None = None,
        anchor: int | None = None,  # noqa: ARG002 - only a rate has one
    ) -> int | None:
        """See :class:`Timeline`."""
        upper = min(before, LATEST) if end is None else min(before, end + 1, LATEST)
        while upper > EARLIEST:
            segment = self._zone.segment_at(upper - 1)
            high = upper + segment.offset
            wall = self._wall_before(max(high, segment.floor))
            if wall is None:
                return None
            if max(segment.lo + segment.offset, segment.floor) <= wall < high:
                found = wall - segment.offset
                return found if start is None or found >= start else None
            upper = min(segment.lo, wall + DAY + 1)
        return None

    def count_epochs(
        self,
        after: int,
        until: int,
        start: int | None = None,
        end: int | None = None,
        anchor: int | None = None,  # noqa: ARG002 - only a rate has one
    ) -> int:
        """See :class:`Timeline`. Costs a few look-ups a segment: some two a year."""
        lower = max(after + 1, EARLIEST) if start is None else max(after + 1, start, EARLIEST)
        upper = min(until + 1, LATEST) if end is None else min(until + 1, end + 1, LATEST)
        total = 0
        while lower < upper:
            _, hi, offset, floor = self._zone.segment_at(lower)
            low, high = max(lower + offset, floor), min(hi, upper) + offset
            if low < high:
                total += self._count_walls(low, high)
            lower = hi
        return total

    def walls(self, low: int, high: int) -> Iterator[int]:
        """The wall times in ``[low, high)`` that the fields name, whether or not the clock shows them."""
        wall = self._wall_from(low)
        while wall is not None and wall < high:
            yield wall
            wall = self._wall_from(wall + 1)

    def _search(self, after: int) -> int | None:
        """The first instant after ``after``, wherever it lies; remembers its span."""
        lower = max(after + 1, EARLIEST)
        if lower > LATEST:
            return None
        segment = self._zone.segment_at(lower)
        wall = self._wall_from(max(lower + segment.offset, segment.floor))
        while wall is not None:
            if wall < segment.hi + segment.offset:
                self._span = self._span_around(wall, segment)
                return wall - segment.offset
            lower = max(segment.hi, wall - DAY)
            segment = self._zone.segment_at(lower)
            low = max(lower + segment.offset, segment.floor)
            if wall < low:  # the wall time found lay in a gap: look further
                wall = self._wall_from(low)
        return None

    def _span_around(self, wall: int, segment: Segment) -> _Span:
        """The part of ``segment`` in the year of ``wall``, an occurrence."""
        _, hi, offset, floor = segment
        first_day, end_day, _, following = self._days.year_of(wall // DAY)
        low, wall_end = first_day * DAY, end_day * DAY
        if low < floor:  # noqa: PLR1730 - a call of max or min would cost a tenth of a search
            low = floor
        if wall_end > hi + offset:  # noqa: PLR1730
            wall_end = hi + offset
        return low - offset, wall_end - offset, offset, wall_end, first_day, following

    def _wall_from(self, wall: int) -> int | None:
        """The first wall time at or after ``wall`` that the fields name."""
        day, times = wall // DAY, self._times
        first_day, _, _, following = self._days.year_of(day)
        row = following[day - first_day]
        if row == day - first_day:
            if wall - day * DAY <= times[-1]:
                return day * DAY + times[bisect_left(times, wall - day * DAY)]
            row = following[row + 1]
        if row != NO_DAY:
            return (first_day + row) * DAY + times[0]
        found = self._days.after_year_of(day)
        return None if found is None else found * DAY + times[0]

    def _wall_before(self, wall: int) -> int | None:
        """The last wall time before ``wall`` that the fields name."""
        day, second = divmod(wall, DAY)
        found = self._days.on_or_before(day)
        if found == day:
            at = bisect_left(self._times, second)
            if at > 0:
                return day * DAY + self._times[at - 1]
            found = self._days.on_or_before(day - 1)
        return None if found is None else found * DAY + self._times[-1]

    def _count_walls(self, low: int, high: int) -> int:
        """How many wall times in ``[low, high)`` the fields name."""
        (low_day, low_second), (high_day, high_second) = divmod(low, DAY), divmod(high, DAY)
        total = self._days.count(low_day, high_day) * len(self._times)
        if low_day in self._days:
            total -= bisect_left(self._times, low_second)
        if high_day in self._days:
            total += bisect_left(self._times, high_second)
        return total


class RateTimeline:
    """A grid of elapsed time from its anchor on, within 1970 to 2199; no zone's clocks matter to it."""

    __slots__ = ("_interval",)

    def __init__(self, seconds: int) -> None:
        self._interval = seconds

    def next_epoch(
        self, after: int, start: int | None = None, end: int | None = None, anchor: int | None = None
    ) -> int | None:
        """See :class:`Timeline`. The anchor itself is the first instant."""
        base = _grid(start, anchor)
        after = max(after, EARLIEST)
        found = base if after < base else after + self._interval - (after - base) % self._interval
        return found if found <= _last(end) else None

    def previous_epoch(
        self, before: int, start: int | None = None, end: int | None = None, anchor: int | None = None
    ) -> int | None:
        """See :class:`Timeline`."""
        base = _grid(start, anchor)
        last = min(before - 1, _last(end))
        found = last - (last - base) % self._interval
        return found if found >= base and found > EARLIEST else None

    def count_epochs(
        self,
        after: int,
        until: int,
        start: int | None = None,
        end: int | None = None,
        anchor: int | None = None,
    ) -> int:
        """See :class:`Timeline`."""
        base = _grid(start, anchor)
        before_first = max(after, EARLIEST, base - 1) - base
        last = min(until, _last(end)) - base
        return max(last // self._interval - before_first // self._interval, 0)


class AtTimeline:
    """One instant; start, end and anchor do not touch it."""

    __slots__ = ("instant",)

    def __init__(self, instant: int) -> None:
        self.instant = instant

    def next_epoch(
        self,
        after: int,
        start: int | None = None,  # noqa: ARG002
        end: int | None = None,  # noqa: ARG002
        anchor: int | None = None,  # noqa: ARG002
    ) -> int | None:
        """See :class:`Timeline`."""
        return self.instant if after < self.instant else None

    def previous_epoch(
        self,
        before: int,
        start: int | None = None,  # noqa: ARG002
        end: int | None = None,  # noqa: ARG002
        anchor: int | None = None,  # noqa: ARG002
    ) -> int | None:
        """See :class:`Timeline`."""
        return self.instant if self.instant < before else None

    def count_epochs(
        self,
        after: int,
        until: int,
        start: int | None = None,  # noqa: ARG002
        end: int | None = None,  # noqa: ARG002
        anchor: int | None = None,  # noqa: ARG002
    ) -> int:
        """See :class:`Timeline`."""
        return int(after < self.instant <= until)


def _grid(start: int | None, anchor: int | None) -> int:
    base = anchor if start is None else start
    if base is None:
        raise ValueError("a rate is counted from its start or an anchor: give one of them")
    return base


def _last(end: int | None) -> int:
    return END_OF_TIME if end is None else min(end, END_OF_TIME)


@lru_cache(maxsize=4096)
def _times_of_day(hours: tuple[int, ...], minutes: tuple[int, ...]) -> tuple[int, ...]:
    """The seconds of the day that hours and minutes name; shared by all expressions that name the same."""
    return tuple(hour * 3600 + minute * 60 for hour in hours for minute in minutes)
