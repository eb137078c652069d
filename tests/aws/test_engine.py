"""The engine on EventBridge Scheduler: what the row says, EventBridge holds, whatever comes in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from rez_agent.aws.arming import HELD_FOR, Armer
from rez_agent.aws.bucket import TokenBucket
from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.items import stamp
from rez_agent.aws.tables import SCHEDULES
from rez_agent.domain.errors import Invalid
from rez_agent.domain.schedule import Pause, Schedule
from tests.aws.driven import Driven
from tests.aws.failing import Failing
from tests.fakes import NOON
from tests.rig import definition_of, due_times, told

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MARKS = {"unarmed", "unarmed_since", "arming_until", "error_message"}


@pytest.fixture
def host() -> Driven:
    """The AWS host on a fresh stage, moved by hand."""
    return Driven()


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "No."}}, "CreateSchedule")


@pytest.fixture
def failing(host: Driven) -> Failing:
    client = Failing(host.eventbridge.client)
    host.armer.client = client
    return client


# --- the ordinary life ---


def test_a_created_schedule_is_held_and_its_row_says_so(host: Driven) -> None:
    schedule = host.create()
    document = host.held(schedule)
    assert document is not None
    assert document["ScheduleExpression"] == "cron(0 * * * ? *)"
    row = host.row(schedule.id)
    assert (row["armed_revision"], row["arm_count"], row["armed_at"]) == (1, 1, stamp(NOON))


def test_a_change_of_any_kind_is_followed(host: Driven) -> None:
    schedule = host.create(schedule_expression="cron(5 * * * ? *)")
    host.command(action="update", schedule_id=schedule.id, patch={"timezone": "Asia/Kolkata"})
    document = host.held(schedule)
    assert document is not None
    assert (document["ScheduleExpressionTimezone"], '"revision":2' in document["Target"]["Input"]) == (
        "Asia/Kolkata",
        True,
    )
    host.command(action="pause", schedule_id=schedule.id)
    assert (host.held(schedule) or {})["State"] == "DISABLED"
    host.command(action="resume", schedule_id=schedule.id)
    assert (host.held(schedule) or {})["State"] == "ENABLED"
    host.command(action="delete", schedule_id=schedule.id)
    assert host.held(schedule) is None
    assert not MARKS & set(host.row(schedule.id))


def test_each_change_costs_one_call(host: Driven) -> None:
    schedule = host.create()
    host.command(action="pause", schedule_id=schedule.id)
    host.command(action="delete", schedule_id=schedule.id)
    assert host.eventbridge.client.calls == ["create_schedule", "update_schedule", "delete_schedule"]


def test_what_never_fires_costs_no_call(host: Driven) -> None:
    schedule = host.create(schedule_expression="cron(0 0 30 2 ? *)")
    assert host.eventbridge.client.calls == []
    assert not MARKS & set(host.row(schedule.id))


def test_the_first_occurrence_of_a_rate_is_fired_in_the_command_that_makes_it(host: Driven) -> None:
    schedule = host.create(schedule_expression="rate(1 hour)")
    assert due_times(host.history(schedule.id)) == ["12:00"]
    assert [execution.id for execution in host.published] == [host.history(schedule.id)[0].id]
    assert (host.held(schedule) or {})["StartDate"] == NOON + HOUR


def test_an_at_whose_command_came_late_is_fired_at_once_and_not_asked_for(host: Driven) -> None:
    message = host.submit(
        action="create", schedule=definition_of(schedule_expression="at(2026-06-01T12:00:30)")
    )
    host.clock.advance(minutes=2)
    schedule_id = host.judge(message).schedule_id or ""
    (execution,) = host.history(schedule_id)
    assert (execution.status, execution.cause) == ("queued", "catch_up")
    assert host.eventbridge.client.calls == []
    assert host.schedule(schedule_id).next_run is None


@pytest.mark.parametrize("action", ["pause", "update", "delete"])
def test_a_change_just_after_a_due_time_swallows_nothing(host: Driven, action: str) -> None:
    schedule = host.create()
    host.clock.advance(hours=1, seconds=1)  # EventBridge has fired, and nobody has heard yet
    change: dict[str, Any] = {"patch": {"schedule_expression": "cron(30 * * * ? *)"}}
    change = change if action == "update" else {}
    host.command(action=action, schedule_id=schedule.id, **change)
    assert told(host.history(schedule.id))[-1] == ("13:00", "skipped", "overlap")
    host.keep_time()
    assert due_times(host.history(schedule.id)) == ["12:00", "13:00"]


@pytest.mark.parametrize("again", [False, True])
def test_the_firing_of_a_pause_s_end_that_comes_too_often_or_too_late_runs_nothing(
    host: Driven, again: bool
) -> None:
    schedule = host.create(schedule_expression="cron(30 * * * ? *)")
    host.command(action="pause", schedule_id=schedule.id, until=NOON + 2 * HOUR)
    host.clock.advance(hours=2)
    firings: list[dict[str, Any]] = []
    host.eventbridge.fire(firings.append)
    host.clock.advance(seconds=5)
    if again:
        assert host.take(firings[0]) == "resumed"
    else:
        host.command(action="pause", schedule_id=schedule.id)
    assert host.take(firings[0]) == "stale"
    assert told(host.history(schedule.id)) == [("12:30", "skipped", "paused")]


def test_settling_looks_back_as_far_as_eventbridge_may_still_deliver(host: Driven) -> None:
    schedule = host.create(schedule_expression="cron(0 0 * * ? *)", policies={"catch_up": "all"})
    host.clock.advance(hours=12 + 72)
    host.command(action="pause", schedule_id=schedule.id)
    assert [f"{e.scheduled_time:%d}" for e in host.history(schedule.id)] == ["04", "05"]


def test_what_eventbridge_is_not_known_to_read_is_refused_at_the_edge(host: Driven) -> None:
    definition = definition_of(schedule_expression="cron(0 0 L-3 * ? *)")
    with pytest.raises(Invalid) as error:
        host.submit(action="create", schedule=definition)
    assert [problem.code for problem in error.value.problems] == ["unsupported_by_engine"]


# --- EventBridge refuses, or does not answer ---


@pytest.mark.parametrize(
    "error",
    [
        refused("ThrottlingException"),
        refused("AccessDeniedException"),
        EndpointConnectionError(endpoint_url="https://scheduler"),
    ],
)
def test_a_refusal_fails_no_command_and_the_schedule_says_why(
    host: Driven, failing: Failing, error: Exception
) -> None:
    failing.before = [error]
    schedule = host.create()
    assert schedule.status == "active"
    assert "EventBridge Scheduler does not hold this revision yet" in (schedule.error_message or "")
    assert host.row(schedule.id)["unarmed"] == "u"
    assert host.sweep()["unarmed"] == 1
    assert host.schedule(schedule.id).error_message is None
    assert host.held(schedule) is not None


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_an_answer_that_is_lost_is_made_up_for(host: Driven, failing: Failing, action: str) -> None:
    lost = EndpointConnectionError(endpoint_url="https://scheduler")
    if action == "create":
        failing.after = [lost]
        schedule = host.create()
    else:
        schedule = host.create()
        failing.after = [lost]
        change: dict[str, Any] = {"patch": {"timezone": "Asia/Kolkata"}}
        change = change if action == "update" else {}
        host.command(action=action, schedule_id=schedule.id, **change)
    assert host.row(schedule.id)["unarmed"] == "u"
    host.sweep()
    row = host.row(schedule.id)
    assert (row["armed_revision"], MARKS & set(row)) == (row["revision"], set())
    assert (host.held(schedule) is None) == (action == "delete")


def test_what_somebody_deleted_behind_our_back_is_created_by_the_next_change(host: Driven) -> None:
    schedule = host.create()
    host.eventbridge.client.delete_schedule(Name=schedule.id, GroupName=host.eventbridge.wiring.group)
    host.command(action="update", schedule_id=schedule.id, patch={"description": "again"})
    assert host.held(schedule) is not None


def test_calls_beyond_the_rate_are_left_to_the_sweep_without_a_word(host: Driven) -> None:
    host.armer = Armer(
        host.eventbridge.client,
        host.eventbridge.wiring,
        bucket=TokenBucket(1, monotonic=host.clock.monotonic),
        clock=host.clock,
        metrics=host.metrics,
        fresh=host.unit,
    )
    first, second = host.create("first"), host.create("second")
    assert (host.held(first) is None, host.held(second) is None) == (False, True)
    assert second.error_message is None
    assert host.row(second.id)["unarmed"] == "u"
    host.clock.advance(seconds=1)
    host.sweep()
    assert host.held(second) is not None


# --- two at once, and death in between ---


def pause(host: Driven, schedule: Schedule) -> None:
    host.command(action="pause", schedule_id=schedule.id)


def test_a_change_made_during_an_arming_is_armed_by_whoever_is_at_it(host: Driven, failing: Failing) -> None:
    schedule = host.create()
    failing.meanwhile = lambda: pause(host, schedule)
    host.command(action="update", schedule_id=schedule.id, patch={"timezone": "Asia/Kolkata"})
    document = host.held(schedule)
    assert document is not None
    assert (document["State"], '"revision":3' in document["Target"]["Input"]) == ("DISABLED", True)
    row = host.row(schedule.id)
    assert (row["armed_revision"], MARKS & set(row)) == (3, set())
    calls = host.eventbridge.client.calls
    assert calls.count("update_schedule") == 2  # one after the other, the older one first


def test_a_deletion_during_an_arming_leaves_nothing_behind(host: Driven, failing: Failing) -> None:
    schedule = host.create()
    failing.meanwhile = lambda: host.command(action="delete", schedule_id=schedule.id)
    host.command(action="update", schedule_id=schedule.id, patch={"timezone": "Asia/Kolkata"})
    assert host.held(schedule) is None


def dead_after_the_commit(host: Driven, schedule: Schedule) -> None:
    """A process begins an arming, and dies once its change is committed."""
    host.change_row(
        schedule.id,
        unarmed="u",
        unarmed_since=stamp(host.clock.now()),
        arm_count=host.row(schedule.id)["arm_count"] + 1,
        arming_until=stamp(host.clock.now() + HELD_FOR),
    )


def test_an_arming_that_was_begun_and_never_ended_is_the_sweep_s_when_its_time_is_over(
    host: Driven,
) -> None:
    schedule = host.create()
    dead_after_the_commit(host, schedule)
    assert host.sweep()["unarmed"] == 0  # somebody may still be at it
    pause(host, schedule)
    assert (host.held(schedule) or {})["State"] == "ENABLED"
    host.clock.advance(seconds=HELD_FOR.total_seconds())
    assert host.sweep()["unarmed"] == 1
    assert (host.held(schedule) or {})["State"] == "DISABLED"


def test_an_arming_whose_time_is_over_notes_nothing_once_another_has_begun(
    host: Driven, failing: Failing
) -> None:
    def outlived() -> None:
        host.clock.advance(seconds=HELD_FOR.total_seconds())
        host.command(action="pause", schedule_id=schedule.id)

    schedule = host.create()
    failing.meanwhile = outlived
    host.command(action="update", schedule_id=schedule.id, patch={"timezone": "Asia/Kolkata"})
    row = host.row(schedule.id)
    assert (row["arm_count"], row["armed_revision"]) == (3, 3)


def test_an_arming_that_waits_for_its_turn_beyond_its_time_calls_no_more(host: Driven) -> None:
    ordinary, schedule = host.armer, host.create()

    def wait(_seconds: float) -> None:
        host.armer = ordinary
        host.clock.advance(seconds=HELD_FOR.total_seconds())
        pause(host, schedule)

    bucket = TokenBucket(1, monotonic=lambda: 0.0, sleep=wait)
    bucket.take()
    eventbridge = host.eventbridge
    host.armer = Armer(
        eventbridge.client,
        eventbridge.wiring,
        bucket=bucket,
        clock=host.clock,
        metrics=host.metrics,
        fresh=host.unit,
    )
    host.do(lambda ports: host.armer.begin(ports.unit, schedule.id, patience=1.0))
    assert (host.held(schedule) or {})["State"] == "DISABLED"
    row = host.row(schedule.id)
    assert (row["armed_revision"], MARKS & set(row)) == (2, set())


# --- what falls due while it is taken up ---


def test_an_occurrence_close_to_the_call_is_looked_for_a_minute_later(host: Driven) -> None:
    host.clock.advance(minutes=59, seconds=57)
    schedule = host.create()
    row = host.row(schedule.id)
    assert (row["unarmed"], row["unarmed_since"]) == ("w", stamp(NOON + HOUR + MINUTE))
    host.clock.advance(seconds=30)
    assert host.sweep()["watched"] == 0
    host.clock.advance(seconds=60)  # and EventBridge has not told of it
    assert host.sweep()["watched"] == 1
    (execution,) = host.history(schedule.id)
    assert (due_times([execution]), execution.cause) == (["13:00"], "catch_up")
    assert not MARKS & set(host.row(schedule.id))


def test_a_watched_occurrence_is_looked_for_however_long_its_window(host: Driven) -> None:
    host.clock.advance(minutes=59, seconds=57)
    schedule = host.create(
        schedule_expression="cron(0 13 * * ? *)", policies={"flexible_window_minutes": 120}
    )
    host.clock.advance(minutes=121, seconds=2)
    assert host.sweep()["watched"] == 0
    host.clock.advance(seconds=1)
    assert host.sweep()["watched"] == 1
    assert due_times(host.history(schedule.id)) == ["13:00"]


def test_a_watched_occurrence_that_was_told_of_is_left_alone(host: Driven) -> None:
    host.clock.advance(minutes=59, seconds=57)
    schedule = host.create()
    host.clock.advance(seconds=4)
    host.eventbridge.fire(host.take)
    host.clock.advance(seconds=90)
    assert host.sweep()["watched"] == 0
    assert due_times(host.history(schedule.id)) == ["13:00"]
    assert not MARKS & set(host.row(schedule.id))


def test_the_row_of_a_payload_that_stands_elsewhere_is_armed_all_the_same(host: Driven) -> None:
    schedule = host.create(payload={"target": "target", "text": "x" * 70_000})
    assert host.held(schedule) is not None
    assert "payload_blob" in host.row(schedule.id)


def test_a_schedule_that_nobody_keeps_is_not_begun(host: Driven) -> None:
    def begin(ports: AwsPorts) -> None:
        ports.engine.disarm("sch_none")
        assert ports.unit.staged(SCHEDULES) == {}

    host.do(begin)
    paused = host.create().paused(Pause(NOON, "ann"))
    assert host.do(lambda ports: ports.engine.settle(paused, NOON + 9 * HOUR)) is paused
