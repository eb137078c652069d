"""The worker, on its event loop, with scripted actions and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rez_agent.domain.action import Outcome
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.worker import Worker
from rez_agent.ports import Claimed, Concluded
from rez_agent.usecases.entries import asked_execution
from tests.fakes import FAILED, NOON, OK
from tests.rig import Rig, schedule_of

T = TypeVar("T")
SCHEDULE = schedule_of(policies={"overlap": "allow"})


class Seen:
    """What the worker told its observer."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, str]] = []

    def began(self, claimed: Claimed, now: datetime) -> None:
        """An attempt is about to start."""
        self.begun.append(claimed.work.execution_id)

    def ended_(self, concluded: Concluded) -> None:
        """An attempt has ended."""
        self.ended.append((concluded.execution_id, concluded.attempt.outcome))


class Observing:
    """The worker's observer over :class:`Seen`."""

    def __init__(self, seen: Seen) -> None:
        self.began = seen.began
        self.ended = seen.ended_


class Desk:
    """A worker at work over a rig."""

    def __init__(self, rig: Rig, *, concurrency: int = 10, target_concurrency: int = 10) -> None:
        self.rig = rig
        self.seen = Seen()
        self.failures = 0
        self.worker = Worker(
            self._write,
            actions=rig.actions,
            clock=rig.clock,
            random=rig.random,
            concurrency=concurrency,
            target_concurrency=target_concurrency,
            observer=Observing(self.seen),
        )

    async def _write(self, job: Callable[[LocalPorts], T]) -> T:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the disk is full", code="storage_unavailable")
        return self.rig.do(job)

    def queue(self, *targets: str, **changes: Any) -> list[Execution]:
        """Queue an execution for each target."""
        number = self.rig.one("SELECT count(*) FROM executions")
        now = self.rig.clock.now()
        executions = [
            replace(
                asked_execution(
                    SCHEDULE,
                    NOON,
                    Cause.RUN,
                    f"{number + n:05}",
                    now=now,
                    target=target,
                    payload={"target": target},
                ),
                **changes,
            )
            for n, target in enumerate(targets)
        ]
        self.rig.do(lambda ports: ports.ledger.add(executions))
        self.worker.look()
        return executions

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop go on until something holds."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)

    async def ends(self, execution: Execution, status: str) -> Execution:
        """The execution, once it has come to ``status``."""
        await self.until(lambda: self.rig.execution(execution.id).status == status)
        return self.rig.execution(execution.id)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.add(SCHEDULE)
    yield rig
    rig.close()


def tell(desk: Desk, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story while the worker works."""

    async def run() -> None:
        desk.worker.start()
        try:
            await story()
        finally:
            await desk.worker.stop(0)

    asyncio.run(run())


def test_what_is_queued_is_performed_and_its_end_recorded(rig: Rig) -> None:
    desk = Desk(rig)

    async def story() -> None:
        (execution,) = desk.queue("a")
        done = await desk.ends(execution, "succeeded")
        assert (done.attempts, done.finished_at, done.response_status) == (1, NOON, 200)
        (work,) = rig.actions.works
        assert (work.execution_id, work.payload, work.attempt) == (execution.id, {"target": "a"}, 1)
        assert desk.seen.begun == [execution.id]
        assert desk.seen.ended == [(execution.id, "succeeded")]

    tell(desk, story)


def test_a_failed_attempt_is_tried_again_when_its_backoff_is_over_under_the_same_key(rig: Rig) -> None:
    desk = Desk(rig)
    rig.actions.script["a"].append(FAILED)

    async def story() -> None:
        (execution,) = desk.queue("a")
        await desk.until(lambda: rig.execution(execution.id).tries == 1)
        again_at = rig.execution(execution.id).next_attempt_at
        assert again_at is not None
        assert NOON <= again_at < NOON + timedelta(seconds=10)
        rig.clock.advance_to(again_at - timedelta(milliseconds=1))
        desk.queue("b")
        await desk.until(lambda: len(rig.actions.works) == 2)
        assert rig.execution(execution.id).status is ExecutionStatus.QUEUED
        rig.clock.advance(milliseconds=1)
        desk.worker.look()
        await desk.ends(execution, "succeeded")
        first, _, second = rig.actions.works
        assert (first.attempt, second.attempt) == (1, 2)
        assert first.idempotency_key == second.idempotency_key == execution.id

    tell(desk, story)


@pytest.mark.parametrize(
    "fault", [ValueError("broken"), Outcome(ok=False, error="\udce9"), Outcome(ok=False, retry_after=1e300)]
)
def test_an_actions_own_fault_never_costs_an_execution_its_end(rig: Rig, fault: Any) -> None:
    desk = Desk(rig)
    rig.actions.script["a"].append(fault)

    async def story() -> None:
        first, second = desk.queue("a", "b")
        await desk.ends(second, "succeeded")
        await desk.until(lambda: rig.execution(first.id).status in {"queued", "failed"})
        (attempt,) = rig.ports.ledger.attempts(first.id)
        assert attempt.outcome == "failed"
        await desk.until(lambda: desk.worker.running == 0)

    tell(desk, story)


# --- limits ---


def test_no_more_run_at_once_than_allowed_in_all_and_per_target(rig: Rig) -> None:
    desk = Desk(rig, concurrency=5, target_concurrency=3)
    rig.actions.gates = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def story() -> None:
        desk.queue(*"aaaaaabbbbbb")
        await desk.until(lambda: len(rig.actions.works) == 5)
        desk.worker.look()
        await desk.until(lambda: desk.worker.running == 5)
        assert Counter(work.payload["target"] for work in rig.actions.works) == {"a": 3, "b": 2}
        for gate in rig.actions.gates.values():
            gate.set()
        await desk.until(lambda: rig.one("SELECT count(*) FROM executions WHERE status = 'succeeded'") == 12)

    tell(desk, story)


def test_a_slow_target_never_blocks_another(rig: Rig) -> None:
    desk = Desk(rig, concurrency=4, target_concurrency=2)
    rig.actions.gates = {"slow": asyncio.Event()}

    async def story() -> None:
        slow = desk.queue(*["slow"] * 50)
        for execution in desk.queue(*["quick"] * 200):
            await desk.ends(execution, "succeeded")
        assert Counter(work.payload["target"] for work in rig.actions.works)["slow"] == 2
        rig.actions.gates["slow"].set()
        for execution in slow:
            await desk.ends(execution, "succeeded")

    tell(desk, story)


def test_what_waited_so_long_for_a_slot_that_its_lease_would_run_out_is_put_back(rig: Rig) -> None:
    desk = Desk(rig, concurrency=1, target_concurrency=1)

    async def story() -> None:
        first, *others = desk.queue(*"aaaa", expires_at=NOON + timedelta(hours=3))
        await desk.ends(first, "succeeded")  # it ended at once, so the others were leased ahead of time
        rig.actions.gates = {"a": asyncio.Event()}
        slow, *waiting = desk.queue(*"aaa", expires_at=NOON + timedelta(hours=3))
        await desk.until(lambda: rig.one("SELECT count(*) FROM executions WHERE status = 'running'") > 1)
        rig.clock.advance(minutes=19)
        rig.actions.gates["a"].set()
        for execution in (*others, slow, *waiting):
            await desk.ends(execution, "succeeded")
        rig.clock.advance(minutes=2)
        assert rig.one("SELECT max(attempts) FROM executions") == 1
        assert rig.one("SELECT max(lease) FROM executions") > 1  # some were leased anew

    tell(desk, story)
    assert Counter(work.execution_id for work in rig.actions.works).most_common(1)[0][1] == 1


def test_what_became_too_old_while_it_waited_for_a_slot_is_not_begun(rig: Rig) -> None:
    desk = Desk(rig, concurrency=1, target_concurrency=1)

    async def story() -> None:
        first, *others = desk.queue(*"aaaa", expires_at=NOON + timedelta(seconds=60))
        await desk.ends(first, "succeeded")  # at once, so that more is leased ahead of time
        rig.actions.gates = {"a": asyncio.Event()}
        await desk.until(lambda: rig.one("SELECT count(*) FROM executions WHERE status = 'running'") > 1)
        begun = len(rig.actions.works)
        rig.clock.advance(seconds=61)
        rig.actions.gates["a"].set()
        await desk.until(lambda: all(rig.execution(each.id).status.final for each in others))
        assert len(rig.actions.works) <= begun + 1
        assert rig.execution(others[-1].id).reason == "expired"

    tell(desk, story)


def test_more_targets_than_slots_are_all_served(rig: Rig) -> None:
    desk = Desk(rig, concurrency=2, target_concurrency=1)

    async def story() -> None:
        queued = desk.queue(*[f"t{number % 17}" for number in range(200)])
        for execution in queued:
            await desk.ends(execution, "succeeded")
        assert len(rig.actions.works) == 200
        await desk.until(lambda: desk.worker.running == 0)

    tell(desk, story)


# --- cancelling ---


def test_a_running_attempt_is_stopped_and_ends_as_cancelled(rig: Rig) -> None:
    desk = Desk(rig)
    rig.actions.gates = {"a": asyncio.Event()}

    async def story() -> None:
        (execution,) = desk.queue("a")
        await rig.actions.next_begun()
        rig.command(action="cancel", execution_id=execution.id, reason="wrong day")
        desk.worker.cancel(execution.id)
        done = await desk.ends(execution, "cancelled")
        assert (done.reason, done.detail, done.dead_letter) == ("cancelled", "wrong day", False)
        (attempt,) = rig.ports.ledger.attempts(execution.id)
        assert attempt.outcome == "cancelled"

    tell(desk, story)


def test_the_slot_of_a_cancelled_attempt_goes_on_working(rig: Rig) -> None:
    desk = Desk(rig, concurrency=1)
    rig.actions.gates = {"a": asyncio.Event()}

    async def story() -> None:
        first, *others = desk.queue("a", "b", "c")
        await rig.actions.next_begun()
        desk.worker.cancel(first.id)
        for execution in others:
            await desk.ends(execution, "succeeded")

    tell(desk, story)


def test_what_is_cancelled_before_it_began_is_not_performed(rig: Rig) -> None:
    desk = Desk(rig)

    async def story() -> None:
        (execution,) = desk.queue("a")
        desk.worker.cancel(execution.id)  # heard of before the lease that is being written
        await desk.ends(execution, "cancelled")
        assert rig.actions.works == []

    tell(desk, story)


def test_cancelling_what_has_ended_changes_nothing(rig: Rig) -> None:
    desk = Desk(rig)

    async def story() -> None:
        (execution,) = desk.queue("a")
        await desk.ends(execution, "succeeded")
        desk.worker.cancel(execution.id)
        (second,) = desk.queue("a")
        await desk.ends(second, "succeeded")
        assert rig.execution(execution.id).status is ExecutionStatus.SUCCEEDED

    tell(desk, story)


# --- stopping ---


def test_a_stop_hands_back_what_does_not_end_in_time_at_no_cost_of_tries(rig: Rig) -> None:
    desk = Desk(rig)
    rig.actions.gates = {"a": asyncio.Event()}

    async def story() -> None:
        desk.queue("a")
        await rig.actions.next_begun()

    tell(desk, story)
    (execution,) = rig.history(SCHEDULE.id)
    assert (execution.status, execution.tries, execution.next_attempt_at) == ("queued", 0, NOON)
    (attempt,) = rig.ports.ledger.attempts(execution.id)
    assert attempt.outcome == "interrupted"
    assert rig.recover() == 0


def test_a_stop_waits_for_what_ends_in_time_and_records_it(rig: Rig) -> None:
    desk = Desk(rig)
    rig.actions.gates = {"a": asyncio.Event()}

    async def story() -> None:
        desk.worker.start()
        (execution,) = desk.queue("a")
        await rig.actions.next_begun()
        stopping = asyncio.create_task(desk.worker.stop(10))
        await asyncio.sleep(0)
        rig.actions.gates["a"].set()
        await stopping
        assert rig.execution(execution.id).status is ExecutionStatus.SUCCEEDED

    asyncio.run(story())


def test_after_a_stop_nothing_is_left_leased(rig: Rig) -> None:
    desk = Desk(rig, concurrency=3, target_concurrency=2)
    rig.actions.gates = {"slow": asyncio.Event()}

    async def story() -> None:
        desk.queue(*["quick", "slow"] * 40)
        await desk.until(lambda: len(rig.actions.works) >= 30)

    tell(desk, story)
    assert rig.one("SELECT count(*) FROM executions WHERE status = 'running'") == 0
    unstarted = rig.one("SELECT count(*) FROM executions WHERE status = 'queued' AND attempts = 0")
    performed = {work.execution_id for work in rig.actions.works}
    assert unstarted == 80 - len(performed)


def test_nothing_is_begun_after_a_stop(rig: Rig) -> None:
    desk = Desk(rig)

    async def story() -> None:
        pass

    tell(desk, story)
    desk.queue("a")
    assert rig.actions.works == []


# --- a database that refuses ---


def test_an_end_that_cannot_be_recorded_is_recorded_as_soon_as_it_can(rig: Rig) -> None:
    desk = Desk(rig)
    rig.actions.gates = {"a": asyncio.Event()}

    async def story() -> None:
        (execution,) = desk.queue("a")
        await rig.actions.next_begun()
        desk.failures = 1
        rig.actions.gates["a"].set()
        await desk.ends(execution, "succeeded")
        assert len(rig.actions.works) == 1

    tell(desk, story)


def test_a_stop_ends_though_the_database_refuses(rig: Rig) -> None:
    desk = Desk(rig)
    rig.actions.gates = {"a": asyncio.Event()}

    async def story() -> None:
        desk.queue("a")
        await rig.actions.next_begun()
        desk.failures = 100

    tell(desk, story)
    assert rig.recover() == 1


# --- the clock ---


@pytest.mark.parametrize("step", [timedelta(days=1), timedelta(days=-1)])
def test_what_runs_keeps_the_time_it_had_left_over_a_step_of_the_clock(rig: Rig, step: timedelta) -> None:
    desk = Desk(rig)
    rig.actions.gates = {"a": asyncio.Event()}
    rig.actions.script["a"] += [FAILED, OK]

    async def story() -> None:
        (execution,) = desk.queue("a")
        await rig.actions.next_begun()
        rig.clock.advance(seconds=3)
        rig.clock.step(seconds=step.total_seconds())
        rig.actions.gates["a"].set()
        await desk.until(lambda: rig.execution(execution.id).tries == 1)
        after = rig.execution(execution.id)
        assert (after.status, after.dead_letter) == ("queued", False)
        (attempt,) = rig.ports.ledger.attempts(execution.id)
        assert attempt.finished_at - attempt.started_at == timedelta(seconds=3)
        rig.clock.advance(seconds=10)
        desk.worker.look()
        await desk.ends(execution, "succeeded")

    tell(desk, story)
