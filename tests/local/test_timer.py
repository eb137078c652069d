"""The engine's loop: each look by itself, and what it makes of steps of the wall clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rez_agent.domain.execution import Execution
from rez_agent.domain.instants import to_ms
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.engine import Taken
from rez_agent.local.timer import HEARTBEAT_SECONDS, Timer
from tests.fakes import FAILED, NOON
from tests.rig import Rig, schedule_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


class Watched:
    """A timer with what it told."""

    def __init__(self, rig: Rig) -> None:
        self.heartbeats = 0
        self.timer = Timer(rig.write, rig.clock, on_heartbeat=self.beat)

    def beat(self) -> None:
        self.heartbeats += 1

    async def look(self) -> None:
        """Looks until nothing more is due."""
        while await self.timer.tick():
            pass


def told_times(executions: list[Execution]) -> list[datetime]:
    """Every occurrence that the ledger tells of; the grid is of minutes."""
    times = []
    for execution in executions:
        span = execution.span
        number = span.count if span else 1
        times += [execution.scheduled_time + n * MINUTE for n in range(number)]
        assert span is None or times[-1] == span.last
    return times


@pytest.mark.parametrize("mode", ["skip", "latest", "all"])
@pytest.mark.parametrize("step", [s * n for n in (1, 5, 90, 3_600, 86_400) for s in (1, -1)])
def test_a_step_of_the_wall_clock_loses_nothing_and_runs_nothing_twice(
    rig: Rig, step: int, mode: str
) -> None:
    schedule = schedule_of(
        schedule_expression="rate(1 minute)", policies={"catch_up": mode, "overlap": "allow"}
    )
    rig.add(schedule)

    async def story() -> None:
        watched = Watched(rig)
        runs: Counter[str] = Counter()
        latest = rig.clock.now()

        async def pass_time(minutes: int) -> None:
            nonlocal latest
            for _ in range(6 * minutes):
                rig.clock.advance(seconds=10)
                latest = max(latest, rig.clock.now())
                await watched.look()
                runs.update(rig.work())

        await pass_time(5)
        rig.clock.step(seconds=step)
        await pass_time(5)
        rig.clock.step(seconds=-step)
        await pass_time(5)
        minutes = (latest - NOON) // MINUTE
        told = told_times(rig.history(schedule.id))
        assert sorted(told) == [NOON + n * MINUTE for n in range(minutes + 1)]
        assert max(runs.values()) == 1
        noticed = sum(signals.stepped for signals in rig.signals)
        assert noticed == (0 if abs(step) < 2 else 2)

    asyncio.run(story())


def test_nothing_fires_early_though_the_clock_was_set_back_just_before(rig: Rig) -> None:
    schedule = schedule_of(now=NOON + MINUTE)
    rig.add(schedule)

    async def story() -> None:
        watched = Watched(rig)
        rig.clock.advance_to(NOON + HOUR - timedelta(seconds=1))
        rig.clock.step(seconds=-30)
        rig.clock.advance(seconds=2)
        await watched.look()
        assert rig.history(schedule.id) == []
        rig.clock.advance(seconds=29)
        await watched.look()
        assert len(rig.history(schedule.id)) == 1

    asyncio.run(story())


def test_a_suspend_is_a_step_and_what_fell_due_in_it_goes_through_catch_up(rig: Rig) -> None:
    rig.add(schedule_of())

    async def story() -> None:
        watched = Watched(rig)
        await watched.look()
        rig.work()
        rig.clock.step(hours=5)  # the monotonic clock stands still in a suspend
        await watched.look()
        assert [execution.cause for execution in rig.history("sch_report")] == [
            "schedule",
            "schedule",
            "schedule",
        ]
        assert [e.status.value for e in rig.history("sch_report")] == ["succeeded", "skipped", "queued"]

    asyncio.run(story())


def test_a_retry_keeps_the_time_it_had_left_over_a_step(rig: Rig) -> None:
    rig.add(schedule_of())

    async def story() -> None:
        watched = Watched(rig)
        await watched.look()
        (claimed,) = rig.claim()
        rig.end(claimed, FAILED, draw=0.9)
        rig.clock.step(days=1)
        await watched.look()
        rig.clock.advance(seconds=8.999)
        assert rig.execution(claimed.work.execution_id).status == "queued"
        assert claimed.work.execution_id not in [one.work.execution_id for one in rig.claim()]
        rig.clock.advance(seconds=0.001)
        assert [one.work.execution_id for one in rig.claim()] == [claimed.work.execution_id]

    asyncio.run(story())


def test_a_look_beats_the_heart_once_a_minute(rig: Rig) -> None:
    async def story() -> None:
        watched = Watched(rig)
        for _ in range(int(3 * HEARTBEAT_SECONDS)):
            await watched.look()
            rig.clock.advance(seconds=1)
        assert watched.heartbeats == 3

    asyncio.run(story())


def test_the_lag_is_the_time_since_the_last_look(rig: Rig) -> None:
    async def story() -> None:
        watched = Watched(rig)
        await watched.look()
        rig.clock.advance(seconds=11)
        assert watched.timer.lag() == 11
        await watched.look()
        assert watched.timer.lag() == 0

    asyncio.run(story())


def test_it_looks_by_itself_until_it_is_stopped(rig: Rig) -> None:
    rig.add(schedule_of())

    async def story() -> None:
        watched = Watched(rig)
        watched.timer.start()
        async with asyncio.timeout(10):
            while not rig.history("sch_report"):
                await asyncio.sleep(0)
            rig.add(schedule_of("soon"))
            watched.timer.wake_by(to_ms(rig.clock.now()))
            while not rig.history("sch_soon"):
                await asyncio.sleep(0)
            await watched.timer.stop()
        assert watched.timer.taken == 2

    asyncio.run(story())


def test_what_is_armed_while_a_look_is_under_way_is_not_slept_over(rig: Rig) -> None:
    """The look's own answer was made before the new schedule; the wake must win over it."""
    rig.add(schedule_of(now=NOON + MINUTE))

    async def story() -> None:
        watched = Watched(rig)
        under_way, go_on, looked_again = asyncio.Event(), asyncio.Event(), asyncio.Event()
        looks = 0

        async def slowly(job: Callable[[LocalPorts], Taken]) -> Taken:
            nonlocal looks
            looks += 1
            taken = rig.do(job)
            if looks == 2:
                under_way.set()
                await go_on.wait()
            if looks == 3:
                looked_again.set()
            return taken

        timer = Timer(slowly, rig.clock, on_heartbeat=watched.beat)
        await timer.tick()
        rig.clock.advance_to(NOON + HOUR)
        timer.start()
        await under_way.wait()
        timer.wake_by(to_ms(rig.clock.now()) + 300)
        rig.clock.advance(seconds=0.5)
        go_on.set()
        async with asyncio.timeout(0.5):
            await looked_again.wait()
        await timer.stop()

    asyncio.run(story())


def test_a_look_that_fails_is_made_good_by_the_next(rig: Rig) -> None:
    rig.add(schedule_of())

    async def story() -> None:
        watched = Watched(rig)
        failures = iter([True])

        async def fail_once(job: Callable[[LocalPorts], Taken]) -> Taken:
            if next(failures, False):
                raise OSError("disk full")
            return rig.do(job)

        timer = Timer(fail_once, rig.clock, on_heartbeat=watched.beat)
        timer.start()
        async with asyncio.timeout(10):
            while not rig.history("sch_report"):
                timer.wake_by(0)
                await asyncio.sleep(0)
            await timer.stop()

    asyncio.run(story())


def test_what_is_due_as_the_clock_is_stepped_is_not_too_old_at_once(rig: Rig) -> None:
    rig.add(schedule_of(policies={"catch_up": "all"}))

    async def story() -> None:
        async def step_first(job: Callable[[LocalPorts], Taken]) -> Taken:
            rig.clock.step(hours=6)  # after the loop asked for a look, before the writer came to it
            return rig.do(job)

        await Timer(step_first, rig.clock, on_heartbeat=lambda: None).tick()

    asyncio.run(story())
    assert rig.work()[0] == "sch_report_20260601T120000Z"
    assert all(execution.status == "succeeded" for execution in rig.history("sch_report"))
