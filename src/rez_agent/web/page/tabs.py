"""The tabs of a schedule's page: each is one module with one template, and a line in :mod:`.detail`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from rez_agent.domain.schedule import Schedule
from rez_agent.web.operations import Api
from rez_agent.web.page.visits import Visit

Load = Callable[[Api, Visit, Schedule], Awaitable[dict[str, Any]]]
"""Reads what a tab shows. Its template knows ``schedule``, ``now``, ``here`` (the tab's own address) and what
is returned here, of which ``now`` and ``here`` may be some."""


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab: its word in the address, its title, its template, and what that shows."""

    key: str
    title: str
    template: str
    load: Load
