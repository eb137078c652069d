"""The first system's plan for error handling: what goes wrong on the stack is seen, kept and mended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.program import web_action
from tests.e2e.recorder import Recorder
from tests.stack.running import ROOT, STAGE, Stack, eventually

pytestmark = pytest.mark.e2e

NEVER_SOON = "cron(0 0 1 1 ? *)"
WAIT = {"Prefer": "wait=20"}


def create(stack: Stack, definition: dict[str, Any]) -> str:
    answer = stack.post("/api/schedules", definition, WAIT)
    assert answer.status == 201, answer.body
    return str(answer.body["schedule_id"])


def dead_letters(stack: Stack, queue: str) -> list[Any]:
    """What lies in a dead-letter queue, left where it is."""
    found = stack.client("sqs").receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    )
    messages: list[Any] = found.get("Messages", [])
    return messages


def publish(stack: Stack, topic: str, message: str) -> None:
    stack.client("sns").publish(TopicArn=stack.outputs[topic], Message=message)


def sweep(stack: Stack, which: str = "minute") -> None:
    answer = stack.client("lambda").invoke(
        FunctionName=stack.outputs["sweepFunctionName"], Payload=json.dumps({"sweep": which}).encode()
    )
    assert "FunctionError" not in answer, answer["Payload"].read()


def failed_messages(stack: Stack, name: str) -> list[Any]:
    """The rows of commands that asked for a schedule so named and failed."""
    rows = stack.client("dynamodb").scan(TableName=stack.outputs["messagesTableName"])["Items"]
    return [row for row in rows if row["status"]["S"] == "failed" and name in row["request"]["S"]]


# --- commands ---


@pytest.mark.parametrize("poison", ["{not json", '{"message_id": "msg_never"}', '{"action": "explode"}'])
def test_a_command_that_can_t_be_read_fails_visibly_and_ends_among_the_dead_letters(
    stack: Stack, poison: str
) -> None:
    publish(stack, "scheduleCreationTopicArn", poison)

    def found() -> bool:
        queue = stack.outputs["schedulerDeadLetterQueueUrl"]
        return any(json.dumps(poison)[1:-1] in letter["Body"] for letter in dead_letters(stack, queue))

    eventually(found, 30, "the command among the dead letters")


def test_a_command_that_is_wrong_is_kept_as_failed_with_every_problem(stack: Stack) -> None:
    wrong = {"name": "wrong-by-topic", "schedule_expression": "rate(0 minutes)", "target_type": "email"}
    publish(stack, "scheduleCreationTopicArn", json.dumps({"action": "create", "schedule": wrong}))

    (row,) = eventually(lambda: failed_messages(stack, "wrong-by-topic"), 20, "the failed message")

    answer = stack.get(f"/api/messages/{row['id']['S']}")
    pointers = {error["pointer"] for error in answer.body["errors"]}
    assert {"/schedule_expression", "/target_type"} <= pointers


def test_the_same_command_twice_is_one(stack: Stack, target: Recorder) -> None:
    schedule_id = create(stack, web_action("twice", NEVER_SOON, target.url("/twice")))
    message = stack.post(f"/api/schedules/{schedule_id}/run", None, WAIT).body["message_id"]
    again = json.dumps({"message_id": message, "action": "run", "schedule_id": schedule_id})
    for _ in range(3):
        publish(stack, "scheduleCreationTopicArn", again)
    marker = stack.post(f"/api/schedules/{schedule_id}/run", None, WAIT)  # judged after those three
    assert marker.status == 200

    def both_done() -> bool:
        history = stack.history(schedule_id)
        return len(history) >= 2 and all(one["status"] == "succeeded" for one in history)

    eventually(both_done, 30, "both runs")
    assert len(stack.history(schedule_id)) == 2
    assert len([request for request in target.received() if request.path == "/twice"]) == 2


# --- work ---


def test_a_work_message_that_can_t_be_read_becomes_a_dead_letter_and_is_redriven(stack: Stack) -> None:
    publish(stack, "webActionsTopicArn", '{"poison": "work"}')
    queue = stack.outputs["webActionsDeadLetterQueueUrl"]

    def found() -> list[Any]:
        return [letter for letter in dead_letters(stack, queue) if "poison" in letter["Body"]]

    (letter,) = eventually(found, 40, "the message among the dead letters")
    move(stack, queue, stack.outputs["webActionsTopicArn"].rpartition(":")[2], letter)
    assert found() == []
    (again,) = eventually(found, 40, "the message among the dead letters again, for it is poison still")
    assert again["Body"] == letter["Body"]


def move(stack: Stack, dead: str, queue: str, letter: Any) -> None:
    """Redrive one letter, as ``aws sqs start-message-move-task`` does, which the emulated SQS has not."""
    sqs = stack.client("sqs")
    (taken,) = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=1)["Messages"]
    assert taken["MessageId"] == letter["MessageId"]
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=taken["Body"])
    sqs.delete_message(QueueUrl=dead, ReceiptHandle=taken["ReceiptHandle"])


def test_an_execution_that_is_a_dead_letter_is_redriven_and_succeeds(stack: Stack, target: Recorder) -> None:
    once = {"retry": {"max_attempts": 0}}
    schedule_id = create(stack, web_action("dead", NEVER_SOON, target.url("/fail/1/dead"), policies=once))
    stack.post(f"/api/schedules/{schedule_id}/run", None, WAIT)

    def newest(status: str) -> Any:
        return [one for one in stack.history(schedule_id) if one["status"] == status]

    (dead,) = eventually(lambda: newest("failed"), 30, "the dead letter")
    assert dead["dead_letter"]
    answer = stack.post("/api/executions/redrive", {"schedule_id": schedule_id}, WAIT)
    assert (answer.status, answer.body["count"]) == (200, 1)
    (again,) = eventually(lambda: newest("succeeded"), 30, "the redriven execution's success")
    assert again["id"] == dead["id"]


# --- rights ---


@contextmanager
def without(stack: Stack, function: str, *actions: str) -> Iterator[None]:
    """A function's role, for a while, without some of its rights."""
    iam, role = stack.client("iam"), f"rez-agent-{function}-role-{STAGE}"
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    whole = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    document = json.loads(whole) if isinstance(whole, str) else whole
    left = [one for one in document["Statement"] if not set(one["Action"]) & set(actions)]
    assert left != document["Statement"]

    def put(statements: Any) -> None:
        text = json.dumps({**document, "Statement": statements})
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=text)

    put(left)
    try:
        yield
    finally:
        put(document["Statement"])


def doctor(stack: Stack) -> tuple[int, str]:
    """``rez-agent doctor`` on the stage: its exit status and what it finds."""
    command = [sys.executable, "-m", "rez_agent.cli.main", "--json", "doctor", "--stage", STAGE]
    environment = {"PATH": os.environ["PATH"], **stack.environment, "REZ_URL": stack.api}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("right", ["scheduler:CreateSchedule", "iam:PassRole"])
def test_a_right_that_the_scheduler_lacks_is_seen_explained_and_made_good(
    stack: Stack, target: Recorder, right: str
) -> None:
    name = f"denied-{right.partition(':')[2]}"
    with without(stack, "scheduler", right):
        schedule_id = create(stack, web_action(name, "rate(1 hour)", target.url("/denied")))

        def told() -> Any:
            return stack.get(f"/api/schedules/{schedule_id}").body.get("error_message")

        assert "AccessDenied" in eventually(told, 20, "the reason on the schedule")
        status, found = doctor(stack)
        assert status == 1
        assert right in found

    sweep(stack)
    armed = stack.client("scheduler").get_schedule(GroupName=f"rez-agent-{STAGE}", Name=schedule_id)
    assert armed["State"] == "ENABLED"
    assert stack.get(f"/api/schedules/{schedule_id}").body.get("error_message") is None
