"""The tab of a schedule's changes: who changed what, when and why, newest first."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from rez_agent.domain.changes import Change
from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.why import zone_of
from rez_agent.ports import Page, Ports
from rez_agent.usecases.auditing import Beginning, beginning_of, changes_of
from rez_agent.web.forms import Cursor
from rez_agent.web.operations import Api
from rez_agent.web.page.changes_told import begun, told
from rez_agent.web.page.tabs import Tab
from rez_agent.web.page.visits import Visit

ON_A_PAGE = 25
"""Changes on a page."""


class _Asked(Frozen):
    """Which page."""

    cursor: Cursor = None


async def load(api: Api, visit: Visit, schedule: Schedule) -> dict[str, Any]:
    """A page of the changes."""
    asked = visit.filters(_Asked)

    def read(ports: Ports) -> tuple[Page[Change], Beginning | None]:
        page = changes_of(ports, visit.caller, schedule.id, cursor=asked.cursor, limit=ON_A_PAGE)
        return page, None if page.next_cursor else beginning_of(ports, schedule)

    page, beginning = await api.host.read(read)
    base = f"/schedules/{schedule.id}?tab=changes"
    following = f"{base}&{urlencode({'cursor': page.next_cursor})}" if page.next_cursor else None
    timezone = zone_of(schedule).name
    return {
        "changes": told(page.items, timezone),
        "begun": begun(beginning, timezone) if beginning else (),
        "timezone": timezone,
        "total": page.total,
        "first": base if asked.cursor else None,
        "following": following,
    }


TAB = Tab("changes", "Changes", "tab_changes.html", load)
