"""Commands over HTTP: submit, wait if asked to, answer; and the same answer again for the same key."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.responses import Response

from rez_agent.domain.command import CommandAction, Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Ports
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from rez_agent.usecases.idempotency import Keyed, Once, in_flight, once, remember
from rez_agent.web.answers import answer, nothing
from rez_agent.web.calls import Call, etag
from rez_agent.web.errors import problem_answer, problem_document, status_of_name
from rez_agent.web.operations import Api
from rez_agent.web.shapes import problem_documents, schedule_detail

Document = dict[str, Any]

_ANSWERS_SCHEDULE = {CommandAction.UPDATE, CommandAction.PAUSE, CommandAction.RESUME}


async def carry_out(api: Api, call: Call, request: ScheduleCreationRequest) -> Response:
    """Submit the command. 202, or with ``Prefer: wait`` what it came to, if that is known in time.

    The reservation of an ``Idempotency-Key`` and the command are one use case, so both are durable or
    neither. What was waited for is kept in place of it once it is known.
    """
    seconds = call.wait()
    keyed = await call.keyed() if call.request.method == "POST" else None
    quota = api.settings.quota
    accept = partial(_accept, caller=call.caller, request=request, quota=quota, keyed=keyed, seconds=seconds)
    done = await api.host.write(accept)
    if done.replayed:
        return await _replay(api, request.action, done.value)
    response = await _outcome(api, request.action, done.value, seconds)
    if keyed is not None and seconds:
        kept = {**done.value, "answer": _kept(response)}
        await api.host.write(lambda ports: remember(ports, keyed, kept))
    return response


def _accept(
    ports: Ports,
    *,
    caller: Caller,
    request: ScheduleCreationRequest,
    quota: int,
    keyed: Keyed | None,
    seconds: int,
) -> Once:
    def do(ports: Ports) -> Document:
        submitted = submit(ports, caller, request, quota=quota)
        return {
            "schedule_id": submitted.message.schedule_id,
            "message_id": submitted.message.id,
            "warnings": problem_documents(submitted.warnings),
            "seconds": seconds,
        }

    return once(ports, keyed, do)


async def _outcome(api: Api, action: CommandAction, accepted: Document, seconds: int) -> Response:
    """What the command came to within ``seconds``."""
    if not seconds:
        return _on_its_way(action, accepted)
    message = await api.host.judged(accepted["message_id"], seconds)
    if not message.status.final:
        return _on_its_way(action, accepted)
    return await _judged(api, message, accepted)


def _on_its_way(action: CommandAction, accepted: Document) -> Response:
    """202: durable, to be applied. ``Location`` is where the outcome will be."""
    message_id = accepted["message_id"]
    document = {
        "schedule_id": accepted["schedule_id"],
        "message_id": message_id,
        "status": MessageStatus.QUEUED.value,
        "warnings": accepted["warnings"],
    }
    created = action is CommandAction.CREATE
    location = f"/api/schedules/{accepted['schedule_id']}" if created else f"/api/messages/{message_id}"
    return answer(document, 202, {"Location": location, **_linked(accepted)})


async def _judged(api: Api, message: Message, accepted: Document) -> Response:
    """The answer once the command was applied, or refused."""
    action = message.request.action
    headers = _linked(accepted)
    if message.status is MessageStatus.FAILED:
        document = problem_document(status_of_name(message.error_kind), message.problems)
        return problem_answer(document, headers)
    if action is CommandAction.DELETE:
        return nothing(headers)
    if action is CommandAction.CREATE or action in _ANSWERS_SCHEDULE:
        schedule = await api.host.read(lambda ports: ports.schedules.get(message.schedule_id or ""))
        if schedule is not None:
            return _with_schedule(schedule, action, accepted, headers)
    return _with_result(message, accepted, headers)


def _with_schedule(
    schedule: Schedule, action: CommandAction, accepted: Document, headers: dict[str, str]
) -> Response:
    document = {
        **schedule_detail(schedule),
        "schedule_id": schedule.id,
        "message_id": accepted["message_id"],
        "warnings": accepted["warnings"],
    }
    headers["ETag"] = etag(schedule.revision)
    created = action is CommandAction.CREATE
    if created:
        headers["Location"] = f"/api/schedules/{schedule.id}"
    return answer(document, 201 if created else 200, headers)


def _with_result(message: Message, accepted: Document, headers: dict[str, str]) -> Response:
    told: Document = {
        name: message.result[name]
        for name in ("execution_id", "count", "cancelled")
        if name in message.result
    }
    document = {
        "schedule_id": message.schedule_id,
        "message_id": message.id,
        "status": message.status.value,
        "warnings": accepted["warnings"],
        **told,
    }
    if "execution_id" in told:
        headers["Location"] = f"/api/executions/{told['execution_id']}"
    return answer(document, 200, headers)


async def _replay(api: Api, action: CommandAction, kept: Document) -> Response:
    """What the first request with this key was answered, or would have been had it lived to the answer."""
    if "answer" in kept:
        old = kept["answer"]
        response = Response(old["body"], old["status"], old["headers"])
    elif not kept["seconds"]:
        response = _on_its_way(action, kept)
    else:
        message = await api.host.judged(kept["message_id"], 0)
        if not message.status.final:
            raise in_flight()
        response = await _judged(api, message, kept)
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _kept(response: Response) -> Document:
    body = bytes(response.body).decode()
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return {"status": response.status_code, "headers": headers, "body": body}


def _linked(accepted: Document) -> dict[str, str]:
    """Headers of every answer to a command: its message, and the wait that was honoured."""
    headers = {"Link": f'</api/messages/{accepted["message_id"]}>; rel="monitor"'}
    if accepted["seconds"]:
        headers["Preference-Applied"] = f"wait={accepted['seconds']}"
    return headers
