"""The tab of a schedule's runs: filtered and paged by its address; its first page keeps itself fresh."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from rez_agent.domain.execution import ExecutionStatus, Reason
from rez_agent.domain.instants import from_seconds
from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.zones import zone
from rez_agent.ports import ExecutionQuery
from rez_agent.usecases.history import history
from rez_agent.web.forms import Cursor, Day
from rez_agent.web.operations import Api
from rez_agent.web.page.tabs import Tab
from rez_agent.web.page.visits import Visit

ON_A_PAGE = 25


class RunsFilter(Frozen):
    """Which runs: days are the schedule's own."""

    status: ExecutionStatus | None = None
    reason: Reason | None = None
    since: Day | None = None
    until: Day | None = None
    cursor: Cursor = None

    @property
    def narrowed(self) -> bool:
        """Whether some runs are left out."""
        return any((self.status, self.reason, self.since, self.until))

    def address(self, path: str, **more: str | None) -> str:
        """The list's address under ``path``; the cursor only if it is among ``more``."""
        said = self.model_dump(mode="json", exclude_none=True, exclude={"cursor"})
        said |= {name: value for name, value in more.items() if value}
        return f"{path}?{urlencode(said)}" if said else path

    def query(self, timezone: str, **more: Any) -> ExecutionQuery:
        """What the ledger is asked for; days begin and end on the clocks of ``timezone``."""
        return ExecutionQuery(
            status=self.status,
            reason=self.reason,
            since=_midnight(self.since, timezone),
            until=_midnight(None if self.until is None else self.until + timedelta(days=1), timezone),
            cursor=self.cursor,
            limit=ON_A_PAGE,
            **more,
        )


def _midnight(day: date | None, timezone: str) -> datetime | None:
    return None if day is None else from_seconds(zone(timezone).resolve(datetime.combine(day, time())))


async def load(api: Api, visit: Visit, schedule: Schedule) -> dict[str, Any]:
    """The runs that the address asks for."""
    asked = visit.filters(RunsFilter)
    query = asked.query(schedule.definition.timezone, schedule_id=schedule.id)
    page = await api.host.read(lambda ports: history(ports, visit.caller, query))
    path = f"/schedules/{schedule.id}"
    return {
        "asked": asked,
        "page": page,
        "here": asked.address(path, tab="runs", cursor=asked.cursor),
        "first": asked.address(path, tab="runs") if asked.cursor else None,
        "following": asked.address(path, tab="runs", cursor=page.next_cursor) if page.next_cursor else None,
        "statuses": list(ExecutionStatus),
        "reasons": list(Reason),
    }


TAB = Tab("runs", "Runs", "tab_runs.html", load)
