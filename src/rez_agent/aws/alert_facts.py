"""Facts for the rules of alerting, as records that the sweep takes: noted in the unit that makes them true.

They stand in lanes, for one partition takes 1,000 writes a second and a whole target may fail at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from zlib import crc32

from rez_agent.aws.execution_items import LANES, digits
from rez_agent.aws.items import ttl_at
from rez_agent.aws.tables import RECORDS, TTL
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item

KEPT = timedelta(days=7)
"""What no sweep has taken for so long goes unseen."""

_LANE = "alert_fact#"


def note(unit: Unit, execution: Item, now: datetime, *, late: bool = False) -> None:
    """A fact of an execution, whose item this is. Twice in one millisecond is once."""
    lane = LANES[crc32(execution["id"].encode()) % len(LANES)]
    fact = {
        "pk": _LANE + lane,
        "sk": f"{digits(now)}#{'late' if late else 'ended'}#{execution['id']}",
        "schedule_id": execution["schedule_id"],
        "execution_id": execution["id"],
        "late": late,
        TTL: ttl_at(now + KEPT),
    }
    unit.put(RECORDS, fact)


def take(unit: Unit, limit: int) -> list[Item]:
    """The oldest facts, whose deletion is staged: another sweep that took one too is run again without it."""
    lanes = (
        unit.query(
            RECORDS,
            KeyConditionExpression="pk = :pk",
            values={":pk": _LANE + lane},
            ConsistentRead=True,
            Limit=limit,
        )
        for lane in LANES
    )
    found = list(islice(merge(*lanes, key=lambda item: str(item["sk"])), limit))
    for item in found:
        unit.remember(RECORDS, item)
        unit.delete(RECORDS, item["pk"], item["sk"])
    return found
