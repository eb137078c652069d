"""Trying the condition that a form says: against the schedule's latest run, or a run that one thinks up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from rez_agent.domain.condition import Verdict
from rez_agent.domain.errors import Problem
from rez_agent.web.conditions import judged_by
from rez_agent.web.operations import Api
from rez_agent.web.page.form.fields import zone_or_none
from rez_agent.web.page.form.screens import context_of, sent, shown
from rez_agent.web.page.form.situation import Outlook, Situation, outlook
from rez_agent.web.page.form.values import Document, FieldProblem, Reader, Values, whole_number
from rez_agent.web.page.visits import Visit

AROUND = 30
"""Characters of a condition that are shown on either side of what is wrong in it."""

_WORD = re.compile(r"\.?\w+|.", re.DOTALL)

NO_RUN = "none"
"""In place of a status: there was no previous run."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something wrong with a condition's text; ``before``, ``at`` and ``after``: the text around it."""

    message: str
    before: str = ""
    at: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a condition came to, what is wrong with it, or what is wrong with what it was tried against."""

    verdict: Verdict | None = None
    wrong: tuple[Wrong, ...] = ()
    problems: tuple[FieldProblem, ...] = ()


async def try_condition(api: Api, visit: Visit) -> Response:
    """POST /schedules/form/condition"""
    form = await sent(api, visit)
    tried = await _tried(api, visit, form)
    if visit.is_fragment:
        return visit.page(
            "form_tried.html", **context_of(form, Outlook(problems=tried.problems)), tried=tried
        )
    found = await api.host.read(lambda ports: outlook(ports, visit.caller, form))
    return shown(visit, form, Outlook(found.expression, found.preview, found.edit), tried=tried)


async def _tried(api: Api, visit: Visit, form: Situation) -> Tried:
    document = form.draft.document
    condition = document.get("condition", "")
    sample, problems = sample_of(form.values)
    if not condition:
        problems = (FieldProblem("condition", "Write a condition to try."), *problems)
    if problems:
        return Tried(problems=problems)
    given = sample | _said(document)
    schedule_id = None if form.schedule is None else form.schedule.id
    verdict, wrong = await judged_by(api.host, visit.caller, condition, schedule_id, given)
    return Tried(verdict, tuple(wrong_of(problem, condition) for problem in wrong))


def _said(document: Document) -> dict[str, Any]:
    """What the fields say of the schedule itself, as far as it can be read."""
    given = {member: document.get(member) or "" for member in ("name", "target_type")}
    tags = tuple(tag for tag in document["tags"] if isinstance(tag, str))
    if zone_or_none(document["timezone"]) is not None:
        given["timezone"] = document["timezone"]
    return {**given, "tags": tags, "payload": document["payload"]}


def sample_of(values: Values) -> tuple[dict[str, Any], tuple[FieldProblem, ...]]:
    """What the fields say of the previous run, as :func:`~rez_agent.usecases.conditions.with_given` takes it:
    nothing where it is to be as it was. What is left empty, a run that is thought up does not have."""
    reader = Reader(values)
    status = reader.text("try_status")
    if status in ("", NO_RUN):
        return ({"last": None} if status else {}), ()
    answered = whole_number(reader.text("try_response"))
    if reader.text("try_response") and (answered is None or not 100 <= answered <= 999):
        reader.wrong("try_response", "An HTTP status has three digits, such as 200.")
    last = {
        "status": status,
        "code": "ok" if status == "succeeded" else None,
        "response_status": answered,
        "body": reader.json("try_body"),
    }
    return {"last": last}, tuple(reader.problems)


def wrong_of(problem: Problem, condition: str) -> Wrong:
    """A problem of a condition's text, with the text around its place, if it has one."""
    place = problem.position
    if place is None:
        return Wrong(problem.message)
    match = _WORD.match(condition, place)
    end = match.end() if match else place
    before, after = condition[:place], condition[end:]
    return Wrong(
        problem.message,
        ("…" if len(before) > AROUND else "") + before[-AROUND:],
        condition[place:end] or " ",
        after[:AROUND] + ("…" if len(after) > AROUND else ""),
    )
