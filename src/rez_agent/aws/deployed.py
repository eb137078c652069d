"""What of a stage is deployed, and how: its resources, its functions and their logs, its roles' rights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from rez_agent.aws.asking import Asking, Identity, arn
from rez_agent.aws.settings import PROCESSOR, SCHEDULER, SWEEP, WEBAPI, AwsSettings, Need
from rez_agent.aws.tables import TABLES
from rez_agent.domain.errors import Invalid, Unavailable

WORK = ("web-actions", "notifications", "custom")
COMMANDS = "schedule-creation"
FUNCTIONS: Mapping[str, frozenset[Need]] = {
    "scheduler": SCHEDULER,
    "webapi": WEBAPI,
    "processor": PROCESSOR,
    "sweep": SWEEP,
}
"""The functions, and what each must be told."""

DEAD_LETTERS = tuple(f"{what}-dead-letters" for what in (*WORK, COMMANDS, "scheduler"))
ENGINE_ACTIONS = tuple(f"scheduler:{verb}Schedule" for verb in ("Create", "Get", "Update", "Delete"))

LOG_PAGES = 10
"""Pages of a log that are searched."""


@dataclass(frozen=True, slots=True)
class FunctionState:
    """A function as it is deployed. ``problems``: what its environment lacks or has wrong."""

    what: str
    name: str
    arn: str
    role: str
    timeout: int
    state: str
    reason: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Denial:
    """What a role may not do, as IAM's simulation has it."""

    role: str
    action: str
    resource: str


class Deployed:
    """The facts. Changes nothing; raises what :class:`~rez_agent.aws.asking.Asking` says."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def missing(self, identity: Identity) -> tuple[list[str], list[str]]:
        """What of the stage is not there, as ``kind name``; and what could not be looked at, and why not."""
        missing, unknown = [], []
        for kind, name, look in self._resources(identity):
            try:
                if look() is None:
                    missing.append(f"{kind} {name}")
            except Unavailable as error:
                unknown.append(f"{kind} {name} ({error.message})")
        return missing, unknown

    def _resources(self, identity: Identity) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """Kind and name of each resource, and how to look for it."""
        names = self._ask.names
        for table in TABLES:
            yield self._resource("table", names(table.what), "dynamodb", "describe_table", "TableName")
        yield self._resource("bucket", f"{names('blobs')}-{identity.account}", "s3", "head_bucket", "Bucket")
        for what in (COMMANDS, *WORK):
            _, name, look = self._resource(
                "topic", arn(identity, "sns", names(what)), "sns", "get_topic_attributes", "TopicArn"
            )
            yield "topic", name.rpartition(":")[2], look
        for what in (*WORK, *DEAD_LETTERS):
            yield self._resource("queue", names(what), "sqs", "get_queue_url", "QueueName")
        for what in FUNCTIONS:
            yield self._resource(
                "function", names(what), "lambda", "get_function_configuration", "FunctionName"
            )
        yield self._resource("role", names.execution_role, "iam", "get_role", "RoleName")
        yield self._resource(
            "schedule group", names.schedule_group, "scheduler", "get_schedule_group", "Name"
        )

    def _resource(
        self, kind: str, name: str, service: str, operation: str, parameter: str
    ) -> tuple[str, str, Callable[[], Any]]:
        def look() -> Any:
            return self._ask.found(getattr(self._ask.client(service), operation), **{parameter: name})

        return kind, name, look

    # --- functions ---

    def functions(self) -> list[FunctionState]:
        """The functions that there are."""
        found = ((what, self._configuration(what)) for what in FUNCTIONS)
        return [_function_state(what, answer) for what, answer in found if answer is not None]

    def _configuration(self, what: str) -> dict[str, Any] | None:
        asked = self._ask.client("lambda").get_function_configuration
        return self._ask.found(asked, FunctionName=self._ask.names(what))

    def hidden_seconds(self) -> dict[str, int]:
        """By queue of work, how long a received message stays hidden."""
        found = {}
        for what in WORK:
            hidden = self._ask.queue_attribute(what, "VisibilityTimeout")
            if hidden is not None:
                found[self._ask.names(what)] = hidden
        return found

    def metric_sum(
        self, namespace: str, metric: str, dimension: tuple[str, str], *, until: datetime, span: timedelta
    ) -> float:
        """A CloudWatch metric added up over the ``span`` up to ``until``, 0 where there is no data."""
        answer = self._ask.asked(
            self._ask.client("cloudwatch").get_metric_statistics,
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": dimension[0], "Value": dimension[1]}],
            StartTime=until - span,
            EndTime=until,
            Period=max(60, int(span.total_seconds()) // 60 * 60),
            Statistics=["Sum"],
        )
        return sum(float(point["Sum"]) for point in answer["Datapoints"])

    def logged(self, what: str, pattern: str, since: datetime, limit: int = 20) -> list[str]:
        """Lines of a function's log from ``since`` on that match CloudWatch's filter pattern."""
        asked: dict[str, Any] = {
            "logGroupName": f"/aws/lambda/{self._ask.names(what)}",
            "startTime": int(since.timestamp() * 1000),
            "limit": limit,
        }
        if pattern:
            asked["filterPattern"] = pattern
        lines: list[str] = []
        for _ in range(LOG_PAGES):
            answer = self._ask.found(self._ask.client("logs").filter_log_events, **asked)
            if answer is None:
                return lines
            lines += (event["message"] for event in answer["events"])
            if len(lines) >= limit or not answer.get("nextToken"):
                break
            asked["nextToken"] = answer["nextToken"]
        return lines[:limit]

    # --- rights ---

    def trusts(self) -> dict[str, Any] | None:
        """Who may assume the execution role, as its trust policy has it; None if there is no role."""
        answer = self._ask.found(self._ask.client("iam").get_role, RoleName=self._ask.names.execution_role)
        if answer is None:
            return None
        document = answer["Role"]["AssumeRolePolicyDocument"]
        trust: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
        return trust

    def denials(self, identity: Identity, functions: list[FunctionState]) -> list[Denial]:
        """What the roles that keep the engine may not do, and must. IAM simulates the roles' own policies;
        it does not see the organization's."""
        execution = f"arn:{identity.partition}:iam::{identity.account}:role/{self._ask.names.execution_role}"
        group = arn(identity, "scheduler", f"schedule/{self._ask.names.schedule_group}/*")
        found: list[Denial] = []
        for function in functions:
            if function.what in ("scheduler", "sweep"):
                found += self._simulated(function.role, ENGINE_ACTIONS, group)
                found += self._simulated(function.role, ("iam:PassRole",), execution)
        invoked = arn(identity, "lambda", f"function:{self._ask.names('scheduler')}")
        letters = arn(identity, "sqs", self._ask.names("scheduler-dead-letters"))
        found += self._simulated(execution, ("lambda:InvokeFunction",), invoked)
        found += self._simulated(execution, ("sqs:SendMessage",), letters)
        return found

    def _simulated(self, role: str, actions: tuple[str, ...], resource: str) -> list[Denial]:
        passed = {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyValues": ["scheduler.amazonaws.com"],
            "ContextKeyType": "string",
        }
        answer = self._ask.found(
            self._ask.client("iam").simulate_principal_policy,
            PolicySourceArn=role,
            ActionNames=list(actions),
            ResourceArns=[resource],
            ContextEntries=[passed] if actions == ("iam:PassRole",) else [],
        )
        results = [] if answer is None else answer["EvaluationResults"]
        return [
            Denial(role, result["EvalActionName"], resource)
            for result in results
            if result["EvalDecision"] != "allowed"
            and not (_of_nobody_else(result) and self._allows(role, result["EvalActionName"], resource))
        ]

    def _allows(self, role: str, action: str, resource: str) -> bool:
        """Whether a policy in the role itself allows it, where it is EventBridge Scheduler that is passed."""
        iam, name = self._ask.client("iam"), role.rpartition("/")[2]
        listed = self._ask.found(iam.list_role_policies, RoleName=name)
        for policy in [] if listed is None else listed["PolicyNames"]:
            document = self._ask.asked(iam.get_role_policy, RoleName=name, PolicyName=policy)[
                "PolicyDocument"
            ]
            if any(_covers(statement, action, resource) for statement in _statements(document)):
                return True
        return False


def _of_nobody_else(result: Mapping[str, Any]) -> bool:
    """Whether a denial follows from the role's policies alone: none denies explicitly, nor does a boundary or
    the organization. If one of them allows the action all the same, the simulation did not weigh its
    conditions, as an emulator's may not."""
    others = ("PermissionsBoundaryDecisionDetail", "OrganizationsDecisionDetail")
    return result["EvalDecision"] == "implicitDeny" and not any(result.get(other) for other in others)


def _statements(document: Any) -> list[Mapping[str, Any]]:
    read = json.loads(document) if isinstance(document, str) else document
    found = read["Statement"]
    return [found] if isinstance(found, Mapping) else list(found)


def _covers(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    conditions = str(statement.get("Condition") or "scheduler.amazonaws.com")
    return (
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action.lower(), one.lower()) for one in listed(statement.get("Action")))
        and any(fnmatchcase(resource, one) for one in listed(statement.get("Resource")))
        and "scheduler.amazonaws.com" in conditions
    )


def listed(value: Any) -> list[str]:
    """What a policy gives as one text or as a list of them."""
    return [value] if isinstance(value, str) else list(value or ())


def _function_state(what: str, answer: Mapping[str, Any]) -> FunctionState:
    told = dict((answer.get("Environment") or {}).get("Variables") or {})
    told.pop("REZ_ACTIONS", None)  # a file of the function's zip, which is not on this machine
    return FunctionState(
        what,
        answer["FunctionName"],
        answer["FunctionArn"],
        answer["Role"],
        int(answer["Timeout"]),
        answer.get("State", "Active"),
        answer.get("StateReason", ""),
        tuple(_environment_problems(told, FUNCTIONS[what])),
    )


def _environment_problems(told: Mapping[str, str], needs: frozenset[Need]) -> Iterator[str]:
    try:
        AwsSettings.from_environment(told, needs)
    except Invalid as error:
        yield from (problem.message for problem in error.problems)
