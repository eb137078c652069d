"""Lists of schedules.

In the order of their creation they are read along an index, an owner's by name along the records of names:
page by page, each from where the one before ended, whatever their number. Any other order is made in memory,
of :data:`SCHEDULES_GATHERED` rows at most; beyond that it is refused.

A filter reads past what does not match. A page that has read :data:`SCHEDULES_GATHERED` rows ends there, with
a cursor, though it holds less than was asked for; a total is not exact where so many rows do not tell it.

Indexes lag: a change of the last moment may be missing. Nothing is decided by a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from rez_agent.aws.items import expired, stamp
from rez_agent.aws.tables import BY_CREATOR, BY_STATUS, RECORDS, SCHEDULES, Index
from rez_agent.aws.unit import KEYS_AT_ONCE, Unit
from rez_agent.aws.wire import Item
from rez_agent.cursors import cursor_for, position_of
from rez_agent.domain.errors import Unsupported
from rez_agent.domain.schedule import Schedule, ScheduleStatus
from rez_agent.ports import COUNTED_EXACTLY, Page, ScheduleQuery

SCHEDULES_GATHERED = 20_000
"""Rows that one list reads at most; a row counts once more for every :data:`ROW_BYTES` of its payload."""

ROW_BYTES = 2_048

ROWS_AT_ONCE = 100
"""Rows in one Query at least: schedules made at one moment are read together."""

LIVING = (ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED, ScheduleStatus.ERROR)

_LAST = "\U0010ffff"
_LONGEST_NAME = 128

_Position = tuple[str, ...]
"""Where a row stands in a list's order; no two rows of a list stand at the same."""

_Row = tuple[_Position, Item]


class ScheduleList:
    """Reads one list. ``read`` makes a schedule of a row, as of now; ``skim`` the same without a payload that
    stands elsewhere, which is enough to tell whether and where the row belongs. ``living`` counts an owner's.
    """

    def __init__(
        self,
        unit: Unit,
        query: ScheduleQuery,
        *,
        read: Callable[[Item], Schedule],
        skim: Callable[[Item], Schedule],
        living: Callable[[str], int],
        now: datetime,
        gathered: int = SCHEDULES_GATHERED,
    ) -> None:
        self._unit = unit
        self._query = query
        self._read = read
        self._skim = skim
        self._living = living
        self._now = now
        self._gathered = gathered
        self._down = query.order.startswith("-")
        self._order = query.order.removeprefix("-")
        self._names = query.owner is not None and query.status is not ScheduleStatus.DELETED

    def page(self) -> Page[Schedule]:
        """The page. Raises Invalid ``invalid_cursor``, and Unsupported where too much would be sorted."""
        if self._order == "created_date" and not self._by_name:
            return self._walked(self._by_date, 2)
        if self._order == "name" and self._names:
            return self._walked(self._along_names, 2)
        return self._sorted()

    @property
    def _by_name(self) -> bool:
        """Whether an owner's names tell best what matches."""
        return self._names and (self._query.name is not None or self._query.name_prefix is not None)

    # --- along an index ---

    def _walked(self, rows_after: Callable[[_Position | None], Iterable[_Row]], width: int) -> Page[Schedule]:
        query = self._query
        after = self._after(width)
        found: list[_Row] = []
        cursor: _Position | None = None
        left = self._gathered
        for position, item in rows_after(after):
            if self._matches(item):
                if len(found) == query.limit:
                    cursor = found[-1][0]
                    break
                found.append((position, item))
            left -= _cost(item)
            if left <= 0:
                cursor = position
                break
        total, exact = self._total(rows_after)
        items = tuple(self._read(item) for _, item in found)
        return Page(items, None if cursor is None else self._cursor(cursor), total, exact)

    def _total(self, rows_after: Callable[[_Position | None], Iterable[_Row]]) -> tuple[int, bool]:
        query = self._query
        if self._filters_nothing and query.owner is None and query.status is not ScheduleStatus.DELETED:
            count = self._count_statuses()
        elif self._filters_nothing and query.status is None and query.owner is not None:
            count = self._living(query.owner)
        else:
            return self._total_read(rows_after(None))
        return min(count, COUNTED_EXACTLY), count <= COUNTED_EXACTLY

    def _total_read(self, rows: Iterable[_Row]) -> tuple[int, bool]:
        count, left = 0, self._gathered
        for _, item in rows:
            count += self._matches(item)
            left -= _cost(item)
            if count > COUNTED_EXACTLY:
                return COUNTED_EXACTLY, False
            if left <= 0:
                return count, False
        return count, True

    def _count_statuses(self) -> int:
        """How many there are, or more than are counted exactly."""
        count = 0
        for status in self._statuses:
            if count <= COUNTED_EXACTLY:
                count += self._unit.count(
                    SCHEDULES,
                    BY_STATUS.name,
                    most=COUNTED_EXACTLY + 1 - count,
                    KeyConditionExpression="#status = :status",
                    ExpressionAttributeNames={"#status": BY_STATUS.key.hash},
                    values={":status": status},
                )
        return count

    def _by_date(self, after: _Position | None) -> Iterator[_Row]:
        """Every row in the order of creation, those at one moment by their ids."""
        query = self._query
        most = None if self._filters_narrowly else max(query.limit + 2, ROWS_AT_ONCE)
        if query.owner is not None:
            sources = [self._index_rows(BY_CREATOR, query.owner, after, most=most)]
        else:
            sources = [self._index_rows(BY_STATUS, status, after, most=most) for status in self._statuses]
        rows = merge(*map(self._by_id_at_one_moment, sources), key=itemgetter(0), reverse=self._down)
        for position, same in groupby(rows, key=itemgetter(0)):  # in two indexes for the moment of a change
            if after is None or self._is_after(position, after):
                yield next(same)

    def _by_id_at_one_moment(self, items: Iterable[Item]) -> Iterator[_Row]:
        for moment, same in groupby(items, key=itemgetter("created_date")):
            for item in sorted(same, key=itemgetter("id"), reverse=self._down):
                yield (moment, item["id"]), item

    def _index_rows(
        self, index: Index, value: str, after: _Position | None, *, most: int | None
    ) -> Iterator[Item]:
        """The rows of an index from the moment of ``after`` on, ``most`` in one call."""
        condition, values = "#hash = :hash", {":hash": value}
        names = {"#hash": index.key.hash}
        if after is not None:
            condition += " AND #range " + ("<= :after" if self._down else ">= :after")
            names["#range"], values[":after"] = "created_date", after[0]
        limit = {} if most is None else {"Limit": most}
        return self._unit.query(
            SCHEDULES,
            index.name,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            values=values,
            ScanIndexForward=not self._down,
            **limit,
        )

    # --- along the names ---

    def _along_names(self, after: _Position | None) -> Iterator[_Row]:
        """The rows of an owner's living schedules whose names may match, by name."""
        for names in _slices(self._names_after(after), self._names_at_once):
            keys = {row["schedule_id"]: (row["sk"], row["schedule_id"]) for row in names}
            rows = self._unit.get_all(SCHEDULES, [(schedule_id,) for schedule_id in keys])
            for schedule_id, position in keys.items():
                item = rows.get((schedule_id,))
                if item is not None and (after is None or self._is_after(position, after)):
                    yield position, item

    @property
    def _names_at_once(self) -> int:
        """How many schedules are read at once by their names: no more than are shown, if each is."""
        return KEYS_AT_ONCE if self._filters_narrowly else min(self._query.limit + 2, KEYS_AT_ONCE)

    def _names_after(self, after: _Position | None) -> Iterator[Item]:
        low, high = self._name_bounds(after)
        if low > high:
            return iter(())
        return self._unit.query(
            RECORDS,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :low AND :high",
            values={":pk": f"name#{self._query.owner}", ":low": low, ":high": high},
            ScanIndexForward=not self._down,
            ConsistentRead=True,
            Limit=10 * self._names_at_once,
        )

    def _name_bounds(self, after: _Position | None) -> tuple[str, str]:
        """Between which names to look, both inclusive."""
        query = self._query
        prefix = (query.name_prefix or "")[:_LONGEST_NAME]
        low, high = prefix or "\0", prefix + _LAST
        if query.name is not None:
            name = query.name[:_LONGEST_NAME]
            low, high = max(low, name), min(high, name)
        if after is not None and self._down:
            return low, min(high, after[0])
        if after is not None:
            return max(low, after[0]), high
        return low, high

    # --- sorted in memory ---

    def _sorted(self) -> Page[Schedule]:
        after = self._after(_WIDTHS[self._order])
        rows = (self._along_names if self._by_name else self._by_date)(None)
        found = (item for item in self._gather(rows) if self._matches(item))
        placed = [(place, item) for item in found if (place := self._place(item))]
        placed.sort(key=itemgetter(0), reverse=self._down)
        left = [row for row in placed if after is None or self._is_after(row[0], after)]
        shown = left[: self._query.limit]
        cursor = self._cursor(shown[-1][0]) if len(left) > len(shown) else None
        total = min(len(placed), COUNTED_EXACTLY)
        items = tuple(self._read(item) for _, item in shown)
        return Page(items, cursor, total, len(placed) <= COUNTED_EXACTLY)

    def _gather(self, rows: Iterable[_Row]) -> Iterator[Item]:
        left = self._gathered
        for _, item in rows:
            left -= _cost(item)
            if left < 0:
                raise Unsupported(
                    f"To order this list by {self._order}, more than {self._gathered:,} schedules would be "
                    "read. Name an owner, a status or a prefix of the name, or order it by created_date."
                )
            yield item

    def _place(self, item: Item) -> _Position | None:
        """Where a row stands in the order asked for; None if it has no place in it."""
        created = (item["created_date"], item["id"])
        if self._order == "name":
            return (item["name"], item["created_by"], *created)
        if self._order == "next_run":
            next_run = self._skim(item).next_run
            return None if next_run is None else (stamp(next_run), *created)
        return created

    # --- both ---

    @property
    def _statuses(self) -> Sequence[ScheduleStatus]:
        return LIVING if self._query.status is None else (self._query.status,)

    @property
    def _filters_nothing(self) -> bool:
        """Whether everything of the owner and the status, where they are given, is in the list."""
        query = self._query
        narrower = (query.tag, query.target_type, query.name, query.name_prefix, query.finished)
        return all(each is None for each in narrower)

    @property
    def _filters_narrowly(self) -> bool:
        return not self._filters_nothing or (self._query.owner is not None and self._query.status is not None)

    def _matches(self, item: Item) -> bool:
        """Whether a row is one of the list."""
        query = self._query
        wanted = LIVING if query.status is None else (query.status,)
        fits = (
            item["status"] in wanted
            and not expired(item, self._now)
            and (query.owner is None or item["created_by"] == query.owner)
            and (query.target_type is None or item["target_type"] == query.target_type)
            and (query.tag is None or query.tag in item["tags"])
            and (query.name is None or item["name"] == query.name)
            and (query.name_prefix is None or item["name"].startswith(query.name_prefix))
        )
        if not fits or query.finished is None:
            return fits
        return query.finished is (self._skim(item).finished_at is not None)

    def _is_after(self, position: _Position, other: _Position) -> bool:
        return position < other if self._down else position > other

    def _after(self, width: int) -> _Position | None:
        if self._query.cursor is None:
            return None
        return tuple(str(part) for part in position_of(self._query.cursor, self._identity, width))

    def _cursor(self, position: _Position) -> str:
        return cursor_for(self._identity, position)

    @property
    def _identity(self) -> str:
        """What a cursor is bound to: the filters and the order."""
        query = self._query
        parts = (query.owner, query.status, query.tag, query.target_type, query.name, query.name_prefix)
        return "|".join(str(part) for part in (*parts, query.finished, query.order))


_WIDTHS = {"created_date": 2, "name": 4, "next_run": 3}


def _cost(item: Item) -> int:
    """As how many rows a row counts."""
    return 1 + len(item.get("payload", "")) // ROW_BYTES


def _slices(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
