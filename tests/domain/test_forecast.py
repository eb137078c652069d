"""The load to come, counted: held against the plainest way to count it."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from rez_agent.domain.due import Instants
from rez_agent.domain.expression import parse
from rez_agent.domain.forecast import LONGEST_WINDOW, PATTERNS_AT_ONCE, Forecast, Load, Tally
from rez_agent.domain.instants import to_seconds

NOW = to_seconds(datetime(2026, 3, 7, 12, 0, tzinfo=UTC))
DAY = 1_440
LONG_AGO = NOW - 400 * 86_400

EXPRESSIONS = (
    "cron(0 9 * * ? *)",
    "cron(*/15 * * * ? *)",
    "cron(30 2 * * ? *)",
    "cron(7 8-18 ? * MON-FRI *)",
    "rate(1 minute)",
    "rate(7 minutes)",
    "rate(1 hour)",
    "rate(1 day)",
    "at(2026-03-07T18:30:45)",
    "at(2026-03-07T11:59:30)",
    "cron(0 0 30 2 ? *)",
)
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


def load(text: str, timezone: str = "UTC", **given: int | None) -> Load:
    """A schedule that has stood for long, unless ``given`` says otherwise."""
    facts: dict[str, int | None] = {"created": LONG_AGO, "since": LONG_AGO, **given}
    return Load(parse(text, timezone), **facts)  # type: ignore[arg-type]


def forecast(*loads: Load, minutes: int = DAY, begins: int = NOW) -> Forecast:
    tally = Tally(begins, minutes)
    for one in loads:
        tally.add(one)
    return tally.forecast()


def plainly(loads: list[Load], minutes: int) -> list[float]:
    """The same, occurrence by occurrence and minute by minute."""
    counts = [0.0] * minutes
    for one in loads:
        base = one.created if one.start is None else one.start
        due = one.expression.next_epoch(max(one.since, NOW - DAY * 60) - 1, one.start, one.end, base)
        while due is not None and due < NOW + minutes * 60:
            first, width = (due - NOW) // 60, max(one.window_minutes, 1)
            for minute in range(max(first, 0), min(first + width, minutes)):
                counts[minute] += 1 / width
            due = one.expression.next_epoch(due, one.start, one.end, base)
    return counts


def drawn(chance: random.Random) -> Load:
    """Any schedule: old or new, bounded or not, with a window or without."""
    created = NOW - chance.choice((0, 45, 3_601, 90_001, 40_000_003))
    resumed = chance.choice((0, 0, 0, NOW + 7_213))
    return load(
        chance.choice(EXPRESSIONS),
        chance.choice(ZONES),
        created=created,
        since=max(created, resumed),
        start=chance.choice((None, None, created + 30, NOW + 5_025)),
        end=chance.choice((None, None, NOW + 10_000, NOW - 1)),
        window_minutes=chance.choice((0, 0, 1, 15, 1_440)),
    )


@pytest.mark.parametrize("seed", range(60))
def test_it_counts_what_counting_one_by_one_counts(seed: int) -> None:
    chance = random.Random(seed)
    loads = [drawn(chance) for _ in range(20)]
    counted = forecast(*loads, minutes=600).as_it_stands()
    assert list(counted) == pytest.approx(plainly(loads, 600), abs=1e-4)


def test_a_window_for_all_is_the_window_of_each() -> None:
    loads = [load("cron(0 9 * * ? *)"), load("rate(1 hour)", created=LONG_AGO + 17)]
    windowed = [load("cron(0 9 * * ? *)", window_minutes=30)]
    windowed += [load("rate(1 hour)", created=LONG_AGO + 17, window_minutes=30)]
    assert list(forecast(*loads).under_window(30)) == pytest.approx(
        list(forecast(*windowed).as_it_stands()), abs=1e-4
    )


def test_a_window_moves_executions_and_loses_none() -> None:
    standing = forecast(*[load("cron(0 9 * * ? *)") for _ in range(100)])
    assert sum(standing.as_it_stands()) == 100
    assert sum(standing.under_window(15)) == pytest.approx(100)
    assert standing.peak() == 100
    assert standing.peak(15) == pytest.approx(100 / 15)


def test_no_window_is_the_load_as_it_stands() -> None:
    standing = forecast(load("rate(7 minutes)"), load("cron(0 9 * * ? *)", window_minutes=3))
    assert standing.under_window(0) == standing.as_it_stands()


def test_two_minutes_halve_the_peak_of_what_is_due_once_an_hour() -> None:
    assert forecast(*[load("cron(0 * * * ? *)")] * 7).halving_window() == 2


def test_the_shortest_window_that_halves_is_found_and_the_one_below_does_not() -> None:
    loads = [load(f"cron({minute} 9 * * ? *)") for minute in (0, 1, 2, 3)] * 5 + [load("cron(4 9 * * ? *)")]
    standing = forecast(*loads)
    window = standing.halving_window()
    assert window is not None
    assert standing.peak(window) <= standing.peak() / 2 < standing.peak(window - 1)


def test_an_even_load_has_no_window_that_halves_it() -> None:
    assert forecast(load("rate(1 minute)")).halving_window() is None


def test_schedules_with_windows_of_their_own_keep_them() -> None:
    standing = forecast(load("cron(0 * * * ? *)", window_minutes=10))
    assert standing.peak(60) == pytest.approx(0.1)
    assert standing.halving_window() is None


def test_nothing_to_come_is_no_load() -> None:
    empty = forecast(load("cron(0 0 30 2 ? *)"))
    assert empty.peak() == 0
    assert empty.halving_window() is None
    assert list(forecast(minutes=0).as_it_stands()) == []


def test_it_begins_with_a_whole_minute() -> None:
    assert forecast(begins=NOW + 59).begins == NOW


def test_more_patterns_than_are_kept_at_once_are_all_counted() -> None:
    base = NOW + 1
    loads = [
        load("rate(1 day)", start=base + 60 * (n % DAY), end=base + 60 * (n % DAY) + n, created=base)
        for n in range(PATTERNS_AT_ONCE + 500)
    ]
    assert sum(forecast(*loads, minutes=2 * DAY).as_it_stands()) == len(loads)


def test_schedules_that_are_due_in_the_same_minutes_are_one_pattern() -> None:
    tally = Tally(NOW, DAY)
    for second in range(600):
        tally.add(load("rate(5 minutes)", created=LONG_AGO + second, since=LONG_AGO + second))
    assert len(tally._waiting) == 5
    assert sum(tally.forecast().as_it_stands()) == 600 * DAY / 5


def test_what_is_due_before_the_first_minute_and_starts_after_it_is_counted() -> None:
    an_hour_ago = load("at(2026-03-07T11:00:00)", window_minutes=120)
    counted = forecast(an_hour_ago).as_it_stands()
    assert sum(counted) == pytest.approx(0.5)
    assert counted[59] > 0
    assert counted[60] == pytest.approx(0)
    assert LONGEST_WINDOW == DAY


def test_a_schedule_is_told_whether_it_is_due_in_minutes_of_its_own() -> None:
    tally = Tally(NOW, DAY)
    several = ("cron(0 9 * * ? *)", "cron(0 9 * * ? *)", "rate(1 hour)", "cron(0 9 * * ? *)")
    assert [tally.add(load(text)) for text in several] == [True, False, True, False]


def test_occurrences_that_no_expression_tells_are_counted_one_by_one() -> None:
    times = Instants((NOW - 60, NOW, NOW + 59, NOW + 120, NOW + 600))
    tally = Tally(NOW, 4)
    assert tally.add_times(times, since=NOW) == 3
    assert tally.add_times(times, since=NOW + 60, window_minutes=2) == 1
    assert list(tally.forecast().as_it_stands()) == [2, 0, 1.5, 0.5]
