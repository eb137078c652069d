"""Payloads as a page shows them: secrets stand in them by reference, and what looks like one is hidden."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

HIDDEN = "[hidden]"

_SENSITIVE = re.compile(
    r"(?:.*[-_])?(?:authorization|cookie|api[-_]?key|token|password|passwd|secret|signature|credentials?)",
    re.IGNORECASE,
)


def masked(value: Any) -> Any:
    """``value`` with the texts under names such as ``Authorization`` or ``password`` hidden, and the user
    part of URLs. References to secrets stay, since they are no secrets."""
    if isinstance(value, dict):
        return {name: _masked_under(name, one) for name, one in value.items()}
    if isinstance(value, list):
        return [masked(one) for one in value]
    return _without_user(value) if isinstance(value, str) else value


def shown_payload(payload: dict[str, Any] | None) -> str:
    """A payload as text for a page."""
    return json.dumps(masked(payload), indent=2, ensure_ascii=False)


def _masked_under(name: str, value: Any) -> Any:
    if isinstance(value, str) and value and name != "secret" and _SENSITIVE.fullmatch(name):
        return HIDDEN
    return masked(value)


def _without_user(text: str) -> str:
    if "://" not in text or "@" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if "@" not in parts.netloc:
        return text
    return parts._replace(netloc=f"{HIDDEN}@{parts.netloc.rpartition('@')[2]}").geturl()
