"""The alarms: what somebody must look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infrastructure.stack.queues import Queues
from infrastructure.stack.settings import Settings
from rez_agent.aws.logs import SERVICE
from rez_agent.aws.metrics import NAMESPACE
from rez_agent.metrics import ENGINE_LAG, LATENESS, SWEEP_FAILURES

ABOVE = "GreaterThanThreshold"
BELOW = "LessThanThreshold"
MINUTES = 60


@dataclass(frozen=True, slots=True)
class Alarm:
    """``statistic`` of ``metric`` over ``period`` seconds is ``comparison`` ``threshold``; where there is no
    data, ``missing`` says what that means. ``text``: what has happened and what to do."""

    name: str
    namespace: str
    metric: str
    dimensions: dict[str, pulumi.Input[str]]
    text: str
    statistic: str = "Sum"
    period: int = 5 * MINUTES
    comparison: str = ABOVE
    threshold: int = 0
    missing: str = "notBreaching"


def make_alarms(
    settings: Settings,
    *,
    tables: dict[str, aws.dynamodb.Table],
    queues: Queues,
    functions: dict[str, aws.lambda_.Function],
    group: aws.scheduler.ScheduleGroup,
    api: aws.apigatewayv2.Api,
) -> None:
    """All alarms. They tell ``alarmTopicArn`` and ``alarmEmail`` where those are configured."""
    told = _told(settings)
    alarms = (
        *_queues(settings, queues),
        *_topics(queues),
        *_functions(functions),
        *_engine(group),
        *_tables(tables),
        *_own(settings),
        _api(api),
    )
    for alarm in alarms:
        _make(settings, alarm, told)


def _told(settings: Settings) -> list[pulumi.Input[str]]:
    told: list[pulumi.Input[str]] = [settings.alarm_topic_arn] if settings.alarm_topic_arn else []
    if settings.alarm_email:
        topic = aws.sns.Topic("alarms", name=settings.names("alarms"), tags=settings.tags)
        aws.sns.TopicSubscription("alarms", topic=topic.arn, protocol="email", endpoint=settings.alarm_email)
        told.append(topic.arn)
    return told


def _make(settings: Settings, alarm: Alarm, told: list[pulumi.Input[str]]) -> None:
    aws.cloudwatch.MetricAlarm(
        alarm.name,
        name=settings.names(alarm.name),
        alarm_description=alarm.text,
        namespace=alarm.namespace,
        metric_name=alarm.metric,
        dimensions=alarm.dimensions,
        statistic=alarm.statistic,
        period=alarm.period,
        evaluation_periods=1,
        comparison_operator=alarm.comparison,
        threshold=alarm.threshold,
        treat_missing_data=alarm.missing,
        alarm_actions=told or None,
        ok_actions=told or None,
        tags=settings.tags,
    )


def _queues(settings: Settings, queues: Queues) -> Iterator[Alarm]:
    for what, queue in queues.dead_letters.items():
        yield Alarm(
            f"{what}-dead-letters",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": queue.name},
            f"There are dead letters of {what}. See why, mend it, then redrive them.",
            statistic="Maximum",
        )
    for what, queue in queues.work.items():
        yield Alarm(
            f"{what}-age",
            "AWS/SQS",
            "ApproximateAgeOfOldestMessage",
            {"QueueName": queue.name},
            f"Work waits in the queue {what}: the processor fails or is too slow. See its log.",
            statistic="Maximum",
            threshold=settings.oldest_message_seconds,
        )


def _topics(queues: Queues) -> Iterator[Alarm]:
    for what, topic in queues.topics.items():
        yield Alarm(
            f"{what}-undelivered",
            "AWS/SNS",
            "NumberOfNotificationsFailed",
            {"TopicName": topic.name},
            f"The topic {what} could not deliver. See its subscription and the dead letters.",
        )


def _functions(functions: dict[str, aws.lambda_.Function]) -> Iterator[Alarm]:
    for what, function in functions.items():
        of_function: dict[str, pulumi.Input[str]] = {"FunctionName": function.name}
        yield Alarm(
            f"{what}-errors",
            "AWS/Lambda",
            "Errors",
            of_function,
            f"The function {what} failed. See its log.",
        )
        yield Alarm(
            f"{what}-throttles",
            "AWS/Lambda",
            "Throttles",
            of_function,
            f"The function {what} was throttled. Raise the account's or its reserved concurrency.",
        )
    for what in ("scheduler", "sweep"):
        yield Alarm(
            f"{what}-lost",
            "AWS/Lambda",
            "DestinationDeliveryFailures",
            {"FunctionName": functions[what].name},
            f"What failed in {what} could not be kept as a dead letter. See its role's right to send.",
        )
    yield Alarm(
        "sweep-silent",
        "AWS/Lambda",
        "Invocations",
        {"FunctionName": functions["sweep"].name},
        "The sweep has not run for five minutes: nothing is mended. See its schedule in the group default.",
        comparison=BELOW,
        threshold=1,
        missing="breaching",
    )


def _engine(group: aws.scheduler.ScheduleGroup) -> Iterator[Alarm]:
    of_group: dict[str, pulumi.Input[str]] = {"ScheduleGroup": group.name}
    for name, metric, text in (
        ("firings-dropped", "InvocationDroppedCount", "EventBridge Scheduler gave up on firings."),
        (
            "firings-lost",
            "InvocationsFailedToBeSentToDeadLetterCount",
            "EventBridge Scheduler could not keep a firing as a dead letter. See the execution role.",
        ),
        (
            "firings-failed",
            "TargetErrorCount",
            "The scheduler function cannot be invoked. See the execution role.",
        ),
        (
            "firings-throttled",
            "InvocationThrottleCount",
            "Firings are late: the quota of invocations is reached. Spread the schedules or raise it.",
        ),
    ):
        yield Alarm(name, "AWS/Scheduler", metric, of_group, text)


def _tables(tables: dict[str, aws.dynamodb.Table]) -> Iterator[Alarm]:
    for what, table in tables.items():
        for name, metric in (("reads", "ReadThrottleEvents"), ("writes", "WriteThrottleEvents")):
            yield Alarm(
                f"{what}-{name}-throttled",
                "AWS/DynamoDB",
                metric,
                {"TableName": table.name},
                f"The table {what} throttled {name}: a partition is hot, or the account's limit is reached.",
            )


def _own(settings: Settings) -> Iterator[Alarm]:
    """Of what the functions measure themselves."""
    dimensions: dict[str, pulumi.Input[str]] = {"service": SERVICE, "stage": settings.stage}
    for name, metric, text in (
        (
            "lateness",
            LATENESS,
            "Executions start late: the processor has too little concurrency, or firings came late.",
        ),
        (
            "engine-lag",
            ENGINE_LAG,
            "EventBridge Scheduler has not taken up changes of schedules. See the log of sweep.",
        ),
    ):
        yield Alarm(
            name,
            NAMESPACE,
            metric.name,
            dimensions,
            text,
            statistic="Maximum",
            threshold=settings.lateness_seconds,
        )
    yield Alarm(
        "sweep-failures",
        NAMESPACE,
        SWEEP_FAILURES.name,
        dimensions,
        "Something could not be swept: alerts may be missing, lost work waits longer. See the log of sweep.",
    )


def _api(api: aws.apigatewayv2.Api) -> Alarm:
    return Alarm(
        "api-failures",
        "AWS/ApiGateway",
        "5xx",
        {"ApiId": api.id},
        "The API answered 5xx. See the log of webapi.",
    )
