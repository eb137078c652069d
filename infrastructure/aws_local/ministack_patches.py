"""What is mended in ministack, each patch with what was wrong. Written for version 1.5.33, which is pinned.

Nothing but this and ``ministack_iam`` touches ministack's private names, or imports it at all. It reads the
environment when imported: see ``emulator``.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway, dynamodb, lambda_svc, scheduler, sns
from ministack.services.cloudformation import provisioners

from infrastructure.aws_local import scheduler_api
from infrastructure.aws_local.asynchronous import AsynchronousInvocations, Invocation
from infrastructure.aws_local.eventbridge import Document
from infrastructure.aws_local.firing import Scheduler, World
from infrastructure.aws_local.ministack_iam import Judge, Roles, role_trusts

_FUNCTIONS_AT_A_TIME = 8
"""Asynchronous invocations of one function that run at a time: each is a process."""
_STOP_SECONDS = 3.0
"""How long an invocation that is being started may keep the emulator from stopping."""
_RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six")
"""What a Python runtime of Lambda brings besides the standard library."""
_OURS = ("AUTH", "BIND_HOST", "GATEWAY_PORT", "IOT_MTLS_ENABLED", "LOG_LEVEL", "SFTP_ENABLED")
"""Variables that configure ministack, and are no function's business."""

_SINGLE = {
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
"""The actions that batches are authorized by (Service Authorization Reference)."""

_Answer = tuple[int, dict[str, str], bytes]
_Act = Callable[[str, dict[str, Any]], _Answer]


def apply(home: Path, api_url: str, record: Path | None, *, firing: bool) -> Callable[[], None]:
    """Mend ministack in this process; what to call at the end.

    ``home`` is a directory for what the mending needs; ``api_url`` is where :func:`http_api` is served;
    ``record``, where IAM is enforced, gets a line of JSON for each principal, action and resource judged.
    """
    judge = Judge(iam_evaluator.enforce, record)
    iam_evaluator.enforce = judge.enforce
    _authorize_batches()
    _stand_for_tls()
    engine = _replace_the_ticker(firing=firing)
    _validate_schedules(judge)
    _page_the_list_of_schedules()
    _name_the_schedule_group()
    _provision_whole_schedules()
    _provision_time_to_live()
    _provision_reachable_apis(api_url)
    invocations = _invoke_asynchronously()
    _bare_interpreter(home)

    def stop() -> None:
        engine.stop()
        invocations.stop()
        _end_functions()
        invocations.join(_STOP_SECONDS)
        _end_functions()  # what was just being started

    return stop


def application() -> Any:
    """ministack's ASGI application."""
    return app.app


def http_api() -> str | None:
    """The id of the first HTTP API there is, if any."""
    return next((found["apiId"] for found in apigateway._apis._data.values()), None)


# IAM


def _authorize_batches() -> None:
    """A batch was a right of its own. On AWS, who may do a thing may do ten of it at once."""
    original = iam_actions.extract_iam_action

    def single(*request: Any, **named: Any) -> str | None:
        action: str | None = original(*request, **named)
        return _SINGLE.get(action, action) if action else None

    iam_actions.extract_iam_action = single


def _stand_for_tls() -> None:
    """A bucket's policy that wants TLS refused every request. Here plain HTTP on loopback stands for it."""
    original = app.pin_request_origin
    app.pin_request_origin = lambda address, _: original(address, secure_transport=True)


# EventBridge Scheduler


def _replace_the_ticker(*, firing: bool) -> Scheduler:
    """ministack's looks every ten seconds, knows no time zone, and never fires again after an update."""
    roles = Roles(f"http://{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}")
    engine = Scheduler(World(_documents, roles.client, _delete_unless_changed))
    scheduler.start_scheduler = engine.start if firing else lambda: None
    return engine


def _documents() -> list[Document]:
    return list(scheduler._schedules._data.values())


def _delete_unless_changed(document: Document) -> None:
    _, _, _, region, account, resource = document["Arn"].split(":", 5)
    key = (account, region, resource.removeprefix("schedule/"))
    if scheduler._schedules._data.get(key) is document:  # an update puts a new document in its place
        del scheduler._schedules._data[key]


def _validate_schedules(judge: Judge) -> None:
    """Any expression, zone, window or role passed, whoever passed it, and a client token meant nothing."""
    tokens = _ClientTokens()
    create, update, delete = (
        scheduler._create_schedule,
        scheduler._update_schedule,
        scheduler._delete_schedule,
    )
    scheduler._create_schedule = tokens.heeded("create", _validated(create, judge))
    scheduler._update_schedule = tokens.heeded("update", _validated(update, judge))
    scheduler._delete_schedule = tokens.heeded("delete", delete)


def _validated(act: _Act, judge: Judge) -> _Act:
    def acted(name: str, request: dict[str, Any]) -> _Answer:
        fault = scheduler_api.refusal(name, request, datetime.now(UTC)) or _role_fault(request, judge)
        return _refused(fault) if fault else act(name, request)

    return acted


def _role_fault(request: Mapping[str, Any], judge: Judge) -> scheduler_api.Refusal | None:
    role = (request.get("Target") or {}).get("RoleArn") or ""
    if not judge.may_pass(role, scheduler_api.SCHEDULER):
        return scheduler_api.may_not_pass(iam_evaluator.caller_arn(), role)
    group = scheduler._group_arn(request.get("GroupName") or "default")
    return None if role_trusts(role, get_account_id(), group) else scheduler_api.UNTRUSTED


class _ClientTokens:
    """Requests by their client token: the same one again has the same answer and no second effect."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], tuple[str, _Answer]] = {}

    def heeded(self, operation: str, act: _Act) -> _Act:
        """``act``, done once for each client token."""

        def acted(name: str, request: dict[str, Any]) -> _Answer:
            token = request.get("ClientToken") or request.get("clientToken")
            if token is None:
                return act(name, request)
            key = (get_account_id(), get_region(), token)
            said = json.dumps([operation, name, request], sort_keys=True)
            known, answer = self._seen.get(key, (said, None))
            if known != said:
                return _refused(scheduler_api.token_taken(token))
            if answer is None:
                answer = act(name, request)
                if answer[0] == HTTPStatus.OK:
                    self._seen[key] = (said, answer)
            return answer

        return acted


def _refused(fault: scheduler_api.Refusal) -> _Answer:
    answer: _Answer = scheduler._error(fault.status, fault.code, fault.message)
    return answer


def _page_the_list_of_schedules() -> None:
    """It gave the first of them and no way to the others."""
    original = scheduler._list_schedules

    def paged(query: dict[str, Any]) -> _Answer:
        _, _, body = original({**query, "MaxResults": sys.maxsize})
        found = sorted(json.loads(body)["Schedules"], key=lambda item: item["Arn"])
        after = base64.urlsafe_b64decode(query.get("NextToken", "")).decode()
        rest = [item for item in found if item["Arn"] > after]
        page = rest[: int(query.get("MaxResults", 100))]
        answer: dict[str, Any] = {"Schedules": page}
        if len(page) < len(rest):
            answer["NextToken"] = base64.urlsafe_b64encode(page[-1]["Arn"].encode()).decode()
        whole: _Answer = scheduler._json_resp(HTTPStatus.OK, answer)
        return whole

    scheduler._list_schedules = paged


def _name_the_schedule_group() -> None:
    """IAM saw every schedule in the group ``default``, so a policy on the stage's group allowed nothing."""
    original = iam_actions.extract_resource_arn

    def with_group(service: str, *request: Any, **named: Any) -> str:
        arn: str = original(service, *request, **named)
        if service != "scheduler" or ":schedule/default/" not in arn:
            return arn
        _, _, _, body, query, *_ = request
        group = iam_actions._safe_json_field(body, "GroupName") or query.get("groupName") or "default"
        group = group[0] if isinstance(group, list) else group
        return arn.replace(":schedule/default/", f":schedule/{group}/")

    iam_actions.extract_resource_arn = with_group


# CloudFormation


def _provision_whole_schedules() -> None:
    """A stack's schedule lost its zone, its dates and its fate, and what the API refused passed for made."""

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=64)
        dates = {
            key: datetime.fromisoformat(properties[key]).timestamp()
            for key in ("StartDate", "EndDate")
            if properties.get(key)
        }
        status, _, body = scheduler._create_schedule(name, {"State": "ENABLED", **properties, **dates})
        if status != HTTPStatus.OK:
            raise ValueError(json.loads(body)["Message"])
        return name, {"Arn": json.loads(body)["ScheduleArn"]}

    provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]["create"] = create


def _provision_time_to_live() -> None:
    """A stack's tables had neither their time to live nor their point-in-time recovery."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    original = handlers["create"]

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        made = original(logical_id, properties, stack)
        for key, update in (
            ("TimeToLiveSpecification", dynamodb._update_ttl),
            ("PointInTimeRecoverySpecification", dynamodb._update_continuous_backups),
        ):
            if properties.get(key):
                update({"TableName": made[0], key: properties[key]})
        return made

    handlers["create"] = create


def _provision_reachable_apis(api_url: str) -> None:
    """A stack's HTTP API had a URL with a host name that no resolver knows."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    original = handlers["create"]

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        identity, attributes = original(logical_id, properties, stack)
        if identity != http_api():
            return identity, attributes
        apigateway._apis[identity]["apiEndpoint"] = api_url
        return identity, {**attributes, "ApiEndpoint": api_url}

    handlers["create"] = create


# Lambda


def _invoke_asynchronously() -> AsynchronousInvocations:
    """A topic invoked a function once, and what failed was lost; a burst started a process for each event."""
    queue = AsynchronousInvocations(_FUNCTIONS_AT_A_TIME)

    def invoke(function: dict[str, Any], event: Any) -> None:
        queue.submit(_invocation(function, event))

    class Invoking:
        """Lambda as a topic is to see it."""

        def __getattr__(self, name: str) -> Any:
            return invoke if name == "_execute_function_with_config_scope" else getattr(lambda_svc, name)

    lambda_svc.invoke_async_with_retry = invoke
    sns._lambda_svc = Invoking()
    return queue


def _invocation(function: dict[str, Any], event: Any) -> Invocation:
    configuration = function.get("config") or function
    by_qualifier = function.get("event_invoke_configs") or {}
    rules = function.get("event_invoke_config") or by_qualifier.get("$LATEST") or {}
    on_failure = (rules.get("DestinationConfig") or {}).get("OnFailure") or {}
    dead_letters = configuration.get("DeadLetterConfig") or {}
    destination = on_failure.get("Destination") or dead_letters.get("TargetArn")
    name = configuration["FunctionName"]
    retries = rules.get("MaximumRetryAttempts")

    def give_up(result: Any) -> None:
        if destination:
            lambda_svc._run_with_function_config_scope(
                configuration, lambda_svc._route_async_failure, destination, name, event, result
            )

    return Invocation(
        name,
        lambda: lambda_svc._execute_function_with_config_scope(function, event),
        give_up,
        2 if retries is None else int(retries),
        float(rules.get("MaximumEventAgeInSeconds") or 21_600),
    )


def _end_functions() -> None:
    """A function's process was left to notice that its input had ended, and a new one began meanwhile."""

    def refuse(worker: Any) -> None:
        raise RuntimeError(f"stopping: {worker.func_name} is not started")

    lambda_runtime.Worker._spawn = refuse
    lambda_runtime.reset()


def _bare_interpreter(home: Path) -> None:
    """Functions ran with ministack's own packages on their path, so one missing from a zip was not missed.

    Here they see the standard library, what a runtime of Lambda brings, and their zip. The version of Python
    is still this process's own, whatever the runtime's name says.
    """
    packages = home / "runtime"
    packages.mkdir()
    for name in _RUNTIME_PACKAGES:
        spec = find_spec(name)
        origin = Path((spec and spec.origin) or "")
        found = origin.parent if origin.name == "__init__.py" else origin
        (packages / found.name).symlink_to(found)
    script = home / "python"
    script.write_text(
        "#!/bin/sh\n"
        f"unset {' '.join(_OURS)}\n"
        f'PYTHONPATH={shlex.quote(str(packages))} exec {shlex.quote(sys.executable)} -B -S -s "$@"\n'
    )
    script.chmod(0o700)
    original = lambda_runtime._detect_runtime_binary

    def detect(runtime: str) -> tuple[str, str]:
        binary, worker = original(runtime)
        return (str(script) if runtime.startswith("python") else binary), worker

    lambda_runtime._detect_runtime_binary = detect
