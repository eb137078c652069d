"""A run's page: what became of it and why, attempt by attempt, and what can be done about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.execution import Attempt, Execution, ExecutionStatus, execution_id
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.plainly import Plain, plainly
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Ports
from rez_agent.usecases.callers import Caller, execution_for
from rez_agent.usecases.history import payload_of
from rez_agent.usecases.keys import Scope
from rez_agent.web.operations import Api
from rez_agent.web.page.actions import to_execution
from rez_agent.web.page.changing import carry_out, json_object, toast_of
from rez_agent.web.page.masking import shown_payload
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.visits import Visit
from rez_agent.web.page.waterfall import Waterfall, waterfall_of

LATER_LOOKED_AT = 50
"""Of the runs after this one, so many are looked through for the one that follows."""

_SECOND = timedelta(seconds=1)
_RETRYABLE = (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Told:
    """All that a run's page shows, as it was at ``now``. ``schedule`` None: it is gone for good. ``before``
    and ``after``: the runs next to it, as far as they are known."""

    execution: Execution
    attempts: tuple[Attempt, ...]
    schedule: Schedule | None
    payload: dict[str, Any] | None
    before: str | None
    after: str | None
    now: datetime

    @property
    def timezone(self) -> str:
        """The schedule's zone."""
        return "UTC" if self.schedule is None else self.schedule.definition.timezone

    @property
    def name(self) -> str:
        """The schedule's name."""
        return self.execution.schedule_id if self.schedule is None else self.schedule.definition.name

    @property
    def plain(self) -> Plain:
        """What became of it, in plain words."""
        return plainly(self.execution)

    @property
    def waterfall(self) -> Waterfall | None:
        """Its attempts on one axis."""
        return waterfall_of(self.execution, self.attempts)

    @property
    def request(self) -> str:
        """What it is given, without what looks like a secret."""
        return shown_payload(self.payload)

    @property
    def can_retry(self) -> bool:
        """Whether attempts may be added."""
        return self.execution.status in _RETRYABLE

    @property
    def can_replay(self) -> bool:
        """Whether its work may be done once more."""
        return self.schedule is not None and self.execution.status.final and self.execution.span is None

    @property
    def can_cancel(self) -> bool:
        """Whether it may be stopped."""
        return not self.execution.status.final


async def show(api: Api, visit: Visit) -> Response:
    """GET /executions/{execution_id}"""
    told = await _told(api, visit)
    return visit.page("run_body.html" if visit.is_fragment else "run.html", told=told, now=told.now)


def told_of(ports: Ports, caller: Caller, wanted: str) -> Told:
    """What a run's page shows. Raises NotFound ``execution_not_found``."""
    execution = execution_for(ports, caller, wanted)
    schedule = ports.schedules.get(execution.schedule_id)
    return Told(
        execution=execution,
        attempts=ports.ledger.attempts(execution.id),
        schedule=schedule,
        payload=payload_of(ports, execution),
        before=_before(ports, execution),
        after=_after(ports, execution, schedule),
        now=ports.clock.now(),
    )


def _before(ports: Ports, execution: Execution) -> str | None:
    one, at = execution.schedule_id, execution.scheduled_time
    found = ports.ledger.latest([one], 1, until=at)[one]
    return found[0].id if found else None


def _after(ports: Ports, execution: Execution, schedule: Schedule | None) -> str | None:
    """The run after it: the oldest of the later ones where they are few, else that of the next occurrence."""
    one = execution.schedule_id
    later = ports.ledger.latest([one], LATER_LOOKED_AT, since=execution.scheduled_time + _SECOND)[one]
    if len(later) < LATER_LOOKED_AT:
        return later[-1].id if later else None
    return _of_next_occurrence(ports, execution, schedule)


def _of_next_occurrence(ports: Ports, execution: Execution, schedule: Schedule | None) -> str | None:
    try:
        following = schedule and schedule.occurrences.next_epoch(to_seconds(execution.scheduled_time))
    except Invalid:  # its zone has left the tz database
        return None
    if not following:
        return None
    found = ports.ledger.get(execution_id(execution.schedule_id, from_seconds(following)))
    return None if found is None else found.id


# --- what its buttons do ---


async def retry(api: Api, visit: Visit) -> Response:
    """POST /executions/{execution_id}/retry"""
    return await _ask(api, visit, "retry", "It is queued again.")


async def cancel(api: Api, visit: Visit) -> Response:
    """POST /executions/{execution_id}/cancel"""
    return await _ask(api, visit, "cancel", "It was cancelled, or is asked to stop.")


async def _ask(api: Api, visit: Visit, action: str, done: str) -> Response:
    wanted = visit.path("execution_id")
    message = await carry_out(api, visit, action=action, execution_id=wanted)
    return visit.redirect(f"/executions/{wanted}", toast_of(message, done))


async def edit(api: Api, visit: Visit) -> Response:
    """GET /executions/{execution_id}/replay: the payload, to be changed before it is replayed."""
    told = await _told(api, visit)
    payload = json.dumps(told.payload or {}, indent=2, ensure_ascii=False)
    return _form(visit, told, payload, ())


async def replay(api: Api, visit: Visit) -> Response:
    """POST /executions/{execution_id}/replay: goes to the new run; with a payload that is wrong, back to the
    form, which says what is."""
    wanted = visit.path("execution_id")
    form = await visit.form()
    text = form.text("payload")
    try:
        payload = {"payload": json_object(text, "payload")} if form.has("payload") else {}
        message = await carry_out(api, visit, action="replay", execution_id=wanted, **payload)
    except Invalid as error:
        return _form(visit, await _told(api, visit), text, error.problems, status=422)
    return to_execution(visit, message, f"/executions/{wanted}", "It runs once more, as a run of its own.")


def _form(
    visit: Visit, told: Told, payload: str, problems: Sequence[Problem], *, status: int = 200
) -> Response:
    return visit.page("replay.html", status, told=told, now=told.now, payload=payload, problems=problems)


async def _told(api: Api, visit: Visit) -> Told:
    wanted = visit.path("execution_id")
    return await api.host.read(lambda ports: told_of(ports, visit.caller, wanted))


_ONE = "/executions/{execution_id}"

OPERATIONS = (
    PageOperation("GET", _ONE, show, "page_run"),
    PageOperation("POST", f"{_ONE}/retry", retry, "page_retry", scope=Scope.WRITE),
    PageOperation("POST", f"{_ONE}/cancel", cancel, "page_cancel", scope=Scope.WRITE),
    PageOperation("GET", f"{_ONE}/replay", edit, "page_edit_replay", scope=Scope.WRITE),
    PageOperation("POST", f"{_ONE}/replay", replay, "page_replay", scope=Scope.WRITE),
)
