"""The reconcile: whatever came between the store and EventBridge Scheduler, they agree again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from rez_agent.aws.items import stamp
from rez_agent.aws.passes import SLICE, Cursor, Pass
from rez_agent.aws.tables import SCHEDULES
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Record
from tests.aws.driven import Driven
from tests.aws.failing import Failing
from tests.fakes import NOON
from tests.rig import due_times, told

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NOTHING = {"missing": 0, "drifted": 0, "orphaned": 0, "made_good": 0, "completed": 0, "failed": 0}
LOST = EndpointConnectionError(endpoint_url="https://scheduler")


@pytest.fixture
def host() -> Driven:
    """The AWS host on a fresh stage, moved by hand."""
    return Driven()


def by_hand(host: Driven, schedule: Schedule, **changes: Any) -> None:
    """Somebody changes the schedule at EventBridge's console."""
    document = host.held(schedule)
    assert document is not None
    said = ("Name", "GroupName", "ScheduleExpression", "State", "FlexibleTimeWindow", "Target")
    host.eventbridge.client.update_schedule(**{name: document[name] for name in said} | changes)


def deleted_by_hand(host: Driven, schedule: Schedule) -> None:
    host.eventbridge.client.delete_schedule(Name=schedule.id, GroupName=host.eventbridge.wiring.group)


def mended(**counts: int) -> dict[str, int]:
    return NOTHING | counts


# --- comparing ---


def test_where_both_agree_nothing_is_asked_and_nothing_is_done(host: Driven) -> None:
    for number in range(3):
        host.create(f"s{number}")
    paused = host.create("paused")
    host.command(action="pause", schedule_id=paused.id)
    asleep = host.create("asleep")
    host.command(action="pause", schedule_id=asleep.id, until=NOON + 9 * HOUR)
    host.create("never", schedule_expression="cron(0 0 30 2 ? *)")
    host.clock.advance(minutes=30)
    host.eventbridge.client.calls.clear()
    assert host.reconcile() == NOTHING
    assert host.eventbridge.client.calls == ["list_schedules"]


def test_what_eventbridge_lost_is_armed_again(host: Driven) -> None:
    schedule = host.create()
    deleted_by_hand(host, schedule)
    host.clock.advance(minutes=30)
    assert host.reconcile() == mended(missing=1)
    assert host.held(schedule) is not None
    host.clock.advance(minutes=5)
    assert host.reconcile() == NOTHING


@pytest.mark.parametrize(
    "change", [{"State": "DISABLED"}, {"ScheduleExpression": "rate(5 minutes)"}, {"Description": ""}]
)
def test_what_somebody_changed_at_eventbridge_is_put_right(host: Driven, change: dict[str, Any]) -> None:
    schedule = host.create(timezone="Asia/Kolkata")
    before = host.held(schedule)
    host.clock.advance(minutes=30)
    by_hand(host, schedule, **change)
    host.clock.advance(minutes=1)
    assert host.reconcile() == mended(drifted=1)
    after = host.held(schedule)
    assert before is not None
    assert after is not None
    kept = ("State", "ScheduleExpression", "ScheduleExpressionTimezone", "Target", "Description")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_a_change_that_changed_nothing_is_asked_about_once(host: Driven) -> None:
    schedule = host.create()
    host.clock.advance(minutes=30)
    by_hand(host, schedule, ScheduleExpressionTimezone="UTC", ActionAfterCompletion="NONE")
    host.clock.advance(minutes=1)
    for calls in (["list_schedules", "get_schedule"], ["list_schedules"]):
        host.eventbridge.client.calls.clear()
        assert host.reconcile() == NOTHING
        assert host.eventbridge.client.calls == calls


def test_what_has_no_row_is_deleted(host: Driven) -> None:
    schedule = host.create()
    document = host.held(schedule)
    assert document is not None
    said = ("GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    copied = {name: document[name] for name in said}
    for number in range(12):
        host.eventbridge.client.create_schedule(Name=f"stray-{number}", **copied)
    host.clock.advance(minutes=30)
    assert host.reconcile(page=5) == mended(orphaned=12)
    assert list(host.eventbridge.held()) == [schedule.id]


def test_what_eventbridge_kept_of_a_deleted_schedule_is_deleted(host: Driven) -> None:
    schedule = host.create()
    document = host.held(schedule)
    assert document is not None
    host.command(action="delete", schedule_id=schedule.id)
    said = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    host.eventbridge.client.create_schedule(**{name: document[name] for name in said})
    host.clock.advance(minutes=30)
    assert host.reconcile() == mended(orphaned=1)
    assert host.eventbridge.held() == {}


def test_what_is_over_is_deleted_once_eventbridge_has_had_its_time(host: Driven) -> None:
    schedule = host.create(end="2026-06-01T12:30:00Z", schedule_expression="cron(30 * * * ? *)")
    host.clock.advance(minutes=31)
    assert host.reconcile()["orphaned"] == 0
    host.eventbridge.fire(host.take)
    host.clock.advance(minutes=2)
    assert host.reconcile() == mended(orphaned=1)
    assert host.held(schedule) is None
    assert due_times(host.history(schedule.id)) == ["12:30"]


def test_what_the_sweep_is_at_is_left_to_it(host: Driven) -> None:
    host.armer.client = Failing(host.eventbridge.client, before=[LOST])
    schedule = host.create()
    host.armer.client = host.eventbridge.client
    assert host.reconcile() == NOTHING
    assert host.held(schedule) is None
    host.sweep()
    assert host.reconcile() == NOTHING


def test_one_that_fails_leaves_the_others_alone(host: Driven) -> None:
    first, second = host.create("first"), host.create("second")
    deleted_by_hand(host, second)
    host.change_row(first.id, timezone="Mars/Olympus")
    host.clock.advance(minutes=30)
    assert host.reconcile() == mended(failed=1, missing=1)


def test_one_that_somebody_spoilt_leaves_the_others_alone(host: Driven) -> None:
    first, second = host.create("first"), host.create("second")
    deleted_by_hand(host, second)
    host.change_row(first.id, policies="{")
    host.clock.advance(minutes=30)
    assert host.reconcile() == mended(failed=1, missing=1)
    assert host.held(first) is not None


# --- occurrences of which nobody told ---


def test_occurrences_of_which_eventbridge_never_told_are_made_good(host: Driven) -> None:
    schedule = host.create(policies={"catch_up": "all", "overlap": "allow"})
    host.clock.advance(hours=1, minutes=1, seconds=59)
    assert host.reconcile() == NOTHING  # EventBridge may still tell
    host.clock.advance(hours=1)
    assert host.reconcile() == mended(made_good=1)
    host.clock.advance(hours=1)
    host.eventbridge.fire(host.take)
    assert host.reconcile() == NOTHING
    assert due_times(host.history(schedule.id)) == ["12:00", "13:00", "14:00", "15:00"]


def test_within_a_flexible_window_eventbridge_is_waited_for(host: Driven) -> None:
    schedule = host.create(policies={"flexible_window_minutes": 15})
    host.clock.advance(hours=1, minutes=16)
    assert host.reconcile() == NOTHING
    host.clock.advance(minutes=2)
    assert host.reconcile() == mended(made_good=1)
    assert due_times(host.history(schedule.id))[1:] == ["13:00"]


def test_a_paused_schedule_owes_nothing(host: Driven) -> None:
    schedule = host.create()
    host.command(action="pause", schedule_id=schedule.id)
    host.clock.advance(hours=5)
    assert host.reconcile() == NOTHING


def test_after_an_outage_the_newest_runs_and_the_rest_is_one_entry(host: Driven) -> None:
    schedule = host.create(schedule_expression="cron(30 * * * ? *)")
    host.reconcile()
    host.clock.advance(hours=5, minutes=45)
    host.reconcile()
    assert told(host.history(schedule.id)) == [("12:30", "skipped", "missed"), ("17:30", "queued", None)]


# --- completion ---


def test_a_schedule_that_asked_for_it_is_deleted_when_nothing_is_left(host: Driven) -> None:
    policies = {"on_completion": "delete"}
    schedule = host.create(schedule_expression="at(2026-06-01T12:30:00)", policies=policies)
    host.clock.advance(minutes=30)
    host.eventbridge.fire(host.take)
    host.clock.advance(minutes=5)
    assert host.reconcile() == NOTHING  # its execution is in flight
    for claimed in host.claim():
        host.end(claimed)
    assert host.reconcile() == mended(completed=1)
    assert host.schedule(schedule.id).status == "deleted"
    assert host.reconcile() == NOTHING


def test_a_pass_that_looks_less_far_than_the_last_occurrence_swallows_nothing(host: Driven) -> None:
    policies = {"on_completion": "delete"}
    schedule = host.create(schedule_expression="at(2026-06-01T12:30:00)", policies=policies)
    host.clock.advance(minutes=10)
    value = {"slices": 1, "following": 0, "looked": [None], "after": None, "until": stamp(host.clock.now())}
    host.do(lambda ports: ports.records.put(Record("reconcile", "cursor", value)))  # the pass was cut
    host.clock.advance(hours=1)
    assert host.reconcile()["completed"] == 0
    assert told(host.history(schedule.id)) == [("12:30", "queued", None)]
    for claimed in host.claim():
        host.end(claimed)
    assert host.reconcile()["completed"] == 1


def test_a_schedule_with_something_left_is_kept(host: Driven) -> None:
    schedule = host.create(policies={"on_completion": "delete"}, end="2026-06-01T13:00:00Z")
    host.clock.advance(minutes=30)
    for claimed in host.claim():
        host.end(claimed)
    assert host.reconcile() == NOTHING
    assert host.schedule(schedule.id).status == "active"


# --- passes ---


def test_a_pass_that_runs_out_of_time_is_taken_up_where_it_stopped(host: Driven) -> None:
    def add(number: int) -> None:
        item = {**row, "id": f"sch_copy{number}", "name": f"copy {number}"}
        host.do(lambda ports: ports.unit.put(SCHEDULES, item))

    row = {name: value for name, value in host.row(host.create().id).items() if name != "version"}
    for number in range(15):
        add(number)
    host.clock.advance(minutes=30)
    first = host.reconcile(time_left=lambda: 5.0, page=10)
    assert 0 < first["missing"] < 15
    second = host.reconcile(page=10)
    assert first["missing"] + second["missing"] == 15
    host.clock.advance(minutes=5)
    assert host.reconcile() == NOTHING


def test_a_slice_at_a_time_is_looked_at(host: Driven) -> None:
    schedules = [host.create(f"s{number}") for number in range(12)]
    for schedule in schedules:
        deleted_by_hand(host, schedule)
    host.clock.advance(minutes=30)
    value = {"slices": 3, "following": 2, "looked": [None] * 3, "after": None, "until": None}
    host.do(lambda ports: ports.records.put(Record("reconcile", "cursor", value)))
    first = host.reconcile()["missing"]
    assert 0 < first < 12
    assert first == sum(host.held(schedule) is not None for schedule in schedules)
    assert first + host.reconcile()["missing"] == 12


def test_the_number_of_slices_follows_the_number_of_schedules() -> None:
    one = Cursor().finished(SLICE, NOON)
    assert (one.slices, one.following, one.looked) == (1, 0, (NOON,))
    three = one.finished(2 * SLICE + 1, NOON + HOUR)
    assert (three.slices, three.following, three.looked) == (3, 0, (NOON + HOUR,) * 3)
    later = three.finished(3 * SLICE, NOON + 2 * HOUR).finished(3 * SLICE, NOON + 3 * HOUR)
    assert (later.following, later.looked) == (2, (NOON + 2 * HOUR, NOON + 3 * HOUR, NOON + HOUR))
    assert later.finished(1, NOON + 4 * HOUR) == Cursor(1, 0, (NOON + 2 * HOUR,))


def test_what_could_not_be_looked_at_is_looked_at_again() -> None:
    the_pass = Pass(Cursor(looked=(NOON,)), began=NOON + HOUR, until=NOON + HOUR - 2 * MINUTE, total=1)
    assert the_pass.finished().looked == (NOON + 58 * MINUTE,)
    the_pass.missed_any = True
    assert the_pass.finished().looked == (NOON,)


def test_a_group_that_can_t_be_listed_leaves_the_pass_to_the_next_hour(host: Driven) -> None:
    schedule = host.create()
    deleted_by_hand(host, schedule)
    host.clock.advance(minutes=30)
    host.armer.client = Failing(host.eventbridge.client, before=[LOST])
    with pytest.raises(Unavailable, match="can't be listed"):
        host.reconcile()
    assert host.reconcile() == mended(missing=1)
