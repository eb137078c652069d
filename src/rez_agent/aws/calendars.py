"""Calendars on AWS: given along with the schedules that heed them, and who heeds which.

A schedule that heeds a calendar has an item of its own (``"heeding#"+calendar+"#"+what becomes of closed
days``, by its id), written in the transaction that writes the schedule.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from rez_agent.aws.records import pk_of
from rez_agent.aws.tables import RECORDS
from rez_agent.aws.unit import Unit
from rez_agent.domain.calendar import Calendar
from rez_agent.domain.schedule import CalendarUse, ClosedDay, Schedule
from rez_agent.usecases.calendars import KIND, kept_from


def with_calendar(schedule: Schedule, unit: Unit) -> Schedule:
    """The schedule with the calendar that it heeds, as it is now."""
    use = schedule.definition.calendar
    if use is None:
        return schedule
    item = unit.get(RECORDS, pk_of(KIND), use.name)
    return schedule if item is None else replace(schedule, calendar=_calendar(use.name, item["value"]))


def note_use(unit: Unit, schedule_id: str, before: CalendarUse | None, after: CalendarUse | None) -> None:
    """Keep who heeds what, where that changes."""
    if before == after:
        return
    if before is not None:
        unit.delete(RECORDS, _users(before.name, before.closed), schedule_id)
    if after is not None:
        unit.put(RECORDS, {"pk": _users(after.name, after.closed), "sk": schedule_id})


def heeding(unit: Unit, calendar: str, closed: ClosedDay, after: str | None, limit: int) -> tuple[str, ...]:
    """Ids of the schedules that heed a calendar, in their order, those after ``after``."""
    found = unit.query(
        RECORDS,
        KeyConditionExpression="pk = :pk AND sk > :after",
        values={":pk": _users(calendar, closed), ":after": after or "\0"},
        ConsistentRead=True,
        Limit=limit,
    )
    return tuple(item["sk"] for item in islice(found, limit))


def _users(calendar: str, closed: ClosedDay) -> str:
    return f"heeding#{calendar}#{closed.value}"


@lru_cache(maxsize=256)
def _calendar(name: str, text: str) -> Calendar:
    return kept_from(name, json.loads(text)).calendar
