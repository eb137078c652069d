"""Routes of executions and messages: what became of things, and retry, cancel, redrive."""

from __future__ import annotations

from starlette.responses import Response

from rez_agent.domain.command import CommandAction, ScheduleCreationRequest
from rez_agent.ports import ExecutionQuery
from rez_agent.usecases.history import entry, history, message_for
from rez_agent.usecases.statistics import summary
from rez_agent.web.answers import answer
from rez_agent.web.calls import Call
from rez_agent.web.commanding import carry_out
from rez_agent.web.forms import (
    AllExecutionsFilter,
    CancelRequest,
    ExecutionFilter,
    NoFilter,
    RedriveRequest,
    ReplayRequest,
    RetryRequest,
    StatisticsFilter,
)
from rez_agent.web.operations import Api
from rez_agent.web.shapes import (
    entry_document,
    entry_summary,
    message_document,
    page_document,
    summary_document,
)


async def list_all(api: Api, call: Call) -> Response:
    """GET /api/executions"""
    asked = call.filters(AllExecutionsFilter)
    return await _listed(api, call, asked, asked.schedule_id)


async def list_of_schedule(api: Api, call: Call) -> Response:
    """GET /api/schedules/{schedule_id}/executions"""
    return await _listed(api, call, call.filters(ExecutionFilter), call.path("schedule_id"))


async def statistics(api: Api, call: Call) -> Response:
    """GET /api/schedules/{schedule_id}/statistics"""
    asked = call.filters(StatisticsFilter)
    query = ExecutionQuery(
        schedule_id=call.path("schedule_id"), since=asked.since, until=asked.until, limit=asked.limit
    )
    return answer(summary_document(await api.host.read(lambda ports: summary(ports, call.caller, query))))


async def show(api: Api, call: Call) -> Response:
    """GET /api/executions/{execution_id}"""
    call.filters(NoFilter)
    execution_id = call.path("execution_id")
    found = await api.host.read(lambda ports: entry(ports, call.caller, execution_id))
    return answer(entry_document(found))


async def retry(api: Api, call: Call) -> Response:
    """POST /api/executions/{execution_id}/retry"""
    await call.form(RetryRequest)
    execution_id = call.path("execution_id")
    request = ScheduleCreationRequest(action=CommandAction.RETRY, execution_id=execution_id)
    return await carry_out(api, call, request)


async def replay(api: Api, call: Call) -> Response:
    """POST /api/executions/{execution_id}/replay"""
    asked = await call.form(ReplayRequest)
    execution_id = call.path("execution_id")
    request = ScheduleCreationRequest(
        action=CommandAction.REPLAY, execution_id=execution_id, payload=asked.payload
    )
    return await carry_out(api, call, request)


async def cancel(api: Api, call: Call) -> Response:
    """POST /api/executions/{execution_id}/cancel"""
    asked = await call.form(CancelRequest)
    execution_id = call.path("execution_id")
    request = ScheduleCreationRequest(
        action=CommandAction.CANCEL, execution_id=execution_id, reason=asked.reason
    )
    return await carry_out(api, call, request)


async def redrive(api: Api, call: Call) -> Response:
    """POST /api/executions/redrive"""
    asked = await call.form(RedriveRequest)
    request = ScheduleCreationRequest(
        action=CommandAction.REDRIVE, schedule_id=asked.schedule_id, limit=asked.limit
    )
    return await carry_out(api, call, request)


async def show_message(api: Api, call: Call) -> Response:
    """GET /api/messages/{message_id}"""
    call.filters(NoFilter)
    message_id = call.path("message_id")
    message = await api.host.read(lambda ports: message_for(ports, call.caller, message_id))
    return answer(message_document(message))


async def _listed(api: Api, call: Call, asked: ExecutionFilter, schedule_id: str | None) -> Response:
    query = ExecutionQuery(
        schedule_id=schedule_id,
        status=asked.status,
        reason=asked.reason,
        dead_letter=asked.dead_letter,
        since=asked.since,
        until=asked.until,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    page = await api.host.read(lambda ports: history(ports, call.caller, query))
    return answer(page_document(page, entry_summary))
