"""The whole host, moved at random from a seed: crashes, steps of the clock, pauses, retries, the sweep.

Whatever happens, every occurrence is told once, no execution succeeds twice, nothing acknowledged is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from rez_agent.domain.execution import Execution
from rez_agent.ports import Claimed
from tests.fakes import FAILED, NOON, OK, REFUSED, FakeClock
from tests.rig import Rig

MINUTE = timedelta(minutes=1)
MOVES = 250


class Story:
    """One life of a data directory, with a schedule due every minute."""

    def __init__(self, path: Path, seed: int) -> None:
        self.chance = Random(seed)
        self.path = path
        self.clock = FakeClock()
        self.rig = Rig(path, self.clock)
        overlap = self.chance.choice(["allow", "skip", "queue"])
        mode = self.chance.choice(["skip", "latest", "all"])
        self.schedule = self.rig.create(
            schedule_expression="rate(1 minute)", policies={"overlap": overlap, "catch_up": mode}
        )
        self.claimed: list[Claimed] = []
        self.succeeded: Counter[str] = Counter()
        self.acknowledged: list[str] = []
        self.last = NOON
        self.pauses = self.chance.random() < 0.5

    def move(self) -> None:
        """Something happens."""
        moves: list[Callable[[], object]] = [
            self.pass_time,
            self.pass_time,
            self.look,
            self.look,
            self.claim,
            self.claim,
            self.end,
            self.end,
            self.end,
            self.run,
            self.crash,
            self.step,
            self.rig.sweep,
            self.cancel,
        ]
        if self.pauses:
            moves += [self.pause, self.resume]
        self.chance.choice(moves)()

    def pass_time(self) -> None:
        self.clock.advance(seconds=self.chance.choice([0.3, 1, 20, 61, 200, 4_000]))

    def step(self) -> None:
        """The clock is set; never back where it is paused too, since a pause is told by the wall clock."""
        back = 1 if self.pauses else self.chance.choice([1, -1])
        self.clock.step(seconds=back * self.chance.choice([1, 30, 3_600, 20_000]))

    def look(self) -> None:
        self.last = max(self.last, self.clock.now())
        self.rig.tick(limit=self.chance.choice([1, 1_000]))

    def claim(self) -> None:
        self.claimed += self.rig.claim(capacity=self.chance.randrange(1, 5))

    def end(self) -> None:
        if self.claimed:
            one = self.claimed.pop(self.chance.randrange(len(self.claimed)))
            outcome = self.chance.choice([OK, OK, FAILED, REFUSED])
            before = self.rig.execution(one.work.execution_id)
            self.rig.end(one, outcome, draw=self.chance.random())
            after = self.rig.execution(one.work.execution_id)
            if before.status != "succeeded" and after.status == "succeeded":
                self.succeeded[after.id] += 1

    def run(self) -> None:
        message = self.rig.command(action="run", schedule_id=self.schedule.id)
        self.acknowledged.append(message.result["execution_id"])

    def cancel(self) -> None:
        newest = self.rig.history(self.schedule.id)[-1:]
        for execution in newest:
            self.rig.command(action="cancel", execution_id=execution.id)

    def pause(self) -> None:
        self.last = max(self.last, self.clock.now())
        self.rig.command(action="pause", schedule_id=self.schedule.id)

    def resume(self) -> None:
        if self.rig.schedule(self.schedule.id).pause is not None:
            self.last = max(self.last, self.clock.now())
            self.rig.command(action="resume", schedule_id=self.schedule.id)

    def crash(self) -> None:
        """The process dies, within a second of its last look, and is started again. Old leases may still
        report, and must not be heard."""
        self.look()
        self.rig = Rig(self.path, self.clock, self.rig.random)
        self.rig.recover()

    def finish(self) -> None:
        """Everything settles."""
        self.resume()
        self.clock.advance_to(max(self.clock.now(), self.last) + timedelta(hours=2))
        self.last = self.clock.now()
        self.rig.tick_all()
        self.claimed.clear()
        self.rig.recover()
        for _ in range(20):
            self.rig.work()
            self.clock.advance(minutes=11)


def told_times(executions: list[Execution]) -> list[datetime]:
    """Every occurrence that the ledger tells of."""
    times: list[datetime] = []
    for execution in executions:
        if execution.cause != "run":
            number = execution.span.count if execution.span else 1
            times += [execution.scheduled_time + n * MINUTE for n in range(number)]
    return times


@pytest.mark.parametrize("seed", range(40))
def test_every_occurrence_is_told_once_and_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path, seed)
    for _ in range(MOVES):
        story.move()
    story.finish()
    history = story.rig.history(story.schedule.id)
    minutes = (story.last - NOON) // MINUTE
    assert sorted(told_times(history)) == [NOON + n * MINUTE for n in range(minutes + 1)]
    assert max(story.succeeded.values(), default=1) == 1
    assert all(execution.status.final for execution in history)
    ids = {execution.id for execution in history}
    assert set(story.acknowledged) <= ids
    story.rig.close()
