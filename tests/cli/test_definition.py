"""From options to definitions and patches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rez_agent.cli.definition import DefinitionOptions, merged, new_definition, patch_for
from rez_agent.domain.errors import Invalid
from rez_agent.domain.policies import CatchUpMode, Overlap
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import ScheduleDefinition, TargetType

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


def made(**options: Any) -> dict[str, Any]:
    return new_definition("n", "rate(1 hour)", DefinitionOptions(**options), {}, NOW)


@pytest.mark.parametrize(
    ("options", "target_type", "payload"),
    [
        ({"http": "https://e.com"}, "web_action", {"action": "http", "url": "https://e.com"}),
        (
            {"http": "https://e.com", "method": "put", "header": ["A: b"], "body": "hi", "success": "200"},
            "web_action",
            {
                "action": "http",
                "url": "https://e.com",
                "method": "PUT",
                "headers": {"A": "b"},
                "body": "hi",
                "success": "200",
            },
        ),
        (
            {"http": "https://e.com", "json_body": '{"a": [1]}', "bearer": "tok", "timeout": 5.0},
            "web_action",
            {
                "action": "http",
                "url": "https://e.com",
                "body": {"a": [1]},
                "auth": {"type": "bearer", "token": {"secret": "tok"}},
                "timeout": 5.0,
            },
        ),
        (
            {"action": "check_tee_times", "param": ["course=north", "players:=4"]},
            "web_action",
            {"action": "check_tee_times", "course": "north", "players": 4},
        ),
        (
            {"notify": "log", "message": "hi", "title": "t", "priority": "high"},
            "notification",
            {"channel": "log", "message": "hi", "title": "t", "priority": "high"},
        ),
        ({"custom": "greet", "param": ["who=me"]}, "custom", {"action": "greet", "who": "me"}),
        ({"payload": '{"url": "https://e.com"}'}, "web_action", {"url": "https://e.com"}),
        (
            {"payload": '{"action": "x"}', "target_type": TargetType.CUSTOM},
            "custom",
            {"action": "x"},
        ),
    ],
)
def test_each_way_to_name_a_target_makes_its_payload(
    options: dict[str, Any], target_type: str, payload: dict[str, Any]
) -> None:
    definition = made(**options)
    assert definition["target_type"] == target_type
    assert definition["payload"] == payload
    read(ScheduleDefinition, definition)


def test_policies_are_only_what_was_said() -> None:
    definition = made(
        http="https://e.com",
        retry=5,
        backoff="1-30",
        max_age=120,
        catch_up=CatchUpMode.ALL,
        overlap=Overlap.QUEUE,
        window=5,
        once=True,
    )
    assert definition["policies"] == {
        "retry": {
            "max_attempts": 5,
            "max_event_age_seconds": 120,
            "min_backoff_seconds": 1.0,
            "max_backoff_seconds": 30.0,
        },
        "catch_up": {"mode": "all"},
        "overlap": "queue",
        "flexible_window_minutes": 5,
        "on_completion": "delete",
    }
    read(ScheduleDefinition, definition)
    assert "policies" not in made(http="https://e.com")


def test_dates_tags_and_words_are_taken_over() -> None:
    definition = made(
        http="https://e.com",
        start="1h",
        end="2027-01-01",
        tag=["a", "b"],
        timezone="Asia/Tokyo",
        description="d",
    )
    assert definition["start"] == "2026-03-08T13:00:00Z"
    assert definition["end"] == "2027-01-01T00:00:00Z"
    assert (definition["tags"], definition["timezone"], definition["description"]) == (
        ["a", "b"],
        "Asia/Tokyo",
        "d",
    )


def test_two_targets_exclude_each_other() -> None:
    with pytest.raises(Invalid, match="--http and --notify exclude each other"):
        made(http="https://e.com", notify="log")
    with pytest.raises(Invalid, match="--body and --json-body"):
        made(http="https://e.com", body="a", json_body="{}")


def test_everything_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        new_definition(None, None, DefinitionOptions(), {}, NOW)
    for word in ("a name", "rate(1 hour)", "--http URL"):
        assert word in caught.value.message


def test_what_is_said_lies_over_the_file() -> None:
    given = {
        "name": "old",
        "schedule_expression": "rate(1 day)",
        "target_type": "web_action",
        "payload": {"action": "http", "url": "https://e.com", "body": "x"},
    }
    definition = new_definition("new", None, DefinitionOptions(http="https://f.com", end="none"), given, NOW)
    assert definition["name"] == "new"
    assert definition["schedule_expression"] == "rate(1 day)"
    assert definition["payload"] == {"action": "http", "url": "https://f.com", "body": "x"}
    assert "end" not in definition


def test_null_takes_a_field_away() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": None}, "d": None}) == {"a": {"c": 2}}


def test_a_patch_of_the_same_kind_mixes_with_the_payload() -> None:
    current = {"target_type": "web_action", "payload": {"action": "http", "url": "https://e.com"}}
    said = DefinitionOptions(body="hi").said(NOW)
    assert patch_for(current, said) == {"payload": {"body": "hi"}}


def test_a_patch_to_another_kind_replaces_the_payload() -> None:
    current = {"target_type": "web_action", "payload": {"action": "http", "url": "https://e.com"}}
    said = DefinitionOptions(notify="log", message="hi").said(NOW)
    patch = patch_for(current, said)
    assert patch["payload"] == {"action": None, "url": None, "channel": "log", "message": "hi"}
    assert merged(current, patch)["payload"] == {"channel": "log", "message": "hi"}


def test_none_as_an_end_takes_it_away() -> None:
    assert DefinitionOptions(end="none").said(NOW) == {"end": None}


@pytest.mark.parametrize("text", ["", "a-b", "1-", "-"])
def test_an_unfit_backoff_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="--backoff"):
        made(http="https://e.com", backoff=text)
