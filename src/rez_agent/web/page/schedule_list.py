"""The list of schedules: filtered, sorted and paged by its address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import Field
from starlette.responses import Response

from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import Schedule, ScheduleStatus, TargetType
from rez_agent.ports import Page, Ports, ScheduleQuery
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.history import schedules_for
from rez_agent.web.forms import Cursor, Word
from rez_agent.web.operations import Api
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.rows import Row, row_of
from rez_agent.web.page.visits import Visit

ON_A_PAGE = 25
"""Schedules on a page."""

LOOKED_AT = 100
"""Executions of each that its success rate and its durations come from."""

Order = Literal["created_date", "-created_date", "name", "-name", "next_run", "-next_run"]
Standing = Literal["active", "paused", "error", "finished"]


class ListFilter(Frozen):
    """Which schedules, in which order: the list's address."""

    q: Annotated[Word | None, Field(description="names that begin like this")] = None
    status: Standing | None = None
    tag: Word | None = None
    target: TargetType | None = None
    owner: Word | None = None
    order: Order = "-created_date"
    cursor: Cursor = None

    @property
    def narrowed(self) -> bool:
        """Whether some schedules are left out."""
        return any((self.q, self.status, self.tag, self.target, self.owner))

    def query(self) -> ScheduleQuery:
        """What the store is asked for."""
        finished = True if self.status == "finished" else False if self.status == "active" else None
        status = ScheduleStatus.ACTIVE if self.status == "finished" else self.status
        return ScheduleQuery(
            owner=self.owner,
            status=None if status is None else ScheduleStatus(status),
            tag=self.tag,
            target_type=self.target,
            name_prefix=self.q,
            finished=finished,
            order=self.order,
            cursor=self.cursor,
            limit=ON_A_PAGE,
        )

    def address(self, **changes: str | None) -> str:
        """The list's address with other values; the cursor only if it is one of them."""
        kept = self.model_dump(exclude_defaults=True, mode="json") | {"cursor": None} | changes
        said = {name: value for name, value in kept.items() if value and (name, value) != _USUAL}
        return "/schedules" + (f"?{urlencode(said)}" if said else "")

    def sorted_by(self, column: str) -> str:
        """The address of the list by this column; by it already: the other way round."""
        first = "-created_date" if column == "created_date" else column
        turned = first.removeprefix("-") if first.startswith("-") else f"-{first}"
        return self.address(order=turned if self.order == first else first)

    def direction(self, column: str) -> str | None:
        """How a column stands in the order, as ``aria-sort`` says it."""
        if self.order.removeprefix("-") != column:
            return None
        return "descending" if self.order.startswith("-") else "ascending"


_USUAL = ("order", "-created_date")


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the list, as it was at ``now``."""

    rows: tuple[Row, ...]
    page: Page[Schedule]
    now: datetime


async def show(api: Api, visit: Visit) -> Response:
    """GET /schedules"""
    asked = visit.filters(ListFilter)
    template = "schedules_rows.html" if visit.is_fragment else "schedules.html"
    return await shown(api, visit, asked, template)


async def shown(api: Api, visit: Visit, asked: ListFilter, template: str) -> Response:
    """The list, or its rows alone."""
    listing = await api.host.read(lambda ports: listed(ports, visit.caller, asked.query()))
    answer = visit.page(
        template,
        asked=asked,
        listing=listing,
        here=asked.address(cursor=asked.cursor),
        target_types=list(TargetType),
    )
    if visit.is_fragment:
        answer.headers["HX-Push-Url"] = asked.address(cursor=asked.cursor)
    return answer


def listed(ports: Ports, caller: Caller, query: ScheduleQuery) -> Listing:
    """A page of the schedules that the caller may see, each with what its last executions came to."""
    now = ports.clock.now()
    page = schedules_for(ports, caller, query)
    latest = ports.ledger.latest([schedule.id for schedule in page.items], LOOKED_AT)
    rows = tuple(row_of(schedule, latest[schedule.id], now) for schedule in page.items)
    return Listing(rows, replace(page, items=()), now)


OPERATIONS = (PageOperation("GET", "/schedules", show, "page_schedules", title="Schedules"),)
