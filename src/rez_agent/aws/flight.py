"""What of a schedule is in flight, and the guard under which that is decided on.

Where two executions at once are not allowed, whether a new one starts, is held or is skipped depends on the
others, and so does which one is let go when another ends. DynamoDB knows no lock on what a Query found. So
each such decision reads the schedule's guard first (records, ``"guard#"+schedule_id``), and puts it again in
the transaction that carries the decision out: of two at once one conflicts, and decides again on what the
other has left. A guard that DynamoDB's TTL took away meanwhile conflicts too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rez_agent.aws.execution_items import HELD, LIVE, moved
from rez_agent.aws.items import instant, ttl_at
from rez_agent.aws.tables import EXECUTIONS, IN_FLIGHT, RECORDS, TTL
from rez_agent.aws.unit import Key, Unit
from rez_agent.aws.wire import Item
from rez_agent.domain.due import InFlight

GUARD_KEPT = timedelta(days=90)
"""How long a guard that nobody puts again is kept."""

_ALONE = "-"


class Flight:
    """What a unit knows of executions in flight."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._asked: set[str] = set()

    def of(self, schedule_id: str) -> InFlight:
        """How many there are, this unit's own counted; under the guard."""
        self._ask(schedule_id)
        places = self.keys(schedule_id).values()
        return InFlight(len(places), sum(place.startswith(HELD) for place in places))

    def keys(self, schedule_id: str) -> dict[Key, str]:
        """Their keys, each with its place: live or held, and then in the order of writing."""
        found = self._unit.query(
            EXECUTIONS,
            IN_FLIGHT.name,
            KeyConditionExpression="schedule_id = :schedule",
            values={":schedule": schedule_id},
            ConsistentRead=True,
        )
        places = {(item["schedule_id"], item["id"]): str(item["in_flight"]) for item in found}
        own = self._unit.staged(EXECUTIONS)
        for key, item in own.items():
            if key[0] == schedule_id:
                places.pop((key[0], key[1]), None)
                if item is not None and "in_flight" in item:
                    places[key[0], key[1]] = item["in_flight"]
        return dict(places)

    def decided(self, schedule_id: str, now: datetime) -> None:
        """If this unit has asked what is in flight: what it writes holds only if that is still so."""
        if schedule_id in self._asked:
            pk = _guard_of(schedule_id)
            self._unit.put(RECORDS, {"pk": pk, "sk": _ALONE, TTL: ttl_at(now + GUARD_KEPT)})

    def let_go(self, schedule_id: str, now: datetime) -> Item | None:
        """Let the oldest held execution go, if nothing else is in flight; its item if there was one. From
        then on it has its whole event age before it."""
        self._ask(schedule_id)
        self.decided(schedule_id, now)
        places = self.keys(schedule_id)
        if not places or any(place.startswith(LIVE) for place in places.values()):
            return None
        item = self._unit.get(EXECUTIONS, *min(places, key=lambda key: places[key]))
        if item is None:
            return None  # deleted by hand since the Query
        due, expires = instant(item["due_at"]), instant(item["expires_at"])
        freed = moved(
            item,
            next_attempt_at=max(due, now),
            expires_at=max(expires, now + (expires - due)),
            one_by_one=True,
        )
        self._unit.put(EXECUTIONS, freed)
        return freed

    def _ask(self, schedule_id: str) -> None:
        self._unit.get(RECORDS, _guard_of(schedule_id), _ALONE)
        self._asked.add(schedule_id)


def _guard_of(schedule_id: str) -> str:
    return f"guard#{schedule_id}"
