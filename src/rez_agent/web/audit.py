"""Routes that say what happened to a schedule: who changed what and why, and why it did or did not run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.responses import Response

from rez_agent.domain.asked import Asked
from rez_agent.domain.changes import Change, diff_document
from rez_agent.domain.execution import Execution
from rez_agent.domain.instants import from_seconds, rfc3339
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.why import zone_of
from rez_agent.domain.zones import Zone
from rez_agent.usecases.auditing import changes_of
from rez_agent.usecases.why import Answer, why_for
from rez_agent.web.answers import answer
from rez_agent.web.calls import Call
from rez_agent.web.forms import ChangeFilter, WhyFilter
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


async def show_why(api: Api, call: Call) -> Response:
    """GET /api/schedules/{schedule_id}/why"""
    asked = call.filters(WhyFilter)
    schedule_id = call.path("schedule_id")
    found = await api.host.read(lambda ports: why_for(ports, call.caller, schedule_id, asked.at))
    return answer(why_document(found))


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


def why_document(found: Answer) -> Document:
    """Why it did or did not run, as it is answered."""
    why, zone = found.why, zone_of(found.schedule)
    return {
        "schedule_id": found.schedule.id,
        "name": found.schedule.definition.name,
        "verdict": why.verdict.value,
        "sentence": why.sentence,
        "notes": list(why.notes),
        "asked": _asked(why.asked, zone),
        "occurrence": _moment(why.occurrence, zone),
        "execution": None if why.execution is None else _execution(why.execution),
        "change": None if why.change is None else change_document(why.change),
        "then": _then(why.then),
        "before": _moment(why.before, zone),
        "after": _moment(why.after, zone),
        "near": [_execution(execution) for execution in why.near],
        "namesakes": [_namesake(other) for other in found.namesakes],
    }


def _asked(asked: Asked, zone: Zone) -> Document:
    first, last = (_at(from_seconds(each), zone) for each in (asked.first, asked.last))
    return {"from": first, "to": last}


def _moment(at: datetime | None, zone: Zone) -> Document | None:
    return None if at is None else _at(at, zone)


def _at(at: datetime, zone: Zone) -> Document:
    return {"utc": rfc3339(at), "local": at.astimezone(zone.info).isoformat()}


def _execution(execution: Execution) -> Document:
    return {
        "id": execution.id,
        "scheduled_time": rfc3339(execution.scheduled_time),
        "status": execution.status.value,
        "reason": None if execution.reason is None else execution.reason.value,
        "cause": execution.cause.value,
    }


def _then(schedule: Schedule) -> Document:
    return {
        "revision": schedule.revision,
        "status": schedule.status.value,
        "schedule_expression": schedule.definition.schedule_expression,
        "timezone": schedule.definition.timezone,
    }


def _namesake(schedule: Schedule) -> Document:
    return {
        "id": schedule.id,
        "created_date": rfc3339(schedule.created_date),
        "deleted_date": rfc3339(schedule.updated_date),
    }
