"""Policies: what they default to and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rez_agent.domain.errors import Invalid
from rez_agent.domain.policies import CatchUp, CatchUpMode, OnCompletion, Overlap, Policies, RetryPolicy
from rez_agent.domain.reading import read


def test_the_defaults_are_the_documented_ones() -> None:
    policies = Policies()
    retry = policies.retry
    assert (retry.max_attempts, retry.min_backoff_seconds, retry.max_backoff_seconds) == (3, 10, 600)
    assert retry.max_event_age_seconds == 3_600
    assert policies.catch_up == CatchUp(mode=CatchUpMode.LATEST, window_seconds=86_400)
    assert policies.overlap is None
    assert policies.flexible_window_minutes == 0
    assert policies.on_completion is OnCompletion.KEEP


def test_a_word_alone_is_read_as_the_mode_of_catch_up() -> None:
    assert read(Policies, {"catch_up": "all"}).catch_up == CatchUp(mode=CatchUpMode.ALL)
    assert read(Policies, {"overlap": "queue"}).overlap is Overlap.QUEUE


@pytest.mark.parametrize(
    "document",
    [
        {"retry": {"max_attempts": 0, "max_event_age_seconds": 60}},
        {"retry": {"max_attempts": 185, "max_event_age_seconds": 86_400}},
        {"retry": {"min_backoff_seconds": 0, "max_backoff_seconds": 0}},
        {"catch_up": {"mode": "all", "window_seconds": 31_536_000}},
        {"flexible_window_minutes": 1_440},
    ],
)
def test_the_bounds_themselves_are_allowed(document: dict[str, Any]) -> None:
    read(Policies, document)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"retry": {"max_attempts": 186}}, "/retry/max_attempts"),
        ({"retry": {"max_attempts": -1}}, "/retry/max_attempts"),
        ({"retry": {"max_attempts": True}}, "/retry/max_attempts"),
        ({"retry": {"max_attempts": 1.5}}, "/retry/max_attempts"),
        ({"retry": {"max_event_age_seconds": 59}}, "/retry/max_event_age_seconds"),
        ({"retry": {"max_event_age_seconds": 86_401}}, "/retry/max_event_age_seconds"),
        ({"retry": {"min_backoff_seconds": float("inf")}}, "/retry/min_backoff_seconds"),
        ({"retry": {"min_backoff_seconds": 20, "max_backoff_seconds": 10}}, "/retry"),
        ({"catch_up": "some"}, "/catch_up/mode"),
        ({"catch_up": {"window_seconds": 59}}, "/catch_up/window_seconds"),
        ({"overlap": "sometimes"}, "/overlap"),
        ({"flexible_window_minutes": 1_441}, "/flexible_window_minutes"),
        ({"on_completion": "burn"}, "/on_completion"),
    ],
)
def test_what_lies_beyond_the_bounds_is_refused_at_its_place(document: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(Policies, document)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]


def in_the_page() -> dict[str, tuple[str, str]]:
    """The fields that the document tells of: their values and their default."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "policies.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {name.strip("|` "): (values, default) for name, values, default, _ in rows}


def in_the_code() -> dict[str, FieldInfo]:
    """The fields that there are."""
    inner: dict[str, type[BaseModel]] = {"retry": RetryPolicy, "catch_up": CatchUp}
    outer = {name: field for name, field in Policies.model_fields.items() if name not in inner}
    return outer | {
        f"{of}.{name}": field for of, model in inner.items() for name, field in model.model_fields.items()
    }


def test_the_document_tells_every_field_with_its_bounds_and_default() -> None:
    told, fields = in_the_page(), in_the_code()
    assert told.keys() == fields.keys()
    for name, field in fields.items():
        values, default = told[name]
        bounds = {
            word: bound
            for meta in field.metadata
            for word in ("ge", "le")
            if (bound := getattr(meta, word, None)) is not None
        }
        if bounds:
            assert values == f"{bounds['ge']} to {bounds['le']}"
        if field.default is not None:
            told_default = f"{field.default:g}" if bounds else str(field.default)
            assert default.strip("`") == told_default
