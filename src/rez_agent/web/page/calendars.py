"""The screens of calendars: which there are, the year of one, and its form."""

from __future__ import annotations

import asyncio
from calendar import Calendar as Months
from calendar import month_name
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from rez_agent.day_sources import countries, found_in
from rez_agent.domain.calendar import WEEKDAYS, Calendar
from rez_agent.domain.calendar_definition import CalendarDefinition, Kept, NamedCalendar
from rez_agent.domain.errors import Conflict, Invalid, Problem
from rez_agent.domain.policies import Frozen
from rez_agent.domain.reading import read
from rez_agent.ports import Ports
from rez_agent.usecases.calendars import (
    calendar_named,
    create_calendar,
    delete_calendar,
    list_calendars,
    replace_calendar,
    seen_users,
)
from rez_agent.usecases.keys import Scope
from rez_agent.web.operations import Api
from rez_agent.web.page.form.values import whole_number
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.visits import Form, Toast, Visit

PATH = "/calendars"


class YearFilter(Frozen):
    """Which year of a calendar; the present one where it is left out."""

    year: Annotated[int, Field(ge=1970, le=2199)] | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a month's table; None in ``number`` before its first and after its last."""

    number: int | None
    label: str | None = None
    weekend: bool = False


@dataclass(frozen=True, slots=True)
class Month:
    """A month: its weeks, and the days in it that something besides the weekday closes or opens."""

    name: str
    weeks: tuple[tuple[Day, ...], ...]
    named: tuple[tuple[date, str], ...]


def months_of(calendar: Calendar, year: int) -> list[Month]:
    """The twelve months of a year, with what closes their days."""
    return [_month(calendar, year, number) for number in range(1, 13)]


def _month(calendar: Calendar, year: int, month: int) -> Month:
    weeks = Months().monthdatescalendar(year, month)
    rows = tuple(tuple(_day(calendar, day, month) for day in week) for week in weeks)
    named: list[tuple[date, str]] = []
    for day in (day for week in weeks for day in week if day.month == month):
        if day in calendar.opened:
            named.append((day, f"open: {calendar.opened[day]}" if calendar.opened[day] else "open"))
        elif day in calendar.closed:
            named.append((day, calendar.closed[day] or "closed"))
    return Month(month_name[month], rows, tuple(named))


def _day(calendar: Calendar, day: date, month: int) -> Day:
    if day.month != month:
        return Day(None)
    label = calendar.why_closed(day)
    return Day(day.day, label, weekend=label is not None and day not in calendar.closed)


async def show_all(api: Api, visit: Visit) -> Response:
    """GET /calendars"""
    found = await api.host.read(list_calendars)
    return visit.page("calendars.html", calendars=[(kept, source_of(kept)) for kept in found])


async def show(api: Api, visit: Visit) -> Response:
    """GET /calendars/{calendar_name}"""
    asked, name = visit.filters(YearFilter), visit.path("calendar_name")

    def look(ports: Ports) -> tuple[Kept, list[tuple[str, str]], bool, datetime]:
        kept = calendar_named(ports, name)
        seen, used = seen_users(ports, visit.caller, name)
        schedules = [(each, ports.schedules.get(each)) for each in seen]
        named = [(each, schedule.definition.name) for each, schedule in schedules if schedule]
        return kept, named, used, ports.clock.now()

    kept, users, used, now = await api.host.read(look)
    year = asked.year or now.year
    return visit.page(
        "calendar.html",
        kept=kept,
        source=source_of(kept),
        users=users,
        used=used,
        year=year,
        months=months_of(kept.calendar, year),
        weekdays=[each.capitalize() for each in WEEKDAYS],
        mine=visit.can_write and visit.caller.reaches(kept.created_by),
    )


async def new(api: Api, visit: Visit) -> Response:
    """GET /calendars/new"""
    del api
    return await _form(visit, None, {"kind": "holidays", "weekdays": ""}, {})


async def edit(api: Api, visit: Visit) -> Response:
    """GET /calendars/{calendar_name}/edit"""
    name = visit.path("calendar_name")
    kept = await api.host.read(lambda ports: calendar_named(ports, name))
    return await _form(visit, name, _values(kept), {})


async def create(api: Api, visit: Visit) -> Response:
    """POST /calendars"""
    return await _save(api, visit, None)


async def replace(api: Api, visit: Visit) -> Response:
    """POST /calendars/{calendar_name}"""
    return await _save(api, visit, visit.path("calendar_name"))


async def delete(api: Api, visit: Visit) -> Response:
    """POST /calendars/{calendar_name}/delete"""
    await visit.form()
    name = visit.path("calendar_name")
    await api.host.write(lambda ports: delete_calendar(ports, visit.caller, name, revision=None))
    return visit.redirect(PATH, Toast(f"Deleted calendar {name}."))


async def _save(api: Api, visit: Visit, name: str | None) -> Response:
    form = await visit.form()
    now = await api.host.read(lambda ports: ports.clock.now())
    try:
        document = document_of(form)
        if name is None:
            made = read(NamedCalendar, {"name": form.text("name"), **document})
            found = await asyncio.to_thread(found_in, made.source, now.date())
            kept = await api.host.write(
                lambda ports: create_calendar(ports, visit.caller, made.name, made, found)
            )
        else:
            definition = read(CalendarDefinition, document)
            found = await asyncio.to_thread(found_in, definition.source, now.date())
            revision = whole_number(form.text("revision")) or 0
            kept = await api.host.write(
                lambda ports: replace_calendar(
                    ports, visit.caller, name, definition, found, revision=revision
                )
            )
    except (Invalid, Conflict) as error:
        values = {field: form.text(field) for field, _ in form.fields}
        return await _form(visit, name, values, _by_field(error.problems), status=422)
    return visit.redirect(f"{PATH}/{kept.name}", Toast(f"Saved calendar {kept.name}."))


def document_of(form: Form) -> dict[str, Any]:
    """The calendar that a form says."""
    document: dict[str, Any] = {
        "title": form.text("title"),
        "closed": dict(_days(form.text("closed"))),
        "open": dict(_days(form.text("open"))),
    }
    weekdays = [day.strip().lower()[:3] for day in form.text("weekdays").split(",") if day.strip()]
    if weekdays:
        document["open_weekdays"] = weekdays
    match form.text("kind"):
        case "holidays":
            part = form.text("subdivision").strip()
            document["source"] = {"kind": "holidays", "country": form.text("country")} | (
                {"subdivision": part} if part else {}
            )
        case "ics":
            text = form.text("ics").strip()
            document["source"] = {"kind": "ics"} | ({"text": text} if text else {})
    return document


def _days(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        day, _, label = line.strip().partition(" ")
        if day:
            yield day, label.strip()


def _values(kept: Kept) -> dict[str, str]:
    """A calendar as the fields of its form."""
    source = kept.source or {}
    return {
        "title": kept.title,
        "kind": source.get("kind", "list"),
        "country": source.get("country", ""),
        "subdivision": source.get("subdivision") or "",
        "weekdays": ", ".join(WEEKDAYS[number] for number in sorted(kept.weekdays)),
        "closed": "\n".join(f"{day} {label}".strip() for day, label in sorted(kept.closed.items())),
        "open": "\n".join(f"{day} {label}".strip() for day, label in sorted(kept.open.items())),
        "revision": str(kept.revision),
    }


async def _form(
    visit: Visit,
    name: str | None,
    values: dict[str, str],
    errors: dict[str, list[Problem]],
    *,
    status: int = 200,
) -> Response:
    known = await asyncio.to_thread(countries)
    listed = sorted((told, code) for code, (told, _) in known.items())
    return visit.page(
        "calendar_form.html",
        status,
        name=name,
        values=values,
        errors=errors,
        countries=listed,
        action=PATH if name is None else f"{PATH}/{name}",
    )


def _by_field(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """Problems by the field that caused them; the rest under an empty name."""
    known = {"source/text": "ics", "open_weekdays": "weekdays"}
    fields = {"name", "title", "weekdays", "country", "subdivision", "ics", "closed", "open"}
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        parts = problem.pointer.strip("/").split("/")
        path = "/".join(parts[:2]) if parts[0] == "source" else parts[0]
        field = known.get(path, path.removeprefix("source/"))
        found.setdefault(field if field in fields else "", []).append(problem)
    return found


def source_of(kept: Kept) -> str:
    """Where its days come from, in a few words."""
    source = kept.source
    if source is None:
        return "a list of days"
    if source["kind"] == "ics":
        return "an ICS file"
    part = f", {source['subdivision']}" if source.get("subdivision") else ""
    return f"holidays of {source['country']}{part}"


_ONE = f"{PATH}/{{calendar_name}}"
OPERATIONS = (
    PageOperation("GET", PATH, show_all, "page_calendars", title="Calendars"),
    PageOperation("GET", f"{PATH}/new", new, "page_calendar_new", scope=Scope.WRITE),
    PageOperation("POST", PATH, create, "page_calendar_create", scope=Scope.WRITE),
    PageOperation("GET", _ONE, show, "page_calendar"),
    PageOperation("GET", f"{_ONE}/edit", edit, "page_calendar_edit", scope=Scope.WRITE),
    PageOperation("POST", _ONE, replace, "page_calendar_replace", scope=Scope.WRITE),
    PageOperation("POST", f"{_ONE}/delete", delete, "page_calendar_delete", scope=Scope.WRITE),
)
