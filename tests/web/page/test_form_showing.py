"""What the form's templates show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rez_agent.domain.action import Timings
from rez_agent.domain.changes import ABSENT, Difference
from rez_agent.domain.consequences import consequences
from rez_agent.domain.execution import Attempt, Cause, Execution, ExecutionStatus
from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.usecases.editing import Edit
from rez_agent.usecases.history import Entry
from rez_agent.usecases.preview import Due
from rez_agent.web.page.form import showing
from rez_agent.web.page.form.values import FieldProblem
from tests.fakes import NOON
from tests.rig import definition_of, schedule_of


def due(text: str, note: str | None = None) -> Due:
    at = datetime.fromisoformat(text).astimezone(UTC)
    return Due(at, at, note)


def test_a_day_is_told_once_unless_it_is_another_elsewhere() -> None:
    row = showing.row_of(due("2026-06-02T22:30:00Z"), "America/New_York", "Asia/Tokyo", NOON)
    assert (row.zone, row.own, row.utc) == ("Tue 2 Jun 18:30", "Wed 3 Jun 07:30", "22:30")
    later = showing.row_of(due("2027-01-02T12:00:05Z"), "UTC", None, NOON)
    assert (later.zone, later.own, later.utc) == ("Sat 2 Jan 2027 12:00:05", None, "12:00:05")


def edit_of(**changes: Any) -> Edit:
    schedule = schedule_of(schedule_expression="cron(0 9 * * ? *)")
    after = ScheduleDefinition.model_validate(
        definition_of(schedule_expression="cron(0 9 * * ? *)") | changes
    )
    return Edit(schedule, after, consequences(schedule, after, NOON))


def test_of_many_moves_the_first_are_shown_and_the_rest_counted() -> None:
    moves = showing.moves_of(edit_of(schedule_expression="cron(0 10 * * ? *)"), None, NOON)
    assert [(row.zone, row.fate) for row in moves.rows[:2]] == [
        ("Tue 2 Jun 09:00", "lost"),
        ("Tue 2 Jun 10:00", "gained"),
    ]
    assert (len(moves.rows), moves.more) == (showing.MOVED_SHOWN, 99 - showing.MOVED_SHOWN)


def test_what_is_lost_stands_on_its_own_clock() -> None:
    moves = showing.moves_of(edit_of(timezone="Asia/Tokyo"), None, NOON)
    assert [(row.zone, row.fate) for row in moves.rows[:2]] == [
        ("Tue 2 Jun 09:00", "gained"),
        ("Tue 2 Jun 09:00", "lost"),
    ]


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        (Difference("/policies/retry/max_attempts", 3, 5), ("policies / retry / max_attempts", "3", "5")),
        (Difference("/payload/a~1b", ABSENT, "x"), ("payload / a/b", "nothing", "x")),
        (Difference("/tags", ["a"], []), ("tags", '["a"]', "nothing")),
        (Difference("/payload", omitted=True), ("payload", "too large to be shown", "too large to be shown")),
    ],
)
def test_a_difference_in_words(difference: Difference, told: tuple[str, str, str]) -> None:
    assert showing.difference_text(difference) == told


def test_a_long_value_is_cut() -> None:
    _, _, after = showing.difference_text(Difference("/description", "", "x" * 500))
    assert after == "x" * showing.VALUE_SHOWN + "…"


def test_what_is_said_aloud() -> None:
    edit = edit_of(schedule_expression="cron(0 9 ? * MON-FRI *)")
    assert showing.said_of(None, edit, ()).endswith("Saving would gain 0 runs and lose 14.")
    assert showing.said_of(None, edit_of(), ()) == ""
    assert showing.said_of(None, edit, [FieldProblem("timezone", "No such zone.")]) == "No such zone."


# --- a test run ---


def execution(status: ExecutionStatus) -> Execution:
    return Execution(
        id="sch_1_20260601T120000Z_test_msg_1",
        schedule_id="sch_1",
        owner="ann",
        scheduled_time=NOON,
        status=status,
        cause=Cause.TEST,
        target_type="web_action",
        target="example.com:443",
        schedule_revision=1,
        created_date=NOON,
        due_at=NOON,
        expires_at=NOON,
        started_at=NOON + timedelta(milliseconds=20),
    )


def attempt(**timings: float) -> Attempt:
    ended = NOON + timedelta(milliseconds=520)
    return Attempt(1, NOON + timedelta(milliseconds=20), ended, "succeeded", timings=Timings(**timings))


def test_a_test_run_says_how_it_goes() -> None:
    said = {
        status: showing.tested_of(Entry(execution(status), ())).said
        for status in (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING, ExecutionStatus.SUCCEEDED)
    }
    assert list(said.values()) == [
        "Waiting to start.",
        "Calling example.com:443, and waiting for the answer.",
        "example.com:443 did what was asked.",
    ]
    refused = replace(attempt(), outcome="failed", error="the name did not resolve")
    failed = showing.tested_of(Entry(execution(ExecutionStatus.FAILED), (refused,)))
    assert (failed.said, failed.final) == ("the name did not resolve", True)


def test_its_phases_fill_the_bar_and_each_can_be_seen() -> None:
    tested = showing.tested_of(
        Entry(execution(ExecutionStatus.SUCCEEDED), (attempt(connect=0.1, first_byte=500, body=0),))
    )
    assert [phase.name for phase in tested.phases] == ["Waiting", "Connect", "First byte", "Body"]
    assert [phase.milliseconds for phase in tested.phases] == [20, 0.1, 500, 0]
    assert all(phase.width >= 1.9 for phase in tested.phases)
    for one, following in zip(tested.phases, tested.phases[1:], strict=False):
        assert following.x == pytest.approx(one.x + one.width, abs=0.2)
    assert tested.phases[-1].x + tested.phases[-1].width == pytest.approx(showing.BAR, abs=0.5)


def test_what_has_no_phases_is_one_action() -> None:
    tested = showing.tested_of(Entry(execution(ExecutionStatus.SUCCEEDED), (attempt(),)))
    assert [(phase.name, phase.milliseconds) for phase in tested.phases] == [("Waiting", 20), ("Action", 500)]
