"""Two pages that load nothing but their style: the operations, and the table of codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from rez_agent.web.codes import CODES
from rez_agent.web.page import statics

_FRAME = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<link rel="stylesheet" href="{style}">
h1>{title}</h1>{body}</html>
"""


class Pages:
    """The document and the pages made of it, each made once, when first asked for."""

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document
        self._made: dict[str, str] = {}

    def openapi(self) -> str:
        """The OpenAPI document as JSON."""
        return self._once("openapi", lambda: json.dumps(self._document(), ensure_ascii=False))

    def operations(self) -> str:
        """A page of all operations."""
        return self._once("operations", lambda: operations_page(self._document()))

    def codes(self) -> str:
        """A page of all codes of errors."""
        return self._once("codes", codes_page)

    def _once(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]


def operations_page(document: Mapping[str, Any]) -> str:
    """All operations of an OpenAPI document, by tag, with their descriptions and examples."""
    sections: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sections.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    body = [f"<p>{escape(document['info']['description'])} <a href='openapi.json'>openapi.json</a></p>"]
    for tag, operations in sections.items():
        body.append(f"<h2>{escape(tag)}</h2>{''.join(operations)}")
    return _framed("rez-agent API", "".join(body))


def codes_page() -> str:
    """The table of codes; each row is what the ``type`` of a problem refers to."""
    rows = "".join(
        f"<tr id='{code}'><td><code>{code}</code><td>{escape(known.title)}<td>{escape(known.way_out)}"
        for code, known in CODES.items()
    )
    head = "<tr><th>code<th>what it means<th>what to do"
    return _framed("rez-agent error codes", f"<table>{head}{rows}</table>")


def _framed(title: str, body: str) -> str:
    return _FRAME.format(title=title, body=body, style=statics.url("docs.css"))


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{escape(operation['description'])}</p>"]
    if "requestBody" in operation:
        parts.append(_examples("Request", operation["requestBody"]))
    for status, shown in operation["responses"].items():
        if int(status) < 400:
            parts.append(_examples(f"{status} {shown['description']}", shown))
    statuses = ", ".join(status for status in operation["responses"] if int(status) >= 400)
    parts.append(f"<p>Problems: {statuses}</p>")
    head = f"<code>{method.upper()} {escape(path)}</code> {escape(operation['summary'])}"
    return f"<details><summary>{head}</summary>{''.join(parts)}</details>"


def _examples(title: str, shown: Mapping[str, Any]) -> str:
    examples = [media["example"] for media in shown.get("content", {}).values() if "example" in media]
    texts = [text if isinstance(text, str) else json.dumps(text, indent=2) for text in examples]
    return f"<h4>{escape(title)}</h4>" + "".join(f"<pre>{escape(text)}</pre>" for text in texts)
