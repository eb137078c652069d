"""Why did it (not) run? Gathering the facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from rez_agent.domain.asked import Asked, read_asked
from rez_agent.domain.calendar import Calendar
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import Execution, execution_id
from rez_agent.domain.instants import from_seconds
from rez_agent.domain.past import Past
from rez_agent.domain.schedule import Schedule, ScheduleStatus
from rez_agent.domain.verdicts import Facts, Verdict, Why
from rez_agent.domain.why import NEAR, why, zone_of
from rez_agent.domain.why_not import elsewhere
from rez_agent.ports import ExecutionQuery, Ports, ScheduleQuery
from rez_agent.usecases.calendars import calendar_used
from rez_agent.usecases.callers import Caller, known_schedule

AROUND_AT_MOST = 200
"""Entries of the ledger looked at around the time in question."""

BEFORE_AT_MOST = 50
"""Entries before it looked at for one that stands for it too, or was in its way."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer about ``schedule``. ``namesakes``: the owner's other schedules of that name, deleted since,
    that lived at the time in question; asked about by their ids they answer for themselves."""

    schedule: Schedule
    why: Why
    namesakes: tuple[Schedule, ...] = ()


def why_for(ports: Ports, caller: Caller, schedule_id: str, at: str) -> Answer:
    """Why the schedule, living or deleted, did or did not run ``at`` a time as people say it.

    Raises NotFound ``schedule_not_found``, and Invalid for a text that is no time.
    """
    schedule = known_schedule(ports, caller, schedule_id)
    now = ports.clock.now()
    asked = read_asked(at, zone_of(schedule), now)
    changes = ports.changes.back_to(schedule.id, asked.at)
    calendars = _calendars(ports, Past(schedule, changes), now)
    then = Past(schedule, changes, calendars).at(asked.first).schedule
    facts = Facts(
        schedule,
        now,
        changes=changes,
        entries=tuple(_entries(ports, schedule, asked, elsewhere(then, asked))),
        kept_since=ports.ledger.kept_since(schedule, now),
        calendars=calendars,
    )
    found = why(facts, asked)
    others = _namesakes(ports, schedule, asked) if found.verdict is Verdict.NOT_CREATED else ()
    return Answer(schedule, found, tuple(others))


def _calendars(ports: Ports, past: Past, now: datetime) -> dict[str, Calendar]:
    """The calendars that the schedule heeds or heeded, as far as they are there still."""
    found = {}
    uses = {stretch.schedule.definition.calendar for stretch in past.stretches}
    for use in uses:
        with suppress(Invalid):  # it is gone
            calendar = calendar_used(ports.records, use, now)
            if calendar is not None:
                found[calendar.name] = calendar
    return found


def _entries(ports: Ports, schedule: Schedule, asked: Asked, other: int | None) -> Iterator[Execution]:
    """What is scheduled near, newest first, then what came last before; and what became of the ``other``
    occurrence that took the place of the time asked about."""
    low, high = asked.at - NEAR, from_seconds(asked.last) + NEAR + _SECOND
    around = ExecutionQuery(schedule_id=schedule.id, since=low, until=high, limit=AROUND_AT_MOST)
    before = ExecutionQuery(schedule_id=schedule.id, until=low, limit=BEFORE_AT_MOST)
    for query in (around, before):
        yield from ports.ledger.list(query).items
    entry = None if other is None else ports.ledger.get(execution_id(schedule.id, from_seconds(other)))
    if entry is not None:
        yield entry


def _namesakes(ports: Ports, schedule: Schedule, asked: Asked) -> Iterator[Schedule]:
    """Deleted schedules of the same name and owner, as far as they lived then."""
    query = ScheduleQuery(
        owner=schedule.created_by,
        status=ScheduleStatus.DELETED,
        name=schedule.definition.name,
        limit=10,
    )
    for other in ports.schedules.list(query).items:
        lived = other.created_date <= from_seconds(asked.last) and asked.at <= other.updated_date
        if lived and other.id != schedule.id:
            yield other
