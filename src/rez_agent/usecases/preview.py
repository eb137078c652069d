"""Preview: what an expression means and when it is due, before anything is created."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.calendar_times import calendar_note, closed_sentence, origins_of
from rez_agent.domain.calendar_warnings import calendar_warnings
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.expression import Expression, Occurrences, parse
from rez_agent.domain.instants import floor_second, from_seconds, to_seconds
from rez_agent.domain.schedule import CalendarUse, Schedule, ScheduleDefinition, TargetType, heeding
from rez_agent.ports import Engine, Ports
from rez_agent.usecases.calendars import calendar_used

PREVIEWED_AT_MOST = 100
"""Occurrences in one preview."""


@dataclass(frozen=True, slots=True)
class Due:
    """One occurrence: its instant, the zone's wall clock then (aware, with the offset in force), and a note
    where a clock change or a calendar matters. ``closed``: its day is closed, so it is skipped.
    ``moved_from``: where the first of those that its calendar moved there was, on the same clock."""

    at: datetime
    local: datetime
    note: str | None = None
    closed: bool = False
    moved_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What an expression comes to. ``problems``: why it is not valid; then there is nothing else, unless only
    the host's engine can't keep time for it."""

    explanation: str | None = None
    occurrences: tuple[Due, ...] = ()
    skipped: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether a schedule could be created with it now."""
        return not self.problems


def preview(
    text: str,
    timezone: str,
    *,
    now: datetime,
    after: datetime | None = None,
    anchor: datetime | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    count: int = 10,
    use: CalendarUse | None = None,
    calendar: Calendar | None = None,
) -> Preview:
    """What ``text`` means, and the first ``count`` occurrences after ``after``.

    Without ``after`` they are those that a schedule created ``now`` would have, this second included. A
    ``rate`` counts from ``start``, else from ``anchor``, else from ``now``. Never raises for what is wrong
    with the expression: the answer says so. ``use`` names the ``calendar`` that is heeded.
    """
    try:
        expression = parse(text, timezone)
    except Invalid as error:
        return Preview(problems=error.problems)
    past = expression.check_future(now)
    if past is not None:
        return Preview(expression.explain(), problems=(past,))
    nominal = Occurrences(expression, start=start, end=end, anchor=floor_second(anchor or now))
    times = heeding(nominal, use, calendar)
    since = after or floor_second(now) - timedelta(seconds=1)
    found = _next(times, since, count)
    skipped = expression.skipped_between(since, found[-1]) if found else []
    return Preview(
        explanation=expression.explain(),
        occurrences=tuple(dues(expression, found, occurrences=times, calendar=calendar)),
        skipped=tuple(skip.note for skip in skipped),
        warnings=(*expression.warnings(), *calendar_warnings(nominal, use, calendar, now)),
    )


def preview_for(engine: Engine, text: str, timezone: str, **asked: Any) -> Preview:
    """:func:`preview`; what ``engine`` can't keep time for (``unsupported_by_engine``) is a problem too."""
    found = preview(text, timezone, **asked)
    if not found.valid:
        return found
    definition = ScheduleDefinition.model_construct(
        name="preview",
        schedule_expression=text,
        timezone=timezone,
        target_type=TargetType.WEB_ACTION,
        start=asked.get("start"),
        end=asked.get("end"),
    )
    return replace(found, problems=tuple(engine.check(definition)))


def preview_in(
    ports: Ports, text: str, timezone: str, *, use: CalendarUse | None = None, **asked: Any
) -> Preview:
    """:func:`preview_for` on a host, with the calendar that ``use`` names; to name none is a problem."""
    try:
        calendar = calendar_used(ports.records, use, ports.clock.now())
    except Invalid as error:
        found = preview_for(ports.engine, text, timezone, **asked)
        return replace(found, problems=(*found.problems, *error.problems))
    return preview_for(ports.engine, text, timezone, use=use, calendar=calendar, **asked)


def dues(
    expression: Expression,
    times: Iterable[datetime],
    *,
    occurrences: Occurrences | None = None,
    calendar: Calendar | None = None,
) -> Iterator[Due]:
    """Each of ``times``, occurrences of ``expression``, as its zone shows it; with ``occurrences`` that heed
    a ``calendar``, what it does to each."""
    zone: ZoneInfo = expression.zone.info
    for at in times:
        note = expression.note_at(at)
        if occurrences is None or calendar is None:
            yield Due(at, at.astimezone(zone), note)
            continue
        epoch = to_seconds(at)
        told = "; ".join(each for each in (note, calendar_note(occurrences, calendar, epoch)) if each)
        closed = closed_sentence(occurrences, calendar, epoch) is not None
        origins = origins_of(occurrences, epoch)
        origin = from_seconds(origins[0]).astimezone(zone) if origins else None
        yield Due(at, at.astimezone(zone), told or None, closed, origin)


def dues_of(schedule: Schedule, times: Iterable[datetime]) -> Iterator[Due]:
    """Each of ``times``, occurrences of ``schedule``, as its zone shows it."""
    expression, calendar = schedule.definition.expression, schedule.calendar
    if calendar is None:
        return dues(expression, times)
    return dues(expression, times, occurrences=schedule.occurrences, calendar=calendar)


def _next(times: Occurrences, after: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    following = times.next_after(after)
    while following is not None and len(found) < count:
        found.append(following)
        following = times.next_after(following)
    return found
