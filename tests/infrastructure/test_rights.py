"""What each role may do: what the design lists, and no more than a name allows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from infrastructure.stack.place import Place
from infrastructure.stack.rights import rights_of_functions

from rez_agent.aws.names import Names
from tests.infrastructure.templates import ACCOUNT, REGION, Deployed, allows, statements

FUNCTIONS = ("scheduler", "webapi", "processor", "sweep")
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/rez-agent-{{}}-dev"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:rez-agent-{{}}-dev"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:rez-agent-{{}}-dev"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rez-agent-{{}}-dev"
SCHEDULE = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/rez-agent-dev/sched_1"
EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/rez-agent-eventbridge-scheduler-execution-role-dev"

DESIGN = [
    ("scheduler", "dynamodb:GetItem", TABLE.format("messages")),
    ("scheduler", "dynamodb:PutItem", TABLE.format("messages")),
    ("scheduler", "dynamodb:GetItem", TABLE.format("schedules")),
    ("scheduler", "dynamodb:PutItem", TABLE.format("schedules")),
    ("scheduler", "sns:Publish", TOPIC.format("notifications")),
    ("scheduler", "sns:Publish", TOPIC.format("web-actions")),
    ("scheduler", "scheduler:CreateSchedule", SCHEDULE),
    ("scheduler", "scheduler:GetSchedule", SCHEDULE),
    ("scheduler", "scheduler:UpdateSchedule", SCHEDULE),
    ("scheduler", "scheduler:DeleteSchedule", SCHEDULE),
    ("scheduler", "iam:PassRole", EXECUTION_ROLE),
    ("webapi", "dynamodb:GetItem", TABLE.format("messages")),
    ("webapi", "dynamodb:PutItem", TABLE.format("messages")),
    ("webapi", "dynamodb:GetItem", TABLE.format("schedules")),
    ("webapi", "dynamodb:PutItem", TABLE.format("schedules")),
    ("webapi", "dynamodb:Query", TABLE.format("schedules") + "/index/status-created_date-index"),
    ("webapi", "sns:Publish", TOPIC.format("schedule-creation")),
]
"""The rights that the design lists, role by role."""

WITHOUT_A_NAME = {"scheduler:ListSchedules", "secretsmanager:ListSecrets"}
"""The actions for which AWS knows no resource (its Service Authorization Reference)."""

INLINE_CHARACTERS = 10_240
"""Of all inline policies of a role, white space not counted (IAM's guide, "IAM and AWS STS quotas")."""


@pytest.mark.parametrize(("function", "action", "resource"), DESIGN)
def test_the_rights_that_the_design_lists_are_granted(
    function: str, action: str, resource: str, dev: Deployed
) -> None:
    passed = {"iam:PassedToService": "scheduler.amazonaws.com"} if action == "iam:PassRole" else {}
    assert allows(dev.role(function), action, resource, passed)


@pytest.mark.parametrize("service", ["lambda.amazonaws.com", None])
def test_a_role_is_passed_to_no_other_service(service: str | None, dev: Deployed) -> None:
    context = {"iam:PassedToService": service} if service else {}
    assert not allows(dev.role("scheduler"), "iam:PassRole", EXECUTION_ROLE, context)


def test_eventbridge_scheduler_may_invoke_the_scheduler_keep_its_dead_letters_and_no_more(
    dev: Deployed,
) -> None:
    assert granted(named(dev, "eventbridge-scheduler-execution-role")) == {
        ("lambda:InvokeFunction", FUNCTION.format("scheduler")),
        ("sqs:SendMessage", QUEUE.format("scheduler-dead-letters")),
    }


def test_the_sweeps_timer_may_invoke_the_sweep_and_no_more(dev: Deployed) -> None:
    assert granted(named(dev, "sweep-timer-role")) == {("lambda:InvokeFunction", FUNCTION.format("sweep"))}


def test_no_action_has_a_star(dev: Deployed) -> None:
    assert [action for role in roles(dev) for action, _ in granted(role) if "*" in action] == []


def test_a_star_stands_for_a_resource_only_where_there_is_no_name(dev: Deployed) -> None:
    unnamed = {action for role in roles(dev) for action, resource in granted(role) if resource == "*"}
    assert unnamed == WITHOUT_A_NAME


def test_a_resources_star_comes_after_the_stages_name(dev: Deployed) -> None:
    resources = {resource for role in roles(dev) for _, resource in granted(role)} - {"*"}
    assert [one for one in resources if "*" in one and "rez-agent" not in one.partition("*")[0]] == []


def test_a_policy_is_no_longer_than_iam_allows(dev: Deployed) -> None:
    sizes = {role["RoleName"]: len("".join(json.dumps(role["Policies"]).split())) for role in roles(dev)}
    assert max(sizes.values()) < INLINE_CHARACTERS


def test_a_star_has_a_reason() -> None:
    place = Place("aws", ACCOUNT, REGION, Names("dev"))
    rights = [right for rights in rights_of_functions(place).values() for right in rights]
    assert [right for right in rights if "*" in right.resources and not right.why] == []


def test_only_what_arms_schedules_passes_a_role_one_role_to_one_service(dev: Deployed) -> None:
    passing = {
        role["RoleName"]: statement
        for role in roles(dev)
        for statement in statements(role)
        if "iam:PassRole" in statement["Action"]
    }
    assert set(passing) == {"rez-agent-scheduler-role-dev", "rez-agent-sweep-role-dev"}
    for statement in passing.values():
        assert statement["Action"] == ["iam:PassRole"]
        assert statement["Resource"] == [EXECUTION_ROLE]
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_writes_to_its_own_log_and_to_no_other(function: str, dev: Deployed) -> None:
    logs = {(action, one) for action, one in granted(dev.role(function)) if action.startswith("logs:")}
    streams = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/rez-agent-{function}-dev:*"
    assert logs == {("logs:CreateLogStream", streams), ("logs:PutLogEvents", streams)}


@pytest.mark.parametrize(
    ("function", "action", "resource"),
    [
        ("webapi", "dynamodb:PutItem", TABLE.format("executions")),
        ("webapi", "scheduler:CreateSchedule", SCHEDULE),
        ("webapi", "sns:Publish", TOPIC.format("web-actions")),
        ("scheduler", "sns:Publish", TOPIC.format("schedule-creation")),
        ("scheduler", "scheduler:DeleteSchedule", SCHEDULE.replace("rez-agent-dev", "default")),
        ("scheduler", "scheduler:DeleteSchedule", SCHEDULE.replace("rez-agent-dev", "rez-agent-prod")),
        ("scheduler", "dynamodb:PutItem", TABLE.format("schedules").replace("-dev", "-prod")),
        ("scheduler", "dynamodb:DeleteItem", TABLE.format("schedules")),
        ("processor", "dynamodb:GetItem", TABLE.format("messages")),
        ("processor", "dynamodb:PutItem", TABLE.format("schedules")),
        ("processor", "scheduler:CreateSchedule", SCHEDULE),
        ("processor", "sqs:ReceiveMessage", QUEUE.format("scheduler-dead-letters")),
        (
            "sweep",
            "secretsmanager:GetSecretValue",
            secret := f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:",
        ),
        ("processor", "secretsmanager:GetSecretValue", f"{secret}rez-agent/prod/token-a1b2c3"),
    ],
)
def test_what_a_function_does_not_do_it_may_not(
    function: str, action: str, resource: str, dev: Deployed
) -> None:
    assert not allows(dev.role(function), action, resource)


def test_the_processor_reads_the_stages_secrets(dev: Deployed) -> None:
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rez-agent/dev/token-a1b2c3"
    assert allows(dev.role("processor"), "secretsmanager:GetSecretValue", secret)


def roles(deployed: Deployed) -> list[Any]:
    return list(deployed.of("IAM::Role").values())


def named(deployed: Deployed, what: str) -> Any:
    (role,) = [role for role in roles(deployed) if role["RoleName"] == f"rez-agent-{what}-dev"]
    return role


def granted(role: Any) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for statement in statements(role)
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
