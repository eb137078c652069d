"""What the store of schedules promises beyond its contract: its cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.schedule import ScheduleStatus, TargetType
from rez_agent.local.schedule_list import ORDERS
from rez_agent.ports import ScheduleQuery
from tests.rig import Rig, schedule_of

FILTERS: list[dict[str, Any]] = [
    {},
    {"owner": "ann"},
    {"status": ScheduleStatus.ACTIVE},
    {"status": ScheduleStatus.PAUSED},
    {"status": ScheduleStatus.DELETED},
    {"tag": "a"},
    {"target_type": TargetType.CUSTOM},
    {"name": "s1"},
    {"name_prefix": "s"},
    {"finished": True},
]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.add(*(schedule_of(f"s{number}", tags=["a"]) for number in range(20)))
    yield rig
    rig.close()


def plans(rig: Rig, query: ScheduleQuery) -> list[str]:
    """How SQLite goes about each statement of a list."""
    steps: list[str] = []

    def trace(cursor: Any, statement: str, _bindings: Any) -> bool:
        if not statement.startswith("EXPLAIN"):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", _bindings)
            steps.extend(f"{row[3]}" for row in rows)
        return True

    rig.connection.exec_trace = trace
    try:
        rig.ports.schedules.list(query)
    finally:
        rig.connection.exec_trace = None
    return steps


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_a_list_is_read_in_the_order_of_an_index_and_never_sorted_whole(
    rig: Rig, query: dict[str, Any], order: str
) -> None:
    """With a filter by tag the order may cost a sort of that tag's schedules, never of all."""
    steps = plans(rig, ScheduleQuery(order=order, **query))
    assert steps
    sorts = [step for step in steps if "TEMP B-TREE FOR ORDER BY" in step]
    narrow = query.keys() & {"tag", "name", "owner", "target_type", "finished", "name_prefix"} or query.get(
        "status"
    ) in {ScheduleStatus.PAUSED, ScheduleStatus.DELETED}
    assert sorts == [] or narrow


def test_the_size_of_a_list_is_bounded_by_its_limit(rig: Rig) -> None:
    page = rig.ports.schedules.list(ScheduleQuery(limit=7))
    assert len(page.items) == 7


def test_a_payload_of_letters_beyond_ascii_is_inline_up_to_64_kib_counted_in_bytes(rig: Rig) -> None:
    frame = len('{"text":""}')
    fits = schedule_of("fits", payload={"text": "☃" * ((65_536 - frame) // 3)})
    over = schedule_of("over", payload={"text": "☃" * ((65_536 - frame) // 3 + 1)})
    rig.add(fits, over)
    assert rig.one("SELECT count(*) FROM blobs") == 1
    assert rig.one("SELECT payload IS NULL FROM schedules WHERE name = 'over'") == 1
    assert rig.schedule(over.id) == over


def test_each_revision_before_is_kept_with_what_it_said(rig: Rig) -> None:
    schedule = rig.create("changing", payload={"n": 1})
    for number in (2, 3):
        rig.command(action="update", schedule_id=schedule.id, patch={"payload": {"n": number}})
    rows = rig.connection.execute(
        "SELECT revision, payload FROM revisions WHERE schedule_id = ? ORDER BY revision", (schedule.id,)
    ).fetchall()
    assert rows == [(1, '{"target":"target","n":1}'), (2, '{"target":"target","n":2}')] or rows == [
        (1, '{"n":1}'),
        (2, '{"n":2}'),
    ]
