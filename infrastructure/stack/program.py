"""The whole stage, in the order in which its parts need each other."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infrastructure.stack.alarms import make_alarms
from infrastructure.stack.api import make_api
from infrastructure.stack.blobs import make_bucket
from infrastructure.stack.dashboard import make_dashboard
from infrastructure.stack.environment import environment
from infrastructure.stack.functions import make_functions
from infrastructure.stack.place import this_place
from infrastructure.stack.queues import Queues, make_queues
from infrastructure.stack.roles import make_roles
from infrastructure.stack.settings import Settings
from infrastructure.stack.tables import make_tables
from infrastructure.stack.timers import make_group, make_timers

Outputs = dict[str, pulumi.Output[str]]


def deploy(settings: Settings) -> Outputs:
    """Make everything; what the stack tells about itself."""
    place = this_place(settings.names)
    tables = make_tables(settings)
    bucket = make_bucket(settings, place)
    queues = make_queues(settings)
    roles = make_roles(settings, place)
    told = environment(settings, place, tables=tables, queues=queues, roles=roles, bucket=bucket)
    functions = make_functions(settings, roles, told, queues)
    api = make_api(settings, functions["webapi"])
    group = make_group(settings)
    make_timers(settings, functions["sweep"], roles.timer)
    make_dashboard(settings, place)
    make_alarms(settings, tables=tables, queues=queues, functions=functions, group=group, api=api)
    return {
        **_stores(tables, bucket),
        **_ways(queues),
        **{f"{what}FunctionName": function.name for what, function in functions.items()},
        "eventBridgeSchedulerExecutionRoleArn": roles.execution.role.arn,
        "scheduleGroupName": group.name,
        "apiUrl": api.api_endpoint,
    }


def _stores(tables: Mapping[str, aws.dynamodb.Table], bucket: aws.s3.Bucket) -> Outputs:
    return {
        **{f"{what}TableName": table.name for what, table in tables.items()},
        "schedulesTableArn": tables["schedules"].arn,
        "blobsBucketName": bucket.bucket,
    }


def _ways(queues: Queues) -> Outputs:
    return {
        **{f"{_camel(what)}TopicArn": topic.arn for what, topic in queues.topics.items()},
        **{f"{_camel(what)}DeadLetterQueueUrl": queue.url for what, queue in queues.dead_letters.items()},
    }


def _camel(what: str) -> str:
    first, *rest = what.split("-")
    return first + "".join(word.capitalize() for word in rest)
