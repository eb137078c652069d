"""The targets: what they were called for, when, and what they answered. The Actions port."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from rez_agent.domain.action import Offered, Outcome, Work
from rez_agent.domain.condition import Condition, Verdict
from rez_agent.domain.errors import Problem
from tests.simulation.loop import Time


@dataclass(frozen=True, slots=True)
class Manners:
    """How a target behaves: seconds until it answers, and how often it answers what. The rest is success."""

    quickest: float
    slowest: float
    fails: float = 0.0
    refuses: float = 0.0
    throttles: float = 0.0
    breaks: float = 0.0


@dataclass(slots=True)
class Call:
    """One call that a target received. ``ended`` is None while it is under way; ``outcome`` is None where
    nobody waited for it, since the process had died or the call was cancelled. ``life`` counts processes."""

    key: str
    schedule_id: str
    target: str
    nominal: datetime
    attempt: int
    payload: Mapping[str, Any]
    life: int
    began: float
    highest_wall: datetime
    ended: float | None = None
    outcome: Outcome | None = None
    cancelled: bool = False


class Network:
    """All targets. A story gives them manners, and at its end good ones."""

    def __init__(self, time: Time, chance: Random, manners: Mapping[str, Manners]) -> None:
        self._time = time
        self._chance = chance
        self.manners = dict(manners)
        self.calls: list[Call] = []
        self.life = 0
        self.highest_wall = time.start

    def begun(self, work: Work) -> Call:
        """A call arrives."""
        self._time.stir()
        call = Call(
            key=work.idempotency_key,
            schedule_id=work.schedule_id,
            target=str(work.payload.get("target")),
            nominal=work.scheduled_time,
            attempt=work.attempt,
            payload=work.payload,
            life=self.life,
            began=self._time.now,
            highest_wall=max(self.highest_wall, self._time.wall()),
        )
        self.calls.append(call)
        return call

    def answer(self, target: str) -> tuple[float, Outcome | Exception]:
        """How long it takes, and what comes."""
        manners, draw = self.manners[target], self._chance.random()
        seconds = self._chance.uniform(manners.quickest, manners.slowest)
        if (draw := draw - manners.fails) < 0:
            return seconds, Outcome(ok=False, code="status", error="503", response_status=503)
        if (draw := draw - manners.throttles) < 0:
            wait = self._chance.choice((1.0, 20.0, 90.0))
            return seconds, Outcome(
                ok=False, code="status", error="429", response_status=429, retry_after=wait
            )
        if (draw := draw - manners.refuses) < 0:
            return seconds, Outcome(ok=False, code="status", error="404", response_status=404, permanent=True)
        if draw - manners.breaks < 0:
            return seconds, RuntimeError("the action broke")
        return seconds, Outcome(ok=True, response_status=200)

    # --- the Actions port ---

    def check(self, target_type: str, payload: Mapping[str, Any]) -> list[Problem]:
        """Every payload will do."""
        return []

    def target(self, target_type: str, payload: Mapping[str, Any]) -> str:
        """What the payload says."""
        return str(payload["target"])

    def offered(self) -> Offered:
        """Nothing has a name."""
        return Offered()

    def check_condition(self, condition: str, payload: Mapping[str, Any]) -> list[Problem]:
        """No story has conditions."""
        return []

    async def judge(self, condition: Condition) -> Verdict:
        """No story has conditions."""
        raise AssertionError("a story with a condition")

    async def run(self, work: Work) -> Outcome:
        """One attempt."""
        call = self.begun(work)
        seconds, answer = self.answer(call.target)
        self._time.at(self._time.now + seconds, self._time.stir)  # no idle time is left out beyond that
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            call.ended, call.cancelled = self._time.now, True
            raise
        self._time.stir()
        call.ended = self._time.now
        if isinstance(answer, Exception):
            call.outcome = Outcome(ok=False, code="internal_error")
            raise answer
        call.outcome = answer
        return answer
