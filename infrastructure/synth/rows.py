"""How each Pulumi type becomes CloudFormation: a row for each type that the program may use, no others.

A property that a row does not name goes by the same name in CloudFormation's schema, but for its case; one
that is in neither is an error. So the table is also the list of what may be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infrastructure.synth import shapes
from infrastructure.synth.tokens import token

REF = ""
"""The output that Ref returns."""

ARN = {"arn": "Arn"}
NAME = {"name": REF}


@dataclass(frozen=True, slots=True)
class Put:
    """A property's name in CloudFormation, and its value made from Pulumi's."""

    name: str
    value: Callable[[Any], Any] = lambda given: given


@dataclass(frozen=True, slots=True)
class Drop:
    """A property that CloudFormation has no word for. Only these values of it may be dropped."""

    values: tuple[Any, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """A type that becomes a resource. ``outputs``: what the program reads of it, as attributes or REF.
    ``reshape`` changes the properties before they are named. ``keeps_data``: deleting it loses something."""

    type: str
    properties: Mapping[str, Put | Drop] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    reshape: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda given: given
    keeps_data: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A type that becomes properties of another resource: of the one that its property ``host`` names. Where
    several parts give lists, they are joined."""

    host: str
    make: Callable[[Mapping[str, Any]], dict[str, Any]]
    outputs: Mapping[str, str] = field(default_factory=dict)


NO_VERSIONS = Drop(
    (False, None),
    "A template can't publish a version of each new code, which snapshots need: deploy them with Pulumi.",
)

ROWS: dict[str, Row | Part] = {
    "aws:apigatewayv2/api:Api": Row(
        "AWS::ApiGatewayV2::Api", outputs={"id": REF, "apiEndpoint": "ApiEndpoint"}
    ),
    "aws:apigatewayv2/integration:Integration": Row(
        "AWS::ApiGatewayV2::Integration", {"timeoutMilliseconds": Put("TimeoutInMillis")}
    ),
    "aws:apigatewayv2/route:Route": Row("AWS::ApiGatewayV2::Route"),
    "aws:apigatewayv2/stage:Stage": Row("AWS::ApiGatewayV2::Stage", {"name": Put("StageName")}),
    "aws:cloudwatch/dashboard:Dashboard": Row("AWS::CloudWatch::Dashboard"),
    "aws:cloudwatch/logGroup:LogGroup": Row(
        "AWS::Logs::LogGroup", {"name": Put("LogGroupName")}, ARN | NAME, keeps_data=True
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Row(
        "AWS::CloudWatch::Alarm",
        {"name": Put("AlarmName"), "dimensions": Put("Dimensions", shapes.dimensions)},
        ARN,
    ),
    "aws:dynamodb/table:Table": Row(
        "AWS::DynamoDB::Table",
        {
            "name": Put("TableName"),
            "attributes": Put("AttributeDefinitions", shapes.attributes),
            "globalSecondaryIndexes": Put("GlobalSecondaryIndexes", shapes.global_indexes),
            "pointInTimeRecovery": Put(
                "PointInTimeRecoverySpecification",
                lambda given: {"PointInTimeRecoveryEnabled": given["enabled"]},
            ),
            "serverSideEncryption": Put("SSESpecification", lambda given: {"SSEEnabled": given["enabled"]}),
            "ttl": Put("TimeToLiveSpecification"),
        },
        ARN | NAME,
        reshape=shapes.table,
        keeps_data=True,
    ),
    "aws:iam/role:Role": Row(
        "AWS::IAM::Role",
        {
            "name": Put("RoleName"),
            "assumeRolePolicy": Put("AssumeRolePolicyDocument", shapes.parsed),
        },
        ARN | NAME,
    ),
    "aws:iam/rolePolicy:RolePolicy": Part("role", shapes.role_policy),
    "aws:lambda/alias:Alias": Row("AWS::Lambda::Alias", outputs={"arn": REF}),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Row("AWS::Lambda::EventSourceMapping"),
    "aws:lambda/function:Function": Row(
        "AWS::Lambda::Function",
        {
            "name": Put("FunctionName"),
            "code": Put("Code", shapes.code),
            "publish": NO_VERSIONS,
        },
        {**ARN, **NAME, "version": "Version"},
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Row("AWS::Lambda::EventInvokeConfig"),
    "aws:lambda/functionRecursionConfig:FunctionRecursionConfig": Part("functionName", shapes.recursive_loop),
    "aws:lambda/permission:Permission": Row("AWS::Lambda::Permission", {"function": Put("FunctionName")}),
    "aws:s3/bucket:Bucket": Row(
        "AWS::S3::Bucket",
        {
            "bucket": Put("BucketName"),
            "forceDestroy": Drop((True, False), "CloudFormation never empties a bucket to delete it."),
        },
        {"bucket": REF, "arn": "Arn"},
        keeps_data=True,
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Row(
        "AWS::S3::BucketPolicy", {"policy": Put("PolicyDocument", shapes.parsed)}
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Part("bucket", shapes.public_access),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Part(
        "bucket", shapes.encryption
    ),
    "aws:scheduler/schedule:Schedule": Row("AWS::Scheduler::Schedule", outputs=ARN | NAME),
    "aws:scheduler/scheduleGroup:ScheduleGroup": Row(
        "AWS::Scheduler::ScheduleGroup", outputs=ARN | NAME, keeps_data=True
    ),
    "aws:sns/topic:Topic": Row(
        "AWS::SNS::Topic", {"name": Put("TopicName")}, {"arn": REF, "name": "TopicName"}
    ),
    "aws:sns/topicSubscription:TopicSubscription": Row(
        "AWS::SNS::Subscription",
        {"topic": Put("TopicArn"), "redrivePolicy": Put("RedrivePolicy", shapes.parsed)},
    ),
    "aws:sqs/queue:Queue": Row(
        "AWS::SQS::Queue",
        {
            "name": Put("QueueName"),
            "visibilityTimeoutSeconds": Put("VisibilityTimeout"),
            "messageRetentionSeconds": Put("MessageRetentionPeriod"),
            "sqsManagedSseEnabled": Put("SqsManagedSseEnabled"),
            "redrivePolicy": Put("RedrivePolicy", shapes.parsed),
        },
        {"arn": "Arn", "name": "QueueName", "url": REF},
        keeps_data=True,
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Row(
        "AWS::SQS::QueuePolicy",
        {"queueUrl": Put("Queues", shapes.alone), "policy": Put("PolicyDocument", shapes.parsed)},
    ),
}


def outputs(type_: str, logical_id: str) -> dict[str, str]:
    """The tokens of the outputs of a resource."""
    row = ROWS.get(type_)
    found = {} if row is None else row.outputs
    tokens = {name: token(logical_id, attribute) for name, attribute in found.items()}
    if type_ == "aws:apigatewayv2/api:Api":
        tokens["executionArn"] = execution_arn(logical_id)
    return tokens


def execution_arn(api: str) -> str:
    """The ARN that an API invokes by, which CloudFormation has no attribute for."""
    partition, region, account = (token(f"AWS::{what}") for what in ("Partition", "Region", "AccountId"))
    return f"arn:{partition}:execute-api:{region}:{account}:{token(api)}"
