"""The week: all that schedules are due and were, on one timeline, as far as a page can show it.

Everything is bounded: so many schedules a page, so many executions of each, so many schedules in the load.
Where something was left out, the answer says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from heapq import nlargest
from zoneinfo import ZoneInfo

from rez_agent.domain.calendar_times import LocalDays, OnDays
from rez_agent.domain.due import Instants
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import Execution
from rez_agent.domain.forecast import MINUTE, Forecast, Load, Tally
from rez_agent.domain.instants import from_seconds, to_seconds, to_utc
from rez_agent.domain.schedule import Schedule, ScheduleStatus
from rez_agent.domain.week import DAY, Cell, Facts, Mark, Times, cells_of, marks_of
from rez_agent.domain.zones import suggest_zone, zone
from rez_agent.ports import Ports, ScheduleQuery
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.history import schedules_for

SCHEDULES_AT_ONCE = 50
"""Schedules on one page."""

MARKS_AT_MOST = 84
"""Occurrences of a schedule in the week that are told one by one; of more, only numbers by the hour."""

ASKED_FOR = 40
"""Executions that are read besides, for what people asked for."""

DENSE_READ = 3_000
"""Executions that are read of the page's schedules that are due more often than that, all together."""

SCHEDULES_COUNTED = 1_000
"""Schedules that the load counts."""

OCCURRENCES_COUNTED = 150_000
"""Occurrences that counting the load may visit."""

BUSIEST = 3
"""Minutes that are named."""

WINDOWS = (2, 3, 5, 10, 15, 30, 60, 120, 240, 480, 1_440)
"""Flexible windows that are tried, in minutes."""


@dataclass(frozen=True, slots=True)
class Row:
    """A schedule's week: ``marks`` one by one, or ``cells`` by the hour. ``unread``: there are older
    executions in the week that were not read."""

    schedule: Schedule
    expected: int
    marks: tuple[Mark, ...] = ()
    cells: tuple[Cell, ...] = ()
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Flattening:
    """The shortest of :data:`WINDOWS` under which the busiest minute has at most half of what it has."""

    window_minutes: int
    peak: float


@dataclass(frozen=True, slots=True)
class WeekLoad:
    """What the present definitions start in the week: by the hour, in the busiest minute of each hour, and
    the busiest minutes of all with more than one, busiest first. ``counted`` of the schedules are in it,
    ``whole`` when those are all."""

    per_hour: tuple[float, ...]
    peaks: tuple[float, ...]
    busiest: tuple[tuple[datetime, float], ...]
    flattening: Flattening | None
    counted: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days of a zone: ``days`` are the eight midnights around them. ``total`` as a list has it."""

    timezone: str
    days: tuple[datetime, ...]
    now: datetime
    rows: tuple[Row, ...]
    next_cursor: str | None
    total: int
    total_is_exact: bool
    load: WeekLoad

    @property
    def info(self) -> ZoneInfo:
        """The zone itself."""
        return _zone(self.timezone)

    @property
    def begins(self) -> datetime:
        """The first midnight."""
        return self.days[0]

    @property
    def ends(self) -> datetime:
        """The last midnight, which the week does not include."""
        return self.days[-1]


def week(ports: Ports, caller: Caller, query: ScheduleQuery, *, first: date | None, timezone: str) -> Week:
    """The seven days from ``first`` on, a day of ``timezone``; from the present week's Monday without it.

    Of ``query``, its filters and cursor count. Raises Invalid ``invalid_timezone``, ``invalid_cursor``.
    """
    now = ports.clock.now()
    days = _midnights(first, timezone, now)
    stretch = _Stretch(to_seconds(days[0]), to_seconds(days[-1]), to_seconds(now))
    page = schedules_for(ports, caller, replace(query, limit=SCHEDULES_AT_ONCE))
    return Week(
        timezone=timezone,
        days=days,
        now=now,
        rows=_rows(ports, page.items, stretch),
        next_cursor=page.next_cursor,
        total=page.total,
        total_is_exact=page.total_is_exact,
        load=_load(ports, caller, query, stretch.begins, stretch.ends),
    )


def _midnights(first: date | None, timezone: str, now: datetime) -> tuple[datetime, ...]:
    info = _zone(timezone)
    if first is None:
        today = now.astimezone(info).date()
        first = today - timedelta(days=today.weekday())
    try:
        days = [first + timedelta(days=number) for number in range(8)]
        return tuple(to_utc(datetime.combine(day, time(), info)) for day in days)
    except OverflowError:
        raise Invalid("That week lies outside of the calendar. Ask for another one.") from None


def _zone(name: str) -> ZoneInfo:
    try:
        info: ZoneInfo = zone(name).info
    except KeyError:
        raise Invalid(suggest_zone(name), code="invalid_timezone") from None
    return info


# --- the rows ---


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The week, and now, in seconds."""

    begins: int
    ends: int
    now: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """Executions in the week, and the entry before it, which may reach into it; those since ``read`` are
    all there are."""

    executions: tuple[Execution, ...]
    read: int
    unread: bool


def _rows(ports: Ports, schedules: Sequence[Schedule], stretch: _Stretch) -> tuple[Row, ...]:
    times = {one.id: _times(one) for one in schedules}
    expected = {one.id: _expected(one, times[one.id], stretch) for one in schedules}
    dense = [one_id for one_id, count in expected.items() if count > MARKS_AT_MOST]
    sparse = [one_id for one_id, count in expected.items() if count <= MARKS_AT_MOST]
    readings = _read(ports, sparse, MARKS_AT_MOST + ASKED_FOR, stretch)
    readings |= _read(ports, dense, max(DENSE_READ // max(len(dense), 1), ASKED_FOR), stretch)
    return tuple(_row(one, times[one.id], expected[one.id], readings[one.id], stretch) for one in schedules)


def _times(schedule: Schedule) -> Times:
    try:
        return schedule.occurrences
    except Invalid:  # its zone has left the tz database
        return Instants(())


def _expected(schedule: Schedule, times: Times, stretch: _Stretch) -> int:
    first = max(stretch.begins, to_seconds(schedule.created_date))
    return times.count_epochs(first - 1, stretch.ends - 1)


def _read(ports: Ports, schedule_ids: Sequence[str], each: int, stretch: _Stretch) -> dict[str, _Reading]:
    """What became of the schedules in the week. An entry for many is written where the first of them was, so
    the last one before the week is read too."""
    begins, ends = from_seconds(stretch.begins), from_seconds(stretch.ends)
    if stretch.begins > stretch.now:
        return {one: _Reading((), stretch.begins, unread=False) for one in schedule_ids}
    within = ports.ledger.latest(schedule_ids, each, since=begins, until=ends)
    before = ports.ledger.latest(schedule_ids, 1, until=begins)
    return {one: _reading(within[one], before[one], each, stretch.begins) for one in schedule_ids}


def _reading(
    within: tuple[Execution, ...], before: tuple[Execution, ...], each: int, begins: int
) -> _Reading:
    if len(within) == each:
        return _Reading(within, to_seconds(within[-1].scheduled_time), unread=True)
    return _Reading(within + tuple(one for one in before if one.span is not None), begins, unread=False)


def _row(schedule: Schedule, times: Times, expected: int, reading: _Reading, stretch: _Stretch) -> Row:
    facts = _facts(schedule, reading, stretch)
    begins, ends = stretch.begins, stretch.ends
    if expected > MARKS_AT_MOST:
        cells = cells_of(times, reading.executions, facts, begins, ends)
        return Row(schedule, expected, cells=cells, unread=reading.unread)
    marks = marks_of(times, reading.executions, facts, begins, ends)
    return Row(schedule, expected, marks=marks, unread=reading.unread)


def _facts(schedule: Schedule, reading: _Reading, stretch: _Stretch) -> Facts:
    pause = schedule.pause
    return Facts(
        now=stretch.now,
        born=to_seconds(schedule.created_date),
        defined=to_seconds(schedule.updated_date),
        read=reading.read,
        paused=None if pause is None else (to_seconds(pause.since), _seconds(pause.until)),
        firing=schedule.status in (ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED),
        closed=_closed_days(schedule, stretch),
    )


def _closed_days(schedule: Schedule, stretch: _Stretch) -> tuple[tuple[int, int], ...]:
    """The days of the week that the schedule's calendar closes, where that skips what is due on them."""
    calendar = schedule.calendar
    if calendar is None or schedule.definition.calendar is None or schedule.moves:
        return ()
    try:
        days = LocalDays(schedule.definition.expression.zone)
    except Invalid:  # its zone has left the tz database
        return ()
    numbers = range(days.of(stretch.begins), days.of(stretch.ends) + 1)
    return tuple((days.start(one), days.start(one + 1)) for one in numbers if calendar.is_closed(one))


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else to_seconds(instant)


# --- the load ---


def _load(ports: Ports, caller: Caller, query: ScheduleQuery, begins: int, ends: int) -> WeekLoad:
    """The load of the first schedules that the filters let through, whatever page is asked for."""
    wanted = replace(query, cursor=None, limit=SCHEDULES_COUNTED)
    page = schedules_for(ports, caller, wanted)
    tally, counted, visits = Tally(begins, (ends - begins) // MINUTE), 0, 0
    for schedule in page.items:
        visits += _add(tally, schedule, begins, ends)
        counted += 1
        if visits > OCCURRENCES_COUNTED:
            break
    whole = counted == len(page.items) and page.next_cursor is None
    return _told(tally.forecast(), counted, whole=whole)


def _add(tally: Tally, schedule: Schedule, begins: int, ends: int) -> int:
    """Count a schedule; how many occurrences that visits. What its calendar skips is no load."""
    load = load_of(schedule)
    if load is None:
        return 0
    if schedule.definition.calendar is not None:
        times = _heeding_times(schedule, begins - DAY, ends)
        return tally.add_times(times, since=load.since, window_minutes=load.window_minutes)
    return _times(schedule).count_epochs(begins - DAY, ends) if tally.add(load) else 0


def _heeding_times(schedule: Schedule, low: int, high: int) -> Times:
    """When a schedule that heeds a calendar starts something between two instants."""
    try:
        times = schedule.occurrences
    except Invalid:  # its zone has left the tz database, or its calendar is gone
        return Instants(())
    if schedule.moves or schedule.calendar is None:
        return times
    return OnDays(times, schedule.calendar, closed=False, low=low, high=high)


def load_of(schedule: Schedule) -> Load | None:
    """What a schedule adds to the load; None if nothing, as long as nobody changes it."""
    since = _fires_from(schedule)
    if since is None:
        return None
    try:
        expression = schedule.definition.expression
    except Invalid:  # its zone has left the tz database
        return None
    definition = schedule.definition
    return Load(
        expression,
        created=to_seconds(schedule.created_date),
        since=since,
        start=_seconds(definition.start),
        end=_seconds(definition.end),
        window_minutes=definition.policies.flexible_window_minutes,
    )


def _fires_from(schedule: Schedule) -> int | None:
    """From when on it may fire: its creation, or the end of its pause; None where it does not."""
    if schedule.pause is not None:
        return _seconds(schedule.pause.until)
    if schedule.status is not ScheduleStatus.ACTIVE:
        return None
    return to_seconds(schedule.created_date)


def _told(forecast: Forecast, counted: int, *, whole: bool) -> WeekLoad:
    standing = forecast.as_it_stands()
    hours = range(0, len(standing), 60)
    order = nlargest(BUSIEST, range(len(standing)), key=standing.__getitem__)
    busiest = [
        (from_seconds(forecast.begins + MINUTE * at), standing[at]) for at in order if standing[at] > 1
    ]
    return WeekLoad(
        per_hour=tuple(sum(standing[at : at + 60]) for at in hours),
        peaks=tuple(max(standing[at : at + 60]) for at in hours),
        busiest=tuple(busiest),
        flattening=_flattening(forecast) if busiest else None,
        counted=counted,
        whole=whole,
    )


def _flattening(forecast: Forecast) -> Flattening | None:
    goal = forecast.peak() / 2
    for window in WINDOWS:
        peak = forecast.peak(window)
        if peak <= goal:
            return Flattening(window, peak)
    return None
