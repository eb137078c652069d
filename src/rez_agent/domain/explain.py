"""Say in one plain English sentence when an expression is due.

The sentence is made from what the expression means, not from how it is spelt: ``0/15`` and ``*/15`` read
alike, and two expressions that differ in any instant read differently.
"""

from __future__ import annotations

from calendar import day_name, month_name
from collections.abc import Callable, Sequence
from itertools import pairwise

from rez_agent.domain.clock_notes import at_in_gap, clock, date
from rez_agent.domain.cron import Cron
from rez_agent.domain.days import (
    ALL_MONTHS,
    ALL_YEARS,
    EVERY_DAY,
    DayRule,
    DaysOfMonth,
    LastDay,
    LastOfWeekday,
    NearestWeekday,
    NthWeekday,
    Weekdays,
)
from rez_agent.domain.grammar import At, Meaning, Rate
from rez_agent.domain.zones import Zone

_TIMES_LISTED = 6
_NTH = ("first", "second", "third", "fourth", "fifth")


def describe(meaning: Meaning, where: Zone, *, never: bool) -> str:
    """The sentence; ``never`` says that no instant matches."""
    match meaning:
        case Cron():
            end = ": this never comes." if never else "."
            return f"{_cron(meaning)}, in {where.name}{end}"
        case Rate():
            return f"Every {_interval(meaning)}, counted in elapsed time from the schedule's start."
        case At():
            return _at(meaning, where)


def _interval(rate: Rate) -> str:
    if rate.unit == "day":
        return "24 hours" if rate.value == 1 else f"{rate.value} days of 24 hours"
    return rate.unit if rate.value == 1 else f"{rate.value} {rate.unit}s"


def _at(at: At, where: Zone) -> str:
    shown = where.wall_of(where.resolve(at.wall))
    moved = (
        f" ({clock(at.wall)} on {date(at.wall)} does not exist there)" if at_in_gap(at.wall, where) else ""
    )
    return f"Once, at {clock(shown)} on {day_name[shown.weekday()]} {date(shown)}, in {where.name}{moved}."


def _cron(cron: Cron) -> str:
    times = _times(cron.minutes, cron.hours)
    days = _days(cron)
    always = len(cron.hours) == 24 and days == "every day"
    listed = times.startswith("At ") and ":" in times and days[0] not in "MTWFS"
    day_part = "" if always else f" {days}" if listed else f", {days}"
    return f"{times}{day_part}{_years(cron.years)}"


def _times(minutes: tuple[int, ...], hours: tuple[int, ...]) -> str:
    """The time of day; the shape of the phrase follows from which of the two fields is regular."""
    step = _even_step(minutes)
    often = "Every minute" if step == 1 else f"Every {step} minutes"
    if len(hours) == 24 and minutes == (0,):
        return "Every hour, on the hour"
    if len(hours) == 24:
        return often if step else f"At {_minutes(minutes)} past every hour"
    if len(minutes) * len(hours) <= _TIMES_LISTED:
        return f"At {_join([_time(hour, minute) for hour in hours for minute in minutes])}"
    if step:
        return f"{often} {_windows(hours, minutes[-1])}"
    if len(minutes) == 1:
        return _hourly(hours, minutes[0])
    return f"At {_minutes(minutes)} past {_hours(hours)}"


def _even_step(minutes: tuple[int, ...]) -> int | None:
    """The step of minutes that go evenly round the hour from its first one (1, 2, 3, ... 30)."""
    step = 60 // len(minutes)
    return step if len(minutes) > 1 and minutes == tuple(range(0, 60, step)) and 60 % step == 0 else None


def _minutes(minutes: tuple[int, ...]) -> str:
    if minutes == (1,):
        return "1 minute"
    if _steps(minutes):
        return _series(minutes, str, "minute")
    return f"{_series(minutes, str, 'minute')} minutes"


def _windows(hours: tuple[int, ...], last_minute: int) -> str:
    """The stretches of the day that whole hours make up."""
    runs = _runs(hours)
    if len(runs) > 3:
        return f"in the hours {_join([f'{hour:02}' for hour in hours])}"
    return _join([f"from {_time(low, 0)} to {_time(high, last_minute)}" for low, high in runs])


def _hourly(hours: tuple[int, ...], minute: int) -> str:
    step = _steps(hours)
    if step is None:
        return f"At {_join([_time(hour, minute) for hour in hours])}"
    often = "Every hour" if step == 1 else f"Every {step} hours"
    return f"{often} from {_time(hours[0], minute)} to {_time(hours[-1], minute)}"


def _hours(hours: tuple[int, ...]) -> str:
    if _steps(hours):
        return _series(hours, "{:02}".format, "hour")
    hour = "hour" if len(hours) == 1 else "hours"
    return f"{hour} {_series(hours, '{:02}'.format, 'hour')}"


def _days(cron: Cron) -> str:
    """Which days, with the months they belong to."""
    if isinstance(cron.days, Weekdays) or cron.days == EVERY_DAY:
        within = "" if cron.months == ALL_MONTHS else f" in {_months(cron.months)}"
        every = _weekdays(cron.days.weekdays) if isinstance(cron.days, Weekdays) else "every day"
        return f"{every}{within}"
    of = "every month" if cron.months == ALL_MONTHS else _months(cron.months)
    which, days_meant = _days_of_month(cron.days)
    return f"on {which} of {of}{_if_any(days_meant, cron.months)}"


def _days_of_month(rule: DayRule) -> tuple[str, tuple[int, ...]]:
    """The days a rule picks in a month, and the least days that a month must have for all of them."""
    match rule:
        case DaysOfMonth(days):
            return _month_days(days), days
        case LastDay(before):
            return f"the {_ordinal(before)} day before the last day" if before else "the last day", (
                before + 1,
            )
        case LastOfWeekday(weekday):
            return f"the last {_weekday(weekday)}", ()
        case NearestWeekday(day):
            return f"the weekday nearest the {_ordinal(day)}", (day,)
        case NthWeekday(weekday, nth):
            return f"the {_NTH[nth - 1]} {_weekday(weekday)}", (31,) if nth == 5 else ()
    return "the last weekday", ()


def _month_days(days: tuple[int, ...]) -> str:
    step = _steps(days)
    if step:
        every = "every day" if step == 1 else f"every {_ordinal(step)} day"
        return f"{every} from the {_ordinal(days[0])} to the {_ordinal(days[-1])}"
    return f"the {_series(days, _ordinal, 'day')}"


def _if_any(days: tuple[int, ...], months: tuple[int, ...]) -> str:
    """A reminder where some month meant lacks some day meant."""
    shortest = 28 if 2 in months else 30 if {4, 6, 9, 11} & set(months) else 31
    if not days or days[-1] <= shortest:
        return ""
    return ", when there is one" if len(days) == 1 else ", as far as the month has them"


def _weekdays(weekdays: tuple[int, ...]) -> str:
    monday_first = sorted((weekday + 5) % 7 for weekday in weekdays)
    names = [day_name[weekday] for weekday in monday_first]
    if len(names) > 2 and len(_runs(monday_first)) == 1:
        return f"{names[0]} to {names[-1]}"
    return f"every {_join(names)}"


def _weekday(weekday: int) -> str:
    return day_name[(weekday + 5) % 7]


def _months(months: tuple[int, ...]) -> str:
    return _join(_ranges(months, lambda month: month_name[month]))


def _years(years: tuple[int, ...]) -> str:
    if years == ALL_YEARS:
        return ""
    step = _steps(years)
    if step == 1:
        return f", from {years[0]} to {years[-1]}"
    return f", {_series(years, str, 'year')}" if step else f", in {_series(years, str, 'year')}"


def _series(values: tuple[int, ...], show: Callable[[int], str], noun: str) -> str:
    """Numbers as ``every 7th minute from 0 to 56`` where they go in steps, otherwise as a list."""
    step = _steps(values)
    if step is None:
        return _join(_ranges(values, show))
    every = f"every {noun}" if step == 1 else f"every {_ordinal(step)} {noun}"
    return f"{every} from {show(values[0])} to {show(values[-1])}"


def _steps(values: Sequence[int]) -> int | None:
    """The step between values that are all equally far apart: at least three in a row, or four in steps."""
    gaps = {high - low for low, high in pairwise(values)}
    if len(gaps) != 1:
        return None
    step = gaps.pop()
    return step if len(values) >= (3 if step == 1 else 4) else None


def _ranges(values: Sequence[int], show: Callable[[int], str]) -> list[str]:
    """Each value, three or more in a row drawn together as ``9 to 11``."""
    shown: list[str] = []
    for low, high in _runs(values):
        if high - low >= 2:
            shown.append(f"{show(low)} to {show(high)}")
        else:
            shown += [show(value) for value in range(low, high + 1)]
    return shown


def _runs(values: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last of each unbroken run of ``values``, which are sorted."""
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'}).get(number % 10, 'th')}"


def _time(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"
