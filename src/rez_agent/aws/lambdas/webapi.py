"""The web API: the same application as on one machine, behind API Gateway's HTTP API."""

from __future__ import annotations

from functools import cache
from typing import Any

from mangum import Mangum
from prometheus_client import CollectorRegistry

from rez_agent import __version__
from rez_agent.aws.host import AwsHost
from rez_agent.aws.lambdas.invocation import Context, in_lambda, reported, started
from rez_agent.aws.logs import join_structlog, log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.settings import WEBAPI, AwsSettings
from rez_agent.ports import Host
from rez_agent.web.app import create_app
from rez_agent.web.metrics import OnRequest
from rez_agent.web.settings import WebSettings

CREATED_AT_ONCE = 45
"""Schedules of a batch in one use case: with what goes with each, no more than one transaction of DynamoDB
holds (100 items), so each is whole."""

TEXT = ["text/", "application/json", "application/problem+json", "image/svg+xml"]
"""Media types that are answered as they are; everything else goes through API Gateway in base 64."""


def gateway(host: Host, settings: AwsSettings, on_request: OnRequest | None = None) -> Mangum:
    """The application, ready for API Gateway's events (payload 2.0).

    How much one key may ask is the gateway's own business: an instance that counts only what it sees itself
    would promise a limit that nobody keeps. What /metrics shows is of the instance that answers.
    """
    app = create_app(
        host,
        settings=WebSettings(
            keyless=settings.keyless,
            quota=settings.quota,
            created_at_once=CREATED_AT_ONCE,
            alert_channel=settings.alert_channel,
            version=__version__,
        ),
        registry=CollectorRegistry(),
        on_request=on_request,
    )
    return Mangum(app, lifespan="off", text_mime_types=TEXT)


@cache
def _parts() -> tuple[Mangum, AwsMetrics]:
    built = started(WEBAPI, ("dynamodb", "sns"))
    join_structlog()
    host = AwsHost(built.store, built.clock)
    return gateway(host, built.settings, built.metrics.answered), built.metrics


@log.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Context) -> dict[str, Any]:
    """Answer one request."""
    answer, metrics = _parts()
    with reported(metrics):
        return answer(event, context)  # type: ignore[arg-type]


if in_lambda():
    _parts()
