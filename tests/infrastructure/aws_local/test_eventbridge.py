"""EventBridge Scheduler's timekeeping, modelled: when a schedule is due, and what its target is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infrastructure.aws_local.eventbridge import (
    Again,
    Exhausted,
    Firing,
    Ticker,
    dead_letter,
    first_due,
    invocation,
    next_due,
    retry,
)

from tests.infrastructure.aws_local.documents import MADE, document

_VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "vectors" / "vectors.jsonl").read_text().splitlines()
]
_VALID = [vector for vector in _VECTORS if vector.get("valid", True)]
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def fired(documents: list[dict[str, Any]], until: datetime, ticker: Ticker | None = None) -> list[datetime]:
    """When what falls due up to ``until`` is due."""
    return [firing.due for firing in (ticker or Ticker(MADE - HOUR)).due(documents, until)]


@pytest.mark.parametrize("vector", _VALID, ids=[vector["id"] for vector in _VALID])
def test_every_vector_is_due_as_the_independent_programs_say(vector: dict[str, Any]) -> None:
    start = vector.get("start")
    schedule = document(
        vector["expression"],
        vector.get("timezone", "UTC"),
        StartDate=utc(start).timestamp() if start else None,
    )
    after, found = utc(vector["after"]), []
    for _ in vector["next"]:
        after = next_due(schedule, after) or pytest.fail("too few")
        found.append(after)
    assert found == [utc(text) for text in vector["next"]]
    if len(vector["next"]) < 5:
        assert next_due(schedule, after) is None


def test_a_time_in_the_spring_gap_is_skipped() -> None:
    daily = document("cron(30 2 * * ? *)", "America/New_York")
    assert next_due(daily, utc("2026-03-07T12:00Z")) == utc("2026-03-09T06:30Z")


def test_a_time_in_the_autumn_fold_runs_once_at_its_first_pass() -> None:
    daily = document("cron(30 1 * * ? *)", "America/New_York")
    first = next_due(daily, utc("2026-10-31T12:00Z"))
    assert first == utc("2026-11-01T05:30Z")
    assert next_due(daily, first) == utc("2026-11-02T06:30Z")


def test_an_at_is_a_wall_time_of_its_zone() -> None:
    assert first_due(document("at(2026-03-02T08:00:00)", "Asia/Kolkata")) == utc("2026-03-02T02:30Z")


def test_an_at_that_had_passed_when_it_was_made_never_runs() -> None:
    assert first_due(document("at(2026-03-01T11:59:59)")) is None


def test_an_at_heeds_no_dates() -> None:
    later = utc("2026-05-01T00:00Z").timestamp()
    assert first_due(document("at(2026-03-02T00:00:00)", StartDate=later)) == utc("2026-03-02T00:00Z")


def test_a_rate_without_a_start_runs_at_once_and_then_from_there() -> None:
    assert fired([document("rate(2 minutes)")], MADE + timedelta(minutes=5)) == [
        utc("2026-03-01T12:00:00Z"),
        utc("2026-03-01T12:02:00Z"),
        utc("2026-03-01T12:04:00Z"),
    ]


def test_a_rate_with_a_start_runs_first_at_its_start() -> None:
    start = utc("2026-03-01T12:01:30Z")
    hourly = document("rate(1 hour)", StartDate=start)
    assert fired([hourly], MADE + timedelta(hours=2)) == [start, start + HOUR]


def test_the_end_is_included() -> None:
    end = utc("2026-03-01T14:00:00Z")
    assert fired([document("cron(0 * * * ? *)", EndDate=end.timestamp())], MADE + timedelta(hours=9)) == [
        utc("2026-03-01T13:00:00Z"),
        end,
    ]


def test_a_disabled_schedule_never_runs_and_what_it_missed_does_not_follow() -> None:
    ticker = Ticker(MADE)
    hourly = document("cron(0 * * * ? *)", State="DISABLED")
    assert fired([hourly], MADE + timedelta(hours=3), ticker) == []
    woken = {**hourly, "State": "ENABLED", "LastModificationDate": (MADE + timedelta(hours=4)).timestamp()}
    assert fired([woken], MADE + timedelta(hours=5), ticker) == [utc("2026-03-01T17:00:00Z")]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=40))
def test_however_often_one_looks_the_same_fires(steps: list[int]) -> None:
    schedules = [
        document("rate(1 minute)", name="rate"),
        document("cron(0/3 * * * ? *)", "Europe/Berlin", name="cron"),
        document("at(2026-03-01T12:07:00)", name="at"),
    ]
    ticker, now, seen = Ticker(MADE), MADE, []
    for step in steps:
        now += timedelta(seconds=step)
        seen += [(firing.due, firing.document["Name"]) for firing in ticker.due(schedules, now)]
    at_once = [(firing.due, firing.document["Name"]) for firing in Ticker(MADE).due(schedules, now)]
    assert sorted(seen) == sorted(at_once)
    assert len(set(seen)) == len(seen)


def test_a_schedule_that_is_seen_late_still_fires_from_when_it_was_made() -> None:
    ticker = Ticker(MADE - HOUR)
    assert fired([], MADE + timedelta(seconds=2), ticker) == []
    assert fired([document("rate(1 hour)")], MADE + timedelta(seconds=3), ticker) == [
        utc("2026-03-01T12:00Z")
    ]


def test_what_was_due_before_the_ticker_began_is_not_its_business() -> None:
    begun = MADE + timedelta(hours=2)
    assert fired([document("rate(1 hour)")], begun + HOUR, Ticker(begun)) == [utc("2026-03-01T15:00Z")]


def test_a_spent_schedule_that_is_changed_fires_again() -> None:
    ticker = Ticker(MADE)
    once = document("at(2026-03-01T12:01:00)")
    assert len(fired([once], MADE + HOUR, ticker)) == 1
    changed = {
        **once,
        "ScheduleExpression": "at(2026-03-01T13:30:00)",
        "LastModificationDate": (MADE + HOUR).timestamp(),
    }
    assert fired([changed], MADE + 2 * HOUR, ticker) == [utc("2026-03-01T13:30Z")]


def test_a_schedule_that_is_deleted_and_made_again_starts_afresh() -> None:
    ticker = Ticker(MADE)
    assert len(fired([document("rate(1 day)")], MADE + HOUR, ticker)) == 1
    assert fired([], MADE + HOUR, ticker) == []
    again = (MADE + 2 * HOUR).timestamp()
    made = document("rate(1 day)", CreationDate=again, LastModificationDate=again)
    assert fired([made], MADE + 3 * HOUR, ticker) == [utc("2026-03-01T14:00Z")]


def flexible(name: str) -> dict[str, Any]:
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}
    return document("at(2026-03-01T13:00:00)", name=name, FlexibleTimeWindow=window)


def test_a_flexible_window_spreads_calls_behind_the_nominal_instant() -> None:
    schedules, due = [flexible(f"s{n}") for n in range(200)], utc("2026-03-01T13:00Z")
    firings = Ticker(MADE).due(schedules, MADE + 2 * HOUR)
    offsets = [(firing.at - due) / timedelta(minutes=1) for firing in firings]
    assert {firing.due for firing in firings} == {due}
    assert all(0 <= offset < 30 for offset in offsets)
    assert 12 < sum(offsets) / len(offsets) < 18


def test_a_window_that_has_begun_is_kept_though_the_schedule_goes() -> None:
    ticker, due = Ticker(MADE), utc("2026-03-01T13:00Z")
    early = ticker.due([flexible("s")], due + timedelta(milliseconds=1))
    late = ticker.due([], due + timedelta(minutes=30))
    assert len(early + late) == 1


def test_the_next_instant_to_look_at_is_known() -> None:
    ticker = Ticker(MADE)
    ticker.due([document("at(2026-03-01T13:00:00)"), document("rate(1 hour)", name="two")], MADE)
    assert ticker.next_at() == utc("2026-03-01T13:00Z")


@pytest.mark.parametrize(
    ("expression", "more", "deletions"),
    [
        ("at(2026-03-01T12:10:00)", {}, [True]),
        ("rate(10 minutes)", {"EndDate": utc("2026-03-01T12:20Z").timestamp()}, [False, False, True]),
        ("rate(30 minutes)", {}, [False, False]),
    ],
)
def test_a_schedule_is_deleted_behind_its_last_firing_where_it_asks_for_it(
    expression: str, more: dict[str, Any], deletions: list[bool]
) -> None:
    for action in ("DELETE", "NONE"):
        schedule = document(expression, ActionAfterCompletion=action, **more)
        firings = Ticker(MADE - HOUR).due([schedule], utc("2026-03-01T12:50Z"))
        assert [firing.deletes for firing in firings] == [flag and action == "DELETE" for flag in deletions]


def test_the_context_attributes_stand_in_the_input() -> None:
    text = (
        '{"at": "<aws.scheduler.scheduled-time>", "id": "<aws.scheduler.execution-id>", "again": '
        '"<aws.scheduler.execution-id>", "n": <aws.scheduler.attempt-number>, '
        '"arn": "<aws.scheduler.schedule-arn>"}'
    )
    schedule = document("rate(1 hour)", Input=text)
    assert json.loads(invocation(schedule, utc("2026-03-22T18:59:43Z"), "e1", 2)) == {
        "at": "2026-03-22T18:59:43Z",
        "id": "e1",
        "again": "e1",
        "n": 2,
        "arn": schedule["Arn"],
    }


def test_without_an_input_the_target_is_told_of_the_schedule() -> None:
    schedule = document("rate(1 hour)")
    told = json.loads(invocation(schedule, MADE, "e1", 1))
    assert (told["source"], told["resources"], told["time"]) == (
        "aws.scheduler",
        [schedule["Arn"]],
        "2026-03-01T12:00:00Z",
    )


def test_retries_are_counted_and_the_pauses_grow() -> None:
    schedule = document("rate(1 hour)", RetryPolicy={"MaximumRetryAttempts": 2})
    assert retry(schedule, MADE, 1, MADE) == Again(MADE + timedelta(seconds=1))
    assert retry(schedule, MADE, 2, MADE) == Again(MADE + timedelta(seconds=2))
    assert retry(schedule, MADE, 3, MADE) == Exhausted("MaximumRetryAttempts")


def test_by_default_there_are_185_retries() -> None:
    schedule = document("rate(1 hour)")
    assert retry(schedule, MADE, 185, MADE) == Again(MADE + timedelta(minutes=1))
    assert retry(schedule, MADE, 186, MADE) == Exhausted("MaximumRetryAttempts")


def test_an_event_grows_too_old_to_be_retried() -> None:
    schedule = document("rate(1 hour)", RetryPolicy={"MaximumEventAgeInSeconds": 60})
    assert isinstance(retry(schedule, MADE, 1, MADE + timedelta(seconds=59)), Again)
    assert retry(schedule, MADE, 1, MADE + timedelta(seconds=60)) == Exhausted("MaximumEventAgeInSeconds")


def test_a_dead_letter_has_the_documented_attributes() -> None:
    schedule = document("rate(1 hour)")
    firing = Firing(schedule, MADE, MADE, "e1", last=False)
    attributes = dead_letter(firing, 3, "MaximumRetryAttempts", "AccessDenied", "not allowed")
    assert {name: value["StringValue"] for name, value in attributes.items()} == {
        "ERROR_CODE": "AccessDenied",
        "ERROR_MESSAGE": "not allowed",
        "EXECUTION_ID": "e1",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "2",
        "SCHEDULED_TIME": "2026-03-01T12:00:00Z",
        "SCHEDULE_ARN": schedule["Arn"],
        "TARGET_ARN": schedule["Target"]["Arn"],
    }
