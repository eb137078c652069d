"""A schedule's dates, the grid of a rate, and what a caller is warned of."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from rez_agent.domain.expression import Occurrences, parse
from tests.steps import Steps


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


NOON_DAILY = parse("cron(0 12 * * ? *)")


def test_start_and_end_are_inclusive() -> None:
    start, end = at("2026-01-01T12:00:00Z"), at("2026-01-03T12:00:00Z")
    occurrences = Occurrences(NOON_DAILY, start=start, end=end)
    assert occurrences.next_after(at("2020-01-01T00:00:00Z")) == start
    assert occurrences.next_after(at("2026-01-02T12:00:00Z")) == end
    assert occurrences.next_after(end) is None
    assert occurrences.previous_before(at("2030-01-01T00:00:00Z")) == end
    assert occurrences.previous_before(start) is None
    assert occurrences.count_between(at("2020-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z")) == 3


def test_a_fraction_of_a_second_moves_start_up_and_end_down() -> None:
    little = timedelta(microseconds=1)
    noon = at("2026-01-01T12:00:00Z")
    assert Occurrences(NOON_DAILY, start=noon + little).next_after(noon - timedelta(1)) == noon + timedelta(1)
    assert Occurrences(NOON_DAILY, end=noon - little).next_after(noon - timedelta(hours=1)) is None


def test_next_is_strictly_after_and_previous_strictly_before_to_the_microsecond() -> None:
    occurrences, noon = Occurrences(NOON_DAILY), at("2026-01-01T12:00:00Z")
    little = timedelta(microseconds=1)
    assert occurrences.next_after(noon - little) == noon
    assert occurrences.next_after(noon) == noon + timedelta(days=1)
    assert occurrences.previous_before(noon + little) == noon
    assert occurrences.previous_before(noon) == noon - timedelta(days=1)
    assert occurrences.matches(noon)
    assert not occurrences.matches(noon + little)


def test_between_excludes_its_beginning_and_includes_its_end() -> None:
    first = at("2026-01-01T12:00:00Z")
    found = Occurrences(NOON_DAILY).between(first, first + timedelta(days=2), limit=10)
    assert found == [first + timedelta(days=1), first + timedelta(days=2)]


def test_between_stops_at_its_limit() -> None:
    first = at("2026-01-01T00:00:00Z")
    assert len(Occurrences(NOON_DAILY).between(first, first + timedelta(days=50), limit=7)) == 7
    assert Occurrences(NOON_DAILY).between(first, first + timedelta(days=50), limit=0) == []


def test_nothing_lies_in_a_window_turned_round() -> None:
    early, late = at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")
    for text in ("cron(* * * * ? *)", "rate(1 minute)", "at(2026-01-15T00:00:00)"):
        occurrences = Occurrences(parse(text), anchor=early)
        assert occurrences.between(late, early, limit=10) == []
        assert occurrences.count_between(late, early) == 0


def test_instants_may_be_given_in_any_zone_and_answers_are_in_utc() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    found = Occurrences(NOON_DAILY).next_after(datetime(2026, 1, 1, 17, 0, tzinfo=there))
    assert found == at("2026-01-01T12:00:00Z")
    assert found.tzinfo is UTC


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(TypeError):
        Occurrences(NOON_DAILY).next_after(datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize("instant", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize("text", ["cron(* * * * ? *)", "rate(7 days)", "at(2026-01-15T00:00:00)"])
def test_the_ends_of_time_are_asked_about_without_harm(text: str, instant: datetime) -> None:
    occurrences = Occurrences(parse(text, "Asia/Tokyo"), anchor=instant)
    following, previous = occurrences.next_after(instant), occurrences.previous_before(instant)
    assert following is None or following > instant
    assert previous is None or previous < instant


# --- rate ---


def test_the_anchor_of_a_rate_is_its_first_occurrence() -> None:
    anchor = at("2026-01-01T00:00:30.750000Z")
    occurrences = Occurrences(parse("rate(7 minutes)"), anchor=anchor)
    assert occurrences.next_after(at("2025-01-01T00:00:00Z")) == at("2026-01-01T00:00:30Z")
    assert occurrences.next_after(anchor) == at("2026-01-01T00:07:30Z")


def test_the_start_of_a_rate_goes_before_its_anchor() -> None:
    start, anchor = at("2026-02-01T00:00:00Z"), at("2026-01-01T00:00:30Z")
    occurrences = Occurrences(parse("rate(7 minutes)"), start=start, anchor=anchor)
    assert occurrences.next_after(anchor) == start


def test_a_rate_without_start_and_anchor_has_no_answer() -> None:
    with pytest.raises(ValueError, match="start or an anchor"):
        Occurrences(parse("rate(7 minutes)"))
    with pytest.raises(ValueError, match="start or an anchor"):
        parse("rate(7 minutes)").next_epoch(0)


def test_a_rate_ends_with_its_end() -> None:
    start = at("2026-01-01T00:00:00Z")
    occurrences = Occurrences(parse("rate(1 day)"), start=start, end=start + timedelta(days=2))
    assert occurrences.between(start - timedelta(1), start + timedelta(9), limit=9) == [
        start,
        start + timedelta(days=1),
        start + timedelta(days=2),
    ]
    assert occurrences.previous_before(start + timedelta(days=9)) == start + timedelta(days=2)


def test_a_rate_ends_with_2199() -> None:
    occurrences = Occurrences(parse("rate(1 day)"), start=at("2199-12-30T00:00:00Z"))
    assert occurrences.next_after(at("2199-12-31T00:00:00Z")) is None


# --- at ---


def test_an_at_heeds_neither_start_nor_end() -> None:
    due = at("2026-06-01T07:00:00Z")
    occurrences = Occurrences(
        parse("at(2026-06-01T09:00:00)", "Europe/Berlin"),
        start=at("2027-01-01T00:00:00Z"),
        end=at("2025-01-01T00:00:00Z"),
    )
    assert occurrences.next_after(at("2026-01-01T00:00:00Z")) == due
    assert occurrences.previous_before(at("2028-01-01T00:00:00Z")) == due
    assert occurrences.next_after(due) is None
    assert occurrences.count_between(due - timedelta(seconds=1), due) == 1
    assert occurrences.count_between(due, due + timedelta(days=1)) == 0


def test_an_at_that_has_passed_is_refused_in_words() -> None:
    expression = parse("at(2026-06-01T09:00:00)", "Europe/Berlin")
    problem = expression.check_future(at("2026-06-01T07:00:00Z"))
    assert problem is not None
    assert (problem.code, problem.pointer) == ("schedule_in_past", "/schedule_expression")
    assert "2026-06-01T07:00:00Z" in problem.message
    assert expression.check_future(at("2026-06-01T06:59:59.999Z")) is None


@pytest.mark.parametrize("text", ["cron(0 0 1 1 ? 2020)", "rate(1 minute)"])
def test_only_an_at_can_be_refused_for_having_passed(text: str) -> None:
    assert parse(text).check_future(at("2026-06-01T07:00:00Z")) is None


# --- never ---

NEVER = [
    ("cron(0 0 30 2 ? *)", "UTC"),
    ("cron(0 0 31 2,4,6,9,11 ? *)", "UTC"),
    ("cron(0 0 29 2 ? 2100)", "UTC"),
    ("cron(0 0 31W 4 ? *)", "UTC"),
    ("cron(* * 30 2 ? *)", "America/New_York"),
    ("cron(30 2 8 3 ? 2026)", "America/New_York"),
    ("cron(* * 30 12 ? 2011)", "Pacific/Apia"),
    ("cron(0 0 ? 2 SUN#5 2025-2030)", "UTC"),
]


@pytest.mark.parametrize(("text", "timezone_name"), NEVER)
def test_what_never_comes_is_known_at_once_and_warned_of(text: str, timezone_name: str) -> None:
    with Steps() as steps:
        expression = parse(text, timezone_name)
        assert expression.never
    assert steps.count < 10_000
    assert [problem.code for problem in expression.warnings()] == ["never_fires"]
    assert expression.explain().endswith(": this never comes.")
    occurrences = Occurrences(expression)
    assert occurrences.next_after(at("2026-01-01T00:00:00Z")) is None
    assert occurrences.previous_before(at("2199-01-01T00:00:00Z")) is None
    assert occurrences.count_between(at("1970-01-01T00:00:00Z"), at("2199-01-01T00:00:00Z")) == 0


@pytest.mark.parametrize("text", ["cron(0 0 29 2 ? *)", "rate(1 day)", "at(2020-01-01T00:00:00)"])
def test_what_comes_rarely_or_came_once_is_not_never(text: str) -> None:
    assert not parse(text).never
    assert parse(text).warnings() == []


# --- sharing ---


def test_threads_sharing_one_expression_get_the_answers_of_one_alone() -> None:
    text, zone = "cron(*/20 * ? * MON-FRI *)", "America/New_York"
    instants = [at("2026-03-01T00:00:00Z") + timedelta(hours=7 * n) for n in range(600)]
    alone = [Occurrences(parse(text, zone)).next_after(instant) for instant in instants]
    parse.cache_clear()
    shared = Occurrences(parse(text, zone))
    wrong: list[datetime] = []

    def ask(order: list[int]) -> None:
        wrong.extend(instants[n] for n in order if shared.next_after(instants[n]) != alone[n])

    orders = [list(range(600))[:: 1 if n % 2 else -1] for n in range(4)]
    threads = [threading.Thread(target=ask, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
