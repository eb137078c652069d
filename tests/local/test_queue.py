"""The queue of work: leases, retries, lanes, recovery, and steps of the clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.action import Outcome
from rez_agent.domain.execution import CRASHES_AT_MOST, Cause, Execution, ExecutionStatus
from rez_agent.local.queue import LANES_AT_ONCE, LEASE_MS, claim
from rez_agent.ports import Claimed
from rez_agent.usecases.entries import asked_execution
from tests.fakes import FAILED, NOON, OK, REFUSED
from tests.rig import Rig, schedule_of

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
SCHEDULE = schedule_of(policies={"overlap": "allow"})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.add(SCHEDULE)
    yield rig
    rig.close()


def queue(rig: Rig, *targets: str, held: bool = False, **changes: Any) -> list[Execution]:
    """Executions of one schedule, due now, each for its target."""
    number = rig.one("SELECT count(*) FROM executions")
    executions = [
        replace(
            asked_execution(
                SCHEDULE,
                NOON,
                Cause.RUN,
                f"{number + n:05}",
                now=rig.clock.now(),
                target=target,
                held=held,
            ),
            **changes,
        )
        for n, target in enumerate(targets)
    ]
    rig.do(lambda ports: ports.ledger.add(executions))
    return executions


def targets(claimed: list[Claimed]) -> list[str]:
    return [one.target for one in claimed]


# --- leases ---


def test_an_execution_is_leased_to_one_worker(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    (claimed,) = rig.claim()
    assert (claimed.work.execution_id, claimed.lease, claimed.work.attempt) == (execution.id, 1, 1)
    assert rig.claim() == []
    running = rig.execution(execution.id)
    assert (running.status, running.attempts, running.started_at) == ("running", 1, NOON)


def test_an_end_reported_with_an_older_lease_is_not_recorded(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    (stale,) = rig.claim()
    rig.recover()
    (present,) = rig.claim()
    assert (present.lease, present.work.attempt) == (2, 2)
    rig.end(stale, REFUSED)
    assert rig.execution(execution.id).status is ExecutionStatus.RUNNING
    rig.end(present, OK)
    after = rig.execution(execution.id)
    assert (after.status, after.dead_letter) == (ExecutionStatus.SUCCEEDED, False)
    outcomes = [attempt.outcome for attempt in rig.ports.ledger.attempts(execution.id)]
    assert outcomes == ["interrupted", "succeeded"]


def test_an_end_reported_twice_is_recorded_once(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    (claimed,) = rig.claim()
    rig.end(claimed, OK)
    rig.end(claimed, REFUSED)
    assert rig.execution(execution.id).status is ExecutionStatus.SUCCEEDED


def test_a_lease_that_ran_out_is_taken_back(rig: Rig) -> None:
    (execution,) = queue(rig, "a", expires_at=NOON + 24 * HOUR)
    rig.claim()
    rig.clock.advance(milliseconds=LEASE_MS)
    rig.sweep()
    assert rig.execution(execution.id).status is ExecutionStatus.RUNNING
    rig.clock.advance(milliseconds=1)
    rig.sweep()
    assert rig.execution(execution.id).status is ExecutionStatus.QUEUED


# --- retries ---


def test_a_failed_attempt_waits_for_its_backoff_and_has_the_same_key(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    (first,) = rig.claim()
    rig.end(first, FAILED, draw=0.5)
    assert rig.execution(execution.id).next_attempt_at == NOON + 5 * SECOND
    rig.clock.advance(seconds=4.999)
    assert (rig.look().claimed, rig.look().look_again) == ([], 1780315205000)
    rig.clock.advance(seconds=0.001)
    (second,) = rig.claim()
    assert (second.work.attempt, second.tries) == (2, 1)
    assert second.work.idempotency_key == first.work.idempotency_key


def test_after_its_last_try_an_execution_is_a_dead_letter(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    for _ in range(4):
        (claimed,) = rig.claim()
        rig.end(claimed, FAILED)
        rig.clock.advance(minutes=6)
    dead = rig.execution(execution.id)
    assert (dead.status, dead.dead_letter, dead.attempts, dead.tries) == ("failed", True, 4, 4)
    assert rig.claim() == []


def test_only_the_first_and_the_last_five_attempts_keep_their_response(rig: Rig) -> None:
    patient = schedule_of(
        "patient",
        policies={"retry": {"max_attempts": 20, "max_backoff_seconds": 0, "min_backoff_seconds": 0}},
    )
    rig.add(patient)
    run = rig.command(action="run", schedule_id=patient.id).result["execution_id"]
    for number in range(1, 15):
        (claimed,) = rig.claim()
        rig.end(claimed, Outcome(ok=False, error=f"error {number}", response=f"response {number}"))
    attempts = rig.ports.ledger.attempts(run)
    assert [a.number for a in attempts if a.response] == [1, 2, 3, 4, 5, 10, 11, 12, 13, 14]
    assert all(a.error for a in attempts)


# --- the event age ---


def test_what_could_not_start_within_its_age_is_skipped_and_says_so(rig: Rig) -> None:
    (execution,) = queue(rig, "a", expires_at=NOON + MINUTE)
    rig.clock.advance(seconds=60.001)
    assert rig.claim() == []
    after = rig.execution(execution.id)
    assert (after.status, after.reason, after.dead_letter) == ("skipped", "expired", False)


def test_at_the_very_end_of_its_age_it_may_still_start(rig: Rig) -> None:
    queue(rig, "a", expires_at=NOON + MINUTE)
    rig.clock.advance(seconds=60)
    assert len(rig.claim()) == 1


def test_what_could_not_be_tried_again_within_its_age_is_a_dead_letter(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    (claimed,) = rig.claim()
    rig.end(claimed, FAILED)
    rig.clock.advance(hours=2)
    assert rig.claim() == []
    after = rig.execution(execution.id)
    assert (after.status, after.reason, after.dead_letter) == ("failed", None, True)


def test_a_backlog_that_has_expired_does_not_keep_fresh_work_waiting(rig: Rig) -> None:
    queue(rig, *["a"] * 30, expires_at=NOON + MINUTE)
    rig.clock.advance(minutes=10)
    (fresh,) = queue(rig, "a")
    look = rig.look(capacity=10)
    assert look.claimed == []
    assert look.look_again == 1780315200000 + 600_000
    found = [claimed.work.execution_id for _ in range(4) for claimed in rig.claim(capacity=10)]
    assert found == [fresh.id]


def test_what_was_held_behind_something_that_expired_goes_on(rig: Rig) -> None:
    queue(rig, "a", expires_at=NOON + MINUTE)
    (behind,) = queue(rig, "a", held=True)
    rig.clock.advance(minutes=10)
    found = [claimed.work.execution_id for _ in range(2) for claimed in rig.claim()]
    assert found == [behind.id]


# --- lanes ---


def test_capacity_bounds_the_leases_in_all_and_per_target(rig: Rig) -> None:
    queue(rig, *"aaaabb")
    assert targets(rig.claim(capacity=5, per_target=3)) == ["a", "a", "a", "b", "b"]
    assert targets(rig.claim(capacity=5, per_target=3)) == ["a"]


def test_a_full_target_never_blocks_another(rig: Rig) -> None:
    queue(rig, *["a"] * 500, "b")
    free = {"a": 0, "b": 10}
    look = rig.do(lambda ports: claim(ports.connection, NOON, 10, free.__getitem__))
    assert targets(look.claimed) == ["b"]


def test_within_a_lane_the_oldest_goes_first(rig: Rig) -> None:
    queue(rig, "a", next_attempt_at=NOON - SECOND)
    queue(rig, "a", next_attempt_at=NOON - 3 * SECOND)
    queue(rig, "a", next_attempt_at=NOON - 2 * SECOND)
    order = [claimed.work.execution_id[-5:] for _ in range(3) for claimed in rig.claim(capacity=1)]
    assert order == ["00001", "00002", "00000"]


def test_work_on_time_goes_before_late_work_of_every_target(rig: Rig) -> None:
    queue(rig, "a", "b", cause=Cause.BACKFILL)
    queue(rig, "c", "a")
    assert targets(rig.claim(capacity=2)) == ["a", "c"]


def test_more_targets_than_one_look_sees_are_all_served(rig: Rig) -> None:
    names = [f"t{number:05}" for number in range(2 * LANES_AT_ONCE + 100)]
    queue(rig, *names)
    queue(rig, *names[-5:], cause=Cause.BACKFILL)
    served: set[str] = set()
    after = ""
    for _ in range(8):
        look = rig.look(capacity=600, after=after)
        served |= set(targets(look.claimed))
        after = look.continue_after
    assert served == set(names)


def test_the_first_targets_never_starve_the_others_though_their_work_never_ends(rig: Rig) -> None:
    first = [f"t{number:05}" for number in range(LANES_AT_ONCE)]
    queue(rig, *first, *first, *first, "u-middle")
    queue(rig, "z-late", cause=Cause.BACKFILL)  # beyond the middle, and seen at once
    served: list[str] = []
    after = ""
    for _ in range(4):
        look = rig.look(capacity=400, per_target=1, after=after)
        served += targets(look.claimed)
        after = look.continue_after
    assert "u-middle" in served


# --- held ---


def test_the_held_are_let_go_one_after_the_other_in_their_order(rig: Rig) -> None:
    (first,) = queue(rig, "a")
    held = queue(rig, "a", "a", "a", held=True)
    order = []
    while claimed := rig.claim():
        assert len(claimed) == 1
        rig.end(claimed[0])
        order.append(claimed[0].work.execution_id)
    assert order == [first.id, *[one.id for one in held]]


def test_a_retry_of_the_one_in_front_keeps_the_held_waiting(rig: Rig) -> None:
    queue(rig, "a")
    queue(rig, "a", held=True)
    (claimed,) = rig.claim()
    rig.end(claimed, FAILED)
    assert rig.claim() == []
    rig.clock.advance(seconds=10)
    (again,) = rig.claim()
    assert again.work.execution_id == claimed.work.execution_id


def test_what_was_held_for_long_has_its_whole_age_before_it(rig: Rig) -> None:
    queue(rig, "a")
    (held,) = queue(rig, "a", held=True)
    (claimed,) = rig.claim()
    now = rig.clock.advance(hours=5)
    rig.end(claimed)
    after = rig.execution(held.id)
    assert (after.next_attempt_at, after.expires_at) == (now, now + HOUR)


# --- recovery ---


def test_a_start_queues_again_what_was_running_under_the_same_key(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    (before,) = rig.claim()
    rig.clock.advance(seconds=7)
    assert rig.recover() == 1
    (attempt,) = rig.ports.ledger.attempts(execution.id)
    assert (attempt.outcome, attempt.code, attempt.finished_at) == (
        "interrupted",
        "interrupted",
        NOON + 7 * SECOND,
    )
    (again,) = rig.claim()
    assert again.work.idempotency_key == before.work.idempotency_key
    assert (again.work.attempt, again.tries) == (2, 0)
    rig.end(again)
    assert rig.recover() == 0


def test_an_execution_that_the_process_never_survives_is_a_dead_letter(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    (held,) = queue(rig, "a", held=True)
    for _ in range(CRASHES_AT_MOST):
        (claimed,) = rig.claim()
        assert claimed.work.execution_id == execution.id
        rig.recover()
    dead = rig.execution(execution.id)
    assert (dead.status, dead.dead_letter, dead.code) == ("failed", True, "interrupted")
    assert (dead.crashes, dead.attempts, dead.finished_at) == (CRASHES_AT_MOST, CRASHES_AT_MOST, NOON)
    assert [claimed.work.execution_id for claimed in rig.claim()] == [held.id]


def test_a_redriven_dead_letter_may_crash_as_often_again(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    for _ in range(CRASHES_AT_MOST):
        rig.claim()
        rig.recover()
    assert rig.command(action="redrive").result == {"count": 1}
    rig.claim()
    rig.recover()
    assert rig.execution(execution.id).status is ExecutionStatus.QUEUED


def test_a_crash_does_not_forget_that_an_execution_was_to_be_cancelled(rig: Rig) -> None:
    (execution,) = queue(rig, "a")
    rig.claim()
    rig.command(action="cancel", execution_id=execution.id, reason="wrong day")
    rig.recover()
    after = rig.execution(execution.id)
    assert (after.status, after.reason, after.detail) == ("cancelled", "cancelled", "wrong day")
    assert after.finished_at == NOON
    assert rig.claim() == []


def test_a_restart_finds_everything_that_was_queued(tmp_path: Path) -> None:
    before = Rig(tmp_path)
    before.add(SCHEDULE)
    queued = queue(before, "a", "b", "c")
    before.claim(capacity=1)
    before.close()
    after = Rig(tmp_path)
    assert after.recover() == 1
    assert sorted(claimed.work.execution_id for claimed in after.claim()) == sorted(one.id for one in queued)
    after.close()


# --- steps of the wall clock ---

STEPS = [sign * seconds for seconds in (5, 60, 3_600, 86_400) for sign in (1, -1)]


@pytest.mark.parametrize("step", STEPS)
def test_a_retry_keeps_the_time_it_had_left(rig: Rig, step: int) -> None:
    queue(rig, "a")
    (claimed,) = rig.claim()
    rig.end(claimed, FAILED, draw=0.6)
    rig.clock.advance(seconds=2)
    rig.clock.step(seconds=step)
    rig.clock.advance(seconds=3.999)
    assert rig.claim() == []
    rig.clock.advance(seconds=0.001)
    assert len(rig.claim()) == 1


@pytest.mark.parametrize("step", STEPS)
def test_what_is_ready_stays_ready_and_expires_when_it_would_have(rig: Rig, step: int) -> None:
    ready, doomed = queue(rig, "a", "b")
    rig.clock.advance(minutes=59)
    rig.clock.step(seconds=step)
    (claimed,) = rig.claim(capacity=1)
    assert claimed.work.execution_id == ready.id
    rig.clock.advance(seconds=60.001)
    assert rig.claim() == []
    assert rig.execution(doomed.id).reason == "expired"


@pytest.mark.parametrize("step", STEPS)
def test_what_runs_keeps_its_lease(rig: Rig, step: int) -> None:
    (execution,) = queue(rig, "a")
    (claimed,) = rig.claim()
    rig.clock.step(seconds=step)
    rig.sweep()
    assert rig.execution(execution.id).status is ExecutionStatus.RUNNING
    rig.end(claimed)
    assert rig.execution(execution.id).status is ExecutionStatus.SUCCEEDED


def test_what_waits_for_its_moment_of_a_window_goes_by_the_wall_clock(rig: Rig) -> None:
    queue(rig, "a", due_at=NOON + 10 * MINUTE, next_attempt_at=NOON + 10 * MINUTE)
    rig.clock.step(minutes=10)
    assert len(rig.claim()) == 1
