"""The tab of a schedule's changes: who changed what, when and why, newest first."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.why import zone_of
from rez_agent.usecases.auditing import changes_of
from rez_agent.web.forms import Cursor
from rez_agent.web.operations import Api
from rez_agent.web.page.changes_told import told
from rez_agent.web.page.tabs import Tab
from rez_agent.web.page.visits import Visit

ON_A_PAGE = 25
"""Changes on a page."""


class _Page(Frozen):
    """Which page."""

    cursor: Cursor = None


async def load(api: Api, visit: Visit, schedule: Schedule) -> dict[str, Any]:
    """A page of the changes."""
    asked = visit.filters(_Page)
    page = await api.host.read(
        lambda ports: changes_of(ports, visit.caller, schedule.id, cursor=asked.cursor, limit=ON_A_PAGE)
    )
    base = f"/schedules/{schedule.id}?tab=changes"
    following = f"{base}&{urlencode({'cursor': page.next_cursor})}" if page.next_cursor else None
    timezone = zone_of(schedule).name
    return {
        "changes": told(page.items, timezone),
        "timezone": timezone,
        "total": page.total,
        "first": base if asked.cursor else None,
        "following": following,
    }


TAB = Tab("changes", "Changes", "tab_changes.html", load)
