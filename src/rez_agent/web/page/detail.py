"""A schedule's page: how it stands, what can be done with it, and its tabs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from rez_agent.domain.execution import Execution
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.statistics import Statistics, statistics_of
from rez_agent.ports import Ports
from rez_agent.usecases.callers import Caller, check_known
from rez_agent.usecases.history import schedule_or_pending
from rez_agent.web.operations import Api
from rez_agent.web.page import actions, tab_alerts, tab_changes, tab_runs, tab_settings, tab_upcoming, why
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.points import points_of
from rez_agent.web.page.rows import State, sentence_of, state_of
from rez_agent.web.page.tabs import Tab
from rez_agent.web.page.visits import Visit

COUNTED = 200
"""Executions that the figures and the chart are made of."""

TABS: tuple[Tab, ...] = (tab_runs.TAB, tab_upcoming.TAB, tab_settings.TAB, tab_changes.TAB, tab_alerts.TAB)
"""The tabs, in their order. The first one is shown unless another is asked for."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the tabs, as it was at ``now``."""

    schedule: Schedule
    state: State
    sentence: str
    statistics: Statistics
    now: datetime


async def show(api: Api, visit: Visit) -> Response:
    """GET /schedules/{schedule_id}"""
    schedule_id = visit.path("schedule_id")
    head = await api.host.read(lambda ports: head_of(ports, visit.caller, schedule_id))
    tab = _tab(visit)
    base = f"/schedules/{schedule_id}"
    context: dict[str, Any] = {
        "head": head,
        "schedule": head.schedule,
        "now": head.now,
        "here": f"{base}?tab={tab.key}",
    }
    context |= await tab.load(api, visit, head.schedule)
    template = tab.template if visit.is_fragment else "detail.html"
    tabs = [(one.key, one.title) for one in TABS]
    return visit.page(template, tab=tab, tabs=tabs, base=base, counted=COUNTED, **context)


async def points(api: Api, visit: Visit) -> Response:
    """GET /schedules/{schedule_id}/points: what the chart draws, as JSON."""
    schedule_id = visit.path("schedule_id")
    found = await api.host.read(lambda ports: _latest(ports, visit.caller, schedule_id))
    return JSONResponse(points_of(found))


def head_of(ports: Ports, caller: Caller, schedule_id: str) -> Head:
    """What stands above the tabs; of a deleted schedule too, as long as its tombstone stands. Raises
    NotFound, and Pending while it is being created."""
    schedule = ports.schedules.get(schedule_id)
    if schedule is None or not caller.reaches(schedule.created_by):
        schedule = schedule_or_pending(ports, caller, schedule_id)
    return Head(
        schedule=schedule,
        state=state_of(schedule),
        sentence=sentence_of(schedule),
        statistics=statistics_of(_latest(ports, caller, schedule_id)),
        now=ports.clock.now(),
    )


def _latest(ports: Ports, caller: Caller, schedule_id: str) -> tuple[Execution, ...]:
    check_known(ports, caller, schedule_id)
    return ports.ledger.latest([schedule_id], COUNTED)[schedule_id]


def _tab(visit: Visit) -> Tab:
    asked = visit.request.query_params.get("tab")
    return next((tab for tab in TABS if tab.key == asked), TABS[0])


OPERATIONS = (
    PageOperation("GET", "/schedules/{schedule_id}", show, "page_schedule"),
    PageOperation("GET", "/schedules/{schedule_id}/points", points, "page_points"),
    *actions.OPERATIONS,
    *why.OPERATIONS,
)
