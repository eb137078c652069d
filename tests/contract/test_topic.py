"""The contract of Topic."""

from __future__ import annotations

import pytest

from rez_agent.domain.command import Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.execution import Cause
from rez_agent.ports import Ports
from rez_agent.usecases.entries import asked_execution
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON
from tests.rig import definition_of, schedule_of


def create_message() -> Message:
    request = ScheduleCreationRequest.model_validate(
        {"action": "create", "schedule_id": "sch_1", "schedule": definition_of()}
    )
    return Message("msg_1", request, "ann", NOON, NOON, schedule_id="sch_1")


def publish(ports: Ports) -> None:
    message = create_message()
    ports.messages.add(message)
    ports.topic.publish_command(message)


def test_a_published_command_is_carried_out(host: SteppedHost) -> None:
    host.ask(publish)
    host.keep_time()
    message = host.ask(lambda ports: ports.messages.get("msg_1"))
    assert message is not None
    assert message.status is MessageStatus.COMPLETED
    assert host.ask(lambda ports: ports.schedules.get("sch_1")) is not None


def test_a_command_published_twice_is_carried_out_once(host: SteppedHost) -> None:
    host.ask(publish)
    host.ask(publish)
    host.keep_time()
    message = host.ask(lambda ports: ports.messages.get("msg_1"))
    assert message is not None
    assert (message.status, message.result) == (MessageStatus.COMPLETED, {"revision": 1})


def test_a_command_of_a_use_case_that_failed_is_not_carried_out(host: SteppedHost) -> None:
    def fail(ports: Ports) -> None:
        publish(ports)
        raise ValueError("after all, no")

    with pytest.raises(ValueError, match="after all"):
        host.ask(fail)
    host.keep_time()
    assert host.ask(lambda ports: ports.messages.get("msg_1")) is None
    assert host.ask(lambda ports: ports.schedules.get("sch_1")) is None


def test_published_work_can_be_leased(host: SteppedHost) -> None:
    schedule = schedule_of()
    run = asked_execution(schedule, NOON, Cause.RUN, "msg_1", now=NOON)

    def queue(ports: Ports) -> None:
        ports.schedules.add(schedule)
        ports.ledger.add([run])
        ports.topic.publish_work([run])
        ports.topic.publish_work([run])

    host.ask(queue)
    (claimed,) = host.claim()
    assert claimed.work.execution_id == claimed.work.idempotency_key == run.id
    assert (claimed.work.schedule_name, claimed.work.owner, claimed.work.attempt) == ("report", "ann", 1)
    assert (claimed.due_at, claimed.expires_at, claimed.target) == (run.due_at, run.expires_at, "target")
    assert host.claim() == []
