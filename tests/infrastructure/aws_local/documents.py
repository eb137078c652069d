"""Schedules as EventBridge Scheduler's API holds them, for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

MADE = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ACCOUNT = "000000000000"
GROUP = f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/default"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/firing"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:work"


def document(expression: str, timezone: str = "UTC", name: str = "one", **more: Any) -> dict[str, Any]:
    """A schedule made at ``MADE``; ``more`` are further members, its own or its target's."""
    target = {"Arn": QUEUE, "RoleArn": ROLE}
    target |= {key: more.pop(key) for key in ("Input", "RetryPolicy", "DeadLetterConfig") if key in more}
    return {
        "Arn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/{name}",
        "Name": name,
        "GroupName": "default",
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": timezone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "ActionAfterCompletion": "NONE",
        "Target": target,
        "CreationDate": MADE.timestamp(),
        "LastModificationDate": MADE.timestamp(),
        **more,
    }
