"""The functions, their log groups, and what sets them going."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infrastructure.stack.environment import Environment
from infrastructure.stack.queues import COMMANDS, Queues, redrive
from infrastructure.stack.roles import Role, Roles
from infrastructure.stack.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """A function: its time limit in seconds, and what it is for.

    ``answers_nobody``: it is invoked and left alone, so Lambda retries it and keeps what failed.
    ``loops``: it sends to a queue that it reads. Lambda takes that for an accident and stops it after some 16
    rounds (its guide, "Use Lambda recursive loop detection to prevent infinite loops"), but a retry that is
    hours away takes a round every 15 minutes: here it must not.
    """

    name: str
    timeout: int
    purpose: str
    answers_nobody: bool = False
    loops: bool = False


KINDS = (
    Kind("scheduler", 60, "Applies commands and decides on firings", answers_nobody=True),
    Kind("webapi", 29, "Answers the REST API"),
    Kind("processor", 900, "Makes the attempts of executions", loops=True),
    Kind("sweep", 900, "Mends what went astray, each minute and each hour", answers_nobody=True),
)
"""webapi stays under the 30 seconds that an HTTP API waits; 900 seconds are Lambda's most."""

BATCH = 10
"""Messages that the processor takes at once."""

LIVE = "live"
"""The alias of the version that a snapshot belongs to."""


def make_functions(
    settings: Settings, roles: Roles, told: Environment, queues: Queues
) -> dict[str, aws.lambda_.Function]:
    """Every function, by name."""
    functions = {kind.name: _function(settings, kind, roles.functions[kind.name], told) for kind in KINDS}
    for kind in KINDS:
        if kind.answers_nobody:
            _retries(kind, functions[kind.name], queues.dead_letters["scheduler"])
        if kind.loops:
            aws.lambda_.FunctionRecursionConfig(
                kind.name, function_name=functions[kind.name].name, recursive_loop="Allow"
            )
    _commands(functions["scheduler"], queues)
    for what, queue in queues.work.items():
        _work(settings, what, queue, functions["processor"], roles.functions["processor"])
    return functions


def _function(settings: Settings, kind: Kind, role: Role, told: Environment) -> aws.lambda_.Function:
    name = settings.names(kind.name)
    logs = aws.cloudwatch.LogGroup(
        kind.name,
        name=f"/aws/lambda/{name}",
        retention_in_days=settings.retention_days,
        tags=settings.tags,
    )
    snapshot = kind.name == "webapi" and settings.snap_start
    return aws.lambda_.Function(
        kind.name,
        name=name,
        description=kind.purpose,
        runtime=settings.runtime,
        architectures=["x86_64"],
        handler=f"rez_agent.aws.lambdas.{kind.name}.handler",
        code=pulumi.FileArchive(f"{settings.code_directory}/{kind.name}.zip"),
        role=role.role.arn,
        timeout=kind.timeout,
        memory_size=settings.memory[kind.name],
        reserved_concurrent_executions=settings.reserved_concurrency.get(kind.name),
        environment=aws.lambda_.FunctionEnvironmentArgs(variables=told),
        publish=True if snapshot else None,
        snap_start=aws.lambda_.FunctionSnapStartArgs(apply_on="PublishedVersions") if snapshot else None,
        tags=settings.tags,
        opts=pulumi.ResourceOptions(depends_on=[logs, role.policy]),
    )


def _retries(kind: Kind, function: aws.lambda_.Function, dead_letters: aws.sqs.Queue) -> None:
    on_failure = aws.lambda_.FunctionEventInvokeConfigDestinationConfigOnFailureArgs(
        destination=dead_letters.arn
    )
    aws.lambda_.FunctionEventInvokeConfig(
        kind.name,
        function_name=function.name,
        qualifier="$LATEST",
        maximum_retry_attempts=2,
        destination_config=aws.lambda_.FunctionEventInvokeConfigDestinationConfigArgs(on_failure=on_failure),
    )


def _commands(scheduler: aws.lambda_.Function, queues: Queues) -> None:
    topic = queues.topics[COMMANDS]
    allowed = aws.lambda_.Permission(
        COMMANDS,
        function=scheduler.name,
        action="lambda:InvokeFunction",
        principal="sns.amazonaws.com",
        source_arn=topic.arn,
    )
    aws.sns.TopicSubscription(
        COMMANDS,
        topic=topic.arn,
        protocol="lambda",
        endpoint=scheduler.arn,
        redrive_policy=redrive(queues.dead_letters[COMMANDS]),
        opts=pulumi.ResourceOptions(depends_on=[allowed]),
    )


def _work(
    settings: Settings, what: str, queue: aws.sqs.Queue, processor: aws.lambda_.Function, role: Role
) -> None:
    aws.lambda_.EventSourceMapping(
        what,
        event_source_arn=queue.arn,
        function_name=processor.name,
        batch_size=BATCH,
        function_response_types=["ReportBatchItemFailures"],
        scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(
            maximum_concurrency=settings.processor_concurrency
        ),
        tags=settings.tags,
        opts=pulumi.ResourceOptions(depends_on=[role.policy]),
    )
