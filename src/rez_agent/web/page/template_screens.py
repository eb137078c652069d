"""The screens of templates: the gallery, a template's form with what would come of it, and its text."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from rez_agent.domain.command import CommandAction, MessageStatus
from rez_agent.domain.errors import Forbidden, Invalid, Problem, RezError
from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.template import Template
from rez_agent.domain.zones import zone_names
from rez_agent.ports import Page, Ports
from rez_agent.usecases.keys import Scope
from rez_agent.usecases.templates import (
    create_template,
    definition_from,
    delete_template,
    list_templates,
    of_the_parameters,
    replace_template,
    schedules_of,
    template_named,
)
from rez_agent.web.json_reader import read_json
from rez_agent.web.operations import Api
from rez_agent.web.page.changing import carry_out
from rez_agent.web.page.filling import by_field, fields_of, parameters_of
from rez_agent.web.page.form.values import whole_number
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.visits import Form, Toast, Visit
from rez_agent.web.templates import UseRequest, came_from, tried

PATH = "/templates"
_ONE = f"{PATH}/{{template}}"

STARTER = {
    "name": "my-ping",
    "title": "Ping",
    "description": "Calls a URL every few minutes.",
    "parameters": {
        "type": "object",
        "properties": {
            "url": {
                "type": "string",
                "title": "URL",
                "format": "uri",
                "examples": ["https://example.org/ping"],
            },
            "minutes": {"type": "integer", "title": "Minutes between two calls", "minimum": 2, "default": 5},
        },
        "required": ["url"],
    },
    "definition": {
        "name": "ping",
        "schedule_expression": "rate({{ minutes }} minutes)",
        "target_type": "web_action",
        "payload": {"action": "http", "url": "{{ url }}"},
    },
}
"""What a new template begins with."""


async def gallery(api: Api, visit: Visit) -> Response:
    """GET /templates"""
    found = await api.host.read(list_templates)
    return visit.page(
        "templates.html",
        shipped=[one for one in found if one.shipped],
        own=[one for one in found if not one.shipped],
    )


async def show(api: Api, visit: Visit) -> Response:
    """GET /templates/{template}"""
    template, schedules = await _look(api, visit)
    return await _form(api, visit, template, schedules)


async def preview(api: Api, visit: Visit) -> Response:
    """POST /templates/{template}/preview: the fragment that shows what would come of the form."""
    form = await visit.form()
    name = visit.path("template")
    template = await api.host.read(lambda ports: template_named(ports, name))
    outlook = await _outlook(api, template, form)
    return visit.page("template_outlook.html", outlook=outlook, text=_definition_text(outlook))


async def use(api: Api, visit: Visit) -> Response:
    """POST /templates/{template}/schedules"""
    template, schedules = await _look(api, visit)
    form = await visit.form()
    name = form.text("name") or None
    try:
        document = definition_from(template, parameters_of(template, form), name=name)
    except Invalid as error:
        return await _form(api, visit, template, schedules, form=form, problems=error.problems)
    try:
        message = await carry_out(api, visit, action=CommandAction.CREATE, schedule=document)
        problems = message.problems
    except RezError as error:
        problems = error.problems
    else:
        if message.status is not MessageStatus.FAILED:
            toast = Toast(f"Created {document['name']} from the template {template.name}.")
            return visit.redirect(f"/schedules/{message.schedule_id}", toast)
    placed = tuple(of_the_parameters(template, problems, name, None))
    return await _form(api, visit, template, schedules, form=form, problems=placed)


class _New(Frozen):
    """What a new template begins with: a copy of another."""

    copy_of: str | None = None


async def new(api: Api, visit: Visit) -> Response:
    """GET /templates/new"""
    copied = visit.filters(_New).copy_of
    document: dict[str, Any] = STARTER
    if copied is not None:
        template = await api.host.read(lambda ports: template_named(ports, copied))
        document = template.definition.model_dump(mode="json") | {"name": f"my-{template.name}"}
    return _editor(visit, None, _json(document))


async def create(api: Api, visit: Visit) -> Response:
    """POST /templates/new"""
    text = (await visit.form()).text("document")
    try:
        document = _object(text)
        template = await api.host.write(lambda ports: create_template(ports, visit.caller, document))
    except RezError as error:
        return _editor(visit, None, text, error.problems)
    return visit.redirect(f"{PATH}/{template.name}", Toast(f"Created the template {template.name}."))


async def edit(api: Api, visit: Visit) -> Response:
    """GET /templates/{template}/edit"""
    template, schedules = await _look(api, visit)
    return _editor(visit, template, _json(template.definition.model_dump(mode="json")), schedules=schedules)


async def update(api: Api, visit: Visit) -> Response:
    """POST /templates/{template}/edit"""
    template, schedules = await _look(api, visit)
    form = await visit.form()
    text, known = form.text("document"), whole_number(form.text("revision"))
    try:
        document = _object(text)
        after = await api.host.write(
            lambda ports: replace_template(ports, visit.caller, template.name, document, known)
        )
    except Forbidden:
        raise  # nothing that is typed makes it theirs
    except RezError as error:
        return _editor(visit, template, text, error.problems, schedules)
    told = f"The template is at revision {after.revision}. What came from it stays as it is."
    return visit.redirect(f"{PATH}/{after.name}", Toast(told))


async def delete(api: Api, visit: Visit) -> Response:
    """POST /templates/{template}/delete"""
    name = visit.path("template")
    await api.host.write(lambda ports: delete_template(ports, visit.caller, name, None))
    return visit.redirect(PATH, Toast(f"Deleted the template {name}. What came from it stays."))


# --- what the screens show ---


async def _look(api: Api, visit: Visit) -> tuple[Template, Page[Schedule]]:
    name = visit.path("template")

    def look(ports: Ports) -> tuple[Template, Page[Schedule]]:
        return template_named(ports, name), schedules_of(ports, visit.caller, name)

    return await api.host.read(look)


async def _form(
    api: Api,
    visit: Visit,
    template: Template,
    schedules: Page[Schedule],
    *,
    form: Form | None = None,
    problems: tuple[Problem, ...] = (),
) -> Response:
    outlook = await _outlook(api, template, form)
    return visit.page(
        "template.html",
        422 if problems else 200,
        kept=template,
        fields=fields_of(template, form),
        name="" if form is None else form.text("name"),
        problems=problems,
        placed=by_field(problems),
        outlook=outlook,
        text=_definition_text(outlook),
        came=_came_from(template, schedules),
        owned=_owned(visit, template),
        zones=sorted(zone_names()),
    )


async def _outlook(api: Api, template: Template, form: Form | None) -> dict[str, Any]:
    """What would come of a form, with the template's examples where nothing was said yet."""
    said = {} if form is None else parameters_of(template, form)
    parameters = {**template.sample, **said}
    asked = UseRequest(parameters=parameters, name=None if form is None else form.text("name") or None)
    return await api.host.read(lambda ports: tried(ports, template.name, asked))


def _editor(
    visit: Visit,
    template: Template | None,
    text: str,
    problems: tuple[Problem, ...] = (),
    schedules: Page[Schedule] | None = None,
) -> Response:
    came = None if template is None or schedules is None else _came_from(template, schedules)
    return visit.page(
        "template_edit.html",
        422 if problems else 200,
        kept=template,
        text=text,
        problems=problems,
        came=came,
    )


def _came_from(template: Template, schedules: Page[Schedule]) -> dict[str, Any]:
    total = str(schedules.total) if schedules.total_is_exact else f"at least {schedules.total}"
    return {"items": [came_from(template, one) for one in schedules.items], "total": total}


def _owned(visit: Visit, template: Template) -> bool:
    return not template.shipped and visit.can_write and visit.caller.reaches(template.created_by or "")


def _definition_text(outlook: dict[str, Any]) -> str:
    return "" if outlook["definition"] is None else _json(outlook["definition"])


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _object(text: str) -> dict[str, Any]:
    """The JSON object in a text, read as strictly as a request's body. Raises Invalid."""
    document = read_json(text.encode())
    if not isinstance(document, dict):
        raise Invalid("A template is a JSON object.", code="wrong_type")
    return document


OPERATIONS = (
    PageOperation("GET", PATH, gallery, "page_templates", title="Templates"),
    PageOperation("GET", f"{PATH}/new", new, "page_new_template", Scope.WRITE),
    PageOperation("POST", f"{PATH}/new", create, "page_create_template", Scope.WRITE),
    PageOperation("GET", _ONE, show, "page_template"),
    PageOperation("POST", f"{_ONE}/preview", preview, "page_preview_template"),
    PageOperation("POST", f"{_ONE}/schedules", use, "page_use_template", Scope.WRITE),
    PageOperation("GET", f"{_ONE}/edit", edit, "page_edit_template", Scope.WRITE),
    PageOperation("POST", f"{_ONE}/edit", update, "page_update_template", Scope.WRITE),
    PageOperation("POST", f"{_ONE}/delete", delete, "page_delete_template", Scope.WRITE),
)
"""``new`` stands before the route that takes any word for a template's name."""
