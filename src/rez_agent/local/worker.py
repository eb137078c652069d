"""The worker: leases what may start, runs it, records how it ended.

One turn is one transaction: the ends since the last turn are recorded and new work is leased. Between turns
actions run concurrently, bounded in all and per target, so a slow target holds up nobody else. For a target
that answers quickly more is leased than may run, in proportion to what ended since the last turn, so that
its slots never wait for a transaction; a slow one gets nothing ahead of time.

Crash: see ``queue.py``; whatever was leased is queued again at the next start, with the same key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from rez_agent.domain.action import Outcome
from rez_agent.domain.instants import to_ms
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.queue import Claim, claim, conclude, put_back
from rez_agent.local.steps import Reading, both, step_between
from rez_agent.ports import Actions, Claimed, Clock, Concluded, Random
from rez_agent.usecases.processing import conclude as concluded_from
from rez_agent.usecases.processing import conclude_cancelled, hand_back

LINGER_SECONDS = 0.012
"""Ends that come within so short a time share a transaction."""

AHEAD = 5
"""For each attempt that ended since the last turn, so many may be leased beyond the free slots; and at most
so many times the slots that there are."""

WAITS_AT_MOST_SECONDS = 300.0
"""For a slot, once it is leased: the lease then still outlasts the longest action (15 minutes)."""

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
class Leased:
    """An execution that was leased: waiting for a slot until ``task`` runs it. ``since`` is when, by
    both clocks."""

    claimed: Claimed
    since: Reading
    task: asyncio.Task[None] | None = None
    cancelled: bool = False


@dataclass(slots=True)
class Lane:
    """One target's work: what waits for a slot, how many slots are taken, and how many attempts ended since
    the last turn."""

    waiting: deque[Leased]
    slots: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """How many executions may be leased: in all, and for each target (``limit`` less what is taken)."""

    all: int
    limit: int
    taken: dict[str, int]

    def for_target(self, target: str) -> int:
        """How many of one target."""
        return self.limit - self.taken.get(target, 0)


class Worker:
    """Runs executions. All methods belong to the event loop's thread; :meth:`_turn` runs in the writer."""

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
        self._leased: dict[str, Leased] = {}
        self._lanes: dict[str, Lane] = {}
        self._hungry: deque[Lane] = deque()
        self._slots: set[asyncio.Task[None]] = set()
        self._ended: list[Concluded] = []
        self._stale: list[Claimed] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._after = ""
        self._cancelled_before_lease: set[str] = set()
        self._loop: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._slots)

    def look(self) -> None:
        """Something may have been queued."""
        self._wake.set()

    def cancel(self, execution_id: str) -> None:
        """Stop a leased execution; it ends as cancelled, unless it has ended already."""
        leased = self._leased.get(execution_id)
        if leased is None:
            self._cancelled_before_lease.add(execution_id)
            return
        leased.cancelled = True
        if leased.task is not None:
            leased.task.cancel()

    def start(self) -> None:
        """Begin to work."""
        self._loop = asyncio.create_task(self._run())

    async def stop(self, grace: float) -> None:
        """Take no more work; give what runs ``grace`` seconds to end, then hand the rest back, and record."""
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        unstarted = [leased for lane in self._lanes.values() for leased in lane.waiting]
        for lane in self._lanes.values():
            lane.waiting.clear()
        if self._slots:
            _, unfinished = await asyncio.wait(self._slots, timeout=grace)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        await self._record_last(unstarted)

    async def _record_last(self, unstarted: list[Leased]) -> None:
        ended, leases = self._ended, [*self._stale, *(leased.claimed for leased in unstarted)]

        def record(ports: LocalPorts) -> Claim:
            conclude(ports.connection, ended)
            put_back(ports.connection, leases, ports.clock.now())
            return Claim([])

        try:
            await self._write(record)
        except Exception as error:  # noqa: BLE001 - the next start takes back what could not be recorded
            log.error("ends_not_recorded", action="ends_not_recorded", error=str(error))  # noqa: TRY400

    async def _run(self) -> None:
        while not self._stopping:
            taken = await self._take_turn()
            if taken.claimed and not self._ended:
                await asyncio.sleep(0)
            if not taken.claimed or not self._ended:
                await self._wait(taken.look_again)

    async def _take_turn(self) -> Claim:
        """Record the ends and lease new work, in one transaction; start what was leased."""
        self._wake.clear()
        ended, self._ended = self._ended, []
        stale, self._stale = self._stale, []
        room = self._room()
        if not ended and not stale and room.all <= 0:
            return Claim([])
        self._begin_count()
        try:
            taken = await self._write(lambda ports: self._turn(ports, ended, stale, room))
        except Exception as error:  # noqa: BLE001 - the database is full or gone: keep what ended, try again
            log.error("turn_failed", action="turn_failed", error=str(error))  # noqa: TRY400
            self._ended, self._stale = ended + self._ended, stale + self._stale
            await asyncio.sleep(AFTER_FAILURE_SECONDS)
            return Claim([])
        since = both(self._clock)
        for claimed in taken.claimed:
            self._accept(claimed, since)
        self._cancelled_before_lease.clear()
        return taken

    def _begin_count(self) -> None:
        """Count ends anew; a lane without work is forgotten once its last ends have been counted."""
        for target, lane in list(self._lanes.items()):
            lane.ended = 0
            if not lane.slots and not lane.waiting:
                del self._lanes[target]

    def _room(self) -> Room:
        """How much may be leased now."""
        if self._stopping:
            return Room(0, 0, {})
        limit = self._target_concurrency
        ended = sum(lane.ended for lane in self._lanes.values())
        ahead = AHEAD * min(self._concurrency, ended)
        taken = {
            target: lane.slots + len(lane.waiting) - AHEAD * min(limit, lane.ended)
            for target, lane in self._lanes.items()
        }
        return Room(self._concurrency - len(self._leased) + ahead, limit, taken)

    def _turn(self, ports: LocalPorts, ended: list[Concluded], stale: list[Claimed], room: Room) -> Claim:
        conclude(ports.connection, ended)
        if stale:
            put_back(ports.connection, stale, ports.clock.now())
        if room.all <= 0:
            return Claim([])
        taken = claim(ports.connection, ports.clock.now(), room.all, room.for_target, after=self._after)
        self._after = taken.continue_after
        ports.signals.endings += taken.endings
        return taken

    def _accept(self, claimed: Claimed, since: Reading) -> None:
        """Give an execution that was leased ``since`` a slot, or let it wait for one."""
        execution_id = claimed.work.execution_id
        leased = Leased(claimed, since, cancelled=execution_id in self._cancelled_before_lease)
        self._leased[execution_id] = leased
        lane = self._lanes.setdefault(claimed.target, Lane(deque()))
        lane.waiting.append(leased)
        if lane.slots >= self._target_concurrency:
            return  # the lane's own slots come to it
        if len(self._slots) >= self._concurrency:
            self._hungry.append(lane)
            return
        lane.slots += 1
        self._slots.add(asyncio.create_task(self._fill_slot(lane)))

    async def _fill_slot(self, first: Lane) -> None:
        """Run a lane's executions one after the other while any wait, then those of a lane that lacks a
        slot; then free the slot."""
        slot = asyncio.current_task()
        assert slot is not None
        lane: Lane | None = first
        while lane is not None:
            while lane.waiting:
                leased = lane.waiting.popleft()
                leased.task = slot
                await self._attempt(leased, lane)
            lane.slots -= 1
            lane = self._next_hungry()
        self._slots.discard(slot)

    def _next_hungry(self) -> Lane | None:
        """A lane whose work waits for want of a slot; the slot is counted as its own."""
        while self._hungry:
            lane = self._hungry.popleft()
            if lane.waiting and lane.slots < self._target_concurrency:
                lane.slots += 1
                return lane
        return None

    async def _attempt(self, leased: Leased, lane: Lane) -> None:
        claimed = leased.claimed
        begun, started_at = self._clock.monotonic(), self._clock.now()
        if started_at > claimed.expires_at or begun - leased.since[1] > WAITS_AT_MOST_SECONDS:
            self._give_back(leased)
            return
        self._observer.began(claimed, started_at)
        outcome: Outcome | None = None
        try:
            if not leased.cancelled:
                outcome = await self._actions.run(claimed.work)
        except asyncio.CancelledError:
            if leased.task is not None:
                leased.task.uncancel()  # the slot lives on; why it was cancelled is told apart below
        except Exception as error:  # an action's own fault must not cost the execution its end
            log.exception("action_failed", action="action_failed", execution_id=claimed.work.execution_id)
            outcome = Outcome(
                ok=False, code="internal_error", error=f"the action failed: {type(error).__name__}"
            )
        lane.ended += 1
        self._end(leased, outcome, begun)

    def _give_back(self, leased: Leased) -> None:
        """It waited too long for a slot: its lease would run out under way, or it is too old by now. The next
        turn puts it back into the queue, where that is decided."""
        del self._leased[leased.claimed.work.execution_id]
        self._stale.append(leased.claimed)
        self._wake.set()

    def _end(self, leased: Leased, outcome: Outcome | None, begun: float) -> None:
        """Conclude an attempt that began at ``begun`` (monotonic)."""
        claimed = leased.claimed
        ended = both(self._clock)
        now, step = ended[0], step_between(leased.since, ended)
        if step:  # it keeps the time it had left
            claimed = replace(claimed, expires_at=claimed.expires_at + step)
        started_at = now - timedelta(seconds=ended[1] - begun)
        if outcome is not None:
            draw = self._random.draw()
            concluded = concluded_from(claimed, outcome, started_at=started_at, finished_at=now, draw=draw)
        elif leased.cancelled:
            concluded = conclude_cancelled(claimed, started_at=started_at, finished_at=now)
        else:
            concluded = hand_back(claimed, started_at=started_at, finished_at=now)
        del self._leased[claimed.work.execution_id]
        self._ended.append(concluded)
        self._observer.ended(concluded)
        if not self._wake.is_set():
            self._wake.set()

    async def _wait(self, look_again: int | None) -> None:
        """Until something is queued or ends, the next retry is due, or a second has passed."""
        seconds = LONGEST_WAIT_SECONDS
        if look_again is not None:
            seconds = min(seconds, max(0.0, (look_again - to_ms(self._clock.now())) / 1000))
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        if len(self._slots) > 1 and not any(lane.waiting for lane in self._lanes.values()):
            await asyncio.sleep(LINGER_SECONDS)
