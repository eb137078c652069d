"""The screens on which a schedule is written: new, and edit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from rez_agent.domain.command import MessageStatus
from rez_agent.domain.errors import Conflict, Invalid, QuotaExceeded, RevisionConflict, RezError
from rez_agent.domain.pasted import Pasted
from rez_agent.domain.zones import zone_names
from rez_agent.ports import Ports
from rez_agent.usecases.commands import submit
from rez_agent.usecases.history import Entry
from rez_agent.web.errors import status_of_name
from rez_agent.web.operations import Api
from rez_agent.web.page.form import showing, target, when
from rez_agent.web.page.form.fields import LABELS, Draft, new_values, placed
from rez_agent.web.page.form.situation import (
    Outlook,
    Situation,
    opened,
    outlook,
    problems_of,
    situation,
    viewer_zone,
)
from rez_agent.web.page.form.values import FieldProblem
from rez_agent.web.page.visits import Toast, Visit

WAIT_SECONDS = 15.0
"""How long a form waits until its command is judged."""


async def new(api: Api, visit: Visit) -> Response:
    """GET /schedules/new; with ``?template=`` that template's own form, which asks for less."""
    template = visit.request.query_params.get("template", "")
    if template:
        return visit.redirect(f"/templates/{quote(template, safe='')}")
    copied = visit.request.query_params.get("copy", "")

    def ask(ports: Ports) -> tuple[Situation, Outlook]:
        if copied:
            form = opened(ports, visit.caller, copied, copied=True)
        else:
            form = situation(ports, visit.caller, new_values())
        return form, outlook(ports, visit.caller, form)

    form, found = await api.host.read(ask)
    return shown(visit, form, found)


async def edit(api: Api, visit: Visit) -> Response:
    """GET /schedules/{schedule_id}/edit"""
    schedule_id = visit.path("schedule_id")

    def ask(ports: Ports) -> tuple[Situation, Outlook]:
        form = opened(ports, visit.caller, schedule_id)
        return form, outlook(ports, visit.caller, form)

    form, found = await api.host.read(ask)
    return shown(visit, form, found)


async def create(api: Api, visit: Visit) -> Response:
    """POST /schedules/new"""
    return await _save(api, visit, await sent(api, visit))


async def update(api: Api, visit: Visit) -> Response:
    """POST /schedules/{schedule_id}/edit"""
    form = await sent(api, visit, visit.path("schedule_id"))
    if form.moved_on:
        return await overtaken(api, visit, form)
    return await _save(api, visit, form)


async def sent(api: Api, visit: Visit, schedule_id: str | None = None) -> Situation:
    """The form that was sent; which schedule it edits, a field tells unless the path does."""
    values = dict((await visit.form()).fields)
    about = values.get("schedule_id", "") if schedule_id is None else schedule_id
    return await api.host.read(lambda ports: situation(ports, visit.caller, values, about))


async def _save(api: Api, visit: Visit, form: Situation) -> Response:
    draft = form.draft
    problems = await api.host.read(lambda ports: problems_of(ports, form, draft))
    if problems:
        return await again(api, visit, form, 422, problems)
    try:
        return await _submitted(api, visit, form, draft)
    except RevisionConflict:
        form = await sent(api, visit, form.schedule.id if form.schedule else None)
        return await overtaken(api, visit, form)
    except (Invalid, Conflict, QuotaExceeded) as error:
        found = placed(error.problems, form.values, form.offered)
        return await again(api, visit, form, status_of_name(type(error).__name__), found)


async def _submitted(api: Api, visit: Visit, form: Situation, draft: Draft) -> Response:
    """Raises what the command is refused with, at once or when it is judged."""
    request, quota = form.request(draft), api.settings.quota
    submitted = await api.host.write(lambda ports: submit(ports, visit.caller, request, quota=quota))
    message = await api.host.judged(submitted.message.id, WAIT_SECONDS)
    if message.status is MessageStatus.FAILED:
        raise _refusal(message.error_kind, message.problems)
    name, done = str(draft.document["name"]).strip(), message.status.final
    word = ("Created" if form.schedule is None else "Saved") if done else "On its way:"
    details = tuple(warning.message for warning in submitted.warnings)
    path = (
        f"/schedules/{message.schedule_id}"
        if done and visit.has("/schedules/{schedule_id}")
        else "/schedules"
    )
    return visit.redirect(path, Toast(f"{word} {name}.", details=details))


def _refusal(kind: str | None, problems: Any) -> RezError:
    """The error that a message tells."""
    known: dict[str | None, type[RezError]] = {"RevisionConflict": RevisionConflict, "Conflict": Conflict}
    return known.get(kind, Invalid).of(problems)


async def overtaken(api: Api, visit: Visit, form: Situation) -> Response:
    """The form once more, laid over what others changed since it was opened."""
    laid, rebased = form.rebase()
    found = await api.host.read(lambda ports: outlook(ports, visit.caller, laid))
    return shown(visit, laid, found, 412, conflict=rebased, since=form.others())


async def again(
    api: Api, visit: Visit, form: Situation, status: int, problems: tuple[FieldProblem, ...]
) -> Response:
    """The form once more, with all that is wrong, each at its field; what was typed stays."""
    found = await api.host.read(lambda ports: outlook(ports, visit.caller, form))
    return shown(visit, form, replace(found, problems=problems), status)


def shown(
    visit: Visit,
    form: Situation,
    found: Outlook,
    status: int = 200,
    *,
    pasted: Pasted | None = None,
    tested: Entry | None = None,
    **more: Any,
) -> Response:
    """The form as a page."""
    context: dict[str, Any] = {"pasted": pasted, "conflict": None, "since": (), "tested": None, "tried": None}
    context |= more
    if tested is not None:
        context["tested"] = showing.tested_of(tested)
    return visit.page("form.html", status, **context_of(form, found), **context, zones=sorted(zone_names()))


def context_of(form: Situation, found: Outlook) -> dict[str, Any]:
    """What every template of the form knows."""
    errors: dict[str, list[FieldProblem]] = {}
    for problem in found.problems:
        errors.setdefault(problem.field, []).append(problem)
    own_zone = viewer_zone(form.values)
    timezone = form.draft.document["timezone"]
    preview = found.preview
    return {
        "form": form,
        "values": form.values,
        "schedule": form.schedule,
        "offered": form.offered,
        "errors": errors,
        "problems": found.problems,
        "found": found,
        "own_zone": own_zone,
        "timezone": timezone,
        "rows": showing.rows_of(preview.occurrences, timezone, own_zone, form.now) if preview else [],
        "moves_count": showing.counts_of(found.edit) if found.edit else {},
        "pairs": _pairs,
        "moves": showing.moves_of(found.edit, own_zone, form.now) if found.edit else None,
        "differences": showing.difference_text,
        "choices": target,
        "labels": LABELS,
        "whens": when,
    }


def _pairs(words: Iterable[str]) -> list[tuple[str, str]]:
    """Words as the choices of a field: each stands for itself."""
    return [(word, word) for word in words]
