"""Steps of the wall clock, noticed before anything acts by it.

The wall clock and the monotonic one advance together, unless somebody sets the wall clock or the machine
sleeps. The writer looks at both at the beginning of every transaction, so that no lease runs out, no retry
starts and nothing expires because of a step: what waits or runs keeps the time it had left. What fell due in
a step forward goes through catch-up like any outage; a step back fires nothing twice, since a schedule's
cursor only moves forward.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rez_agent.ports import Clock

STEP = timedelta(seconds=2)
"""The two clocks may part by less than this between two looks without the wall clock being called stepped."""

LONGEST_READING_SECONDS = 0.5
NO_STEP = timedelta(0)


Reading = tuple[datetime, float]
"""The wall clock and the monotonic one, at one moment."""


class StepWatch:
    """Compares the clocks since it was last told that a look had been :meth:`settled`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settled = self._seen = both(clock)

    def look(self) -> tuple[datetime, timedelta]:
        """The wall clock, and how far it was stepped; zero when it was not."""
        self._seen = both(self._clock)
        return self._seen[0], step_between(self._settled, self._seen)

    def settled(self) -> None:
        """What followed from the last look is durable."""
        self._settled = self._seen


def both(clock: Clock) -> Reading:
    """Both clocks; read again where the thread was held up in between."""
    while True:
        before, now, after = clock.monotonic(), clock.now(), clock.monotonic()
        if after - before < LONGEST_READING_SECONDS:
            return now, after


def step_between(before: Reading, after: Reading) -> timedelta:
    """How far the wall clock was stepped between two readings of both clocks; zero when it was not."""
    step = (after[0] - before[0]) - timedelta(seconds=after[1] - before[1])
    return step if abs(step) >= STEP else NO_STEP
