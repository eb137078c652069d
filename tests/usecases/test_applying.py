"""Applying commands, on a local host that the test moves by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from rez_agent.domain.command import Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import Conflict, Invalid, NotFound, Unavailable
from rez_agent.domain.execution import Execution, ExecutionStatus, Span
from rez_agent.domain.schedule import ScheduleStatus
from rez_agent.ports import Ports
from rez_agent.usecases.applying import apply
from tests.fakes import FAILED, NOON, OK, REFUSED
from tests.rig import ADMIN, ANN, BOB, Rig, definition_of, due_times, told

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.clock.advance(minutes=30)
    yield rig
    rig.close()


def at(text: str) -> str:
    return f"2026-06-01T{text}:00Z"


def judge(rig: Rig, message_id: str = "msg_late", created_by: str = "ann", **request: Any) -> Message:
    """A command that was stored as it is, past the edge, and is judged now."""
    read = ScheduleCreationRequest.model_validate(request)
    now = rig.clock.now()
    message = Message(message_id, read, created_by, now, now, schedule_id=read.schedule_id)

    def take(ports: Ports) -> Message:
        ports.messages.add(message)
        return apply(ports, message)

    return rig.do(take)


def codes(message: Message) -> list[str]:
    return [problem.code for problem in message.problems]


def running_one(rig: Rig) -> tuple[str, Execution]:
    """A schedule with one execution running."""
    schedule = rig.create()
    rig.clock.advance_to(NOON + HOUR)
    rig.tick()
    (claimed,) = rig.claim()
    return schedule.id, rig.execution(claimed.work.execution_id)


# --- create ---


def test_a_created_schedule_fires_when_it_is_due_and_not_before(rig: Rig) -> None:
    schedule = rig.create()
    rig.clock.advance(minutes=29, seconds=59)
    assert rig.tick().count == 0
    rig.clock.advance(seconds=1)
    assert rig.tick().count == 1
    assert told(rig.history(schedule.id)) == [("13:00", "queued", None)]
    assert rig.schedule(schedule.id).next_run == NOON + 2 * HOUR


def test_a_create_counts_from_the_moment_its_command_was_accepted(rig: Rig) -> None:
    accepted = NOON + HOUR - MINUTE
    request = ScheduleCreationRequest.model_validate(
        {"action": "create", "schedule_id": "sch_1", "schedule": definition_of()}
    )
    message = Message("msg_1", request, "ann", accepted, accepted, schedule_id="sch_1")
    rig.clock.advance_to(NOON + HOUR + MINUTE / 2)

    def take(ports: Ports) -> None:
        ports.messages.add(message)
        apply(ports, message)

    rig.do(take)
    rig.tick()
    assert due_times(rig.history("sch_1")) == ["13:00"]


def test_a_name_taken_in_between_is_told_by_the_message(rig: Rig) -> None:
    rig.create("report")
    message = judge(rig, action="create", schedule_id="sch_2", schedule=definition_of("report"))
    assert (message.status, codes(message), message.error_kind) == ("failed", ["name_taken"], "Conflict")
    assert rig.ports.schedules.get("sch_2") is None
    assert rig.ports.messages.get(message.id) == message


# --- duplicates and disorder ---


@pytest.mark.parametrize("action", ["create", "update", "pause", "run", "delete"])
def test_a_message_handed_over_twice_does_nothing_the_second_time(rig: Rig, action: str) -> None:
    schedule = rig.create("other" if action == "create" else "report")
    request: dict[str, Any] = {"action": action, "schedule_id": schedule.id}
    if action == "create":
        request = {"action": "create", "schedule_id": "sch_new", "schedule": definition_of()}
    if action == "update":
        request["patch"] = {"description": "new"}
    first = judge(rig, **request)
    assert first.status is MessageStatus.COMPLETED
    before = (rig.history(schedule.id), rig.schedule(first.schedule_id or ""))
    as_published = replace(first, status=MessageStatus.QUEUED, result={})
    rig.clock.advance(minutes=1)
    assert rig.do(lambda ports: apply(ports, as_published)) == first
    assert (rig.history(schedule.id), rig.schedule(first.schedule_id or "")) == before


def test_a_delete_before_its_create_is_refused_and_the_create_stands(rig: Rig) -> None:
    early = judge(rig, "msg_0", action="delete", schedule_id="sch_1")
    assert codes(early) == ["schedule_not_found"]
    judge(rig, "msg_1", action="create", schedule_id="sch_1", schedule=definition_of())
    assert rig.schedule("sch_1").status is ScheduleStatus.ACTIVE


def test_a_late_create_does_not_revive_a_deleted_schedule(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="delete", schedule_id=schedule.id)
    late = judge(rig, action="create", schedule_id=schedule.id, schedule=definition_of("again"))
    assert codes(late) == ["schedule_exists"]
    assert rig.schedule(schedule.id).status is ScheduleStatus.DELETED


@pytest.mark.parametrize("action", ["update", "pause", "delete", "run", "backfill"])
def test_a_revision_that_moved_on_is_told_by_the_message_and_nothing_changed(rig: Rig, action: str) -> None:
    schedule = rig.create()
    rig.command(action="update", schedule_id=schedule.id, patch={"description": "first"})
    request: dict[str, Any] = {"action": action, "schedule_id": schedule.id, "revision": 1}
    if action == "update":
        request["patch"] = {"description": "second"}
    if action == "backfill":
        request |= {"from": at("00:00"), "to": at("06:00")}
    message = judge(rig, **request)
    assert (codes(message), message.error_kind) == (["revision_conflict"], "RevisionConflict")
    assert rig.schedule(schedule.id).revision == 2
    assert rig.history(schedule.id) == []


def test_another_owners_command_is_answered_as_if_the_schedule_did_not_exist(rig: Rig) -> None:
    schedule = rig.create()
    assert codes(judge(rig, created_by="bob", action="delete", schedule_id=schedule.id)) == [
        "schedule_not_found"
    ]
    assert rig.command(ADMIN, action="delete", schedule_id=schedule.id).status == "completed"


# --- update ---


def test_an_update_fires_what_was_due_before_it_takes_effect(rig: Rig) -> None:
    schedule = rig.create()
    rig.clock.advance_to(NOON + HOUR + MINUTE / 2)
    message = rig.command(
        action="update", schedule_id=schedule.id, patch={"schedule_expression": "cron(45 * * * ? *)"}
    )
    assert message.result == {"revision": 2}
    assert due_times(rig.history(schedule.id)) == ["13:00"]
    assert rig.schedule(schedule.id).next_run == NOON + HOUR + 45 * MINUTE


def test_what_was_queued_before_an_update_keeps_its_payload(rig: Rig) -> None:
    schedule = rig.create(payload={"target": "old"})
    rig.clock.advance_to(NOON + HOUR)
    rig.tick()
    rig.command(action="update", schedule_id=schedule.id, patch={"payload": {"target": "new"}})
    rig.command(action="run", schedule_id=schedule.id)
    payloads = [(claimed.target, claimed.work.payload) for claimed in rig.claim()]
    assert sorted(payloads, key=str) == [("new", {"target": "new"}), ("old", {"target": "old"})]


def test_a_refused_update_changes_nothing(rig: Rig) -> None:
    rig.create("one")
    two = rig.create("two")
    message = judge(rig, action="update", schedule_id=two.id, patch={"name": "one"})
    assert codes(message) == ["name_taken"]
    assert rig.schedule(two.id) == two


# --- pause and resume ---


def test_nothing_fires_while_paused_and_one_entry_tells_of_it(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id, reason="holidays")
    rig.clock.advance_to(NOON + 5.5 * HOUR)
    rig.tick_all()
    assert rig.history(schedule.id) == []
    rig.command(action="resume", schedule_id=schedule.id)
    (entry,) = rig.history(schedule.id)
    assert (entry.status, entry.reason, entry.detail) == ("skipped", "paused", "holidays")
    assert entry.span == Span(NOON + HOUR, NOON + 5 * HOUR, 5)
    assert rig.schedule(schedule.id).next_run == NOON + 6 * HOUR


def test_a_pause_in_which_nothing_was_due_leaves_no_entry(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id)
    rig.clock.advance(minutes=10)
    rig.command(action="resume", schedule_id=schedule.id)
    assert rig.history(schedule.id) == []


def test_a_pause_fires_what_was_due_before_it(rig: Rig) -> None:
    schedule = rig.create()
    rig.clock.advance_to(NOON + HOUR)
    rig.command(action="pause", schedule_id=schedule.id)
    rig.clock.advance_to(NOON + 2 * HOUR + MINUTE)
    rig.command(action="resume", schedule_id=schedule.id)
    assert told(rig.history(schedule.id)) == [("13:00", "queued", None), ("14:00", "skipped", "paused")]


def test_the_second_in_which_it_is_resumed_fires(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id)
    rig.clock.advance_to(NOON + 2 * HOUR)
    rig.command(action="resume", schedule_id=schedule.id)
    rig.tick()
    assert told(rig.history(schedule.id)) == [("13:00", "skipped", "paused"), ("14:00", "queued", None)]


def test_a_pause_until_a_moment_resumes_by_itself_as_of_then(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id, until=at("15:30"))
    rig.clock.advance_to(NOON + 3.5 * HOUR - timedelta(milliseconds=1))
    assert rig.tick().count == 0
    rig.clock.advance(seconds=0.001)
    rig.tick()
    resumed = rig.schedule(schedule.id)
    assert (resumed.status, resumed.revision, resumed.next_run) == ("active", 3, NOON + 4 * HOUR)
    (entry,) = rig.history(schedule.id)
    assert entry.span == Span(NOON + HOUR, NOON + 3 * HOUR, 3)


def test_a_pause_that_ended_while_the_server_was_down_ends_as_of_then(rig: Rig) -> None:
    schedule = rig.create(policies={"catch_up": "all", "overlap": "allow"})
    rig.command(action="pause", schedule_id=schedule.id, until=at("14:30"))
    rig.clock.advance_to(NOON + 4.5 * HOUR)
    rig.tick_all()
    assert told(rig.history(schedule.id)) == [
        ("13:00", "skipped", "paused"),
        ("15:00", "queued", None),
        ("16:00", "queued", None),
    ]


def test_pausing_again_keeps_the_beginning_and_takes_the_new_end(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id, until=at("14:30"))
    rig.clock.advance_to(NOON + 1.5 * HOUR)
    rig.command(action="pause", schedule_id=schedule.id, reason="longer", until=at("16:30"))
    rig.clock.advance_to(NOON + 4.5 * HOUR)
    rig.tick_all()
    (entry,) = rig.history(schedule.id)
    assert (entry.span, entry.detail) == (Span(NOON + HOUR, NOON + 4 * HOUR, 4), "longer")


def test_an_update_and_a_delete_in_a_pause_tell_what_it_let_pass_so_far(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id)
    rig.clock.advance_to(NOON + 2.5 * HOUR)
    rig.command(action="update", schedule_id=schedule.id, patch={"schedule_expression": "cron(30 * * * ? *)"})
    rig.clock.advance_to(NOON + 4 * HOUR)
    rig.command(action="delete", schedule_id=schedule.id)
    first, second = rig.history(schedule.id)
    assert first.span == Span(NOON + HOUR, NOON + 2 * HOUR, 2)
    assert (second.scheduled_time, second.span) == (NOON + 3.5 * HOUR, None)


def test_the_second_of_an_update_in_a_pause_belongs_to_the_pause(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id)
    rig.clock.advance_to(NOON + HOUR + timedelta(seconds=0.3))
    rig.command(action="update", schedule_id=schedule.id, patch={"tags": ["x"]})
    rig.command(action="resume", schedule_id=schedule.id)  # still the same second
    rig.tick()
    assert told(rig.history(schedule.id)) == [("13:00", "skipped", "paused")]
    assert rig.schedule(schedule.id).next_run == NOON + 2 * HOUR


def test_the_second_of_a_delete_in_a_pause_belongs_to_the_pause(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id)
    rig.clock.advance_to(NOON + HOUR + timedelta(seconds=0.3))
    rig.command(action="delete", schedule_id=schedule.id)
    assert told(rig.history(schedule.id)) == [("13:00", "skipped", "paused")]


def test_what_was_due_in_the_second_of_a_pause_is_not_due_again_when_it_is_resumed_at_once(rig: Rig) -> None:
    schedule = rig.create()
    rig.clock.advance_to(NOON + HOUR)
    rig.command(action="pause", schedule_id=schedule.id)
    rig.command(action="resume", schedule_id=schedule.id)
    assert told(rig.history(schedule.id)) == [("13:00", "queued", None)]
    assert rig.schedule(schedule.id).next_run == NOON + 2 * HOUR


@pytest.mark.parametrize("patch", [{"tags": ["x"]}, {"schedule_expression": "cron(0 * * * ? *)"}])
def test_a_change_before_the_engine_looked_finds_a_pause_over_whose_end_has_come(
    rig: Rig, patch: dict[str, Any]
) -> None:
    schedule = rig.create(policies={"catch_up": "all", "overlap": "allow"})
    rig.command(action="pause", schedule_id=schedule.id, until=at("14:30"))
    rig.clock.advance_to(NOON + 4.5 * HOUR)
    rig.command(action="update", schedule_id=schedule.id, patch=patch)
    rig.tick_all()
    assert rig.schedule(schedule.id).status == "active"
    assert told(rig.history(schedule.id)) == [
        ("13:00", "skipped", "paused"),
        ("15:00", "queued", None),
        ("16:00", "queued", None),
    ]


def test_what_was_queued_before_a_pause_finishes_and_with_cancel_it_does_not(rig: Rig) -> None:
    for name, cancel in (("finishes", False), ("cancelled", True)):
        schedule = rig.create(name)
        run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
        message = rig.command(action="pause", schedule_id=schedule.id, cancel=cancel)
        assert message.result["cancelled"] == int(cancel)
        rig.work()
        expected = ExecutionStatus.CANCELLED if cancel else ExecutionStatus.SUCCEEDED
        assert rig.execution(run).status is expected


# --- delete ---


def test_a_deleted_schedule_fires_no_more_and_what_was_queued_finishes(rig: Rig) -> None:
    schedule = rig.create(policies={"retry": {"max_event_age_seconds": 86_400}})
    rig.clock.advance_to(NOON + HOUR)
    message = rig.command(action="delete", schedule_id=schedule.id)
    assert message.result == {"revision": 2, "cancelled": 0}
    rig.clock.advance_to(NOON + 3 * HOUR)
    rig.tick_all()
    assert due_times(rig.history(schedule.id)) == ["13:00"]
    assert rig.work() == [f"{schedule.id}_20260601T130000Z"]
    assert told(rig.history(schedule.id)) == [("13:00", "succeeded", None)]


def test_a_delete_that_cancels_ends_what_is_queued_and_stops_what_runs(rig: Rig) -> None:
    schedule_id, running = running_one(rig)
    run = rig.command(action="run", schedule_id=schedule_id).result["execution_id"]
    message = rig.command(action="delete", schedule_id=schedule_id, cancel=True)
    assert message.result["cancelled"] == 2
    assert rig.execution(run).status is ExecutionStatus.CANCELLED
    assert rig.signals[-1].cancelled == [running.id]


def test_a_deleted_name_is_free_and_its_history_is_its_own(rig: Rig) -> None:
    first = rig.create()
    rig.command(action="delete", schedule_id=first.id)
    second = rig.create()
    assert second.id != first.id
    assert rig.history(second.id) == []


# --- run ---


def test_a_run_now_is_an_execution_of_its_own_with_a_payload_of_its_own(rig: Rig) -> None:
    schedule = rig.create()
    message = rig.command(action="run", schedule_id=schedule.id, payload={"target": "there", "n": 1})
    (claimed,) = rig.claim()
    assert claimed.work.execution_id == message.result["execution_id"]
    assert claimed.work.execution_id.endswith(f"_run_{message.id}")
    assert (claimed.target, claimed.work.payload) == ("there", {"target": "there", "n": 1})
    rig.end(claimed)
    execution = rig.execution(claimed.work.execution_id)
    assert (execution.cause, execution.status, execution.scheduled_time) == (
        "run",
        "succeeded",
        NOON + HOUR / 2,
    )
    assert rig.schedule(schedule.id) == schedule


def test_a_paused_schedule_can_be_run(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="pause", schedule_id=schedule.id)
    rig.command(action="run", schedule_id=schedule.id)
    assert len(rig.work()) == 1


def test_a_run_in_the_second_of_an_occurrence_does_not_take_its_place(rig: Rig) -> None:
    schedule = rig.create(policies={"overlap": "allow"})
    rig.clock.advance_to(NOON + HOUR)
    rig.command(action="run", schedule_id=schedule.id)
    rig.tick()
    assert len(rig.work()) == 2


# --- backfill ---


def test_a_backfill_runs_each_occurrence_of_its_stretch_both_ends_inclusive(rig: Rig) -> None:
    schedule = rig.create(policies={"overlap": "allow"})
    span: dict[str, Any] = {"from": at("03:00"), "to": at("06:00")}
    message = rig.command(action="backfill", schedule_id=schedule.id, **span)
    assert message.result == {"count": 4}
    assert due_times(rig.history(schedule.id)) == ["03:00", "04:00", "05:00", "06:00"]
    assert {execution.cause for execution in rig.history(schedule.id)} == {"backfill"}
    assert len(rig.claim()) == 4


def test_a_backfill_never_reaches_into_the_future(rig: Rig) -> None:
    schedule = rig.create()
    span: dict[str, Any] = {"from": at("10:30"), "to": at("20:00")}
    assert rig.command(action="backfill", schedule_id=schedule.id, **span).result == {"count": 2}
    later: dict[str, Any] = {"from": at("13:00"), "to": at("20:00")}
    assert rig.command(action="backfill", schedule_id=schedule.id, **later).result == {"count": 0}


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_a_backfill_goes_one_by_one_where_overlap_is_not_allowed(rig: Rig, overlap: str) -> None:
    schedule = rig.create(policies={"overlap": overlap})
    span: dict[str, Any] = {"from": at("00:00"), "to": at("11:00")}
    assert rig.command(action="backfill", schedule_id=schedule.id, **span).result == {"count": 12}
    order = []
    while claimed := rig.claim():
        assert len(claimed) == 1
        order.append(f"{claimed[0].work.scheduled_time:%H}")
        rig.end(claimed[0])
    assert order == [f"{hour:02}" for hour in range(12)]


def test_a_backfill_waits_for_what_is_in_flight(rig: Rig) -> None:
    schedule_id, running = running_one(rig)
    span: dict[str, Any] = {"from": at("09:00"), "to": at("10:00")}
    rig.command(action="backfill", schedule_id=schedule_id, **span)
    assert rig.claim() == []
    assert running.status is ExecutionStatus.RUNNING


def test_the_same_backfill_twice_is_two_backfills(rig: Rig) -> None:
    schedule = rig.create()
    span: dict[str, Any] = {"from": at("09:00"), "to": at("10:00")}
    for _ in range(2):
        rig.command(action="backfill", schedule_id=schedule.id, **span)
    assert due_times(rig.history(schedule.id)) == ["09:00", "09:00", "10:00", "10:00"]


# --- retry, cancel, redrive ---


def test_a_retry_adds_attempts_to_a_failed_execution_under_the_same_key(rig: Rig) -> None:
    schedule = rig.create()
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    rig.work(REFUSED)
    message = rig.command(action="retry", execution_id=run)
    assert message.result == {"execution_id": run}
    (claimed,) = rig.claim()
    assert (claimed.work.attempt, claimed.work.idempotency_key) == (2, run)
    rig.end(claimed, OK)
    assert [attempt.outcome for attempt in rig.ports.ledger.attempts(run)] == ["failed", "succeeded"]


def test_a_retry_of_what_did_not_fail_is_refused(rig: Rig) -> None:
    schedule = rig.create()
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    assert codes(rig.command(action="retry", execution_id=run)) == ["not_retryable"]
    rig.work()
    assert codes(rig.command(action="retry", execution_id=run)) == ["not_retryable"]


def test_the_age_of_a_retried_execution_counts_from_the_retry(rig: Rig) -> None:
    schedule = rig.create()
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    rig.work(REFUSED)
    now = rig.clock.advance(days=2)
    rig.command(action="retry", execution_id=run)
    assert rig.execution(run).expires_at == now + HOUR


def test_a_cancelled_execution_says_who_or_why(rig: Rig) -> None:
    schedule = rig.create(policies={"overlap": "allow"})
    runs = [rig.command(action="run", schedule_id=schedule.id).result["execution_id"] for _ in range(2)]
    rig.command(action="cancel", execution_id=runs[0])
    rig.command(action="cancel", execution_id=runs[1], reason="wrong day")
    found = [rig.execution(run) for run in runs]
    assert [execution.status for execution in found] == ["cancelled", "cancelled"]
    assert [execution.detail for execution in found] == ["cancelled by ann", "wrong day"]


def test_what_is_final_cannot_be_cancelled(rig: Rig) -> None:
    schedule = rig.create()
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    rig.work()
    assert codes(rig.command(action="cancel", execution_id=run)) == ["already_final"]


# --- replay ---


def payload_of(rig: Rig, execution_id: str) -> Any:
    """What the worker is given for the execution, which is the only one that waits."""
    (claimed,) = rig.claim()
    assert claimed.work.execution_id == execution_id
    rig.end(claimed)
    return claimed.work.payload


def test_a_replay_is_an_execution_of_its_own_at_the_same_scheduled_time(rig: Rig) -> None:
    schedule = rig.create()
    rig.clock.advance_to(NOON + HOUR)
    rig.tick()
    (original,) = rig.work(REFUSED)
    now = rig.clock.advance(days=1)
    message = rig.command(action="replay", execution_id=original)
    again = rig.execution(message.result["execution_id"])
    assert again.id == f"{original}_replay_{message.id}"
    assert (again.cause, again.replay_of, again.message_id) == ("replay", original, message.id)
    assert (again.scheduled_time, again.due_at, again.expires_at) == (NOON + HOUR, now, now + HOUR)
    assert (message.schedule_id, again.schedule_revision) == (schedule.id, 1)
    assert rig.work() == [again.id]
    assert [rig.execution(one).status for one in (original, again.id)] == ["failed", "succeeded"]


def test_a_replay_has_the_payload_of_the_revision_that_the_original_had(rig: Rig) -> None:
    schedule = rig.create(payload={"target": "old", "n": 1})
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    rig.work()
    rig.command(action="update", schedule_id=schedule.id, patch={"payload": {"target": "new", "n": 2}})
    again = rig.command(action="replay", execution_id=run).result["execution_id"]
    assert (rig.execution(again).target, rig.execution(again).schedule_revision) == ("old", 1)
    assert payload_of(rig, again) == {"target": "old", "n": 1}


def test_a_replay_has_the_payload_that_the_original_was_given_this_once(rig: Rig) -> None:
    schedule = rig.create()
    own = {"target": "mine", "n": 3}
    run = rig.command(action="run", schedule_id=schedule.id, payload=own).result["execution_id"]
    rig.work()
    again = rig.command(action="replay", execution_id=run).result["execution_id"]
    assert payload_of(rig, again) == own
    twice = rig.command(action="replay", execution_id=again).result["execution_id"]
    assert rig.execution(twice).replay_of == again
    assert payload_of(rig, twice) == own


def test_an_edited_replay_has_the_payload_that_it_is_given(rig: Rig) -> None:
    schedule = rig.create()
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    rig.work(REFUSED)
    edited = {"target": "elsewhere"}
    again = rig.command(action="replay", execution_id=run, payload=edited).result["execution_id"]
    assert rig.execution(again).target == "elsewhere"
    assert payload_of(rig, again) == edited
    assert rig.execution(run).payload is None


def test_a_replay_heeds_neither_a_pause_nor_what_is_in_flight(rig: Rig) -> None:
    schedule_id, running = running_one(rig)
    rig.command(action="cancel", execution_id=running.id)
    rig.command(action="pause", schedule_id=schedule_id)
    skipped = rig.command(action="run", schedule_id=schedule_id).result["execution_id"]
    rig.command(action="cancel", execution_id=skipped)
    again = rig.command(action="replay", execution_id=skipped).result["execution_id"]
    assert rig.work() == [again]


def test_what_has_not_ended_is_not_replayed(rig: Rig) -> None:
    schedule = rig.create()
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    with pytest.raises(Conflict) as refused:
        rig.command(action="replay", execution_id=run)
    assert refused.value.code == "not_replayable"
    assert codes(judge(rig, action="replay", execution_id=run)) == ["not_replayable"]


def test_an_entry_that_stands_for_many_occurrences_is_not_replayed(rig: Rig) -> None:
    schedule = rig.create(policies={"catch_up": {"mode": "skip"}})
    rig.clock.advance(hours=5)
    rig.tick_all()
    (many,) = rig.history(schedule.id)
    assert many.span is not None
    with pytest.raises(Conflict) as refused:
        rig.command(action="replay", execution_id=many.id)
    assert "backfill" in str(refused.value)


def test_a_replay_with_a_payload_that_can_not_be_performed_is_refused(rig: Rig) -> None:
    (run,) = dead_letters(rig, "one")
    with pytest.raises(Invalid) as refused:
        rig.command(action="replay", execution_id=run, payload={"bad": 1})
    assert [problem.pointer for problem in refused.value.problems] == ["/payload/bad"]


def test_another_owners_execution_can_not_be_replayed(rig: Rig) -> None:
    (run,) = dead_letters(rig, "one")
    with pytest.raises(NotFound):
        rig.command(BOB, action="replay", execution_id=run)
    assert rig.command(ADMIN, action="replay", execution_id=run).result["execution_id"]


def test_an_execution_of_a_deleted_schedule_can_be_replayed(rig: Rig) -> None:
    (run,) = dead_letters(rig, "one")
    rig.command(action="delete", schedule_id=rig.execution(run).schedule_id)
    again = rig.command(action="replay", execution_id=run).result["execution_id"]
    assert rig.work() == [again]


def dead_letters(rig: Rig, *names: str, caller: Any = ANN) -> list[str]:
    runs = []
    for name in names:
        schedule = rig.create(name, caller)
        runs.append(rig.command(caller, action="run", schedule_id=schedule.id).result["execution_id"])
    rig.work(REFUSED)
    return runs


def test_a_redrive_queues_the_callers_dead_letters_again(rig: Rig) -> None:
    mine = dead_letters(rig, "one", "two")
    anothers = dead_letters(rig, "three", caller=BOB)
    assert rig.command(action="redrive").result == {"count": 2}
    assert [rig.execution(run).status for run in mine + anothers] == ["queued", "queued", "failed"]
    assert rig.command(ADMIN, action="redrive").result == {"count": 1}


def test_a_redrive_may_name_a_schedule_and_a_limit(rig: Rig) -> None:
    runs = dead_letters(rig, "one", "two", "three")
    schedule_id = rig.execution(runs[1]).schedule_id
    assert rig.command(action="redrive", schedule_id=schedule_id).result == {"count": 1}
    assert rig.command(action="redrive", limit=1).result == {"count": 1}
    assert [rig.execution(run).status for run in runs] == ["queued", "queued", "failed"]


def test_a_redrive_may_name_a_schedule_that_was_deleted_since(rig: Rig) -> None:
    (run,) = dead_letters(rig, "one")
    schedule_id = rig.execution(run).schedule_id
    rig.command(action="delete", schedule_id=schedule_id)
    assert rig.command(action="redrive", schedule_id=schedule_id).result == {"count": 1}


def test_a_dead_letter_whose_schedule_is_gone_does_not_stop_a_redrive(rig: Rig) -> None:
    runs = dead_letters(rig, "one", "two")
    rig.connection.execute("DELETE FROM schedules WHERE id = ?", (rig.execution(runs[0]).schedule_id,))
    assert rig.command(action="redrive").result == {"count": 1}


def test_a_retried_execution_has_its_policys_attempts_again(rig: Rig) -> None:
    runs = dead_letters(rig, "one")
    rig.command(action="retry", execution_id=runs[0])
    (claimed,) = rig.claim()
    rig.end(claimed, FAILED)
    execution = rig.execution(runs[0])
    assert (execution.status, execution.tries, execution.dead_letter) == ("queued", 1, False)


class Unreachable:
    """Schedules of a host that fails."""

    def get(self, schedule_id: str) -> None:
        raise Unavailable("the tables can't be reached")


class Noting:
    """A topic that notes what it is given."""

    def __init__(self) -> None:
        self.work: list[Execution] = []

    def publish_work(self, executions: Sequence[Execution]) -> None:
        self.work += executions


def test_a_command_is_not_judged_while_the_host_fails(rig: Rig) -> None:
    request = ScheduleCreationRequest.model_validate({"action": "pause", "schedule_id": "sch_1"})
    message = Message("msg_1", request, "ann", NOON, NOON, schedule_id="sch_1")
    rig.do(lambda ports: ports.messages.add(message))
    with pytest.raises(Unavailable, match="can't be reached"):
        rig.do(lambda ports: apply(replace(ports, schedules=cast("Any", Unreachable())), message))
    assert rig.do(lambda ports: ports.messages.judged("msg_1")) is None


def test_what_is_retried_is_published_as_due_at_once(rig: Rig) -> None:
    (run,) = dead_letters(rig, "one")
    topic = Noting()
    request = ScheduleCreationRequest.model_validate({"action": "retry", "execution_id": run})
    message = Message("msg_r", request, "root", NOON, NOON, admin=True)

    def retry(ports: Ports) -> Message:
        ports.messages.add(message)
        return apply(replace(ports, topic=cast("Any", topic)), message)

    assert rig.do(retry).status is MessageStatus.COMPLETED
    assert [(one.id, one.status, one.next_attempt_at) for one in topic.work] == [
        (run, ExecutionStatus.QUEUED, rig.clock.now())
    ]
