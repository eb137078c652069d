"""What the buttons of a schedule's page do: pause, resume, run, backfill, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Ports
from rez_agent.usecases.callers import schedule_for
from rez_agent.usecases.commands import backfill_times
from rez_agent.usecases.keys import Scope
from rez_agent.web.operations import Api
from rez_agent.web.page.changing import carry_out, json_object, toast_of, until_of, wall_instant
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.steering import steer, told
from rez_agent.web.page.telling import counted
from rez_agent.web.page.visits import Toast, Visit


async def pause(api: Api, visit: Visit) -> Response:
    """POST /schedules/{schedule_id}/pause"""
    schedule, now = await _schedule(api, visit)
    form = await visit.form()
    return await _steered(
        api,
        visit,
        schedule,
        "pause",
        reason=form.text("reason"),
        until=until_of(form, schedule.definition.timezone, now),
        cancel=form.has("cancel"),
    )


async def resume(api: Api, visit: Visit) -> Response:
    """POST /schedules/{schedule_id}/resume"""
    schedule, _ = await _schedule(api, visit)
    return await _steered(api, visit, schedule, "resume")


async def run(api: Api, visit: Visit) -> Response:
    """POST /schedules/{schedule_id}/run: goes to the run."""
    schedule, _ = await _schedule(api, visit)
    text = (await visit.form()).text("payload")
    payload: dict[str, Any] = {"payload": json_object(text, "payload")} if text else {}
    message = await carry_out(api, visit, action="run", schedule_id=schedule.id, **payload)
    return to_execution(visit, message, f"/schedules/{schedule.id}", "It runs now.")


def to_execution(visit: Visit, message: Message, otherwise: str, done: str) -> Response:
    """Go to the execution that a command led to, or back where it led to none."""
    execution_id = message.result.get("execution_id")
    path = otherwise if execution_id is None else f"/executions/{execution_id}"
    return visit.redirect(path, toast_of(message, done))


async def backfill(api: Api, visit: Visit) -> Response:
    """POST /schedules/{schedule_id}/backfill; with ``count``, only says how many there would be."""
    schedule, now = await _schedule(api, visit)
    form, timezone = await visit.form(), schedule.definition.timezone
    bounds = {name: wall_instant(form.text(name), timezone, name) for name in ("from", "to")}
    command: dict[str, Any] = {
        "action": "backfill",
        "schedule_id": schedule.id,
        **{name: None if at is None else rfc3339(at) for name, at in bounds.items()},
    }
    if form.has("count"):
        return _plan(visit, schedule, command, now)
    message = await carry_out(api, visit, **command)
    done = f"Queued {counted(int(message.result.get('count', 0)), 'run')}."
    return _back(visit, schedule, message, done)


def _plan(visit: Visit, schedule: Schedule, command: dict[str, Any], now: datetime) -> Response:
    times = backfill_times(schedule, read(ScheduleCreationRequest, command), now)
    if visit.is_fragment:
        return visit.page("backfill_plan.html", times=times, timezone=schedule.definition.timezone, now=now)
    toast = Toast(f"That stretch holds {counted(len(times), 'occurrence')}.", "plain")
    return visit.redirect(f"/schedules/{schedule.id}", toast)


async def delete(api: Api, visit: Visit) -> Response:
    """POST /schedules/{schedule_id}/delete: goes to the list."""
    schedule, _ = await _schedule(api, visit)
    form = await visit.form()
    fields = {"cancel": form.has("cancel"), "reason": form.text("reason")}
    return await _steered(api, visit, schedule, "delete", **fields)


async def _steered(api: Api, visit: Visit, schedule: Schedule, action: str, **fields: Any) -> Response:
    """Do it, and go on to where the schedule is seen then, with a way back."""
    report = await steer(api, visit, [schedule.id], action, **fields)
    gone = action == "delete" and not report.failed
    toast = await told(api, visit, action, report)
    return visit.redirect("/schedules" if gone else f"/schedules/{schedule.id}", toast)


async def _schedule(api: Api, visit: Visit) -> tuple[Schedule, datetime]:
    """The living schedule in the path, and now."""
    schedule_id = visit.path("schedule_id")

    def look(ports: Ports) -> tuple[Schedule, datetime]:
        return schedule_for(ports, visit.caller, schedule_id), ports.clock.now()

    return await api.host.read(look)


def _back(visit: Visit, schedule: Schedule, message: Message, done: str) -> Response:
    return visit.redirect(f"/schedules/{schedule.id}", toast_of(message, done))


def _operation(verb: str, handler: Any) -> PageOperation:
    path = f"/schedules/{{schedule_id}}/{verb}"
    return PageOperation("POST", path, handler, f"page_{verb}", scope=Scope.WRITE)


OPERATIONS = tuple(
    _operation(handler.__name__, handler) for handler in (pause, resume, run, backfill, delete)
)
