"""Steps of the wall clock, noticed before anything acts by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rez_agent.domain.errors import Unavailable
from rez_agent.local.steps import NO_STEP, StepWatch
from tests.fakes import FAILED, NOON, FakeClock
from tests.rig import Rig

SECOND = timedelta(seconds=1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_time_that_passes_on_both_clocks_is_no_step() -> None:
    clock = FakeClock()
    watch = StepWatch(clock)
    clock.advance(days=3)
    assert watch.look() == (NOON + timedelta(days=3), NO_STEP)


def test_small_corrections_never_add_up_to_a_step() -> None:
    clock = FakeClock()
    watch = StepWatch(clock)
    for _ in range(100):
        clock.advance(seconds=1)
        clock.step(seconds=0.5)
        assert watch.look()[1] == NO_STEP
        watch.settled()


@pytest.mark.parametrize("step", [2 * SECOND, -2 * SECOND, timedelta(days=1), timedelta(days=-1)])
def test_a_step_is_told_until_it_is_settled(step: timedelta) -> None:
    clock = FakeClock()
    watch = StepWatch(clock)
    clock.advance(seconds=0.5)
    clock.step(seconds=step.total_seconds())
    assert [watch.look()[1], watch.look()[1]] == [step, step]
    watch.settled()
    assert watch.look()[1] == NO_STEP


def retrying(rig: Rig) -> str:
    """An execution that waits for its retry."""
    schedule = rig.create()
    run = str(rig.command(action="run", schedule_id=schedule.id).result["execution_id"])
    (claimed,) = rig.claim()
    rig.end(claimed, FAILED)
    return run


def test_the_first_to_write_after_a_step_may_be_anyone(rig: Rig) -> None:
    """A worker that looked before the step was noticed would let a day's retries expire at once."""
    run = retrying(rig)
    rig.clock.step(days=1)
    assert rig.claim() == []
    assert rig.execution(run).status == "queued"
    rig.sweep()
    rig.clock.advance(seconds=10)
    assert [claimed.work.execution_id for claimed in rig.claim()] == [run]


def test_what_runs_keeps_its_lease_though_the_sweep_is_first(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="run", schedule_id=schedule.id)
    (claimed,) = rig.claim()
    rig.clock.step(days=1)
    rig.sweep()
    assert rig.execution(claimed.work.execution_id).status == "running"


def test_a_step_whose_transaction_failed_is_heeded_by_the_next(rig: Rig) -> None:
    run = retrying(rig)
    rig.clock.step(days=1)
    rig.connection.pragma("max_page_count", rig.connection.pragma("page_count"))
    with pytest.raises(Unavailable):
        rig.do(lambda ports: ports.connection.execute("INSERT INTO blobs VALUES ('x', zeroblob(1000000))"))
    rig.connection.pragma("max_page_count", 1_000_000)
    assert rig.claim() == []
    assert rig.execution(run).status == "queued"
    rig.clock.advance(seconds=10)
    assert len(rig.claim()) == 1


def test_a_thread_held_up_between_the_two_clocks_sees_no_step() -> None:
    class HeldUp(FakeClock):
        """Time passes while the clocks are read, the first time."""

        held_up = False

        def now(self) -> datetime:
            read = super().now()
            if not self.held_up:
                self.held_up = True
                self.advance(seconds=30)
            return read

    clock = HeldUp()
    clock.held_up = True
    watch = StepWatch(clock)
    clock.held_up = False
    assert watch.look() == (NOON + 30 * SECOND, NO_STEP)
