"""Why a schedule was not due at a time: the clock, its dates, an edit, or its expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from rez_agent.domain.asked import Asked
from rez_agent.domain.calendar import date_of
from rez_agent.domain.calendar_times import LocalDays, MovedOccurrences
from rez_agent.domain.changes import Change
from rez_agent.domain.clock_notes import clock, date
from rez_agent.domain.cron import Cron
from rez_agent.domain.days import ALL_MONTHS, ALL_YEARS, days_of
from rez_agent.domain.errors import Invalid
from rez_agent.domain.expression import Occurrences
from rez_agent.domain.grammar import Rate
from rez_agent.domain.instants import floor_second, to_seconds
from rez_agent.domain.past import Past, Stretch, defined
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.telling import Wording
from rez_agent.domain.timelines import CronTimeline
from rez_agent.domain.verdicts import Verdict
from rez_agent.domain.zones import DAY, wall_clock
from rez_agent.domain.zones import Change as ClockChange

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


@dataclass(frozen=True, slots=True)
class NotDue:
    """Why it was not due; the change that explains it, where it is one; and the occurrence that took its
    place, where there is one."""

    verdict: Verdict
    sentence: str
    change: Change | None = None
    occurrence: int | None = None


def why_not_due(past: Past, then: Stretch, asked: Asked, words: Wording) -> NotDue:
    """Why the schedule, as it was ``then``, was not due at the time asked about. Raises Invalid where its
    zone has left the tz database."""
    schedule = then.schedule
    return (
        swallowed(schedule, asked)
        or _moved(schedule, asked, words)
        or _second_pass(schedule, asked, words)
        or _beyond_its_dates(schedule, asked, words)
        or _edited(past, then, asked, words)
        or _finished(schedule, asked, words)
        or NotDue(Verdict.NOT_COVERED, _not_covered(schedule, asked, words))
    )


def swallowed(schedule: Schedule, asked: Asked) -> NotDue | None:
    """The clock was set forward over a time that the schedule's expression names."""
    expression = schedule.definition.expression
    timeline = expression.timeline
    change = _last_change(schedule, asked)
    if not isinstance(timeline, CronTimeline) or change is None or change.after < change.before:
        return None
    if asked.first >= change.instant + change.after - change.before:
        return None
    low = asked.first + change.before
    wall = next(timeline.walls(low, low + asked.last - asked.first + 1), None)
    if wall is None:
        return None
    missing = _naive(wall)
    moved = (
        f"{clock(_naive(change.instant + change.before))} to {clock(_naive(change.instant + change.after))}"
    )
    return NotDue(
        Verdict.DOES_NOT_EXIST,
        f"{clock(missing)} does not exist on {date(missing)} in {expression.timezone}: the clocks go from "
        f"{moved}. A time that they skip is skipped.",
    )


def elsewhere(schedule: Schedule, asked: Asked) -> int | None:
    """The occurrence that took the place of the time asked about: the first pass of a time that came twice,
    or where a calendar moved it; None where there is none, or nobody can say."""
    try:
        found = moved_to(schedule, asked)
        first = first_pass(schedule, asked)
        return defined(schedule, first.first, first.last) if found is None and first is not None else found
    except Invalid:
        return None


def moved_to(schedule: Schedule, asked: Asked) -> int | None:
    """Where the schedule's calendar moves what its expression has at the time asked about, if it does."""
    occurrences = schedule.occurrences
    if not isinstance(occurrences, MovedOccurrences):
        return None
    due = occurrences.nominal.next_epoch(asked.first - 1)
    return None if due is None or due > asked.last else occurrences.moved_to(due)


def closed_day(schedule: Schedule, second: int) -> str | None:
    """That the schedule's calendar closes the day of ``second``, and why; None where it is open."""
    if schedule.calendar is None or schedule.definition.calendar is None:
        return None
    day = LocalDays(schedule.definition.expression.zone).of(second)
    return schedule.calendar.sentence(date_of(day))


def first_pass(schedule: Schedule, asked: Asked) -> Asked | None:
    """The time at which a clock that was set back in between had shown the same before; None where it was
    shown once. Raises Invalid where the zone has left the tz database."""
    change = _last_change(schedule, asked)
    back = 0 if change is None else change.before - change.after
    if change is None or back <= 0 or asked.first >= change.instant + back:
        return None
    return Asked(asked.first - back, asked.last - back)


def edits(past: Past, then: Schedule, words: Wording) -> Iterator[str]:
    """A sentence where the expression was another then than it is now."""
    was, now = then.definition, past.schedule.definition
    if (was.schedule_expression, was.timezone) == (now.schedule_expression, now.timezone):
        return
    later = [
        each.change
        for each in past.stretches
        if each.schedule.revision > then.revision and _timing(each.schedule) != _timing(then)
    ]
    by = f" {_told(later[-1], words)}." if later else ""
    yield f"Its expression was {_expression(then)} then.{by}"


def _moved(schedule: Schedule, asked: Asked, words: Wording) -> NotDue | None:
    landed = moved_to(schedule, asked)
    if landed is None:
        return None
    why = closed_day(schedule, asked.first) or "its day is closed"
    text = f"Its calendar {'moves' if words.ahead else 'moved'} it to {words.instant(landed)}: {why}."
    return NotDue(Verdict.MOVED, text, occurrence=landed)


def _second_pass(schedule: Schedule, asked: Asked, words: Wording) -> NotDue | None:
    first = first_pass(schedule, asked)
    due = None if first is None else defined(schedule, first.first, first.last)
    if due is None or schedule.definition.expression.kind != "cron":
        return None
    shown = words.zone.wall_of(asked.first)
    return NotDue(
        Verdict.SECOND_PASS,
        f"{clock(shown)} happens twice on {date(shown)} in {words.zone.name}, as the clocks are set back. "
        "It runs at the first pass; this is the second.",
        occurrence=due,
    )


def _beyond_its_dates(schedule: Schedule, asked: Asked, words: Wording) -> NotDue | None:
    definition = schedule.definition
    expression = definition.expression
    if expression.kind == "at":
        return None
    created = floor_second(schedule.created_date)
    at_all = Occurrences(expression, anchor=created).next_epoch(asked.first - 1)
    named = at_all is not None and at_all <= asked.last
    start, end = definition.start, definition.end
    if start is not None and asked.last < to_seconds(start) and (named or expression.kind == "rate"):
        text = f"It {words.was} not due before its start, {words.instant(start)}."
        return NotDue(Verdict.BEFORE_START, text)
    unended = Occurrences(expression, start=start, anchor=created).next_epoch(asked.first - 1)
    if end is not None and asked.first > to_seconds(end) and unended is not None and unended <= asked.last:
        return NotDue(Verdict.AFTER_END, f"It {words.was} not due after its end, {words.instant(end)}.")
    return None


def _edited(past: Past, then: Stretch, asked: Asked, words: Wording) -> NotDue | None:
    """Another definition, right after or right before, covers it."""
    later = [each for each in past.stretches if each.since > then.since and each.change is not None]
    for stretch in reversed(later):
        if _covers(stretch.schedule, asked.first, asked.last):
            was, since = _expression(then.schedule), _expression(stretch.schedule)
            told = f"{_told(stretch.change, words)}: {since}, as it is since, covers it"
            text = f"It {words.was} not due: its expression was {was} then. {told}."
            return NotDue(Verdict.EDITED, text, stretch.change)
    for following, stretch in pairwise(past.stretches):
        if stretch.since < then.since and _covers(stretch.schedule, asked.first, asked.last):
            became = f"{_expression(stretch.schedule)}, which covers it, became {_expression(then.schedule)}"
            text = f"It {words.was} not due any more. {_told(following.change, words)}: {became}."
            return NotDue(Verdict.EDITED, text, following.change)
    return None


def _finished(schedule: Schedule, asked: Asked, words: Wording) -> NotDue | None:
    occurrences = schedule.occurrences
    last = occurrences.previous_epoch(asked.first)
    if last is None or occurrences.next_epoch(asked.last) is not None:
        return None
    once = "once" if schedule.definition.expression.kind == "at" else "for the last time"
    told = f"{schedule.definition.schedule_expression} was due {once}, at {words.instant(last)}"
    return NotDue(Verdict.FINISHED, f"It {words.was} not due: {told}.")


def _not_covered(schedule: Schedule, asked: Asked, words: Wording) -> str:
    definition = schedule.definition
    expression, shown = definition.expression, words.instant(asked.first)
    begin = f"It {words.was} not due: {definition.schedule_expression} does not cover {shown}"
    if expression.never:
        return f"{begin}; it never comes."
    match expression.meaning:
        case Rate():
            grid = definition.start or schedule.created_date
            return f"{begin}; it is counted in elapsed time from {words.bare(grid)}."
        case Cron():
            left_out = _left_out(expression.meaning, expression.zone.wall_of(asked.first), asked)
            return f"{begin}; it leaves out {left_out}." if left_out else f"{begin}."
        case _:
            return f"{begin}; it is due once."


def _left_out(cron: Cron, wall: datetime, asked: Asked) -> str:
    """Which fields of the expression exclude a wall time."""
    found = []
    if wall.minute not in cron.minutes:
        found.append(f"the minute {wall.minute}")
    if wall.hour not in cron.hours:
        found.append(f"the hour {wall.hour}")
    day = (wall - _naive(0)).days
    if wall.month not in cron.months:
        found.append(f"the month {_MONTHS[wall.month - 1]}")
    elif wall.year not in cron.years:
        found.append(f"the year {wall.year}")
    elif day not in days_of(cron.days, ALL_MONTHS, ALL_YEARS):
        found.append(f"the day, {_WEEKDAYS[wall.weekday()]} {date(wall)}")
    if not found and asked.first == asked.last and wall.second:
        found.append("seconds: it is due on whole minutes")
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def _last_change(schedule: Schedule, asked: Asked) -> ClockChange | None:
    """The last change of the clocks within two days before: none reaches further."""
    where = schedule.definition.expression.zone
    return max(where.changes(asked.first - 2 * DAY, asked.first), default=None)


def _told(change: Change | None, words: Wording) -> str:
    if change is None:
        return "It was changed"
    reason = f" ({change.reason})" if change.reason else ""
    return f"{change.by or 'The engine'} changed it at {words.instant(change.at)}{reason}"


def _covers(schedule: Schedule, first: int, last: int) -> bool:
    """Whether the definition has an occurrence there; False where nobody can say."""
    try:
        return defined(schedule, first, last) is not None
    except Invalid:
        return False


def _timing(schedule: Schedule) -> tuple[str, str]:
    return schedule.definition.schedule_expression, schedule.definition.timezone


def _expression(schedule: Schedule) -> str:
    expression, timezone = _timing(schedule)
    return expression if timezone == "UTC" else f"{expression} in {timezone}"


def _naive(second: int) -> datetime:
    return wall_clock(second)
