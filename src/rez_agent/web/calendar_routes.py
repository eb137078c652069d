"""The operations on calendars: scopes, answers, examples."""

from __future__ import annotations

from functools import partial

from rez_agent.domain.calendar_definition import CalendarDefinition, NamedCalendar
from rez_agent.usecases.keys import Scope
from rez_agent.web import calendar_models as models
from rez_agent.web import calendars, examples
from rez_agent.web.operations import Operation, Shown

_ONE = "/api/calendars/{calendar_name}"
_CHANGED = Shown("The calendar", models.CalendarShape, models.CALENDAR, headers=("ETag",))

_calendar = partial(Operation, tag="calendars")

CALENDARS = (
    _calendar(
        "GET",
        "/api/calendars",
        calendars.list_all,
        "list_calendars",
        "List calendars, by name",
        description="Calendars are shared: whoever may read may read all of them.",
        scope=Scope.READ,
        answers={200: Shown("All of them", models.CalendarList, examples.listing(models.CALENDAR))},
    ),
    _calendar(
        "POST",
        "/api/calendars",
        calendars.create,
        "create_calendar",
        "Make a calendar",
        description="Its days come from a list, a country's holidays or the text of an ICS file.",
        scope=Scope.WRITE,
        request=Shown("The calendar", NamedCalendar, {"name": "at", **models.DEFINITION}),
        answers={
            201: Shown("Made", models.CalendarShape, models.CALENDAR, headers=("Location", "ETag")),
        },
        problems=(409,),
    ),
    _calendar(
        "GET",
        _ONE,
        calendars.show,
        "get_calendar",
        "Read a calendar, and who heeds it",
        scope=Scope.READ,
        answers={200: Shown("The calendar", models.CalendarDetail, models.DETAIL, headers=("ETag",))},
    ),
    _calendar(
        "PUT",
        _ONE,
        calendars.replace,
        "replace_calendar",
        "Replace a calendar's days",
        description="Schedules whose occurrences it moves follow within a minute, counted from the change.",
        scope=Scope.WRITE,
        request=Shown("The calendar", CalendarDefinition, models.DEFINITION),
        parameters=("if_match_required",),
        answers={200: _CHANGED},
        problems=(412, 428),
    ),
    _calendar(
        "DELETE",
        _ONE,
        calendars.delete,
        "delete_calendar",
        "Delete a calendar that nobody heeds",
        scope=Scope.WRITE,
        parameters=("if_match",),
        answers={204: Shown("Deleted")},
        problems=(409, 412),
    ),
    _calendar(
        "GET",
        f"{_ONE}/days",
        calendars.show_days,
        "list_calendar_days",
        "List days, and what closes them",
        scope=Scope.READ,
        filters=models.DaysFilter,
        answers={
            200: Shown(
                "Every day of the stretch",
                models.DayList,
                {"items": [{"date": "2026-12-25", "closed": "Christmas Day"}]},
            )
        },
    ),
)
