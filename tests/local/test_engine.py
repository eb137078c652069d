"""The engine: what is due is fired, in batches, never early, whatever the state of its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rez_agent.domain.execution import Span, window_share
from rez_agent.domain.instants import to_ms
from rez_agent.domain.schedule import Schedule, ScheduleStatus
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.engine import take_due
from tests.fakes import NOON
from tests.rig import Rig, due_times, schedule_of, told

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def many(count: int, name: str = "s", *, due: datetime = NOON, **changes: object) -> list[Schedule]:
    """Schedules whose next occurrence is at ``due``."""
    return [replace(schedule_of(f"{name}{number:04}", **changes), next_run=due) for number in range(count)]


# --- when ---


def test_nothing_fires_before_its_second_has_come(rig: Rig) -> None:
    rig.add(schedule_of(now=NOON + MINUTE))
    rig.clock.advance_to(NOON + HOUR - timedelta(microseconds=1))
    taken = rig.tick()
    assert (taken.count, taken.more, taken.next_wake) == (0, False, to_ms(NOON + HOUR))
    rig.clock.advance(seconds=0.000_001)
    assert rig.tick().count == 1


def test_an_occurrence_does_not_wait_for_its_schedules_creation_to_come_again(rig: Rig) -> None:
    rig.add(schedule_of(now=NOON + 30 * MINUTE, schedule_expression="cron(0/10 * * * ? *)"))
    rig.clock.advance_to(NOON + 40 * MINUTE)
    rig.tick()
    rig.work()
    rig.clock.step(hours=-6)
    rig.command(
        action="update",
        schedule_id="sch_report",
        patch={"schedule_expression": "cron(0/5 * * * ? *)"},
    )
    rig.clock.advance(minutes=5)
    rig.tick()
    assert rig.work() == ["sch_report_20260601T064500Z"]


def test_a_look_tells_when_to_look_next(rig: Rig) -> None:
    assert rig.tick().next_wake is None
    rig.add(schedule_of("hourly"), schedule_of("soon", schedule_expression="at(2026-06-01T12:20:00)"))
    assert rig.tick().next_wake == to_ms(NOON + 20 * MINUTE)


def test_an_execution_has_the_schedules_owner_target_and_age(rig: Rig) -> None:
    schedule = schedule_of(payload={"target": "there"}, policies={"retry": {"max_event_age_seconds": 90}})
    rig.add(schedule)
    rig.clock.advance(seconds=3)
    rig.tick()
    (execution,) = rig.history(schedule.id)
    assert execution.id == f"{schedule.id}_20260601T120000Z"
    assert (execution.owner, execution.target, execution.cause) == ("ann", "there", "schedule")
    assert (execution.due_at, execution.created_date) == (NOON, NOON + 3 * SECOND)
    assert execution.expires_at == NOON + 93 * SECOND
    assert execution.schedule_revision == 1


def test_firing_leaves_the_revision_and_the_date_of_change(rig: Rig) -> None:
    schedule = schedule_of()
    rig.add(schedule)
    rig.tick()
    assert rig.schedule(schedule.id) == replace(schedule, next_run=NOON + HOUR)


def test_after_its_last_occurrence_a_schedule_is_finished(rig: Rig) -> None:
    schedule = schedule_of(schedule_expression="at(2026-06-01T12:20:00)")
    rig.add(schedule)
    now = rig.clock.advance(minutes=20)
    rig.tick()
    after = rig.schedule(schedule.id)
    assert (after.next_run, after.finished_at, after.status) == (None, now, ScheduleStatus.ACTIVE)


def test_an_execution_starts_at_its_own_stable_moment_of_the_window(rig: Rig) -> None:
    schedule = schedule_of(policies={"flexible_window_minutes": 15})
    rig.add(schedule)
    rig.tick()
    (execution,) = rig.history(schedule.id)
    share = timedelta(milliseconds=window_share(execution.id, 15 * 60_000))
    assert execution.due_at == execution.next_attempt_at == NOON + share
    assert execution.expires_at == NOON + share + HOUR
    rig.clock.advance_to(NOON + share - timedelta(milliseconds=1))
    assert rig.claim() == []
    rig.clock.advance(seconds=0.001)
    assert len(rig.claim()) == 1


# --- batches ---


def test_a_look_takes_a_batch_and_says_that_there_is_more(rig: Rig) -> None:
    rig.add(*many(25))
    assert [(taken.count, taken.more) for taken in (rig.tick(10), rig.tick(10), rig.tick(10))] == [
        (10, True),
        (10, True),
        (5, False),
    ]
    assert rig.one("SELECT count(*) FROM executions") == 25


def test_half_of_a_batch_is_for_what_is_on_time_though_there_is_a_backlog(rig: Rig) -> None:
    rig.add(*many(30, "late", due=NOON - 5 * HOUR), *many(30, "live"))
    rig.tick(10)
    assert rig.one("SELECT count(*) FROM executions WHERE schedule_id LIKE 'sch_live%'") == 5
    rig.tick_all()
    assert rig.one("SELECT count(DISTINCT schedule_id) FROM executions WHERE status = 'queued'") == 60


def test_a_backlog_has_the_whole_batch_where_nothing_is_on_time(rig: Rig) -> None:
    rig.add(*many(30, "late", due=NOON - 5 * HOUR), *many(3, "live"))
    assert rig.tick(10).count == 10
    assert rig.one("SELECT count(*) FROM executions WHERE schedule_id LIKE 'sch_live%'") == 3


def test_a_long_catch_up_of_one_schedule_goes_on_until_it_is_done(rig: Rig) -> None:
    schedule = schedule_of(
        schedule_expression="rate(1 minute)", policies={"catch_up": "all", "overlap": "allow"}
    )
    rig.add(schedule)
    rig.clock.advance(minutes=1_234)
    rig.tick_all()
    assert len(rig.history(schedule.id)) == 1_235
    assert rig.schedule(schedule.id).next_run == NOON + 1_235 * MINUTE


# --- catch-up and overlap, on the ledger ---


def test_what_an_outage_swallowed_is_told_in_one_entry(rig: Rig) -> None:
    schedule = schedule_of()
    rig.add(schedule)
    rig.clock.advance(hours=5.5)
    rig.tick_all()
    skipped, fired = rig.history(schedule.id)
    assert skipped.span == Span(NOON, NOON + 4 * HOUR, 5)
    assert (skipped.reason, fired.cause) == ("missed", "catch_up")
    assert fired.scheduled_time == NOON + 5 * HOUR
    assert fired.due_at == rig.clock.now()


def test_what_is_late_yields_to_what_is_on_time(rig: Rig) -> None:
    late = schedule_of("late", now=NOON - 2 * HOUR, end="2026-06-01T11:00:00Z")
    rig.add(late, schedule_of("live"))
    rig.tick_all()
    (first,) = rig.claim(capacity=1)
    assert first.work.schedule_id == "sch_live"


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("allow", [("12:00", "running", None), ("13:00", "queued", None)]),
        ("skip", [("12:00", "running", None), ("13:00", "skipped", "overlap")]),
        ("queue", [("12:00", "running", None), ("13:00", "queued", None)]),
    ],
)
def test_an_occurrence_meets_the_one_still_in_flight(
    rig: Rig, overlap: str, expected: list[tuple[str, str, str | None]]
) -> None:
    schedule = schedule_of(policies={"overlap": overlap})
    rig.add(schedule)
    rig.tick()
    (running,) = rig.claim()
    rig.clock.advance(hours=1)
    rig.tick()
    assert told(rig.history(schedule.id)) == expected
    assert len(rig.claim()) == (1 if overlap == "allow" else 0)
    rig.end(running)
    assert len(rig.claim()) == (1 if overlap == "queue" else 0)


def test_queue_holds_ten_and_skips_the_eleventh(rig: Rig) -> None:
    schedule = schedule_of(policies={"overlap": "queue"})
    rig.add(schedule)
    for _ in range(13):
        rig.tick()
        rig.clock.advance(hours=1)
    states = [execution.status.value for execution in rig.history(schedule.id)]
    assert states == ["queued"] * 11 + ["skipped"] * 2


# --- neighbours in trouble ---


def lose_zone(rig: Rig, schedule: Schedule) -> None:
    """The schedule's zone leaves the tz database."""
    rig.connection.execute("UPDATE schedules SET timezone = 'Gone/Zone' WHERE id = ?", (schedule.id,))


def test_a_schedule_whose_zone_is_gone_is_told_and_stops_nobody(rig: Rig) -> None:
    gone, healthy = schedule_of("gone"), schedule_of("healthy")
    rig.add(gone, healthy)
    lose_zone(rig, gone)
    rig.tick_all()
    broken = rig.schedule(gone.id)
    assert (broken.status, broken.next_run) == (ScheduleStatus.ERROR, None)
    assert "Gone/Zone" in (broken.error_message or "")
    assert due_times(rig.history(healthy.id)) == ["12:00"]
    rig.command(action="update", schedule_id=gone.id, patch={"timezone": "UTC"})
    assert rig.schedule(gone.id).status is ScheduleStatus.ACTIVE
    mended, lost = rig.ports.changes.list(gone.id).items
    assert (lost.action, lost.revision, lost.by, lost.reason) == ("error", 1, None, broken.error_message)
    assert [each.path for each in lost.diff] == ["/status", "/error_message"]
    assert (mended.action, mended.revision) == ("update", 2)


def test_a_paused_schedule_whose_zone_is_gone_when_it_resumes_stops_nobody(rig: Rig) -> None:
    gone, healthy = rig.create("gone"), schedule_of("healthy")
    rig.command(action="pause", schedule_id=gone.id, until="2026-06-01T12:30:00Z")
    rig.add(healthy)
    lose_zone(rig, gone)
    rig.clock.advance(hours=1)
    rig.tick_all()
    assert rig.schedule(gone.id).status is ScheduleStatus.ERROR
    assert [change.action for change in rig.ports.changes.list(gone.id).items] == ["error", "pause"]
    assert "13:00" in due_times(rig.history(healthy.id))
    message = rig.command(action="update", schedule_id=gone.id, patch={"timezone": "UTC"})
    assert message.status == "completed"
    rig.tick_all()
    assert rig.schedule(gone.id).next_run == NOON + 2 * HOUR


def test_a_cursor_that_a_new_tz_database_does_not_know_stops_nobody(rig: Rig) -> None:
    stale, healthy = schedule_of("stale", end="2026-06-01T12:30:00Z"), schedule_of("healthy")
    rig.add(replace(stale, next_run=NOON + 10 * MINUTE), healthy)
    rig.clock.advance(minutes=45)
    rig.tick_all()
    assert told(rig.history(stale.id)) == [("12:10", "queued", None)]
    assert due_times(rig.history(healthy.id)) == ["12:00"]


# --- twice ---


def test_an_occurrence_fired_twice_meets_its_own_row(rig: Rig) -> None:
    schedule = schedule_of()
    rig.add(schedule)
    rig.tick()
    assert len(rig.work()) == 1
    rig.connection.execute("UPDATE schedules SET next_run = ?1, wake_at = ?1", (to_ms(NOON),))
    rig.tick()
    assert told(rig.history(schedule.id)) == [("12:00", "succeeded", None)]
    assert rig.work() == []


def test_a_look_that_did_not_commit_is_made_good_by_the_next(rig: Rig) -> None:
    schedule = schedule_of()
    rig.add(schedule)

    def crash(ports: LocalPorts) -> None:
        take_due(ports, rig.clock.now())
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        rig.do(crash)
    assert rig.history(schedule.id) == []
    rig.tick()
    assert due_times(rig.history(schedule.id)) == ["12:00"]
