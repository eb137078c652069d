"""The processor: makes the attempts that the messages of a queue call for."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from rez_agent.aws.lambdas.invocation import Context, in_lambda, reported, seconds_left, started
from rez_agent.aws.logs import join_structlog, log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.processor import Processor
from rez_agent.aws.settings import PROCESSOR
from rez_agent.domain.errors import Malformed


@cache
def _parts() -> tuple[asyncio.Runner, Processor, AwsMetrics]:
    """One event loop and its connections, for as long as the environment lives."""
    built = started(PROCESSOR, ("dynamodb",))
    join_structlog()
    loop = asyncio.Runner()
    loop.run(built.actions.start())
    processor = Processor(
        built.store,
        actions=built.actions,
        publisher=built.publisher,
        clock=built.clock,
        random=built.random,
        metrics=built.metrics,
    )
    return loop, processor, built.metrics


@log.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Context) -> dict[str, Any]:
    """Work on a batch of messages. Those named in the answer go back to their queue."""
    loop, processor, metrics = _parts()
    with reported(metrics):
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list):
            raise Malformed("The event is no batch of SQS messages.", code="unknown_event")
        failed = loop.run(processor.process(records, lambda: seconds_left(context)))
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}


if in_lambda():
    _parts()
