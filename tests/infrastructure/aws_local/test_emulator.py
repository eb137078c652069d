"""The emulated AWS answers as AWS does where ministack alone does not."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from infrastructure.aws_local.process import Endpoint, emulator

from tests.infrastructure.aws_local.rig import Rig, allow, at, soon, unique

pytestmark = pytest.mark.e2e

_ROOT = Path(__file__).parents[3]


def hourly(aws: Rig, **members: Any) -> dict[str, Any]:
    """A request for a schedule that is right, save for what ``members`` say."""
    queue = aws.queue()
    return {**aws.request(queue.arn, aws.role(queue.arn), unique("s"), **at(soon(60))), **members}


def refused(act: Any, **request: Any) -> str:
    """The code of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        act(**request)
    return str(caught.value.response["Error"]["Code"])


def test_a_name_is_taken_once(aws: Rig) -> None:
    scheduler, request = aws.client("scheduler"), hourly(aws)
    scheduler.create_schedule(**request)
    assert refused(scheduler.create_schedule, **request) == "ConflictException"


def test_the_same_client_token_has_one_effect(aws: Rig) -> None:
    scheduler, request = aws.client("scheduler"), hourly(aws, ClientToken=unique("token"))
    first = scheduler.create_schedule(**request)["ScheduleArn"]
    assert scheduler.create_schedule(**request)["ScheduleArn"] == first
    other = {**request, "Description": "another"}
    assert refused(scheduler.create_schedule, **other) == "ConflictException"


def test_what_is_not_there_is_not_found(aws: Rig) -> None:
    scheduler = aws.client("scheduler")
    assert refused(scheduler.get_schedule, Name="none") == "ResourceNotFoundException"
    assert refused(scheduler.delete_schedule, Name="none") == "ResourceNotFoundException"
    assert refused(scheduler.update_schedule, **hourly(aws)) == "ResourceNotFoundException"
    assert refused(scheduler.create_schedule, **hourly(aws, GroupName="none")) == "ResourceNotFoundException"


def test_a_wrong_expression_or_a_role_that_is_not_trusted_is_refused(aws: Rig) -> None:
    scheduler = aws.client("scheduler")
    wrong = hourly(aws, ScheduleExpression="at(tomorrow)")
    assert refused(scheduler.create_schedule, **wrong) == "ValidationException"
    request = hourly(aws)
    for role in (aws.role(service="lambda"), "arn:aws:iam::000000000000:role/none"):
        request["Target"]["RoleArn"] = role
        with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
            scheduler.create_schedule(**request)


def test_a_list_is_read_page_by_page(aws: Rig) -> None:
    scheduler, group = aws.client("scheduler"), unique("group")
    scheduler.create_schedule_group(Name=group)
    names = {scheduler_name(aws, group) for _ in range(5)}
    pages = scheduler.get_paginator("list_schedules").paginate(
        GroupName=group, PaginationConfig={"PageSize": 2}
    )
    found = [[item["Name"] for item in page["Schedules"]] for page in pages]
    assert [len(page) for page in found] == [2, 2, 1]
    assert {name for page in found for name in page} == names


def scheduler_name(aws: Rig, group: str) -> str:
    """A new schedule of ``group``."""
    request = hourly(aws, GroupName=group)
    aws.client("scheduler").create_schedule(**request)
    return str(request["Name"])


def test_a_right_to_one_group_is_a_right_to_that_group_alone(aws: Rig) -> None:
    scheduler, mine, other = aws.client("scheduler"), unique("mine"), unique("other")
    resource = f"arn:aws:scheduler:us-east-1:{aws.endpoint.account}:schedule/{mine}/*"
    as_user = aws.user(allow(["scheduler:GetSchedule"], [resource])).client("scheduler")
    for group in (mine, other):
        scheduler.create_schedule_group(Name=group)
        name = scheduler_name(aws, group)
        if group == mine:
            assert as_user.get_schedule(GroupName=group, Name=name)["Name"] == name
        else:
            assert "AccessDenied" in refused(as_user.get_schedule, GroupName=group, Name=name)


def test_whoever_makes_a_schedule_must_be_allowed_to_pass_its_role(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    with emulator(firing=False, auth=True, record=record) as endpoint:
        aws = Rig(endpoint)
        request = hourly(aws)
        role = request["Target"]["RoleArn"]
        create = allow(["scheduler:CreateSchedule"], ["*"])
        for also, wanted in (("iam:GetRole", "AccessDeniedException"), ("iam:PassRole", "")):
            scheduler = aws.user(create, allow([also], [role])).client("scheduler")
            if wanted:
                assert refused(scheduler.create_schedule, **request) == wanted
            else:
                scheduler.create_schedule(**request)
        lines = [json.loads(line) for line in record.read_text().splitlines()]
    passed = [(line["resource"], line["allowed"]) for line in lines if line["action"] == "iam:PassRole"]
    assert (role, False) in passed
    assert (role, True) in passed


def test_who_may_send_one_message_may_send_ten_at_once(aws: Rig) -> None:
    queue, topic = aws.queue(), aws.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    rights = allow(["sqs:SendMessage", "sns:Publish"], [queue.arn, topic])
    user = aws.user(rights)
    sent = user.client("sqs").send_message_batch(
        QueueUrl=queue.url, Entries=[{"Id": str(number), "MessageBody": "m"} for number in range(10)]
    )
    assert len(sent["Successful"]) == 10
    entries = [{"Id": "1", "Message": "m"}]
    published = user.client("sns").publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert len(published["Successful"]) == 1


def test_a_bucket_that_wants_tls_takes_what_comes_over_loopback(aws: Rig) -> None:
    s3, bucket = aws.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": resources,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    mine = aws.user(allow(["s3:PutObject", "s3:ListBucket"], resources)).client("s3")
    mine.put_object(Bucket=bucket, Key="key", Body=b"1")
    assert [found["Key"] for found in mine.list_objects_v2(Bucket=bucket)["Contents"]] == ["key"]


def test_a_stack_has_its_schedules_zone_and_its_tables_time_to_live_and_recovery(aws: Rig) -> None:
    queue, table, name = aws.queue(), unique("table"), unique("schedule")
    template = {
        "Resources": {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": table,
                    "BillingMode": "PAY_PER_REQUEST",
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                },
            },
            "Schedule": {
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {
                    **aws.request(queue.arn, aws.role(queue.arn), name),
                    "ScheduleExpression": "cron(0 6 * * ? *)",
                    "ScheduleExpressionTimezone": "America/New_York",
                },
            },
        }
    }
    formation, stack = aws.client("cloudformation"), unique("stack")
    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    dynamodb = aws.client("dynamodb")
    assert dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "ttl",
    }
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    made = aws.client("scheduler").get_schedule(Name=name)
    assert made["ScheduleExpressionTimezone"] == "America/New_York"


def test_what_a_topics_function_fails_at_is_tried_thrice_and_goes_to_its_destination(aws: Rig) -> None:
    tries, failures, topic = aws.queue(), aws.queue(), aws.client("sns").create_topic(Name=unique("topic"))
    source = (
        "import boto3\n"
        "def handler(event, context):\n"
        f"    boto3.client('sqs').send_message(QueueUrl='{tries.url}', MessageBody='1')\n"
        "    raise ValueError('never')\n"
    )
    function = aws.function(source, tries.arn)
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnFailure": {"Destination": failures.arn}}
    )
    sns = aws.client("sns")
    sns.subscribe(TopicArn=topic["TopicArn"], Protocol="lambda", Endpoint=function)
    sns.publish(TopicArn=topic["TopicArn"], Message="hello")
    failed, _ = failures.sent()
    assert failed["requestPayload"]["Records"][0]["Sns"]["Message"] == "hello"
    assert [tries.take(1) is not None for _ in range(4)] == [True, True, True, False]


def test_a_function_sees_its_zip_and_the_runtime_and_nothing_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REZ_LEAKED", "yes")
    source = (
        "import importlib.util, os\n"
        "def handler(event, context):\n"
        "    names = ('boto3', 'pydantic', 'rez_agent', 'ministack')\n"
        "    leaks = {'REZ_LEAKED', 'AUTH', 'GATEWAY_PORT'}\n"
        "    found = [name for name in names if importlib.util.find_spec(name)]\n"
        "    return {'modules': found, 'leaked': sorted(leaks & set(os.environ))}\n"
    )
    with emulator(firing=False) as endpoint:
        aws = Rig(endpoint)
        answer = aws.client("lambda").invoke(FunctionName=aws.function(source), Payload=b"{}")
        assert json.loads(answer["Payload"].read()) == {"modules": ["boto3"], "leaked": []}


def test_a_port_that_is_taken_is_said_and_ends_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "infrastructure.aws_local.emulator", "--port", str(port)]
        ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert f"port {port} of 127.0.0.1 cannot be had" in ended.stderr


def test_it_stops_with_all_its_functions_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infrastructure.aws_local.emulator"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        aws = Rig(Endpoint(ready["endpoint"], ready["api"], ready["pid"], tmp_path / "none"))
        source = "import os\ndef handler(event, context):\n    return [os.getpid(), os.environ['TMPDIR']]\n"
        answer = aws.client("lambda").invoke(FunctionName=aws.function(source), Payload=b"{}")
        function, home = json.loads(answer["Payload"].read())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(function, 0)
    assert not Path(home).exists()


def test_a_tied_one_stops_when_its_starter_is_gone() -> None:
    command = [sys.executable, "-m", "infrastructure.aws_local.emulator", "--tied"]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=10) == 0
