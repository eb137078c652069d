"""The resources: each of a kind keeps the rules of its kind."""

from __future__ import annotations

from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from infrastructure.synth import synthesize
from infrastructure.synth.template import recorded

from rez_agent.aws.settings import PROCESSOR, SCHEDULER, SWEEP, WEBAPI, AwsSettings, Need
from rez_agent.aws.tables import TABLES, Index, Key, Table
from rez_agent.domain.schedule import TargetType
from tests.infrastructure.templates import ACCOUNT, REGION, Deployed

FUNCTIONS = ("scheduler", "webapi", "processor", "sweep")
WORK = ("web-actions", "notifications", "custom")
DAY = 86_400


def named(name: str, found: dict[str, Any], key: str = "FunctionName") -> Any:
    (one,) = [one for one in found.values() if one[key] == f"rez-agent-{name}-dev"]
    return one


# --- tables ---


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.what)
def test_a_table_has_the_keys_and_indexes_that_the_host_uses(table: Table, dev: Deployed) -> None:
    made = named(table.what, dev.of("DynamoDB::Table"), "TableName")
    assert made["KeySchema"] == schema(table.key)
    assert {one["AttributeName"] for one in made["AttributeDefinitions"]} == set(table.attributes)
    assert {one["AttributeType"] for one in made["AttributeDefinitions"]} == {"S"}
    for local, kind in ((False, "GlobalSecondaryIndexes"), (True, "LocalSecondaryIndexes")):
        wanted = [index for index in table.indexes if index.local is local]
        assert made.get(kind, []) == [
            {"IndexName": one.name, "KeySchema": schema(one.key), "Projection": projection(one)}
            for one in wanted
        ]


def schema(key: Key) -> list[dict[str, str]]:
    kinds = zip(key.attributes, ("HASH", "RANGE"), strict=False)
    return [{"AttributeName": name, "KeyType": kind} for name, kind in kinds]


def projection(index: Index) -> dict[str, Any]:
    if index.includes is None:
        return {"ProjectionType": "ALL"}
    if not index.includes:
        return {"ProjectionType": "KEYS_ONLY"}
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.includes)}


def test_every_table_is_encrypted_recoverable_forgetful_and_paid_by_use(dev: Deployed) -> None:
    tables = dev.of("DynamoDB::Table")
    assert len(tables) == len(TABLES)
    for table in tables.values():
        assert table["SSESpecification"] == {"SSEEnabled": True}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"


# --- payloads ---


def test_the_bucket_is_private_encrypted_and_reached_by_tls_only(dev: Deployed) -> None:
    (bucket,) = dev.of("S3::Bucket").values()
    assert bucket["BucketName"] == f"rez-agent-blobs-dev-{ACCOUNT}"
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    (policy,) = dev.of("S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    arn = f"arn:aws:s3:::{bucket['BucketName']}"
    assert statement["Resource"] == [arn, f"{arn}/*"]


# --- topics and queues ---


def test_every_queue_has_dead_letters_or_is_for_them(dev: Deployed) -> None:
    queues = {one["QueueName"]: one for one in dev.of("SQS::Queue").values()}
    dead = {name for name in queues if name.endswith("-dead-letters-dev")}
    assert dead == {f"rez-agent-{w}-dead-letters-dev" for w in (*WORK, "scheduler", "schedule-creation")}
    assert set(queues) - dead == {f"rez-agent-{what}-dev" for what in WORK}
    for name in set(queues) - dead:
        redrive = queues[name]["RedrivePolicy"]
        assert redrive["deadLetterTargetArn"].endswith(f":{name.removesuffix('-dev')}-dead-letters-dev")
        assert redrive["maxReceiveCount"] >= 5  # what AWS advises for queues that feed a function


def test_dead_letters_stay_for_two_weeks_and_every_queue_is_encrypted(dev: Deployed) -> None:
    assert {one["MessageRetentionPeriod"] for one in dev.of("SQS::Queue").values()} == {14 * DAY}
    assert {one["SqsManagedSseEnabled"] for one in dev.of("SQS::Queue").values()} == {True}


def test_a_message_stays_hidden_for_longer_than_the_processor_may_take(dev: Deployed) -> None:
    processor = named("processor", dev.of("Lambda::Function"))
    for what in WORK:
        assert named(what, dev.of("SQS::Queue"), "QueueName")["VisibilityTimeout"] > processor["Timeout"]


@pytest.mark.parametrize("what", WORK)
def test_a_topic_of_work_feeds_the_queue_behind_it_and_no_other_may_send_there(
    what: str, dev: Deployed
) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:rez-agent-{what}-dev"
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:rez-agent-{what}-dev"
    (subscription,) = [one for one in dev.of("SNS::Subscription").values() if one["TopicArn"] == topic]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("sqs", queue)
    assert subscription["RawMessageDelivery"] is True
    assert subscription["RedrivePolicy"]["deadLetterTargetArn"].endswith(f"{what}-dead-letters-dev")
    assert senders(dev, queue) == {topic}


def test_commands_reach_the_scheduler_or_their_dead_letters(dev: Deployed) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:rez-agent-schedule-creation-dev"
    dead = f"arn:aws:sqs:{REGION}:{ACCOUNT}:rez-agent-schedule-creation-dead-letters-dev"
    (subscription,) = [one for one in dev.of("SNS::Subscription").values() if one["TopicArn"] == topic]
    assert subscription["Protocol"] == "lambda"
    assert subscription["Endpoint"].endswith(":function:rez-agent-scheduler-dev")
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": dead}
    assert senders(dev, dead) == {topic}
    assert permission(dev, "scheduler") == ("sns.amazonaws.com", topic)


def senders(deployed: Deployed, queue: str) -> set[str]:
    policies = [one["PolicyDocument"] for one in deployed.of("SQS::QueuePolicy").values()]
    found = [one for policy in policies for one in policy["Statement"] if one["Resource"] == queue]
    assert {one["Action"] for one in found} == {"sqs:SendMessage"}
    return {one["Condition"]["ArnEquals"]["aws:SourceArn"] for one in found}


def permission(deployed: Deployed, function: str) -> tuple[str, str]:
    one = named(function, deployed.of("Lambda::Permission"))
    assert one["Action"] == "lambda:InvokeFunction"
    return one["Principal"], one["SourceArn"]


# --- functions ---


@pytest.mark.parametrize(
    ("name", "timeout"), [("scheduler", 60), ("webapi", 29), ("processor", 900), ("sweep", 900)]
)
def test_a_function_is_what_its_package_was_built_for(name: str, timeout: int, dev: Deployed) -> None:
    function = named(name, dev.of("Lambda::Function"))
    assert function["Handler"] == f"rez_agent.aws.lambdas.{name}.handler"
    assert function["Runtime"] == "python3.11"
    assert function["Architectures"] == ["x86_64"]
    assert function["Timeout"] == timeout


def test_every_function_has_a_log_group_that_forgets_and_stands_before_it(dev: Deployed) -> None:
    groups = {one["LogGroupName"]: name for name, one in dev.of("Logs::LogGroup").items()}
    assert set(groups) == {f"/aws/lambda/rez-agent-{name}-dev" for name in FUNCTIONS}
    assert {one["RetentionInDays"] for one in dev.of("Logs::LogGroup").values()} == {7}
    for name in dev.of("Lambda::Function"):
        properties = dev.resources[name]["Properties"]
        assert groups[f"/aws/lambda/{properties['FunctionName']}"] in dev.resources[name]["DependsOn"]


@pytest.mark.parametrize("function", ["scheduler", "sweep"])
def test_what_fails_in_a_function_that_nobody_waits_for_is_tried_again_and_kept(
    function: str, dev: Deployed
) -> None:
    config = named(function, dev.of("Lambda::EventInvokeConfig"))
    assert config["MaximumRetryAttempts"] == 2
    dead = f"arn:aws:sqs:{REGION}:{ACCOUNT}:rez-agent-scheduler-dead-letters-dev"
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": dead}}


def test_the_processor_takes_batches_from_each_queue_and_fails_one_by_one(dev: Deployed) -> None:
    sources = {one["EventSourceArn"]: one for one in dev.of("Lambda::EventSourceMapping").values()}
    assert set(sources) == {f"arn:aws:sqs:{REGION}:{ACCOUNT}:rez-agent-{what}-dev" for what in WORK}
    for source in sources.values():
        assert source["FunctionName"] == "rez-agent-processor-dev"
        assert source["BatchSize"] == 10
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["ScalingConfig"] == {"MaximumConcurrency": 50}


def test_lambda_does_not_take_the_processors_retries_for_a_loop(dev: Deployed) -> None:
    loops = {one["FunctionName"]: one.get("RecursiveLoop") for one in dev.of("Lambda::Function").values()}
    assert loops.pop("rez-agent-processor-dev") == "Allow"
    assert set(loops.values()) == {None}


@pytest.mark.parametrize(
    ("name", "needs"),
    [("scheduler", SCHEDULER), ("webapi", WEBAPI), ("processor", PROCESSOR), ("sweep", SWEEP)],
)
def test_the_host_reads_its_settings_from_the_functions_environment(
    name: str, needs: frozenset[Need], dev: Deployed
) -> None:
    environment = named(name, dev.of("Lambda::Function"))["Environment"]["Variables"]
    settings = AwsSettings.from_environment(environment, needs)
    arn = f"{{}}:{REGION}:{ACCOUNT}"
    assert settings == AwsSettings(
        stage="dev",
        tables={table.what: f"rez-agent-{table.what}-dev" for table in TABLES},
        blobs_bucket=f"rez-agent-blobs-dev-{ACCOUNT}",
        secrets_prefix="rez-agent/dev/",
        schedule_creation_topic=arn.format("arn:aws:sns") + ":rez-agent-schedule-creation-dev",
        topics={
            kind: arn.format("arn:aws:sns") + f":rez-agent-{what}-dev" for kind, what in behind().items()
        },
        queues={
            kind: f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/rez-agent-{what}-dev"
            for kind, what in behind().items()
        },
        schedule_group="rez-agent-dev",
        scheduler_function=arn.format("arn:aws:lambda") + ":function:rez-agent-scheduler-dev",
        scheduler_dead_letters=arn.format("arn:aws:sqs") + ":rez-agent-scheduler-dead-letters-dev",
        execution_role=f"arn:aws:iam::{ACCOUNT}:role/rez-agent-eventbridge-scheduler-execution-role-dev",
    )


def behind() -> dict[TargetType, str]:
    kinds = (TargetType.WEB_ACTION, TargetType.NOTIFICATION, TargetType.CUSTOM)
    return dict(zip(kinds, WORK, strict=True))


def test_the_apps_own_keys_guard_the_api(dev: Deployed) -> None:
    variables = [one["Environment"]["Variables"] for one in dev.of("Lambda::Function").values()]
    assert {one["REZ_AUTH"] for one in variables} == {"keys"}
    assert {one["REZ_ALLOW_TARGET"] for one in variables} == {""}


def test_a_laptop_opens_the_api_and_allows_loopback_by_configuration() -> None:
    template = synthesize(
        "dev", auth="none", allowTarget="127.0.0.1", actions="actions.yaml", alertChannel="ops"
    )
    variables = named("webapi", Deployed(template).of("Lambda::Function"))["Environment"]["Variables"]
    assert (variables["REZ_AUTH"], variables["REZ_ALLOW_TARGET"]) == ("none", "127.0.0.1")
    assert (variables["REZ_ACTIONS"], variables["REZ_ALERT_CHANNEL"]) == ("actions.yaml", "ops")


def test_the_web_api_starts_from_a_snapshot_where_the_runtime_has_them() -> None:
    made = recorded("dev", runtime="python3.12").resources
    starts = {one.name for one in made.values() if one.inputs.get("snapStart")}
    assert starts == {"webapi"}
    alias = made["WebapiAlias"]
    assert alias.inputs["functionVersion"] == "{{cfn:WebapiFunction.Version}}"
    assert made["ApiIntegration"].inputs["integrationUri"] == "{{cfn:WebapiAlias}}"
    assert made["ApiPermission"].inputs["qualifier"] == alias.inputs["name"]


def test_without_snapshots_there_is_no_alias(dev: Deployed) -> None:
    assert dev.of("Lambda::Alias") == {}
    assert [one for one in dev.of("Lambda::Function").values() if "SnapStart" in one] == []


# --- the API, the engine ---


def test_the_api_hands_every_request_to_the_web_api(dev: Deployed) -> None:
    (api,) = dev.of("ApiGatewayV2::Api")
    (integration,) = dev.of("ApiGatewayV2::Integration").values()
    (route,) = dev.of("ApiGatewayV2::Route").values()
    (stage,) = dev.of("ApiGatewayV2::Stage").values()
    assert dev.resources[api]["Properties"]["ProtocolType"] == "HTTP"
    assert integration["PayloadFormatVersion"] == "2.0"
    assert integration["IntegrationUri"].endswith(":function:rez-agent-webapi-dev")
    assert (route["RouteKey"], stage["StageName"], stage["AutoDeploy"]) == ("$default", "$default", True)
    source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*/$default"
    assert permission(dev, "webapi") == ("apigateway.amazonaws.com", source)


def test_the_users_group_is_empty_and_the_sweep_is_started_from_another(dev: Deployed) -> None:
    (group,) = dev.of("Scheduler::ScheduleGroup").values()
    assert group["Name"] == "rez-agent-dev"
    assert {
        one["Name"]: (one["GroupName"], one["ScheduleExpression"], one["Target"]["Input"])
        for one in dev.of("Scheduler::Schedule").values()
    } == {
        "rez-agent-sweep-dev": ("default", "rate(1 minute)", '{"sweep": "minute"}'),
        "rez-agent-reconcile-dev": ("default", "rate(1 hour)", '{"sweep": "reconcile"}'),
    }
    targets = [one["Target"] for one in dev.of("Scheduler::Schedule").values()]
    assert {one["Arn"].rpartition(":")[2] for one in targets} == {"rez-agent-sweep-dev"}
    assert {one["RoleArn"].rpartition("/")[2] for one in targets} == {"rez-agent-sweep-timer-role-dev"}


# --- what somebody must see ---


@pytest.mark.parametrize(
    "name",
    [
        *(f"{what}-dead-letters" for what in (*WORK, "scheduler", "schedule-creation")),
        *(f"{what}-age" for what in WORK),
        *(f"{what}-undelivered" for what in (*WORK, "schedule-creation")),
        *(f"{what}-errors" for what in FUNCTIONS),
        *(f"{what}-throttles" for what in FUNCTIONS),
        "scheduler-lost",
        "sweep-lost",
        "sweep-silent",
        "firings-dropped",
        "firings-lost",
        "firings-failed",
        "firings-throttled",
        "api-failures",
        "lateness",
        "engine-lag",
        "sweep-failures",
    ],
)
def test_there_is_an_alarm_that_says_what_to_do(name: str, dev: Deployed) -> None:
    alarm = named(name, dev.of("CloudWatch::Alarm"), "AlarmName")
    assert alarm["Dimensions"]
    assert len(alarm["AlarmDescription"]) > 30


def test_a_dead_letter_is_an_alarm_at_once(dev: Deployed) -> None:
    alarm = named("web-actions-dead-letters", dev.of("CloudWatch::Alarm"), "AlarmName")
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": "rez-agent-web-actions-dead-letters-dev"}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert alarm["EvaluationPeriods"] == 1


@pytest.mark.parametrize(
    ("name", "metric"), [("lateness", "rez_lateness_seconds"), ("engine-lag", "rez_engine_lag_seconds")]
)
def test_lateness_is_an_alarm_from_where_it_is_configured(name: str, metric: str) -> None:
    late = Deployed(synthesize("dev", latenessSeconds="90"))
    alarm = named(name, late.of("CloudWatch::Alarm"), "AlarmName")
    assert (alarm["Namespace"], alarm["MetricName"]) == ("rez-agent", metric)
    assert {one["Name"]: one["Value"] for one in alarm["Dimensions"]} == {
        "service": "rez-agent",
        "stage": "dev",
    }
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 90)


def test_a_sweep_that_does_not_run_is_an_alarm_for_lack_of_data(dev: Deployed) -> None:
    alarm = named("sweep-silent", dev.of("CloudWatch::Alarm"), "AlarmName")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"


def test_alarms_tell_a_topic_and_a_person_where_those_are_configured(dev: Deployed) -> None:
    assert {alarm.get("AlarmActions") for alarm in dev.of("CloudWatch::Alarm").values()} == {None}
    ops = "arn:aws:sns:eu-central-1:123456789012:ops"
    told = Deployed(synthesize("dev", alarmTopicArn=ops, alarmEmail="ops@example.com"))
    own = f"arn:aws:sns:{REGION}:{ACCOUNT}:rez-agent-alarms-dev"
    alarms = told.of("CloudWatch::Alarm").values()
    assert all(alarm["AlarmActions"] == alarm["OKActions"] == [ops, own] for alarm in alarms)
    (mail,) = [one for one in told.of("SNS::Subscription").values() if one["Protocol"] == "email"]
    assert (mail["TopicArn"], mail["Endpoint"]) == (own, "ops@example.com")


# --- all of them ---


def test_the_outputs_have_the_names_that_the_design_gives(dev: Deployed) -> None:
    assert dev.outputs["schedulesTableName"] == "rez-agent-schedules-dev"
    assert dev.outputs["schedulesTableArn"].endswith(":table/rez-agent-schedules-dev")
    assert dev.outputs["scheduleCreationTopicArn"].endswith(":rez-agent-schedule-creation-dev")
    role = "rez-agent-eventbridge-scheduler-execution-role-dev"
    assert dev.outputs["eventBridgeSchedulerExecutionRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{role}"


def test_there_is_an_output_for_everything_that_is_asked_for_by_name(dev: Deployed) -> None:
    assert set(dev.outputs) == {
        "schedulesTableName",
        "schedulesTableArn",
        "messagesTableName",
        "executionsTableName",
        "recordsTableName",
        "blobsBucketName",
        "scheduleCreationTopicArn",
        "webActionsTopicArn",
        "notificationsTopicArn",
        "customTopicArn",
        "webActionsDeadLetterQueueUrl",
        "notificationsDeadLetterQueueUrl",
        "customDeadLetterQueueUrl",
        "scheduleCreationDeadLetterQueueUrl",
        "schedulerDeadLetterQueueUrl",
        "schedulerFunctionName",
        "webapiFunctionName",
        "processorFunctionName",
        "sweepFunctionName",
        "eventBridgeSchedulerExecutionRoleArn",
        "scheduleGroupName",
        "apiUrl",
    }


def test_whatever_can_be_tagged_is_tagged_with_its_stage(dev: Deployed) -> None:
    for name, resource in dev.resources.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
        if (
            "Tags" in schema["properties"] and resource["Type"] != "AWS::CloudWatch::Dashboard"
        ):  # Pulumi: none
            assert resource["Properties"].get("Tags") in (
                [{"Key": "project", "Value": "rez-agent"}, {"Key": "stage", "Value": "dev"}],
                {"project": "rez-agent", "stage": "dev"},
            ), name
