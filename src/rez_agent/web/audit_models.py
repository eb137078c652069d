"""The shapes of a schedule's changes, as the OpenAPI document shows them, with an example of each."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from rez_agent.domain.changes import ChangeAction
from rez_agent.web import examples
from rez_agent.web.models import Listing, Shape


class DifferenceShape(Shape):
    """One field that differs: a JSON pointer into the definition, or `/status`, `/pause`, `/error_message`.
    A side that has no value is left out; with `omitted` both are too large to be kept."""

    path: str
    before: Any = None
    after: Any = None
    omitted: bool = False


class ChangeShape(Shape):
    """A change of a schedule. `revision` is the one that it led to; `by` is null for what the engine did by
    itself; `at` is the moment from which it counts."""

    schedule_id: str
    revision: int
    action: ChangeAction
    at: AwareDatetime
    by: str | None
    reason: str
    message_id: str | None
    diff: list[DifferenceShape]


class ChangeList(Listing):
    """A page of changes."""

    items: list[ChangeShape]


CHANGE: dict[str, Any] = {
    "schedule_id": examples.SCHEDULE_ID,
    "revision": 2,
    "action": "update",
    "at": "2026-03-09T09:12:44.201Z",
    "by": "local",
    "reason": "the course opens later in winter",
    "message_id": examples.MESSAGE_ID,
    "diff": [
        {"path": "/schedule_expression", "before": "cron(30 6 * * ? *)", "after": "cron(30 7 * * ? *)"},
    ],
}
