"""What is owed on open and on closed days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.calendar_due import owed_on_open_days
from rez_agent.domain.due import InFlight, Owed
from rez_agent.domain.execution import Cause, Reason
from rez_agent.domain.expression import Occurrences, parse
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.policies import CatchUp, CatchUpMode, Overlap
from tests.domain.calendars import WORKING_WEEK, calendar_of, calendars_around

DAILY = Occurrences(parse("cron(0 9 * * ? *)"))
WEEK = calendar_of("2026-12-25 Christmas Day", weekdays=WORKING_WEEK)


def at(text: str) -> int:
    return to_seconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


def owed(
    calendar: Calendar,
    cursor: str,
    now: str,
    mode: CatchUpMode = CatchUpMode.LATEST,
    times: Occurrences = DAILY,
) -> Owed:
    return owed_on_open_days(
        times,
        calendar,
        cursor=at(cursor),
        now=at(now),
        catch_up=CatchUp(mode=mode, window_seconds=7 * 86_400),
        overlap=Overlap.ALLOW,
        in_flight=InFlight(),
    )


def fires(decided: Owed) -> list[str]:
    return [f"{from_seconds(fire.scheduled):%m-%d %H:%M} {fire.cause}" for fire in decided.fires]


def skips(decided: Owed) -> list[tuple[str, str, int]]:
    return [
        (skip.reason.value, f"{from_seconds(skip.passed.first):%m-%d}", skip.passed.count)
        for skip in decided.skips
    ]


def test_an_open_day_fires() -> None:
    decided = owed(WEEK, "2026-12-24T09:00:00", "2026-12-24T09:00:02")
    assert fires(decided) == ["12-24 09:00 schedule"]
    assert decided.skips == []
    assert decided.next_run == at("2026-12-25T09:00:00")


def test_a_closed_day_is_skipped_and_says_why() -> None:
    decided = owed(WEEK, "2026-12-25T09:00:00", "2026-12-25T09:00:02")
    assert decided.fires == []
    assert skips(decided) == [("calendar", "12-25", 1)]
    assert decided.skips[0].detail == "2026-12-25 is closed in calendar 'at': Christmas Day"
    assert decided.next_run == at("2026-12-26T09:00:00")


def test_after_an_outage_the_latest_that_was_open_is_made_good() -> None:
    decided = owed(WEEK, "2026-12-23T09:00:00", "2026-12-27T12:00:00")
    assert fires(decided) == ["12-24 09:00 catch_up"]
    assert skips(decided) == [("missed", "12-23", 1), ("calendar", "12-25", 3)]
    assert decided.skips[1].detail == (
        "on days from 2026-12-25 to 2026-12-27 that are closed in calendar 'at'"
    )
    assert decided.next_run == at("2026-12-28T09:00:00")


def test_where_every_day_is_closed_nothing_fires_and_one_entry_tells() -> None:
    decided = owed(calendar_of(weekdays=()), "2026-06-01T09:00:00", "2026-06-30T12:00:00")
    assert decided.fires == []
    assert skips(decided) == [("calendar", "06-01", 30)]


def test_a_cursor_that_is_no_occurrence_any_more_counts_as_one() -> None:
    decided = owed(WEEK, "2026-12-24T10:00:00", "2026-12-24T10:00:01")
    assert fires(decided) == ["12-24 10:00 schedule"]
    decided = owed(WEEK, "2026-12-25T10:00:00", "2026-12-25T10:00:01")
    assert (decided.fires, decided.skips) == ([], [])
    assert decided.next_run == at("2026-12-26T09:00:00")


@settings(max_examples=200, deadline=None)
@given(
    calendar=calendars_around(datetime(2026, 6, 15, tzinfo=UTC).date()),
    text=st.sampled_from(
        ("cron(0 9 * * ? *)", "cron(0 */3 * * ? *)", "cron(*/20 * * * ? *)", "rate(50 hours)")
    ),
    timezone=st.sampled_from(("UTC", "Pacific/Kiritimati", "America/New_York")),
    first=st.integers(-20, 20),
    hours=st.integers(0, 400),
    mode=st.sampled_from(list(CatchUpMode)),
)
def test_every_occurrence_is_accounted_for_once_and_none_fires_on_a_closed_day(
    calendar: Calendar, text: str, timezone: str, first: int, hours: int, mode: CatchUpMode
) -> None:
    times = Occurrences(parse(text, timezone), anchor=datetime(2026, 1, 1, tzinfo=UTC))
    begins = datetime(2026, 6, 15, tzinfo=UTC) + timedelta(days=first)
    cursor = times.next_epoch(to_seconds(begins))
    assert cursor is not None
    now, total, fired = cursor + 3600 * hours, 0, 0
    expected = times.count_epochs(cursor - 1, now)
    following: int | None = cursor
    while following is not None and following <= now:
        decided = owed_on_open_days(
            times,
            calendar,
            cursor=following,
            now=now,
            catch_up=CatchUp(mode=mode, window_seconds=10_000_000),
            overlap=Overlap.ALLOW,
            in_flight=InFlight(),
        )
        for fire in decided.fires:
            day = from_seconds(fire.scheduled).astimezone(times.expression.zone.info).date()
            assert calendar.why_closed(day) is None
        fired += len(decided.fires)
        total += len(decided.fires) + sum(skip.passed.count for skip in decided.skips)
        assert all((skip.detail is not None) is (skip.reason is Reason.CALENDAR) for skip in decided.skips)
        assert decided.next_run is None or decided.next_run > following
        following = decided.next_run
    assert total == expected
    assert fired <= 1 + 3 or mode is CatchUpMode.ALL
    assert all(fire.cause in (Cause.SCHEDULE, Cause.CATCH_UP) for fire in decided.fires)
