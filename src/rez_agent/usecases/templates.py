"""Templates: kept, changed, and made into definitions of schedules.

Whoever may read may use any; whoever may write makes templates and changes their own; an admin changes all.
Those that ship are there for everybody and can't be changed: a copy under another name can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from rez_agent.domain.errors import Conflict, Forbidden, Invalid, NotFound, Problem, RevisionConflict
from rez_agent.domain.gallery import gallery
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.placeholders import Unfilled, blamed, filled, names_in
from rez_agent.domain.placeholders import problems_with as placeholder_problems
from rez_agent.domain.reading import did_you_mean, pointer_to, read
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.template import (
    TAG,
    Template,
    TemplateDefinition,
    schema_problems,
    too_large,
    unknown_fields,
)
from rez_agent.ports import Page, Ports, Record, ScheduleQuery
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.changes import merge_patch
from rez_agent.usecases.checking import checked_definition

KIND = "template"
TEMPLATES_AT_MOST = 500
"""Templates of all owners together."""

SCHEDULES_SHOWN = 50
"""Schedules that came from a template, in one answer."""


def list_templates(ports: Ports) -> list[Template]:
    """All of them: those that ship first, then by name."""
    return [*gallery().values(), *(_template(one) for one in ports.records.list(KIND, ports.clock.now()))]


def template_named(ports: Ports, name: str) -> Template:
    """The template. Raises NotFound ``template_not_found``."""
    shipped = gallery().get(name)
    if shipped is not None:
        return shipped
    record = ports.records.get(KIND, name, ports.clock.now())
    if record is None:
        known = (*gallery(), *(one.key for one in ports.records.list(KIND, ports.clock.now())))
        text = f"There is no template '{name}'.{did_you_mean(name, known)}"
        raise NotFound(text, code="template_not_found")
    return _template(record)


def schedules_of(ports: Ports, caller: Caller, name: str, cursor: str | None = None) -> Page[Schedule]:
    """The schedules that came from a template, as far as the caller may see them, the newest first."""
    query = ScheduleQuery(owner=caller.owner_filter, tag=TAG + name, cursor=cursor, limit=SCHEDULES_SHOWN)
    return ports.schedules.list(query)


def create_template(ports: Ports, caller: Caller, document: Mapping[str, Any]) -> Template:
    """A new template of the caller's. Raises Invalid with all that is wrong, and Conflict ``template_exists``
    or ``too_many_templates``."""
    now = ports.clock.now()
    definition = _checked(ports, document, now)
    kept = ports.records.list(KIND, now)
    if definition.name in gallery() or any(one.key == definition.name for one in kept):
        text = f"There is a template '{definition.name}' already. Choose another name."
        raise Conflict(text, code="template_exists")
    if len(kept) >= TEMPLATES_AT_MOST:
        text = f"There are {TEMPLATES_AT_MOST} templates, as many as allowed. Delete some first."
        raise Conflict(text, code="too_many_templates")
    return _keep(ports, Template(definition, 1, caller.name, now, now))


def replace_template(
    ports: Ports, caller: Caller, name: str, document: Mapping[str, Any], revision: int | None
) -> Template:
    """The template, changed as a whole; its schedules stay as they are. Raises NotFound, Forbidden,
    RevisionConflict, and Invalid with all that is wrong."""
    now = ports.clock.now()
    before = _own(ports, caller, name, revision)
    definition = _checked(ports, {"name": name, **document}, now)
    if definition.name != name:
        text = f"A template keeps its name, '{name}': schedules tell by it where they came from."
        raise Invalid.of([Problem("invalid_value", text, "/name")])
    after = replace(before, definition=definition, revision=before.revision + 1, updated_date=now)
    return _keep(ports, after)


def delete_template(ports: Ports, caller: Caller, name: str, revision: int | None) -> None:
    """The template is gone; what came from it stays. Raises NotFound, Forbidden, RevisionConflict."""
    _own(ports, caller, name, revision)
    ports.records.delete(KIND, name)


def definition_from(
    template: Template,
    parameters: Mapping[str, Any],
    *,
    name: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document of the schedule that a template and its parameters make. Raises Invalid with all that is
    wrong with the parameters, pointing below ``/parameters``."""
    values = _values(template, parameters)
    try:
        document: dict[str, Any] = filled(template.definition.definition, values)
    except Unfilled as error:
        pointer = pointer_to(["parameters", error.name])
        raise Invalid.of([Problem("unfit_parameter", str(error), pointer)]) from None
    document = merge_patch(document, dict(overrides or {}))
    if name is not None:
        document["name"] = name
    tags = document.get("tags", [])
    if isinstance(tags, list):
        document["tags"] = [*(tag for tag in tags if tag != TAG + template.name), TAG + template.name]
    document["template"] = {"name": template.name, "revision": template.revision, "parameters": values}
    return document


def of_the_parameters(
    template: Template, problems: tuple[Problem, ...], name: str | None, overrides: Mapping[str, Any] | None
) -> list[Problem]:
    """Problems of a definition that was made from a template, each pointing at what the caller said of it: a
    parameter, an override, the name; at ``/definition`` where that is the template's own."""
    return [_placed(template, problem, name, overrides or {}) for problem in problems]


def _placed(template: Template, problem: Problem, name: str | None, overrides: Mapping[str, Any]) -> Problem:
    field = problem.pointer.split("/")[1] if problem.pointer else ""
    if field == "name" and name is not None:
        return problem
    if field in overrides:
        return problem.under("/overrides")
    parameter = blamed(template.definition.definition, problem.pointer, template.properties)
    if parameter is None:
        return problem.under("/definition")
    return replace(problem, pointer=pointer_to(["parameters", parameter]))


# --- checking ---


def _checked(ports: Ports, document: Mapping[str, Any], now: datetime) -> TemplateDefinition:
    """The definition of a template, if all is right with it: its schema, its placeholders, and what comes of
    it with its defaults and examples, where every parameter has one. Raises Invalid."""
    definition = read(TemplateDefinition, document)
    problems = [problem.under("/parameters") for problem in schema_problems(definition.parameters)]
    properties = definition.parameters.get("properties")
    known = properties if isinstance(properties, dict) else {}
    problems += [p.under("/definition") for p in unknown_fields(definition.definition)]
    problems += [p.under("/definition") for p in placeholder_problems(definition.definition, known)]
    if too_large(document):
        problems.append(Problem("too_large", "A template has at most 64 KiB of JSON."))
    if not problems:
        problems = _sample_problems(ports, Template(definition), now)
    if problems:
        raise Invalid.of(problems)
    return definition


def _sample_problems(ports: Ports, template: Template, now: datetime) -> list[Problem]:
    """What is wrong with a template's defaults and examples, or with what comes of it with them. That a time
    in an example has passed is nothing wrong."""
    sample = template.sample
    if names_in(template.definition.definition) - sample.keys():
        return []
    try:
        document = definition_from(template, sample)
        checked_definition(
            document, now=now, actions=ports.actions, engine=ports.engine, records=ports.records
        )
    except Invalid as error:
        wrong = [one for one in error.problems if one.code != "schedule_in_past"]
        return [one if one.pointer.startswith("/parameters") else one.under("/definition") for one in wrong]
    return []


def _values(template: Template, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, with the defaults of those that were not given. Raises Invalid with all problems."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to import, and few need it

    if too_large(parameters):
        raise Invalid.of([Problem("too_large", "Parameters have at most 64 KiB of JSON.", "/parameters")])
    schema = template.definition.parameters
    defaults = {name: one["default"] for name, one in template.properties.items() if "default" in one}
    values = {**defaults, **parameters}
    problems = [
        Problem("missing_parameter", f"'{name}' is required.", pointer_to(["parameters", name]))
        for name in schema.get("required", [])
        if name not in values
    ]
    for name in values.keys() - template.properties.keys():
        text = f"There is no parameter '{name}'.{did_you_mean(name, template.properties)}"
        problems.append(Problem("unknown_field", text, pointer_to(["parameters", name])))
    for name, one in template.properties.items():
        if name in values:
            for error in Draft202012Validator(one).iter_errors(values[name]):
                pointer = pointer_to(["parameters", name, *error.path])
                problems.append(Problem("unfit_parameter", f"'{name}': {error.message[:200]}.", pointer))
    if problems:
        raise Invalid.of(problems)
    return values


def _own(ports: Ports, caller: Caller, name: str, revision: int | None) -> Template:
    """A template that the caller may change."""
    template = template_named(ports, name)
    if template.shipped:
        text = f"The template '{name}' ships with the program. Copy it under another name to change it."
        raise Forbidden(text, code="template_shipped")
    if not caller.reaches(template.created_by or ""):
        raise Forbidden(f"The template '{name}' is {template.created_by}'s. Copy it to change it.")
    if revision is not None and revision != template.revision:
        text = f"The template changed since revision {revision}. Read it again and repeat the change."
        raise RevisionConflict(text)
    return template


# --- records ---


def _keep(ports: Ports, template: Template) -> Template:
    assert template.created_date is not None
    assert template.updated_date is not None
    value = {
        "definition": template.definition.model_dump(mode="json"),
        "revision": template.revision,
        "created_by": template.created_by,
        "created_date": rfc3339(template.created_date),
        "updated_date": rfc3339(template.updated_date),
    }
    ports.records.put(Record(KIND, template.name, value))
    return template


def _template(record: Record) -> Template:
    value = record.value
    return Template(
        TemplateDefinition.model_validate(value["definition"]),
        value["revision"],
        value["created_by"],
        datetime.fromisoformat(value["created_date"]),
        datetime.fromisoformat(value["updated_date"]),
    )
