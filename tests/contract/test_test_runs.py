"""A test run is the same on every host."""

from __future__ import annotations

from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.execution import Cause
from rez_agent.domain.schedule import ScheduleStatus
from rez_agent.usecases.commands import submit
from tests.contract.hosts import SteppedHost
from tests.fakes import FAILED
from tests.rig import ANN, definition_of


def test_a_test_run_sends_once_and_leaves_a_tombstone_and_its_entry(host: SteppedHost) -> None:
    large = {"target": "elsewhere", "text": "x" * 100_000}
    request = ScheduleCreationRequest.model_validate(
        {"action": "test", "schedule": definition_of(payload=large)}
    )
    message = host.ask(lambda ports: submit(ports, ANN, request)).message
    host.keep_time()
    judged = host.ask(lambda ports: ports.messages.get(message.id))
    assert judged is not None
    assert judged.problems == ()
    (claimed,) = host.claim()
    assert claimed.work.payload == large
    assert claimed.work.execution_id == judged.result["execution_id"]
    host.end(claimed, FAILED)

    schedule = host.ask(lambda ports: ports.schedules.get(judged.schedule_id or ""))
    assert schedule is not None
    assert schedule.status is ScheduleStatus.DELETED
    assert host.ask(lambda ports: ports.schedules.living("ann")) == 0
    assert host.ask(lambda ports: ports.schedules.named("ann", schedule.definition.name)) is None
    execution = host.ask(lambda ports: ports.ledger.get(claimed.work.execution_id))
    assert execution is not None
    assert (execution.cause, execution.status, execution.dead_letter) == (Cause.TEST, "failed", False)
    host.clock.advance(days=1)
    host.keep_time()
    assert host.claim() == []
