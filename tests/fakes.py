"""The few fakes: time, chance and actions. Time and chance pass the contracts of their ports."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random as Generator
from typing import Any

from rez_agent.actions.cel import problems_with
from rez_agent.actions.judging import Judge
from rez_agent.clock import encoded
from rez_agent.domain.action import Offered, Outcome, Work
from rez_agent.domain.condition import Condition, Verdict, outcome_of
from rez_agent.domain.errors import Problem
from rez_agent.domain.instants import to_ms
from rez_agent.domain.schedule import Schedule, ScheduleDefinition

NOON = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
"""A Monday."""

OK = Outcome(ok=True, response_status=200)
FAILED = Outcome(ok=False, code="status", error="the target answered 503", response_status=503)
REFUSED = Outcome(ok=False, code="status", error="the target answered 404", permanent=True)


JUDGE = Judge()
"""Judges conditions as the hosts do; its process ends with the tests'."""


def judged(work: Work, outcome: Outcome = OK) -> Outcome:
    """``outcome``, unless the work's condition says no."""
    if work.condition is None:
        return outcome
    return outcome_of(asyncio.run(JUDGE.judge(work.condition))) or outcome


class FakeClock:
    """A clock that moves only when it is told to."""

    def __init__(self, now: datetime = NOON) -> None:
        self._both = (now, 1_000.0)  # set together: other threads read it

    def now(self) -> datetime:
        """The wall clock."""
        return self._both[0]

    def monotonic(self) -> float:
        """Seconds that never run back."""
        return self._both[1]

    def advance(self, **span: float) -> datetime:
        """Time passes, on both clocks: ``advance(seconds=5)``. The wall clock then."""
        (now, monotonic), passed = self._both, timedelta(**span)
        self._both = (now + passed, monotonic + passed.total_seconds())
        return self.now()

    def advance_to(self, instant: datetime) -> datetime:
        """Time passes until ``instant``."""
        return self.advance(seconds=(instant - self.now()).total_seconds())

    def step(self, **span: float) -> datetime:
        """Somebody sets the wall clock, forward or back; no time passes."""
        now, monotonic = self._both
        self._both = (now + timedelta(**span), monotonic)
        return self.now()


class FakeRandom:
    """Chance from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self._generator = Generator(seed)

    def draw(self) -> float:
        """A number in [0, 1)."""
        return self._generator.random()

    def new_id(self, prefix: str, now: datetime) -> str:
        """An id like the real ones."""
        return f"{prefix}_{encoded(to_ms(now), self._generator.getrandbits(80))}"


class ScriptedActions:
    """Actions that do as they are told.

    A payload ``{"target": "slow"}`` names its target; one with ``bad``, or with a channel that is
    :attr:`refused`, is refused by :meth:`check`. An
    attempt's outcome is the next one scripted for its target, else :data:`OK`. Attempts at a target in
    :attr:`gates` wait for its event first.
    """

    def __init__(self) -> None:
        self.script: defaultdict[str, deque[Outcome | Exception]] = defaultdict(deque)
        self.gates: dict[str, asyncio.Event] = {}
        self.works: list[Work] = []
        self.checked = 0
        self.refused: set[str] = set()
        self._begun: asyncio.Queue[Work] = asyncio.Queue()

    def check(self, target_type: str, payload: Mapping[str, Any]) -> list[Problem]:
        """Refuses ``bad``."""
        self.checked += 1
        if payload.get("channel") in self.refused:
            return [Problem("unknown_channel", "There is no such channel.", "/channel")]
        return [Problem("invalid_payload", "'bad' is bad. Leave it out.", "/bad")] if "bad" in payload else []

    def target(self, target_type: str, payload: Mapping[str, Any]) -> str:
        """What the payload says."""
        return str(payload.get("target", "target"))

    def offered(self) -> Offered:
        """Nothing has a name."""
        return Offered()

    def check_condition(self, condition: str, payload: Mapping[str, Any]) -> list[Problem]:
        """As every host does."""
        return problems_with(condition, payload)

    async def judge(self, condition: Condition) -> Verdict:
        """As every host does."""
        return await JUDGE.judge(condition)

    async def run(self, work: Work) -> Outcome:
        """One attempt, as scripted, unless its condition says no."""
        unmade = None if work.condition is None else outcome_of(await self.judge(work.condition))
        return await self._attempt(work) if unmade is None else unmade

    async def _attempt(self, work: Work) -> Outcome:
        target = self.target(work.target_type, work.payload)
        self.works.append(work)
        self._begun.put_nowait(work)
        if target in self.gates:
            await self.gates[target].wait()
        outcome = self.script[target].popleft() if self.script[target] else OK
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def next_begun(self) -> Work:
        """The next attempt that began, once it has."""
        async with asyncio.timeout(10):
            return await self._begun.get()


class ParticularEngine:
    """An engine that keeps no time, and can't keep time for the expressions that it is given."""

    def __init__(self, *unsupported: str) -> None:
        self._unsupported = unsupported

    def check(self, definition: ScheduleDefinition) -> list[Problem]:
        """Refuses those."""
        if definition.schedule_expression not in self._unsupported:
            return []
        return [Problem("unsupported_by_engine", "Write it otherwise.", "/schedule_expression")]

    def settle(self, schedule: Schedule, now: datetime) -> Schedule:
        """Nothing is ever due."""
        return schedule

    def arm(self, schedule: Schedule) -> None:
        """Nothing."""

    def disarm(self, schedule_id: str) -> None:
        """Nothing."""
