"""How the queue stands, for the metrics: sampled by the sweep each minute, from the sparse indexes alone.

Counts stop at :data:`COUNTED_TO` in each lane, so they cost the same however much waits. What SQS holds is
told by its own metrics; this tells of the executions themselves, those included whose message was lost.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from rez_agent import metrics as named
from rez_agent.aws.execution_items import DEAD, HELD, LANES, RUNNING, WAITING, digits
from rez_agent.aws.items import UNARMED as LAGGING
from rez_agent.aws.items import instant
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.tables import EXECUTIONS, QUEUE, SCHEDULES
from rez_agent.aws.tables import UNARMED as UNARMED_INDEX
from rez_agent.aws.unit import Unit
from rez_agent.domain.instants import to_ms

COUNTED_TO = 1_000
"""A lane's count goes so far; eight lanes make a whole."""

_NAMES = {"#queue": "queue"}


def sample(unit: Unit, now: datetime, metrics: AwsMetrics) -> None:
    """Write down how everything stands at ``now``."""
    for metric, value in standing(unit, now).items():
        metrics.observe(metric, value)


def standing(unit: Unit, now: datetime) -> dict[named.Metric, float]:
    """The readings."""
    counts = Counter[named.Metric]()
    oldest = 0.0
    for lane in LANES:
        first = _first(unit, WAITING + lane)
        if first is not None:
            ready = _count(unit, WAITING + lane, until=digits(now))
            counts[named.QUEUE_DEPTH] += ready
            counts[named.WAITING] += _count(unit, WAITING + lane) - ready
            oldest = max(oldest, (to_ms(now) - int(first)) / 1000)
        for metric, queue in ((named.RUNNING, RUNNING), (named.HELD, HELD), (named.DEAD_LETTERS, DEAD)):
            counts[metric] += _count(unit, queue + lane)
    every = (named.QUEUE_DEPTH, named.WAITING, named.RUNNING, named.HELD, named.DEAD_LETTERS)
    return {
        **{metric: float(counts[metric]) for metric in every},
        named.QUEUE_OLDEST: oldest,
        named.ENGINE_LAG: _lag(unit, now),
    }


def _count(unit: Unit, queue: str, *, until: str | None = None) -> int:
    condition = "#queue = :queue" if until is None else "#queue = :queue AND queue_at <= :until"
    values = {":queue": queue} if until is None else {":queue": queue, ":until": until}
    return unit.count(
        EXECUTIONS,
        QUEUE.name,
        most=COUNTED_TO,
        KeyConditionExpression=condition,
        ExpressionAttributeNames=_NAMES,
        values=values,
    )


def _first(unit: Unit, queue: str) -> str | None:
    """When the first of a lane may start, in digits."""
    found = unit.query(
        EXECUTIONS,
        QUEUE.name,
        KeyConditionExpression="#queue = :queue",
        ExpressionAttributeNames=_NAMES,
        values={":queue": queue},
        Limit=1,
    )
    return next((str(item["queue_at"]) for item in found), None)


def _lag(unit: Unit, now: datetime) -> float:
    """How long the schedule that has waited longest for EventBridge has done so."""
    found = unit.query(
        SCHEDULES,
        UNARMED_INDEX.name,
        KeyConditionExpression="unarmed = :lagging",
        values={":lagging": LAGGING},
        Limit=1,
    )
    since = next((instant(item["unarmed_since"]) for item in found), now)
    return max(0.0, (now - since).total_seconds())
