"""The time that somebody asks about, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rez_agent.domain.asked import read_asked
from rez_agent.domain.errors import Invalid
from rez_agent.domain.instants import from_seconds
from rez_agent.domain.zones import zone

NOW = datetime(2027, 3, 28, 21, 0, tzinfo=UTC)
"""23:00 in Paris on the day on which the clocks go forward there."""


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2027-03-27T09:30:00Z", "2027-03-27T09:30:00Z"),
        ("2027-03-27T09:30+02:00", "2027-03-27T07:30:00Z"),
        ("2027-03-27T09:30", "2027-03-27T08:30:00Z"),
        ("2027-03-27 09:30:15", "2027-03-27T08:30:15Z"),
        ("09:30", "2027-03-28T07:30:00Z"),
        ("9:30", "2027-03-28T07:30:00Z"),
        (" Today 23:59 ", "2027-03-28T21:59:00Z"),
        ("yesterday 09:30", "2027-03-27T08:30:00Z"),
        ("tomorrow 09:30:05", "2027-03-29T07:30:05Z"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
    ],
)
def test_a_time_is_read_in_the_schedules_zone_unless_it_has_its_own(text: str, first: str) -> None:
    asked = read_asked(text, zone("Europe/Paris"), NOW)
    assert asked.at == datetime.fromisoformat(first)
    assert asked.missing is None


@pytest.mark.parametrize(("text", "seconds"), [("09:30", 60), ("09:30:00", 1), ("2027-03-27T09:30Z", 60)])
def test_without_seconds_the_whole_minute_is_meant(text: str, seconds: int) -> None:
    asked = read_asked(text, zone("UTC"), NOW)
    assert asked.last - asked.first + 1 == seconds


def test_a_local_time_that_the_clocks_skip_is_marked() -> None:
    asked = read_asked("02:30", zone("Europe/Paris"), NOW)
    assert asked.missing == datetime(2027, 3, 28, 2, 30)  # noqa: DTZ001 - a wall time
    assert from_seconds(asked.first) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)


UNFIT = ("", "noon", "25:00", "9.30", "2027-03-27", "2027-13-01T00:00Z", "x" * 99)
BEYOND = ("1969-12-31T23:59Z", "2200-01-01T00:00Z")


@pytest.mark.parametrize("text", UNFIT + BEYOND)
def test_what_is_no_time_is_refused_with_the_ways_to_write_it(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_asked(text, zone("UTC"), NOW)
    (problem,) = refused.value.problems
    assert (problem.code, problem.field) == ("invalid_value", "at")
    assert "yesterday 09:30" in problem.message
