"""The route of batches."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.responses import Response

from rez_agent.domain.command import Message, MessageStatus
from rez_agent.domain.errors import Malformed, RezError, TooLarge
from rez_agent.domain.reading import read
from rez_agent.ports import Ports
from rez_agent.usecases.batch import BATCH_AT_MOST, Answering, Item, create_chunk
from rez_agent.usecases.commands import Submitted
from rez_agent.usecases.idempotency import Keyed, Once
from rez_agent.web.answers import answer
from rez_agent.web.calls import JSON_TYPES, LINES_TYPES, Call
from rez_agent.web.errors import error_document, problem_document, status_of, status_of_name
from rez_agent.web.forms import BatchRequest
from rez_agent.web.json_reader import read_json
from rez_agent.web.operations import Api
from rez_agent.web.settings import BATCH_BODY_AT_MOST
from rez_agent.web.shapes import problem_documents

Document = dict[str, Any]


async def create_batch(api: Api, call: Call) -> Response:
    """POST /api/schedules/batch"""
    items = await _items(call)
    keyed = await call.keyed()
    chunks = []
    at_once = api.settings.created_at_once
    for start in range(0, len(items), at_once):
        part = keyed.part(start) if keyed and start else keyed  # the first has the key: nothing else may
        chunk = items[start : start + at_once]
        chunks.append(await api.host.write(partial(_created, api, call, chunk, part)))
    documents = [dict(document) for chunk in chunks for document in chunk.value["items"]]
    headers = {}
    if chunks and all(chunk.replayed for chunk in chunks):
        headers["Idempotency-Replayed"] = "true"
    seconds = call.wait()
    if seconds:
        headers["Preference-Applied"] = f"wait={seconds}"
        await _judge(api, documents, seconds)
    return _answer(documents, headers)


async def _items(call: Call) -> list[Item]:
    """What is to be created. A line that can't be read spoils only itself."""
    if call.media_type(JSON_TYPES + LINES_TYPES) in LINES_TYPES:
        lines = (await call.body(BATCH_BODY_AT_MOST)).splitlines()
        items: list[Item] = [_line(line) for line in lines if line.strip()]
    else:
        body = await call.document(at_most=BATCH_BODY_AT_MOST)
        items = read(BatchRequest, body).schedules
    if len(items) > BATCH_AT_MOST:
        text = (
            f"A batch holds at most {BATCH_AT_MOST} schedules, this one has {len(items)}. Send it in parts."
        )
        raise TooLarge(text, code="too_many_items")
    return items


def _line(line: bytes) -> Item:
    try:
        return read_json(line)
    except Malformed as error:
        return error


def _created(api: Api, call: Call, items: list[Item], keyed: Keyed | None, ports: Ports) -> Once:
    quota = api.settings.quota
    return create_chunk(ports, call.caller, items, quota=quota, keyed=keyed, answering=_ANSWERING)


def _accepted(submitted: Submitted) -> Document:
    return {
        "status": 202,
        "schedule_id": submitted.message.schedule_id,
        "message_id": submitted.message.id,
        "warnings": problem_documents(submitted.warnings),
    }


def _refused(error: RezError) -> Document:
    return {"status": status_of(type(error)), "problem": error_document(error)}


_ANSWERING = Answering(_accepted, _refused)


async def _judge(api: Api, documents: list[Document], seconds: int) -> None:
    """Put what each accepted command came to in place of its 202, as far as it is known in time."""
    waiting = [document for document in documents if document["status"] == 202]
    judged = [api.host.judged(document["message_id"], seconds) for document in waiting]
    for document, message in zip(waiting, await asyncio.gather(*judged), strict=True):
        _tell(document, message)


def _tell(document: Document, message: Message) -> None:
    if message.status is MessageStatus.COMPLETED:
        document["status"] = 201
    elif message.status is MessageStatus.FAILED:
        document["status"] = status_of_name(message.error_kind)
        document["problem"] = problem_document(document["status"], message.problems)


def _answer(documents: list[Document], headers: dict[str, str]) -> Response:
    accepted = sum(document["status"] < 300 for document in documents)
    body = {
        "items": [{"index": index, **document} for index, document in enumerate(documents)],
        "accepted": accepted,
        "refused": len(documents) - accepted,
    }
    return answer(body, 207, headers)
