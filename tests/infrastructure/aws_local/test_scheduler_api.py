"""What EventBridge Scheduler's API refuses, and which roles it takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from infrastructure.aws_local.scheduler_api import refusal, trusts_scheduler

from tests.infrastructure.aws_local.documents import ACCOUNT, GROUP, MADE, document


def message(name: str, request: dict[str, Any]) -> str:
    found = refusal(name, request, MADE)
    if found is None:
        return ""
    assert (found.status, found.code) == (400, "ValidationException")
    return found.message


@pytest.mark.parametrize(
    "expression", ["cron(0 6 * * ? *)", "rate(1 days)", "rate(5 minutes)", "at(2026-12-31T23:59:59)"]
)
def test_a_right_request_passes(expression: str) -> None:
    assert message("one", document(expression, "America/New_York")) == ""


@pytest.mark.parametrize(
    "expression", ["at(tomorrow)", "rate(5 seconds)", "cron(0 6 * * *)", "rate( 10 minutes )"]
)
def test_a_wrong_expression_is_refused_in_the_words_of_aws(expression: str) -> None:
    assert message("one", document(expression)) == f"Invalid Schedule Expression {expression}."


def test_a_start_more_than_five_minutes_ago_is_refused_in_the_words_of_aws() -> None:
    for minutes, wanted in ((5, ""), (6, "The StartDate you specify cannot be earlier than 5 minutes ago.")):
        start = (MADE - timedelta(minutes=minutes)).timestamp()
        assert message("one", document("rate(1 hour)", StartDate=start)) == wanted


def test_an_at_may_have_any_start() -> None:
    assert message("one", document("at(2026-12-31T23:59:59)", StartDate=0)) == ""


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"ScheduleExpressionTimezone": "Mars/Base"}, "Timezone Mars/Base"),
        ({"EndDate": 0}, "EndDate"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes"),
        (
            {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}},
            "MaximumWindowInMinutes",
        ),
        ({"FlexibleTimeWindow": {"Mode": "SOMETIMES"}}, "Mode"),
        ({"Input": "x" * (256 * 1024 + 1)}, "256 KB"),
        ({"RetryPolicy": {"MaximumRetryAttempts": 186}}, "MaximumRetryAttempts"),
        ({"RetryPolicy": {"MaximumEventAgeInSeconds": 59}}, "MaximumEventAgeInSeconds"),
        ({"DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:in.fifo"}}, "standard SQS queue"),
        ({"ClientToken": "no blanks"}, "ClientToken"),
        ({"Description": "x" * 513}, "Description"),
    ],
)
def test_what_the_api_limits_is_refused_by_name(more: dict[str, Any], word: str) -> None:
    assert word in message("one", document("rate(1 hour)", **more))


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65])
def test_a_name_that_the_api_does_not_take_is_refused(name: str) -> None:
    assert message(name, document("rate(1 hour)")).startswith("Name")


def test_a_function_is_called_with_json_alone() -> None:
    schedule = document("rate(1 hour)", Input="not JSON")
    assert message("one", schedule) == ""
    schedule["Target"]["Arn"] = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
    assert "JSON" in message("one", schedule)


def trust(
    service: str = "scheduler.amazonaws.com", effect: str = "Allow", **condition: Any
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Effect": effect,
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return {"Statement": [{**statement, "Condition": condition} if condition else statement]}


@pytest.mark.parametrize(
    ("policy", "trusted"),
    [
        (trust(), True),
        (trust("lambda.amazonaws.com"), False),
        ({}, False),
        (trust(StringEquals={"aws:SourceAccount": ACCOUNT}), True),
        (trust(StringEquals={"aws:SourceAccount": "111111111111"}), False),
        (trust(StringEquals={"aws:SourceAccount": [ACCOUNT, "111111111111"]}), True),
        (trust(ArnLike={"aws:SourceArn": f"arn:aws:scheduler:*:{ACCOUNT}:schedule-group/def*"}), True),
        (trust(ArnLike={"aws:SourceArn": f"arn:aws:scheduler:*:{ACCOUNT}:schedule-group/other"}), False),
        (trust(Bool={"aws:SecureTransport": "true"}), False),
        ({"Statement": trust()["Statement"] + trust(effect="Deny")["Statement"]}, False),
    ],
)
def test_a_role_is_taken_where_its_trust_policy_says_so(policy: dict[str, Any], trusted: bool) -> None:
    assert trusts_scheduler(policy, ACCOUNT, GROUP) is trusted
