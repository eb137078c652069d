"""The worker: leases what may start, runs it, records how it ended.

One turn is one transaction: the ends since the last turn are recorded and new work is leased. Between turns
actions run concurrently, bounded in all and per target, so a slow target holds up nobody else.

Crash: see ``queue.py``; whatever was running is queued again at the next start, with the same key.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from rez_agent.domain.action import Outcome
from rez_agent.domain.instants import to_ms
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.queue import Claim, claim, conclude
from rez_agent.ports import Actions, Claimed, Clock, Concluded, Random
from rez_agent.usecases.processing import conclude as concluded_from
from rez_agent.usecases.processing import conclude_cancelled, hand_back

LINGER_SECONDS = 0.004
"""Ends that come within so short a time share a transaction."""

LONGEST_WAIT_SECONDS = 1.0
AFTER_FAILURE_SECONDS = 0.5
"""Between two turns when the database refuses to be written."""

log = structlog.get_logger()

Write = Callable[[Callable[[LocalPorts], Claim]], Awaitable[Claim]]


class Observer(Protocol):
    """What wants to know of attempts: the metrics."""

    def began(self, claimed: Claimed, now: datetime) -> None:
        """An attempt is about to start."""

    def ended(self, concluded: Concluded) -> None:
        """An attempt has ended."""


@dataclass(slots=True)
class Running:
    """An attempt under way. ``shift`` is how far the wall clock was stepped since it was leased."""

    claimed: Claimed
    task: asyncio.Task[None] | None = None
    begun: bool = False
    cancelled: bool = False
    shift: timedelta = timedelta(0)


class Worker:
    """Runs executions. All methods belong to the event loop's thread; :meth:`turn` runs in the writer."""

    def __init__(
        self,
        write: Write,
        *,
        actions: Actions,
        clock: Clock,
        random: Random,
        concurrency: int,
        target_concurrency: int,
        observer: Observer,
    ) -> None:
        self._write = write
        self._actions = actions
        self._clock = clock
        self._random = random
        self._concurrency = concurrency
        self._target_concurrency = target_concurrency
        self._observer = observer
        self._running: dict[str, Running] = {}
        self._busy: Counter[str] = Counter()
        self._ended: list[Concluded] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._after = ""
        self._cancelled_before_start: set[str] = set()
        self._loop: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._running)

    def look(self) -> None:
        """Something may have been queued."""
        self._wake.set()

    def cancel(self, execution_id: str) -> None:
        """Stop a running attempt; it ends as cancelled, unless it has ended already."""
        running = self._running.get(execution_id)
        if running is None:
            self._cancelled_before_start.add(execution_id)
            return
        running.cancelled = True
        if running.begun and running.task is not None:
            running.task.cancel()

    def clock_stepped(self, by: timedelta) -> None:
        """The wall clock was stepped: what is under way keeps the time it had left."""
        for running in self._running.values():
            running.shift += by

    def start(self) -> None:
        """Begin to work."""
        self._loop = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._stopping:
            claimed = await self._take_turn()
            if claimed.claimed:
                await asyncio.sleep(LINGER_SECONDS if self.running >= self._concurrency // 2 else 0)
                continue
            await self._wait(claimed.look_again)

    async def stop(self, grace: float) -> None:
        """Take no more work; give what runs ``grace`` seconds to end, then hand the rest back, and record."""
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        tasks = [running.task for running in self._running.values() if running.task is not None]
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=grace)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._take_turn()

    async def _take_turn(self) -> Claim:
        """Record the ends and lease new work, in one transaction; start what was leased."""
        self._wake.clear()
        ended, self._ended = self._ended, []
        capacity = 0 if self._stopping else self._concurrency - self.running
        if not ended and capacity <= 0:
            return Claim([])
        busy = dict(self._busy)
        try:
            taken = await self._write(lambda ports: self._turn(ports, ended, capacity, busy))
        except Exception as error:  # noqa: BLE001 - the database is full or gone: keep what ended, try again
            log.error("turn_failed", action="turn_failed", error=str(error))
            self._ended = ended + self._ended
            await asyncio.sleep(AFTER_FAILURE_SECONDS)
            return Claim([])
        for claimed in taken.claimed:
            self._start(claimed)
        self._cancelled_before_start.clear()
        return taken

    def _turn(self, ports: LocalPorts, ended: list[Concluded], capacity: int, busy: dict[str, int]) -> Claim:
        conclude(ports.connection, ended)
        if capacity <= 0:
            return Claim([])
        limit = self._target_concurrency
        taken = claim(
            ports.connection,
            ports.clock.now(),
            capacity,
            lambda target: limit - busy.get(target, 0),
            after=self._after,
        )
        self._after = taken.continue_after
        return taken

    def _start(self, claimed: Claimed) -> None:
        running = Running(claimed, cancelled=claimed.work.execution_id in self._cancelled_before_start)
        self._running[claimed.work.execution_id] = running
        self._busy[claimed.target] += 1
        running.task = asyncio.create_task(self._attempt(running))

    async def _attempt(self, running: Running) -> None:
        claimed = running.claimed
        begun, started_at = self._clock.monotonic(), self._clock.now()
        self._observer.began(claimed, started_at)
        outcome: Outcome | None = None
        running.begun = True
        try:
            if not running.cancelled:
                outcome = await self._actions.run(claimed.work)
        except asyncio.CancelledError:
            pass  # told apart below: somebody cancelled it, or the server is stopping
        except Exception as error:  # an action's own fault must not cost the execution its end
            log.exception("action_failed", action="action_failed", execution_id=claimed.work.execution_id)
            outcome = Outcome(
                ok=False, code="internal_error", error=f"the action failed: {type(error).__name__}"
            )
        elapsed = timedelta(seconds=self._clock.monotonic() - begun)
        self._end(running, outcome, elapsed)

    def _end(self, running: Running, outcome: Outcome | None, elapsed: timedelta) -> None:
        claimed = replace(running.claimed, expires_at=running.claimed.expires_at + running.shift)
        now = self._clock.now()
        times = {"started_at": now - elapsed, "finished_at": now}
        if outcome is not None:
            concluded = concluded_from(claimed, outcome, draw=self._random.draw(), **times)
        elif running.cancelled:
            concluded = conclude_cancelled(claimed, **times)
        else:
            concluded = hand_back(claimed, **times)
        del self._running[claimed.work.execution_id]
        self._busy[claimed.target] -= 1
        if not self._busy[claimed.target]:
            del self._busy[claimed.target]
        self._ended.append(concluded)
        self._observer.ended(concluded)
        self._wake.set()

    async def _wait(self, look_again: int | None) -> None:
        """Until something is queued or ends, the next retry is due, or a second has passed."""
        seconds = LONGEST_WAIT_SECONDS
        if look_again is not None:
            seconds = min(seconds, max(0.0, (look_again - to_ms(self._clock.now())) / 1000))
        if self._ended and not self._wake.is_set():
            seconds = min(seconds, LINGER_SECONDS)
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
        if self.running > 1:
            await asyncio.sleep(LINGER_SECONDS)
