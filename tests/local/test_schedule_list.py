"""The list of schedules finds the same by every way that it may take, and never takes a long one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rez_agent.domain.schedule import Schedule, ScheduleStatus, TargetType
from rez_agent.local.rows import SCHEDULE_COLUMNS, fetch, schedule_from
from rez_agent.local.schedule_list import ORDERS, STEPS, ScheduleList
from rez_agent.ports import COUNTED_EXACTLY, ScheduleQuery
from tests.rig import ANN, BOB, Rig, schedule_of

SCHEDULES = 60
CALLERS = {"ann": ANN, "bob": BOB}
FILTERS: dict[str, tuple[Any, ...]] = {
    "owner": (None, "ann", "nobody"),
    "status": (None, ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED, ScheduleStatus.DELETED),
    "tag": (None, "a", "b"),
    "target_type": (None, TargetType.CUSTOM),
    "name_prefix": (None, "s", "s1"),
    "finished": (None, True, False),
}
QUERIES = [dict(zip(FILTERS, values, strict=True)) for values in product(*FILTERS.values())]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("data"))
    chance = Random(7)
    for number in range(SCHEDULES):
        schedule = schedule_of(
            f"s{number}",
            created_by=chance.choice(["ann", "bob"]),
            tags=chance.sample(["a", "b", "c"], chance.randrange(3)),
            target_type=chance.choice(["web_action", "custom"]),
            schedule_expression=chance.choice(["cron(0 * * * ? *)", "at(2026-06-01T12:00:01)"]),
        )
        rig.add(schedule)
        action = chance.choice(["pause", "delete", None, None])
        if action:
            rig.command(CALLERS[schedule.created_by], action=action, schedule_id=schedule.id)
    rig.clock.advance(minutes=1)
    rig.tick_all()
    yield rig
    rig.close()


def everything(rig: Rig, query: dict[str, Any], order: str, *, steps: int) -> list[str]:
    """The names of a whole list, page by page; its total is never too large."""
    listing = ScheduleList(rig.connection, lambda row: schedule_from(row, row[13]), steps=steps)
    found: list[str] = []
    totals: list[tuple[int, bool]] = []
    cursor = None
    while True:
        page = listing.page(ScheduleQuery(order=order, cursor=cursor, limit=7, **query))
        found += [schedule.definition.name for schedule in page.items]
        totals.append((page.total, page.total_is_exact))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert all(total == len(found) if exact else total <= len(found) for total, exact in totals)
    return found


def matching(rig: Rig, query: dict[str, Any], order: str) -> list[str]:
    """The same, thought out without SQL."""
    rows = fetch(rig.connection, f"SELECT {SCHEDULE_COLUMNS}, seq FROM schedules ORDER BY seq")
    kept = [(schedule_from(row, row[13]), row[-1]) for row in rows]
    kept = [(one, seq) for one, seq in kept if _matches(one, **query)]
    key: dict[str, Any] = {
        "created_date": lambda pair: pair[1],
        "name": lambda pair: (pair[0].definition.name, pair[0].created_by, pair[1]),
        "next_run": lambda pair: (pair[0].next_run, pair[1]),
    }
    if order.endswith("next_run"):
        kept = [(one, seq) for one, seq in kept if one.next_run is not None and one.pause is None]
    kept.sort(key=key[order.removeprefix("-")], reverse=order.startswith("-"))
    return [one.definition.name for one, _ in kept]


def _matches(
    schedule: Schedule,
    owner: str | None,
    status: ScheduleStatus | None,
    tag: str | None,
    target_type: TargetType | None,
    name_prefix: str | None,
    finished: bool | None,
) -> bool:
    return (
        owner in (None, schedule.created_by)
        and (schedule.status is not ScheduleStatus.DELETED if status is None else schedule.status is status)
        and (tag is None or tag in schedule.definition.tags)
        and target_type in (None, schedule.definition.target_type)
        and schedule.definition.name.startswith(name_prefix or "")
        and (finished is None or (schedule.finished_at is not None) is finished)
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("steps", [1, 400, STEPS])
def test_every_way_finds_the_same(rig: Rig, order: str, steps: int) -> None:
    for query in Random(order).sample(QUERIES, 60):
        assert everything(rig, query, order, steps=steps) == matching(rig, query, order), query


def test_what_would_take_long_to_count_is_not_counted(rig: Rig) -> None:
    listing = ScheduleList(rig.connection, lambda row: schedule_from(row, row[13]), steps=1)
    page = listing.page(ScheduleQuery(limit=7))
    assert (page.total, page.total_is_exact) == (7, False)
    assert page.next_cursor is not None


def test_a_tag_that_only_old_schedules_have_costs_no_walk_through_the_new_ones(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.add(*(schedule_of(f"old{number}", tags=["old"]) for number in range(COUNTED_EXACTLY + 1)))
    rig.add(*(schedule_of(f"new{number}") for number in range(4_000)))
    ticks = 0

    def tick() -> bool:
        nonlocal ticks
        ticks += 1
        return False

    rig.connection.set_progress_handler(tick, 1_000, id="test")
    for order in ORDERS:
        listing = ScheduleList(rig.connection, lambda row: schedule_from(row, row[13]), steps=5_000)
        page = listing.page(ScheduleQuery(order=order, tag="old", limit=10))
        assert len(page.items) == 10
    rig.connection.set_progress_handler(None, id="test")
    rig.close()
    assert ticks < 15 * len(ORDERS)
