"""Why did it (not) run? What facts alone decide; the situations as they are lived through stand in the
contracts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.asked import Asked
from rez_agent.domain.changes import Change, ChangeAction, Difference, change_between
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason, Span, execution_id
from rez_agent.domain.instants import to_seconds
from rez_agent.domain.schedule import Pause, Schedule, ScheduleDefinition, ScheduleStatus
from rez_agent.domain.verdicts import Facts, Verdict, Why
from rez_agent.domain.why import why
from tests.fakes import NOON
from tests.rig import schedule_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOST = "Mars/Olympus"


def answer(
    schedule: Schedule,
    at: datetime,
    *changes: Change,
    now: datetime = NOON + DAY,
    entries: tuple[Execution, ...] = (),
    kept_since: datetime = NOON - DAY,
    exact: bool = False,
) -> Why:
    first = to_seconds(at)
    asked = Asked(first, first if exact else first + 59)
    return why(Facts(schedule, now, changes, entries, kept_since), asked)


def entry(schedule: Schedule, at: datetime, **fields: Any) -> Execution:
    """What is in the ledger of an occurrence; it succeeded, unless told otherwise."""
    known: dict[str, Any] = {
        "id": execution_id(schedule.id, at),
        "schedule_id": schedule.id,
        "owner": "ann",
        "scheduled_time": at,
        "status": ExecutionStatus.SUCCEEDED,
        "cause": Cause.SCHEDULE,
        "target_type": "web_action",
        "target": "target",
        "schedule_revision": 1,
        "created_date": at,
        "due_at": at,
        "expires_at": at + HOUR,
        "started_at": at,
        "finished_at": at + MINUTE,
        "attempts": 1,
    }
    return Execution(**known | fields)


def edited(schedule: Schedule, at: datetime, **changes: Any) -> tuple[Schedule, Change]:
    document = schedule.definition.model_dump(mode="json") | changes
    after = schedule.updated(ScheduleDefinition.model_validate(document), at, target="target")
    return after, change_between(schedule, after, ChangeAction.UPDATE, at=at, by="ann")


def lost(schedule: Schedule) -> Schedule:
    """The schedule, whose zone has left the tz database."""
    return replace(schedule, definition=schedule.definition.model_copy(update={"timezone": LOST}))


def test_a_schedule_in_error_tells_since_when_and_the_way_out() -> None:
    before = lost(schedule_of())
    after = replace(before, status=ScheduleStatus.ERROR, error_message="The zone has gone.")
    broke = change_between(before, after, ChangeAction.ERROR, at=NOON + HOUR, reason="The zone has gone.")
    found = answer(after, NOON + 2 * HOUR, broke)
    assert (found.verdict, found.change) == (Verdict.ERROR, broke)
    assert found.sentence.startswith("The schedule can't be evaluated since 13:00 on 1 June 2026 in UTC: ")
    assert found.sentence.endswith("An update mends that.")


def test_the_ledger_tells_what_a_lost_zone_can_not() -> None:
    schedule = lost(schedule_of())
    found = answer(schedule, NOON + HOUR, entries=(entry(schedule, NOON + HOUR),))
    assert (found.verdict, found.before, found.after) == (Verdict.SUCCEEDED, None, None)


def test_an_active_schedule_whose_zone_is_lost_is_told_as_an_error() -> None:
    assert answer(lost(schedule_of()), NOON + HOUR).verdict is Verdict.ERROR


def test_nothing_recorded_is_an_alarm_only_where_the_past_is_known() -> None:
    schedule = replace(schedule_of(), revision=5)
    known = Change(schedule.id, 5, ChangeAction.UPDATE, NOON + MINUTE, by="ann")
    assert answer(schedule, NOON + HOUR, known).verdict is Verdict.MISSING
    found = answer(schedule, NOON + HOUR)
    assert found.verdict is Verdict.UNKNOWN
    gap = answer(schedule, NOON + HOUR, replace(known, at=NOON + 3 * HOUR), replace(known, revision=2))
    assert gap.verdict is Verdict.UNKNOWN


def test_what_is_not_known_for_sure_is_said_of_every_verdict() -> None:
    schedule = replace(schedule_of(), revision=5)
    found = answer(schedule, NOON + HOUR + MINUTE)
    assert found.verdict is Verdict.NOT_COVERED
    assert "not known for sure" in " ".join(found.notes)


def test_a_pause_whose_author_is_forgotten_is_told_by_its_entry() -> None:
    schedule = replace(schedule_of(), revision=9)
    stood = entry(
        schedule,
        NOON + HOUR,
        status=ExecutionStatus.SKIPPED,
        reason=Reason.PAUSED,
        detail="mown",
        span=Span(NOON + HOUR, NOON + 3 * HOUR, 3),
    )
    found = answer(schedule, NOON + 2 * HOUR, entries=(stood,))
    assert (found.verdict, found.execution) == (Verdict.PAUSED, stood)
    assert found.sentence == "The schedule was paused: mown."
    assert found.occurrence == NOON + 2 * HOUR


def test_an_entry_for_many_does_not_stand_for_a_time_that_is_no_occurrence() -> None:
    schedule = schedule_of()
    stood = entry(
        schedule, NOON + HOUR, status=ExecutionStatus.SKIPPED, span=Span(NOON + HOUR, NOON + 3 * HOUR, 3)
    )
    assert answer(schedule, NOON + HOUR + MINUTE, entries=(stood,)).verdict is Verdict.NOT_COVERED


def test_an_instant_at_which_only_the_engine_fired_is_told_so() -> None:
    schedule = schedule_of()
    at = NOON + HOUR + 7 * MINUTE
    fired = entry(schedule, at, cause=Cause.ENGINE_ONLY)
    found = answer(schedule, at, entries=(fired,))
    assert found.verdict is Verdict.SUCCEEDED
    assert found.sentence.startswith("The engine fired at a time that the expression does not know. ")


@pytest.mark.parametrize(("cause", "word"), [(Cause.BACKFILL, "backfill"), (Cause.REPLAY, "replay")])
def test_what_was_asked_for_besides_is_told_besides(cause: Cause, word: str) -> None:
    schedule = schedule_of()
    again = entry(schedule, NOON + HOUR, id=f"sch_report_20260601T130000Z_{cause}_msg_1", cause=cause)
    found = answer(schedule, NOON + HOUR, entries=(again, entry(schedule, NOON + HOUR)))
    assert (found.execution, found.near) == (entry(schedule, NOON + HOUR), (again,))
    assert f"A {word} was asked for at 13:00 on 1 June 2026 in UTC: succeeded." in found.notes
    elsewhere = answer(schedule, NOON + 2 * HOUR, entries=(again, entry(schedule, NOON + HOUR)))
    assert elsewhere.near == ()


def test_an_execution_that_started_late_at_that_very_time_is_told() -> None:
    schedule = schedule_of()
    late = entry(schedule, NOON + HOUR, started_at=NOON + HOUR + 5 * MINUTE)
    found = answer(schedule, NOON + HOUR + 5 * MINUTE, entries=(late,))
    assert found.verdict is Verdict.NOT_COVERED
    assert "The execution of 13:00 on 1 June 2026 in UTC started then." in found.notes


@pytest.mark.parametrize("count", [1, 3])
def test_a_failure_tells_its_attempts_and_its_cause(count: int) -> None:
    schedule = schedule_of()
    failed = entry(
        schedule,
        NOON + HOUR,
        status=ExecutionStatus.FAILED,
        attempts=count,
        error="the name did not resolve.",
        started_at=NOON + HOUR + timedelta(seconds=2),
    )
    told = "" if count == 1 else ", in 3 attempts"
    assert answer(schedule, NOON + HOUR, entries=(failed,)).sentence == (
        "It ran and failed: it started at 13:00:02 on 1 June 2026 in UTC, 2.0 s after its time"
        f"{told}: the name did not resolve."
    )


def test_the_state_at_the_second_of_a_change_is_the_one_before_it() -> None:
    before = schedule_of()
    late = NOON + HOUR + timedelta(milliseconds=300)
    after, change = edited(before, late, schedule_expression="rate(1 day)")
    found = answer(after, NOON + HOUR, change, exact=True)
    assert (found.verdict, found.then.definition) == (Verdict.MISSING, before.definition)
    assert answer(after, NOON + 2 * HOUR, change).verdict is Verdict.EDITED


def test_a_schedule_resumed_in_the_second_of_an_occurrence_was_due_then() -> None:
    before = schedule_of().paused(Pause(NOON + MINUTE, "bob"))
    after = before.resumed(NOON + HOUR)
    change = change_between(before, after, ChangeAction.RESUME, at=NOON + HOUR, by="bob")
    assert answer(after, NOON + HOUR, change).verdict is Verdict.MISSING


def test_a_pause_that_should_be_over_is_decided_about_and_then_missing() -> None:
    paused = replace(schedule_of().paused(Pause(NOON + MINUTE, "bob", until=NOON + HOUR)), revision=1)
    at = NOON + HOUR
    for passed in (0 * MINUTE, 2 * MINUTE):
        assert answer(paused, at, now=at + passed).verdict is Verdict.BEING_DECIDED
    assert answer(paused, at, now=at + HOUR).verdict is Verdict.MISSING


def test_the_nearest_occurrences_are_those_of_the_schedule_as_it_was_and_none_before_its_creation() -> None:
    before = schedule_of(now=NOON + MINUTE)
    after, change = edited(before, NOON + 5 * HOUR, schedule_expression="rate(1 day)")
    found = answer(after, NOON + 2 * HOUR + MINUTE, change)
    assert (found.before, found.after) == (NOON + 2 * HOUR, NOON + 3 * HOUR)
    first = answer(after, NOON + 2 * MINUTE, change)
    assert (first.before, first.after) == (None, NOON + HOUR)


def test_a_minute_in_which_the_schedule_was_edited_is_looked_at_piece_by_piece() -> None:
    before = schedule_of(schedule_expression="rate(1 day)", start="2026-06-01T12:00:40Z")
    after, change = edited(before, NOON + timedelta(seconds=20), start="2026-06-01T12:00:10Z")
    found = answer(after, NOON, change)
    assert found.occurrence is None  # of 12:00:40 the old one, of 12:00:10 the new one: neither counted then
    assert found.verdict is not Verdict.MISSING


def test_a_finished_cron_says_when_it_was_due_for_the_last_time() -> None:
    schedule = schedule_of(schedule_expression="cron(0 13 1 6 ? 2026)")
    found = answer(schedule, NOON + 5 * HOUR)
    assert found.verdict is Verdict.FINISHED
    assert "was due for the last time, at 13:00 on 1 June 2026 in UTC" in found.sentence


def test_an_expression_that_never_comes_says_so() -> None:
    found = answer(schedule_of(schedule_expression="cron(0 0 30 2 ? *)"), NOON + HOUR)
    assert (found.verdict, found.after) == (Verdict.NOT_COVERED, None)
    assert found.sentence.endswith("it never comes.")


@pytest.mark.parametrize(
    ("expression", "at", "left_out"),
    [
        ("cron(0 13 * * ? *)", "14:00", "the hour 14"),
        ("cron(0 13 * 7 ? *)", "13:00", "the month June"),
        ("cron(0 13 * * ? 2027)", "13:00", "the year 2026"),
        ("cron(0 13 ? * TUE *)", "13:00", "the day, Monday 1 June 2026"),
        ("cron(30 13 L * ? *)", "13:15", "the minute 15 and the day, Monday 1 June 2026"),
    ],
)
def test_the_fields_that_leave_the_time_out_are_named(expression: str, at: str, left_out: str) -> None:
    found = answer(schedule_of(schedule_expression=expression), datetime.fromisoformat(f"2026-06-01T{at}Z"))
    assert found.sentence.endswith(f"it leaves out {left_out}.")


def test_a_second_within_a_minute_that_is_due_is_told_by_the_seconds() -> None:
    found = answer(schedule_of(), NOON + HOUR + timedelta(seconds=5), exact=True)
    assert found.sentence.endswith("it leaves out seconds: it is due on whole minutes.")


EXPRESSIONS = st.sampled_from(
    [
        "cron(0 * * * ? *)",
        "cron(*/7 3,4 ? * SAT,SUN *)",
        "rate(7 minutes)",
        "rate(3 hours)",
        "at(2026-10-25T02:30:00)",
    ]
)
ZONES = st.sampled_from(["UTC", "Europe/Paris", "Australia/Lord_Howe", "America/New_York"])


@given(EXPRESSIONS, ZONES, st.integers(0, 400 * 24 * 60))
def test_whatever_is_asked_the_verdict_agrees_with_the_occurrences(
    expression: str, timezone: str, minutes: int
) -> None:
    schedule = schedule_of(schedule_expression=expression, timezone=timezone)
    at = NOON + minutes * MINUTE
    due = schedule.occurrences.between(at - timedelta(microseconds=1), at + 59 * MINUTE / 60, 1)
    found = answer(schedule, at, now=NOON + 500 * DAY)
    assert found.sentence
    assert (found.verdict is Verdict.MISSING) == bool(due)
    assert found.occurrence == (due[0] if due else found.occurrence)
    if due:
        ran = answer(schedule, at, now=NOON + 500 * DAY, entries=(entry(schedule, due[0]),))
        assert (ran.verdict, ran.occurrence) == (Verdict.SUCCEEDED, due[0])


def test_a_difference_that_was_not_kept_leaves_the_schedule_as_it_is_later() -> None:
    schedule = replace(schedule_of(), revision=2)
    diff = (Difference("/payload", omitted=True),)
    change = Change(schedule.id, 2, ChangeAction.UPDATE, NOON + 5 * HOUR, by="ann", diff=diff)
    assert answer(schedule, NOON + HOUR, change).verdict is Verdict.MISSING
