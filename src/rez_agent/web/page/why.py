"""Why did it (not) run? The panel on a schedule's page, and the same as a page of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from rez_agent.domain.policies import Frozen
from rez_agent.domain.why import zone_of
from rez_agent.usecases.callers import known_schedule
from rez_agent.usecases.why import Answer, why_for
from rez_agent.web.operations import Api
from rez_agent.web.page.changes_told import Told, told, verdict_badge
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.visits import Visit


class _Question(Frozen):
    """The time asked about; none yet where the page was only opened."""

    at: Annotated[str | None, Field(max_length=64)] = None


@dataclass(frozen=True, slots=True)
class Panel:
    """An answer as it is shown: the time asked about, as a field for a local time holds it, the badge of the
    verdict and its words, and the change that explains it, if one does."""

    found: Answer
    asked: str
    timezone: str
    badge: str
    words: str
    changes: tuple[Told, ...]


async def show(api: Api, visit: Visit) -> Response:
    """GET /schedules/{schedule_id}/why"""
    asked = visit.filters(_Question).at
    schedule_id = visit.path("schedule_id")
    if asked is None:
        schedule = await api.host.read(lambda ports: known_schedule(ports, visit.caller, schedule_id))
        return visit.page("why.html", schedule=schedule)
    found = await api.host.read(lambda ports: why_for(ports, visit.caller, schedule_id, asked))
    template = "why_answer.html" if visit.is_fragment else "why.html"
    return visit.page(template, schedule=found.schedule, panel=panel_of(found))


def panel_of(found: Answer) -> Panel:
    """The answer as it is shown."""
    badge, words = verdict_badge(found.why.verdict)
    timezone, change = zone_of(found.schedule).name, found.why.change
    return Panel(found, _local(found), timezone, badge, words, told([change] if change else [], timezone))


def _local(found: Answer) -> str:
    wall = found.why.asked.missing or zone_of(found.schedule).wall_of(found.why.asked.first)
    return wall.isoformat(timespec="seconds" if wall.second else "minutes")


OPERATIONS = (PageOperation("GET", "/schedules/{schedule_id}/why", show, "page_why"),)
