"""What a condition may speak of, and how its words are found."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.condition import (
    KINDS,
    LOOKED_BACK,
    VARIABLES,
    Facts,
    Last,
    Verdict,
    look_back,
    mentioned,
    midnight_before,
    outcome_of,
)
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus
from tests.fakes import NOON

FACTS = Facts("sch_a", "a", ("x",), "Europe/Paris", "ann", 2, "custom", '{"n": 1}', NOON)
HOUR = timedelta(hours=1)


def run(at: datetime, status: ExecutionStatus = ExecutionStatus.SUCCEEDED, attempts: int = 1) -> Execution:
    started = at if attempts else None
    return Execution(
        id=f"sch_a_{at}",
        schedule_id="sch_a",
        owner="ann",
        scheduled_time=at,
        status=status,
        cause=Cause.SCHEDULE,
        target_type="custom",
        target="t",
        schedule_revision=1,
        created_date=at,
        due_at=at,
        expires_at=at,
        attempts=attempts,
        started_at=started,
        finished_at=at if status.final else None,
    )


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("last.body.free", ["last.body.free"]),
        ("last.body['a b'][0].c == 1", ["last.body['a b'][0].c"]),
        ("size(payload.items) > runs_today", ["payload.items", "runs_today"]),
        ("last.body.slots.exists(s, s.free)", ["last.body.slots"]),
        ("scheduled_time.getHours('Europe/Paris') == 9", ["scheduled_time.getHours('Europe/Paris')"]),
        ("scheduled_time - last.started_at > duration('1h')", ["scheduled_time", "last.started_at"]),
        ("payload.list[runs_today] == 1", ["payload.list", "runs_today"]),
        ("schedule.name == 'last.body.free'", ["schedule.name"]),
        ('schedule.name == "say \\"last.code\\""', ["schedule.name"]),
        ("payload.last.body == 1 || payload.last.body == 2", ["payload.last.body"]),
        ("has(payload.a) && payload . b", ["payload.a", "payload.b"]),
        ("payload.s.startsWith(schedule.name)", ["payload.s", "schedule.name"]),
        ("[1, 2].exists(x, x == runs_today)", ["runs_today"]),
        ("1 == 1", []),
    ],
)
def test_the_words_of_a_condition_are_found(expression: str, words: list[str]) -> None:
    assert list(mentioned(expression)) == words


@given(st.text(max_size=80))
def test_words_can_be_looked_for_in_any_text(text: str) -> None:
    assert all(path.split(".")[0].split("[")[0] in text for path in mentioned(text))


def test_the_facts_are_all_of_the_variables_and_no_others() -> None:
    last = Last("failed", NOON, NOON, NOON, None, None, None)
    for facts in (FACTS, replace(FACTS, last=last)):
        assert {*facts.values(), *facts.texts()} == {name for name, _ in KINDS}


def test_the_local_time_is_the_occurrence_s_in_the_zone_of_the_schedule() -> None:
    values = replace(FACTS, timezone="Pacific/Kiritimati").values()
    local = [
        values[f"local.{part}"] for part in ("date", "year", "month", "day", "weekday", "hour", "minute")
    ]
    assert local == ["2026-06-02", 2026, 6, 2, 2, 2, 0]


def test_without_a_last_run_its_values_are_empty() -> None:
    values = FACTS.values()
    assert values["last.exists"] is False
    assert (values["last.status"], values["last.code"], values["last.response_status"]) == ("", "", 0)
    assert values["last.started_at"] == "1970-01-01T00:00:00Z"
    assert FACTS.texts()["last.body"] is None


def test_the_day_begins_at_the_zone_s_midnight_also_where_the_clock_changes() -> None:
    assert midnight_before(NOON, "Asia/Tokyo") == datetime(2026, 5, 31, 15, tzinfo=UTC)
    changed = datetime(2026, 3, 29, 12, tzinfo=UTC)  # at one in the morning, UTC
    assert midnight_before(changed, "Europe/Berlin") == datetime(2026, 3, 28, 23, tzinfo=UTC)


def test_the_last_run_is_the_newest_that_ended_with_an_attempt() -> None:
    under_way = run(NOON, ExecutionStatus.RUNNING)
    skipped = run(NOON - HOUR, ExecutionStatus.SKIPPED, attempts=0)
    cancelled = run(NOON - HOUR, ExecutionStatus.CANCELLED, attempts=0)
    unjudged = run(NOON - HOUR, ExecutionStatus.FAILED, attempts=0)
    ended = run(NOON - 2 * HOUR, ExecutionStatus.FAILED)
    past = [under_way, skipped, cancelled, unjudged, ended, run(NOON - 3 * HOUR)]
    assert look_back(past, NOON - 2.5 * HOUR) == (ended, 2)


def test_the_past_is_read_no_further_than_needed() -> None:
    def past() -> object:
        yield run(NOON)
        yield run(NOON - 2 * HOUR)
        pytest.fail("read on")

    assert look_back(past(), NOON - HOUR)[1] == 1  # type: ignore[arg-type]


def test_the_past_is_never_read_further_than_its_limit() -> None:
    read = iter([run(NOON, ExecutionStatus.SKIPPED, attempts=0)] * (LOOKED_BACK + 5))
    assert look_back(read, NOON - HOUR) == (None, 0)
    assert len(list(read)) == 5


def test_only_what_is_true_is_made() -> None:
    assert outcome_of(Verdict(True, (("a", "1"),))) is None
    false = outcome_of(Verdict(False, (("a", "1"), ("b", '"x"'))))
    assert false is not None
    assert (false.code, false.made, false.error) == (
        "condition",
        False,
        'the condition was false (a = 1, b = "x")',
    )
    failed = outcome_of(Verdict(None, (), "divide by zero"))
    assert failed is not None
    assert (failed.code, failed.made) == ("condition_error", False)
    assert failed.error == "the condition could not be judged: divide by zero"


def test_the_page_of_conditions_lists_the_variables() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/conditions.md").read_text()
    listed = re.findall(r"^\| `([\w.]+)` \| `([^`]+)` \| (.*) \|$", page, re.MULTILINE)
    assert listed == [(one.name, one.kind, one.meaning) for one in VARIABLES]


@pytest.mark.parametrize("now", ["2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T12:00"])
def test_a_day_whose_midnight_comes_twice_begins_at_the_first(now: str) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    begun = midnight_before(instant, "Atlantic/Azores").astimezone(UTC)
    assert begun == datetime(2026, 10, 25, tzinfo=UTC)
