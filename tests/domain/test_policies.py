"""Policies: what they default to and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.errors import Invalid
from rez_agent.domain.policies import CatchUp, CatchUpMode, OnCompletion, Overlap, Policies
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
