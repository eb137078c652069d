"""CloudFormation's own schemas, as cfn-lint carries them: they name properties and refuse unknown ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from infrastructure.synth.tokens import intrinsic

REGION = "us-east-1"
"""Whose schemas are used: the region that has every type."""

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ResourceSchema:
    """The schema of one resource type. ``problems`` collects what does not fit it."""

    type: str
    root: Schema
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, type_: str) -> ResourceSchema | None:
        """The schema of a type; None if CloudFormation has no such type."""
        try:
            return cls(type_, PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, type_).schema)
        except ResourceNotFoundError:
            return None

    def property_like(self, name: str) -> str | None:
        """The property called ``name`` but for its case."""
        return _by_lower_case(self.root).get(name.lower())

    def schema_of(self, name: str) -> Schema:
        """The schema of a property."""
        return self._resolved(self.root["properties"][name])

    def fit(self, value: Any, schema: Schema, where: str) -> Any:
        """``value`` with CloudFormation's names for its keys and intrinsic functions for its tokens. What is
        None is left out. A key that the schema does not know is a problem."""
        schema = self._resolved(schema)
        if isinstance(value, dict):
            return self._fit_object(value, schema, where)
        if isinstance(value, list):
            return [self.fit(item, schema.get("items", {}), f"{where}/{i}") for i, item in enumerate(value)]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return intrinsic(value) if isinstance(value, str) else value

    def _fit_object(self, value: dict[str, Any], schema: Schema, where: str) -> dict[str, Any]:
        known, fitted = _by_lower_case(schema), {}
        for key, item in value.items():
            if item is None:
                continue
            name = known.get(key.lower())
            if name is None and known:
                self.problems.append(f"{self.type}: {where} has no property {key}.")
                continue
            part = schema["properties"][name] if name else {}
            fitted[name or key] = self.fit(item, part, f"{where}/{name or key}")
        return fitted

    def _resolved(self, schema: Schema) -> Schema:
        """The schema with its reference followed, and the one of its choices that describes a structure."""
        while "$ref" in schema:
            found: Schema = self.root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
            resolved = self._resolved(choice)
            if "properties" in resolved or "items" in resolved:
                return {**schema, **resolved}
        return schema


def _by_lower_case(schema: Schema) -> dict[str, str]:
    return {name.lower(): name for name in schema.get("properties", {})}
