"""Events as AWS sends them to functions, by the guides' own examples; and a function's context."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells of an invocation."""

    seconds: float = 60.0
    function_name: str = "rez-agent-test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:rez-agent-test"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is stopped."""
        return int(1_000 * self.seconds)


def firing(schedule_id: str, scheduled_time: str, revision: int = 1) -> dict[str, Any]:
    """What EventBridge Scheduler sends: the input that the schedule was given, its time filled in."""
    return {"schedule_id": schedule_id, "revision": revision, "scheduled_time": scheduled_time}


def batch(*bodies: Any, queue: str = "arn:aws:sqs:us-east-1:000000000000:work") -> dict[str, Any]:
    """The event by which a queue invokes a function ("Using Lambda with Amazon SQS")."""
    return {"Records": [record(body, queue=queue) for body in bodies]}


def record(body: Any, *, queue: str = "arn:aws:sqs:us-east-1:000000000000:work") -> dict[str, Any]:
    """One message of it. A body that is a text is sent as it is."""
    return {
        "messageId": str(uuid4()),
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": queue,
        "awsRegion": "us-east-1",
    }


def request(
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    in_base_64: bool = False,
) -> dict[str, Any]:
    """The event of an HTTP API ("Create AWS Lambda proxy integrations for HTTP APIs", payload 2.0)."""
    domain = "abcdef1234.execute-api.us-east-1.amazonaws.com"
    told = {
        "accept": "*/*",
        "host": domain,
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
        "x-amzn-trace-id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": told,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef1234",
            "domainName": domain,
            "domainPrefix": "abcdef1234",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "10/Mar/2026:05:16:23 +0000",
            "timeEpoch": 1773119783636,
        },
        "isBase64Encoded": in_base_64,
    }
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body)
        event["body"] = base64.b64encode(text.encode()).decode() if in_base_64 else text
        told["content-type"] = "application/json"
    told.update({name.lower(): value for name, value in (headers or {}).items()})
    return event
