"""The load to come: how many executions start in each minute, as things stand and under a flexible window.

A :class:`Tally` takes schedules one by one and keeps two counts a minute and a bounded table of what was not
counted yet, however many schedules there are. Schedules that are due in the same minutes are counted once and
multiplied: a rate's grid is moved to the whole minute and an old anchor to the first minute that matters,
which changes no minute in which it is due.

A flexible window draws a moment of its own for each execution, evenly. So an occurrence under a window of W
minutes counts as 1/W of an execution in each of the W minutes from its own on: what is expected, to within a
minute. What was due before the first minute and has its window reach into it is part of the load.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from operator import add, sub

from rez_agent.domain.expression import Expression
from rez_agent.domain.grammar import At, Rate
from rez_agent.domain.week import Times

MINUTE = 60
LONGEST_WINDOW = 1_440
"""Minutes: the longest flexible window there is, and so how far back the load of a minute may come from."""

PATTERNS_AT_ONCE = 20_000
"""Patterns that are kept before they are counted: bounds the memory of a tally."""


@dataclass(frozen=True, slots=True)
class Load:
    """What of a schedule tells when it loads what. Instants are whole seconds since 1970-01-01T00:00:00Z.

    A rate without ``start`` is counted from ``created``. ``start`` and ``end`` are inclusive, and an ``at``
    heeds neither. Nothing is counted before ``since``: its creation, or the end of its pause.
    """

    expression: Expression
    created: int
    since: int
    start: int | None = None
    end: int | None = None
    window_minutes: int = 0


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The minutes in which schedules are due: all that are due in the same ones have the same pattern."""

    expression: Expression
    since: int
    end: int | None
    base: int | None
    window: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """The load of ``minutes`` minutes from ``begins`` on (a whole minute, in seconds since 1970).

    ``due`` counts the occurrences of schedules without a window, from :data:`LONGEST_WINDOW` minutes before
    ``begins``; ``spread`` is the load of those with a window of their own, which they keep.
    """

    begins: int
    minutes: int
    due: array[int]
    spread: array[float]

    def as_it_stands(self) -> array[float]:
        """Executions that start in each minute."""
        return array("d", map(add, self.due[LONGEST_WINDOW:], self.spread))

    def under_window(self, window: int) -> array[float]:
        """The same if every schedule without a window had one of ``window`` minutes, 0 to 1,440."""
        if window == 0:
            return self.as_it_stands()
        started = array("q", accumulate(self.due, initial=0))
        return self._rolled(started, window)

    def peak(self, window: int = 0) -> float:
        """The most that start in one minute."""
        return max(self.under_window(window), default=0.0)

    def halving_window(self) -> int | None:
        """The shortest window, in minutes, under which the peak is at most half of what it is. None where no
        window does that: the load is even already, or comes from schedules with windows of their own."""
        goal = self.peak() / 2
        if goal == 0:
            return None
        started = array("q", accumulate(self.due, initial=0))
        for window in range(2, LONGEST_WINDOW + 1):
            if self._highest(started, window) <= goal:
                return window
        return None

    def _rolled(self, started: array[int], window: int) -> array[float]:
        """Each minute's share of the ``window`` minutes up to it."""
        rolling = self._rolling(started, window)
        return array("d", (due / window + own for due, own in zip(rolling, self.spread, strict=True)))

    def _highest(self, started: array[int], window: int) -> float:
        """The largest of them, in the quickest way: it is asked for a thousand windows."""
        if any(self.spread):
            return max(self._rolled(started, window))
        return max(self._rolling(started, window)) / window

    def _rolling(self, started: array[int], window: int) -> Iterable[int]:
        """What is due in the ``window`` minutes up to each; ``started`` adds up ``due``."""
        newest = started[LONGEST_WINDOW + 1 :]
        oldest = started[LONGEST_WINDOW + 1 - window : len(started) - window]
        return map(sub, newest, oldest)


class Tally:
    """Counts schedules into minutes. Not for two threads at once."""

    def __init__(self, begins: int, minutes: int) -> None:
        """``begins`` is cut to its whole minute."""
        self._begins = begins - begins % MINUTE
        self._minutes = minutes
        self._low = self._begins - LONGEST_WINDOW * MINUTE
        self._until = self._begins + minutes * MINUTE
        self._due = array("q", bytes(8 * (LONGEST_WINDOW + minutes)))
        self._steps = array("d", bytes(8 * (LONGEST_WINDOW + minutes + 1)))
        self._waiting: dict[_Pattern, int] = {}

    def add(self, load: Load) -> bool:
        """Count a schedule that can fire; one that is paused for good, or in error, is not for here. Whether
        it is due in other minutes than all before it, so that counting visits its occurrences too."""
        pattern = self._pattern(load)
        others = self._waiting.get(pattern, 0)
        self._waiting[pattern] = others + 1
        if len(self._waiting) >= PATTERNS_AT_ONCE:
            self._count()
        return others == 0

    def add_times(self, times: Times, *, since: int, window_minutes: int = 0) -> int:
        """Count the occurrences themselves, from ``since`` on, of a schedule whose expression alone does not
        tell them; how many were visited."""
        visited = 0
        due = times.next_epoch(max(self._low, since) - 1)
        while due is not None and due < self._until:
            self._mark((due - self._low) // MINUTE, 1, window_minutes)
            visited += 1
            due = times.next_epoch(due)
        return visited

    def forecast(self) -> Forecast:
        """What was counted so far."""
        self._count()
        spread = array("d", accumulate(self._steps))[LONGEST_WINDOW : LONGEST_WINDOW + self._minutes]
        cleaned = array("d", (max(0.0, round(share, 9)) for share in spread))
        return Forecast(self._begins, self._minutes, array("q", self._due), cleaned)

    def _pattern(self, load: Load) -> _Pattern:
        meaning = load.expression.meaning
        if isinstance(meaning, Rate):
            return self._rate_pattern(load, meaning.seconds)
        if isinstance(meaning, At):
            return _Pattern(load.expression, max(self._low, load.since), None, None, load.window_minutes)
        since = load.since if load.start is None else max(load.since, load.start)
        return _Pattern(load.expression, self._lower(since), self._upper(load.end), None, load.window_minutes)

    def _rate_pattern(self, load: Load, interval: int) -> _Pattern:
        """On a grid moved to the whole minute, bounds with it; all intervals are whole minutes."""
        base = load.created if load.start is None else load.start
        moved = base % MINUTE
        base -= moved
        if base < self._low:
            base = self._low - (self._low - base) % interval
        since = self._lower(load.since - moved)
        end = self._upper(None if load.end is None else load.end - moved)
        return _Pattern(load.expression, since, end, base, load.window_minutes)

    def _lower(self, since: int) -> int:
        """The first whole minute that counts: cron, and a grid that was moved, are due on whole minutes."""
        return max(self._low, -(-since // MINUTE) * MINUTE)

    def _upper(self, end: int | None) -> int | None:
        return None if end is None or end >= self._until else end // MINUTE * MINUTE

    def _count(self) -> None:
        for pattern, schedules in self._waiting.items():
            timeline, end, base = pattern.expression.timeline, pattern.end, pattern.base
            due = timeline.next_epoch(pattern.since - 1, None, end, base)
            while due is not None and due < self._until:
                self._mark((due - self._low) // MINUTE, schedules, pattern.window)
                due = timeline.next_epoch(due, None, end, base)
        self._waiting.clear()

    def _mark(self, minute: int, schedules: int, window: int) -> None:
        if window == 0:
            self._due[minute] += schedules
            return
        self._steps[minute] += schedules / window
        self._steps[min(minute + window, len(self._steps) - 1)] -= schedules / window
