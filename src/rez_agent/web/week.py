"""The route of the week, and its shape."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rez_agent.domain.instants import from_seconds, rfc3339
from rez_agent.domain.week import Cell, Mark, MarkFate
from rez_agent.usecases.week import Flattening, Row, Week, WeekLoad, week
from rez_agent.web.answers import answer
from rez_agent.web.calls import Call
from rez_agent.web.forms import WeekFilter
from rez_agent.web.operations import Api

Document = dict[str, Any]


async def show_week(api: Api, call: Call) -> Response:
    """GET /api/week"""
    asked = call.filters(WeekFilter)
    found = await api.host.read(
        lambda ports: week(ports, call.caller, asked.query, first=asked.from_, timezone=asked.timezone)
    )
    return answer(week_document(found))


def week_document(found: Week) -> Document:
    """A week, with all that is on the page."""
    return {
        "timezone": found.timezone,
        "now": rfc3339(found.now),
        "days": [rfc3339(day) for day in found.days],
        "items": [_row(row) for row in found.rows],
        "next_cursor": found.next_cursor,
        "total": found.total if found.total_is_exact else {"at_least": found.total},
        "load": _load(found.load),
    }


def _row(row: Row) -> Document:
    return {
        "schedule_id": row.schedule.id,
        "name": row.schedule.definition.name,
        "status": row.schedule.status.value,
        "expected": row.expected,
        "marks": [_mark(mark) for mark in row.marks],
        "hours": [_hour(cell) for cell in row.cells],
        "unread": row.unread,
    }


def _mark(mark: Mark) -> Document:
    return {
        "at": rfc3339(from_seconds(mark.at)),
        "fate": mark.fate.value,
        "execution_id": None if mark.execution is None else mark.execution.id,
        "until": None if mark.last is None else rfc3339(from_seconds(mark.last)),
        "count": mark.count,
    }


def _hour(cell: Cell) -> Document:
    return {"begins": rfc3339(from_seconds(cell.begins)), "fates": _counts(cell.fates)}


def _counts(fates: dict[MarkFate, int]) -> dict[str, int]:
    return {fate.value: count for fate, count in fates.items()}


def _load(load: WeekLoad) -> Document:
    return {
        "schedules": load.counted,
        "complete": load.whole,
        "per_hour": [round(number, 3) for number in load.per_hour],
        "peaks": [round(number, 3) for number in load.peaks],
        "busiest": [
            {"minute": rfc3339(minute), "executions": round(number, 3)} for minute, number in load.busiest
        ],
        "flattening": None if load.flattening is None else _flattening(load.flattening),
    }


def _flattening(found: Flattening) -> Document:
    return {"flexible_window_minutes": found.window_minutes, "peak": round(found.peak, 3)}
