"""The first system's plan for its models: schedules and expressions are validated, a status moves."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.errors import Conflict, Invalid
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import Pause, ScheduleDefinition, ScheduleStatus, TargetType
from rez_agent.usecases.checking import checked_definition
from tests.fakes import NOON, ParticularEngine, ScriptedActions
from tests.rig import schedule_of

SEED: dict[str, Any] = {
    "name": "test-daily-check",
    "schedule_expression": "cron(0 6 * * ? *)",
    "timezone": "America/New_York",
    "target_type": "web_action",
    "payload": {"action": "check_tee_times"},
}


def check(document: dict[str, Any]) -> ScheduleDefinition:
    definition, _ = checked_definition(
        document, now=NOON, actions=ScriptedActions(), engine=ParticularEngine(), records=None
    )
    return definition


def problems(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        check(document)
    return {problem.pointer: problem.code for problem in refused.value.problems}


def test_the_first_system_s_own_schedule_is_valid() -> None:
    definition = check(SEED)
    assert (definition.name, definition.timezone) == ("test-daily-check", "America/New_York")
    assert definition.target_type is TargetType.WEB_ACTION


@pytest.mark.parametrize(
    "expression", ["cron(0 6 * * ? *)", "rate(5 minutes)", "rate(1 day)", "at(2026-12-24T18:00:00)"]
)
def test_each_kind_of_expression_is_valid(expression: str) -> None:
    assert check({**SEED, "schedule_expression": expression}).schedule_expression == expression


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "cron(0 6 * * *)",
        "cron(0 6 * * * *)",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "at(tomorrow)",
        "0 6 * * *",
    ],
)
def test_an_expression_that_eventbridge_scheduler_refuses_is_refused_where_it_stands(expression: str) -> None:
    assert set(problems({**SEED, "schedule_expression": expression})) == {"/schedule_expression"}


def test_all_that_is_wrong_with_a_schedule_is_told_at_once() -> None:
    wrong = {
        "name": "",
        "schedule_expression": "cron(61 6 * * ? *)",
        "timezone": "UTC",
        "target_type": "email",
    }
    assert set(problems(wrong)) >= {"/name", "/schedule_expression", "/target_type"}


@pytest.mark.parametrize("action", ["create", "delete"])
def test_the_first_system_s_commands_can_be_read(action: str) -> None:
    document = {"action": action, "schedule": SEED, "schedule_id": "sch_1"}
    assert read(ScheduleCreationRequest, document).action == action


def test_a_status_is_one_of_the_first_system_s() -> None:
    assert set(ScheduleStatus) == {"active", "paused", "deleted", "error"}


def test_a_status_moves_by_its_transitions_and_each_is_a_revision() -> None:
    active = schedule_of()
    paused = active.paused(Pause(NOON, "ann"))
    resumed = paused.resumed(NOON)
    deleted = resumed.deleted(NOON)
    moved = [(one.status.value, one.revision) for one in (active, paused, resumed, deleted)]
    assert moved == [("active", 1), ("paused", 2), ("active", 3), ("deleted", 4)]


def test_a_deleted_schedule_moves_no_more() -> None:
    deleted = schedule_of().deleted(NOON)
    with pytest.raises(Conflict) as refused:
        deleted.paused(Pause(NOON, "ann"))
    assert refused.value.code == "schedule_deleted"
