"""When a schedule is due that heeds a calendar.

:class:`MovedOccurrences` are a schedule's occurrences once those on closed days were moved to the same wall
time of the next, or the previous, open day. They are a set: what lands on one instant is one occurrence. A
wall time that the clock skips on the day it is moved to moves forward by the gap; one that comes twice is its
first pass. An occurrence with no open day within ``MOVED_AT_MOST`` days stays where it is.

:class:`OnDays` are those of a schedule's occurrences that fall on open days, or on closed ones.

How they are searched. A day's instants depend on that day and the closed days next to it alone, and the days
to which occurrences are moved are in the order of the days they come from. So the next instant is on the day
at hand, on the one after it, or on the one to which the next occurrence of the expression is moved: no search
walks day by day.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from rez_agent.domain.calendar import MOVED_AT_MOST, Calendar, date_of
from rez_agent.domain.expression import Occurrences
from rez_agent.domain.instants import to_seconds
from rez_agent.domain.timelines import EARLIEST, LATEST
from rez_agent.domain.zones import DAY, Zone

REMEMBERED = 64
"""Days whose moved instants are kept at hand."""

_WALL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall times are naive


class LocalDays:
    """The days of a zone as stretches of time: each begins where the one before ends."""

    __slots__ = ("_zone",)

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def start(self, number: int) -> int:
        """The first instant of a day."""
        return self._zone.resolve(_WALL_EPOCH + timedelta(days=number))

    def of(self, instant: int) -> int:
        """The day in which an instant lies."""
        number = (instant + self._zone.segment_at(instant).offset) // DAY
        if instant < self.start(number):
            return number - 1
        return number + 1 if instant >= self.start(number + 1) else number

    def wall(self, instant: int) -> int:
        """The second of the day that the clock shows at an instant."""
        return (instant + self._zone.segment_at(instant).offset) % DAY

    def at(self, number: int, wall: int) -> int:
        """The instant at which the clock shows ``wall`` on a day, within that day."""
        instant = self._zone.resolve(_WALL_EPOCH + timedelta(days=number, seconds=wall))
        return min(max(instant, self.start(number)), self.start(number + 1) - 1)

    def is_steady(self, number: int) -> bool:
        """Whether the clock does not change on a day: its wall times are its seconds."""
        start, end = self.start(number), self.start(number + 1)
        segment = self._zone.segment_at(start)
        return end - start == DAY and end <= segment.hi and (start + segment.offset) % DAY == 0


class OnDays:
    """Those of ``occurrences`` from ``low`` to ``high``, both inclusive, that fall on days which ``calendar``
    closes, or, with ``closed`` false, on the others; as :class:`~rez_agent.domain.due.Times`."""

    __slots__ = ("_calendar", "_closed", "_days", "_high", "_low", "_times")

    def __init__(
        self, occurrences: Occurrences, calendar: Calendar, *, closed: bool, low: int, high: int
    ) -> None:
        self._times = occurrences
        self._calendar = calendar
        self._days = LocalDays(occurrences.expression.zone)
        self._closed = closed
        self._low = low
        self._high = high

    def next_epoch(self, after: int) -> int | None:
        """The first one strictly after ``after``."""
        found = self._times.next_epoch(max(after, self._low - 1))
        while found is not None and found <= self._high:
            day = self._days.of(found)
            if self._wanted(day):
                return found
            while not self._wanted(day) and self._days.start(day) <= self._high:
                day += 1
            found = self._times.next_epoch(self._days.start(day) - 1)
        return None

    def previous_epoch(self, before: int) -> int | None:
        """The last one strictly before ``before``."""
        found = self._times.previous_epoch(min(before, self._high + 1))
        while found is not None and found >= self._low:
            day = self._days.of(found)
            if self._wanted(day):
                return found
            while not self._wanted(day) and self._days.start(day) > self._low:
                day -= 1
            if not self._wanted(day):
                return None
            found = self._times.previous_epoch(self._days.start(day + 1))
        return None

    def count_epochs(self, after: int, until: int) -> int:
        """How many lie in ``(after, until]``. Costs a few look-ups a day that has any."""
        total, until = 0, min(until, self._high)
        found = self.next_epoch(after)
        while found is not None and found <= until:
            last = min(self._days.start(self._days.of(found) + 1) - 1, until)
            total += self._times.count_epochs(found - 1, last)
            found = self.next_epoch(last)
        return total

    def _wanted(self, day: int) -> bool:
        return self._calendar.is_closed(day) is self._closed


class MovedOccurrences(Occurrences):
    """The occurrences of ``nominal``, those on days that ``calendar`` closes moved to the next open day, or,
    with ``forward`` false, to the previous one. Bounds hold for the times before they are moved."""

    __slots__ = ("_calendar", "_days", "_forward", "_moved", "nominal")

    def __init__(self, nominal: Occurrences, calendar: Calendar, *, forward: bool) -> None:
        self.expression = nominal.expression
        self.nominal = nominal
        self._calendar = calendar
        self._days = LocalDays(nominal.expression.zone)
        self._forward = forward
        self._moved: dict[int, tuple[int, ...]] = {}

    def next_after(self, instant: datetime) -> datetime | None:
        """The first occurrence strictly after ``instant``; None where no more follow."""
        found = self.next_epoch(to_seconds(instant))
        return None if found is None else datetime.fromtimestamp(found, UTC)

    def next_epoch(self, after: int) -> int | None:
        """:meth:`next_after` in whole seconds."""
        after = max(after, EARLIEST)
        if after > LATEST:
            return None
        today = self._days.of(after)
        days = {today, today + 1, self._lands(today)}
        following = self.nominal.next_epoch(after if self._forward else self._before_later(today))
        if following is not None:
            days.add(self._lands(self._days.of(following)))
        firsts = (self._first(day, after) for day in days if day >= today)
        return min((first for first in firsts if first is not None), default=None)

    def previous_epoch(self, before: int) -> int | None:
        """:meth:`previous_before` in whole seconds."""
        before = min(before, LATEST + DAY)
        if before <= EARLIEST:
            return None
        today = self._days.of(before)
        days = {today, today - 1, self._lands(today)}
        preceding = self.nominal.previous_epoch(self._after_earlier(today) if self._forward else before)
        if preceding is not None:
            days.add(self._lands(self._days.of(preceding)))
        lasts = (self._last(day, before) for day in days if day <= today)
        return max((last for last in lasts if last is not None), default=None)

    def count_epochs(self, after: int, until: int) -> int:
        """How many lie in ``(after, until]``: exact. Costs a few look-ups a day that has any."""
        total, found = 0, self.next_epoch(after)
        while found is not None and found <= until:
            day = self._days.of(found)
            last = min(self._days.start(day + 1) - 1, until)
            total += self.nominal.count_epochs(found - 1, last)
            moved = self._moved_to(day)
            within = moved[bisect_left(moved, found) : bisect_right(moved, last)]
            total += sum(not self._is_nominal(instant) for instant in within)
            found = self.next_epoch(last)
        return total

    def moved_from(self, instant: int) -> list[int]:
        """The occurrences of the expression that were moved to ``instant``, in order; none where it is only
        one of them itself."""
        day = self._days.of(instant)
        return sorted(each for each, landed in self._movements(day) if landed == instant)

    def moved_to(self, instant: int) -> int:
        """Where an occurrence of the expression is moved; ``instant`` itself where it stays."""
        day = self._days.of(instant)
        lands = self._lands(day)
        return instant if lands == day else self._days.at(lands, self._days.wall(instant))

    # --- days ---

    def _lands(self, day: int) -> int:
        """The day to which what falls on ``day`` is moved."""
        if not self._calendar.is_closed(day):
            return day
        found = self._calendar.next_open(day) if self._forward else self._calendar.previous_open(day)
        return day if found is None else found

    def _before_later(self, today: int) -> int:
        """The end of the last day, from ``today`` on, of which everything lands on ``today`` or before."""
        day = today + 1
        while self._lands(day) <= today:
            day += 1
        return self._days.start(day) - 1

    def _after_earlier(self, today: int) -> int:
        """The end of the last day of which everything lands before ``today``."""
        day = today - 1
        while self._lands(day) >= today:
            day -= 1
        return self._days.start(day + 1)

    def _sources(self, day: int) -> Iterator[int]:
        """The closed days of which everything is moved to ``day``."""
        if self._calendar.is_closed(day):
            return
        step = -1 if self._forward else 1
        for distance in range(1, MOVED_AT_MOST + 1):
            source = day + step * distance
            if not self._calendar.is_closed(source):
                return
            yield source

    # --- instants of a day ---

    def _first(self, day: int, after: int) -> int | None:
        """The first instant on ``day`` that is later than ``after``."""
        moved = self._moved_to(day)
        place = bisect_right(moved, after)
        found = moved[place] if place < len(moved) else None
        if self._lands(day) == day:
            own = self.nominal.next_epoch(max(after, self._days.start(day) - 1))
            if own is not None and own < self._days.start(day + 1) and (found is None or own < found):
                return own
        return found

    def _last(self, day: int, before: int) -> int | None:
        """The last instant on ``day`` that is earlier than ``before``."""
        moved = self._moved_to(day)
        place = bisect_left(moved, before)
        found = moved[place - 1] if place else None
        if self._lands(day) == day:
            own = self.nominal.previous_epoch(min(before, self._days.start(day + 1)))
            if own is not None and own >= self._days.start(day) and (found is None or own > found):
                return own
        return found

    def _moved_to(self, day: int) -> tuple[int, ...]:
        """The instants on ``day`` to which something was moved, in order."""
        found = self._moved.get(day)
        if found is None:
            if len(self._moved) >= REMEMBERED:
                self._moved = {}
            found = self._moved[day] = tuple(sorted({landed for _, landed in self._movements(day)}))
        return found

    def _movements(self, day: int) -> Iterator[tuple[int, int]]:
        """What is moved to ``day``: from where, and to where. Between steady days that is a plain shift."""
        steady = self._days.is_steady(day)
        for source in self._sources(day):
            start, end = self._days.start(source), self._days.start(source + 1)
            shift = self._days.start(day) - start if steady and self._days.is_steady(source) else None
            due = self.nominal.next_epoch(start - 1)
            while due is not None and due < end:
                yield due, due + shift if shift is not None else self._days.at(day, self._days.wall(due))
                due = self.nominal.next_epoch(due)

    def _is_nominal(self, instant: int) -> bool:
        return self.nominal.next_epoch(instant - 1) == instant


def calendar_note(occurrences: Occurrences, calendar: Calendar, instant: int) -> str | None:
    """For people, where the calendar matters to an occurrence: it is skipped, or was moved here."""
    closed = closed_sentence(occurrences, calendar, instant)
    if closed is not None:
        return f"{closed}; it is skipped"
    origins = origins_of(occurrences, instant)
    if not origins:
        return None
    first = closed_sentence(occurrences, calendar, origins[0])
    more = f", and {len(origins) - 1} more" if len(origins) > 1 else ""
    return f"moved here: {first}{more}"


def origins_of(occurrences: Occurrences, instant: int) -> list[int]:
    """The occurrences of the expression that a calendar moved to ``instant`` from elsewhere, in order."""
    if not isinstance(occurrences, MovedOccurrences):
        return []
    return [each for each in occurrences.moved_from(instant) if each != instant]


def closed_sentence(occurrences: Occurrences, calendar: Calendar, instant: int) -> str | None:
    """That the day of an instant is closed, and why; None where it is open."""
    return calendar.sentence(date_of(LocalDays(occurrences.expression.zone).of(instant)))
