"""The action catalogue: requests with a name, written by the operator, called by name with parameters.

A payload is ``{"action": NAME, ...parameters}`` or ``{"action": NAME, "parameters": {...}}``. The entry's
JSON Schema judges the parameters; its templates make the request of them, which is then sent as any other.
"""

from __future__ import annotations

from collections.abc import KeysView, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry

from rez_agent.actions.addresses import AllowList
from rez_agent.actions.base import Payload, invalid_payload, unknown_fields
from rez_agent.actions.http import request_problems, target_of
from rez_agent.actions.late_sender import Performer
from rez_agent.actions.request import FIELDS as REQUEST_FIELDS
from rez_agent.actions.request import HttpRequest, read_request
from rez_agent.actions.templates import BadTemplate, RenderingFailed, Template, Templates
from rez_agent.actions.yaml_file import YamlFile
from rez_agent.domain.action import OfferedAction, Outcome, Work
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import pointer_to

WORK_NAMES = ("scheduled_time", "execution_id", "schedule_id", "schedule_name", "attempt")
"""What a template knows besides the parameters."""

_TEMPLATED = ("url", "headers", "query", "body")
_RESERVED = ("action", "parameters", *WORK_NAMES)
_ENTRY_FIELDS = ("description", "parameters", *(name for name in REQUEST_FIELDS if name != "action"))
_SAMPLE_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Entry:
    """A named request: what judges its parameters, its fixed parts and its templates."""

    name: str
    description: str
    schema: Mapping[str, Any]
    validator: Draft202012Validator
    fixed: Mapping[str, Any]
    templates: Mapping[str, Any]


class CatalogueAction:
    """Sends the request of the entry that the payload names."""

    def __init__(self, entries: Mapping[str, Entry], sender: Performer, allowed: AllowList) -> None:
        self._entries = entries
        self._sender = sender
        self._allowed = allowed

    @property
    def names(self) -> KeysView[str]:
        """The entries' names."""
        return self._entries.keys()

    @property
    def offered(self) -> tuple[OfferedAction, ...]:
        """The entries as callers may know them."""
        entries = (self._entries[name] for name in sorted(self._entries))
        return tuple(OfferedAction(entry.name, entry.description, entry.schema) for entry in entries)

    def check(self, payload: Payload) -> list[Problem]:
        """All that is wrong with the parameters; then with the request that they make."""
        entry = self._entries[payload["action"]]
        parameters, problems = _parameters(entry, payload)
        if problems:
            return problems
        request = self._request(entry, parameters, _sample_values())
        if isinstance(request, HttpRequest):
            request = request_problems(request, self._allowed, self._sender.keyring)
        return [Problem(p.code, f"The request of '{entry.name}' ({p.pointer}): {p.message}") for p in request]

    def target(self, payload: Payload) -> str:
        """``host:port``."""
        entry = self._entries[payload["action"]]
        parameters, problems = _parameters(entry, payload)
        request = problems or self._request(entry, parameters, _sample_values())
        return f"catalogue:{entry.name}" if isinstance(request, list) else target_of(request)

    async def run(self, work: Work) -> Outcome:
        """One attempt. Raises only CancelledError."""
        entry = self._entries[work.payload["action"]]
        parameters, problems = _parameters(entry, work.payload)
        request = problems or self._request(entry, parameters, _work_values(work))
        if isinstance(request, list):
            return invalid_payload(request)
        return await self._sender.perform(request, work)

    def _request(
        self, entry: Entry, parameters: Mapping[str, Any], values: Mapping[str, Any]
    ) -> HttpRequest | list[Problem]:
        values = {**parameters, "parameters": parameters, **values}
        try:
            filled = {name: _filled(part, values) for name, part in entry.templates.items()}
        except RenderingFailed as error:
            return [Problem("rendering_failed", f"The template could not be filled in: {error}.")]
        return read_request({**entry.fixed, **_without_none(filled)})


def read_catalogue(file: YamlFile, problems: list[Problem]) -> dict[str, Entry]:
    """The entries of the file's ``actions``; what is wrong is added to ``problems``, with lines."""
    document = file.document.get("actions") if isinstance(file.document, Mapping) else None
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        problems.append(file.located(Problem("wrong_type", "'actions' maps names to requests.", "/actions")))
        return {}
    templates = Templates()
    entries = {}
    for name, value in document.items():
        reader = _Reader(file, "/actions" + pointer_to([name]), templates)
        entry = reader.entry(name, value)
        problems.extend(reader.problems)
        if entry:
            entries[entry.name] = entry
    return entries


class _Reader:
    """Reads one entry, gathering all that is wrong with it."""

    def __init__(self, file: YamlFile, pointer: str, templates: Templates) -> None:
        self._file = file
        self._pointer = pointer
        self._templates = templates
        self.problems: list[Problem] = []

    def entry(self, name: Any, value: Any) -> Entry | None:
        if not isinstance(name, str) or not name.isidentifier() or name == "http":
            self._complain(
                "invalid_name", "An action's name has letters, digits and _, and is not 'http'.", ""
            )
            return None
        if not isinstance(value, Mapping):
            self._complain("wrong_type", "An action is an object with a 'url'.", "")
            return None
        for problem in unknown_fields(value, _ENTRY_FIELDS):
            self._complain(problem.code, problem.message, problem.pointer)
        schema = self._schema(value.get("parameters"))
        compiled = {key: self._compiled(value[key], f"/{key}", key) for key in _TEMPLATED if key in value}
        fixed = {
            key: value[key]
            for key in value
            if key in REQUEST_FIELDS and key not in _TEMPLATED and key != "action"
        }
        self._check_fixed(fixed, has_url="url" in value)
        validator = Draft202012Validator(schema, registry=Registry())
        return Entry(name, str(value.get("description", "")), schema, validator, fixed, compiled)

    def _complain(self, code: str, text: str, pointer: str, line_offset: int = 0) -> None:
        self.problems.append(self._file.located(Problem(code, text, self._pointer + pointer), line_offset))

    def _schema(self, given: Any) -> dict[str, Any]:
        """The JSON Schema of the parameters; no schema means no parameters."""
        if given is None:
            return _NO_PARAMETERS
        if not isinstance(given, Mapping):
            self._complain("wrong_type", "'parameters' is a JSON Schema of an object.", "/parameters")
            return _NO_PARAMETERS
        schema: dict[str, Any] = {"type": "object", **given}
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            where = "/parameters" + pointer_to(error.absolute_path)
            self._complain("invalid_schema", f"not a JSON Schema: {error.message}.", where)
            return _NO_PARAMETERS
        for name in schema.get("properties", {}):
            if name in _RESERVED:
                text = f"A parameter can't be called '{name}': the name is taken."
                self._complain("invalid_name", text, "/parameters/properties" + pointer_to([name]))
        return schema

    def _compiled(self, value: Any, pointer: str, part: str) -> Any:
        """``value`` with every text in it made a template; references to secrets stay as they are."""
        if isinstance(value, str):
            return self._template(value, pointer, part)
        if isinstance(value, Mapping) and part == "headers" and pointer != "/headers" and "secret" in value:
            return dict(value)
        if isinstance(value, Mapping):
            return {
                str(key): self._compiled(item, pointer + pointer_to([key]), part)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._compiled(item, f"{pointer}/{at}", part) for at, item in enumerate(value)]
        return value

    def _template(self, source: str, pointer: str, part: str) -> Any:
        make = {"url": self._templates.url, "headers": self._templates.text}.get(part, self._templates.value)
        try:
            return make(source)
        except BadTemplate as error:
            self._complain(
                "invalid_template", f"the template can't be read: {error}.", pointer, error.line - 1
            )
            return source

    def _check_fixed(self, fixed: Mapping[str, Any], *, has_url: bool) -> None:
        if not has_url:
            self._complain("missing_field", "'url' is required.", "")
        found = read_request({**fixed, "url": "http://example.org/"})
        for problem in found if isinstance(found, list) else ():
            self._complain(problem.code, problem.message, problem.pointer)


def _parameters(entry: Entry, payload: Payload) -> tuple[Mapping[str, Any], list[Problem]]:
    """The parameters with the schema's defaults filled in, and what is wrong with them."""
    given: Any = {key: value for key, value in payload.items() if key != "action"}
    prefix = ""
    if "parameters" in payload:
        given, prefix = payload["parameters"], "/parameters"
        beside = unknown_fields(payload, ("action", "parameters"))
        if beside:
            return {}, beside
    if not isinstance(given, Mapping):
        return {}, [Problem("wrong_type", "'parameters' is an object.", "/parameters")]
    filled = {**_defaults(entry.schema), **given}
    errors = entry.validator.iter_errors(filled)
    return filled, [problem.under(prefix) for error in errors for problem in _schema_problems(entry, error)]


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    return {
        name: part["default"]
        for name, part in properties.items()
        if isinstance(part, Mapping) and "default" in part
    }


def _schema_problems(entry: Entry, error: ValidationError) -> list[Problem]:
    pointer = pointer_to(error.absolute_path)
    known = entry.schema.get("properties", {})
    if error.validator == "additionalProperties" and not pointer and isinstance(error.instance, Mapping):
        return unknown_fields(error.instance, known) or [Problem("unknown_field", error.message, pointer)]
    if error.validator == "required":
        wanted: Any = error.validator_value
        given: Any = error.instance
        missing = [name for name in wanted if name not in given]
        return [
            Problem("missing_field", f"'{name}' is required.", pointer + pointer_to([name]))
            for name in missing
        ]
    return [Problem("invalid_parameter", f"{error.message[:300]}.", pointer)]


def _sample_values() -> dict[str, Any]:
    """Stand-ins for what only an execution knows."""
    texts = dict.fromkeys(("execution_id", "schedule_id", "schedule_name"), "sample")
    return {**texts, "scheduled_time": _SAMPLE_TIME, "attempt": 1}


def _work_values(work: Work) -> dict[str, Any]:
    return {name: getattr(work, name) for name in WORK_NAMES}


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, Template):
        return part.render(values)
    if isinstance(part, Mapping):
        return {key: _filled(item, values) for key, item in part.items()}
    if isinstance(part, list):
        return [_filled(item, values) for item in part]
    return part


def _without_none(filled: dict[str, Any]) -> dict[str, Any]:
    """Query parameters that came to nothing are left out."""
    query = filled.get("query")
    if isinstance(query, dict):
        filled["query"] = {name: value for name, value in query.items() if value is not None}
    return filled
