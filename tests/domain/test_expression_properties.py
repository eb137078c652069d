"""What holds for every expression, drawn at random and checked against the slow oracle."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.expression import Occurrences, parse
from tests.domain.oracle import due_days, due_minutes
from tests.domain.strategies import LIVELY_ZONES, crons, midnights, often, zones
from tests.steps import Steps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

# Days on which some lively zone changes its clock, and ordinary ones.
_CHANGES = (
    datetime(1972, 1, 7, tzinfo=UTC),
    datetime(2011, 12, 30, tzinfo=UTC),
    datetime(2025, 3, 30, tzinfo=UTC),
    datetime(2026, 3, 8, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2018, 11, 4, tzinfo=UTC),
)
near_changes = st.tuples(
    st.sampled_from(_CHANGES), st.integers(-40 * 3600, 30 * 3600).map(lambda n: timedelta(seconds=n))
).map(lambda pair: pair[0] + pair[1])
instants = near_changes | st.integers(0, 7_258_118_399).map(lambda n: EPOCH + timedelta(seconds=n))


@settings(max_examples=300, deadline=None)
@given(often, zones, near_changes)
@example("cron(* * * * ? *)", "Africa/Monrovia", datetime(1972, 1, 7, tzinfo=UTC))
def test_between_finds_what_a_walk_over_every_minute_finds(text: str, timezone: str, after: datetime) -> None:
    until = after + timedelta(hours=40)
    occurrences = Occurrences(parse(text, timezone))
    expected = due_minutes(text, timezone, after, until)
    assert occurrences.between(after, until, limit=10_000) == expected
    assert occurrences.count_between(after, until) == len(expected)


@settings(max_examples=300, deadline=None)
@given(often, zones, near_changes)
def test_walking_back_finds_the_same_instants(text: str, timezone: str, after: datetime) -> None:
    until = after + timedelta(hours=30)
    occurrences = Occurrences(parse(text, timezone))
    backwards = []
    found = occurrences.previous_before(until)
    while found is not None and found >= after:
        backwards.append(found)
        found = occurrences.previous_before(found)
    assert backwards[::-1] == occurrences.between(after - SECOND, until - SECOND, limit=10_000)


@settings(max_examples=200, deadline=None)
@given(midnights, st.integers(1970, 2195))
def test_the_days_are_those_that_a_walk_over_every_day_finds(text: str, year: int) -> None:
    first, last = date(year, 1, 1), date(year + 3, 12, 31)
    start = datetime(year, 1, 1, tzinfo=UTC)
    found = Occurrences(parse(text)).between(
        start - SECOND, datetime(year + 3, 12, 31, tzinfo=UTC), limit=2000
    )
    assert [instant.date() for instant in found] == due_days(text, first, last)
    assert all(instant.hour == instant.minute == 0 for instant in found)


@given(crons(), zones, instants)
def test_the_next_is_later_and_matches_and_its_previous_is_not_later_than_the_asking(
    text: str, timezone: str, instant: datetime
) -> None:
    occurrences = Occurrences(parse(text, timezone))
    following = occurrences.next_after(instant)
    if following is None:
        assert occurrences.count_between(instant, datetime(2200, 1, 3, tzinfo=UTC)) == 0
        return
    assert following > instant
    assert following.tzinfo is UTC
    assert following.microsecond == 0
    assert occurrences.matches(following)
    assert occurrences.count_between(instant, following) == 1
    assert occurrences.next_after(following - SECOND) == following
    before = occurrences.previous_before(following)
    assert before is None or before <= instant


@given(crons(), zones, instants)
def test_asking_one_expression_about_far_apart_instants_in_any_order_changes_no_answer(
    text: str, timezone: str, instant: datetime
) -> None:
    shared = Occurrences(parse(text, timezone))
    shared.next_after(datetime(2100, 7, 1, tzinfo=UTC))
    shared.next_after(datetime(1985, 2, 1, tzinfo=UTC))
    parse.cache_clear()
    fresh = Occurrences(parse(text, timezone))
    assert shared.next_after(instant) == fresh.next_after(instant)


@given(crons(), zones, instants, st.integers(1, 400), st.integers(1, 400))
def test_counts_add_up(text: str, timezone: str, instant: datetime, first: int, second: int) -> None:
    occurrences = Occurrences(parse(text, timezone))
    middle = instant + timedelta(days=first)
    end = middle + timedelta(days=second)
    whole = occurrences.count_between(instant, end)
    assert whole == occurrences.count_between(instant, middle) + occurrences.count_between(middle, end)


@given(
    st.integers(1, 5000),
    st.sampled_from(("minute", "hour", "day")),
    st.integers(0, 4_000_000_000),
    st.integers(-10_000_000, 4_000_000_000),
)
def test_a_rate_is_a_grid(value: int, unit: str, anchor: int, asked: int) -> None:
    expression = parse(f"rate({value} {unit}{'' if value == 1 else 's'})")
    interval = value * {"minute": 60, "hour": 3600, "day": 86_400}[unit]
    start, instant = EPOCH + timedelta(seconds=anchor), EPOCH + timedelta(seconds=asked)
    occurrences = Occurrences(expression, start=start)
    following = occurrences.next_after(instant)
    assume(following is not None)
    assert following is not None
    assert following >= start
    assert following > instant
    assert (following - start) % timedelta(seconds=interval) == timedelta(0)
    assert following == start or following - instant <= timedelta(seconds=interval)
    previous = occurrences.previous_before(following)
    assert previous == (None if following == start else following - timedelta(seconds=interval))
    assert occurrences.count_between(instant, following) == 1


@given(crons(), zones)
def test_an_expression_reads_back_from_its_own_text(text: str, timezone: str) -> None:
    expression = parse(text, timezone)
    assert str(expression) == text
    assert parse(str(expression), expression.timezone) == expression


_PIECES = st.sampled_from(
    (
        "cron(",
        "rate(",
        "at(",
        ")",
        " ",
        "*",
        "?",
        "/",
        "-",
        ",",
        "#",
        "L",
        "W",
        "5",
        "99",
        "MON",
        "JAN",
        "2025-",
        "\0",
        "é",
    )
)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=4096) | st.lists(_PIECES, max_size=120).map("".join), st.text(max_size=60) | zones)
def test_any_text_is_read_or_refused_at_once(text: str, timezone: str) -> None:
    with Steps() as steps:
        problems = problems_in(text, timezone)
    assert steps.count < 50_000
    assert all(problem.message and problem.pointer for problem in problems)
    assert all(0 <= p.position <= len(text) for p in problems if p.position is not None)


def problems_in(text: str, timezone: str) -> tuple[Problem, ...]:
    try:
        parse(text, timezone)
    except Invalid as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    "text",
    [
        "cron(" + "1," * 2045 + ")",
        "cron(" + "MON" * 1360 + " * * * ? *)",
        "cron(" + ",".join(["ZZZ"] * 60) + " * * * ? *)",
        "rate(" + "9" * 4000 + " minutes)",
        "rate(" + "9" * 240 + " minutes)",
        "(" * 4096,
        "at(" + "2025-" * 800 + ")",
        " " * 4096,
        "cron(" + "*/" * 120 + ")",
        "A" * 250,
        "a b c d e f " * 20,
    ],
)
def test_a_hostile_text_is_refused_at_once(text: str) -> None:
    with Steps() as steps, pytest.raises(Invalid):
        parse(text, "America/" + "x" * 42)
    assert steps.count < 50_000


@pytest.mark.parametrize("timezone", LIVELY_ZONES)
def test_every_minute_of_two_centuries_is_counted_within_a_moment(timezone: str) -> None:
    occurrences = Occurrences(parse("cron(* * * * ? *)", timezone))
    occurrences.count_between(EPOCH, datetime(2199, 12, 31, tzinfo=UTC))  # the zone's table is laid once
    with Steps() as steps:
        total = occurrences.count_between(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    assert steps.count < 1_000
    assert 5_259_000 < total <= 5_260_320
