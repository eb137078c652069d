"""The HTTP API in front of the webapi function, which routes and judges by itself."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infrastructure.stack.functions import LIVE
from infrastructure.stack.settings import Settings


def make_api(settings: Settings, webapi: aws.lambda_.Function) -> aws.apigatewayv2.Api:
    """The API: one route, one stage, both called ``$default``."""
    api = aws.apigatewayv2.Api("api", name=settings.names("api"), protocol_type="HTTP", tags=settings.tags)
    alias = _alias(settings, webapi)
    integration = aws.apigatewayv2.Integration(
        "api",
        api_id=api.id,
        integration_type="AWS_PROXY",
        integration_uri=webapi.arn if alias is None else alias.arn,
        payload_format_version="2.0",
        timeout_milliseconds=30_000,
    )
    aws.apigatewayv2.Route(
        "api",
        api_id=api.id,
        route_key="$default",
        target=pulumi.Output.concat("integrations/", integration.id),
    )
    aws.apigatewayv2.Stage(
        "api",
        api_id=api.id,
        name="$default",
        auto_deploy=True,
        default_route_settings=aws.apigatewayv2.StageDefaultRouteSettingsArgs(
            throttling_rate_limit=settings.api_rate, throttling_burst_limit=settings.api_burst
        ),
        tags=settings.tags,
    )
    aws.lambda_.Permission(
        "api",
        function=webapi.name,
        qualifier=None if alias is None else alias.name,
        action="lambda:InvokeFunction",
        principal="apigateway.amazonaws.com",
        source_arn=pulumi.Output.concat(api.execution_arn, "/*/$default"),
    )
    return api


def _alias(settings: Settings, webapi: aws.lambda_.Function) -> aws.lambda_.Alias | None:
    """Where snapshots are used, the last published version: a snapshot belongs to one. Else nothing."""
    if not settings.snap_start:
        return None
    return aws.lambda_.Alias("webapi", name=LIVE, function_name=webapi.name, function_version=webapi.version)
