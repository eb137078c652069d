"""The scheduler: applies the commands of the topic, and decides on what EventBridge Scheduler fires."""

from __future__ import annotations

from functools import cache
from typing import Any

from rez_agent.aws.inbox import Inbox
from rez_agent.aws.lambdas.invocation import Context, in_lambda, reported, started
from rez_agent.aws.logs import log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.settings import SCHEDULER


@cache
def _parts() -> tuple[Inbox, AwsMetrics]:
    built = started(SCHEDULER, ("dynamodb", "scheduler", "sns"))
    return Inbox(built.store, quota=built.settings.quota, metrics=built.metrics), built.metrics


@log.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Context) -> None:  # noqa: ARG001
    """Act on notifications of SNS, or on one firing. Raises for what can't be read or acted on."""
    inbox, metrics = _parts()
    with reported(metrics):
        inbox.take(event)


if in_lambda():
    _parts()
