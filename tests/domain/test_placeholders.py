"""Placeholders in the texts of a document."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.placeholders import (
    PLACEHOLDERS_AT_MOST,
    Unfilled,
    blamed,
    filled,
    names_in,
    problems_with,
)

VALUES = {
    "name": "ping",
    "count": 3,
    "on": True,
    "tags": ["a", "b"],
    "none": None,
    "event": "2027-01-31T09:00",
}


@pytest.mark.parametrize(
    ("document", "result"),
    [
        ("{{ count }}", 3),
        ("{{on}}", True),
        ("{{ tags }}", ["a", "b"]),
        ("{{ none }}", None),
        ("rate({{ count }} minutes)", "rate(3 minutes)"),
        ("{{ name }}-{{ count }}", "ping-3"),
        ("{{ on }} and {{ tags }}", 'true and ["a", "b"]'),
        ("{{{{ name }}", "{{ name }}"),
        ("a {{{{b}} {{ count }}", "a {{b}} 3"),
        ({"a": ["{{ count }}", {"b": "x{{ name }}"}], "c": 1}, {"a": [3, {"b": "xping"}], "c": 1}),
        ({"a": "{{ left_out }}", "b": ["{{ left_out }}", 1], "c": "x{{ left_out }}"}, {"b": [1], "c": "x"}),
        ("at({{ event | minus(30) }})", "at(2027-01-31T08:30:00)"),
        ("{{ event | plus(count) }}", "2027-01-31T09:03:00"),
        ("no braces } { at all", "no braces } { at all"),
    ],
)
def test_values_take_the_place_of_placeholders(document: Any, result: Any) -> None:
    assert filled(document, VALUES) == result


def test_a_value_that_looks_like_a_placeholder_stays_as_it_is() -> None:
    assert filled("a {{ name }}", {"name": "{{ count }}"}) == "a {{ count }}"


@pytest.mark.parametrize(
    ("text", "values", "name"),
    [
        ("{{ event | minus(5) }}", {"event": "tomorrow"}, "event"),
        ("{{ event | minus(5) }}", {"event": "2027-02-30T09:00"}, "event"),
        ("{{ event | minus(m) }}", {"event": "2027-01-31T09:00", "m": "x"}, "m"),
        ("{{ event | plus(m) }}", {"event": "9999-12-31T23:59", "m": 10**6}, "event"),
    ],
)
def test_what_can_not_be_moved_names_its_parameter(text: str, values: dict[str, Any], name: str) -> None:
    with pytest.raises(Unfilled) as error:
        filled(text, values)
    assert error.value.name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ cuont }}", "There is no parameter 'cuont'. Did you mean 'count'?"),
        ("{{ event | minus(minuts) }}", "There is no parameter 'minuts'."),
        ("{{ name | upper(1) }}", "There is no filter 'upper'. Known: minus, plus."),
        ("{{ }}", "is no placeholder"),
        ("{{ name", "is no placeholder"),
        ("{{ name | minus }}", "is no placeholder"),
        ("{{ name.first }}", "is no placeholder"),
    ],
)
def test_what_is_no_placeholder_is_told_with_its_place(text: str, said: str) -> None:
    (problem,) = problems_with({"a": ["{{ count }}", text]}, VALUES)
    assert (problem.code, problem.pointer) == ("invalid_placeholder", "/a/1")
    assert said in problem.message


def test_there_may_be_so_many_placeholders_and_no_more() -> None:
    assert problems_with("{{ count }}" * PLACEHOLDERS_AT_MOST, VALUES) == []
    (problem,) = problems_with("{{ count }}" * (PLACEHOLDERS_AT_MOST + 1), VALUES)
    assert "are allowed" in problem.message


def test_the_names_that_a_document_asks_for() -> None:
    document = {"a": "{{ x }} {{ y | minus(z) }}", "b": ["{{{{ no }}", "{{ event | plus(5) }}"]}
    assert names_in(document) == {"x", "y", "z", "event"}


@pytest.mark.parametrize(
    ("pointer", "parameter"),
    [
        ("/payload/url", "name"),
        ("/payload/headers/x", "name"),
        ("/tags/0", "count"),
        ("/tags/7", "count"),
        ("/expression", None),
        ("/fixed", None),
        ("", None),
    ],
)
def test_a_problem_is_blamed_on_the_one_parameter_that_stands_there(
    pointer: str, parameter: str | None
) -> None:
    document = {
        "payload": {"url": "http://{{ name }}", "n": 1},
        "tags": ["{{ count }}"],
        "expression": "{{ count }} {{ name }}",
        "fixed": "x",
    }
    assert blamed(document, pointer, VALUES) == parameter
