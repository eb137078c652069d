"""The sweep: whatever is lost after a commit is found in the tables, and nothing is done twice to harm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from rez_agent.aws import queue
from rez_agent.aws.items import stamp
from rez_agent.domain.command import Message
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.schedule import Schedule
from tests.aws.driven import Driven
from tests.aws.failing import Failing
from tests.fakes import NOON
from tests.rig import definition_of, due_times, told

HOUR = timedelta(hours=1)
LOST = EndpointConnectionError(endpoint_url="https://scheduler")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "No."}}, "CreateSchedule")


@pytest.fixture
def host() -> Driven:
    """The AWS host on a fresh stage, moved by hand."""
    return Driven()


def unarmed(host: Driven, **changes: Any) -> Schedule:
    """A schedule that EventBridge never heard of."""
    host.armer.client = Failing(host.eventbridge.client, before=[LOST])
    schedule = host.create(**changes)
    host.armer.client = host.eventbridge.client
    assert host.held(schedule) is None
    return schedule


def message_of(host: Driven, message: Message) -> Message:
    found = host.do(lambda ports: ports.messages.get(message.id))
    assert found is not None
    return found


# --- schedules ---


def test_a_quiet_store_gives_the_sweep_nothing_to_do(host: Driven) -> None:
    host.create()
    nothing = {"watched": 0, "unarmed": 0, "leases": 0, "held": 0, "work": 0, "commands": 0, "alerts": 0}
    assert host.sweep() == nothing


def test_what_fell_due_while_eventbridge_had_not_heard_is_made_good(host: Driven) -> None:
    schedule = unarmed(host, policies={"catch_up": "all", "overlap": "allow"})
    host.clock.advance(hours=2, minutes=1)
    assert host.sweep()["unarmed"] == 1
    assert due_times(host.history(schedule.id)) == ["12:00", "13:00", "14:00"]
    assert {e.id for e in host.published} == {e.id for e in host.history(schedule.id)}
    assert host.held(schedule) is not None


def test_an_at_that_eventbridge_never_heard_of_runs(host: Driven) -> None:
    schedule = unarmed(host, schedule_expression="at(2026-06-01T12:00:30)")
    host.clock.advance(seconds=70)
    host.sweep()
    assert told(host.history(schedule.id)) == [("12:00", "queued", None)]
    assert host.held(schedule) is None
    assert "unarmed" not in host.row(schedule.id)


def test_a_pause_whose_end_nobody_told_of_ends_as_of_then(host: Driven) -> None:
    schedule = host.create(schedule_expression="cron(30 * * * ? *)")
    until = NOON + 2 * HOUR
    host.command(action="pause", schedule_id=schedule.id, until=until)
    host.clock.advance_to(until + timedelta(seconds=59))
    assert host.sweep()["watched"] == 0
    host.clock.advance(seconds=1)
    assert host.sweep()["watched"] == 1
    present = host.schedule(schedule.id)
    assert (present.status, present.updated_date) == ("active", until)
    assert told(host.history(schedule.id)) == [("12:30", "skipped", "paused")]
    assert (host.held(schedule) or {})["ScheduleExpression"] == "cron(30 * * * ? *)"


def test_a_pause_s_end_is_looked_for_also_where_eventbridge_never_heard_of_it(host: Driven) -> None:
    schedule = host.create()
    host.armer.client = Failing(host.eventbridge.client, before=[LOST])
    host.command(action="pause", schedule_id=schedule.id, until=NOON + HOUR)
    host.armer.client = host.eventbridge.client
    host.clock.advance(hours=1)
    assert host.sweep()["unarmed"] == 1
    assert host.schedule(schedule.id).status == "active"
    assert (host.held(schedule) or {})["State"] == "ENABLED"


def test_a_paused_schedule_whose_zone_is_gone_is_in_error_when_the_pause_ends(host: Driven) -> None:
    schedule = host.create()
    host.command(action="pause", schedule_id=schedule.id, until=NOON + HOUR)
    host.change_row(schedule.id, timezone="Mars/Olympus")
    host.clock.advance(hours=2)
    host.sweep()
    row = host.row(schedule.id)
    assert row["status"] == "error"
    assert "Mars/Olympus" in row["error_message"]
    assert "unarmed" not in row
    change = host.do(lambda ports: ports.changes.list(schedule.id)).items[0]
    assert (change.action, change.revision, change.by) == ("error", 2, None)
    assert change.reason == row["error_message"]


def test_one_that_can_t_be_armed_leaves_the_others_alone_and_waits_behind_them(host: Driven) -> None:
    first = unarmed(host, name="first")
    host.clock.advance(seconds=1)
    second = unarmed(host, name="second")
    host.armer.client = Failing(host.eventbridge.client, before=[DENIED])
    host.clock.advance(seconds=59)
    host.sweep()
    assert (host.held(first), host.held(second) is None) == (None, False)
    assert "AccessDeniedException: No." in (host.schedule(first.id).error_message or "")
    assert host.row(first.id)["unarmed_since"] == stamp(NOON + timedelta(minutes=1))


def test_a_row_that_can_t_be_read_leaves_the_others_alone(host: Driven) -> None:
    first, second = unarmed(host, name="first"), unarmed(host, name="second")
    host.change_row(first.id, timezone="Mars/Olympus")
    host.sweep()
    assert host.held(second) is not None
    assert "Mars/Olympus" in (host.schedule(first.id).error_message or "")


@pytest.mark.parametrize("spoilt", [{"policies": "{"}, {"status": "odd"}, {"created_date": "noon"}])
def test_a_row_that_somebody_spoilt_leaves_the_others_alone(host: Driven, spoilt: dict[str, str]) -> None:
    first, second = unarmed(host, name="first"), unarmed(host, name="second")
    host.change_row(first.id, **spoilt)
    assert host.sweep()["unarmed"] == 1
    assert host.held(second) is not None


# --- work ---


def test_work_that_nobody_took_is_published_again_after_two_minutes(host: Driven) -> None:
    schedule = host.create(schedule_expression="at(2026-06-01T12:30:00)")
    host.clock.advance(minutes=30)
    host.eventbridge.fire(host.take)
    host.published.clear()
    host.clock.advance(minutes=2)
    assert host.sweep()["work"] == 0
    host.clock.advance(milliseconds=1)
    assert host.sweep()["work"] == 1
    assert [execution.id for execution in host.published] == [host.history(schedule.id)[0].id]


def test_a_lease_that_ran_out_is_taken_back_and_published(host: Driven) -> None:
    schedule = host.create()
    host.claim()
    host.published.clear()
    host.clock.advance(seconds=queue.LEASE.total_seconds())
    assert host.sweep()["leases"] == 0
    host.clock.advance(milliseconds=1)
    assert host.sweep()["leases"] == 1
    (execution,) = host.history(schedule.id)
    assert (execution.status, execution.crashes) == ("queued", 1)
    assert [each.id for each in host.published] == [execution.id]


def test_what_is_held_behind_nothing_is_released(host: Driven) -> None:
    schedule = host.create(policies={"overlap": "queue"})
    host.clock.advance(hours=1)
    host.eventbridge.fire(host.take)
    first, second = host.history(schedule.id)
    assert second.next_attempt_at is None
    _forget(host, schedule.id, first.id)
    host.published.clear()
    assert host.sweep()["held"] == 1
    assert [each.id for each in host.published] == [second.id]


def _forget(host: Driven, schedule_id: str, execution_id: str) -> None:
    """Somebody deletes an execution at the console."""
    name = host.stage.settings.tables["executions"]
    key = {"schedule_id": {"S": schedule_id}, "id": {"S": execution_id}}
    host.dynamodb().delete_item(TableName=name, Key=key)


# --- commands ---


def test_a_command_that_nobody_took_is_published_again_after_two_minutes(host: Driven) -> None:
    message = host.submit(action="create", schedule=definition_of())
    host.lose_commands()
    host.clock.advance(minutes=1, seconds=59)
    assert host.sweep()["commands"] == 0
    host.clock.advance(seconds=1)
    assert host.sweep()["commands"] == 1
    host.deliver()
    assert message_of(host, message).status == "completed"
    assert host.sweep()["commands"] == 0


def test_a_command_that_can_t_be_carried_out_for_an_hour_has_failed(host: Driven) -> None:
    message = host.submit(action="create", schedule=definition_of())
    host.clock.advance(hours=1)
    assert host.sweep()["commands"] == 1
    failed = message_of(host, message)
    assert (failed.status, failed.error_kind) == ("failed", "Internal")
    assert [problem.code for problem in failed.problems] == ["gave_up"]
    assert host.judge(message) == failed
    assert host.do(lambda ports: ports.schedules.get(message.schedule_id or "")) is None


# --- limits ---


def armings(host: Driven) -> int:
    return host.eventbridge.client.calls.count("create_schedule")


def test_a_sweep_stops_before_its_time_is_up(host: Driven) -> None:
    schedules = [unarmed(host, name=f"s{number}") for number in range(3)]
    assert host.sweep(time_left=lambda: 10.0)["unarmed"] == 0
    assert host.sweep(time_left=lambda: 10.0 if armings(host) else 11.0)["unarmed"] == 1
    assert sum(host.held(schedule) is not None for schedule in schedules) == 1
    host.sweep()
    assert all(host.held(schedule) is not None for schedule in schedules)


def test_a_step_with_too_much_to_do_leaves_the_others_their_time(host: Driven) -> None:
    for number in range(12):
        unarmed(host, name=f"s{number}")
    message = host.submit(action="create", schedule=definition_of("late"))
    host.lose_commands()
    host.clock.advance(minutes=2)
    mended = host.sweep(time_left=lambda: 900.0 - 100.0 * armings(host))
    assert 0 < mended["unarmed"] < 9
    assert mended["commands"] == 1
    host.deliver()
    assert message_of(host, message).status == "completed"


def test_a_table_that_can_t_be_read_leaves_the_other_steps_alone(host: Driven) -> None:
    schedule = unarmed(host)
    ordinary = host.do
    asked: list[int] = []

    def failing_at_first(move: object) -> object:
        asked.append(1)
        if len(asked) == 1:
            raise Unavailable("DynamoDB is away.")
        return ordinary(move)  # type: ignore[arg-type]

    host.do = failing_at_first  # type: ignore[method-assign, assignment]
    host.sweep()
    host.do = ordinary  # type: ignore[method-assign]
    assert host.held(schedule) is not None


def test_two_sweeps_at_once_do_everything_once(host: Driven) -> None:
    schedule = unarmed(host)
    host.clock.advance(minutes=1)
    client = Failing(host.eventbridge.client)
    client.meanwhile = host.sweep
    host.armer.client = client
    host.sweep()
    assert host.eventbridge.client.calls.count("create_schedule") == 1
    assert host.row(schedule.id)["arm_count"] == 2


def test_what_was_swept_up_once_is_not_swept_up_again(host: Driven) -> None:
    unarmed(host)
    assert [host.sweep()["unarmed"], host.sweep()["unarmed"]] == [1, 0]
