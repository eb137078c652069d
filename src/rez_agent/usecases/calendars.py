"""Shared calendars: made, changed and deleted by their owners, read by everyone, heeded by schedules.

A calendar is a record. Whoever decides about a schedule that heeds one gets it along with the schedule, as it
is in that moment. When its days change, the schedules whose occurrences it moves are taken up anew, a slice
at a time (:func:`follow`), counted from the moment of the change; those that only skip need nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from itertools import islice
from typing import Any

from pydantic_core import to_json

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.calendar_definition import (
    DAYS_AT_MOST,
    NOTHING_FOUND,
    CalendarDefinition,
    Found,
    Kept,
    weekdays_of,
)
from rez_agent.domain.errors import Conflict, Forbidden, Invalid, NotFound, Problem, RevisionConflict
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.nearest import nearest, shown
from rez_agent.domain.schedule import (
    CalendarUse,
    ClosedDay,
    ScheduleStatus,
    next_run_from,
)
from rez_agent.ports import Ports, Record, Records
from rez_agent.usecases.callers import Caller

KIND = "calendar"
CHANGED = "calendar_changed"
"""The records of calendars whose schedules have yet to follow their last change."""

CALENDARS_AT_MOST = 500
BYTES_AT_MOST = 60_000
"""Of a calendar's record: it fits into a row on every host."""

FOLLOWED_AT_ONCE = 20
"""Schedules that follow a change in one step."""

USERS_SHOWN = 20


def list_calendars(ports: Ports) -> list[Kept]:
    """All of them, by name."""
    return [kept_from(record.key, record.value) for record in ports.records.list(KIND, ports.clock.now())]


def calendar_named(ports: Ports, name: str) -> Kept:
    """The calendar. Raises NotFound ``calendar_not_found``."""
    record = ports.records.get(KIND, name, ports.clock.now())
    if record is None:
        raise NotFound(f"There is no calendar '{name}'.", code="calendar_not_found")
    return kept_from(name, record.value)


def calendar_used(records: Records, use: CalendarUse | None, now: datetime) -> Calendar | None:
    """The calendar that a definition names. Raises Invalid ``unknown_calendar``."""
    if use is None:
        return None
    record = records.get(KIND, use.name, now)
    if record is not None:
        return kept_from(use.name, record.value).calendar
    known = [each.key for each in records.list(KIND, now)]
    close = nearest(use.name, known)
    hint = f" Did you mean {shown(close)}?" if close else " GET /api/calendars lists those that there are."
    text = f"There is no calendar '{use.name}'.{hint}"
    raise Invalid(text, problems=[Problem("unknown_calendar", text, "/calendar/name")])


def create_calendar(
    ports: Ports, caller: Caller, name: str, definition: CalendarDefinition, found: Found | None
) -> Kept:
    """A new calendar of the caller's. ``found``: what its source says; None for an ICS source without text.

    Raises Conflict ``calendar_exists``, and Invalid for too many days.
    """
    now = ports.clock.now()
    if ports.records.get(KIND, name, now) is not None:
        text = f"There is a calendar '{name}' already. Choose another name, or change that one."
        raise Conflict(text, code="calendar_exists", problems=[Problem("calendar_exists", text, "/name")])
    if len(ports.records.list(KIND, now)) >= CALENDARS_AT_MOST:
        text = f"There are {CALENDARS_AT_MOST} calendars, as many as allowed. Delete one first."
        raise Conflict(text, code="too_many_calendars")
    if found is None:
        text = "An ICS calendar needs the file's text."
        raise Invalid(text, problems=[Problem("missing_field", text, "/source/text")])
    kept = _kept(definition, found, name=name, owner=caller.name, created=now, now=now, revision=1)
    _keep(ports, kept)
    return kept


def replace_calendar(
    ports: Ports,
    caller: Caller,
    name: str,
    definition: CalendarDefinition,
    found: Found | None,
    *,
    revision: int | None,
) -> Kept:
    """The calendar redefined; the schedules that it moves follow within a minute. Raises NotFound, Forbidden
    unless it is the caller's, RevisionConflict, and Invalid for too many days."""
    now = ports.clock.now()
    before = _own(ports, caller, name, revision)
    if found is None:
        found = Found(before.found, before.weekdays, before.known_until)
    after = _kept(
        definition,
        found,
        name=name,
        owner=before.created_by,
        created=before.created_date,
        now=now,
        revision=before.revision + 1,
    )
    return _keep_change(ports, before, after)


def outdated_calendars(ports: Ports) -> list[Kept]:
    """The calendars whose sources are to be asked again (:func:`learn`)."""
    today = ports.clock.now().date()
    return [kept for kept in list_calendars(ports) if kept.is_outdated(today)]


def learn(ports: Ports, kept: Kept, found: Found) -> bool:
    """Take up what the source of a calendar of holidays says by now; its schedules follow as they follow any
    change. False, with nothing done, where the calendar is gone or was changed since it was read.

    Raises Invalid for too many days. Crash before: it is outdated still, and asked for again. After: done.
    """
    now = ports.clock.now()
    record = ports.records.get(KIND, kept.name, now)
    if record is None or record.value["revision"] != kept.revision:
        return False
    after = replace(
        kept,
        found=found.days,
        known_until=found.until,
        updated_date=now,
        revision=kept.revision + 1,
        changed=now,
    )
    _keep_change(ports, kept, after)
    return True


def delete_calendar(ports: Ports, caller: Caller, name: str, *, revision: int | None) -> None:
    """The calendar is gone. Raises NotFound, Forbidden, RevisionConflict, and ``calendar_in_use``."""
    _own(ports, caller, name, revision)
    users = list(islice(users_of(ports, name), USERS_SHOWN + 1))
    if users:
        count = f"{len(users)} schedules" if len(users) > 1 else "a schedule"
        if len(users) > USERS_SHOWN:
            count = f"more than {USERS_SHOWN} schedules"
        seen, _ = seen_users(ports, caller, name)
        who = f"the first that you may see is '{seen[0]}'" if seen else "none of which you may see"
        text = (
            f"Calendar '{name}' is used by {count}, {who}. "
            "Take it from their definitions first, or leave its days empty."
        )
        raise Conflict(text, code="calendar_in_use")
    ports.records.delete(KIND, name)
    ports.records.delete(CHANGED, name)


def users_of(ports: Ports, name: str) -> Iterator[str]:
    """The ids of the living schedules that heed the calendar, a page at a time."""
    for closed in ClosedDay:
        after: str | None = None
        while True:
            page = ports.schedules.heeding(name, closed, after, USERS_SHOWN)
            yield from page
            if len(page) < USERS_SHOWN:
                break
            after = page[-1]


def seen_users(ports: Ports, caller: Caller, name: str) -> tuple[list[str], bool]:
    """Of the first schedules that heed the calendar, the ids of those that the caller may see; and whether
    any heeds it at all."""
    first = list(islice(users_of(ports, name), USERS_SHOWN))
    found = ((each, ports.schedules.get(each)) for each in first)
    seen = [each for each, schedule in found if schedule and caller.reaches(schedule.created_by)]
    return seen, bool(first)


# --- schedules follow ---


def follow(ports: Ports) -> bool:
    """Let the next few schedules follow the changes of their calendars; whether there were any left."""
    now = ports.clock.now()
    for record in ports.records.list(CHANGED, now):
        since = datetime.fromisoformat(record.value["since"])
        closed, after = ClosedDay(record.value["closed"]), record.value["after"]
        ids = ports.schedules.heeding(record.key, closed, after, FOLLOWED_AT_ONCE)
        for schedule_id in ids:
            _follow(ports, schedule_id, since, now)
        if len(ids) == FOLLOWED_AT_ONCE:
            _mark(ports, record.key, since, closed, ids[-1])
        elif closed is ClosedDay.NEXT:
            _mark(ports, record.key, since, ClosedDay.PREVIOUS, None)
        else:
            ports.records.delete(CHANGED, record.key)
        return True
    return False


def _follow(ports: Ports, schedule_id: str, since: datetime, now: datetime) -> None:
    """What comes next for a schedule whose calendar changed at ``since``: what was due by then is settled,
    what its days are now counts from the second after."""
    schedule = ports.schedules.get(schedule_id)
    if schedule is None or schedule.status is not ScheduleStatus.ACTIVE:
        return
    try:
        following = next_run_from(schedule.occurrences, since, inclusive=False)
    except Invalid:  # its zone has left the tz database
        return
    if schedule.next_run is not None and schedule.next_run <= since:
        schedule = ports.engine.settle(schedule, now)
    else:
        schedule = schedule.advanced(following, now)
        ports.schedules.reschedule(schedule)
    ports.engine.arm(schedule)


def _mark_changed(ports: Ports, name: str, now: datetime) -> None:
    """From ``now`` the days are others; where schedules have yet to follow an earlier change, from then."""
    before = ports.records.get(CHANGED, name, now)
    since = now if before is None else datetime.fromisoformat(before.value["since"])
    _mark(ports, name, since, ClosedDay.NEXT, None)


def _mark(ports: Ports, name: str, since: datetime, closed: ClosedDay, after: str | None) -> None:
    value = {"since": rfc3339(since), "closed": closed.value, "after": after}
    ports.records.put(Record(CHANGED, name, value))


# --- how they are kept ---


def kept_from(name: str, value: Mapping[str, Any]) -> Kept:
    """The calendar of a record."""
    return Kept(
        name=name,
        title=value["title"],
        created_by=value["created_by"],
        created_date=datetime.fromisoformat(value["created_date"]),
        updated_date=datetime.fromisoformat(value["updated_date"]),
        revision=value["revision"],
        weekdays=frozenset(value["weekdays"]),
        source=value["source"],
        closed=_dates(value["closed"]),
        open=_dates(value["open"]),
        found=_dates(value["found"]),
        known_until=None if value["known_until"] is None else date.fromisoformat(value["known_until"]),
        changed=datetime.fromisoformat(value["changed"]),
    )


def _record(kept: Kept) -> Record:
    value = {
        "title": kept.title,
        "created_by": kept.created_by,
        "created_date": rfc3339(kept.created_date),
        "updated_date": rfc3339(kept.updated_date),
        "revision": kept.revision,
        "weekdays": sorted(kept.weekdays),
        "source": kept.source,
        "closed": _texts(kept.closed),
        "open": _texts(kept.open),
        "found": _texts(kept.found),
        "known_until": None if kept.known_until is None else kept.known_until.isoformat(),
        "changed": rfc3339(kept.changed),
    }
    return Record(KIND, kept.name, value)


def _kept(
    definition: CalendarDefinition,
    found: Found,
    *,
    name: str,
    owner: str,
    created: datetime,
    now: datetime,
    revision: int,
) -> Kept:
    source = definition.source
    if source is None:
        found = replace(NOTHING_FOUND, weekdays=found.weekdays if definition.open_weekdays is None else None)
    told = None if source is None else source.model_dump(mode="json", exclude={"text"})
    return Kept(
        name=name,
        title=definition.title,
        created_by=owner,
        created_date=created,
        updated_date=now,
        revision=revision,
        weekdays=weekdays_of(definition, found),
        source=told,
        closed=dict(definition.closed),
        open=dict(definition.open),
        found=found.days,
        known_until=found.until,
        changed=now,
    )


def _keep_change(ports: Ports, before: Kept, after: Kept) -> Kept:
    """Keep a calendar as it is now; where its days are others, its schedules are to follow."""
    if _days(after) == _days(before):
        after = replace(after, changed=before.changed)
    else:
        _mark_changed(ports, after.name, after.changed)
    _keep(ports, after)
    return after


def _keep(ports: Ports, kept: Kept) -> None:
    record = _record(kept)
    count = len(kept.closed) + len(kept.open) + len(kept.found)
    if count > DAYS_AT_MOST or len(to_json(record.value)) > BYTES_AT_MOST:
        text = (
            f"The calendar names {count} days; {DAYS_AT_MOST} are allowed, in {BYTES_AT_MOST} bytes with "
            "their labels. Leave out what is long past, or shorten the labels."
        )
        raise Invalid(text, code="calendar_too_large")
    ports.records.put(record)


def _own(ports: Ports, caller: Caller, name: str, revision: int | None) -> Kept:
    kept = calendar_named(ports, name)
    if not caller.reaches(kept.created_by):
        text = f"Calendar '{name}' is {kept.created_by}'s: only they or an admin change it. Make your own."
        raise Forbidden(text, code="not_your_calendar")
    if revision is not None and revision != kept.revision:
        raise RevisionConflict(
            f"The calendar is at revision {kept.revision}, not {revision}. "
            "Read it again and repeat the change."
        )
    return kept


def _days(kept: Kept) -> tuple[Any, ...]:
    return kept.weekdays, set(kept.found | kept.closed), set(kept.open)


def _dates(texts: Mapping[str, str]) -> dict[date, str]:
    return {date.fromisoformat(day): label for day, label in texts.items()}


def _texts(days: Mapping[date, str]) -> dict[str, str]:
    return {day.isoformat(): label for day, label in sorted(days.items())}
