"""Lists of executions.

A schedule's history is a range of its items, whose ids sort by scheduled time: DynamoDB filters it, and it
is no longer than the ledger keeps of one schedule. The list over all schedules merges the lanes of an index
in the order of writing, where only the owner can be filtered; any other filter reads the items themselves.
A page that has looked at :data:`LOOKED_AT` of them (or ten times as many of others' entries in the index)
ends there, with a cursor, though it may hold less than was asked for; its total then counts what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from rez_agent.aws.execution_items import BUT_PAYLOAD, DEAD, LANES, digits
from rez_agent.aws.items import expired, instant
from rez_agent.aws.keeping import Kept
from rez_agent.aws.tables import EXECUTIONS, QUEUE, TTL, WRITTEN
from rez_agent.aws.unit import KEYS_AT_ONCE, VERSION, Key, Unit
from rez_agent.aws.wire import Item
from rez_agent.cursors import cursor_for, position_of
from rez_agent.domain.execution import Execution
from rez_agent.domain.instants import compact
from rez_agent.ports import COUNTED_EXACTLY, ExecutionQuery, Page

LOOKED_AT = 2_000
"""Items that one page of the list over all schedules looks at, at most, where filters ask for it."""

ENTRIES_FOR_A_LOOK = 10
"""Entries of the index that cost as much as an item: they are small, and DynamoDB filters them itself."""

ENTRIES_AT_ONCE = 1_000
"""Entries that one call reads at most; the first calls of a list read few."""

HISTORIES_AT_ONCE = 16
"""Schedules whose last executions are read side by side: fewer than a client keeps connections."""

_KEYS = ("schedule_id", "id")
_ALMOST_A_SECOND = timedelta(microseconds=999_999)
_WRITTEN_BEFORE_DUE = timedelta(days=1)
"""An execution is written when it is due or later, but for clocks that differ; this is more than they do."""

_LAST = "~"
"""Sorts after all that ids and positions hold."""

Place = tuple[str, Key]
"""A position in the list over all schedules, and the key there: empty where a call has read up to it and
found nothing more that may match."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A step along a list: where it led, whether what is there matches, and what it cost in looks."""

    position: str
    matches: bool = True
    item: Item | None = None
    cost: int = 0


class LedgerList:
    """Reads lists for one unit at one moment; what the unit has put itself counts."""

    def __init__(
        self,
        unit: Unit,
        execution: Callable[[Item], Execution],
        *,
        now: datetime,
        kept: Kept,
        looked_at: int = LOOKED_AT,
    ) -> None:
        self._unit = unit
        self._execution = execution
        self._now = now
        self._oldest = now - kept.ledger
        self._looks = looked_at

    def page(self, query: ExecutionQuery) -> Page[Execution]:
        """A page, newest first. Raises Invalid ``invalid_cursor``."""
        identity = _identity(query)
        before = str(position_of(query.cursor, identity, 1)[0]) if query.cursor else _LAST
        items, last = _cut(self._steps(query, before), query.limit, self._looks)
        cursor = None if last is None else cursor_for(identity, [last])
        total, exact = _counted(self._steps(query, _LAST, counting=True), self._looks)
        return Page(tuple(self._execution(item) for item in items), cursor, total, exact)

    def latest(self, schedule_ids: Sequence[str], query: ExecutionQuery) -> dict[str, list[Item]]:
        """The last items of each schedule within the query's times, newest first, as many as its limit at
        most, without payloads and attempts. Only queries run in the threads, none of which remembers what it
        has read."""
        each, filters = query.limit, _Filters({}, query.since, query.until)

        def of(schedule_id: str) -> list[Item]:
            one = replace(query, schedule_id=schedule_id)
            return list(islice(self._of_schedule(one, filters, _LAST, each, only=BUT_PAYLOAD), each))

        wanted = list(dict.fromkeys(schedule_ids))
        if not wanted:
            return {}
        with ThreadPoolExecutor(min(len(wanted), HISTORIES_AT_ONCE)) as threads:
            return dict(zip(wanted, threads.map(of, wanted), strict=True))

    def dead_letters(self, query: ExecutionQuery) -> tuple[str, ...]:
        """Ids of dead letters that match, oldest first, as many as the query's limit."""
        filters = _Filters.of(query, dead_letter=True)
        lanes = (self._dead(lane, query.schedule_id) for lane in LANES)
        keys = (
            (item["schedule_id"], item["id"]) for item in merge(*lanes, key=lambda item: item["queue_at"])
        )
        matching = (key[1] for key, item in self._items(keys, KEYS_AT_ONCE) if self._fits(item, filters))
        return tuple(islice(matching, query.limit))

    def _dead(self, lane: str, schedule_id: str | None) -> Iterator[Item]:
        asked: dict[str, Any] = {"values": {":lane": DEAD + lane}}
        if schedule_id is not None:
            asked["values"][":schedule"] = schedule_id
            asked["FilterExpression"] = "schedule_id = :schedule"
        return self._unit.query(
            EXECUTIONS,
            QUEUE.name,
            KeyConditionExpression="#queue = :lane",
            ExpressionAttributeNames={"#queue": "queue"},
            **asked,
        )

    # --- either list ---

    def _steps(self, query: ExecutionQuery, before: str, *, counting: bool = False) -> Iterator[_Step]:
        """The way through a list, newest first, from before a position on. Where it is only for counting,
        items are not read if that can be spared."""
        filters = _Filters.of(query)
        size = COUNTED_EXACTLY + 1 if counting else query.limit + 1
        if query.schedule_id is not None:
            only = _KEYS if counting else ()
            return self._along(self._of_schedule(query, filters, before, size, only=only))
        if not filters.in_index:
            return self._looked_at(self._over_all(query, before, KEYS_AT_ONCE), filters, KEYS_AT_ONCE, cost=1)
        places = self._over_all(query, before, size)
        if counting:
            return (_Step(position, bool(key), cost=0 if key else 1) for position, key in places)
        return self._looked_at(places, filters, min(size, KEYS_AT_ONCE), cost=0)

    def _along(self, items: Iterator[Item]) -> Iterator[_Step]:
        """Steps from item to item; who asks for one next, or for its attempts, need not read it again."""
        for item in items:
            if VERSION in item:  # else only its keys were asked for
                self._unit.remember(EXECUTIONS, item)
            yield _Step(item["id"], item=item)

    def _fits(self, item: Item | None, filters: _Filters) -> bool:
        return item is not None and filters.match(item) and not expired(item, self._now)

    # --- a schedule's history ---

    def _of_schedule(
        self, query: ExecutionQuery, filters: _Filters, before: str, size: int, *, only: tuple[str, ...] = ()
    ) -> Iterator[Item]:
        """What matches of a schedule, newest first, ids before ``before``; ``only``: those attributes."""
        schedule_id = query.schedule_id
        if not schedule_id:
            return iter(())
        first = f"{schedule_id}_{compact(query.since + _ALMOST_A_SECOND) if query.since else ''}"
        ends = f"{schedule_id}_{compact(query.until + _ALMOST_A_SECOND) if query.until else _LAST}"
        ends = min(ends, before)
        if ends <= first:
            return iter(())
        own = [
            item
            for key, item in self._unit.staged(EXECUTIONS).items()
            if item is not None and key[0] == schedule_id and self._fits(item, filters)
        ]
        asked = filters.asked(self._now)
        asked["values"] |= {":schedule": schedule_id, ":first": first, ":ends": ends}
        if not filters.equal:
            asked["Limit"] = size + 1  # the item at ``ends`` is read too
        if only:
            asked["ProjectionExpression"] = ", ".join(f"#{name}" for name in only)
            asked["ExpressionAttributeNames"] |= {f"#{name}": name for name in only}
        stored = self._unit.query(
            EXECUTIONS,
            KeyConditionExpression="schedule_id = :schedule AND id BETWEEN :first AND :ends",
            ScanIndexForward=False,
            ConsistentRead=True,
            **asked,
        )
        return self._overlaid(stored, own, first, ends)

    def _overlaid(self, stored: Iterator[Item], own: list[Item], first: str, ends: str) -> Iterator[Item]:
        """What is stored, newest first, with this unit's own in its place."""
        staged = self._unit.staged(EXECUTIONS).keys()
        others = (item for item in stored if (item["schedule_id"], item["id"]) not in staged)
        mine = sorted((item for item in own if first <= item["id"]), key=_id, reverse=True)
        return (item for item in merge(others, mine, key=_id, reverse=True) if item["id"] < ends)

    # --- over all schedules ---

    def _over_all(self, query: ExecutionQuery, before: str, size: int) -> Iterator[Place]:
        """Places of all that was written before ``before``, newest first, as far back as anything can match;
        about ``size`` of them are wanted."""
        oldest = max(self._oldest, query.since - _WRITTEN_BEFORE_DUE) if query.since else self._oldest
        first = digits(oldest)
        lanes = [self._lane(lane, query.owner, first, before, size) for lane in LANES]
        staged = self._unit.staged(EXECUTIONS)
        own: list[Place] = [
            (item["written"], key)
            for key, item in staged.items()
            if item is not None and query.owner in (None, item["owner"])
        ]
        stored = (place for place in merge(*lanes, reverse=True) if place[1] not in staged)
        everything = merge(stored, sorted(own, reverse=True), reverse=True)
        return (place for place in everything if first <= place[0] < before)

    def _lane(self, lane: str, owner: str | None, first: str, before: str, wanted: int) -> Iterator[Place]:
        """One lane's places. The calls read more and more, since an owner's may be few among others'."""
        names = {"#lane": "lane", "#written": "written"}
        values = {":lane": lane, ":first": first}
        asked: dict[str, Any] = {}
        if owner is not None:
            names["#owner"], values[":owner"] = "owner", owner
            asked["FilterExpression"] = "#owner = :owner"
        size = wanted // len(LANES) + len(LANES)
        while True:
            items, last = self._unit.page(
                EXECUTIONS,
                WRITTEN.name,
                KeyConditionExpression="#lane = :lane AND #written BETWEEN :first AND :before",
                ExpressionAttributeNames=names,
                values=values | {":before": before},
                ScanIndexForward=False,
                Limit=size,
                **asked,
            )
            for item in items:
                if item["written"] != before:  # which the call before has told
                    yield item["written"], (item["schedule_id"], item["id"])
            if last is None:
                return
            before = last["written"]
            yield from [(before, ())] * (size // ENTRIES_FOR_A_LOOK)
            size = min(2 * size, ENTRIES_AT_ONCE)

    def _looked_at(
        self, places: Iterator[Place], filters: _Filters, size: int, *, cost: int
    ) -> Iterator[_Step]:
        """Steps from place to place; the items are read ``size`` at a time, for ``cost`` looks each."""
        while chunk := list(islice(places, size)):
            found = self._unit.get_all(EXECUTIONS, [key for _, key in chunk if key])
            for position, key in chunk:
                item = found.get(key)
                fits = self._fits(item, filters)
                yield _Step(position, fits, item, cost if key else 1)

    def _items(self, keys: Iterable[Key], size: int) -> Iterator[tuple[Key, Item]]:
        """The items of keys, read ``size`` at a time, each once."""
        rest, seen = iter(keys), set[Key]()
        while chunk := list(islice(rest, size)):
            found = self._unit.get_all(EXECUTIONS, [key for key in chunk if key not in seen])
            seen |= found.keys()
            yield from found.items()


@dataclass(frozen=True, slots=True)
class _Filters:
    """What a query asks of an item besides its place in a list."""

    equal: Mapping[str, Any]
    since: datetime | None
    until: datetime | None

    @classmethod
    def of(cls, query: ExecutionQuery, **more: Any) -> _Filters:
        """The query's filters."""
        equal = {
            "owner": query.owner,
            "status": query.status,
            "reason": query.reason,
            "dead_letter": query.dead_letter,
            **more,
        }
        asked = {name: _plain(value) for name, value in equal.items() if value is not None}
        return cls(asked, query.since, query.until)

    @property
    def in_index(self) -> bool:
        """Whether the index over all schedules answers them alone."""
        return self.equal.keys() <= {"owner"} and self.since is None and self.until is None

    def match(self, item: Item) -> bool:
        """Whether an item has what is asked for."""
        scheduled = instant(item["scheduled_time"])
        return (
            all(item.get(name) == value for name, value in self.equal.items())
            and (self.since is None or scheduled >= self.since)
            and (self.until is None or scheduled < self.until)
        )

    def asked(self, now: datetime) -> dict[str, Any]:
        """The same for DynamoDB, but for the times, which are a range of the ids; and what is not gone."""
        terms = [f"#{name} = :{name}" for name in self.equal]
        terms.append("(attribute_not_exists(#ttl) OR #ttl > :now)")
        return {
            "FilterExpression": " AND ".join(terms),
            "ExpressionAttributeNames": {f"#{name}": name for name in self.equal} | {"#ttl": TTL},
            "values": {f":{name}": value for name, value in self.equal.items()}
            | {":now": int(now.timestamp())},
        }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def _cut(steps: Iterator[_Step], limit: int, looks: int) -> tuple[list[Item], str | None]:
    """A page's items, and the position after which the next page goes on, None if there is none."""
    items: list[Item] = []
    last = ""
    for step in steps:
        if step.matches and len(items) == limit:
            return items, last
        if step.matches and step.item is not None:
            items.append(step.item)
            last = step.position
        looks -= step.cost
        if looks <= 0:
            return items, step.position
    return items, None


def _counted(steps: Iterator[_Step], looks: int) -> tuple[int, bool]:
    """How many match, as far as they are counted, and whether there are not more."""
    count = 0
    for step in steps:
        count += step.matches
        looks -= step.cost
        if count > COUNTED_EXACTLY:
            return COUNTED_EXACTLY, False
        if looks <= 0:
            return count, False
    return count, True


def _id(item: Item) -> str:
    return str(item["id"])


def _identity(query: ExecutionQuery) -> str:
    """What a cursor is bound to."""
    parts = (
        query.owner,
        query.schedule_id,
        query.status,
        query.reason,
        query.dead_letter,
        query.since,
        query.until,
    )
    return "|".join(str(part) for part in parts)
