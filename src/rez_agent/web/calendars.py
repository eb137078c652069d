"""Routes of calendars: made, changed, deleted, and their days."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from starlette.responses import Response

from rez_agent.day_sources import found_in
from rez_agent.domain.calendar_definition import CalendarDefinition, Found, Kept, NamedCalendar
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.instants import rfc3339
from rez_agent.ports import Page, Ports
from rez_agent.usecases.calendars import (
    calendar_named,
    create_calendar,
    delete_calendar,
    list_calendars,
    replace_calendar,
    seen_users,
)
from rez_agent.web.answers import answer, nothing
from rez_agent.web.calendar_models import DaysFilter
from rez_agent.web.calls import Call, etag
from rez_agent.web.forms import NoFilter
from rez_agent.web.operations import Api
from rez_agent.web.shapes import page_document

DAYS_SHOWN = 400
"""Days in one answer."""


async def list_all(api: Api, call: Call) -> Response:
    """GET /api/calendars"""
    call.filters(NoFilter)
    found = await api.host.read(list_calendars)
    return answer(page_document(Page(tuple(found), None, len(found)), calendar_document))


async def create(api: Api, call: Call) -> Response:
    """POST /api/calendars"""
    definition = await call.form(NamedCalendar)
    found = await _found(api, definition)
    kept = await api.host.write(
        lambda ports: create_calendar(ports, call.caller, definition.name, definition, found)
    )
    return answer(
        calendar_document(kept), 201, {"Location": f"/api/calendars/{kept.name}", "ETag": etag(kept.revision)}
    )


async def show(api: Api, call: Call) -> Response:
    """GET /api/calendars/{calendar_name}"""
    call.filters(NoFilter)
    name = call.path("calendar_name")

    def read(ports: Ports) -> tuple[Kept, list[str], bool]:
        kept = calendar_named(ports, name)
        seen, used = seen_users(ports, call.caller, name)
        return kept, seen, used

    kept, seen, used = await api.host.read(read)
    document = {**calendar_document(kept), "used": used, "used_by": seen}
    return answer(document, headers={"ETag": etag(kept.revision)})


async def replace(api: Api, call: Call) -> Response:
    """PUT /api/calendars/{calendar_name}"""
    name, revision = call.path("calendar_name"), call.required_revision()
    definition = await call.form(CalendarDefinition)
    found = await _found(api, definition)
    kept = await api.host.write(
        lambda ports: replace_calendar(ports, call.caller, name, definition, found, revision=revision)
    )
    return answer(calendar_document(kept), headers={"ETag": etag(kept.revision)})


async def delete(api: Api, call: Call) -> Response:
    """DELETE /api/calendars/{calendar_name}"""
    name, revision = call.path("calendar_name"), call.revision()
    await api.host.write(lambda ports: delete_calendar(ports, call.caller, name, revision=revision))
    return nothing()


async def show_days(api: Api, call: Call) -> Response:
    """GET /api/calendars/{calendar_name}/days"""
    asked = call.filters(DaysFilter)
    name = call.path("calendar_name")
    kept, today = await api.host.read(lambda ports: (calendar_named(ports, name), ports.clock.now().date()))
    first = asked.from_ or date(today.year, 1, 1)
    last = asked.to or date(first.year, 12, 31)
    if not 1970 <= first.year <= last.year <= 2199 or not 0 <= (last - first).days < DAYS_SHOWN:
        text = f"'from' and 'to' name 1 to {DAYS_SHOWN} days between 1970 and 2199, in order."
        raise Invalid(text, problems=[Problem("invalid_value", text, "/to")])
    days = kept.calendar.days(first, last)
    return answer({"items": [{"date": day.isoformat(), "closed": label} for day, label in days]})


async def _found(api: Api, definition: CalendarDefinition) -> Found | None:
    """What the definition's source says; found on a thread of its own, for it takes its time."""
    now = await api.host.read(lambda ports: ports.clock.now())
    return await asyncio.to_thread(found_in, definition.source, now.date())


def calendar_document(kept: Kept) -> dict[str, Any]:
    """A calendar as it is answered."""
    return {
        "name": kept.name,
        **kept.definition,
        "named_days": len(kept.found.keys() | kept.closed.keys() | kept.open.keys()),
        "known_until": None if kept.known_until is None else kept.known_until.isoformat(),
        "created_by": kept.created_by,
        "created_date": rfc3339(kept.created_date),
        "updated_date": rfc3339(kept.updated_date),
        "revision": kept.revision,
    }
