"""The rights of AWS's own services among each other, which the emulated AWS grants to all: who may assume a
role, invoke a function, send to a queue, or poll one. Each follows from what the template connects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.infrastructure.templates import ACCOUNT, REGION, Deployed, allows

FUNCTIONS = ("scheduler", "webapi", "processor", "sweep")
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"


# --- roles ---


def test_every_function_has_a_role_of_its_own_that_only_lambda_assumes(dev: Deployed) -> None:
    roles = [dev.role(function) for function in FUNCTIONS]
    assert len({role["RoleName"] for role in roles}) == len(FUNCTIONS)
    for role in roles:
        assert trust(role) == {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }


def test_only_this_accounts_scheduler_assumes_the_roles_that_fire(dev: Deployed) -> None:
    fire = {"rez-agent-eventbridge-scheduler-execution-role-dev", "rez-agent-sweep-timer-role-dev"}
    of_functions = {dev.role(function)["RoleName"] for function in FUNCTIONS}
    roles = {role["RoleName"]: role for role in dev.of("IAM::Role").values()}
    assert roles.keys() - of_functions == fire
    for name in fire:
        assert trust(roles[name]) == {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }


@pytest.mark.parametrize("function", ["scheduler", "sweep"])
def test_the_role_that_a_function_gives_to_schedules_is_the_one_that_it_may_pass(
    function: str, dev: Deployed
) -> None:
    passed = {"iam:PassedToService": "scheduler.amazonaws.com"}
    role = environment(dev, function)["EVENTBRIDGE_EXECUTION_ROLE_ARN"]
    assert allows(dev.role(function), "iam:PassRole", role, passed)


def test_what_a_timer_starts_its_role_may_invoke(dev: Deployed) -> None:
    roles = {role["RoleName"]: role for role in dev.of("IAM::Role").values()}
    targets = [timer["Target"] for timer in dev.of("Scheduler::Schedule").values()]
    assert targets
    for target in targets:
        assert allows(roles[target["RoleArn"].rpartition("/")[2]], "lambda:InvokeFunction", target["Arn"])


# --- functions ---


def test_nothing_but_the_topic_of_commands_and_the_api_may_invoke_a_function(dev: Deployed) -> None:
    (api,) = dev.of("ApiGatewayV2::Api")
    assert {
        (one["FunctionName"], one["Action"], one["Principal"], one["SourceArn"])
        for one in dev.of("Lambda::Permission").values()
    } == {
        (
            "rez-agent-scheduler-dev",
            "lambda:InvokeFunction",
            "sns.amazonaws.com",
            f"arn:aws:sns:{REGION}:{ACCOUNT}:rez-agent-schedule-creation-dev",
        ),
        (
            "rez-agent-webapi-dev",
            "lambda:InvokeFunction",
            "apigateway.amazonaws.com",
            f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*/$default",
        ),
    }


def test_lambda_may_poll_every_queue_that_feeds_a_function(dev: Deployed) -> None:
    sources = dev.of("Lambda::EventSourceMapping").values()
    assert sources
    for source in sources:
        role = dev.role(what(source["FunctionName"]))
        for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
            assert allows(role, action, source["EventSourceArn"])


def test_lambda_may_keep_what_failed_where_it_is_told_to(dev: Deployed) -> None:
    configs = dev.of("Lambda::EventInvokeConfig").values()
    assert configs
    for config in configs:
        kept = config["DestinationConfig"]["OnFailure"]["Destination"]
        assert allows(dev.role(what(config["FunctionName"])), "sqs:SendMessage", kept)


# --- topics ---


def test_every_topic_may_deliver_to_its_subscribers_and_to_their_dead_letters(dev: Deployed) -> None:
    connected = set(connections(dev))
    assert len(connected) == 2 * len(dev.of("SNS::Subscription"))
    assert connected == set(deliveries(dev))


def connections(deployed: Deployed) -> Iterator[tuple[str, str]]:
    """Where each topic's messages go: the subscriber, and its dead letters."""
    for one in deployed.of("SNS::Subscription").values():
        yield one["TopicArn"], one["Endpoint"]
        yield one["TopicArn"], one["RedrivePolicy"]["deadLetterTargetArn"]


def deliveries(deployed: Deployed) -> Iterator[tuple[str, str]]:
    """Where each topic may deliver to. Nobody else is let into a queue by its policy."""
    for one in deployed.of("SQS::QueuePolicy").values():
        (statement,) = one["PolicyDocument"]["Statement"]
        topic = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        assert statement == {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": statement["Resource"],
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        assert [url.rpartition("/")[2] for url in one["Queues"]] == [statement["Resource"].rpartition(":")[2]]
        yield topic, statement["Resource"]
    for one in deployed.of("Lambda::Permission").values():
        if one["Principal"] == "sns.amazonaws.com":
            yield one["SourceArn"], FUNCTION + one["FunctionName"]


def trust(role: Any) -> Any:
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    return statement


def environment(deployed: Deployed, function: str) -> dict[str, str]:
    """A function's variables."""
    (found,) = (
        one["Environment"]["Variables"]
        for one in deployed.of("Lambda::Function").values()
        if what(one["FunctionName"]) == function
    )
    return dict(found)


def what(name: str) -> str:
    """Which function a name means."""
    return name.rpartition(":")[2].removeprefix("rez-agent-").removesuffix("-dev")
