"""The tab of what is to come: the next occurrences, with what a clock change does to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rez_agent.domain.errors import Invalid
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Page, Ports
from rez_agent.usecases.history import occurrences
from rez_agent.usecases.preview import Due
from rez_agent.web.operations import Api
from rez_agent.web.page.tabs import Tab
from rez_agent.web.page.visits import Visit

SHOWN = 25


async def load(api: Api, visit: Visit, schedule: Schedule) -> dict[str, Any]:
    """The next occurrences, and the times up to the last of them that no clock shows."""

    def read(ports: Ports) -> tuple[tuple[Due, ...], tuple[str, ...]]:
        if not schedule.living:
            return (), ()
        try:
            page: Page[Due] = occurrences(
                ports, visit.caller, schedule.id, since=None, until=None, cursor=None, limit=SHOWN
            )
        except Invalid:  # its zone has left the tz database
            return (), ()
        return page.items, _skipped(schedule, ports.clock.now(), page.items)

    dues, skipped = await api.host.read(read)
    return {"dues": dues, "skipped": skipped, "resumes": schedule.pause.until if schedule.pause else None}


def _skipped(schedule: Schedule, now: datetime, dues: tuple[Due, ...]) -> tuple[str, ...]:
    if not dues:
        return ()
    return tuple(one.note for one in schedule.definition.expression.skipped_between(now, dues[-1].at))


TAB = Tab("upcoming", "Upcoming", "tab_upcoming.html", load)
