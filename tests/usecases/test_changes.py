"""Changes of a definition as documents."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.usecases.changes import definition_document, merge_patch, merged_definition
from tests.rig import definition_of, schedule_of

RICH: dict[str, Any] = {
    "tags": ["a"],
    "start": "2026-06-01T00:00:00Z",
    "payload": {"target": "x", "body": {"deep": [1, None]}},
    "policies": {"retry": {"max_attempts": 0}, "overlap": "queue"},
}

# The cases of RFC 7396, appendix A.
RFC_7396: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396, ids=str)
def test_a_patch_merges_as_rfc_7396_says(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


def test_a_patch_leaves_what_it_is_applied_to_as_it_was() -> None:
    target = {"a": {"b": 1}}
    merge_patch(target, {"a": {"b": 2}})
    assert target == {"a": {"b": 1}}


def test_a_definition_as_a_document_is_read_back_as_itself() -> None:
    definition = read(ScheduleDefinition, definition_of(**RICH))
    assert read(ScheduleDefinition, definition_document(definition)) == definition


def test_an_update_takes_the_whole_definition_or_patches_the_present_one() -> None:
    schedule = schedule_of(**RICH)
    whole = ScheduleCreationRequest(action="update", schedule_id="s", schedule={"name": "new"})
    assert merged_definition(schedule, whole) == {"name": "new"}
    patch = {"description": "new", "start": None, "policies": {"retry": {"max_attempts": 5}}}
    patched = ScheduleCreationRequest(action="update", schedule_id="s", patch=patch)
    merged = read(ScheduleDefinition, merged_definition(schedule, patched))
    assert (merged.name, merged.description, merged.start) == ("report", "new", None)
    assert (merged.policies.retry.max_attempts, merged.policies.overlap) == (5, "queue")
    assert merged.payload == RICH["payload"]
