"""Templates: definitions with placeholders, and the JSON Schema of what is put in their place.

Of JSON Schema (2020-12) the parameters may use what a form can ask for and what takes no time to check: no
references, no regular expressions, no combinations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from rez_agent.domain.errors import Problem
from rez_agent.domain.policies import Frozen
from rez_agent.domain.reading import did_you_mean
from rez_agent.domain.schedule import ScheduleDefinition

TEMPLATE_BYTES = 65_536
"""Of a template as JSON; and of the parameters that it is filled with."""

TAG = "template:"
"""A schedule that came from a template has this tag, with its name behind: so it can be found."""

PARAMETERS_AT_MOST = 30

TypeName = str
_TYPES = ("string", "integer", "number", "boolean", "array", "object")
_OF_ALL = ("type", "title", "description", "default", "examples", "enum", "const")
_OF_TYPE: dict[TypeName, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "boolean": (),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "object": (),
}
_WHOLE = ("$schema", "type", "title", "description", "properties", "required", "additionalProperties")

TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class TemplateDefinition(Frozen):
    """What a caller says of a template. ``parameters`` is a JSON Schema of an object; ``definition`` is a
    schedule's, with placeholders for those parameters anywhere in its texts."""

    name: TemplateName
    title: Annotated[str, StringConstraints(min_length=1, max_length=128, strip_whitespace=True)]
    description: Annotated[str, StringConstraints(max_length=2_000)] = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it is kept. ``created_by`` None: it ships with the program, and can't be changed."""

    definition: TemplateDefinition
    revision: int = 1
    created_by: str | None = None
    created_date: datetime | None = None
    updated_date: datetime | None = None

    @property
    def name(self) -> str:
        """Its name, which no other has."""
        return self.definition.name

    @property
    def shipped(self) -> bool:
        """Whether it came with the program."""
        return self.created_by is None

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        """The schema of each parameter."""
        found: Mapping[str, Mapping[str, Any]] = self.definition.parameters.get("properties", {})
        return found

    @property
    def sample(self) -> dict[str, Any]:
        """A value for each parameter that has a default or an example."""
        found = {}
        for name, schema in self.properties.items():
            if "default" in schema:
                found[name] = schema["default"]
            elif schema.get("examples"):
                found[name] = schema["examples"][0]
        return found


def schema_problems(parameters: Mapping[str, Any]) -> Iterator[Problem]:
    """All that is wrong with the schema of a template's parameters, pointers relative to it."""
    yield from _unknown(parameters, _WHOLE, "")
    if parameters.get("type") != "object":
        yield _wrong('The parameters are an object: write "type": "object".', "/type")
    properties = parameters.get("properties", {})
    if not isinstance(properties, dict):
        yield _wrong("'properties' is an object: a schema for each parameter.", "/properties")
        return
    if len(properties) > PARAMETERS_AT_MOST:
        yield _wrong(f"A template has at most {PARAMETERS_AT_MOST} parameters.", "/properties")
    for name, schema in properties.items():
        if not name.isidentifier() or not name.isascii():
            yield _wrong(
                f"'{name}' is no name for a parameter: letters, digits and _.", f"/properties/{name}"
            )
        yield from _property(schema, f"/properties/{name}")
    required = parameters.get("required", [])
    if not isinstance(required, list) or any(name not in properties for name in required):
        yield _wrong("'required' lists names of parameters that there are.", "/required")


def _property(schema: Any, pointer: str, depth: int = 0) -> Iterator[Problem]:
    if not isinstance(schema, dict) or schema.get("type") not in _TYPES:
        yield _wrong(f"A parameter has a type: one of {', '.join(_TYPES)}.", f"{pointer}/type")
        return
    yield from _unknown(schema, (*_OF_ALL, *_OF_TYPE[schema["type"]]), pointer)
    if "items" in schema:
        if depth:
            yield _wrong("Lists of lists of lists can't be asked for.", f"{pointer}/items")
        else:
            yield from _property(schema["items"], f"{pointer}/items", depth + 1)


def _unknown(schema: Mapping[str, Any], known: tuple[str, ...], pointer: str) -> Iterator[Problem]:
    for key in schema:
        if key not in known:
            hint = did_you_mean(key, known) or f" Known: {', '.join(known)}."
            yield _wrong(f"'{key}' is not known here.{hint}", f"{pointer}/{key}")


def _wrong(text: str, pointer: str) -> Problem:
    return Problem("invalid_parameters_schema", text, pointer)


def unknown_fields(definition: Mapping[str, Any]) -> Iterator[Problem]:
    """Fields that no schedule has, and those that a template fills itself."""
    known = [name for name in ScheduleDefinition.model_fields if name != "template"]
    for name in definition:
        if name not in known:
            yield Problem(
                "unknown_field", f"'{name}' is not a known field.{did_you_mean(name, known)}", f"/{name}"
            )


def too_large(value: Any) -> bool:
    """Whether a template, or what it is filled with, is larger than allowed."""
    return len(json.dumps(value, separators=(",", ":"))) > TEMPLATE_BYTES
