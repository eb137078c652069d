"""A schedule's life: each change is a transition that returns the next revision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.errors import Conflict, Invalid
from rez_agent.domain.policies import Overlap
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import Pause, Schedule, ScheduleDefinition, ScheduleStatus
from tests.fakes import NOON
from tests.rig import definition_of, schedule_of

HOUR = timedelta(hours=1)
PAUSE = Pause(since=NOON + HOUR / 2, by="ann", reason="holidays")


def defined(**changes: Any) -> ScheduleDefinition:
    return read(ScheduleDefinition, definition_of(**changes))


def updated(schedule: Schedule, now: datetime, **changes: Any) -> Schedule:
    return schedule.updated(defined(**changes), now, target="target")


# --- creation ---


def test_a_new_schedule_is_active_at_revision_one_with_its_next_run() -> None:
    new = schedule_of(now=NOON + HOUR / 2)
    assert (new.status, new.revision, new.finished_at) == (ScheduleStatus.ACTIVE, 1, None)
    assert new.next_run == NOON + HOUR


def test_the_second_of_creation_counts() -> None:
    assert schedule_of(now=NOON + timedelta(milliseconds=900)).next_run == NOON


def test_a_rate_without_start_is_first_due_at_its_creation() -> None:
    new = schedule_of(schedule_expression="rate(5 minutes)", now=NOON + timedelta(seconds=7.25))
    assert new.next_run == NOON + timedelta(seconds=7)


def test_a_schedule_with_nothing_ahead_is_born_finished() -> None:
    never = schedule_of(schedule_expression="cron(0 12 30 2 ? *)")
    assert never.next_run is None
    assert never.finished_at == NOON


def test_start_and_end_are_inclusive() -> None:
    bounded = schedule_of(start="2026-06-01T15:00:00Z", end="2026-06-01T15:00:00Z")
    assert bounded.next_run == NOON + 3 * HOUR
    assert bounded.occurrences.next_after(NOON + 3 * HOUR) is None


# --- update ---


def test_an_update_is_the_next_revision_and_counts_from_the_second_after_it_was_asked_for() -> None:
    after = updated(schedule_of(), NOON + HOUR, schedule_expression="cron(0/30 * * * ? *)")
    assert after.revision == 2
    assert after.updated_date == NOON + HOUR
    assert after.next_run == NOON + 1.5 * HOUR


def test_an_update_keeps_who_made_it_and_when() -> None:
    before = schedule_of()
    after = updated(before, NOON + HOUR, name="renamed")
    assert (after.id, after.created_by, after.created_date) == (before.id, "ann", NOON)


@given(st.integers(0, 100_000), st.integers(1, 90))
def test_an_update_never_shifts_the_grid_of_a_rate(seconds: int, minutes: int) -> None:
    expression = f"rate({minutes} minute{'s' if minutes > 1 else ''})"
    before = schedule_of(schedule_expression=expression)
    asked = NOON + timedelta(seconds=seconds)
    after = updated(before, asked, schedule_expression=expression, description="new")
    assert after.next_run is not None
    assert after.next_run > asked
    assert (after.next_run - NOON) % timedelta(minutes=minutes) == timedelta(0)
    assert after.next_run - asked <= timedelta(minutes=minutes)


def test_a_new_rate_counts_from_creation_too() -> None:
    before = schedule_of(schedule_expression="rate(1 hour)")
    after = updated(before, NOON + timedelta(minutes=50), schedule_expression="rate(15 minutes)")
    assert after.next_run == NOON + HOUR


def test_an_update_of_a_paused_schedule_does_not_resume_it() -> None:
    after = updated(schedule_of().paused(PAUSE), NOON + HOUR)
    assert (after.status, after.next_run, after.pause) == (ScheduleStatus.PAUSED, None, PAUSE)


def test_an_update_lifts_error() -> None:
    gone = "the zone is gone"
    broken = replace(schedule_of(), status=ScheduleStatus.ERROR, error_message=gone, next_run=None)
    after = updated(broken, NOON + HOUR)
    assert (after.status, after.error_message) == (ScheduleStatus.ACTIVE, None)
    assert after.next_run == NOON + 2 * HOUR


def test_an_update_that_brings_new_occurrences_is_finished_no_more() -> None:
    spent = schedule_of(end="2026-06-01T12:30:00Z").advanced(None, NOON)
    assert spent.finished_at == NOON
    assert updated(spent, NOON + HOUR).finished_at is None


def test_an_update_of_a_paused_and_finished_schedule_is_finished_no_more() -> None:
    spent = schedule_of(end="2026-06-01T12:30:00Z").advanced(None, NOON).paused(PAUSE)
    assert updated(spent, NOON + HOUR).finished_at is None


def test_a_spent_at_stays_finished_when_something_else_changes() -> None:
    spent = schedule_of(schedule_expression="at(2026-06-01T12:30:00)").advanced(None, NOON + HOUR / 2)
    after = updated(
        spent, NOON + HOUR, schedule_expression="at(2026-06-01T12:30:00)", description="it ran once"
    )
    assert after.next_run is None
    assert after.finished_at is not None


# --- pause and resume ---


def test_a_paused_schedule_has_no_next_run() -> None:
    after = schedule_of().paused(PAUSE)
    assert (after.status, after.revision, after.next_run, after.pause) == ("paused", 2, None, PAUSE)


def test_pausing_again_replaces_reason_and_until_and_keeps_since() -> None:
    again = Pause(since=NOON + HOUR, by="bob", reason="longer", until=NOON + 9 * HOUR)
    after = schedule_of().paused(PAUSE).paused(again)
    assert after.pause == replace(again, since=PAUSE.since)
    assert after.revision == 3


def test_resuming_counts_the_second_in_which_it_happens() -> None:
    paused = schedule_of().paused(PAUSE)
    assert paused.resumed(NOON + 3 * HOUR).next_run == NOON + 3 * HOUR
    assert paused.resumed(NOON + 3 * HOUR + timedelta(seconds=1)).next_run == NOON + 4 * HOUR


def test_a_schedule_that_ended_in_its_pause_is_finished_when_it_resumes() -> None:
    paused = schedule_of(end="2026-06-01T13:00:00Z").paused(PAUSE)
    after = paused.resumed(NOON + 5 * HOUR)
    assert (after.status, after.next_run, after.finished_at) == ("active", None, NOON + 5 * HOUR)


def test_what_is_not_paused_cannot_be_resumed() -> None:
    with pytest.raises(Conflict) as refused:
        schedule_of().resumed(NOON)
    assert refused.value.code == "not_paused"


# --- delete ---


def test_a_deleted_schedule_is_a_tombstone_that_nothing_revives() -> None:
    gone = schedule_of().paused(PAUSE).deleted(NOON + HOUR)
    assert (gone.status, gone.living, gone.next_run, gone.pause) == ("deleted", False, None, None)
    changes: list[Callable[[], Schedule]] = [
        lambda: gone.resumed(NOON),
        lambda: gone.paused(PAUSE),
        lambda: gone.deleted(NOON),
        lambda: updated(gone, NOON),
    ]
    for change in changes:
        with pytest.raises(Conflict) as refused:
            change()
        assert refused.value.code == "schedule_deleted"


# --- firing ---


def test_firing_moves_the_cursor_and_leaves_the_revision() -> None:
    after = schedule_of().advanced(NOON + HOUR, NOON)
    assert (after.revision, after.next_run, after.finished_at) == (1, NOON + HOUR, None)


# --- the definition ---


def test_overlap_defaults_to_allow_for_at_and_to_skip_for_the_rest() -> None:
    assert defined(schedule_expression="at(2026-07-01T00:00:00)").overlap is Overlap.ALLOW
    assert defined(schedule_expression="rate(1 hour)").overlap is Overlap.SKIP
    assert defined(policies={"overlap": "queue"}).overlap is Overlap.QUEUE


def test_the_same_tag_twice_is_kept_once() -> None:
    assert defined(tags=["a", " b ", "a"]).tags == ("a", "b")


def test_dates_are_cut_to_the_second_and_put_in_utc() -> None:
    assert defined(start="2026-06-01T14:00:00.9+02:00").start == NOON


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"name": ""}, "/name", "invalid_value"),
        ({"name": " "}, "/name", "invalid_value"),
        ({"name": "x" * 129}, "/name", "invalid_value"),
        ({"name": 7}, "/name", "wrong_type"),
        ({"target_type": "carrier_pigeon"}, "/target_type", "invalid_value"),
        ({"payload": []}, "/payload", "wrong_type"),
        ({"tags": [""]}, "/tags/0", "invalid_value"),
        ({"tags": [str(n) for n in range(51)]}, "/tags", "invalid_value"),
        ({"description": "x" * 2_001}, "/description", "invalid_value"),
        ({"start": "2026-06-01T12:00:00"}, "/start", "naive_time"),
        ({"start": "2026-06-02T00:00:00Z", "end": "2026-06-01T00:00:00Z"}, "", "invalid_value"),
    ],
)
def test_an_unfit_field_is_refused_at_its_place(changes: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        defined(**changes)
    assert [(problem.pointer, problem.code) for problem in refused.value.problems] == [(pointer, code)]
