"""When a schedule is due that heeds a calendar: cases by name, and what holds for every one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rez_agent.domain.calendar import EVERY_DAY, Calendar
from rez_agent.domain.calendar_times import MovedOccurrences, OnDays, closed_sentence
from rez_agent.domain.expression import Occurrences, parse
from rez_agent.domain.instants import to_seconds
from tests.domain.calendars import WORKING_WEEK, calendar_of, calendars_around, moved_naively
from tests.domain.oracle import zone_info
from tests.domain.strategies import LIVELY_ZONES, often
from tests.steps import Steps

_CHANGES = (
    datetime(2026, 3, 8, tzinfo=UTC),
    datetime(2026, 3, 29, tzinfo=UTC),
    datetime(2026, 10, 25, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 6, 15, tzinfo=UTC),
)
changes = st.sampled_from(_CHANGES)
expressions = often | st.sampled_from(
    ("rate(7 hours)", "rate(1 day)", "rate(45 minutes)", "cron(30 2 * * ? *)", "cron(30 1 * * ? *)")
)
zones = st.sampled_from([name for name in LIVELY_ZONES if name != "Africa/Monrovia"])


def nominal_of(text: str, timezone: str = "UTC") -> Occurrences:
    return Occurrences(parse(text, timezone), anchor=datetime(2026, 1, 1, 5, 17, tzinfo=UTC))


def moved(text: str, calendar: Calendar, timezone: str = "UTC", *, forward: bool = True) -> MovedOccurrences:
    return MovedOccurrences(nominal_of(text, timezone), calendar, forward=forward)


def shown(times: list[datetime]) -> list[str]:
    return [f"{each:%m-%d %H:%M}" for each in times]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_occurrence_on_a_closed_day_moves_to_the_same_time_of_the_next_open_one() -> None:
    times = moved("cron(0 9 25 12 ? *)", calendar_of("2026-12-25", "2026-12-26"))
    assert times.next_after(at("2026-01-01")) == at("2026-12-27T09:00:00")
    assert times.next_after(at("2026-12-27T09:00:00")) == at("2027-12-25T09:00:00")


def test_or_of_the_previous_open_one() -> None:
    times = moved("cron(0 9 LW * ? *)", calendar_of("2026-12-31", weekdays=WORKING_WEEK), forward=False)
    assert shown(times.between(at("2026-11-01"), at("2027-02-01"), 9)) == [
        "11-30 09:00",
        "12-30 09:00",
        "01-29 09:00",
    ]


def test_what_lands_on_an_instant_that_is_due_anyway_is_one_occurrence() -> None:
    times = moved("cron(0 9 * * ? *)", calendar_of("2026-12-25", "2026-12-26"))
    found = times.between(at("2026-12-24"), at("2026-12-29"), 9)
    assert shown(found) == ["12-24 09:00", "12-27 09:00", "12-28 09:00"]
    assert times.count_between(at("2026-12-24"), at("2026-12-29")) == 3
    origins = times.moved_from(to_seconds(at("2026-12-27T09:00:00")))
    assert [shown([datetime.fromtimestamp(each, UTC)]) for each in origins] == [
        ["12-25 09:00"],
        ["12-26 09:00"],
    ]


def test_different_times_of_the_days_in_between_are_all_kept() -> None:
    times = moved("rate(30 hours)", calendar_of(weekdays=WORKING_WEEK))
    naive = moved_naively(
        nominal_of("rate(30 hours)").between(at("2026-01-01"), at("2026-03-01"), 99),
        calendar_of(weekdays=WORKING_WEEK),
        zone_info("UTC"),
        forward=True,
    )
    found = times.between(at("2026-01-01"), at("2026-02-20"), 99)
    assert found == [each for each in naive if each <= at("2026-02-20")]
    assert all(each.weekday() < 5 for each in found)


def test_a_wall_time_in_a_gap_of_the_day_it_is_moved_to_moves_forward_by_the_gap() -> None:
    times = moved("cron(30 2 28 3 ? *)", calendar_of("2026-03-28"), "Europe/Vienna")
    assert times.next_after(at("2026-03-01")) == at("2026-03-29T01:30:00")  # 03:30 on the clock


def test_a_wall_time_that_comes_twice_is_its_first_pass() -> None:
    times = moved("cron(30 2 24 10 ? *)", calendar_of("2026-10-24"), "Europe/Vienna")
    assert times.next_after(at("2026-10-01")) == at("2026-10-25T00:30:00")


def test_where_no_day_is_open_near_enough_an_occurrence_stays() -> None:
    never = calendar_of(weekdays=())
    assert moved("cron(0 9 1 * ? *)", never).next_after(at("2026-05-01T12:00:00")) == at(
        "2026-06-01T09:00:00"
    )
    edge = calendar_of(weekdays=(), opened=["2026-07-02"])
    assert moved("cron(0 9 1 * ? *)", edge).next_after(at("2026-05-01T12:00:00")) == at("2026-07-02T09:00:00")


def test_an_at_moves_too() -> None:
    times = moved("at(2026-12-25T09:00:00)", calendar_of("2026-12-25"), forward=False)
    assert times.next_after(at("2026-12-01")) == at("2026-12-24T09:00:00")
    assert times.next_after(at("2026-12-24T09:00:00")) is None
    assert times.previous_before(at("2030-01-01")) == at("2026-12-24T09:00:00")


def test_a_closed_day_says_why() -> None:
    times = nominal_of("cron(30 23 * * ? *)", "America/New_York")
    calendar = calendar_of("2026-12-25 Christmas Day", weekdays=WORKING_WEEK, opened=["2026-12-27"])

    def why(text: str) -> str | None:
        return closed_sentence(times, calendar, to_seconds(at(text)))

    assert why("2026-12-26T04:30:00") == "2026-12-25 is closed in calendar 'at': Christmas Day"
    assert why("2026-12-27T04:30:00") == "2026-12-26 is closed in calendar 'at': Saturday"
    assert why("2026-12-28T04:30:00") is None


@pytest.mark.parametrize("forward", [True, False])
def test_no_search_takes_long(forward: bool) -> None:
    """A minutely schedule, and one that is due once a year, with a month that is closed."""
    june = [f"2026-06-{day:02}" for day in range(1, 31)]
    calendar = calendar_of(*june, weekdays=WORKING_WEEK)
    yearly = moved("cron(0 9 29 2 ? *)", calendar, forward=forward)
    minutely = moved("cron(* * * * ? *)", calendar, forward=forward)
    with Steps() as of_a_few_days:
        assert yearly.next_after(at("2025-01-01")) is not None
        assert yearly.previous_before(at("2027-01-01")) is not None
    with Steps() as of_a_month_of_minutes:
        assert minutely.next_after(at("2026-06-10T12:00:00")) is not None
        assert minutely.previous_before(at("2026-06-10T12:00:00")) is not None
    with Steps() as of_a_year_of_minutes:
        assert minutely.count_between(at("2026-01-01"), at("2026-12-31")) > 100_000
    assert of_a_few_days.count < 1_000
    assert of_a_month_of_minutes.count < 6 * 30 * 24 * 60
    assert of_a_year_of_minutes.count < 3 * 365 * 24 * 60


# --- properties ---


@settings(max_examples=250, deadline=None)
@given(data=st.data(), text=expressions, timezone=zones, middle=changes, forward=st.booleans())
def test_moved_occurrences_are_those_of_a_walk_over_every_one(
    data: st.DataObject, text: str, timezone: str, middle: datetime, forward: bool
) -> None:
    calendar = data.draw(calendars_around(middle.date()))
    begin, end = middle - timedelta(days=12), middle + timedelta(days=12)
    nominal = nominal_of(text, timezone)
    if nominal.count_between(begin, end) > 3_000:
        text = "cron(5 */7 * * ? *)"
        nominal = nominal_of(text, timezone)
    times = MovedOccurrences(nominal, calendar, forward=forward)
    wide = nominal.between(begin - timedelta(days=35), end + timedelta(days=35), 100_000)
    naive = moved_naively(wide, calendar, zone_info(timezone), forward=forward)
    expected = [each for each in naive if begin < each <= end]
    assert times.between(begin, end, 100_000) == expected
    assert times.count_between(begin, end) == len(expected)
    backwards: list[datetime] = []
    found = times.previous_before(end + timedelta(seconds=1))
    while found is not None and found > begin:
        backwards.append(found)
        found = times.previous_before(found)
    assert backwards[::-1] == expected


@settings(max_examples=200, deadline=None)
@given(data=st.data(), text=expressions, timezone=zones, middle=changes, closed=st.booleans())
def test_open_and_closed_days_share_the_occurrences_between_them(
    data: st.DataObject, text: str, timezone: str, middle: datetime, closed: bool
) -> None:
    calendar = data.draw(calendars_around(middle.date()))
    begin, end = middle - timedelta(days=9), middle + timedelta(days=9)
    nominal, info = nominal_of(text, timezone), zone_info(timezone)
    low, high = to_seconds(begin) + 1, to_seconds(end)
    times = OnDays(nominal, calendar, closed=closed, low=low, high=high)
    expected = [
        to_seconds(each)
        for each in nominal.between(begin, end, 100_000)
        if (calendar.why_closed(each.astimezone(info).date()) is not None) is closed
    ]
    assert times.count_epochs(low - 1, high) == len(expected)
    found, walked = times.next_epoch(low - 1), list[int]()
    while found is not None and len(walked) < 500:
        walked.append(found)
        found = times.next_epoch(found)
    assert walked == expected[:500]
    found, back = times.previous_epoch(high + 1), list[int]()
    while found is not None and len(back) < 500:
        back.append(found)
        found = times.previous_epoch(found)
    assert back == expected[::-1][:500]


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    text=expressions,
    timezone=zones,
    middle=changes,
    forward=st.booleans(),
    days=st.integers(-9, 9),
)
def test_the_next_is_later_and_its_previous_is_not_later_than_the_asking(
    data: st.DataObject, text: str, timezone: str, middle: datetime, forward: bool, days: int
) -> None:
    calendar = data.draw(calendars_around(middle.date()))
    times = MovedOccurrences(nominal_of(text, timezone), calendar, forward=forward)
    asked = middle + timedelta(days=days)
    following = times.next_after(asked)
    if following is not None:
        assert following > asked
        assert times.matches(following)
        before = times.previous_before(following)
        assert before is None or before <= asked


@given(st.integers(-400, 400), calendars_around(date(2026, 6, 15)))
def test_what_is_open_next_is_open_and_nothing_between_is(offset: int, calendar: Calendar) -> None:
    number = 20_619 + offset
    following, preceding = calendar.next_open(number), calendar.previous_open(number)
    if following is not None:
        assert not calendar.is_closed(following)
        assert all(calendar.is_closed(day) for day in range(number + 1, following))
    if preceding is not None:
        assert not calendar.is_closed(preceding)
        assert all(calendar.is_closed(day) for day in range(preceding + 1, number))


def test_days_are_told_one_by_one() -> None:
    calendar = calendar_of(
        "2026-12-25 Christmas Day", "2026-12-26", opened=["2026-12-27"], weekdays=EVERY_DAY - {6}
    )
    assert [label for _, label in calendar.days(date(2026, 12, 24), date(2026, 12, 28))] == [
        None,
        "Christmas Day",
        "closed",
        None,
        None,
    ]
