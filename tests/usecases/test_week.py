"""The week, on both hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.calendar_definition import CalendarDefinition, Found
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason, Span, execution_id
from rez_agent.domain.schedule import Pause, Schedule
from rez_agent.domain.week import MarkFate
from rez_agent.ports import Ports, ScheduleQuery
from rez_agent.usecases.calendars import calendar_used, create_calendar
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.entries import asked_execution
from rez_agent.usecases.week import SCHEDULES_AT_ONCE, Row, Week, week
from tests.contract.hosts import STEPPED, LocalStepped, SteppedHost
from tests.fakes import NOON
from tests.rig import ANN, BOB, schedule_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = NOON.replace(hour=0)
LONG_AGO = NOON - 30 * DAY
DAILY = "cron(0 9 * * ? *)"


@pytest.fixture(params=STEPPED)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SteppedHost]:
    """An empty host, on Monday at noon."""
    with STEPPED[request.param](tmp_path) as made:
        yield made


def asked(host: SteppedHost, caller: Caller = ANN, **options: Any) -> Week:
    first, timezone = options.pop("first", None), options.pop("timezone", "UTC")
    query = ScheduleQuery(**options)
    return host.ask(lambda ports: week(ports, caller, query, first=first, timezone=timezone))


def kept(host: SteppedHost, *schedules: Schedule, ran: tuple[Execution, ...] = ()) -> None:
    def keep(ports: Ports) -> None:
        for schedule in schedules:
            ports.schedules.add(schedule)
        ports.ledger.add(ran)

    host.ask(keep)


def daily(name: str = "daily", **changes: Any) -> Schedule:
    return schedule_of(name, **{"schedule_expression": DAILY, "now": LONG_AGO, **changes})


def entry(schedule: Schedule, at: Any, status: ExecutionStatus, **changes: Any) -> Execution:
    made = asked_execution(schedule, at, Cause.SCHEDULE, "msg_1", now=at)
    return replace(
        made,
        id=execution_id(schedule.id, at),
        status=status,
        next_attempt_at=None,
        finished_at=at,
        **changes,
    )


def told(row: Row) -> list[str]:
    return [mark.fate.value for mark in row.marks]


def test_a_week_begins_on_its_monday_and_has_seven_days_of_the_zone(host: SteppedHost) -> None:
    host.clock.advance_to(NOON + 3 * DAY)
    found = asked(host)
    assert (found.begins, found.ends) == (MONDAY, MONDAY + 7 * DAY)
    assert (found.rows, found.next_cursor, found.load.per_hour) == ((), None, (0.0,) * 168)

    across = asked(host, first=date(2026, 10, 19), timezone="Europe/Berlin")
    assert across.ends - across.begins == 7 * DAY + HOUR  # the clocks go back on the 25th
    assert len(across.days) == 8


def test_runs_that_were_are_filled_and_those_to_come_are_hollow(host: SteppedHost) -> None:
    schedule = daily()
    host.clock.advance_to(NOON + 2 * DAY)
    kept(
        host,
        schedule,
        ran=(
            entry(schedule, MONDAY + 9 * HOUR, ExecutionStatus.SUCCEEDED),
            entry(schedule, MONDAY + DAY + 9 * HOUR, ExecutionStatus.FAILED),
        ),
    )
    (row,) = asked(host).rows
    assert told(row) == ["succeeded", "failed", "missed", *["expected"] * 4]
    assert (row.expected, row.unread, row.cells) == (7, False, ())
    assert row.marks[0].execution is not None
    assert row.marks[0].execution.id == execution_id(schedule.id, MONDAY + 9 * HOUR)


def test_an_outage_that_began_in_the_week_before_is_shown(host: SteppedHost) -> None:
    schedule = daily()
    host.clock.advance_to(NOON + 2 * DAY)
    first = MONDAY - 2 * DAY + 9 * HOUR
    span = Span(first, first + 4 * DAY, 5)
    outage = entry(schedule, first, ExecutionStatus.SKIPPED, reason=Reason.MISSED, span=span)
    kept(host, schedule, ran=(outage,))
    (row,) = asked(host).rows
    assert told(row) == ["missed", *["expected"] * 4]
    assert row.marks[0].count == 5


def test_a_paused_schedule_shows_its_pause(host: SteppedHost) -> None:
    schedule = daily()
    kept(host, schedule)
    paused = schedule.paused(Pause(MONDAY, "ann", "moving", until=MONDAY + 2 * DAY))
    host.ask(lambda ports: ports.schedules.replace(paused, schedule))
    (row,) = asked(host).rows
    assert told(row) == ["paused", "paused", *["expected"] * 5]


def test_what_is_due_every_minute_is_counted_by_the_hour(host: SteppedHost) -> None:
    schedule = daily("dense", schedule_expression="cron(* * * * ? *)")
    minutes = [NOON - n * timedelta(minutes=1) for n in range(30)]
    kept(host, schedule, ran=tuple(entry(schedule, at, ExecutionStatus.SUCCEEDED) for at in minutes))
    (row,) = asked(host).rows
    assert (row.expected, row.marks, len(row.cells)) == (7 * 24 * 60, (), 168)
    assert row.cells[11].fates[MarkFate.SUCCEEDED] == 29
    assert row.cells[12].fates == {"succeeded": 1, "expected": 59}
    assert row.cells[13].fates == {"expected": 60}


def test_a_dense_schedule_is_read_only_so_far_and_says_so(host: SteppedHost) -> None:
    several = [daily(f"dense{n}", schedule_expression="rate(1 minute)") for n in range(SCHEDULES_AT_ONCE)]
    minutes = [NOON - n * timedelta(minutes=1) for n in range(70)]
    kept(host, *several, ran=tuple(entry(several[0], at, ExecutionStatus.SUCCEEDED) for at in minutes))
    row = next(one for one in asked(host).rows if one.schedule.id == several[0].id)
    assert row.unread
    assert sum(cell.fates.get(MarkFate.SUCCEEDED, 0) for cell in row.cells) == 60
    assert sum(cell.fates.get(MarkFate.MISSED, 0) for cell in row.cells) == 0


def test_a_page_of_schedules_has_a_next_one_and_the_load_is_of_all(host: SteppedHost) -> None:
    kept(
        host, *(daily(f"s{n}", now=LONG_AGO + n * timedelta(seconds=1)) for n in range(SCHEDULES_AT_ONCE + 5))
    )
    first = asked(host)
    second = asked(host, cursor=first.next_cursor)
    assert (len(first.rows), len(second.rows), second.next_cursor) == (SCHEDULES_AT_ONCE, 5, None)
    assert (first.total, first.load.counted, first.load.whole) == (SCHEDULES_AT_ONCE + 5, 55, True)
    assert first.load == second.load


def test_busy_minutes_are_named_with_the_window_that_flattens_them(host: SteppedHost) -> None:
    kept(host, *(daily(f"s{n}") for n in range(20)), daily("lone", schedule_expression="cron(0 12 * * ? *)"))
    load = asked(host).load
    assert load.busiest == tuple((MONDAY + n * DAY + 9 * HOUR, 20.0) for n in range(3))
    assert (load.per_hour[9], load.peaks[9]) == (20, 20)
    assert load.per_hour[12] == 1
    assert load.flattening is not None
    assert (load.flattening.window_minutes, load.flattening.peak) == (2, 10)


def test_an_even_load_has_no_busy_minutes(host: SteppedHost) -> None:
    kept(host, daily())
    load = asked(host).load
    assert (load.busiest, load.flattening) == ((), None)


def test_paused_schedules_are_no_load_unless_their_pause_ends(host: SteppedHost) -> None:
    one, two = daily("one"), daily("two")
    kept(host, one, two)
    for schedule, until in ((one, None), (two, MONDAY + 5 * DAY)):
        paused = schedule.paused(Pause(MONDAY, "ann", until=until))
        host.ask(lambda ports, p=paused, s=schedule: ports.schedules.replace(p, s))  # type: ignore[misc]
    assert sum(asked(host).load.per_hour) == 2


def test_counting_the_load_stops_at_so_many_occurrences_and_says_so(host: SteppedHost) -> None:
    several = ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York", "Asia/Kolkata")
    kept(
        host,
        *(
            daily(f"m{n}-{hour}", schedule_expression=f"cron(* {hour}-23 * * ? *)", timezone=zone)
            for n, zone in enumerate(several)
            for hour in range(4)
        ),
    )
    load = asked(host).load
    assert not load.whole
    assert load.counted < 20


def test_a_day_that_its_calendar_closes_is_going_to_be_skipped(host: SteppedHost) -> None:
    made = CalendarDefinition.model_validate({"closed": {"2026-06-03": "a holiday"}})
    host.ask(lambda ports: create_calendar(ports, ANN, "at", made, Found({})))
    skips = daily("skips", calendar="at")
    moves = daily("moves", calendar={"name": "at", "closed": "next"}, schedule_expression="cron(0 8 * * ? *)")
    for one in (skips, moves):
        with_days = replace(one, calendar=host.ask(lambda ports, s=one: used(ports, s)))  # type: ignore[misc]
        kept(host, with_days)
    told_ = {row.schedule.definition.name: told(row)[-4:] for row in asked(host).rows}
    assert told(asked(host, name_prefix="skips").rows[0])[2] == "skipped"
    assert told_["moves"] == ["expected"] * 4
    per_hour = asked(host).load.per_hour
    assert [per_hour[day * 24 + 9] for day in (2, 3)] == [0, 1]
    assert [per_hour[day * 24 + 8] for day in (2, 3)] == [0, 1]


def used(ports: Ports, schedule: Schedule) -> Calendar | None:
    return calendar_used(ports.records, schedule.definition.calendar, ports.clock.now())


def test_filters_and_owners_narrow_the_week(host: SteppedHost) -> None:
    kept(host, daily("one", tags=["x"]), daily("two"), daily("his", created_by="bob"))
    assert [row.schedule.definition.name for row in asked(host, tag="x").rows] == ["one"]
    assert [row.schedule.definition.name for row in asked(host, name_prefix="tw").rows] == ["two"]
    assert [row.schedule.definition.name for row in asked(host, BOB).rows] == ["his"]
    assert asked(host, BOB).load.counted == 1


def test_a_zone_that_is_not_known_is_refused(host: SteppedHost) -> None:
    with pytest.raises(Invalid) as refused:
        asked(host, timezone="Europe/Berln")
    assert refused.value.code == "invalid_timezone"
    with pytest.raises(Invalid):
        asked(host, first=date.max)


def test_a_schedule_whose_zone_is_gone_is_shown_without_occurrences(tmp_path: Path) -> None:
    local = LocalStepped(tmp_path)
    kept(local, daily())
    local.connection.execute("UPDATE schedules SET timezone = 'Mars/Olympus'")
    (row,) = asked(local).rows
    assert (row.expected, row.marks) == (0, ())
    local.close()
