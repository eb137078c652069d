"""What a schedule was created with, told from what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rez_agent.domain.changes import CHANGES_KEPT
from rez_agent.domain.schedule import Schedule
from rez_agent.usecases.auditing import UNDONE_AT_MOST, Beginning, beginning_of
from tests.rig import ANN, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def beginning(rig: Rig, schedule: Schedule) -> Beginning | None:
    return rig.do(lambda ports: beginning_of(ports, rig.schedule(schedule.id)))


def patch(rig: Rig, schedule: Schedule, **fields: object) -> None:
    assert rig.command(ANN, action="update", schedule_id=schedule.id, patch=fields).problems == ()


def test_it_is_the_definition_before_every_change_of_a_deleted_one_too(rig: Rig) -> None:
    schedule = rig.create(tags=["golf"])
    assert beginning(rig, schedule) == Beginning(schedule.definition)
    patch(rig, schedule, tags=["spring"], description="later")
    rig.command(ANN, action="pause", schedule_id=schedule.id)
    rig.command(ANN, action="delete", schedule_id=schedule.id)
    assert beginning(rig, schedule) == Beginning(schedule.definition)


def test_what_was_too_large_to_be_kept_is_named(rig: Rig) -> None:
    schedule = rig.create()
    patch(rig, schedule, payload={**schedule.definition.payload, "body": "x" * 9_000})
    found = beginning(rig, schedule)
    assert found is not None
    assert found.later == ("payload",)


def test_it_is_not_told_where_too_much_happened_since(rig: Rig) -> None:
    assert UNDONE_AT_MOST <= CHANGES_KEPT
    schedule = rig.create()
    for number in range(UNDONE_AT_MOST):
        patch(rig, schedule, description=f"number {number}")
    assert beginning(rig, schedule) is not None
    patch(rig, schedule, description="one more")
    assert beginning(rig, schedule) is None
