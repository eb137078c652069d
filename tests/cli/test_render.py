"""Answers for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rez_agent.cli import render
from rez_agent.domain.telling import length

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.014, "14 ms"),
        (2.5, "2.5 s"),
        (59.4, "59 s"),
        (300, "5 min"),
        (7_200, "2 h"),
        (864_000, "10 days"),
    ],
)
def test_a_length_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(milliseconds=-300), "now"),
        (timedelta(minutes=5), "in 5 min"),
        (timedelta(hours=-3), "3 h ago"),
    ],
)
def test_a_distance_says_on_which_side_of_now_it_lies(span: timedelta, text: str) -> None:
    assert render.distance(span) == text


def test_a_time_is_shown_in_utc_with_its_distance() -> None:
    assert render.when("2026-03-08T16:00:00+02:00", NOW) == "2026-03-08 14:00:00 UTC (in 2 h)"
    assert render.when(None, NOW) == ""


def test_control_characters_never_reach_the_terminal() -> None:
    assert render.clean("a\x1b[31mb\nc\x07\u202e") == "a [31mb c  "


def test_a_table_without_a_terminal_is_aligned_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(("name", "status"), [("a", "active"), ("longer", None)], styled=1)
    assert capsys.readouterr().out == "name    status\na       active\nlonger\n"


def test_facts_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    render.facts([("a", 0), ("long", "x"), ("none", None), ("empty", "")])
    assert capsys.readouterr().out == "a     0\nlong  x\n"


def test_a_total_that_was_not_counted_to_the_end_says_so() -> None:
    assert render.total(12) == "12"
    assert render.total({"at_least": 1_000}) == "more than 1000"


def test_progress_is_silent_where_no_terminal_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    with render.progress("pages") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""
