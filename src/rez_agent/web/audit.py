"""Routes that say what happened to a schedule: who changed what, and why."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rez_agent.domain.changes import Change, diff_document
from rez_agent.domain.instants import rfc3339
from rez_agent.usecases.auditing import changes_of
from rez_agent.web.answers import answer
from rez_agent.web.calls import Call
from rez_agent.web.forms import ChangeFilter
from rez_agent.web.operations import Api
from rez_agent.web.shapes import page_document

Document = dict[str, Any]


async def list_changes(api: Api, call: Call) -> Response:
    """GET /api/schedules/{schedule_id}/changes"""
    asked = call.filters(ChangeFilter)
    schedule_id = call.path("schedule_id")
    page = await api.host.read(
        lambda ports: changes_of(ports, call.caller, schedule_id, cursor=asked.cursor, limit=asked.limit)
    )
    return answer(page_document(page, change_document))


def change_document(change: Change) -> Document:
    """A change as it is answered."""
    return {
        "schedule_id": change.schedule_id,
        "revision": change.revision,
        "action": change.action.value,
        "at": rfc3339(change.at),
        "by": change.by,
        "reason": change.reason,
        "message_id": change.message_id,
        "diff": diff_document(change.diff),
    }
