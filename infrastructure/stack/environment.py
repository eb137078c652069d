"""What the functions are told, by the names that the AWS host's settings read."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infrastructure.stack.place import Place
from infrastructure.stack.queues import Queues
from infrastructure.stack.roles import Roles
from infrastructure.stack.settings import Settings

Environment = dict[str, pulumi.Input[str]]


def environment(
    settings: Settings,
    place: Place,
    *,
    tables: dict[str, aws.dynamodb.Table],
    queues: Queues,
    roles: Roles,
    bucket: aws.s3.Bucket,
) -> Environment:
    """The same for every function: one place to look at. What a function may use is its role's to say."""
    return {
        "STAGE": settings.stage,
        **{f"{_upper(what)}_TABLE_NAME": table.name for what, table in tables.items()},
        **{f"{_upper(what)}_TOPIC_ARN": topic.arn for what, topic in queues.topics.items()},
        **{f"{_upper(what)}_QUEUE_URL": queue.url for what, queue in queues.work.items()},
        "BLOBS_BUCKET_NAME": bucket.bucket,
        "SECRETS_PREFIX": settings.names.secrets_prefix,
        "SCHEDULE_GROUP_NAME": settings.names.schedule_group,
        "SCHEDULER_FUNCTION_ARN": place.function("scheduler"),
        "SCHEDULER_DEAD_LETTER_QUEUE_ARN": queues.dead_letters["scheduler"].arn,
        "EVENTBRIDGE_EXECUTION_ROLE_ARN": roles.execution.role.arn,
        **_options(settings),
    }


def _options(settings: Settings) -> Environment:
    options: Environment = {
        "ENGINE_RATE": str(settings.engine_rate),
        "LEDGER_DAYS": str(settings.ledger_days),
        "LEDGER_PER_SCHEDULE": str(settings.ledger_per_schedule),
        "REZ_ALERT_CHANNEL": settings.alert_channel,
        "REZ_ALLOW_TARGET": settings.allow_target,
        "REZ_AUTH": settings.auth,
        "REZ_LOG_LEVEL": settings.log_level,
        "REZ_QUOTA": str(settings.quota),
    }
    return {**options, "REZ_ACTIONS": settings.actions} if settings.actions else options


def _upper(what: str) -> str:
    return what.upper().replace("-", "_")
