"""Routes of schedules: create, read, change, delete, and when they are due."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rez_agent.domain.command import CommandAction, ScheduleCreationRequest
from rez_agent.domain.schedule import CalendarUse
from rez_agent.ports import Ports, ScheduleQuery
from rez_agent.usecases.callers import schedule_for
from rez_agent.usecases.commands import backfill_times
from rez_agent.usecases.editing import edit
from rez_agent.usecases.history import occurrences, schedule_or_pending, schedules_for
from rez_agent.usecases.preview import Due, dues_of, preview_in
from rez_agent.web.answers import answer, nothing
from rez_agent.web.calls import Call, etag
from rez_agent.web.commanding import carry_out
from rez_agent.web.forms import (
    BackfillRequest,
    ConsequencesRequest,
    DefinitionToTest,
    DeleteFilter,
    OccurrenceFilter,
    PauseRequest,
    PreviewRequest,
    ReasonFilter,
    ResumeRequest,
    RunRequest,
    ScheduleFilter,
)
from rez_agent.web.operations import Api
from rez_agent.web.shapes import (
    due_document,
    edit_document,
    page_document,
    preview_document,
    schedule_detail,
    schedule_document,
)

BACKFILL_SHOWN = 100
"""Occurrences that a dry run of a backfill lists; it counts all of them."""


async def create(api: Api, call: Call) -> Response:
    """POST /api/schedules"""
    request = ScheduleCreationRequest(action=CommandAction.CREATE, schedule=await call.object())
    return await carry_out(api, call, request)


async def list_all(api: Api, call: Call) -> Response:
    """GET /api/schedules"""
    asked = call.filters(ScheduleFilter)
    query = ScheduleQuery(
        owner=asked.created_by,
        status=asked.status,
        tag=asked.tag,
        target_type=asked.target_type,
        name=asked.name,
        name_prefix=asked.name_prefix,
        finished=asked.finished,
        order=asked.order,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    page = await api.host.read(lambda ports: schedules_for(ports, call.caller, query))
    return answer(page_document(page, schedule_document))


async def show(api: Api, call: Call) -> Response:
    """GET /api/schedules/{schedule_id}"""
    schedule_id = call.path("schedule_id")
    schedule = await api.host.read(lambda ports: schedule_or_pending(ports, call.caller, schedule_id))
    headers = {"ETag": etag(schedule.revision)}
    if call.has(schedule.revision):
        return nothing(headers, 304)
    return answer(schedule_detail(schedule), headers=headers)


async def replace(api: Api, call: Call) -> Response:
    """PUT /api/schedules/{schedule_id}"""
    revision = call.required_revision()
    reason = call.filters(ReasonFilter).reason
    definition = await call.object()
    request = _about(call, CommandAction.UPDATE, schedule=definition, revision=revision, reason=reason)
    return await carry_out(api, call, request)


async def patch(api: Api, call: Call) -> Response:
    """PATCH /api/schedules/{schedule_id}"""
    reason = call.filters(ReasonFilter).reason
    request = _about(call, CommandAction.UPDATE, patch=await call.object(), reason=reason)
    return await carry_out(api, call, request)


async def delete(api: Api, call: Call) -> Response:
    """DELETE /api/schedules/{schedule_id}"""
    asked = call.filters(DeleteFilter)
    request = _about(call, CommandAction.DELETE, cancel=asked.cancel, reason=asked.reason)
    return await carry_out(api, call, request)


async def pause(api: Api, call: Call) -> Response:
    """POST /api/schedules/{schedule_id}/pause"""
    asked = await call.form(PauseRequest)
    request = _about(call, CommandAction.PAUSE, reason=asked.reason, until=asked.until, cancel=asked.cancel)
    return await carry_out(api, call, request)


async def resume(api: Api, call: Call) -> Response:
    """POST /api/schedules/{schedule_id}/resume"""
    asked = await call.form(ResumeRequest)
    return await carry_out(api, call, _about(call, CommandAction.RESUME, reason=asked.reason))


async def test(api: Api, call: Call) -> Response:
    """POST /api/schedules/test"""
    asked = await call.form(DefinitionToTest)
    tested = asked.model_dump(mode="json", exclude_unset=True)
    return await carry_out(api, call, ScheduleCreationRequest(action=CommandAction.TEST, schedule=tested))


async def show_consequences(api: Api, call: Call) -> Response:
    """POST /api/schedules/{schedule_id}/consequences"""
    asked = await call.form(ConsequencesRequest)
    request = _about(call, CommandAction.UPDATE, schedule=asked.schedule, patch=asked.patch)
    found = await api.host.read(lambda ports: edit(ports, call.caller, request))
    return answer(edit_document(found), headers={"ETag": etag(found.schedule.revision)})


async def run(api: Api, call: Call) -> Response:
    """POST /api/schedules/{schedule_id}/run"""
    asked = await call.form(RunRequest)
    return await carry_out(api, call, _about(call, CommandAction.RUN, payload=asked.payload))


async def backfill(api: Api, call: Call) -> Response:
    """POST /api/schedules/{schedule_id}/backfill"""
    asked = await call.form(BackfillRequest)
    request = _about(call, CommandAction.BACKFILL, **{"from": asked.from_}, to=asked.to)
    if not asked.dry_run:
        return await carry_out(api, call, request)

    def plan(ports: Ports) -> tuple[int, list[Due]]:
        schedule = schedule_for(ports, call.caller, request.schedule_id or "")
        times = backfill_times(schedule, request, ports.clock.now())
        return len(times), list(dues_of(schedule, times[:BACKFILL_SHOWN]))

    count, first = await api.host.read(plan)
    return answer({"dry_run": True, "count": count, "items": [due_document(due) for due in first]})


async def show_occurrences(api: Api, call: Call) -> Response:
    """GET /api/schedules/{schedule_id}/occurrences"""
    asked = call.filters(OccurrenceFilter)
    schedule_id = call.path("schedule_id")
    page = await api.host.read(
        lambda ports: occurrences(
            ports,
            call.caller,
            schedule_id,
            since=asked.from_,
            until=asked.to,
            cursor=asked.cursor,
            limit=asked.limit,
        )
    )
    return answer(page_document(page, due_document))


async def preview_body(api: Api, call: Call) -> Response:
    """POST /api/schedules/preview"""
    return await _previewed(api, await call.form(PreviewRequest))


async def preview_query(api: Api, call: Call) -> Response:
    """GET /api/schedules/preview"""
    return await _previewed(api, call.filters(PreviewRequest))


async def _previewed(api: Api, asked: PreviewRequest) -> Response:
    found = await api.host.read(
        lambda ports: preview_in(
            ports,
            asked.schedule_expression,
            asked.timezone,
            now=ports.clock.now(),
            after=asked.after,
            start=asked.start,
            end=asked.end,
            use=None if asked.calendar is None else CalendarUse.model_validate(asked.calendar),
            count=asked.count,
        )
    )
    return answer(preview_document(found))


def _about(call: Call, action: CommandAction, **fields: Any) -> ScheduleCreationRequest:
    """The command about the schedule in the path, at the revision that ``If-Match`` names."""
    fields.setdefault("revision", call.revision())
    return ScheduleCreationRequest(action=action, schedule_id=call.path("schedule_id"), **fields)
