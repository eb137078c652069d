"""Steering schedules, one or many: each by its own command, with a report of what failed and a way back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.responses import Response

from rez_agent.domain.command import Message, MessageStatus
from rez_agent.domain.errors import Invalid, Problem, RezError
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Ports
from rez_agent.usecases.callers import schedule_for
from rez_agent.usecases.keys import Scope
from rez_agent.usecases.undoing import Command, recall, remember, way_back
from rez_agent.web.operations import Api
from rez_agent.web.page.changing import carry_out, toast_of, until_of
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.telling import counted
from rez_agent.web.page.visits import Toast, Visit, local_path, path_of_address

AT_ONCE = 200
"""Schedules that one form steers."""

FIRST = {
    "name": "heartbeat",
    "description": "An example: it shows that the server fires.",
    "schedule_expression": "rate(1 minute)",
    "target_type": "notification",
    "payload": {"channel": "log", "message": "still here"},
}
"""What a newcomer may try."""

DONE = {"pause": "Paused", "resume": "Resumed", "run": "Started", "delete": "Deleted"}


@dataclass(slots=True)
class Report:
    """What became of each: the names of those it was done to, why not to others, and the way back."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    back: list[Command] = field(default_factory=list)


async def steer(api: Api, visit: Visit, schedule_ids: Sequence[str], action: str, **fields: Any) -> Report:
    """Do ``action`` to each schedule, all at once: what fails stops none of the others, and however many
    there are, one wait is enough for all."""
    reports = await asyncio.gather(
        *(_steer(api, visit, one, {"action": action, **fields}) for one in schedule_ids)
    )
    return Report(
        done=[name for report in reports for name in report.done],
        failed=[text for report in reports for text in report.failed],
        back=[command for report in reports for command in report.back],
    )


async def _steer(api: Api, visit: Visit, schedule_id: str, command: dict[str, Any]) -> Report:
    report, name = Report(), schedule_id
    try:
        before, new_id = await api.host.read(partial(_found, visit=visit, schedule_id=schedule_id))
        name = before.definition.name
        message = await carry_out(api, visit, schedule_id=schedule_id, **command)
        _note(report, before, message, way_back(before, message, caller=visit.caller, new_id=new_id))
    except RezError as error:
        report.failed.append(f"{name}: {error.message}")
    return report


def _found(ports: Ports, visit: Visit, schedule_id: str) -> tuple[Schedule, str]:
    """The schedule, and the id that it would have if it were created again."""
    return schedule_for(ports, visit.caller, schedule_id), ports.random.new_id("sch", ports.clock.now())


def _note(report: Report, before: Schedule, message: Message, back: Sequence[Command]) -> None:
    if message.status is MessageStatus.FAILED:
        problems = " ".join(problem.message for problem in message.problems)
        report.failed.append(f"{before.definition.name}: {problems}")
    else:
        report.done.append(before.definition.name)
        report.back += back


async def told(api: Api, visit: Visit, action: str, report: Report) -> Toast:
    """What to say of it, with an Undo where there is a way back."""
    caller, steps = visit.caller, report.back
    undo = await api.host.write(lambda ports: remember(ports, caller, steps)) if steps else ""
    many = len(report.done)
    what = report.done[0] if many == 1 else counted(many, "schedule")
    if not report.failed:
        hint = " Undo creates it anew, with a history of its own." if action == "delete" and undo else ""
        return Toast(f"{DONE[action]} {what}.{hint}", undo=undo)
    failed = counted(len(report.failed), "schedule")
    text = f"{DONE[action]} {what}; not {failed}." if many else f"Nothing was done to {failed}."
    return Toast(text, "bad", undo, tuple(report.failed[:10]))


async def bulk(api: Api, visit: Visit) -> Response:
    """POST /schedules/bulk: what is ticked in the list."""
    form = await visit.form()
    action, ids = form.text("do"), form.all("id")
    if action not in DONE or not 0 < len(ids) <= AT_ONCE:
        text = f"Tick 1 to {AT_ONCE} schedules, then choose what to do with them."
        raise Invalid(text, problems=[Problem("invalid_value", text, "/id")])
    fields: dict[str, Any] = {"reason": form.text(f"{action}_reason")}
    if action == "pause":
        now = await api.host.read(lambda ports: ports.clock.now())
        fields["until"] = until_of(form, "UTC", now)
    report = await steer(api, visit, ids, action, **fields)
    return visit.redirect(local_path(form.text("back")), await told(api, visit, action, report))


async def undo(api: Api, visit: Visit) -> Response:
    """POST /schedules/undo: back to the page on which it was pressed."""
    key, caller = (await visit.form()).text("undo"), visit.caller
    steps = await api.host.write(lambda ports: recall(ports, caller, key))
    groups: dict[str, list[Command]] = {}
    for step in steps:
        groups.setdefault(step.get("schedule_id") or step["execution_id"], []).append(step)
    told = await asyncio.gather(*(_go_back(api, visit, group) for group in groups.values()))
    failed = [text for texts in told for text in texts]
    toast = Toast("Undone.")
    if failed:
        toast = Toast("Not all of it could be undone.", "bad", details=tuple(failed[:10]))
    return visit.redirect(_here(visit), toast)


async def _go_back(api: Api, visit: Visit, steps: Sequence[Command]) -> list[str]:
    """Undo what was done to one of them, step by step; why not, if a step fails, which ends it."""
    try:
        for step in steps:
            message = await carry_out(api, visit, **step)
            if message.problems:
                return [problem.message for problem in message.problems]
    except RezError as error:
        return [error.message]
    return []


def _here(visit: Visit) -> str:
    """The page from which the form was sent."""
    headers = visit.request.headers
    return local_path(path_of_address(headers.get("hx-current-url") or headers.get("referer") or ""))


async def first(api: Api, visit: Visit) -> Response:
    """POST /schedules/first: an example to begin with."""
    message = await carry_out(api, visit, action="create", schedule=dict(FIRST))
    toast = toast_of(message, "Here it is. It writes to the server's log every minute.")
    made = message.status is MessageStatus.COMPLETED
    return visit.redirect(f"/schedules/{message.schedule_id}" if made else "/schedules", toast)


OPERATIONS = (
    PageOperation("POST", "/schedules/first", first, "page_first", scope=Scope.WRITE),
    PageOperation("POST", "/schedules/bulk", bulk, "page_bulk", scope=Scope.WRITE),
    PageOperation("POST", "/schedules/undo", undo, "page_undo", scope=Scope.WRITE),
)
