"""How a schedule fares, read from its ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from rez_agent.domain.execution import Execution
from rez_agent.domain.statistics import Statistics, statistics_of
from rez_agent.ports import ExecutionQuery, Ports
from rez_agent.usecases.callers import Caller, check_known

COUNTED_AT_MOST = 1_000
"""Executions that one answer counts: a history may hold ten thousand."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a schedule's executions come to; ``first`` and ``last`` are the scheduled times between which they
    lie, None where there are none. ``more``: there are older ones, which are not counted."""

    schedule_id: str
    statistics: Statistics
    first: datetime | None
    last: datetime | None
    more: bool


def summary(ports: Ports, caller: Caller, query: ExecutionQuery) -> Summary:
    """What the newest executions of ``query``'s schedule that match it come to, its limit at most, and
    :data:`COUNTED_AT_MOST`. Of a deleted one too. Raises NotFound ``schedule_not_found``."""
    schedule_id, limit = query.schedule_id or "", min(query.limit, COUNTED_AT_MOST)
    check_known(ports, caller, schedule_id)
    found = _newest(ports, replace(query, limit=limit + 1))
    counted = found[:limit]
    return Summary(
        schedule_id=schedule_id,
        statistics=statistics_of(counted),
        first=counted[-1].scheduled_time if counted else None,
        last=counted[0].scheduled_time if counted else None,
        more=len(found) > limit,
    )


def _newest(ports: Ports, query: ExecutionQuery) -> tuple[Execution, ...]:
    schedule_id = query.schedule_id or ""
    if query.since is None and query.until is None:
        return ports.ledger.latest([schedule_id], query.limit)[schedule_id]
    return ports.ledger.list(query).items
