"""What is owed for a schedule that heeds a calendar: what ``domain.due`` owes on open days, and one entry for
what falls on closed ones.

Catch-up and overlap see the open days alone: the last occurrence before a weekend that is closed is the
latest one, whatever the closed days would have had.
"""

from __future__ import annotations

from rez_agent.domain.calendar import Calendar, date_of
from rez_agent.domain.calendar_times import LocalDays, OnDays
from rez_agent.domain.due import InFlight, Owed, Passed, Skip, owed, passed_in
from rez_agent.domain.execution import Reason
from rez_agent.domain.expression import Occurrences
from rez_agent.domain.policies import CatchUp, Overlap


def owed_on_open_days(
    occurrences: Occurrences,
    calendar: Calendar,
    *,
    cursor: int,
    now: int,
    catch_up: CatchUp,
    overlap: Overlap,
    in_flight: InFlight,
) -> Owed:
    """As :func:`~rez_agent.domain.due.owed`; occurrences on days that ``calendar`` closes are skipped."""
    opened = OnDays(occurrences, calendar, closed=False, low=cursor, high=now)
    first = opened.next_epoch(cursor - 1)
    if first is None and not calendar.is_closed(LocalDays(occurrences.expression.zone).of(cursor)):
        first = cursor  # the calendar or the tz database changed since: it was an occurrence
    decided = Owed([], [], None)
    if first is not None:
        decided = owed(opened, cursor=first, now=now, catch_up=catch_up, overlap=overlap, in_flight=in_flight)
    until = now if decided.next_run is None else decided.next_run - 1
    closed = OnDays(occurrences, calendar, closed=True, low=cursor, high=until)
    passed = passed_in(closed, cursor, until)
    skips = decided.skips if passed is None else [*decided.skips, skip_closed(occurrences, calendar, passed)]
    return Owed(decided.fires, skips, decided.next_run or occurrences.next_epoch(now))


def skip_closed(occurrences: Occurrences, calendar: Calendar, passed: Passed) -> Skip:
    """The entry for occurrences on closed days, which it names."""
    days = LocalDays(occurrences.expression.zone)
    first, last = date_of(days.of(passed.first)), date_of(days.of(passed.last))
    detail = calendar.sentence(first)
    if first != last or detail is None:
        detail = f"on days from {first} to {last} that are closed in calendar '{calendar.name}'"
    return Skip(passed, Reason.CALENDAR, detail)
