"""The table of the page's operations: every screen, and what its forms send."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.routing import BaseRoute

from rez_agent.web.operations import Api, DirectRoute
from rez_agent.web.page import (
    alerts,
    calendars,
    detail,
    login,
    messages,
    run,
    run_list,
    schedule_list,
    statics,
    steering,
    template_screens,
    weekly,
)
from rez_agent.web.page.form import routes as form_routes
from rez_agent.web.page.operations import PageOperation, Site, page_route
from rez_agent.web.page.visits import Visit


async def home(api: Api, visit: Visit) -> Response:
    """GET /"""
    del api
    return visit.redirect("/schedules")


SCREENS = (
    PageOperation("GET", "/", home, "page_home", scope=None),
    *schedule_list.OPERATIONS,
    *form_routes.OPERATIONS,
    *steering.OPERATIONS,
    *detail.OPERATIONS,
    *run_list.OPERATIONS,
    *run.OPERATIONS,
    *weekly.OPERATIONS,
    *messages.OPERATIONS,
    *template_screens.OPERATIONS,
    *calendars.OPERATIONS,
    *alerts.OPERATIONS,
)
"""What there is, in the order of the navigation. The first that matches a request has it."""


def page_routes(api: Api, monotonic: Callable[[], float]) -> list[BaseRoute]:
    """The routes of the page."""
    table = (*SCREENS, *login.operations(monotonic))
    navigation = tuple((operation.path, operation.title) for operation in table if operation.title)
    paths = frozenset(operation.path for operation in table)
    site = Site(api, (*navigation, ("/docs", "API")), paths)
    files = DirectRoute("/static/{digest}/{name:path}", statics.endpoint, "GET", "static")
    return [files, *(page_route(site, operation) for operation in table)]
