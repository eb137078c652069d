"""Conditional execution, the same on every host: judged before an execution's first attempt, by the facts of
its schedule."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rez_agent.domain.action import Outcome
from rez_agent.domain.condition import LOOKED_BACK, Condition
from rez_agent.domain.execution import (
    Cause,
    Execution,
    ExecutionStatus,
    Reason,
    asked_execution_id,
    execution_id,
)
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Claimed
from tests.contract.hosts import SteppedHost
from tests.fakes import FAILED, NOON, OK, judged
from tests.rig import schedule_of

HOUR = timedelta(hours=1)
FREE = Outcome(ok=True, response_status=200, response='{"free": true}')
TAKEN = Outcome(ok=True, response_status=200, response='{"free": false}')


def with_condition(host: SteppedHost, condition: str | None, **changes: Any) -> Schedule:
    """A schedule that is tried once more when it fails, and has a condition."""
    policies = {"retry": {"max_attempts": 2}, "overlap": "allow"}
    schedule = schedule_of(schedule_id="sch_a", condition=condition, policies=policies, **changes)
    host.ask(lambda ports: ports.schedules.add(schedule))
    return schedule


def entry(schedule: Schedule, at: datetime, cause: Cause = Cause.SCHEDULE, **changes: Any) -> Execution:
    asked = cause in (Cause.RUN, Cause.BACKFILL, Cause.REPLAY)
    known = asked_execution_id(schedule.id, at, cause, "msg_1") if asked else execution_id(schedule.id, at)
    queued = Execution(
        id=known,
        schedule_id=schedule.id,
        owner="ann",
        scheduled_time=at,
        status=ExecutionStatus.QUEUED,
        cause=cause,
        target_type="web_action",
        target="target",
        schedule_revision=schedule.revision,
        created_date=at,
        due_at=at,
        expires_at=at + 10 * HOUR,
        next_attempt_at=at,
    )
    return replace(queued, **changes)


def lease(host: SteppedHost, execution: Execution) -> Claimed:
    """The execution, written and leased at its time."""
    host.ask(lambda ports: ports.ledger.add([execution]))
    if host.clock.now() < execution.due_at:
        host.clock.advance_to(execution.due_at)
    (claimed,) = host.claim()
    return claimed


def run(host: SteppedHost, execution: Execution, outcome: Outcome = OK) -> Execution:
    """The execution once it has been leased, judged, and ended with ``outcome`` if it was to be made."""
    claimed = lease(host, execution)
    host.clock.advance(seconds=1)
    host.end(claimed, judged(claimed.work, outcome))
    return get(host, execution)


def get(host: SteppedHost, execution: Execution) -> Execution:
    found = host.ask(lambda ports: ports.ledger.get(execution.id))
    assert found is not None
    return found


def condition_of(claimed: Claimed) -> Condition:
    assert claimed.work.condition is not None
    return claimed.work.condition


def test_a_schedule_without_a_condition_is_given_none(host: SteppedHost) -> None:
    schedule = with_condition(host, None)
    assert lease(host, entry(schedule, NOON)).work.condition is None


def test_an_occurrence_whose_condition_is_true_is_executed(host: SteppedHost) -> None:
    schedule = with_condition(host, "local.hour == 12 && runs_today == 0")
    assert run(host, entry(schedule, NOON)).status is ExecutionStatus.SUCCEEDED


def test_one_whose_condition_is_false_is_skipped_with_the_values_that_decided(host: SteppedHost) -> None:
    schedule = with_condition(host, "local.hour < 9 && runs_today == 0")
    skipped = run(host, entry(schedule, NOON))
    assert (skipped.status, skipped.reason) == (ExecutionStatus.SKIPPED, Reason.CONDITION)
    assert skipped.detail == "the condition was false (local.hour = 12, runs_today = 0)"
    assert skipped.finished_at == NOON + timedelta(seconds=1)


def test_a_skipped_one_has_no_attempt_and_was_never_started(host: SteppedHost) -> None:
    schedule = with_condition(host, "false")
    skipped = run(host, entry(schedule, NOON))
    assert (skipped.attempts, skipped.tries, skipped.started_at) == (0, 0, None)
    assert (skipped.code, skipped.error, skipped.dead_letter) == (None, None, False)
    assert host.ask(lambda ports: ports.ledger.attempts(skipped.id)) == ()
    assert host.claim() == []
    assert host.ask(lambda ports: ports.ledger.in_flight(schedule.id)).total == 0


def test_a_condition_that_fails_is_a_visible_failure_and_is_not_tried_again(host: SteppedHost) -> None:
    schedule = with_condition(host, "payload.missing == 1")
    failed = run(host, entry(schedule, NOON))
    assert (failed.status, failed.code, failed.dead_letter) == (
        ExecutionStatus.FAILED,
        "condition_error",
        True,
    )
    assert failed.detail is not None
    assert 'there is no field "missing"' in failed.detail
    assert failed.error == failed.detail
    assert (failed.attempts, failed.started_at, failed.next_attempt_at) == (0, None, None)
    host.clock.advance(hours=1)
    assert host.claim() == []


def test_a_failed_condition_is_judged_again_when_somebody_retries_it(host: SteppedHost) -> None:
    schedule = with_condition(host, "payload.missing == 1")
    failed = run(host, entry(schedule, NOON))
    now = host.clock.now()
    assert host.ask(lambda ports: ports.ledger.requeue(failed.id, now, now + HOUR))
    (claimed,) = host.claim()
    assert claimed.work.attempt == 1
    assert claimed.work.condition is not None


@pytest.mark.parametrize("cause", [Cause.RUN, Cause.BACKFILL, Cause.REPLAY])
def test_what_somebody_asked_for_is_not_judged(host: SteppedHost, cause: Cause) -> None:
    schedule = with_condition(host, "false")
    assert run(host, entry(schedule, NOON, cause)).status is ExecutionStatus.SUCCEEDED


@pytest.mark.parametrize("cause", [Cause.CATCH_UP, Cause.ENGINE_ONLY])
def test_what_an_occurrence_caused_is_judged(host: SteppedHost, cause: Cause) -> None:
    schedule = with_condition(host, "false")
    assert run(host, entry(schedule, NOON, cause)).status is ExecutionStatus.SKIPPED


def test_a_retry_is_not_judged_again(host: SteppedHost) -> None:
    schedule = with_condition(host, "local.hour == 12")
    claimed = lease(host, entry(schedule, NOON))
    host.end(claimed, judged(claimed.work, FAILED))
    host.clock.advance(minutes=15)
    (again,) = host.claim()
    assert (again.work.attempt, again.work.condition) == (2, None)


def test_one_that_was_leased_and_put_back_is_judged_when_it_is_leased_again(host: SteppedHost) -> None:
    schedule = with_condition(host, "true")
    first = lease(host, entry(schedule, NOON))
    host.clock.advance(minutes=21)
    host.take_back()
    (again,) = host.claim()
    assert condition_of(again).expression == condition_of(first).expression
    host.end(again, judged(again.work))
    assert get(host, entry(schedule, NOON)).status is ExecutionStatus.SUCCEEDED


def test_the_facts_tell_of_the_schedule_and_the_occurrence(host: SteppedHost) -> None:
    schedule = with_condition(
        host, "true", tags=["golf"], timezone="Europe/Paris", payload={"target": "t", "n": 1}
    )
    facts = condition_of(lease(host, entry(schedule, NOON))).facts
    assert (facts.schedule_id, facts.name, facts.tags) == ("sch_a", "report", ("golf",))
    assert (facts.timezone, facts.created_by, facts.revision) == ("Europe/Paris", "ann", 1)
    assert (facts.target_type, facts.scheduled_time) == ("web_action", NOON)
    assert facts.values()["local.hour"] == 14
    assert (facts.last, facts.runs_today) == (None, 0)


def test_last_is_the_previous_run_with_what_it_was_answered(host: SteppedHost) -> None:
    schedule = with_condition(host, "true")
    run(host, entry(schedule, NOON), TAKEN)
    last = condition_of(lease(host, entry(schedule, NOON + HOUR))).facts.last
    assert last is not None
    assert (last.status, last.code, last.response_status) == ("succeeded", "ok", 200)
    assert (last.response, last.response_truncated) == ('{"free": false}', False)
    assert (last.scheduled_time, last.started_at) == (NOON, NOON)
    assert last.finished_at == NOON + timedelta(seconds=1)


def test_last_is_not_one_that_was_skipped_nor_one_still_under_way(host: SteppedHost) -> None:
    schedule = with_condition(host, "!last.exists || last.body.free")
    run(host, entry(schedule, NOON), TAKEN)
    skipped = run(host, entry(schedule, NOON + HOUR))
    assert skipped.detail == "the condition was false (last.exists = true, last.body.free = false)"
    lease(host, entry(schedule, NOON + 2 * HOUR))
    third = condition_of(lease(host, entry(schedule, NOON + 3 * HOUR)))
    assert third.facts.last is not None
    assert third.facts.last.scheduled_time == NOON


def test_a_run_that_somebody_asked_for_counts_as_the_last(host: SteppedHost) -> None:
    schedule = with_condition(host, "!last.exists || last.body.free")
    run(host, entry(schedule, NOON), TAKEN)
    assert run(host, entry(schedule, NOON + HOUR)).status is ExecutionStatus.SKIPPED
    run(host, entry(schedule, NOON + HOUR, Cause.RUN), FREE)
    assert run(host, entry(schedule, NOON + 2 * HOUR)).status is ExecutionStatus.SUCCEEDED


def test_an_answer_that_was_too_long_to_keep_is_null_and_says_so(host: SteppedHost) -> None:
    schedule = with_condition(host, "true")
    run(host, entry(schedule, NOON), Outcome(ok=True, response='{"fr', response_truncated=True))
    facts = condition_of(lease(host, entry(schedule, NOON + HOUR))).facts
    assert facts.texts()["last.body"] is None
    assert facts.values()["last.body_truncated"] is True


def test_runs_today_counts_what_was_started_on_the_day_in_the_schedule_s_zone(host: SteppedHost) -> None:
    schedule = with_condition(host, "runs_today < 3", timezone="Pacific/Auckland")  # its day began at noon
    run(host, entry(schedule, NOON - HOUR))
    for hour in range(3):
        assert run(host, entry(schedule, NOON + hour * HOUR)).status is ExecutionStatus.SUCCEEDED
    for hour in (3, 4):
        skipped = run(host, entry(schedule, NOON + hour * HOUR))
        assert skipped.detail == "the condition was false (runs_today = 3)"


def test_the_condition_of_the_execution_s_own_revision_counts(host: SteppedHost) -> None:
    schedule = with_condition(host, "false")
    host.ask(lambda ports: ports.ledger.add([entry(schedule, NOON)]))
    changed = schedule.updated(
        schedule.definition.model_copy(update={"condition": None, "timezone": "Asia/Tokyo"}),
        NOON,
        target="target",
    )
    host.ask(lambda ports: ports.schedules.replace(changed, schedule))
    (claimed,) = host.claim()
    assert condition_of(claimed).expression == "false"
    assert (condition_of(claimed).facts.revision, condition_of(claimed).facts.timezone) == (1, "UTC")


def test_the_past_is_looked_for_among_so_many_entries_and_no_more(host: SteppedHost) -> None:
    schedule = with_condition(host, "true")
    run(host, entry(schedule, NOON))
    skipped = [
        entry(
            schedule,
            NOON + minute * timedelta(minutes=1),
            status=ExecutionStatus.SKIPPED,
            reason=Reason.CONDITION,
            next_attempt_at=None,
            finished_at=NOON,
        )
        for minute in range(1, LOOKED_BACK + 1)
    ]
    for part in range(0, LOOKED_BACK, 50):
        host.ask(lambda ports, part=part: ports.ledger.add(skipped[part : part + 50]))  # type: ignore[misc]
    before, after = skipped[-1].scheduled_time, skipped[-1].scheduled_time + timedelta(minutes=1)
    host.ask(lambda ports: ports.ledger.add([entry(schedule, before - timedelta(seconds=1))]))
    host.clock.advance_to(before)
    (claimed,) = host.claim()
    assert condition_of(claimed).facts.last is not None
    host.end(claimed, Outcome(ok=False, code="condition", made=False))
    assert condition_of(lease(host, entry(schedule, after))).facts.last is None
