"""What a caller should know of a calendar before a schedule heeds it."""

from __future__ import annotations

from datetime import datetime

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.calendar_times import closed_sentence
from rez_agent.domain.errors import Problem
from rez_agent.domain.expression import Occurrences
from rez_agent.domain.instants import from_seconds, rfc3339, to_seconds
from rez_agent.domain.schedule import CalendarUse, heeding


def calendar_warnings(
    nominal: Occurrences, use: CalendarUse | None, calendar: Calendar | None, now: datetime
) -> list[Problem]:
    """``closed_by_calendar``, where the only occurrence left from ``now`` on is skipped, or is moved to a
    time that has passed: nothing fires unless the calendar is changed."""
    if use is None or calendar is None:
        return []
    since = to_seconds(now) - 1
    only = nominal.next_epoch(since)
    if only is None or nominal.next_epoch(only) is not None:
        return []
    closed = closed_sentence(nominal, calendar, only)
    if closed is None:
        return []
    if not use.moves:
        return [_warning(f"{closed}; the only occurrence is skipped: nothing would fire. Choose another day")]
    times = heeding(nominal, use, calendar)
    landed = times.previous_epoch(since + 1)
    if landed is None or times.next_epoch(since) is not None:
        return []
    passed = rfc3339(from_seconds(landed))
    text = f"{closed}; the only occurrence is moved to {passed}, which has passed: nothing would fire"
    return [_warning(f"{text}. Choose a later time, or 'next' in place of 'previous'")]


def _warning(text: str) -> Problem:
    return Problem("closed_by_calendar", text, "/calendar")
