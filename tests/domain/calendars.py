"""Calendars for tests, and a second opinion on what they do to occurrences: slow, day by day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from rez_agent.domain.calendar import EVERY_DAY, MOVED_AT_MOST, Calendar

WORKING_WEEK = frozenset(range(5))
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def calendar_of(
    *closed: str, opened: Iterable[str] = (), weekdays: Iterable[int] = EVERY_DAY, name: str = "at"
) -> Calendar:
    """A calendar from ``2026-12-25`` or ``2026-12-25 Christmas Day``."""
    return Calendar(name, frozenset(weekdays), _days(closed), _days(opened), revision=1, changed=MADE)


def _days(texts: Iterable[str]) -> dict[date, str]:
    return {date.fromisoformat(text[:10]): text[11:] for text in texts}


def calendars_around(day: date) -> st.SearchStrategy[Calendar]:
    """Calendars whose days lie near ``day``: single days, stretches of up to two months, weekends, and open
    days among them."""
    near = st.integers(-50, 50).map(lambda n: day + timedelta(days=n))
    stretches = st.tuples(near, st.integers(1, 60)).map(
        lambda pair: {pair[0] + timedelta(days=n): "away" for n in range(pair[1])}
    )
    singles = st.dictionaries(near, st.sampled_from(("", "holiday")), max_size=8)
    closed = st.tuples(singles, st.lists(stretches, max_size=2)).map(
        lambda parts: {k: v for part in (parts[0], *parts[1]) for k, v in part.items()}
    )
    weekdays = st.sampled_from(
        (EVERY_DAY, WORKING_WEEK, frozenset((0, 2)), frozenset((6,)), frozenset[int]())
    )
    return st.builds(
        Calendar,
        name=st.just("drawn"),
        weekdays=weekdays,
        closed=closed,
        opened=st.dictionaries(near, st.just("open"), max_size=3),
        revision=st.just(1),
        changed=st.just(MADE),
    )


def moved_naively(
    nominal: Iterable[datetime], calendar: Calendar, info: ZoneInfo, *, forward: bool
) -> list[datetime]:
    """Where occurrences are moved, each by itself; in order, each instant once."""
    return sorted({_moved(each, calendar, info, forward=forward) for each in nominal})


def _moved(due: datetime, calendar: Calendar, info: ZoneInfo, *, forward: bool) -> datetime:
    local = due.astimezone(info)
    step = timedelta(days=1 if forward else -1)
    day = local.date()
    for _ in range(MOVED_AT_MOST + 1):
        if calendar.why_closed(day) is None:
            break
        day += step
    else:
        return due
    if day == local.date():
        return due
    landed = datetime.combine(day, local.time(), tzinfo=info)
    return landed.astimezone(UTC)
