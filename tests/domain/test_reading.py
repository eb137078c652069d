"""Reading a document: all problems at once, each at its place, each with a way out."""

from __future__ import annotations

import pytest

from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.reading import did_you_mean, pointer_to, read
from rez_agent.domain.schedule import ScheduleDefinition


def problems(document: object) -> list[Problem]:
    with pytest.raises(Invalid) as refused:
        read(ScheduleDefinition, document)
    return list(refused.value.problems)


def test_all_problems_are_told_at_once_each_with_its_pointer() -> None:
    found = problems(
        {
            "nane": "report",
            "schedule_expression": 5,
            "target_type": "web_action",
            "start": "2026-06-01T12:00:00",
            "policies": {"retry": {"max_atempts": 3}, "overlap": "never"},
        }
    )
    assert {(problem.code, problem.pointer) for problem in found} == {
        ("unknown_field", "/nane"),
        ("missing_field", "/name"),
        ("wrong_type", "/schedule_expression"),
        ("naive_time", "/start"),
        ("unknown_field", "/policies/retry/max_atempts"),
        ("invalid_value", "/policies/overlap"),
    }


def test_an_unknown_field_is_told_with_the_nearest_known_one_of_its_own_object() -> None:
    messages = {
        p.pointer: p.message for p in problems({"nane": 1, "policies": {"retry": {"max_atempts": 3}}})
    }
    assert "Did you mean 'name'?" in messages["/nane"]
    assert "Did you mean 'max_attempts'?" in messages["/policies/retry/max_atempts"]


def test_an_unknown_field_that_resembles_nothing_gets_no_suggestion() -> None:
    (found,) = [p for p in problems({"zzzzzz": 1}) if p.pointer == "/zzzzzz"]
    assert found.message == "'zzzzzz' is not a known field."


def test_the_alias_of_a_field_is_what_is_suggested() -> None:
    with pytest.raises(Invalid) as refused:
        read(ScheduleCreationRequest, {"action": "redrive", "frm": "2026-06-01T12:00:00Z"})
    assert "Did you mean 'from'?" in refused.value.problems[0].message


def test_the_text_names_what_is_wrong_in_a_sentence() -> None:
    for problem in problems({"name": "", "schedule_expression": None, "target_type": "x", "tags": 3}):
        assert problem.message.endswith((".", "?"))
        assert problem.message.startswith("'")


@pytest.mark.parametrize("document", [None, 7, "text", [], [1]])
def test_what_is_no_object_is_refused_as_a_whole(document: object) -> None:
    assert [problem.pointer for problem in problems(document)] == [""]


def test_the_error_is_named_for_its_first_problem_and_says_how_many_more() -> None:
    with pytest.raises(Invalid) as refused:
        read(ScheduleDefinition, {"name": "report"})
    assert refused.value.code == "missing_field"
    assert refused.value.message.endswith("(and 1 more)")


def test_a_pointer_escapes_what_rfc_6901_says() -> None:
    assert pointer_to(["a/b", "m~n", 0]) == "/a~1b/m~0n/0"
    assert pointer_to([]) == ""


def test_did_you_mean_offers_one_word_or_nothing() -> None:
    assert did_you_mean("timezon", ["timezone", "time"]) == " Did you mean 'timezone'?"
    assert did_you_mean("qqq", ["timezone"]) == ""


@pytest.mark.parametrize(
    ("policies", "text"),
    [
        ({"retry": {"max_attempts": 186}}, "'max_attempts' must be at most 185."),
        ({"retry": {"max_attempts": -1}}, "'max_attempts' must be at least 0."),
        ({"retry": {"max_attempts": "3"}}, "'max_attempts' must be a whole number."),
        ({"retry": {"min_backoff_seconds": True}}, "'min_backoff_seconds' must be a number."),
        ({"retry": None}, "'retry' must be an object."),
        ({"on_completion": "x"}, "'on_completion' must be 'keep' or 'delete'."),
    ],
)
def test_what_a_value_must_be_is_said_in_plain_words(policies: object, text: str) -> None:
    document = {"name": "x", "schedule_expression": "rate(1 day)", "target_type": "custom", "payload": {}}
    assert [problem.message for problem in problems({**document, "policies": policies})] == [text]


def test_a_problem_of_the_whole_document_names_no_field() -> None:
    document = {"name": "x", "schedule_expression": "rate(1 day)", "target_type": "custom", "payload": {}}
    dates = {"start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
    (problem,) = problems({**document, **dates})
    assert problem.message == "End must not lie before start."
