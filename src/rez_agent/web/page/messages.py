"""Dead letters: what failed for good, to be queued again one by one, many at once, or all of a schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.responses import Response

from rez_agent.domain.command import MessageStatus, ScheduleCreationRequest
from rez_agent.domain.execution import Execution
from rez_agent.domain.policies import Frozen
from rez_agent.domain.reading import read
from rez_agent.ports import ExecutionQuery, Ports
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.dead_letters import DeadLetters, dead_letters, standing
from rez_agent.usecases.keys import Scope
from rez_agent.web.forms import Cursor, Word
from rez_agent.web.operations import Api
from rez_agent.web.page.changing import carry_out, carry_out_all, toast_of
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.run_list import names_of_schedules, schedule_id_of
from rez_agent.web.page.telling import counted
from rez_agent.web.page.visits import Toast, Visit

PATH = "/messages"
WATCHED = 200
"""Executions whose progress is watched after they were queued again."""


class MessagesFilter(Frozen):
    """Which dead letters: the list's address."""

    schedule: Word | None = None
    target: str | None = None
    code: Word | None = None
    cursor: Cursor = None

    @property
    def narrowed(self) -> bool:
        """Whether some are left out."""
        return any((self.schedule, self.target, self.code))

    def address(self, **changes: str | None) -> str:
        """The list's address with other values; the cursor only if it is one of them."""
        said = self.model_dump(exclude_none=True) | {"cursor": None} | changes
        told = {name: value for name, value in said.items() if value}
        return PATH + (f"?{urlencode(told)}" if told else "")


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of dead letters with their schedules' names, as it was at ``now``."""

    found: DeadLetters
    names: dict[str, str]
    schedule_id: str | None
    now: datetime


async def show(api: Api, visit: Visit) -> Response:
    """GET /messages"""
    asked = visit.filters(MessagesFilter)
    listing = await api.host.read(lambda ports: listed(ports, visit.caller, asked))
    following = listing.found.next_cursor
    return visit.page(
        "messages_rows.html" if visit.is_fragment else "messages.html",
        asked=asked,
        listing=listing,
        here=asked.address(cursor=asked.cursor),
        first=asked.address() if asked.cursor else None,
        following=asked.address(cursor=following) if following else None,
    )


def listed(ports: Ports, caller: Caller, asked: MessagesFilter) -> Listing:
    """The page that is asked for."""
    schedule_id = schedule_id_of(ports, caller, asked.schedule)
    found = dead_letters(
        ports,
        caller,
        schedule_id=schedule_id,
        target=asked.target,
        code=asked.code,
        cursor=asked.cursor,
    )
    return Listing(found, names_of_schedules(ports, found.items), schedule_id, ports.clock.now())


async def redrive(api: Api, visit: Visit) -> Response:
    """POST /messages/redrive: one (``only``), those that are ticked, or ``all`` (of one schedule or all)."""
    form = await visit.form()
    if form.has("all"):
        schedule_id = form.text("all") or None
        watched = await api.host.read(lambda ports: _of(ports, visit.caller, schedule_id))
        message = await carry_out(api, visit, action="redrive", schedule_id=schedule_id)
        number = int(message.result.get("count", 0))
        return _redriven(visit, watched, toast_of(message, f"Queued again: {counted(number, 'run')}."))
    ids = [form.text("only")] if form.has("only") else list(dict.fromkeys(form.all("id")))[:WATCHED]
    requests = [read(ScheduleCreationRequest, {"action": "retry", "execution_id": one}) for one in ids]
    messages = await carry_out_all(api, visit, requests)
    refused = [message for message in messages if message.status is MessageStatus.FAILED]
    toast = Toast(f"Queued again: {counted(len(messages) - len(refused), 'run')}.")
    if refused or not messages:
        told = tuple(problem.message for message in refused for problem in message.problems)
        toast = Toast(toast.text if messages else "Tick some first.", "bad", details=told[:10])
    return _redriven(visit, ids, toast)


def _of(ports: Ports, caller: Caller, schedule_id: str | None) -> tuple[str, ...]:
    query = ExecutionQuery(
        owner=caller.owner_filter, schedule_id=schedule_id, dead_letter=True, limit=WATCHED
    )
    return ports.ledger.dead_letters(query)


def _redriven(visit: Visit, ids: Sequence[str], toast: Toast) -> Response:
    """What was queued again, to be watched; without scripts, the list with a sentence."""
    if not visit.is_fragment:
        return visit.redirect(PATH, toast)
    answer = visit.page("messages_progress.html", ids=ids, progress=None, toast=toast)
    answer.headers["HX-Trigger"] = "changed"
    return answer


async def progress(api: Api, visit: Visit) -> Response:
    """POST /messages/progress: how those that were queued again stand."""
    ids = (await visit.form()).all("id")[:WATCHED]
    found = await api.host.read(lambda ports: standing(ports, visit.caller, ids))
    answer = visit.page("messages_progress.html", ids=ids, progress=progress_of(found), toast=None)
    if all(one.status.final for one in found):
        answer.headers["HX-Trigger"] = "changed"
    return answer


@dataclass(frozen=True, slots=True)
class Progress:
    """How far executions have come: ``parts`` of a bar 100 units long, with their kinds, and in words."""

    done: int
    total: int
    counts: dict[str, int]

    @property
    def over(self) -> bool:
        """Whether all have ended."""
        return self.done == self.total

    @property
    def parts(self) -> list[tuple[str, float, float]]:
        """Kind, beginning and length of each part of the bar."""
        made, x = [], 0.0
        for kind, count in self.counts.items():
            width = 100 * count / self.total
            made.append((kind, round(x, 2), round(width, 2)))
            x += width
        return made


def progress_of(executions: Sequence[Execution]) -> Progress:
    """How far ``executions`` have come."""
    counts = Counter(one.status.value for one in executions)
    order = ("succeeded", "failed", "cancelled", "skipped", "running", "queued")
    told = {kind: counts[kind] for kind in order if counts[kind]}
    return Progress(sum(one.status.final for one in executions), len(executions), told)


OPERATIONS = (
    PageOperation("GET", PATH, show, "page_messages", title="Messages"),
    PageOperation("POST", f"{PATH}/redrive", redrive, "page_redrive", scope=Scope.WRITE),
    PageOperation("POST", f"{PATH}/progress", progress, "page_redrive_progress"),
)
