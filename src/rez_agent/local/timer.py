"""The engine's loop: looks when the next schedule is due, and at least every second.

It waits on a monotonic clock and reads the wall clock anew each time. What becomes of a step of the wall
clock stands in ``steps.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from rez_agent.domain.instants import to_ms
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.engine import Taken, take_due
from rez_agent.ports import Clock

LONGEST_WAIT_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0

log = structlog.get_logger()

Write = Callable[[Callable[[LocalPorts], Taken]], Awaitable[Taken]]


class Timer:
    """Drives the engine. All methods belong to the event loop's thread."""

    def __init__(self, write: Write, clock: Clock, *, on_heartbeat: Callable[[], None]) -> None:
        self._write = write
        self._clock = clock
        self._on_heartbeat = on_heartbeat
        self._wake = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.Task[None] | None = None
        self._next_wake: int | None = None
        self._next_heartbeat = clock.monotonic()
        self.beat = clock.monotonic()
        self.taken = 0

    def start(self) -> None:
        """Begin to keep time."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Keep time no longer; nothing is lost, what is due stays due."""
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            await self._loop

    def wake_by(self, at: int) -> None:
        """A schedule is due at ``at`` (ms): look then, if the next look was to be later."""
        if self._next_wake is None or at < self._next_wake:
            self._next_wake = at
            self._wake.set()

    def lag(self) -> float:
        """Seconds since the engine last looked."""
        return self._clock.monotonic() - self.beat

    async def _run(self) -> None:
        while not self._stopping:
            try:
                more = await self.tick()
            except Exception as error:  # noqa: BLE001 - the loop must outlive a full disk
                log.error("engine_failed", action="engine_failed", error=str(error))  # noqa: TRY400
                more = False
            if not more:
                await self._wait()

    async def tick(self) -> bool:
        """One look: whether more is due at once."""
        self._wake.clear()
        self._next_wake = None  # whatever is armed during this look must be looked at again
        # the time is read in the writer: a step of the clock is heeded there, before anything is decided
        taken = await self._write(lambda ports: take_due(ports, ports.clock.now()))
        self.beat = self._clock.monotonic()
        self.taken += taken.count
        self._next_wake = taken.next_wake
        if self.beat >= self._next_heartbeat:
            self._next_heartbeat = self.beat + HEARTBEAT_SECONDS
            self._on_heartbeat()
        return taken.more

    async def _wait(self) -> None:
        seconds = LONGEST_WAIT_SECONDS
        if self._next_wake is not None:
            until = (self._next_wake - to_ms(self._clock.now())) / 1000
            seconds = min(seconds, max(0.0, until))
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
