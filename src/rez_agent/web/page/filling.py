"""What a template's form asks for, from the schema of its parameters; and what was sent, as parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rez_agent.domain.errors import Problem
from rez_agent.domain.template import Template
from rez_agent.web.page.visits import Form

PREFIX = "p-"
"""Before a parameter's name, in the name of its field."""

LONG = 200
"""A text that may be longer than this is asked for in several lines."""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter as it is asked for. ``control``: ``text``, ``number``, ``choice``, ``lines``, ``json``."""

    name: str
    label: str
    control: str
    value: str
    hint: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    placeholder: str = ""
    zones: bool = False

    @property
    def key(self) -> str:
        """The name of its field."""
        return PREFIX + self.name


def fields_of(template: Template, sent: Form | None = None) -> tuple[Field, ...]:
    """The fields of a template, with what was sent, else with the defaults."""
    required = template.definition.parameters.get("required", [])
    return tuple(
        _field(name, schema, sent, required=name in required) for name, schema in template.properties.items()
    )


def _field(name: str, schema: Mapping[str, Any], sent: Form | None, *, required: bool) -> Field:
    default = _text(schema["default"], schema) if "default" in schema else ""
    examples = schema.get("examples") or [""]
    return Field(
        name=name,
        label=str(schema.get("title") or name.replace("_", " ").capitalize()),
        control=_control(schema),
        value=default if sent is None else sent.text(PREFIX + name),
        hint=str(schema.get("description", "")),
        required=required,
        choices=_choices(schema),
        placeholder=_text(examples[0], schema) if examples[0] != "" else "",
        zones=name == "timezone",
    )


def _control(schema: Mapping[str, Any]) -> str:
    if "enum" in schema or schema["type"] == "boolean":
        return "choice"
    if schema["type"] in ("integer", "number"):
        return "number"
    if schema["type"] in ("object", "array"):
        return "json"
    return "lines" if schema.get("maxLength", 0) > LONG else "text"


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if "enum" in schema:
        return tuple(_text(value, schema) for value in schema["enum"])
    return ("true", "false") if schema["type"] == "boolean" else ()


def _text(value: Any, schema: Mapping[str, Any]) -> str:
    """A value as a field shows it."""
    if isinstance(value, str) and schema["type"] == "string":
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict) else None)


def parameters_of(template: Template, sent: Form) -> dict[str, Any]:
    """The parameters that a form says. An empty field was not said; what can't be read stays a text, and the
    template's schema says what it wants."""
    found: dict[str, Any] = {}
    for name, schema in template.properties.items():
        text = sent.text(PREFIX + name)
        if text:
            found[name] = text if schema["type"] == "string" else _read(text)
    return found


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def by_field(problems: tuple[Problem, ...]) -> dict[str, list[Problem]]:
    """Problems by the field that caused them; the empty name has those of no field."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        head, _, rest = problem.pointer.removeprefix("/").partition("/")
        name = PREFIX + rest.partition("/")[0] if head == "parameters" and rest else ""
        found.setdefault("name" if head == "name" else name, []).append(problem)
    return found
