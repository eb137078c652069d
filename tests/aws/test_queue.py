"""The queue of work on AWS: leases, retries, what is held, and who comes first of two at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rez_agent.aws import queue
from rez_agent.aws.bundle import AwsPorts, ports_over
from rez_agent.aws.execution_items import LANES
from rez_agent.aws.queue import LEASE, Later, as_claimed
from rez_agent.aws.tables import EXECUTIONS, RECORDS, SCHEDULES
from rez_agent.aws.unit import Conflicting, Unit, run_whole
from rez_agent.domain.action import Outcome
from rez_agent.domain.due import InFlight
from rez_agent.domain.execution import CRASHES_AT_MOST, Cause, Execution, ExecutionStatus
from rez_agent.domain.schedule import Schedule, ScheduleDefinition
from rez_agent.ports import Claimed
from rez_agent.usecases.entries import asked_execution
from rez_agent.usecases.firing import Firing, fire
from rez_agent.usecases.processing import conclude
from tests.aws import work
from tests.aws.stage import client
from tests.aws.stepped import AwsStepped
from tests.fakes import FAILED, NOON, OK, REFUSED
from tests.rig import definition_of, schedule_of

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
SCHEDULE = schedule_of(policies={"overlap": "skip"})


@pytest.fixture
def host() -> AwsStepped:
    host = AwsStepped()
    keep(host, SCHEDULE)
    return host


def keep(host: AwsStepped, *schedules: Schedule) -> None:
    def add(ports: AwsPorts) -> None:
        for schedule in schedules:
            ports.schedules.add(schedule)

    host.do(add)


def run_of(
    host: AwsStepped, number: int = 0, schedule: Schedule = SCHEDULE, *, held: bool = False, **changes: Any
) -> Execution:
    """An execution, due now."""
    now = host.clock.now()
    return replace(
        asked_execution(schedule, NOON, Cause.RUN, f"msg_{number:05}", now=now, held=held), **changes
    )


def put(host: AwsStepped, *executions: Execution) -> None:
    host.do(lambda ports: ports.ledger.add(executions))


def queued(host: AwsStepped, number: int = 0, **changes: Any) -> Execution:
    """The same, written."""
    execution = run_of(host, number, **changes)
    put(host, execution)
    return execution


def knock(host: AwsStepped, execution: Execution) -> Claimed | Later | None:
    return work.claim(host, (execution.schedule_id, execution.id), host.clock.now())


def claimed(host: AwsStepped, execution: Execution) -> Claimed:
    found = knock(host, execution)
    assert isinstance(found, Claimed)
    return found


def end(host: AwsStepped, one: Claimed, outcome: Outcome = OK, *, draw: float = 0.5) -> list[Execution]:
    return work.end(host, one, host.clock.now(), outcome, draw=draw)


def take_back(host: AwsStepped, execution: Execution) -> list[Execution]:
    return work.take_back(host, (execution.schedule_id, execution.id), host.clock.now())


def now_is(host: AwsStepped, execution: Execution) -> Execution:
    found = host.ask(lambda ports: ports.ledger.get(execution.id))
    assert found is not None
    return found


def outcomes(host: AwsStepped, execution: Execution) -> list[str]:
    attempts = host.ask(lambda ports: ports.ledger.attempts(execution.id))
    return [attempt.outcome for attempt in attempts]


def ids(executions: list[Execution]) -> list[str]:
    return [execution.id for execution in executions]


# --- leases ---


def test_an_execution_is_leased_once_however_often_its_message_comes(host: AwsStepped) -> None:
    execution = queued(host)
    found = claimed(host, execution)
    assert (found.work.execution_id, found.lease, found.work.attempt) == (execution.id, 1, 1)
    assert knock(host, execution) is None
    running = now_is(host, execution)
    assert (running.status, running.attempts, running.started_at) == ("running", 1, NOON)


def test_a_message_for_what_is_final_held_or_not_there_is_dropped(host: AwsStepped) -> None:
    final, first, held = queued(host, 1), queued(host, 2), queued(host, 3, held=True)
    host.ask(lambda ports: ports.ledger.cancel(final.id, NOON, "no"))
    never = replace(first, id="sch_report_20260601T130000Z")
    assert [knock(host, one) for one in (final, held, never)] == [None, None, None]


def test_what_is_not_due_yet_is_told_when_to_come_again(host: AwsStepped) -> None:
    execution = queued(host, next_attempt_at=NOON + MINUTE)
    assert knock(host, execution) == Later(NOON + MINUTE)
    host.clock.advance(minutes=1)
    assert claimed(host, execution).lease == 1


def test_of_two_claims_at_once_one_gets_the_lease(host: AwsStepped) -> None:
    execution = queued(host)

    def after_another(ports: AwsPorts) -> Claimed | Later | None:
        found = queue.claim(ports, execution.schedule_id, execution.id, NOON)
        if isinstance(found, Claimed):
            claimed(host, execution)
        return found

    assert host.do(after_another) is None
    assert now_is(host, execution).attempts == 1


def test_an_end_reported_with_an_older_lease_is_not_recorded(host: AwsStepped) -> None:
    execution = queued(host, expires_at=NOON + 24 * HOUR)
    stale = claimed(host, execution)
    host.clock.advance_to(NOON + LEASE + MILLISECOND)
    assert ids(take_back(host, execution)) == [execution.id]
    present = claimed(host, execution)
    assert (present.lease, present.work.attempt) == (2, 2)
    assert end(host, stale, REFUSED) == []
    assert now_is(host, execution).status is ExecutionStatus.RUNNING
    end(host, present)
    assert end(host, present, REFUSED) == []
    assert now_is(host, execution).status is ExecutionStatus.SUCCEEDED
    assert outcomes(host, execution) == ["interrupted", "succeeded"]


def test_what_was_leased_and_never_begun_is_put_back_as_if_it_had_not_been(host: AwsStepped) -> None:
    execution = queued(host)
    found = claimed(host, execution)
    now = host.clock.advance(seconds=3)
    (back,) = host.do(lambda ports: queue.put_back(ports, found, now))
    assert back == now_is(host, execution) == replace(execution, next_attempt_at=now)
    assert outcomes(host, execution) == []
    assert host.do(lambda ports: queue.put_back(ports, found, now)) == []
    assert (claimed(host, execution).lease, now_is(host, execution).attempts) == (2, 1)


def test_what_is_put_back_though_somebody_cancelled_it_ends(host: AwsStepped) -> None:
    execution = queued(host)
    found = claimed(host, execution)
    host.ask(lambda ports: ports.ledger.cancel(execution.id, NOON, "wrong day"))
    assert host.do(lambda ports: queue.put_back(ports, found, NOON)) == []
    after = now_is(host, execution)
    assert (after.status, after.reason, after.detail) == ("cancelled", "cancelled", "wrong day")


# --- what it is to do ---


def test_an_execution_does_what_its_schedule_said_when_it_was_written(host: AwsStepped) -> None:
    execution = queued(host)
    document = definition_of(payload={"target": "elsewhere"})
    after = SCHEDULE.updated(ScheduleDefinition.model_validate(document), NOON, target="elsewhere")
    host.do(lambda ports: ports.schedules.replace(after, SCHEDULE))
    newer = queued(host, 1, schedule=after)
    assert claimed(host, execution).work.payload == {"target": "target"}
    found = claimed(host, newer)
    assert found.work.payload == {"target": "elsewhere"}
    assert found.work.payload_text == '{"target":"elsewhere"}'


def test_a_payload_of_its_own_goes_before_the_schedules(host: AwsStepped) -> None:
    execution = queued(host, payload={"mine": 1})
    found = claimed(host, execution)
    assert (found.work.payload, found.work.payload_text) == ({"mine": 1}, '{"mine":1}')


def test_what_is_queued_when_its_schedule_is_deleted_is_still_done(host: AwsStepped) -> None:
    execution = queued(host)
    host.do(lambda ports: ports.schedules.replace(SCHEDULE.deleted(NOON), SCHEDULE))
    assert claimed(host, execution).work.payload == {"target": "target"}


def test_without_its_schedule_an_execution_is_a_dead_letter_and_says_why(host: AwsStepped) -> None:
    execution, behind = queued(host), queued(host, 1, held=True)
    host.do(lambda ports: ports.unit.delete(SCHEDULES, SCHEDULE.id))
    assert knock(host, execution) is None
    after = now_is(host, execution)
    assert (after.status, after.dead_letter, after.code) == ("failed", True, "schedule_gone")
    assert after.detail is not None
    assert "deleted" in after.detail
    assert ids(host.published) == [behind.id]


# --- retries ---


def test_a_failed_attempt_is_to_be_published_for_when_its_backoff_ends(host: AwsStepped) -> None:
    execution = queued(host)
    (again,) = end(host, claimed(host, execution), FAILED, draw=0.5)
    assert again == now_is(host, execution)
    assert (again.status, again.next_attempt_at) == ("queued", NOON + 5 * SECOND)
    host.clock.advance(seconds=4.999)
    assert knock(host, execution) == Later(NOON + 5 * SECOND)
    host.clock.advance(seconds=0.001)
    second = claimed(host, execution)
    assert (second.work.attempt, second.tries, second.work.idempotency_key) == (2, 1, execution.id)


def test_after_its_last_try_an_execution_is_a_dead_letter(host: AwsStepped) -> None:
    execution = queued(host)
    for tries in range(1, 5):
        published = end(host, claimed(host, execution), FAILED)
        assert ids(published) == ([execution.id] if tries < 4 else [])
        host.clock.advance(minutes=6)
    dead = now_is(host, execution)
    assert (dead.status, dead.dead_letter, dead.attempts, dead.tries) == ("failed", True, 4, 4)
    assert knock(host, execution) is None


def test_only_the_first_and_the_last_five_attempts_keep_their_response(host: AwsStepped) -> None:
    retry = {"max_attempts": 20, "max_backoff_seconds": 0, "min_backoff_seconds": 0}
    keep(host, patient := schedule_of("patient", policies={"retry": retry}))
    execution = queued(host, schedule=patient)
    for number in range(1, 15):
        one = claimed(host, execution)
        end(host, one, Outcome(ok=False, error=f"error {number}", response=f"response {number}"))
    attempts = host.ask(lambda ports: ports.ledger.attempts(execution.id))
    assert [a.number for a in attempts if a.response] == [1, 2, 3, 4, 5, 10, 11, 12, 13, 14]
    assert [a.error for a in attempts] == [f"error {number}" for number in range(1, 15)]


# --- the event age ---


def test_what_could_not_start_within_its_age_is_skipped_and_says_so(host: AwsStepped) -> None:
    execution = queued(host, expires_at=NOON + MINUTE)
    host.clock.advance(seconds=60.001)
    assert knock(host, execution) is None
    after = now_is(host, execution)
    assert (after.status, after.reason, after.dead_letter) == ("skipped", "expired", False)


def test_at_the_very_end_of_its_age_it_may_still_start(host: AwsStepped) -> None:
    execution = queued(host, expires_at=NOON + MINUTE)
    host.clock.advance(seconds=60)
    assert claimed(host, execution).lease == 1


def test_what_could_not_be_tried_again_within_its_age_is_a_dead_letter(host: AwsStepped) -> None:
    execution = queued(host)
    end(host, claimed(host, execution), FAILED)
    host.clock.advance(hours=2)
    assert knock(host, execution) is None
    after = now_is(host, execution)
    assert (after.status, after.reason, after.dead_letter) == ("failed", None, True)


def test_what_was_held_behind_something_that_expired_is_published(host: AwsStepped) -> None:
    execution = queued(host, expires_at=NOON + MINUTE)
    behind = queued(host, 1, held=True)
    host.clock.advance(minutes=10)
    assert knock(host, execution) is None
    assert ids(host.published) == [behind.id]
    assert claimed(host, behind).lease == 1


# --- held ---


def test_the_held_are_let_go_one_after_the_other_in_their_order(host: AwsStepped) -> None:
    first = queued(host)
    held = [run_of(host, number, held=True) for number in (3, 1, 2)]
    put(host, *held)
    order, waits = [], [first]
    while waits:
        (one,) = waits
        order.append(one.id)
        waits = end(host, claimed(host, one))
    assert order == ids([first, *held])


def test_a_retry_of_the_one_in_front_keeps_the_held_waiting(host: AwsStepped) -> None:
    first, behind = queued(host), queued(host, 1, held=True)
    assert ids(end(host, claimed(host, first), FAILED)) == [first.id]
    assert now_is(host, behind).next_attempt_at is None


def test_what_was_held_for_long_has_its_whole_age_before_it(host: AwsStepped) -> None:
    first, behind = queued(host), queued(host, 1, held=True)
    one = claimed(host, first)
    now = host.clock.advance(hours=5)
    end(host, one)
    after = now_is(host, behind)
    assert (after.next_attempt_at, after.expires_at) == (now, now + HOUR)


def test_the_held_go_on_though_two_at_once_are_allowed_by_now(host: AwsStepped) -> None:
    first, second, third = queued(host), queued(host, 1, held=True), queued(host, 2, held=True)
    document = definition_of(policies={"overlap": "allow"})
    after = SCHEDULE.updated(ScheduleDefinition.model_validate(document), NOON, target="target")
    host.do(lambda ports: ports.schedules.replace(after, SCHEDULE))
    assert ids(end(host, claimed(host, first))) == [second.id]
    assert ids(end(host, claimed(host, second))) == [third.id]


def test_cancelling_the_one_in_front_publishes_the_one_behind(host: AwsStepped) -> None:
    first, behind = queued(host), queued(host, 1, held=True)
    host.ask(lambda ports: ports.ledger.cancel(first.id, NOON, "no"))
    assert ids(host.published) == [behind.id]


def test_held_behind_nothing_is_found_and_let_go(host: AwsStepped) -> None:
    keep(host, other := schedule_of("other"))
    queued(host)
    queued(host, 1, held=True)
    stranded = [run_of(host, number, schedule=other, held=True) for number in (1, 2)]
    put(host, *stranded)
    found = host.do(lambda ports: queue.held(ports.unit, 10))
    assert found == [other.id]
    assert ids(host.do(lambda ports: queue.release(ports, other.id, NOON))) == [stranded[0].id]
    assert host.do(lambda ports: queue.release(ports, other.id, NOON)) == []
    assert host.do(lambda ports: queue.held(ports.unit, 10)) == []


# --- leases that ran out ---


def test_a_lease_is_taken_back_once_it_has_run_out_and_no_sooner(host: AwsStepped) -> None:
    execution = queued(host, expires_at=NOON + 24 * HOUR)
    claimed(host, execution)
    host.clock.advance_to(NOON + LEASE)
    assert work.take_back_all(host, host.clock.now()) == take_back(host, execution) == []
    now = host.clock.advance(milliseconds=1)
    assert ids(work.take_back_all(host, now)) == [execution.id]
    after = now_is(host, execution)
    assert (after.status, after.next_attempt_at, after.crashes) == ("queued", now, 1)
    (attempt,) = host.ask(lambda ports: ports.ledger.attempts(execution.id))
    assert (attempt.outcome, attempt.code, attempt.started_at) == ("interrupted", "interrupted", NOON)
    assert attempt.finished_at == now


def crash(host: AwsStepped, execution: Execution) -> list[Execution]:
    claimed(host, execution)
    host.clock.advance(minutes=21)
    return take_back(host, execution)


def test_an_execution_that_no_function_survives_is_a_dead_letter(host: AwsStepped) -> None:
    execution = queued(host, expires_at=NOON + 24 * HOUR)
    behind = queued(host, 1, held=True)
    for _ in range(CRASHES_AT_MOST - 1):
        assert ids(crash(host, execution)) == [execution.id]
    assert ids(crash(host, execution)) == [behind.id]
    dead = now_is(host, execution)
    assert (dead.status, dead.dead_letter, dead.code) == ("failed", True, "interrupted")
    assert (dead.crashes, dead.attempts) == (CRASHES_AT_MOST, CRASHES_AT_MOST)
    now = host.clock.now()
    assert host.ask(lambda ports: ports.ledger.requeue(execution.id, now, now + HOUR))
    assert ids(crash(host, execution)) == [execution.id]


def test_a_crash_does_not_forget_that_an_execution_was_to_be_cancelled(host: AwsStepped) -> None:
    execution = queued(host)
    one = claimed(host, execution)
    host.ask(lambda ports: ports.ledger.cancel(execution.id, NOON, "wrong day"))
    host.clock.advance(minutes=21)
    assert take_back(host, execution) == end(host, one) == []
    after = now_is(host, execution)
    assert (after.status, after.reason, after.detail) == ("cancelled", "cancelled", "wrong day")


def test_what_waits_is_told_oldest_first_over_all_lanes(host: AwsStepped) -> None:
    executions = [
        run_of(host, number, next_attempt_at=NOON + (30 - number) * SECOND)
        for number in range(3 * len(LANES))
    ]
    put(host, *executions, run_of(host, 99, held=True))
    claimed_already = run_of(host, 98)
    put(host, claimed_already)
    claimed(host, claimed_already)
    oldest = list(reversed(executions))

    def waiting(limit: int, seconds: int = 60) -> list[str]:
        keys = host.do(lambda ports: queue.waiting(ports.unit, NOON + seconds * SECOND, limit))
        return [execution_id for _, execution_id in keys]

    assert waiting(100) == ids(oldest)
    assert waiting(5) == ids(oldest[:5])
    assert waiting(100, seconds=10) == ids(oldest[:3])


# --- two at once ---


def unit_of(host: AwsStepped) -> tuple[Unit, AwsPorts]:
    unit = host.unit()
    return unit, ports_over(unit, host.shared)


def start_if_free(ports: AwsPorts, execution: Execution) -> InFlight:
    """As a firing does where two at once are not allowed."""
    in_flight = ports.ledger.in_flight(execution.schedule_id)
    if in_flight.total:
        execution = replace(execution, next_attempt_at=None)
    ports.ledger.add([execution])
    return in_flight


def test_two_firings_at_once_do_not_both_find_nothing_in_flight(host: AwsStepped) -> None:
    one, other = run_of(host, 1), run_of(host, 2)
    unit, ports = unit_of(host)
    assert start_if_free(ports, one).total == 0
    assert host.do(lambda ports: start_if_free(ports, other)).total == 0
    with pytest.raises(Conflicting):
        unit.commit()
    assert host.do(lambda ports: start_if_free(ports, one)).total == 1
    assert now_is(host, one).next_attempt_at is None


def test_nothing_is_held_behind_what_ends_at_that_moment(host: AwsStepped) -> None:
    first, behind = queued(host), run_of(host, 1)
    one = claimed(host, first)
    unit, ports = unit_of(host)
    assert start_if_free(ports, behind).total == 1
    assert end(host, one) == []
    with pytest.raises(Conflicting):
        unit.commit()
    assert host.do(lambda ports: start_if_free(ports, behind)).total == 0


def test_an_end_lets_go_what_is_held_behind_it_at_that_moment(host: AwsStepped) -> None:
    first, behind = queued(host), run_of(host, 1)
    one = claimed(host, first)
    ended = conclude(one, OK, started_at=NOON, finished_at=NOON, draw=0.5)
    late = iter([True])

    def meanwhile(ports: AwsPorts) -> list[Execution]:
        published = queue.conclude(ports, ended)
        if next(late, False):
            host.do(lambda ports: start_if_free(ports, behind))
        return published

    assert ids(host.do(meanwhile)) == [behind.id]


def test_a_cancellation_that_an_end_did_not_know_of_counts(host: AwsStepped) -> None:
    execution = queued(host)
    one, item = claimed_with_item(host, execution)
    host.ask(lambda ports: ports.ledger.cancel(execution.id, NOON, "wrong day"))
    ended = conclude(one, FAILED, started_at=NOON, finished_at=NOON, draw=0.5)
    assert whole(host, lambda ports: queue.conclude(ports, ended), item) == []
    after = now_is(host, execution)
    assert (after.status, after.detail, after.attempts) == ("cancelled", "wrong day", 1)


# --- the cost ---


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """The calls of DynamoDB, and how many items they write."""
    found: Counter[str] = Counter()

    def count(model: Any, params: Any, **_: Any) -> None:
        found[model.name] += 1
        if model.name == "PutItem":
            found["written"] += 1
        if model.name == "TransactWriteItems":
            found["written"] += params["body"].count(b'"Put"')

    events = client("dynamodb").meta.events
    events.register("before-call.dynamodb", count)
    try:
        yield found
    finally:
        events.unregister("before-call.dynamodb", count)


def whole(host: AwsStepped, move: Callable[[AwsPorts], Any], item: dict[str, Any]) -> Any:
    """A move that knows the execution's item."""
    return run_whole(
        host.unit,
        lambda unit: move(ports_over(unit, host.shared)),
        draw=host.random.draw,
        known=[(EXECUTIONS, item)],
    )


def claimed_with_item(host: AwsStepped, execution: Execution) -> tuple[Claimed, dict[str, Any]]:
    unit, found = host.do(
        lambda ports: (
            ports.unit,
            queue.claim(ports, execution.schedule_id, execution.id, host.clock.now()),
        )
    )
    assert isinstance(found, Claimed)
    item = as_claimed(unit, found)
    assert item is not None
    return found, item


def firing(host: AwsStepped, schedule: Schedule) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """The calls of a firing, its claim and its conclusion."""
    with counted() as fired:
        assert host.do(lambda ports: fire(ports, schedule.id, NOON, 1)) is Firing.QUEUED
    (execution,) = host.published
    with counted() as taken:
        one, item = claimed_with_item(host, execution)
    ended = conclude(one, OK, started_at=NOON, finished_at=NOON, draw=0.5)
    with counted() as concluded:
        whole(host, lambda ports: queue.conclude(ports, ended), item)
    assert now_is(host, execution).status is ExecutionStatus.SUCCEEDED
    return fired, taken, concluded


def test_a_firing_costs_three_writes_where_two_at_once_are_allowed() -> None:
    host = AwsStepped()
    keep(host, schedule := schedule_of(policies={"overlap": "allow"}))
    fired, taken, concluded = firing(host, schedule)
    assert fired == {"GetItem": 2, "PutItem": 1, "written": 1}
    assert taken == {"GetItem": 2, "PutItem": 1, "written": 1}
    assert concluded == {"PutItem": 1, "written": 1}


def test_a_firing_writes_the_guard_twice_more_where_they_are_not(host: AwsStepped) -> None:
    fired, taken, concluded = firing(host, SCHEDULE)
    assert fired == {"GetItem": 3, "Query": 1, "TransactWriteItems": 1, "written": 2}
    assert taken == {"GetItem": 2, "PutItem": 1, "written": 1}
    assert concluded == {"GetItem": 1, "Query": 1, "TransactWriteItems": 1, "written": 2}


def test_a_retry_needs_no_guard(host: AwsStepped) -> None:
    execution = queued(host)
    one, item = claimed_with_item(host, execution)
    ended = conclude(one, FAILED, started_at=NOON, finished_at=NOON, draw=0.5)
    with counted() as calls:
        whole(host, lambda ports: queue.conclude(ports, ended), item)
    assert calls == {"PutItem": 1, "written": 1}


def test_a_guard_that_is_gone_does_no_harm(host: AwsStepped) -> None:
    first = queued(host)
    host.do(lambda ports: start_if_free(ports, run_of(host, 1)))
    unit, ports = unit_of(host)
    start_if_free(ports, run_of(host, 2))
    host.do(lambda ports: ports.unit.delete(RECORDS, f"guard#{SCHEDULE.id}", "-"))
    with pytest.raises(Conflicting):
        unit.commit()
    assert len(end(host, claimed(host, first))) == 1
