"""All runs of all schedules, newest first: filtered and paged by their address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from rez_agent.domain.execution import Execution, ExecutionStatus, Reason
from rez_agent.ports import Page, Ports
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.history import Entry, history
from rez_agent.web.forms import Word
from rez_agent.web.operations import Api
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.tab_runs import RunsFilter
from rez_agent.web.page.visits import Visit

PATH = "/executions"


class AllRunsFilter(RunsFilter):
    """Which runs; days are UTC's."""

    schedule: Word | None = None

    @property
    def narrowed(self) -> bool:
        """Whether some runs are left out."""
        return any((self.status, self.reason, self.since, self.until, self.schedule))


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of runs, with their schedules' names, as it was at ``now``."""

    page: Page[Entry]
    names: dict[str, str]
    now: datetime


async def show(api: Api, visit: Visit) -> Response:
    """GET /executions"""
    asked = visit.filters(AllRunsFilter)
    listing = await api.host.read(lambda ports: listed(ports, visit.caller, asked))
    following = listing.page.next_cursor
    return visit.page(
        "run_rows.html" if visit.is_fragment else "run_list.html",
        asked=asked,
        listing=listing,
        here=asked.address(PATH, cursor=asked.cursor),
        first=asked.address(PATH) if asked.cursor else None,
        following=asked.address(PATH, cursor=following) if following else None,
        statuses=list(ExecutionStatus),
        reasons=list(Reason),
    )


def listed(ports: Ports, caller: Caller, asked: AllRunsFilter) -> Listing:
    """The page of runs that is asked for. A schedule may be told by its name or by its id."""
    query = asked.query("UTC", schedule_id=schedule_id_of(ports, caller, asked.schedule))
    page = history(ports, caller, query)
    names = names_of_schedules(ports, [entry.execution for entry in page.items])
    return Listing(page, names, ports.clock.now())


def names_of_schedules(ports: Ports, executions: Iterable[Execution]) -> dict[str, str]:
    """The names of the schedules that executions belong to, as far as they are there."""
    ids = dict.fromkeys(execution.schedule_id for execution in executions)
    found = ((one, ports.schedules.get(one)) for one in ids)
    return {one: schedule.definition.name for one, schedule in found if schedule is not None}


def schedule_id_of(ports: Ports, caller: Caller, said: str | None) -> str | None:
    """The id of a schedule that a filter names, by its id or, among the caller's own, by its name."""
    if said is None or said.startswith("sch_"):
        return said
    return ports.schedules.named(caller.name, said) or said


OPERATIONS = (PageOperation("GET", PATH, show, "page_runs", title="Runs"),)
