"""Publishing: what goes to which topic or queue, and when."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rez_agent.aws.build import Built, build
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus
from rez_agent.domain.schedule import TargetType
from rez_agent.ports import Ports
from rez_agent.usecases.entries import asked_execution
from tests.aws.serving import EmulatorClients, parts
from tests.aws.stage import COMMANDS, Stage
from tests.fakes import NOON, FakeClock
from tests.rig import schedule_of

REQUEST = ScheduleCreationRequest.model_validate({"action": "pause", "schedule_id": "sch_1"})
MESSAGE = Message("msg_1", REQUEST, "ann", NOON, NOON, schedule_id="sch_1")


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def built(stage: Stage) -> Built:
    return parts(stage, clock=FakeClock())


def run(number: int = 1, **changes: Any) -> Execution:
    one = asked_execution(schedule_of(), NOON, Cause.RUN, f"msg_{number}", now=NOON)
    return replace(one, **changes)


def publish(built: Built, *executions: Execution) -> None:
    built.store.write(lambda ports: ports.topic.publish_work(executions))


def waiting(stage: Stage, what: str) -> tuple[int, int]:
    """How many messages of a queue can be received now, and how many are held back."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    answer = stage.sqs().get_queue_attributes(QueueUrl=stage.queue(what), AttributeNames=names)
    now, later = (int(answer["Attributes"][name]) for name in names)
    return now, later


def attributes(stage: Stage, what: str) -> dict[str, str]:
    """The attributes of a queue's first message."""
    answer = stage.sqs().receive_message(QueueUrl=stage.queue(what), MessageAttributeNames=["All"])
    found = answer["Messages"][0]["MessageAttributes"]
    return {name: value["StringValue"] for name, value in found.items()}


def test_a_command_names_its_message_and_can_be_filtered_by_its_action(stage: Stage, built: Built) -> None:
    built.store.write(lambda ports: ports.topic.publish_command(MESSAGE))
    assert attributes(stage, COMMANDS) == {"action": "pause"}
    built.store.write(lambda ports: ports.topic.publish_command(MESSAGE))
    assert [json.loads(body) for body in stage.received(COMMANDS)] == [
        {"message_id": "msg_1", "action": "pause", "schedule_id": "sch_1"}
    ]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (TargetType.WEB_ACTION, "web-actions"),
        (TargetType.NOTIFICATION, "notifications"),
        (TargetType.CUSTOM, "custom"),
    ],
)
def test_work_goes_to_its_kinds_own_topic(stage: Stage, built: Built, kind: TargetType, what: str) -> None:
    one = run(target_type=kind.value)
    publish(built, one)
    assert attributes(stage, what) == {"target_type": kind.value}
    publish(built, one)
    assert [json.loads(body) for body in stage.received(what)] == [
        {"schedule_id": one.schedule_id, "execution_id": one.id}
    ]


def test_many_go_in_as_few_calls_as_the_topics_allow(stage: Stage, built: Built) -> None:
    many = [run(number) for number in range(23)]
    publish(built, *many)
    found = {json.loads(body)["execution_id"] for body in stage.received("web-actions")}
    assert found == {one.id for one in many}


def test_what_is_held_or_final_goes_nowhere(stage: Stage, built: Built) -> None:
    publish(built, run(next_attempt_at=None), run(status=ExecutionStatus.SUCCEEDED))
    assert waiting(stage, "web-actions") == (0, 0)


def test_what_is_due_later_waits_in_its_queue(stage: Stage, built: Built) -> None:
    publish(built, run(next_attempt_at=NOON + timedelta(hours=2)), run(2, next_attempt_at=NOON))
    assert waiting(stage, "web-actions") == (1, 1)


def test_nothing_goes_out_before_the_unit_is_durable(stage: Stage, built: Built) -> None:
    def fail(ports: Ports) -> None:
        ports.topic.publish_work([run()])
        ports.topic.publish_command(MESSAGE)
        raise ValueError("after all, no")

    with pytest.raises(ValueError, match="after all"):
        built.store.write(fail)
    assert waiting(stage, "web-actions") == waiting(stage, COMMANDS) == (0, 0)


def test_what_cannot_be_published_is_told_and_costs_nobody_their_request(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(
        stage.settings, topics=dict.fromkeys(TargetType, "arn:aws:sns:us-east-1:000000000000:no")
    )
    publish(build(settings, clients=EmulatorClients(), clock=FakeClock()), run(), run(2))
    (told,) = [each for each in caplog.records if each.getMessage() == "publish_failed"]
    assert (told.__dict__["messages"], told.__dict__["code"]) == (2, "NotFound")
