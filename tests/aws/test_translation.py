"""A schedule in EventBridge Scheduler's words: what it is asked for fires exactly our occurrences."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from infrastructure.aws_local.eventbridge import invocation, next_due
from infrastructure.aws_local.scheduler_api import refusal

from rez_agent.aws.translation import Request, Wiring, agrees, translate, unsupported
from rez_agent.domain.errors import Invalid
from rez_agent.domain.schedule import Pause, Schedule
from tests.fakes import NOON
from tests.rig import schedule_of

WIRING = Wiring(
    "rez-agent-dev",
    "arn:aws:lambda:us-east-1:000000000000:function:rez-agent-scheduler-dev",
    "arn:aws:iam::000000000000:role/rez-agent-eventbridge-scheduler-execution-role-dev",
    "arn:aws:sqs:us-east-1:000000000000:rez-agent-scheduler-dead-letters-dev",
)
HOUR = timedelta(hours=1)
VECTORS = [
    vector
    for line in (Path(__file__).parent.parent / "vectors" / "vectors.jsonl").read_text().splitlines()
    if (vector := json.loads(line)).get("valid", True)
]


def asked(schedule: Schedule, now: datetime = NOON) -> Request:
    request = translate(schedule, now, WIRING)
    assert request is not None
    return request


def held(request: Request, now: datetime) -> dict[str, Any]:
    """The schedule as EventBridge holds it then."""
    arn = f"arn:aws:scheduler:us-east-1:000000000000:schedule/rez-agent-dev/{request['Name']}"
    return {**request, "Arn": arn, "CreationDate": now, "LastModificationDate": now}


def fires(schedule: Schedule, now: datetime, count: int = 6) -> list[datetime]:
    """When EventBridge fires what it is asked for at ``now``."""
    request = translate(schedule, now, WIRING)
    if request is None:
        return []
    assert refusal(request["Name"], request, now) is None
    document, found, after = held(request, now), list[datetime](), now
    while len(found) < count and (following := next_due(document, after)) is not None:
        found.append(following)
        after = following
    return found


# --- the whole request ---


def test_the_whole_of_a_request() -> None:
    schedule = schedule_of(timezone="Europe/Berlin", end="2026-07-01T00:00:00Z")
    assert asked(schedule) == {
        "Name": "sch_report",
        "GroupName": "rez-agent-dev",
        "Description": "report",
        "State": "ENABLED",
        "ScheduleExpression": "cron(0 * * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "EndDate": datetime(2026, 7, 1, tzinfo=UTC),
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "NONE",
        "Target": {
            "Arn": WIRING.function,
            "RoleArn": WIRING.role,
            "Input": (
                '{"schedule_id":"sch_report","revision":1,"scheduled_time":"<aws.scheduler.scheduled-time>"}'
            ),
            "RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400},
            "DeadLetterConfig": {"Arn": WIRING.dead_letters},
        },
    }


def test_the_input_becomes_what_the_scheduler_function_reads() -> None:
    document = held(asked(replace(schedule_of(), revision=7)), NOON)
    assert json.loads(invocation(document, NOON + HOUR, "one", 1)) == {
        "schedule_id": "sch_report",
        "revision": 7,
        "scheduled_time": "2026-06-01T13:00:00Z",
    }


def test_a_flexible_window_is_asked_for() -> None:
    schedule = schedule_of(policies={"flexible_window_minutes": 15})
    assert asked(schedule)["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}


def test_an_at_is_deleted_after_its_firing_and_nothing_else_is() -> None:
    assert asked(schedule_of(schedule_expression="at(2026-06-01T13:00:00)"))["ActionAfterCompletion"] == (
        "DELETE"
    )
    assert asked(schedule_of(schedule_expression="rate(5 minutes)"))["ActionAfterCompletion"] == "NONE"


def test_fields_are_spelled_as_the_documents_have_them() -> None:
    schedule = schedule_of(schedule_expression="cron(0  9 ?\t* mon-Fri *)")
    assert asked(schedule)["ScheduleExpression"] == "cron(0 9 ? * MON-FRI *)"


# --- when ---


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['id']} {vector['expression']}")
def test_eventbridge_fires_exactly_our_occurrences(vector: dict[str, Any]) -> None:
    after = datetime.fromisoformat(vector["after"])
    schedule = schedule_of(
        schedule_expression=vector["expression"],
        timezone=vector["timezone"],
        start=vector.get("start"),
        now=after,
    )
    if unsupported(schedule.definition):
        return
    expected = [datetime.fromisoformat(text) for text in vector["next"]]
    assert fires(schedule, after, count=len(expected)) == expected


@pytest.mark.parametrize("expression", ["rate(7 minutes)", "cron(5/20 * ? * * *)", "rate(1 day)"])
@pytest.mark.parametrize("start", [None, "2026-05-31T23:17:45Z", "2026-06-02T00:00:05Z"])
@pytest.mark.parametrize("end", [None, "2026-06-02T00:00:05Z", "2026-06-02T12:00:00Z"])
@pytest.mark.parametrize("passed", [0, 61, 40_000, 43_205, 90_000])
def test_whenever_it_is_armed_it_fires_what_lies_ahead_within_its_dates(
    expression: str, start: str | None, end: str | None, passed: int
) -> None:
    schedule = schedule_of(schedule_expression=expression, start=start, end=end)
    now = NOON + timedelta(seconds=passed, milliseconds=300)
    ours = schedule.occurrences.between(now, now + timedelta(days=400), 6)
    assert fires(schedule, now) == ours


def test_a_rate_starts_at_the_next_point_of_its_grid_always() -> None:
    schedule = schedule_of(schedule_expression="rate(10 minutes)")
    assert asked(schedule, NOON)["StartDate"] == NOON + timedelta(minutes=10)
    assert asked(schedule, NOON + 100 * HOUR + timedelta(seconds=1))["StartDate"] == (
        NOON + 100 * HOUR + timedelta(minutes=10)
    )


def test_a_start_that_has_passed_is_left_out() -> None:
    schedule = schedule_of(start="2026-06-01T12:30:00Z")
    assert asked(schedule, NOON)["StartDate"] == NOON + HOUR / 2
    assert "StartDate" not in asked(schedule, NOON + HOUR)


def test_an_end_no_later_than_the_start_becomes_a_single_time() -> None:
    schedule = schedule_of(start="2026-06-01T13:00:00Z", end="2026-06-01T13:00:00Z")
    request = asked(schedule)
    assert request["ScheduleExpression"] == "at(2026-06-01T13:00:00)"
    assert request["ActionAfterCompletion"] == "DELETE"
    assert not {"StartDate", "EndDate"} & set(request)


@pytest.mark.parametrize(
    ("wall", "asked_for"),
    [
        ("at(2026-06-01T18:00:00)", ("at(2026-06-01T18:00:00)", "America/New_York")),
        ("at(2027-03-14T02:30:00)", ("at(2027-03-14T07:30:00)", "UTC")),  # never comes
        ("at(2026-11-01T01:30:00)", ("at(2026-11-01T05:30:00)", "UTC")),  # comes twice
    ],
)
def test_an_at_is_left_to_the_zone_where_its_wall_time_comes_once(
    wall: str, asked_for: tuple[str, str]
) -> None:
    request = asked(schedule_of(schedule_expression=wall, timezone="America/New_York"))
    assert (request["ScheduleExpression"], request["ScheduleExpressionTimezone"]) == asked_for


# --- nothing to ask for ---


@pytest.mark.parametrize(
    ("changes", "later"),
    [
        ({"schedule_expression": "at(2026-06-01T12:30:00)"}, HOUR / 2),
        ({"end": "2026-06-01T14:30:00Z"}, 2 * HOUR),
        ({"schedule_expression": "cron(0 0 30 2 ? *)"}, timedelta(0)),
    ],
)
def test_what_has_nothing_left_is_not_asked_for(changes: dict[str, Any], later: timedelta) -> None:
    assert translate(schedule_of(**changes), NOON + later, WIRING) is None


def test_what_is_deleted_or_in_error_is_not_asked_for() -> None:
    schedule = schedule_of()
    assert translate(schedule.deleted(NOON), NOON, WIRING) is None
    broken: Any = "error"
    assert translate(replace(schedule, status=broken), NOON, WIRING) is None


def test_a_zone_that_is_known_no_more_is_told() -> None:
    schedule = schedule_of()
    lost = schedule.definition.model_copy(update={"timezone": "Mars/Olympus"})
    with pytest.raises(Invalid, match="Mars/Olympus"):
        translate(replace(schedule, definition=lost), NOON, WIRING)


# --- pauses ---


def test_a_paused_schedule_is_disabled() -> None:
    paused = schedule_of().paused(Pause(NOON, "ann"))
    request = asked(paused)
    assert (request["State"], request["ScheduleExpression"]) == ("DISABLED", "cron(0 * * * ? *)")
    assert fires(paused, NOON) == []


def test_a_pause_that_ends_by_itself_is_a_single_time_that_stays_until_it_is_replaced() -> None:
    until = NOON + HOUR + timedelta(milliseconds=1)
    schedule = schedule_of(policies={"flexible_window_minutes": 15}, end="2026-06-01T12:30:00Z")
    request = asked(schedule.paused(Pause(NOON, "ann", until=until)))
    assert (request["State"], request["ScheduleExpression"]) == ("ENABLED", "at(2026-06-01T13:00:01)")
    assert request["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert request["ActionAfterCompletion"] == "NONE"
    assert json.loads(request["Target"]["Input"])["ends_pause"] is True
    assert translate(schedule.paused(Pause(NOON, "ann", until=until)), until, WIRING) is None


# --- comparing ---


def answered(request: Request, now: datetime = NOON) -> dict[str, Any]:
    """The answer of GetSchedule, which has more than was asked for."""
    target = {**request["Target"], "SomethingNew": {}}
    return {**held(request, now), "Target": target, "KmsKeyArn": None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"schedule_expression": "rate(7 minutes)"},
        {"start": "2026-06-01T12:30:00Z", "end": "2026-07-01T00:00:00Z"},
        {"policies": {"flexible_window_minutes": 5}},
    ],
)
def test_what_was_asked_for_agrees_now_and_later(changes: dict[str, Any]) -> None:
    schedule = schedule_of(**changes)
    found = answered(asked(schedule))
    assert agrees(asked(schedule), found)
    assert agrees(asked(schedule, NOON + 9 * HOUR), found)


@pytest.mark.parametrize(
    "changed",
    [
        {"State": "DISABLED"},
        {"ScheduleExpression": "rate(8 minutes)"},
        {"ScheduleExpressionTimezone": "Europe/Berlin"},
        {"EndDate": NOON},
        {"StartDate": NOON + timedelta(seconds=1)},
        {"StartDate": None},
        {"StartDate": NOON + 70 * HOUR},
        {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}},
        {"ActionAfterCompletion": "DELETE"},
        {"Target": {"Arn": "arn:aws:sqs:us-east-1:000000000000:elsewhere"}},
    ],
)
def test_what_somebody_else_changed_does_not_agree(changed: dict[str, Any]) -> None:
    request = asked(schedule_of(schedule_expression="rate(7 minutes)"))
    assert not agrees(request, {**answered(request), **changed})


def test_another_revision_does_not_agree() -> None:
    assert not agrees(asked(replace(schedule_of(), revision=2)), answered(asked(schedule_of())))


# --- what EventBridge is not known to read ---


@pytest.mark.parametrize(
    ("expression", "field", "way_out"),
    [
        ("cron(0 0 L-3 * ? *)", "day-of-month", "write `L`"),
        ("cron(0 0 ? * MON/2 *)", "day-of-week", "one by one"),
        ("cron(0 0 ? * MON-6 *)", "day-of-week", "both as numbers"),
        ("cron(0 0 1 JAN-6 ? *)", "month", "both as numbers"),
        ("cron(0,* 0 1 * ? *)", "minutes", "write `*` alone"),
    ],
)
def test_what_eventbridge_is_not_known_to_read_is_told_with_a_way_out(
    expression: str, field: str, way_out: str
) -> None:
    (problem,) = unsupported(schedule_of(schedule_expression=expression).definition)
    assert (problem.code, problem.pointer, problem.field) == (
        "unsupported_by_engine",
        "/schedule_expression",
        field,
    )
    assert way_out in problem.message


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0/15 9-17 ? * MON-FRI 2026-2030)",
        "cron(0 0 LW * ? *)",
        "cron(0 0 ? * FRIL *)",
        "cron(0 0 ? * TUE#2 *)",
        "cron(0 20-2 15W 1,7 ? *)",
        "rate(5 minutes)",
        "at(2026-12-24T18:00:00)",
    ],
)
def test_what_its_documents_have_is_supported(expression: str) -> None:
    assert unsupported(schedule_of(schedule_expression=expression).definition) == []
