"""Trying a condition: its route, what it is asked and how it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from rez_agent.domain.condition import Condition, Facts, Verdict
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.instants import EPOCH, Instant
from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import CONDITION_AT_MOST
from rez_agent.domain.zones import suggest_zone, zone_names
from rez_agent.ports import Actions, Host, Ports
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.conditions import bare_facts, latest_facts, with_given
from rez_agent.usecases.keys import Scope
from rez_agent.web import examples
from rez_agent.web.answers import answer
from rez_agent.web.calls import Call
from rez_agent.web.models import ProblemItem, Shape
from rez_agent.web.operations import Api, Operation, Shown
from rez_agent.web.shapes import problem_documents

Zone = Annotated[str, Field(max_length=50)]


class LastRun(Frozen):
    """A previous run, as a condition sees it."""

    status: Annotated[str, Field(max_length=20)] = "succeeded"
    code: Annotated[str, Field(max_length=100)] = "ok"
    response_status: Annotated[int, Field(ge=0, le=999, strict=True)] | None = None
    body: Any = None
    scheduled_time: Instant = EPOCH
    started_at: Instant = EPOCH
    finished_at: Instant = EPOCH


class ConditionRequest(Frozen):
    """A condition to try: against the latest facts of a schedule, or against values; what is given counts
    before what the schedule has. Without either, there is no previous run and the payload is empty."""

    condition: Annotated[str, Field(min_length=1, max_length=CONDITION_AT_MOST)]
    schedule_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    payload: dict[str, Any] = Field(default_factory=dict)
    timezone: Zone = "UTC"
    scheduled_time: Instant | None = None
    runs_today: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] = 0
    last: LastRun | None = None


class ReadValue(Shape):
    """A value that a condition read, as JSON text; `none` where there is none."""

    name: str
    value: str


class JudgedShape(Shape):
    """What a condition comes to. ``value`` is null where it can't be judged: ``error`` says why, or
    ``errors`` what is wrong with its text. ``read``: the values that decided."""

    valid: bool
    value: bool | None
    error: str | None
    read: list[ReadValue]
    errors: list[ProblemItem]


async def check(api: Api, call: Call) -> Response:
    """POST /api/conditions/check"""
    asked = await call.form(ConditionRequest)
    if asked.timezone not in zone_names():
        text = f"{suggest_zone(asked.timezone)}."
        raise Invalid.of([Problem("invalid_timezone", text, "/timezone")])

    verdict, problems = await judged_by(
        api.host, call.caller, asked.condition, asked.schedule_id, _given(asked)
    )
    return answer(_judged(verdict, problem_documents(tuple(each.under("/condition") for each in problems))))


async def judged_by(
    host: Host, caller: Caller, condition: str, schedule_id: str | None, given: Mapping[str, Any]
) -> tuple[Verdict, list[Problem]]:
    """What a condition comes to, by what a schedule has (None: by nothing), what is ``given`` counting before
    it; or all that is wrong with its text. Raises NotFound ``schedule_not_found``."""

    def gather(ports: Ports) -> tuple[Facts, Actions]:
        now = ports.clock.now()
        known = bare_facts(now) if schedule_id is None else latest_facts(ports, caller, schedule_id, now)
        return with_given(known, given), ports.actions

    facts, actions = await host.read(gather)
    problems = actions.check_condition(condition, json.loads(facts.payload))
    if problems:
        return Verdict(None), problems
    return await actions.judge(Condition(condition, facts)), []


def _given(asked: ConditionRequest) -> dict[str, Any]:
    """The values that the caller gave."""
    given = asked.model_dump(exclude_unset=True, exclude={"condition", "schedule_id"})
    if asked.last is not None:
        given["last"] = asked.last.model_dump(exclude_unset=True)
    return {name: value for name, value in given.items() if value is not None or name == "last"}


def _judged(verdict: Verdict, problems: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "valid": not problems,
        "value": verdict.value,
        "error": verdict.error,
        "read": [{"name": name, "value": value} for name, value in verdict.read],
        "errors": problems,
    }


EXAMPLE = {
    "valid": True,
    "value": False,
    "error": None,
    "read": [{"name": "last.exists", "value": "true"}, {"name": "last.body.free", "value": "false"}],
    "errors": [],
}

CONDITIONS = (
    Operation(
        "POST",
        "/api/conditions/check",
        check,
        "check_condition",
        "Try a condition",
        tag="schedules",
        scope=Scope.READ,
        description="Against the latest facts of a schedule as if it were due now, or against given values. "
        "See docs/reference/conditions.md for what it may speak of.",
        request=Shown(
            "The condition",
            ConditionRequest,
            {"condition": "!last.exists || last.body.free", "schedule_id": examples.SCHEDULE_ID},
        ),
        answers={200: Shown("What it comes to, valid or not", JudgedShape, EXAMPLE)},
        problems=(404,),
    ),
)
