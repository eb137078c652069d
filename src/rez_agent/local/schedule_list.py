"""The list of schedules, in SQLite: any page of a million, whatever is asked for.

A page can be read in two ways. *Along* the list's order, keeping what matches until the page is full: quick
where much matches. *Apart*, from the rows that one filter's own index gives, sorted: quick where little does.
How much matches, and where in the order it stands, is known only by looking; so a way is tried for so many
steps of SQLite's machine and no more, and then the other one is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import apsw

from rez_agent.cursors import cursor_for, position_of
from rez_agent.domain.schedule import Schedule, ScheduleStatus, TargetType
from rez_agent.local.paging import within
from rez_agent.local.rows import SCHEDULE_COLUMNS, Row
from rez_agent.ports import COUNTED_EXACTLY, Page, ScheduleQuery

STEPS = 100_000
"""Two milliseconds or so: some seven thousand rows."""

_TAGGED = (
    "(SELECT seq AS tagged FROM schedule_tags WHERE tag = ?) t "
    "CROSS JOIN schedules ON schedules.seq = t.tagged"
)
_HAS_TAG = "EXISTS (SELECT 1 FROM schedule_tags t WHERE t.tag = ? AND t.seq = schedules.seq)"
_OWNER, _PREFIX, _FINISHED = "owner = ?", "name >= ? AND name < ?", "finished IS NOT NULL"
_UNINDEXED = {_OWNER: "+owner = ?", _PREFIX: "+name >= ? AND +name < ?"}
"""SQLite uses no index for a term with a unary plus."""

_ORDERS = {
    "created_date": ("seq", "1"),
    "name": ("name, owner, seq", "1"),
    "next_run": ("wake_at, seq", "wake_at IS NOT NULL AND next_run IS NOT NULL"),
}
"""Each order's columns (an index has them in this order) and what its rows must fulfil."""

_IN_ORDER = {"created_date": {_OWNER, _FINISHED}, "name": {_PREFIX}, "next_run": set[str]()}
"""The filters whose own index has its rows in that order."""

ORDERS = tuple(sign + name for name in _ORDERS for sign in ("", "-"))
"""The orders that a list may ask for."""

Conditions = list[tuple[str, tuple[Any, ...]]]
"""Terms of a WHERE clause, each with what it binds."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Where to read from, with ``bound`` for what that asks, and by which conditions. ``apart``: not along
    the order. ``key``: what says the row's ``seq`` there."""

    source: str
    conditions: Conditions
    apart: bool = False
    bound: tuple[Any, ...] = ()
    key: str = "seq"

    @property
    def where(self) -> str:
        """The conditions in one."""
        return " AND ".join(term for term, _ in self.conditions)

    @property
    def values(self) -> tuple[Any, ...]:
        """What source and conditions bind, in their order."""
        return (*self.bound, *(value for _, values in self.conditions for value in values))


class ScheduleList:
    """Reads pages over one connection; ``read`` makes a schedule of a row. ``steps``: how long a way is
    tried."""

    def __init__(
        self, connection: apsw.Connection, read: Callable[[Row], Schedule], *, steps: int = STEPS
    ) -> None:
        self._connection = connection
        self._read = read
        self._steps = steps

    def page(self, query: ScheduleQuery) -> Page[Schedule]:
        """A page. Raises Invalid ``invalid_cursor``."""
        ways = _ways(query)
        total, all_of_it = self._count(ways)
        columns = _ORDERS[query.order.removeprefix("-")][0].split(", ")
        rows = self._first(query, columns, [all_of_it] if all_of_it else ways)
        page, more = rows[: query.limit], len(rows) > query.limit
        cursor = cursor_for(_identity(query), page[-1][-len(columns) :]) if more else None
        exact = all_of_it is not None
        if total is None:  # it would take long to count: what is shown is known
            total, exact = len(page), cursor is None and query.cursor is None
        return Page(tuple(self._read(row) for row in page), cursor, total, exact)

    def _count(self, ways: Sequence[_Way]) -> tuple[int | None, _Way | None]:
        """The total as far as it is counted, None where counting would take long; and, if the total is exact,
        the way that showed it."""
        for way in (*ways[1:], ways[0]):
            sql = (
                f"SELECT count(*) FROM (SELECT 1 FROM {way.source} WHERE {way.where} "  # noqa: S608
                f"LIMIT {COUNTED_EXACTLY + 1})"
            )
            counted = within(self._connection, self._steps, sql, way.values)
            if counted is not None:
                number = int(counted[0][0])
                return min(number, COUNTED_EXACTLY), way if number <= COUNTED_EXACTLY else None
        return None, None

    def _first(self, query: ScheduleQuery, columns: Sequence[str], ways: Sequence[_Way]) -> list[Row]:
        """The page's rows by the first way that is quick; by the last one however long it takes."""
        after = _after(query, columns)
        for way in ways[:-1]:
            rows = self._rows(query, columns, after, way, steps=self._steps)
            if rows is not None:
                return rows
        rows = self._rows(query, columns, after, ways[-1], steps=None)
        assert rows is not None  # nothing stops it
        return rows

    def _rows(
        self,
        query: ScheduleQuery,
        columns: Sequence[str],
        after: Conditions,
        way: _Way,
        *,
        steps: int | None,
    ) -> list[Row] | None:
        """One row more than the page has, with the order's columns at the end; None after ``steps``. Apart,
        which rows they are is decided before they are read whole."""
        direction = " DESC" if query.order.startswith("-") else ""
        found = replace(way, conditions=[*way.conditions, *after])
        ordering = ", ".join(name + direction for name in columns)
        source = f"{found.source} WHERE {found.where}"
        limited = f"LIMIT {query.limit + 1}"
        if way.apart:
            inner = ordering.replace("seq", way.key)
            source = f"schedules WHERE seq IN (SELECT {way.key} FROM {source} ORDER BY {inner} {limited})"  # noqa: S608
        sql = f"SELECT {SCHEDULE_COLUMNS}, {', '.join(columns)} FROM {source} ORDER BY {ordering} {limited}"  # noqa: S608
        return within(self._connection, steps, sql, found.values)


def _ways(query: ScheduleQuery) -> list[_Way]:
    """Along the order, and then apart by each filter whose own index has another order."""
    order = query.order.removeprefix("-")
    tag: Conditions = [] if query.tag is None else [(_HAS_TAG, (query.tag,))]
    conditions = [*_conditions(query), (_ORDERS[order][1], ())]
    terms = {term for term, _ in conditions} - _IN_ORDER[order]
    along = [(_UNINDEXED[term] if term in terms & _UNINDEXED.keys() else term, v) for term, v in conditions]
    ways = [_Way("schedules", [*tag, *along])]
    if query.tag is not None:
        ways.append(_Way(_TAGGED, conditions, apart=True, bound=(query.tag,), key="t.tagged"))
    if _PREFIX in terms and query.status is not ScheduleStatus.DELETED:
        ways.append(_Way("schedules INDEXED BY schedules_name", [*tag, *conditions], apart=True))
    if _FINISHED in terms:
        ways.append(_Way("schedules INDEXED BY schedules_finished", [*tag, *conditions], apart=True))
    if _OWNER in terms:
        ways.append(_Way("schedules INDEXED BY schedules_owner", [*tag, *conditions], apart=True))
    return ways


def _after(query: ScheduleQuery, columns: Sequence[str]) -> Conditions:
    """What lies behind the cursor."""
    if not query.cursor:
        return []
    beyond = "<" if query.order.startswith("-") else ">"
    position = position_of(query.cursor, _identity(query), len(columns))
    return [(f"({', '.join(columns)}) {beyond} ({', '.join('?' * len(columns))})", tuple(position))]


def _conditions(query: ScheduleQuery) -> Conditions:
    """The filters but for the tag. A partial index serves a query only if its own condition stands there,
    word for word."""
    found: Conditions = []
    if query.status is None:
        found.append(("status <> 'deleted'", ()))
    elif query.status is ScheduleStatus.ACTIVE:
        found.append(("status = 'active' AND status <> 'deleted'", ()))
    elif query.status is ScheduleStatus.DELETED:
        found.append(("status <> 'active' AND status = ?", (query.status.value,)))
    else:
        found.append(("status <> 'active' AND status <> 'deleted' AND status = ?", (query.status.value,)))
    if query.owner is not None:
        found.append((_OWNER, (query.owner,)))
    if query.target_type is TargetType.WEB_ACTION:
        found.append(("target_type = 'web_action'", ()))
    elif query.target_type is not None:
        found.append(("target_type <> 'web_action' AND target_type = ?", (query.target_type.value,)))
    if query.name is not None:
        found.append(("name = ?", (query.name,)))
    if query.name_prefix is not None:
        found.append((_PREFIX, (query.name_prefix, f"{query.name_prefix}\U0010ffff")))
    if query.finished is not None:
        found.append((_FINISHED if query.finished else "finished IS NULL", ()))
    return found


def _identity(query: ScheduleQuery) -> str:
    """What a cursor is bound to: the filters and the order."""
    parts = (query.owner, query.status, query.tag, query.target_type, query.name, query.name_prefix)
    return "|".join(str(part) for part in (*parts, query.finished, query.order))
