"""The contract of Ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rez_agent.domain.action import Outcome, Timings
from rez_agent.domain.due import InFlight
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import (
    Cause,
    Execution,
    ExecutionStatus,
    Reason,
    Span,
    asked_execution_id,
    execution_id,
)
from rez_agent.ports import ExecutionQuery, Page, Ports
from tests.contract.hosts import SteppedHost
from tests.fakes import FAILED, NOON, OK, REFUSED
from tests.rig import schedule_of

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
DEFINED = schedule_of(schedule_id="sch_a", policies={"retry": {"max_attempts": 1}})


def entry(at: datetime = NOON, *, held: bool = False, **changes: Any) -> Execution:
    schedule_id = changes.get("schedule_id", DEFINED.id)
    queued = Execution(
        id=execution_id(schedule_id, at),
        schedule_id=schedule_id,
        owner="ann",
        scheduled_time=at,
        status=ExecutionStatus.QUEUED,
        cause=Cause.SCHEDULE,
        target_type="web_action",
        target="target",
        schedule_revision=1,
        created_date=NOON,
        due_at=at,
        expires_at=at + HOUR,
        next_attempt_at=None if held else at,
    )
    return replace(queued, **changes)


def skipped(at: datetime, reason: Reason = Reason.MISSED, **changes: Any) -> Execution:
    status = ExecutionStatus.SKIPPED
    changed = {"status": status, "reason": reason, "finished_at": NOON, "next_attempt_at": None, **changes}
    return entry(at, **changed)


def add(host: SteppedHost, *executions: Execution) -> int:
    return host.ask(lambda ports: ports.ledger.add(executions))


def get(host: SteppedHost, execution: Execution) -> Execution:
    found = host.ask(lambda ports: ports.ledger.get(execution.id))
    assert found is not None
    return found


def listed(host: SteppedHost, **query: Any) -> Page[Execution]:
    return host.ask(lambda ports: ports.ledger.list(ExecutionQuery(**query)))


def times(page: Page[Execution]) -> list[str]:
    return [f"{execution.scheduled_time:%H:%M}" for execution in page.items]


@pytest.fixture
def ledger(host: SteppedHost) -> SteppedHost:
    """A host with a schedule, and an empty ledger."""
    host.ask(lambda ports: ports.schedules.add(DEFINED))
    return host


def ended(ledger: SteppedHost, outcome: Outcome, *, at: datetime = NOON) -> Execution:
    """An execution whose only attempt ended so."""
    add(ledger, entry(at))
    (claimed,) = ledger.claim()
    ledger.end(claimed, outcome)
    return entry(at)


# --- keeping ---


def test_an_execution_is_given_back_as_it_was_written(ledger: SteppedHost) -> None:
    plain = entry()
    span = Span(NOON + HOUR, NOON + 5 * HOUR, 5)
    many = skipped(NOON + HOUR, Reason.PAUSED, detail="ünder repair", span=span)
    run = entry(
        NOON + 2 * HOUR,
        id=asked_execution_id("sch_a", NOON + 2 * HOUR, Cause.RUN, "msg_1"),
        cause=Cause.RUN,
        message_id="msg_1",
        payload={"a": [1, "☃"]},
    )
    again = replace(run, id=f"{run.id}_again", cause=Cause.REPLAY, replay_of=run.id)
    add(ledger, plain, many, run, again)
    assert [get(ledger, one) for one in (plain, many, run, again)] == [plain, many, run, again]


def test_there_is_no_execution_that_was_never_written(ledger: SteppedHost) -> None:
    assert ledger.ask(lambda ports: ports.ledger.get("sch_a_never")) is None
    assert ledger.ask(lambda ports: ports.ledger.attempts("sch_a_never")) == ()


def test_an_execution_that_is_there_already_is_left_alone(ledger: SteppedHost) -> None:
    assert add(ledger, entry()) == 1
    assert add(ledger, entry(target="elsewhere"), entry(NOON + HOUR)) == 1
    assert get(ledger, entry()).target == "target"


def test_adding_nothing_is_no_work(ledger: SteppedHost) -> None:
    assert add(ledger) == 0


def test_a_use_case_finds_what_it_has_just_written(ledger: SteppedHost) -> None:
    add(ledger, entry())

    def write_and_read(ports: Ports) -> tuple[Execution | None, InFlight, list[str], list[str], int]:
        ports.ledger.add([entry(NOON + HOUR, held=True), skipped(NOON + 2 * HOUR)])
        ports.ledger.cancel(entry().id, NOON, "no more")
        again = ports.ledger.add([entry(NOON + HOUR)])
        own, everything = ExecutionQuery(schedule_id="sch_a"), ExecutionQuery(owner="ann")
        return (
            ports.ledger.get(entry(NOON + HOUR).id),
            ports.ledger.in_flight("sch_a"),
            [one.status.value for one in ports.ledger.list(own).items],
            [one.status.value for one in ports.ledger.list(everything).items],
            again,
        )

    found, flying, history, written, again = ledger.ask(write_and_read)
    assert found is not None
    assert (found.status, found.next_attempt_at) == ("queued", NOON + HOUR)  # it was let go
    assert flying == InFlight(1, 0)
    assert history == written == ["skipped", "queued", "cancelled"]
    assert again == 0


def test_a_run_may_have_a_payload_of_its_own_of_any_size_that_is_accepted(ledger: SteppedHost) -> None:
    payload = {"body": "ü" * 100_000}
    run_id = asked_execution_id("sch_a", NOON, Cause.RUN, "msg_1")
    run = entry(id=run_id, cause=Cause.RUN, message_id="msg_1", payload=payload)
    add(ledger, run)
    assert get(ledger, run) == run
    (claimed,) = ledger.claim()
    assert claimed.work.payload == payload


# --- attempts ---


def test_an_attempt_tells_how_it_ended(ledger: SteppedHost) -> None:
    outcome = Outcome(
        ok=True,
        response_status=201,
        response="created ☃",
        response_truncated=True,
        timings=Timings(name=0.5, connect=1.5, first_byte=20.25, body=None),
    )
    execution = ended(ledger, outcome)
    (attempt,) = ledger.ask(lambda ports: ports.ledger.attempts(execution.id))
    assert (attempt.number, attempt.outcome, attempt.code, attempt.error) == (1, "succeeded", "ok", None)
    assert (attempt.response_status, attempt.response, attempt.response_truncated) == (
        201,
        "created ☃",
        True,
    )
    assert attempt.timings == outcome.timings
    assert (attempt.started_at, attempt.finished_at) == (NOON, NOON)
    after = get(ledger, execution)
    assert (after.status, after.attempts, after.response_status) == (ExecutionStatus.SUCCEEDED, 1, 201)


def test_attempts_are_told_oldest_first_and_for_several_at_once_without_responses(
    ledger: SteppedHost,
) -> None:
    execution = ended(ledger, Outcome(ok=False, error="no", response="long"))
    ledger.clock.advance(seconds=60)
    (again,) = ledger.claim()
    ledger.end(again, OK)
    attempts = ledger.ask(lambda ports: ports.ledger.attempts(execution.id))
    assert [(a.number, a.outcome, a.error, a.response) for a in attempts] == [
        (1, "failed", "no", "long"),
        (2, "succeeded", None, None),
    ]
    several = ledger.ask(lambda ports: ports.ledger.attempts_of([execution.id, "sch_a_never"]))
    assert several == {
        execution.id: tuple(replace(attempt, response=None) for attempt in attempts),
        "sch_a_never": (),
    }


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "\U0001f4a5", "\u2028"])
def test_whatever_text_an_action_gives_its_end_is_recorded(ledger: SteppedHost, text: str) -> None:
    execution = ended(ledger, Outcome(ok=False, permanent=True, error=text, response=text))
    assert get(ledger, execution).status is ExecutionStatus.FAILED
    (attempt,) = ledger.ask(lambda ports: ports.ledger.attempts(execution.id))
    assert attempt.error


# --- in flight ---


def test_what_is_not_final_is_in_flight_and_the_held_are_counted_apart(ledger: SteppedHost) -> None:
    assert ledger.ask(lambda ports: ports.ledger.in_flight("sch_a")) == InFlight(0, 0)
    add(ledger, entry(), entry(NOON + HOUR, held=True), entry(NOON + 2 * HOUR, held=True))
    add(ledger, skipped(NOON + 3 * HOUR))
    assert ledger.ask(lambda ports: ports.ledger.in_flight("sch_a")) == InFlight(3, 2)
    (claimed,) = ledger.claim()
    assert ledger.ask(lambda ports: ports.ledger.in_flight("sch_a")) == InFlight(3, 2)
    ledger.end(claimed)
    assert ledger.ask(lambda ports: ports.ledger.in_flight("sch_a")) == InFlight(2, 1)


# --- requeue ---


def test_a_failed_execution_is_queued_again_with_a_fresh_budget(ledger: SteppedHost) -> None:
    execution = ended(ledger, REFUSED)
    assert get(ledger, execution).dead_letter
    now = ledger.clock.advance(seconds=7_200)
    assert ledger.ask(lambda ports: ports.ledger.requeue(execution.id, now, now + HOUR))
    after = get(ledger, execution)
    assert (after.status, after.tries, after.dead_letter) == (ExecutionStatus.QUEUED, 0, False)
    assert (after.next_attempt_at, after.expires_at, after.finished_at) == (now, now + HOUR, None)
    (claimed,) = ledger.claim()
    assert claimed.work.attempt == 2
    assert claimed.work.idempotency_key == execution.id
    ledger.end(claimed, FAILED)
    assert get(ledger, execution).status is ExecutionStatus.QUEUED


def test_a_cancelled_execution_is_queued_again_and_then_runs(ledger: SteppedHost) -> None:
    add(ledger, entry())
    ledger.ask(lambda ports: ports.ledger.cancel(entry().id, NOON, "no more"))
    assert ledger.ask(lambda ports: ports.ledger.requeue(entry().id, NOON, NOON + HOUR))
    after = get(ledger, entry())
    assert (after.status, after.reason, after.detail) == (ExecutionStatus.QUEUED, None, None)
    assert len(ledger.claim()) == 1


def test_what_is_neither_failed_nor_cancelled_is_not_queued_again(ledger: SteppedHost) -> None:
    succeeded = ended(ledger, OK)
    add(ledger, entry(NOON - HOUR), skipped(NOON - 2 * HOUR))
    for execution_id_ in (succeeded.id, entry(NOON - HOUR).id, skipped(NOON - 2 * HOUR).id, "sch_a_never"):
        requeue = execution_id_
        assert not ledger.ask(lambda ports, one=requeue: ports.ledger.requeue(one, NOON, NOON + HOUR))  # type: ignore[misc]


# --- cancel ---


def test_a_queued_execution_is_cancelled_at_once(ledger: SteppedHost) -> None:
    add(ledger, entry())
    assert ledger.ask(lambda ports: ports.ledger.cancel(entry().id, NOON + SECOND, "not today"))
    after = get(ledger, entry())
    assert (after.status, after.reason, after.detail) == ("cancelled", "cancelled", "not today")
    assert (after.finished_at, after.next_attempt_at) == (NOON + SECOND, None)
    assert ledger.claim() == []


def test_a_running_execution_asked_to_stop_may_still_end_first(ledger: SteppedHost) -> None:
    add(ledger, entry())
    (claimed,) = ledger.claim()
    assert ledger.ask(lambda ports: ports.ledger.cancel(entry().id, NOON, "not today"))
    assert get(ledger, entry()).status is ExecutionStatus.RUNNING
    ledger.end(claimed, OK)
    assert get(ledger, entry()).status is ExecutionStatus.SUCCEEDED


def test_a_running_execution_asked_to_stop_is_never_tried_again(ledger: SteppedHost) -> None:
    add(ledger, entry())
    (claimed,) = ledger.claim()
    ledger.ask(lambda ports: ports.ledger.cancel(entry().id, NOON, "not today"))
    ledger.end(claimed, FAILED)
    after = get(ledger, entry())
    assert (after.status, after.reason, after.detail) == ("cancelled", "cancelled", "not today")
    assert after.finished_at == NOON


def test_what_is_final_is_not_cancelled(ledger: SteppedHost) -> None:
    execution = ended(ledger, OK)
    for one in (execution.id, "sch_a_never"):
        assert not ledger.ask(lambda ports, one=one: ports.ledger.cancel(one, NOON, ""))  # type: ignore[misc]


def test_cancelling_the_one_in_front_lets_the_held_one_go(ledger: SteppedHost) -> None:
    add(ledger, entry(), entry(NOON + HOUR, held=True, due_at=NOON))
    ledger.ask(lambda ports: ports.ledger.cancel(entry().id, NOON, ""))
    assert [claimed.work.scheduled_time for claimed in ledger.claim()] == [NOON + HOUR]


def test_all_of_a_schedule_is_cancelled_and_nothing_of_another(ledger: SteppedHost) -> None:
    ledger.ask(lambda ports: ports.schedules.add(schedule_of("b", schedule_id="sch_b")))
    add(ledger, entry())
    assert len(ledger.claim()) == 1
    add(ledger, entry(NOON - HOUR), entry(NOON + HOUR, held=True), entry(schedule_id="sch_b"))
    assert ledger.ask(lambda ports: ports.ledger.cancel_all("sch_a", NOON, "gone")) == 3
    page = listed(ledger, schedule_id="sch_a")
    assert [execution.status.value for execution in page.items] == ["cancelled", "running", "cancelled"]
    assert get(ledger, entry(schedule_id="sch_b")).status is ExecutionStatus.QUEUED


# --- lists ---


@pytest.fixture
def history(ledger: SteppedHost) -> SteppedHost:
    """Written in this order: 14:00 skipped, 12:00 failed, 13:00 queued, and 12:00 of another owner."""
    other = schedule_of("b", schedule_id="sch_b", created_by="bob")
    ledger.ask(lambda ports: ports.schedules.add(other))
    add(ledger, skipped(NOON + 2 * HOUR))
    ended(ledger, REFUSED)
    add(ledger, entry(NOON + HOUR), entry(schedule_id="sch_b", owner="bob", next_attempt_at=NOON + HOUR))
    return ledger


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["12:00", "13:00", "12:00", "14:00"]),
        ({"owner": "ann"}, ["13:00", "12:00", "14:00"]),
        ({"owner": "bob"}, ["12:00"]),
        ({"schedule_id": "sch_a"}, ["14:00", "13:00", "12:00"]),
        ({"schedule_id": "sch_a", "owner": "bob"}, []),
        ({"status": ExecutionStatus.QUEUED}, ["12:00", "13:00"]),
        ({"status": ExecutionStatus.FAILED}, ["12:00"]),
        ({"status": ExecutionStatus.SUCCEEDED}, []),
        ({"reason": Reason.MISSED}, ["14:00"]),
        ({"dead_letter": True}, ["12:00"]),
        ({"dead_letter": False, "schedule_id": "sch_a"}, ["14:00", "13:00"]),
        ({"since": NOON + HOUR}, ["13:00", "14:00"]),
        ({"until": NOON + HOUR}, ["12:00", "12:00"]),
        ({"schedule_id": "sch_a", "since": NOON + HOUR}, ["14:00", "13:00"]),
        ({"schedule_id": "sch_a", "since": NOON + HOUR, "until": NOON + 2 * HOUR}, ["13:00"]),
        ({"schedule_id": "sch_a", "since": NOON + HOUR + SECOND / 2}, ["14:00"]),
        ({"schedule_id": "sch_a", "until": NOON + HOUR + SECOND / 2}, ["13:00", "12:00"]),
        ({"schedule_id": "sch"}, []),
    ],
    ids=str,
)
def test_a_list_has_what_matches_newest_first(
    history: SteppedHost, query: dict[str, Any], expected: list[str]
) -> None:
    page = listed(history, **query)
    assert times(page) == expected
    assert (page.total, page.total_is_exact, page.next_cursor) == (len(expected), True, None)


@pytest.mark.parametrize("query", [{}, {"schedule_id": "sch_a"}])
def test_pages_hold_everything_once(history: SteppedHost, query: dict[str, Any]) -> None:
    whole, cursor = listed(history, **query), None
    found: list[Execution] = []
    while True:
        page = listed(history, limit=2, cursor=cursor, **query)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert tuple(found) == whole.items


def test_a_schedule_whose_id_begins_with_anothers_has_a_history_of_its_own(ledger: SteppedHost) -> None:
    ledger.ask(lambda ports: ports.schedules.add(schedule_of("b", schedule_id="sch_a_2")))
    add(ledger, entry(), entry(schedule_id="sch_a_2"))
    assert len(listed(ledger, schedule_id="sch_a").items) == 1


def test_a_cursor_belongs_to_the_query_that_gave_it(history: SteppedHost) -> None:
    cursor = listed(history, limit=1).next_cursor
    for wrong in ({"schedule_id": "sch_a"}, {"owner": "ann"}, {"since": NOON}):
        with pytest.raises(Invalid) as refused:
            listed(history, cursor=cursor, **wrong)
        assert refused.value.code == "invalid_cursor"


# --- the latest ---


def latest(
    host: SteppedHost,
    *schedule_ids: str,
    each: int = 10,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, tuple[Execution, ...]]:
    return host.ask(lambda ports: ports.ledger.latest(schedule_ids, each, since=since, until=until))


def test_the_latest_of_several_schedules_are_told_newest_first_and_no_more_than_asked_for(
    history: SteppedHost,
) -> None:
    found = latest(history, "sch_b", "sch_a", "sch_never", "sch_a", each=2)
    told_ = {
        schedule_id: [f"{one.scheduled_time:%H:%M}" for one in ones] for schedule_id, ones in found.items()
    }
    assert told_ == {"sch_b": ["12:00"], "sch_a": ["14:00", "13:00"], "sch_never": []}
    assert latest(history) == {}


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (NOON + HOUR, None, ["14:00", "13:00"]),
        (None, NOON + HOUR, ["12:00"]),
        (NOON, NOON + 2 * HOUR, ["13:00", "12:00"]),
        (NOON + 3 * HOUR, None, []),
    ],
    ids=str,
)
def test_the_latest_may_be_those_of_a_stretch(
    history: SteppedHost, since: datetime | None, until: datetime | None, expected: list[str]
) -> None:
    found = latest(history, "sch_a", "sch_b", since=since, until=until)["sch_a"]
    assert [f"{one.scheduled_time:%H:%M}" for one in found] == expected


def test_the_latest_are_as_the_ledger_has_them_but_for_their_payloads(ledger: SteppedHost) -> None:
    ended(ledger, REFUSED)
    run_id = asked_execution_id("sch_a", NOON + HOUR, Cause.RUN, "msg_1")
    span = Span(NOON + 2 * HOUR, NOON + 5 * HOUR, 4)
    add(
        ledger,
        entry(NOON + HOUR, id=run_id, cause=Cause.RUN, message_id="msg_1", payload={"a": "b" * 100_000}),
        skipped(NOON + 2 * HOUR, Reason.PAUSED, detail="ünder repair", span=span),
    )
    listed_ = listed(ledger, schedule_id="sch_a").items
    assert latest(ledger, "sch_a")["sch_a"] == tuple(replace(one, payload=None) for one in listed_)


def test_the_latest_hold_what_the_use_case_has_just_written(ledger: SteppedHost) -> None:
    add(ledger, entry())

    def write_and_read(ports: Ports) -> list[str]:
        ports.ledger.add([skipped(NOON + HOUR)])
        ports.ledger.cancel(entry().id, NOON, "no more")
        return [one.status.value for one in ports.ledger.latest(["sch_a"], 5)["sch_a"]]

    assert ledger.ask(write_and_read) == ["skipped", "cancelled"]


def test_the_latest_of_a_schedule_whose_id_begins_anothers_are_its_own(ledger: SteppedHost) -> None:
    ledger.ask(lambda ports: ports.schedules.add(schedule_of("b", schedule_id="sch_a_2")))
    add(ledger, entry(), *(entry(NOON + n * HOUR, schedule_id="sch_a_2") for n in range(3)))
    assert latest(ledger, "sch_a", each=1) == {"sch_a": (get(ledger, entry()),)}


# --- dead letters ---


def test_dead_letters_are_told_oldest_first_and_no_more_than_asked_for(ledger: SteppedHost) -> None:
    dead = [ended(ledger, REFUSED, at=NOON - number * HOUR / 4).id for number in range(3)]
    ended(ledger, OK, at=NOON - 3 * HOUR / 4)
    query = ExecutionQuery(dead_letter=True)
    assert ledger.ask(lambda ports: ports.ledger.dead_letters(query)) == tuple(dead)
    assert ledger.ask(lambda ports: ports.ledger.dead_letters(replace(query, limit=2))) == tuple(dead[:2])
    assert ledger.ask(lambda ports: ports.ledger.dead_letters(replace(query, owner="bob"))) == ()


def test_the_ledger_tells_how_far_back_it_may_have_forgotten(host: SteppedHost) -> None:
    seldom = schedule_of("seldom", schedule_expression="rate(30 days)")
    often = schedule_of("often", schedule_expression="rate(1 minute)")
    since = host.ask(lambda ports: ports.ledger.kept_since(seldom, NOON))
    assert since == NOON - timedelta(days=90)
    assert host.ask(lambda ports: ports.ledger.kept_since(often, NOON)) >= since
