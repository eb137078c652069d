"""The way back from a change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.command import Message
from rez_agent.domain.errors import NotFound
from rez_agent.domain.schedule import Schedule
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.undoing import Command, recall, remember, way_back
from tests.rig import ADMIN, ANN, BOB, Rig

NEW = "sch_00000000000000000000000001"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def done(
    rig: Rig, schedule: Schedule, caller: Caller = ANN, **command: Any
) -> tuple[Message, tuple[Command, ...]]:
    """A command, and the way back from it."""
    message = rig.command(caller, schedule_id=schedule.id, **command)
    assert message.problems == ()
    return message, way_back(schedule, message, caller=caller, new_id=NEW)


def go(rig: Rig, steps: tuple[Command, ...], caller: Caller = ANN) -> None:
    for step in steps:
        assert rig.command(caller, **step).problems == ()


def test_a_pause_is_undone_by_resuming(rig: Rig) -> None:
    schedule = rig.create()
    _, back = done(rig, schedule, action="pause", reason="mown")
    go(rig, back)
    assert rig.schedule(schedule.id).pause is None
    assert rig.schedule(schedule.id).next_run is not None


def test_pausing_again_and_resuming_are_undone_by_the_pause_before(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(ANN, action="pause", schedule_id=schedule.id, reason="mown", until="2099-01-01T00:00:00Z")
    paused = rig.schedule(schedule.id)
    for command in ({"action": "pause", "reason": "another"}, {"action": "resume"}):
        _, back = done(rig, paused, ANN, **command)
        go(rig, back)
        pause = rig.schedule(schedule.id).pause
        assert pause is not None
        assert (pause.reason, pause.until) == ("mown", paused.pause.until if paused.pause else None)


def test_a_deleted_schedule_comes_back_as_it_was_under_a_new_id(rig: Rig) -> None:
    schedule = rig.create(tags=["golf"], description="tee times")
    rig.command(ANN, action="pause", schedule_id=schedule.id, reason="mown")
    paused = rig.schedule(schedule.id)
    _, back = done(rig, paused, action="delete")
    go(rig, back)
    made = rig.schedule(NEW)
    assert made.definition == schedule.definition
    assert made.pause is not None
    assert made.pause.reason == "mown"
    assert not rig.schedule(schedule.id).living


def test_a_rate_that_comes_back_keeps_its_grid_and_does_not_fire_at_once(rig: Rig) -> None:
    schedule = rig.create(schedule_expression="rate(1 hour)")
    rig.clock.advance(minutes=90, seconds=7)
    before = rig.schedule(schedule.id)
    _, back = done(rig, before, action="delete")
    go(rig, back)
    made = rig.schedule(NEW)
    assert made.next_run == schedule.created_date + timedelta(hours=2)


def test_nobody_is_offered_to_create_anew_what_was_anothers(rig: Rig) -> None:
    schedule = rig.create()
    assert done(rig, schedule, ADMIN, action="delete")[1] == ()


def test_a_run_is_undone_by_cancelling_it(rig: Rig) -> None:
    schedule = rig.create()
    message, back = done(rig, schedule, action="run")
    go(rig, back)
    assert rig.execution(message.result["execution_id"]).status == "cancelled"


def test_the_way_back_is_open_once_for_an_hour_and_for_whoever_made_the_change(rig: Rig) -> None:
    steps = ({"action": "resume", "schedule_id": "sch_1"},)
    key = rig.do(lambda ports: remember(ports, ANN, steps))
    for caller in (BOB, ADMIN):
        with pytest.raises(NotFound) as refused:
            rig.do(partial(recall, caller=caller, key=key))
        assert refused.value.code == "undo_over"
    assert rig.do(lambda ports: recall(ports, ANN, key)) == list(steps)
    with pytest.raises(NotFound):
        rig.do(lambda ports: recall(ports, ANN, key))

    late = rig.do(lambda ports: remember(ports, ANN, steps))
    rig.clock.advance(hours=1)
    with pytest.raises(NotFound):
        rig.do(lambda ports: recall(ports, ANN, late))
