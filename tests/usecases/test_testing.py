"""Test runs, on a local host that the test moves by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import Cause, ExecutionStatus, is_test
from rez_agent.domain.schedule import ScheduleStatus
from rez_agent.ports import ExecutionQuery, ScheduleQuery
from tests.fakes import FAILED
from tests.rig import Rig, definition_of


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_a_definition_runs_once_now_and_leaves_a_tombstone_and_its_entry(rig: Rig) -> None:
    message = rig.command(action="test", schedule=definition_of(payload={"target": "elsewhere"}))
    schedule = rig.schedule(message.schedule_id or "")
    assert schedule.status is ScheduleStatus.DELETED
    assert schedule.definition.name.startswith("Test of report ")
    assert schedule.definition.tags == ("test-run",)
    execution = rig.execution(message.result["execution_id"])
    assert (execution.cause, execution.target, execution.owner) == (Cause.TEST, "elsewhere", "ann")
    assert rig.work() == [execution.id]
    assert rig.execution(execution.id).status is ExecutionStatus.SUCCEEDED


def test_what_is_sent_is_the_payload_that_was_given(rig: Rig) -> None:
    large = {"target": "elsewhere", "text": "x" * 100_000}
    rig.command(action="test", schedule=definition_of(payload=large))
    (claimed,) = rig.claim()
    assert claimed.work.payload == large
    assert claimed.work.schedule_name.startswith("Test of report ")


def test_nothing_is_created_and_no_time_is_kept_for_it(rig: Rig) -> None:
    rig.command(action="test", schedule=definition_of())
    assert rig.ports.schedules.living("ann") == 0
    assert rig.ports.schedules.list(ScheduleQuery()).items == ()
    rig.clock.advance(days=400)
    assert rig.tick().count == 0
    assert rig.ports.schedules.named("ann", "report") is None


def test_a_test_run_that_fails_is_tried_once_and_is_no_dead_letter(rig: Rig) -> None:
    policies = {"retry": {"max_attempts": 5}}
    message = rig.command(action="test", schedule=definition_of(policies=policies))
    assert len(rig.work(FAILED)) == 1
    execution = rig.execution(message.result["execution_id"])
    assert (execution.status, execution.dead_letter) == (ExecutionStatus.FAILED, False)
    assert rig.ports.ledger.dead_letters(ExecutionQuery(dead_letter=True)) == ()


def test_only_what_is_done_has_to_be_right(rig: Rig) -> None:
    document = {"target_type": "web_action", "payload": {}, "schedule_expression": "cron(not yet"}
    assert rig.command(action="test", schedule=document).problems == ()


def test_what_can_not_be_performed_is_refused_and_nothing_is_sent(rig: Rig) -> None:
    with pytest.raises(Invalid) as caught:
        rig.submit(action="test", schedule={"target_type": "web_action", "payload": {"bad": 1}})
    assert [problem.pointer for problem in caught.value.problems] == ["/payload/bad"]
    with pytest.raises(Invalid) as caught:
        rig.submit(action="test", schedule={"payload": {}})
    assert [problem.pointer for problem in caught.value.problems] == ["/target_type"]
    assert rig.claim() == []


def test_several_tests_of_one_definition_stand_side_by_side(rig: Rig) -> None:
    for _ in range(3):
        assert rig.command(action="test", schedule=definition_of()).problems == ()
    assert len(rig.work()) == 3


def test_a_message_handed_over_twice_sends_once(rig: Rig) -> None:
    message = rig.command(action="test", schedule=definition_of())
    rig.do(lambda ports: ports.topic.publish_command(message))
    assert len(rig.work()) == 1


def test_the_id_tells_a_test_run(rig: Rig) -> None:
    message = rig.command(action="test", schedule=definition_of())
    assert is_test(message.result["execution_id"])
    schedule = rig.create("test")
    run = rig.command(action="run", schedule_id=schedule.id)
    assert not is_test(run.result["execution_id"])
