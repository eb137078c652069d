"""The emulated EventBridge Scheduler fires: on time, as its role, again where it failed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from infrastructure.aws_local.process import emulator

from tests.infrastructure.aws_local.rig import LATEST_SECONDS, Rig, at, soon, unique

pytestmark = pytest.mark.e2e

TOLD = json.dumps(
    {
        "due": "<aws.scheduler.scheduled-time>",
        "attempt": "<aws.scheduler.attempt-number>",
        "schedule": "<aws.scheduler.schedule-arn>",
    }
)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_a_wall_time_fires_within_a_second_and_the_schedule_goes(aws: Rig, zone: str) -> None:
    queue = aws.queue()
    role, due = aws.role(queue.arn), soon()
    name = aws.schedule(queue.arn, role, **at(due, zone), Input=TOLD, ActionAfterCompletion="DELETE")
    body, sent = queue.sent()
    assert body["due"] == f"{due:%Y-%m-%dT%H:%M:%SZ}"
    assert body["attempt"] == "1"
    assert body["schedule"].endswith(f":schedule/default/{name}")
    assert 0 <= (sent - due).total_seconds() < LATEST_SECONDS
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.client("scheduler").get_schedule(Name=name)


def test_a_rate_fires_at_its_start(aws: Rig) -> None:
    queue = aws.queue()
    role, start = aws.role(queue.arn), soon()
    aws.schedule(queue.arn, role, ScheduleExpression="rate(1 hour)", StartDate=start, Input=TOLD)
    body, sent = queue.sent()
    assert body["due"] == f"{start:%Y-%m-%dT%H:%M:%SZ}"
    assert 0 <= (sent - start).total_seconds() < LATEST_SECONDS


def test_a_rate_without_a_start_fires_at_once(aws: Rig) -> None:
    queue, made = aws.queue(), datetime.now(UTC)
    aws.schedule(queue.arn, aws.role(queue.arn), ScheduleExpression="rate(1 hour)", Input=TOLD)
    _, sent = queue.sent()
    assert sent - made < timedelta(seconds=2)


def test_a_schedule_that_fired_fires_again_when_it_is_updated_or_made_anew(aws: Rig) -> None:
    queue, scheduler, name = aws.queue(), aws.client("scheduler"), unique("again")
    role = aws.role(queue.arn)
    aws.schedule(queue.arn, role, name, **at(soon()), Input='{"n": 1}')
    assert queue.sent()[0] == {"n": 1}
    scheduler.update_schedule(**aws.request(queue.arn, role, name, **at(soon()), Input='{"n": 2}'))
    assert queue.sent()[0] == {"n": 2}
    scheduler.delete_schedule(Name=name)
    aws.schedule(queue.arn, role, name, **at(soon()), Input='{"n": 3}')
    assert queue.sent()[0] == {"n": 3}


def test_a_target_that_fails_is_called_again(aws: Rig) -> None:
    name, dead = unique("late"), aws.queue()
    arn = dead.arn.rsplit(":", 1)[0] + f":{name}"
    once, again, due = aws.role(arn, dead.arn), aws.role(arn), soon()
    aws.schedule(
        arn,
        once,
        **at(due),
        Input=TOLD,
        DeadLetterConfig={"Arn": dead.arn},
        RetryPolicy={"MaximumRetryAttempts": 0},
    )
    aws.schedule(arn, again, **at(due), Input=TOLD)
    assert dead.take() is not None, "the first of the two has failed, so has the first call of the other"
    body, _ = aws.queue(name).sent()
    assert int(body["attempt"]) > 1


def test_what_the_role_does_not_allow_ends_as_a_dead_letter(aws: Rig) -> None:
    queue, dead = aws.queue(), aws.queue()
    role, due = aws.role(dead.arn), soon()
    name = aws.schedule(
        queue.arn, role, **at(due), Input=TOLD, DeadLetterConfig={"Arn": dead.arn},
        RetryPolicy={"MaximumRetryAttempts": 1},
    )  # fmt: skip
    message = dead.take()
    assert message is not None
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"])["attempt"] == "2"
    assert "AccessDenied" in attributes["ERROR_CODE"]
    assert (
        "sqs:SendMessage" in attributes["ERROR_MESSAGE"] or "sqs:sendmessage" in attributes["ERROR_MESSAGE"]
    )
    assert attributes["RETRY_ATTEMPTS"] == "1"
    assert attributes["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert attributes["SCHEDULED_TIME"] == f"{due:%Y-%m-%dT%H:%M:%SZ}"
    assert attributes["SCHEDULE_ARN"].endswith(name)
    assert attributes["TARGET_ARN"] == queue.arn


def test_a_function_is_a_target(aws: Rig) -> None:
    queue = aws.queue()
    source = (
        "import json, boto3\n"
        "def handler(event, context):\n"
        f"    boto3.client('sqs').send_message(QueueUrl='{queue.url}', MessageBody=json.dumps(event))\n"
    )
    function = aws.function(source, queue.arn)
    role = aws.role(function, actions=["lambda:InvokeFunction"])
    aws.schedule(function, role, **at(soon()), Input=TOLD)
    assert queue.sent()[0]["attempt"] == "1"


def test_any_operation_of_aws_is_a_target(aws: Rig) -> None:
    queue = aws.queue()
    called = json.dumps({"QueueUrl": queue.url, "MessageBody": '{"by": "<aws.scheduler.attempt-number>"}'})
    aws.schedule(
        "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", aws.role(queue.arn), **at(soon()), Input=called
    )
    assert queue.sent()[0] == {"by": "1"}


def test_without_firing_nothing_falls_due() -> None:
    with emulator(firing=False) as endpoint:
        aws = Rig(endpoint)
        queue = aws.queue()
        name = aws.schedule(queue.arn, aws.role(queue.arn), ScheduleExpression="rate(1 minute)")
        assert queue.take(seconds=1) is None
        assert aws.client("scheduler").get_schedule(Name=name)["State"] == "ENABLED"
