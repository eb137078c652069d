"""The week's page: all schedules on one timeline, hollow until they ran."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from rez_agent.usecases.week import SCHEDULES_COUNTED, Week, week
from rez_agent.web.forms import WeekFilter
from rez_agent.web.operations import Api
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.timeline import HEIGHT, LOAD_HEIGHT, drawn_of, legend
from rez_agent.web.page.visits import Visit

PATH = "/week"


async def show(api: Api, visit: Visit) -> Response:
    """GET /week"""
    asked = visit.filters(WeekFilter)
    found = await api.host.read(
        lambda ports: week(ports, visit.caller, asked.query, first=asked.from_, timezone=asked.timezone)
    )
    first = first_day(found)
    return visit.page(
        "week_body.html" if visit.is_fragment else "week.html",
        asked=asked,
        week=found,
        drawn=drawn_of(found),
        first_day=first,
        last_day=first + timedelta(days=6),
        before=address(asked, first - timedelta(days=7)),
        after=address(asked, first + timedelta(days=7)),
        present=address(asked, None),
        here=address(asked, asked.from_, asked.cursor),
        following=address(asked, asked.from_, found.next_cursor) if found.next_cursor else None,
        legend=legend(),
        height=HEIGHT,
        load_height=LOAD_HEIGHT,
        counted_at_most=SCHEDULES_COUNTED,
    )


def first_day(found: Week) -> date:
    """The first of the seven days, on the clocks of the week's zone: its noon is on no clock change."""
    return (found.begins + timedelta(hours=12)).astimezone(found.info).date()


def address(asked: WeekFilter, first: date | None, cursor: str | None = None) -> str:
    """The week from ``first`` on, with the same filters; without it, the present one."""
    said = {
        "from": None if first is None else first.isoformat(),
        "timezone": None if asked.timezone == "UTC" else asked.timezone,
        "created_by": asked.created_by,
        "tag": asked.tag,
        "name_prefix": asked.name_prefix,
        "cursor": cursor,
    }
    told = {name: value for name, value in said.items() if value}
    return PATH + (f"?{urlencode(told)}" if told else "")


OPERATIONS = (PageOperation("GET", PATH, show, "page_week", title="Week"),)
