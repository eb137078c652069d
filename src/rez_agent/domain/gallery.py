"""The templates that ship: read-only, there on every host from the start."""

from __future__ import annotations

import json
import pkgutil
from functools import cache

from rez_agent.domain.template import Template, TemplateDefinition

NAMES = (
    "daily-http-check",
    "weekday-reminder",
    "month-end-report",
    "reminder-before",
    "heartbeat",
    "tee-time-watch",
)


@cache
def gallery() -> dict[str, Template]:
    """All of them, by name, in the order in which they are shown."""
    return {name: Template(_read(name)) for name in NAMES}


def _read(name: str) -> TemplateDefinition:
    data = pkgutil.get_data(__package__, f"gallery/{name}.json")
    assert data is not None, "it is part of the package"
    return TemplateDefinition.model_validate(json.loads(data))
