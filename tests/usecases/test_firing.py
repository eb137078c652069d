"""Firing one occurrence at a time, for an engine that keeps time by itself: told twice, late, in disorder, or
not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.execution import Execution
from rez_agent.domain.schedule import Pause, Schedule
from rez_agent.ports import Ports
from rez_agent.usecases.firing import Firing, fire, make_good
from tests.fakes import FAILED, NOON, FakeClock
from tests.rig import Rig, due_times, schedule_of, told

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A store and a ledger; the host's own engine never looks."""
    made = Rig(tmp_path, FakeClock(NOON))
    yield made
    made.close()


def kept(rig: Rig, **changes: Any) -> Schedule:
    """A schedule, hourly unless changed, made half an hour before noon."""
    schedule = schedule_of(now=NOON - HOUR / 2, **changes)
    rig.add(schedule)
    return schedule


def changed(rig: Rig, before: Schedule, after: Schedule) -> Schedule:
    rig.do(lambda ports: ports.schedules.replace(after, before))
    return after


def fired(
    rig: Rig,
    schedule: Schedule,
    due: datetime = NOON,
    *,
    revision: int | None = None,
    ends_pause: bool = False,
) -> Firing:
    rig.clock.advance_to(max(rig.clock.now(), due))
    told_of = revision or schedule.revision
    return rig.do(lambda ports: fire(ports, schedule.id, due, told_of, ends_pause=ends_pause))


def made_good(rig: Rig, schedule: Schedule, since: datetime, until: datetime) -> list[Execution]:
    def look(ports: Ports) -> list[Execution]:
        return make_good(ports.ledger, ports.topic, schedule, since=since, until=until, now=ports.clock.now())

    return rig.do(look)


def history(rig: Rig, schedule: Schedule) -> list[tuple[str, str, str | None]]:
    return told(rig.history(schedule.id))


# --- one occurrence ---


def test_an_occurrence_on_time_is_queued_under_its_own_id(rig: Rig) -> None:
    schedule = kept(rig)
    assert fired(rig, schedule) is Firing.QUEUED
    (execution,) = rig.history(schedule.id)
    assert (execution.id, execution.cause) == ("sch_report_20260601T120000Z", "schedule")
    assert (execution.due_at, execution.next_attempt_at) == (NOON, NOON)
    assert (execution.expires_at, execution.schedule_revision) == (NOON + HOUR, 1)
    assert rig.work() == [execution.id]


def test_a_firing_that_comes_twice_is_published_again_until_it_was_tried(rig: Rig) -> None:
    schedule = kept(rig)
    fired(rig, schedule)
    assert fired(rig, schedule) is Firing.REPEATED
    (claimed,) = rig.claim()
    assert fired(rig, schedule) is Firing.KNOWN
    rig.end(claimed, FAILED)
    assert rig.history(schedule.id)[0].status == "queued"
    assert fired(rig, schedule) is Firing.KNOWN
    assert len(rig.history(schedule.id)) == 1


def test_a_firing_of_a_schedule_that_is_gone_does_nothing(rig: Rig) -> None:
    schedule = kept(rig)
    changed(rig, schedule, schedule.deleted(NOON - MINUTE))
    assert fired(rig, schedule) is Firing.GONE
    assert rig.do(lambda ports: fire(ports, "sch_other", NOON, 1)) is Firing.GONE
    assert history(rig, schedule) == []


def test_an_instant_that_only_the_engine_knows_runs_and_says_so(rig: Rig) -> None:
    schedule = kept(rig)
    assert fired(rig, schedule, NOON + 30 * MINUTE) is Firing.QUEUED
    (execution,) = rig.history(schedule.id)
    assert (execution.cause, due_times([execution])) == ("engine_only", ["12:30"])


@pytest.mark.parametrize("off", [-59, -1, 1, 59])
def test_an_instant_of_a_rate_a_little_off_its_grid_is_the_occurrence_next_to_it(rig: Rig, off: int) -> None:
    schedule = kept(rig, schedule_expression="rate(10 minutes)")
    assert fired(rig, schedule, NOON + timedelta(seconds=off)) is Firing.QUEUED
    (execution,) = rig.history(schedule.id)
    assert (execution.id, execution.cause) == ("sch_report_20260601T120000Z", "schedule")
    assert execution.next_attempt_at == NOON  # never before it
    assert fired(rig, schedule) is Firing.REPEATED


@pytest.mark.parametrize("off", [-30, -29, 30])
def test_a_rate_that_is_off_its_grid_runs_each_occurrence_once(rig: Rig, off: int) -> None:
    schedule = kept(rig, schedule_expression="rate(1 minute)", policies={"overlap": "allow"})
    for number in range(5):
        assert fired(rig, schedule, NOON + number * MINUTE + timedelta(seconds=off)) is Firing.QUEUED
    assert {execution.cause for execution in rig.history(schedule.id)} == {"schedule"}
    assert len(rig.history(schedule.id)) == 5


def test_an_instant_of_a_rate_far_off_its_grid_is_the_engines_own(rig: Rig) -> None:
    schedule = kept(rig, schedule_expression="rate(10 minutes)", end="2026-06-01T12:00:00Z")
    assert fired(rig, schedule, NOON + MINUTE) is Firing.QUEUED
    (execution,) = rig.history(schedule.id)
    assert (execution.cause, due_times([execution])) == ("engine_only", ["12:01"])


def test_an_older_firing_of_a_rate_is_not_moved_onto_the_present_grid(rig: Rig) -> None:
    schedule = kept(rig, schedule_expression="rate(10 minutes)")
    edited(rig, schedule, NOON - MINUTE, schedule_expression="rate(7 minutes)")
    assert fired(rig, schedule, NOON + timedelta(seconds=30), revision=1) is Firing.STALE


def test_a_firing_whose_zone_we_know_no_more_runs_all_the_same(rig: Rig) -> None:
    schedule = kept(rig)
    lost = schedule.definition.model_copy(update={"timezone": "Mars/Olympus"})
    changed(rig, schedule, replace(schedule, definition=lost, revision=2))
    assert fired(rig, schedule, revision=2) is Firing.QUEUED
    assert rig.history(schedule.id)[0].cause == "engine_only"


# --- late ---


@pytest.mark.parametrize(
    ("mode", "late", "becomes"),
    [
        ("latest", timedelta(seconds=59), ("queued", None, "schedule")),
        ("latest", MINUTE, ("queued", None, "catch_up")),
        ("latest", 59 * MINUTE, ("queued", None, "catch_up")),
        ("latest", HOUR, ("skipped", "missed", "schedule")),  # the next occurrence has come
        ("all", 5 * HOUR, ("queued", None, "catch_up")),
        ("all", 25 * HOUR, ("skipped", "missed", "schedule")),  # beyond the window
        ("skip", timedelta(seconds=59), ("queued", None, "schedule")),
        ("skip", MINUTE, ("skipped", "missed", "schedule")),
    ],
)
def test_catch_up_decides_about_a_late_occurrence_alone(
    rig: Rig, mode: str, late: timedelta, becomes: tuple[str, str | None, str]
) -> None:
    schedule = kept(rig, policies={"catch_up": mode})
    rig.clock.advance_to(NOON + late)
    fired(rig, schedule)
    (execution,) = rig.history(schedule.id)
    assert (execution.status, execution.reason, execution.cause) == becomes
    assert execution.span is None


def test_a_missed_at_runs_within_its_window_however_late(rig: Rig) -> None:
    schedule = kept(rig, schedule_expression="at(2026-06-01T12:00:00)")
    rig.clock.advance(hours=20)
    assert fired(rig, schedule) is Firing.QUEUED
    (execution,) = rig.history(schedule.id)
    assert (execution.cause, execution.due_at) == ("catch_up", NOON + 20 * HOUR)


def test_within_its_flexible_window_an_occurrence_is_on_time_and_starts_at_once(rig: Rig) -> None:
    schedule = kept(rig, policies={"flexible_window_minutes": 15, "catch_up": "skip"})
    rig.clock.advance(minutes=15, seconds=59)
    assert fired(rig, schedule) is Firing.QUEUED
    (execution,) = rig.history(schedule.id)
    assert (execution.cause, execution.due_at) == ("schedule", NOON + 15 * MINUTE + timedelta(seconds=59))
    rig.clock.advance(seconds=1)
    other = kept(rig, name="other", policies={"flexible_window_minutes": 15, "catch_up": "skip"})
    assert fired(rig, other) is Firing.SKIPPED


# --- overlap ---


def test_overlap_is_decided_by_what_is_in_flight(rig: Rig) -> None:
    skipping, queueing = kept(rig), kept(rig, name="other", policies={"overlap": "queue"})
    allowing = kept(rig, name="third", policies={"overlap": "allow"})
    for schedule in (skipping, queueing, allowing):
        fired(rig, schedule)
    for schedule in (skipping, queueing, allowing):
        fired(rig, schedule, NOON + HOUR)
    assert history(rig, skipping) == [("12:00", "queued", None), ("13:00", "skipped", "overlap")]
    assert [e.next_attempt_at for e in rig.history(queueing.id)] == [NOON, None]
    assert [e.next_attempt_at for e in rig.history(allowing.id)] == [NOON, NOON + HOUR]


def test_a_held_occurrence_that_is_fired_again_stays_held(rig: Rig) -> None:
    schedule = kept(rig, policies={"overlap": "queue"})
    fired(rig, schedule)
    fired(rig, schedule, NOON + HOUR)
    assert fired(rig, schedule, NOON + HOUR) is Firing.KNOWN


# --- pauses ---


def test_what_was_due_before_the_pause_began_still_runs(rig: Rig) -> None:
    schedule = kept(rig)
    rig.clock.advance(seconds=5)
    changed(rig, schedule, schedule.paused(Pause(rig.clock.now(), "ann")))
    assert fired(rig, schedule) is Firing.QUEUED
    assert rig.history(schedule.id)[0].cause == "schedule"


def test_what_falls_into_a_pause_is_left_to_the_entry_of_the_pause(rig: Rig) -> None:
    schedule = kept(rig)
    paused = changed(rig, schedule, schedule.paused(Pause(NOON - MINUTE, "ann")))
    assert fired(rig, schedule, revision=1) is Firing.PAUSED
    assert fired(rig, schedule, revision=2) is Firing.PAUSED
    assert history(rig, paused) == []


def test_the_firing_at_a_pauses_end_resumes_as_of_then(rig: Rig) -> None:
    schedule = kept(rig)
    until = NOON + 2 * HOUR + timedelta(milliseconds=200)
    paused = changed(rig, schedule, schedule.paused(Pause(NOON - MINUTE, "ann", until=until)))
    assert fired(rig, paused, NOON + 2 * HOUR) is Firing.PAUSED
    assert fired(rig, paused, NOON + 2 * HOUR + timedelta(seconds=1), ends_pause=True) is Firing.RESUMED
    present = rig.schedule(schedule.id)
    assert (present.status, present.revision, present.updated_date) == ("active", 3, until)
    assert history(rig, schedule) == [("12:00", "skipped", "paused")]
    assert rig.history(schedule.id)[0].span is not None


def test_a_pauses_end_that_is_told_again_is_no_occurrence(rig: Rig) -> None:
    schedule = kept(rig, schedule_expression="cron(30 * * * ? *)")
    paused = changed(rig, schedule, schedule.paused(Pause(NOON - MINUTE, "ann", until=NOON)))
    assert fired(rig, paused, NOON, ends_pause=True) is Firing.RESUMED
    assert fired(rig, paused, NOON, ends_pause=True) is Firing.STALE
    rig.clock.advance(seconds=5)
    present = rig.schedule(schedule.id)
    changed(rig, present, present.paused(Pause(rig.clock.now(), "ann")))
    assert fired(rig, paused, NOON, ends_pause=True) is Firing.STALE
    assert history(rig, schedule) == []


def test_a_pauses_end_that_is_an_occurrence_too_runs_once(rig: Rig) -> None:
    schedule = kept(rig)
    paused = changed(rig, schedule, schedule.paused(Pause(NOON - MINUTE, "ann", until=NOON)))
    fired(rig, paused, NOON, ends_pause=True)
    assert fired(rig, paused, NOON, ends_pause=True) is Firing.QUEUED
    assert fired(rig, paused, NOON) is Firing.REPEATED
    assert history(rig, schedule) == [("12:00", "queued", None)]


def test_a_late_firing_of_what_fell_into_a_pause_does_nothing_after_it_either(rig: Rig) -> None:
    schedule = kept(rig)
    paused = changed(rig, schedule, schedule.paused(Pause(NOON - MINUTE, "ann", until=NOON + 5 * HOUR)))
    fired(rig, paused, NOON + 5 * HOUR)
    assert fired(rig, schedule, NOON + 2 * HOUR) is Firing.KNOWN
    assert fired(rig, schedule, NOON) is Firing.KNOWN
    assert history(rig, schedule) == [("12:00", "skipped", "paused")]


# --- older revisions ---


def edited(rig: Rig, schedule: Schedule, at: datetime, **changes: Any) -> Schedule:
    definition = schedule.definition.model_copy(update=changes)
    return changed(rig, schedule, schedule.updated(definition, at, target=schedule.target))


def test_an_older_firing_at_an_instant_that_is_none_any_more_is_stale(rig: Rig) -> None:
    schedule = kept(rig)
    edited(rig, schedule, NOON - MINUTE, schedule_expression="cron(30 * * * ? *)")
    assert fired(rig, schedule, revision=1) is Firing.STALE
    assert history(rig, schedule) == []


def test_an_older_firing_of_what_was_due_before_the_update_runs(rig: Rig) -> None:
    schedule = kept(rig)
    rig.clock.advance(seconds=10)
    edited(rig, schedule, rig.clock.now(), schedule_expression="cron(30 * * * ? *)")
    assert fired(rig, schedule, revision=1) is Firing.QUEUED
    assert rig.history(schedule.id)[0].cause == "schedule"


def test_an_older_firing_at_an_instant_that_is_still_one_runs(rig: Rig) -> None:
    schedule = kept(rig)
    edited(rig, schedule, NOON - MINUTE, description="the same hours")
    assert fired(rig, schedule, revision=1) is Firing.QUEUED
    assert rig.history(schedule.id)[0].cause == "schedule"


# --- what nobody told of ---


def test_occurrences_without_an_entry_are_made_good_and_only_those(rig: Rig) -> None:
    schedule = kept(rig, policies={"catch_up": "all", "overlap": "allow"})
    fired(rig, schedule, NOON + HOUR)
    rig.clock.advance_to(NOON + 3 * HOUR + MINUTE)
    written = made_good(rig, schedule, NOON, NOON + 3 * HOUR)
    assert due_times(written) == ["12:00", "14:00", "15:00"]
    assert {execution.cause for execution in written} == {"catch_up"}
    assert made_good(rig, schedule, NOON, NOON + 3 * HOUR) == []


def test_both_ends_are_looked_at_and_nothing_beyond(rig: Rig) -> None:
    schedule = kept(rig, policies={"catch_up": "all", "overlap": "allow"})
    rig.clock.advance_to(NOON + 5 * HOUR)
    second = timedelta(seconds=1)
    assert made_good(rig, schedule, NOON + second, NOON + HOUR - second) == []
    assert due_times(made_good(rig, schedule, NOON, NOON)) == ["12:00"]
    assert due_times(made_good(rig, schedule, NOON + second, NOON + HOUR)) == ["13:00"]


def test_latest_makes_good_the_newest_unless_a_later_one_has_come(rig: Rig) -> None:
    schedule = kept(rig)
    rig.clock.advance_to(NOON + 2 * HOUR + 5 * MINUTE)
    made_good(rig, schedule, NOON, NOON + 2 * HOUR)
    assert history(rig, schedule) == [("12:00", "skipped", "missed"), ("14:00", "queued", None)]
    span = rig.history(schedule.id)[0].span
    assert span is not None
    assert (span.last, span.count) == (NOON + HOUR, 2)
    other = kept(rig, name="other")
    made_good(rig, other, NOON, NOON + HOUR)
    assert history(rig, other) == [("12:00", "skipped", "missed")]


def test_what_is_not_late_yet_is_made_good_under_every_mode(rig: Rig) -> None:
    schedule = kept(rig, policies={"catch_up": "skip"})
    rig.clock.advance(seconds=30)
    (execution,) = made_good(rig, schedule, NOON, rig.clock.now())
    assert (execution.cause, execution.status, execution.due_at) == ("schedule", "queued", NOON)


def test_an_entry_that_stands_for_many_is_an_entry_of_each(rig: Rig) -> None:
    schedule = kept(rig, policies={"catch_up": "all"})
    rig.clock.advance_to(NOON + 4 * HOUR)
    paused = schedule.paused(Pause(NOON - MINUTE, "ann", until=NOON + 3 * HOUR))
    changed(rig, schedule, paused)
    fired(rig, paused, NOON + 3 * HOUR)
    present = rig.schedule(schedule.id)
    assert made_good(rig, present, NOON + HOUR, NOON + 2 * HOUR) == []
    assert due_times(made_good(rig, present, NOON, NOON + 3 * HOUR)) == ["15:00"]


def test_a_run_that_was_asked_for_is_no_entry_of_an_occurrence(rig: Rig) -> None:
    schedule = rig.create(schedule_expression="cron(0 13 * * ? *)")
    rig.clock.advance(hours=1)
    rig.command(action="run", schedule_id=schedule.id)
    rig.end(rig.claim()[0])
    assert due_times(made_good(rig, schedule, NOON, NOON + HOUR)) == ["13:00"]


def test_many_missed_occurrences_are_all_made_good(rig: Rig) -> None:
    policies = {"catch_up": "all", "overlap": "allow"}
    schedule = kept(rig, schedule_expression="cron(* * * * ? *)", policies=policies)
    rig.clock.advance(minutes=1_200)
    assert len(made_good(rig, schedule, NOON, rig.clock.now())) == 1_201
    assert len(rig.history(schedule.id)) == 1_201
    assert made_good(rig, schedule, NOON, rig.clock.now()) == []


def test_nothing_is_made_good_where_nobody_can_say_what_was_due(rig: Rig) -> None:
    schedule = kept(rig)
    lost = schedule.definition.model_copy(update={"timezone": "Mars/Olympus"})
    assert made_good(rig, replace(schedule, definition=lost), NOON, NOON) == []


def test_an_execution_never_starts_before_its_schedule_was_made(rig: Rig) -> None:
    made = NOON + timedelta(milliseconds=400)
    schedule = schedule_of(now=made, schedule_expression="rate(1 hour)")
    rig.add(schedule)
    rig.clock.advance(milliseconds=500)
    assert fired(rig, schedule) is Firing.QUEUED
    assert rig.history(schedule.id)[0].due_at == made
