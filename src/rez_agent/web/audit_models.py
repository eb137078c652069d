"""The shapes of what happened to a schedule, as the OpenAPI document shows them, with an example of each."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, ConfigDict, Field

from rez_agent.domain.changes import ChangeAction
from rez_agent.domain.execution import Cause, ExecutionStatus, Reason
from rez_agent.domain.schedule import ScheduleStatus
from rez_agent.domain.verdicts import Verdict
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


class MomentShape(Shape):
    """An instant, in UTC and on the clock of the schedule's zone."""

    utc: AwareDatetime
    local: AwareDatetime


class AskedShape(Shape):
    """The time asked about, both ends included: a second, or a minute where no seconds were said."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)

    from_: Annotated[MomentShape, Field(alias="from")]
    to: MomentShape


class WhyExecution(Shape):
    """An entry of the ledger, in short."""

    id: str
    scheduled_time: AwareDatetime
    status: ExecutionStatus
    reason: Reason | None
    cause: Cause


class ThenShape(Shape):
    """What the schedule was at the time in question."""

    revision: int
    status: ScheduleStatus
    schedule_expression: str
    timezone: str


class NamesakeShape(Shape):
    """Another schedule of this name, deleted since, that lived then: ask about it by its id."""

    id: str
    created_date: AwareDatetime
    deleted_date: AwareDatetime


class WhyShape(Shape):
    """Why a schedule did or did not run. Programs match `verdict`; `sentence` says it to people, and `notes`
    what else one should know. `execution` is the ledger's entry, `change` the change that explains it;
    `before` and `after` are the occurrences next to the time asked about, and `near` the runs that somebody
    asked for at about that time."""

    schedule_id: str
    name: str
    verdict: Verdict
    sentence: str
    notes: list[str]
    asked: AskedShape
    occurrence: MomentShape | None
    execution: WhyExecution | None
    change: ChangeShape | None
    then: ThenShape
    before: MomentShape | None
    after: MomentShape | None
    near: list[WhyExecution]
    namesakes: list[NamesakeShape]


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

WHY: dict[str, Any] = {
    "schedule_id": examples.SCHEDULE_ID,
    "name": "tee-times",
    "verdict": "does_not_exist",
    "sentence": "02:30 does not exist on 8 March 2026 in America/New_York: the clocks go from 02:00 to "
    "03:00. A time that they skip is skipped.",
    "notes": [],
    "asked": {
        "from": {"utc": "2026-03-08T07:30:00Z", "local": "2026-03-08T03:30:00-04:00"},
        "to": {"utc": "2026-03-08T07:30:59Z", "local": "2026-03-08T03:30:59-04:00"},
    },
    "occurrence": None,
    "execution": None,
    "change": None,
    "then": {
        "revision": 1,
        "status": "active",
        "schedule_expression": "cron(30 2 * * ? *)",
        "timezone": "America/New_York",
    },
    "before": {"utc": "2026-03-07T07:30:00Z", "local": "2026-03-07T02:30:00-05:00"},
    "after": {"utc": "2026-03-09T06:30:00Z", "local": "2026-03-09T02:30:00-04:00"},
    "near": [],
    "namesakes": [],
}
