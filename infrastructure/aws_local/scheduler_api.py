"""What EventBridge Scheduler's API refuses and ministack does not, as pure rules.

Codes are the API reference's. Where a message is known from a recorded answer it is that one, word for word;
the others say the same in our own words, and nothing should depend on them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from infrastructure.aws_local.eventbridge import instant
from rez_agent.domain.errors import Invalid
from rez_agent.domain.expression import InvalidTimezone, parse

_NAME = re.compile(r"[0-9a-zA-Z\-_.]{1,64}")
_TOKEN = re.compile(r"[a-zA-Z0-9\-_]{1,64}")
_QUEUE = re.compile(r"arn:aws(-[a-z]+)?:sqs:[a-z0-9\-]+:\d{12}:[a-zA-Z0-9\-_]+")
_OLDEST_START = timedelta(minutes=5)
_LONGEST_INPUT = 256 * 1024
SCHEDULER = "scheduler.amazonaws.com"
"""EventBridge Scheduler, as a principal."""

Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error: its HTTP status, its code, and a message for people."""

    status: int
    code: str
    message: str


def invalid(message: str) -> Refusal:
    """A ValidationException."""
    return Refusal(400, "ValidationException", message)


UNTRUSTED = invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")


def token_taken(token: str) -> Refusal:
    """The answer to a client token that came with another request before."""
    return Refusal(409, "ConflictException", f"ClientToken {token} was used for another request.")


def may_not_pass(caller: str, role: str) -> Refusal:
    """The answer to a caller who has no right to hand a role to EventBridge Scheduler."""
    what = f"User: {caller} is not authorized to perform: iam:PassRole on resource: {role}"
    why = "because no identity-based policy allows the iam:PassRole action"
    return Refusal(403, "AccessDeniedException", f"{what} {why}")


def refusal(name: str, request: Request, now: datetime) -> Refusal | None:
    """The first thing wrong with a CreateSchedule or UpdateSchedule that is sent at ``now``, if any.

    Needs nothing but the request: whether the group, the name and the role exist is for the caller to see.
    """
    return next(_faults(name, request, now), None)


def _faults(name: str, request: Request, now: datetime) -> Iterator[Refusal]:
    if not _NAME.fullmatch(name):
        yield invalid(f"Name {name!r} must match [0-9a-zA-Z-_.]+ and have at most 64 characters.")
    token = request.get("ClientToken")
    if token is not None and not _TOKEN.fullmatch(token):
        yield invalid(f"ClientToken {token!r} must match [a-zA-Z0-9-_]+ and have at most 64 characters.")
    if len(request.get("Description") or "") > 512:
        yield invalid("Description has at most 512 characters.")
    yield from _time_faults(request, now)
    yield from _window_faults(request.get("FlexibleTimeWindow") or {})
    yield from _target_faults(request.get("Target") or {})


def _time_faults(request: Request, now: datetime) -> Iterator[Refusal]:
    text = request.get("ScheduleExpression") or ""
    try:
        kind = parse(text, request.get("ScheduleExpressionTimezone") or "UTC").kind
    except InvalidTimezone:
        yield invalid(f"Invalid Schedule Expression Timezone {request.get('ScheduleExpressionTimezone')}.")
        return
    except Invalid:
        yield invalid(f"Invalid Schedule Expression {text}.")
        return
    if kind == "at":
        return
    start, end = request.get("StartDate"), request.get("EndDate")
    if start is not None and instant(start) < now - _OLDEST_START:
        yield invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
    if end is not None and instant(end) < now:
        yield invalid("The EndDate you specify cannot be in the past.")
    if start is not None and end is not None and instant(end) < instant(start):
        yield invalid("The EndDate you specify must come after the StartDate you specify.")


def _window_faults(window: Request) -> Iterator[Refusal]:
    mode, minutes = window.get("Mode"), window.get("MaximumWindowInMinutes")
    if mode not in ("OFF", "FLEXIBLE"):
        yield invalid("FlexibleTimeWindow.Mode must be OFF or FLEXIBLE.")
    if mode == "FLEXIBLE" and not (isinstance(minutes, int) and 1 <= minutes <= 1440):
        yield invalid("FlexibleTimeWindow.MaximumWindowInMinutes must be from 1 to 1440.")


def _target_faults(target: Request) -> Iterator[Refusal]:
    text = target.get("Input")
    if text is not None and len(text.encode()) > _LONGEST_INPUT:
        yield invalid("Target.Input has at most 256 KB.")
    if text is not None and ":lambda:" in target.get("Arn", "") and not _is_json(text):
        yield invalid("Target.Input must be well-formed JSON for this target.")
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue is not None and not _QUEUE.fullmatch(queue):
        yield invalid("Target.DeadLetterConfig.Arn must name a standard SQS queue.")
    policy = target.get("RetryPolicy") or {}
    if not 0 <= policy.get("MaximumRetryAttempts", 0) <= 185:
        yield invalid("Target.RetryPolicy.MaximumRetryAttempts must be from 0 to 185.")
    if not 60 <= policy.get("MaximumEventAgeInSeconds", 60) <= 86_400:
        yield invalid("Target.RetryPolicy.MaximumEventAgeInSeconds must be from 60 to 86400.")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def trusts_scheduler(policy: Request, account: str, group_arn: str) -> bool:
    """Whether a role's trust policy lets EventBridge Scheduler assume it for schedules of a group.

    Knows the conditions that AWS documents for it, ``aws:SourceAccount`` and ``aws:SourceArn`` under the
    string and ARN operators; any other condition is not met.
    """
    request = {"aws:sourceaccount": account, "aws:sourcearn": group_arn}
    statements = [item for item in _listed(policy.get("Statement")) if _concerns_scheduler(item)]
    met = {item["Effect"] for item in statements if _conditions_met(item.get("Condition") or {}, request)}
    return met == {"Allow"}


def _concerns_scheduler(statement: Request) -> bool:
    principal = statement.get("Principal") or {}
    services = _listed(principal.get("Service")) if isinstance(principal, Mapping) else [principal]
    actions = [action.lower() for action in _listed(statement.get("Action"))]
    return (SCHEDULER in services or "*" in services) and any(
        fnmatchcase("sts:assumerole", action) for action in actions
    )


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
}


def _conditions_met(conditions: Request, request: Mapping[str, str]) -> bool:
    return all(
        operator in _OPERATORS
        and key.lower() in request
        and any(_OPERATORS[operator](request[key.lower()], wanted) for wanted in _listed(wanted_values))
        for operator, keys in conditions.items()
        for key, wanted_values in keys.items()
    )


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
