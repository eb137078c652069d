"""What helps while a form is filled in: what was pasted, when it would be due, a test run."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from rez_agent.domain.command import CommandAction, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import is_test
from rez_agent.domain.pasted import Pasted, read_pasted
from rez_agent.ports import Ports
from rez_agent.usecases.calendars import list_calendars
from rez_agent.usecases.commands import submit
from rez_agent.usecases.history import Entry, entry
from rez_agent.web.operations import Api
from rez_agent.web.page.form import showing
from rez_agent.web.page.form.fields import partial_values, placed
from rez_agent.web.page.form.screens import WAIT_SECONDS, again, context_of, sent, shown
from rez_agent.web.page.form.situation import Outlook, Situation, outlook
from rez_agent.web.page.form.target import MORE, PARAMETER
from rez_agent.web.page.form.values import FieldProblem
from rez_agent.web.page.visits import Visit

_TARGET = frozenset({"kind", "raw_type", "action_name", "custom_name", *MORE.values()})


async def paste(api: Api, visit: Visit) -> Response:
    """POST /schedules/form/paste"""
    form = await sent(api, visit)
    try:
        pasted = read_pasted(form.values.get("pasted", ""))
    except Invalid as error:
        problem = FieldProblem("pasted", error.message, error.code)
        return await again(api, visit, form, 422, (problem,))
    said = partial_values(pasted.document, form.offered)
    if form.values.get("name", "").strip():
        said.pop("name", None)
    form = replace(form, values={**_without(form, pasted), **said, "pasted": ""})
    found = await api.host.read(lambda ports: outlook(ports, visit.caller, form))
    return shown(visit, form, replace(found, problems=()), pasted=pasted)


def _without(form: Situation, pasted: Pasted) -> dict[str, str]:
    """The fields without those of the target, where another one was pasted."""
    if "target_type" not in pasted.document:
        return dict(form.values)
    gone = ("http_", "note_", "action_", "custom_", "raw_", PARAMETER)
    return {name: value for name, value in form.values.items() if not name.startswith(gone)}


async def refresh(api: Api, visit: Visit) -> Response:
    """POST /schedules/form/refresh: the fields that belong to the action that was chosen."""
    form = await sent(api, visit)
    found = await api.host.read(lambda ports: outlook(ports, visit.caller, form))
    return shown(visit, form, replace(found, problems=()))


async def look(api: Api, visit: Visit) -> Response:
    """POST /schedules/form/outlook: when it would be due, and what an edit would come to."""
    form = await sent(api, visit)
    found = await api.host.read(lambda ports: outlook(ports, visit.caller, form))
    said = showing.said_of(found.preview, found.edit, found.problems)
    return visit.page("form_outlook.html", **context_of(form, found), parts=True, said_aloud=said)


async def calendars(api: Api, visit: Visit) -> Response:
    """GET /schedules/form/calendars: the names to choose from, when somebody is about to."""
    names = await api.host.read(lambda ports: [kept.name for kept in list_calendars(ports)])
    return visit.page("form_names.html", names=names)


async def test(api: Api, visit: Visit) -> Response:
    """POST /schedules/form/test: run once what the fields say, saved or not."""
    form = await sent(api, visit)
    draft = form.draft
    problems = tuple(problem for problem in draft.problems if _is_of_target(problem))
    request = ScheduleCreationRequest(action=CommandAction.TEST, schedule=draft.document)
    if not problems:
        try:
            return await _tested(api, visit, form, request)
        except Invalid as error:
            problems = placed(error.problems, form.values, form.offered)
    if visit.is_fragment:
        return visit.page(
            "form_test.html", **context_of(form, Outlook(problems=problems)), tested=None, on_its_way=None
        )
    return await again(api, visit, form, 422, problems)


async def _tested(api: Api, visit: Visit, form: Situation, request: ScheduleCreationRequest) -> Response:
    submitted = await api.host.write(lambda ports: submit(ports, visit.caller, request))
    message = await api.host.judged(submitted.message.id, WAIT_SECONDS)
    if message.problems:
        raise Invalid.of(message.problems)
    execution_id = message.result.get("execution_id")

    def ask(ports: Ports) -> tuple[Outlook, Entry | None]:
        ran = None if execution_id is None else entry(ports, visit.caller, execution_id)
        return Outlook() if visit.is_fragment else outlook(ports, visit.caller, form), ran

    found, ran = await api.host.read(ask)
    if not visit.is_fragment:
        return shown(visit, form, replace(found, problems=()), tested=ran)
    tested = None if ran is None else showing.tested_of(ran)
    on_its_way = message.id if ran is None else None
    return visit.page("form_test.html", **context_of(form, found), tested=tested, on_its_way=on_its_way)


def _is_of_target(problem: FieldProblem) -> bool:
    return problem.field in _TARGET or problem.field.startswith(("http_", "note_", PARAMETER))


async def follow(api: Api, visit: Visit) -> Response:
    """GET /schedules/form/test/{execution_id}: how the test run goes."""
    execution_id = visit.path("execution_id")
    ran = await api.host.read(lambda ports: entry(ports, visit.caller, execution_id))
    if not visit.is_fragment or not is_test(execution_id):
        return visit.redirect(f"/executions/{execution_id}")
    return visit.page("form_tested.html", tested=showing.tested_of(ran))
