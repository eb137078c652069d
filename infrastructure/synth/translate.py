"""From what the program registered to a CloudFormation template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infrastructure.synth.recording import Recording, Registered
from infrastructure.synth.rows import ROWS, Drop, Part, Put, Row
from infrastructure.synth.schema import ResourceSchema
from infrastructure.synth.shapes import CODE_BUCKET, CODE_PREFIX
from infrastructure.synth.tokens import intrinsic, resource_in

Template = dict[str, Any]

PARAMETERS = {
    CODE_BUCKET: {
        "Type": "String",
        "Description": "The bucket with the functions' zips: scheduler.zip and so on, from make build",
        "MinLength": 3,
        "MaxLength": 63,
    },
    CODE_PREFIX: {
        "Type": "String",
        "Description": "What their keys begin with, up to the last slash. Take a new one for each build: "
        "CloudFormation updates a function's code only when its key has changed",
        "AllowedPattern": "[A-Za-z0-9][A-Za-z0-9._/-]*[A-Za-z0-9]",
    },
}


class Untranslatable(Exception):
    """The program uses what the table has no row for. ``problems``: all of it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def translate(recording: Recording, description: str) -> Template:
    """The template. Raises Untranslatable with every type and property that has no row."""
    problems: list[str] = []
    resources: dict[str, _Resource] = {}
    parts: list[Registered] = []
    for registered in sorted(recording.resources.values(), key=lambda one: one.logical_id):
        row = ROWS.get(registered.type)
        if row is None:
            problems.append(f"{registered.logical_id}: no row for the type {registered.type}.")
        elif isinstance(row, Part):
            parts.append(registered)
        else:
            resources[registered.logical_id] = _resource(registered, row, problems)
    hosts = {part.logical_id: _add_part(part, resources, problems) for part in parts}
    made = {own: resource.rendered(hosts, problems) for own, resource in resources.items()}
    if problems:
        raise Untranslatable(sorted(problems))
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description,
        "Parameters": PARAMETERS,
        "Resources": made,
        "Outputs": {name: {"Value": intrinsic(value)} for name, value in sorted(recording.outputs.items())},
    }


@dataclass(slots=True)
class _Resource:
    """A resource in the making: its properties have their names but not yet their shape."""

    registered: Registered
    row: Row
    properties: dict[str, Any] = field(default_factory=dict)

    def rendered(self, hosts: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
        schema = ResourceSchema.of(self.row.type)
        if schema is None:
            problems.append(f"{self.registered.logical_id}: CloudFormation has no type {self.row.type}.")
            return {}
        properties = {
            name: schema.fit(value, schema.schema_of(name), name)
            for name, value in sorted(self.properties.items())
        }
        problems += [f"{self.registered.logical_id}: {problem}" for problem in schema.problems]
        return {
            "Type": self.row.type,
            "Properties": properties,
            **self._after(properties, hosts),
            **self._fate(),
        }

    def _after(self, properties: Mapping[str, Any], hosts: Mapping[str, str]) -> dict[str, Any]:
        """What must be there first although no property names it."""
        needed = {hosts.get(need, need) for need in self.registered.needs}
        unnamed = sorted(needed - _named_in(properties) - {self.registered.logical_id})
        return {"DependsOn": unnamed} if unnamed else {}

    def _fate(self) -> dict[str, str]:
        if not self.row.keeps_data:
            return {}
        fate = "Retain" if self.registered.retain else "Delete"
        return {"DeletionPolicy": fate, "UpdateReplacePolicy": fate}


def _resource(registered: Registered, row: Row, problems: list[str]) -> _Resource:
    resource = _Resource(registered, row)
    schema = ResourceSchema.of(row.type)
    for name, value in row.reshape(registered.inputs).items():
        if value is None:
            continue
        rule = row.properties.get(name)
        if isinstance(rule, Drop):
            if value not in rule.values:
                problems.append(f"{registered.logical_id}: {name} is {value!r}. {rule.why}")
            continue
        put = rule or _put_by_name(schema, name)
        if put is None:
            problems.append(f"{registered.logical_id}: {row.type} has no property {name}, nor has its row.")
            continue
        resource.properties[put.name] = put.value(value)
    return resource


def _put_by_name(schema: ResourceSchema | None, name: str) -> Put | None:
    found = None if schema is None else schema.property_like(name)
    if schema is None or found is None:
        return None
    if found == "Tags" and schema.schema_of(found).get("type") == "array":
        return Put(found, lambda tags: [{"Key": key, "Value": value} for key, value in sorted(tags.items())])
    return Put(found)


def _add_part(registered: Registered, resources: Mapping[str, _Resource], problems: list[str]) -> str:
    """Put a part into its host; the host's logical id."""
    part = ROWS[registered.type]
    assert isinstance(part, Part)
    host = resource_in(registered.inputs[part.host])
    if host is None or host not in resources:
        problems.append(f"{registered.logical_id}: its {part.host} is no resource of the stack.")
        return registered.logical_id
    properties = resources[host].properties
    for name, value in part.make(registered.inputs).items():
        properties[name] = [*properties[name], *value] if name in properties else value
    return host


def _named_in(properties: Mapping[str, Any]) -> set[str]:
    text = json.dumps(properties)
    found = re.findall(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"|\$\{(\w+)', text)
    return {name for names in found for name in names if name}
