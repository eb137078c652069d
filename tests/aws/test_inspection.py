"""A stage as its operator sees it: what is asked of AWS, and what is made of the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rez_agent.aws.asking import Identity
from rez_agent.aws.inspection import Inspection, inspection_by
from rez_agent.aws.underway import LISTED, error_in
from tests.aws.answers import answering, function, stubbed, trusting
from tests.aws.stage import Stage, client, endpoint

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
REFUSED = "AccessDeniedException: User: u is not authorized to perform: iam:PassRole on resource: r"


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.fixture
def inspection(stage: Stage) -> Inspection:
    return inspection_by(stage.names.stage, client)


def test_a_small_group_is_counted_and_a_large_one_is_told_by_its_table() -> None:
    summary = {"Name": "sch_1", "GroupName": "rez-agent-dev"}
    last = {"Schedules": [summary] * 7}
    page = {"Schedules": [summary] * 100, "NextToken": "more"}
    small = answering("scheduler", ("list_schedules", page), ("list_schedules", last))
    assert inspection_by("dev", {"scheduler": small}.__getitem__).underway.engine_count() == (107, True)
    large = {
        "scheduler": answering("scheduler", *[("list_schedules", page)] * LISTED),
        "dynamodb": answering("dynamodb", ("describe_table", {"Table": {"ItemCount": 1_000_000}})),
    }
    assert inspection_by("dev", large.__getitem__).underway.engine_count() == (1_000_000, False)


def test_a_metric_is_added_up() -> None:
    points = {"Datapoints": [{"Sum": 2.0}, {"Sum": 3.0}]}
    found = stubbed("cloudwatch", ("get_metric_statistics", points))
    of_function = ("FunctionName", "f")
    day = timedelta(days=1)
    assert found.deployed.metric_sum("AWS/Lambda", "Errors", of_function, until=NOW, span=day) == 5


def test_a_log_is_searched_through_empty_pages() -> None:
    empty: dict[str, Any] = {"events": [], "nextToken": "more"}
    full = {"events": [{"message": "Task timed out after 3.00 seconds"}]}
    found = stubbed("logs", ("filter_log_events", empty), ("filter_log_events", full))
    assert found.deployed.logged("scheduler", '"Task timed out"', NOW) == [
        "Task timed out after 3.00 seconds"
    ]
    gone = stubbed("logs", ("filter_log_events", ("ResourceNotFoundException", "No such group.")))
    assert gone.deployed.logged("scheduler", "", NOW) == []


def test_the_quota_of_this_account_is_read_where_it_can_be() -> None:
    quotas = {"Quotas": [{"QuotaName": "Number of schedules", "Value": 5_000_000.0}]}
    assert (
        stubbed("service-quotas", ("list_service_quotas", quotas)).underway.quota("number of schedules")
        == 5e6
    )
    refused = [
        ("list_service_quotas", ("AccessDeniedException", "No.")),
        ("list_aws_default_service_quotas", quotas),
    ]
    assert stubbed("service-quotas", *refused).underway.quota("Number of schedules") == 5e6


def test_unarmed_rows_and_rows_by_status_are_read_from_the_table(
    stage: Stage, inspection: Inspection
) -> None:
    row = {
        "id": "sch_1",
        "name": "tee-times",
        "status": "active",
        "created_date": "2026-03-01T00:00:00.000Z",
        "unarmed": "u",
        "unarmed_since": "2026-03-08T11:59:00.000Z",
        "updated_date": "2026-03-08T11:00:00.000Z",
        "error_message": REFUSED,
    }
    client("dynamodb").put_item(
        TableName=stage.names("schedules"), Item={name: {"S": value} for name, value in row.items()}
    )
    (found,) = inspection.underway.unarmed()
    assert (found.name, found.since, found.error) == ("tee-times", NOW - timedelta(hours=1), REFUSED)
    assert [item["id"] for item in inspection.underway.schedules("active", 10)] == ["sch_1"]
    assert inspection.underway.schedules("error", 10) == []


def test_dead_letters_are_read_and_stay(stage: Stage, inspection: Inspection) -> None:
    url = client("sqs").create_queue(QueueName=stage.names("scheduler-dead-letters"))["QueueUrl"]
    attributes = {"ERROR_CODE": {"DataType": "String", "StringValue": "ResourceNotFoundException"}}
    client("sqs").send_message(QueueUrl=url, MessageBody="{}", MessageAttributes=attributes)
    for _ in range(2):
        (waiting,) = inspection.underway.dead_letters()
        assert (waiting.count, waiting.errors) == (1, ("ResourceNotFoundException: ",))


def test_iam_simulates_what_a_role_lacks(inspection: Inspection) -> None:
    names, account = inspection.ask.names, endpoint().account
    iam = client("iam")
    role = iam.create_role(
        RoleName=names("scheduler-role"),
        AssumeRolePolicyDocument=json.dumps(trusting({"Service": "lambda.amazonaws.com"})),
    )["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "scheduler:*", "Resource": "*"}
    iam.put_role_policy(
        RoleName=names("scheduler-role"), PolicyName="p", PolicyDocument=json.dumps({"Statement": [allowed]})
    )
    who = Identity(account, f"arn:aws:iam::{account}:root", "us-east-1")
    found = inspection.deployed.denials(who, [function(role=role)])
    assert [denial.action for denial in found if denial.role == role] == ["iam:PassRole"]


@pytest.mark.parametrize(
    ("service", "lacking"), [("scheduler.amazonaws.com", []), ("lambda.amazonaws.com", ["iam:PassRole"])]
)
def test_a_right_to_pass_the_role_counts_for_eventbridge_scheduler_alone(
    inspection: Inspection, service: str, lacking: list[str]
) -> None:
    name, account = f"passes-to-{service}", endpoint().account
    trusted = json.dumps(trusting({"Service": "lambda.amazonaws.com"}))
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
    passing = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": f"arn:aws:iam::{account}:role/{inspection.ask.names.execution_role}",
        "Condition": {"StringEquals": {"iam:PassedToService": service}},
    }
    keeping = {"Effect": "Allow", "Action": ["scheduler:*"], "Resource": "*"}
    document = json.dumps({"Statement": [passing, keeping]})
    client("iam").put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    who = Identity(account, f"arn:aws:iam::{account}:root", "us-east-1")
    found = inspection.deployed.denials(who, [function(role=role)])
    assert [denial.action for denial in found if denial.role == role] == lacking


def test_a_dead_letter_of_a_function_tells_its_error() -> None:
    body = {"responsePayload": {"errorType": "Malformed", "errorMessage": "The message is no command."}}
    assert error_in({"Body": json.dumps(body)}) == "Malformed: The message is no command."
    assert error_in({"Body": "poison"}) == ""
    assert error_in({"Body": "[1]"}) == ""
    assert error_in({"Body": '{"responsePayload": "text"}'}) == ""
