"""Routes of templates: kept, changed, tried, and made into schedules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from starlette.responses import Response

from rez_agent.domain.command import CommandAction, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import CalendarUse, Schedule
from rez_agent.domain.template import Template, TemplateDefinition
from rez_agent.ports import Page, Ports
from rez_agent.usecases.checking import checked_definition
from rez_agent.usecases.keys import Scope
from rez_agent.usecases.preview import Preview, preview_in
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
from rez_agent.web import examples, models, shown
from rez_agent.web.answers import answer, nothing
from rez_agent.web.calls import Call, etag
from rez_agent.web.commanding import carry_out
from rez_agent.web.forms import NoFilter
from rez_agent.web.operations import Api, Operation, Shown
from rez_agent.web.shapes import page_document, preview_document, problem_documents

Document = dict[str, Any]


class UseRequest(Frozen):
    """What a template is filled with. ``name`` and ``overrides`` (a merge patch of the definition) count
    before what comes of the template."""

    parameters: dict[str, Any] = Field(default_factory=dict)
    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    overrides: dict[str, Any] = Field(default_factory=dict)


class TemplateShape(models.Shape):
    """A template. ``parameters`` is a JSON Schema, ``definition`` a schedule's with placeholders.
    ``shipped``: it came with the program and can't be changed; then it has no owner and no dates."""

    name: str
    title: str
    description: str
    parameters: Document
    definition: Document
    revision: int
    shipped: bool
    created_by: str | None
    created_date: AwareDatetime | None
    updated_date: AwareDatetime | None


class TemplateList(models.Shape):
    """All templates: those that ship first."""

    items: list[TemplateShape]


class CameFrom(models.Shape):
    """A schedule that came from a template. ``revision`` is the template's, at that time; ``current``: it has
    not changed since."""

    id: str
    name: str
    created_by: str
    revision: int | None
    current: bool


class CameFromList(models.Listing):
    """Schedules that came from a template, the newest first."""

    items: list[CameFrom]


class TemplateDetail(TemplateShape):
    """A template with the schedules that came from it; a change of it does not change them."""

    schedules: CameFromList


class FilledShape(models.PreviewShape):
    """The definition that would come of it, and what its expression comes to."""

    definition: Document | None


async def list_all(api: Api, call: Call) -> Response:
    """GET /api/templates"""
    call.filters(NoFilter)
    found = await api.host.read(list_templates)
    return answer({"items": [template_document(one) for one in found]})


async def create(api: Api, call: Call) -> Response:
    """POST /api/templates"""
    document = await call.object()
    template = await api.host.write(lambda ports: create_template(ports, call.caller, document))
    location = f"/api/templates/{template.name}"
    return answer(template_document(template), 201, {"Location": location, "ETag": etag(template.revision)})


async def show(api: Api, call: Call) -> Response:
    """GET /api/templates/{template}"""
    name = call.path("template")

    def look(ports: Ports) -> tuple[Template, Page[Schedule]]:
        return template_named(ports, name), schedules_of(ports, call.caller, name)

    template, schedules = await api.host.read(look)
    return answer(_detail(template, schedules), headers={"ETag": etag(template.revision)})


async def replace(api: Api, call: Call) -> Response:
    """PUT /api/templates/{template}"""
    name, revision = call.path("template"), call.required_revision()
    document = await call.object()

    def change(ports: Ports) -> tuple[Template, Page[Schedule]]:
        template = replace_template(ports, call.caller, name, document, revision)
        return template, schedules_of(ports, call.caller, name)

    template, schedules = await api.host.write(change)
    return answer(_detail(template, schedules), headers={"ETag": etag(template.revision)})


async def delete(api: Api, call: Call) -> Response:
    """DELETE /api/templates/{template}"""
    name, revision = call.path("template"), call.revision()
    await api.host.write(lambda ports: delete_template(ports, call.caller, name, revision))
    return nothing()


async def use(api: Api, call: Call) -> Response:
    """POST /api/templates/{template}/schedules"""
    name, asked = call.path("template"), await call.form(UseRequest)
    template = await api.host.read(lambda ports: template_named(ports, name))
    document = definition_from(template, asked.parameters, name=asked.name, overrides=asked.overrides)
    try:
        request = ScheduleCreationRequest(action=CommandAction.CREATE, schedule=document)
        return await carry_out(api, call, request)
    except Invalid as error:
        raise Invalid.of(of_the_parameters(template, error.problems, asked.name, asked.overrides)) from None


async def try_out(api: Api, call: Call) -> Response:
    """POST /api/templates/{template}/preview"""
    name, asked = call.path("template"), await call.form(UseRequest)
    return answer(await api.host.read(lambda ports: tried(ports, name, asked)))


def tried(ports: Ports, name: str, asked: UseRequest) -> Document:
    """What would come of a template: the definition, when it is due, and all that is wrong with it."""
    template = template_named(ports, name)
    try:
        document = definition_from(template, asked.parameters, name=asked.name, overrides=asked.overrides)
    except Invalid as error:
        return _tried(None, Preview(), error.problems)
    problems: tuple[Problem, ...] = ()
    try:
        checked_definition(
            document,
            now=ports.clock.now(),
            actions=ports.actions,
            engine=ports.engine,
            records=ports.records,
        )
    except Invalid as error:
        problems = tuple(of_the_parameters(template, error.problems, asked.name, asked.overrides))
    return _tried(document, _when(document, ports), problems)


def _when(document: Mapping[str, Any], ports: Ports) -> Preview:
    expression, timezone = document.get("schedule_expression"), document.get("timezone", "UTC")
    if not isinstance(expression, str) or not isinstance(timezone, str):
        return Preview()
    return preview_in(ports, expression, timezone, now=ports.clock.now(), use=_use(document))


def _use(document: Mapping[str, Any]) -> CalendarUse | None:
    """The calendar that is heeded, as far as it can be read: what is wrong with it is told by the check."""
    try:
        return CalendarUse.model_validate(document["calendar"]) if document.get("calendar") else None
    except ValueError:
        return None


def _tried(document: Document | None, when: Preview, problems: tuple[Problem, ...]) -> Document:
    told = preview_document(when)
    return {**told, "valid": not problems, "errors": problem_documents(problems), "definition": document}


def template_document(template: Template) -> Document:
    """A template as it is answered."""
    created, updated = template.created_date, template.updated_date
    return {
        **template.definition.model_dump(mode="json"),
        "revision": template.revision,
        "shipped": template.shipped,
        "created_by": template.created_by,
        "created_date": None if created is None else rfc3339(created),
        "updated_date": None if updated is None else rfc3339(updated),
    }


def _detail(template: Template, schedules: Page[Schedule]) -> Document:
    listed = page_document(schedules, partial(came_from, template))
    return {**template_document(template), "schedules": listed}


def came_from(template: Template, schedule: Schedule) -> Document:
    """A schedule of a template, and which revision of it that was."""
    used = schedule.definition.template
    revision = used.revision if used is not None and used.name == template.name else None
    return {
        "id": schedule.id,
        "name": schedule.definition.name,
        "created_by": schedule.created_by,
        "revision": revision,
        "current": revision == template.revision,
    }


# --- the operations ---

DEFINITION: Document = {
    "name": "ping",
    "title": "Ping",
    "description": "Calls a URL every so many minutes.",
    "parameters": {
        "type": "object",
        "properties": {
            "url": {"type": "string", "format": "uri", "examples": ["https://example.org/ping"]},
            "minutes": {"type": "integer", "minimum": 2, "default": 5},
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
TEMPLATE: Document = {
    **DEFINITION,
    "revision": 3,
    "shipped": False,
    "created_by": "local",
    "created_date": "2026-03-08T07:30:00Z",
    "updated_date": "2026-03-09T07:30:00Z",
}
_CAME_FROM = {
    "id": examples.SCHEDULE_ID,
    "name": "ping",
    "created_by": "local",
    "revision": 2,
    "current": False,
}
_DETAIL = {**TEMPLATE, "schedules": examples.listing(_CAME_FROM)}
_USED: Document = {"parameters": {"url": "https://example.org/ping", "minutes": 10}, "name": "ping-ten"}
_FILLED = {
    **examples.PREVIEW,
    "definition": {
        "name": "ping-ten",
        "schedule_expression": "rate(10 minutes)",
        "target_type": "web_action",
        "payload": {"action": "http", "url": "https://example.org/ping"},
        "tags": ["template:ping"],
        "template": {
            "name": "ping",
            "revision": 3,
            "parameters": {"url": "https://example.org/ping", "minutes": 10},
        },
    },
}
_ONE = "/api/templates/{template}"
_operation = partial(Operation, tag="templates")

TEMPLATES = (
    _operation(
        "GET",
        "/api/templates",
        list_all,
        "list_templates",
        "List templates: those that ship first",
        scope=Scope.READ,
        filters=NoFilter,
        answers={200: Shown("All of them", TemplateList, {"items": [TEMPLATE]})},
    ),
    _operation(
        "POST",
        "/api/templates",
        create,
        "create_template",
        "Create a template",
        description="Checked with its defaults and examples, where every parameter has one.",
        scope=Scope.WRITE,
        request=Shown("The template", TemplateDefinition, DEFINITION),
        answers={201: Shown("Created", TemplateShape, TEMPLATE, headers=("Location", "ETag"))},
        problems=(409,),
    ),
    _operation(
        "GET",
        _ONE,
        show,
        "get_template",
        "Read a template, with the schedules that came from it",
        scope=Scope.READ,
        answers={200: Shown("The template", TemplateDetail, _DETAIL, headers=("ETag",))},
    ),
    _operation(
        "PUT",
        _ONE,
        replace,
        "replace_template",
        "Replace a template",
        description="The schedules that came from it stay as they are; the answer lists them, with the "
        "revision that each came from.",
        scope=Scope.WRITE,
        request=Shown("The template", TemplateDefinition, DEFINITION),
        parameters=("if_match_required",),
        answers={200: Shown("Replaced", TemplateDetail, _DETAIL, headers=("ETag",))},
        problems=(409, 412, 428),
    ),
    _operation(
        "DELETE",
        _ONE,
        delete,
        "delete_template",
        "Delete a template; what came from it stays",
        scope=Scope.WRITE,
        parameters=("if_match",),
        answers={204: Shown("Deleted")},
        problems=(412,),
    ),
    _operation(
        "POST",
        f"{_ONE}/schedules",
        use,
        "use_template",
        "Create a schedule from a template",
        description="As `create_schedule` does. Problems point at the parameter that they come from.",
        scope=Scope.WRITE,
        request=Shown("What it is filled with", UseRequest, _USED),
        parameters=shown.POST_COMMAND,
        answers={201: shown.CREATED, 202: shown.ACCEPTED},
        problems=(409,),
    ),
    _operation(
        "POST",
        f"{_ONE}/preview",
        try_out,
        "preview_template",
        "Show the definition that would come of a template",
        scope=Scope.READ,
        request=Shown("What it is filled with", UseRequest, _USED),
        answers={200: Shown("What comes of it, valid or not", FilledShape, _FILLED)},
    ),
)
