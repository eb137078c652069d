"""Checking a definition: every problem at once, before anything is stored."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.usecases.checking import PAYLOAD_AT_MOST, checked_definition, checked_payload
from tests.fakes import NOON, ParticularEngine, ScriptedActions
from tests.rig import definition_of


def checked(before: str | None = None, **changes: Any) -> tuple[ScheduleDefinition, list[Problem]]:
    return checked_definition(
        definition_of(**changes),
        now=NOON,
        actions=ScriptedActions(),
        engine=ParticularEngine("cron(0 0 L-3 * ? *)"),
        records=None,
        expression_before=before,
    )


def refused(before: str | None = None, **changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        checked(before, **changes)
    return [(problem.code, problem.pointer) for problem in error.value.problems]


def test_a_fit_definition_comes_back_as_it_was_said() -> None:
    definition, warnings = checked(name=" report ", tags=["a"])
    assert (definition.name, definition.tags, warnings) == ("report", ("a",), [])


def test_shape_expression_zone_and_payload_are_all_told_at_once() -> None:
    found = refused(
        name="",
        schedule_expression="cron(0 25 * * ? *)",
        timezone="Europe/Lodnon",
        payload={"bad": 1},
        surplus=1,
    )
    assert set(found) == {
        ("invalid_value", "/name"),
        ("unknown_field", "/surplus"),
        ("invalid_schedule_expression", "/schedule_expression"),
        ("invalid_timezone", "/timezone"),
        ("invalid_payload", "/payload/bad"),
    }


def test_an_at_in_the_past_is_refused_since_nothing_would_ever_fire() -> None:
    assert refused(schedule_expression="at(2026-06-01T11:59:59)") == [
        ("schedule_in_past", "/schedule_expression")
    ]
    assert refused(schedule_expression="at(2026-06-01T12:00:00)") == [
        ("schedule_in_past", "/schedule_expression")
    ]


def test_an_edit_may_leave_a_spent_at_as_it_stands_but_not_choose_another() -> None:
    spent = "at(2026-06-01T11:00:00)"
    assert checked(before=spent, schedule_expression=spent)[0].schedule_expression == spent
    assert refused(before="at(2026-06-01T10:00:00)", schedule_expression=spent)


def test_an_expression_that_never_fires_is_accepted_with_a_warning() -> None:
    _, warnings = checked(schedule_expression="cron(0 12 30 2 ? *)")
    assert [warning.code for warning in warnings] == ["never_fires"]


def test_an_at_in_a_gap_is_accepted_with_a_warning() -> None:
    _, warnings = checked(schedule_expression="at(2027-03-14T02:30:00)", timezone="America/New_York")
    assert [warning.code for warning in warnings] == ["at_in_gap"]


def test_a_payload_may_have_as_many_bytes_as_allowed() -> None:
    frame = len('{"text":""}')
    letters = (PAYLOAD_AT_MOST - frame) // 3
    checked(payload={"text": "☃" * letters})
    assert refused(payload={"text": "☃" * (letters + 1)}) == [("payload_too_large", "/payload")]


@pytest.mark.parametrize(
    ("field", "value"),
    [("payload", "text"), ("target_type", "x"), ("timezone", 5), ("schedule_expression", [])],
)
def test_a_field_of_the_wrong_type_is_told_once(field: str, value: Any) -> None:
    assert [pointer for _, pointer in refused(**{field: value})] == [f"/{field}"]


def test_a_payload_alone_is_checked_for_its_target_type() -> None:
    checked_payload("web_action", {"target": "x"}, ScriptedActions())
    with pytest.raises(Invalid) as error:
        checked_payload("web_action", {"bad": 1}, ScriptedActions())
    assert [problem.pointer for problem in error.value.problems] == ["/payload/bad"]


def test_what_the_engine_cannot_keep_time_for_is_refused_once_all_else_is_right() -> None:
    unsupported = "cron(0 0 L-3 * ? *)"
    assert refused(schedule_expression=unsupported) == [("unsupported_by_engine", "/schedule_expression")]
    assert refused(schedule_expression=unsupported, name="") == [("invalid_value", "/name")]
