"""The fields that say what is done, for each kind of target, and the payload that they stand for.

Every payload of a kind can be shown: what has no field of its own stands in the kind's field of JSON, so that
nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rez_agent.domain.action import Offered
from rez_agent.web.page.form.values import (
    ON,
    Document,
    Reader,
    json_text,
    line_text,
    lines_text,
    number_or_text,
    number_text,
)

KINDS = (
    ("http", "HTTP request"),
    ("catalogue", "Catalogue action"),
    ("notification", "Notification"),
    ("custom", "Custom action"),
    ("raw", "Raw payload"),
)
"""The choices, with their words."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
PRIORITIES = ("min", "low", "default", "high", "max")

HTTP_FIELDS = {
    "url": "http_url",
    "method": "http_method",
    "headers": "http_headers",
    "body": "http_body",
    "auth": "http_bearer",
    "timeout": "http_timeout",
    "success": "http_success",
    "follow_redirects": "http_redirects",
}
"""The members of a request, and their fields."""

NOTE_FIELDS = {
    "channel": "note_channel",
    "title": "note_title",
    "message": "note_message",
    "priority": "note_priority",
}
MORE = {
    "http": "http_more",
    "catalogue": "action_more",
    "notification": "note_more",
    "custom": "custom_more",
    "raw": "raw_payload",
}
"""The field of JSON of each kind: the members that have no field of their own."""

PARAMETER = "param_"
SECRET_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HEADER = re.compile(r"([^\s:]+): (.*)")
_SECRET = re.compile(r"\{secret: ([A-Za-z0-9_.-]{1,64})\}")
_TYPES = {"string", "integer", "number", "boolean"}


# --- from a payload to fields ---


def target_values(target_type: str, payload: Mapping[str, Any], offered: Offered) -> dict[str, str]:
    """The fields that say this target and payload."""
    action = line_text(payload.get("action"))
    if target_type == "web_action" and action == "http":
        return _http_values(payload)
    if target_type == "web_action" and action is not None:
        return _catalogue_values(action, payload, offered)
    if target_type == "notification":
        return _note_values(payload)
    if target_type == "custom" and action is not None:
        rest = {name: value for name, value in payload.items() if name != "action"}
        return {"kind": "custom", "custom_name": action, "custom_more": json_text(rest)}
    return {"kind": "raw", "raw_type": target_type, "raw_payload": json_text(dict(payload))}


def _http_values(payload: Mapping[str, Any]) -> dict[str, str]:
    values, more = {"kind": "http"}, {}
    for name, value in payload.items():
        said = _http_value(name, value)
        if said is not None:
            values |= said
        elif name != "action":
            more[name] = value
    return {**values, "http_more": json_text(more)}


def _http_value(name: str, value: Any) -> dict[str, str] | None:
    """The fields of one member; None where it has to stand as JSON."""
    if name == "body":
        return _body_values(value)
    match name:
        case "url" | "success":
            text = line_text(value)
        case "method":
            text = value if value in METHODS else None
        case "headers":
            text = _headers_text(value)
        case "timeout":
            text = number_text(value)
        case "follow_redirects":
            text = ON if value is True else None
        case "auth":
            text = _bearer_text(value)
        case _:
            return None
    return None if text is None else {HTTP_FIELDS[name]: text}


def _body_values(value: Any) -> dict[str, str] | None:
    if isinstance(value, str):
        text = lines_text(value)
        return None if text is None else {"http_body": text, "http_body_kind": "text"}
    return None if value is None else {"http_body": json_text(value) or "{}", "http_body_kind": "json"}


def _bearer_text(value: Any) -> str | None:
    token = value.get("token") if isinstance(value, Mapping) else None
    secret = token.get("secret") if isinstance(token, Mapping) else None
    if not isinstance(secret, str) or SECRET_NAME.fullmatch(secret) is None:
        return None
    return secret if value == _bearer(secret) else None


def _bearer(secret: str) -> Document:
    return {"type": "bearer", "token": {"secret": secret}}


def _headers_text(value: Any) -> str | None:
    """Headers, one a line; None where reading them would not give the same."""
    if not isinstance(value, Mapping) or not value:
        return None
    lines = []
    for name, given in value.items():
        secret = given.get("secret") if isinstance(given, Mapping) else None
        lines.append(f"{name}: {{secret: {secret}}}" if secret is not None else f"{name}: {given}")
    text = "\n".join(lines)
    return text if "\r" not in text and _headers_of(Reader({"http_headers": text})) == value else None


def _catalogue_values(action: str, payload: Mapping[str, Any], offered: Offered) -> dict[str, str]:
    types = parameter_types(action, offered)
    values, more = {"kind": "catalogue", "action_name": action}, {}
    for name, value in payload.items():
        text = _parameter_text(types.get(name), value)
        if text is not None:
            values[PARAMETER + name] = text
        elif name != "action":
            more[name] = value
    return {**values, "action_more": json_text(more)}


def _parameter_text(kind: str | None, value: Any) -> str | None:
    if kind == "string":
        return line_text(value)
    if kind == "boolean" and isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if kind in ("integer", "number") else None


def parameter_types(action: str, offered: Offered) -> dict[str, str]:
    """The parameters of a catalogue's entry that have a field of their own, with their types."""
    schema = next((one.schema for one in offered.catalogue if one.name == action), {})
    properties = schema.get("properties", {})
    return {
        name: str(part.get("type", "string"))
        for name, part in properties.items()
        if isinstance(part, Mapping) and part.get("type", "string") in _TYPES
    }


def _note_values(payload: Mapping[str, Any]) -> dict[str, str]:
    values, more = {"kind": "notification"}, {}
    for name, value in payload.items():
        if name == "message":
            text = lines_text(value)
        elif name == "priority":
            text = value if value in PRIORITIES else None
        else:
            text = line_text(value) if name in NOTE_FIELDS else None
        if text is None:
            more[name] = value
        else:
            values[NOTE_FIELDS[name]] = text
    return {**values, "note_more": json_text(more)}


# --- from fields to a payload ---


def target_of(reader: Reader, offered: Offered) -> tuple[str | None, Document]:
    """The target type and the payload that the fields say."""
    match reader.text("kind"):
        case "http":
            return "web_action", _http_payload(reader)
        case "catalogue":
            return "web_action", _catalogue_payload(reader, offered)
        case "notification":
            return "notification", _note_payload(reader)
        case "custom":
            return "custom", _named(reader, "custom_name") | reader.json_object("custom_more")
        case "raw":
            return reader.text("raw_type") or None, reader.json_object("raw_payload")
        case _:
            reader.wrong("kind", "Choose what is to be done.", "missing_field")
            return None, {}


def _named(reader: Reader, field: str) -> Document:
    name = reader.text(field)
    if not name:
        reader.wrong(field, "Name the action.", "missing_field")
    return {"action": name} if name else {}


def _http_payload(reader: Reader) -> Document:
    bearer = reader.text("http_bearer")
    said: Document = {
        "action": "http",
        "method": reader.text("http_method") or None,
        "url": reader.text("http_url") or None,
        "headers": _headers_of(reader) or None,
        "body": _body_of(reader),
        "auth": _bearer(bearer) if bearer else None,
        "timeout": reader.number("http_timeout"),
        "success": reader.text("http_success") or None,
        "follow_redirects": True if reader.ticked("http_redirects") else None,
    }
    return _said(said) | reader.json_object("http_more")


def _said(members: Document) -> Document:
    return {name: value for name, value in members.items() if value is not None}


def _body_of(reader: Reader) -> Any:
    if reader.text("http_body_kind") == "json":
        return reader.json("http_body")
    return reader.raw("http_body") or None


def _headers_of(reader: Reader) -> Document:
    headers: Document = {}
    for number, line in enumerate(reader.raw("http_headers").split("\n"), start=1):
        if not line.strip():
            continue
        match = _HEADER.fullmatch(line) or re.fullmatch(r"\s*([^\s:]+)\s*:\s*(.*?)\s*", line)
        if match is None:
            reader.wrong("http_headers", f"Line {number} is no header. Write one a line, as in Name: value.")
        elif match[1] in headers:
            reader.wrong("http_headers", f"Line {number}: '{match[1]}' is given twice.", "invalid_header")
        else:
            secret = _SECRET.fullmatch(match[2])
            headers[match[1]] = {"secret": secret[1]} if secret else match[2]
    return headers


def _catalogue_payload(reader: Reader, offered: Offered) -> Document:
    payload = _named(reader, "action_name")
    for name, kind in parameter_types(payload.get("action", ""), offered).items():
        text = reader.text(PARAMETER + name)
        if text:
            payload[name] = _parameter(kind, text)
    return payload | reader.json_object("action_more")


def _parameter(kind: str, text: str) -> Any:
    """The parameter's value; what is none of its type as the text that it is, for the check to refuse."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text if kind == "string" else number_or_text(text)


def _note_payload(reader: Reader) -> Document:
    said: Document = {
        "channel": reader.text("note_channel") or None,
        "title": reader.text("note_title") or None,
        "message": reader.raw("note_message") or None,
        "priority": reader.text("note_priority") or None,
    }
    return _said(said) | reader.json_object("note_more")


# --- from a problem to its field ---


def field_of_payload(kind: str, member: str, offered: Offered, values: Mapping[str, str]) -> str:
    """The field that says a payload's member."""
    if kind == "http":
        return HTTP_FIELDS.get(member, "http_url" if not member else MORE[kind])
    if kind == "notification":
        return NOTE_FIELDS.get(member, "note_message" if not member else MORE[kind])
    if kind == "custom":
        return "custom_name" if member in ("", "action") else MORE[kind]
    if kind == "catalogue":
        known = parameter_types(values.get("action_name", "").strip(), offered)
        if member in known:
            return PARAMETER + member
        return "action_name" if member in ("", "action") else MORE[kind]
    return "raw_payload"
