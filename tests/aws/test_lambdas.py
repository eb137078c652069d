"""The functions: what each makes of the event documents that AWS sends it."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest

from rez_agent.aws.lambdas.sweep import swept
from rez_agent.aws.lambdas.webapi import gateway
from rez_agent.aws.settings import AwsSettings
from rez_agent.aws.tables import TABLES
from rez_agent.domain.calendar_definition import CalendarDefinition, Found
from rez_agent.domain.errors import Malformed
from rez_agent.domain.schedule import TargetType
from rez_agent.usecases.calendars import calendar_named, create_calendar
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.keys import SECRET_BYTES, Scope, create_key
from tests.aws.events import Context, batch, firing, request
from tests.aws.serving import Serving, notification, parts, serving
from tests.aws.stage import WORK, Stage, endpoint

SCHEDULE = {
    "name": "report",
    "schedule_expression": "cron(0 6 * * ? *)",
    "target_type": "web_action",
    "payload": {"action": "http", "url": "https://example.com/"},
}
CALL = """
import json, sys
from tests.aws.events import Context
from rez_agent.aws.lambdas import {name}
print(json.dumps({{"answer": {name}.handler(json.load(sys.stdin), Context())}}))
"""


@pytest.fixture
def served() -> Iterator[Serving]:
    with serving() as made:
        yield made


class Api:
    """The web API behind its gateway."""

    def __init__(self, served: Serving, **changes: Any) -> None:
        settings = replace(served.built.settings, keyless=True)
        self._handler = gateway(served.host, replace(settings, **changes))

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """The answer to a request, as API Gateway is given it."""
        event = request(method, path, body, **options)
        return dict(self._handler(event, Context()))  # type: ignore[arg-type]


def document(answer: dict[str, Any]) -> Any:
    """The answer's JSON. It goes as it is, not in base 64."""
    assert answer["isBase64Encoded"] is False
    return json.loads(answer["body"])


# --- the web API ---


def test_the_page_is_served_behind_the_gateway_as_text_with_cookies_for_https_alone(served: Serving) -> None:
    api = Api(served)
    shown = api.ask("GET", "/schedules", headers={"accept": "text/html"})
    assert (shown["statusCode"], shown["isBase64Encoded"]) == (200, False)
    assert shown["body"].startswith("<!doctype html>")
    (cookie,) = shown["cookies"]
    assert cookie.startswith("rez_visitor=")
    assert "; secure" in cookie.lower()
    for name in ("page.css", "page.js", "icon.svg"):
        found = re.search(rf'"(/static/[^"]+/{name})"', shown["body"])
        assert found
        file = api.ask("GET", found[1])
        assert (file["statusCode"], file["isBase64Encoded"]) == (200, False)
        packed = api.ask("GET", found[1], headers={"accept-encoding": "gzip, br"})
        assert (packed["isBase64Encoded"], packed["headers"]["content-encoding"]) == (True, "gzip")
        assert gzip.decompress(b64decode(packed["body"])).decode() == file["body"]


def test_a_form_of_the_page_arrives_through_the_gateway(served: Serving) -> None:
    api = Api(served)
    shown = api.ask("GET", "/schedules", headers={"accept": "text/html"})
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', shown["body"])
    assert token
    headers = {
        "cookie": shown["cookies"][0].partition(";")[0],
        "content-type": "application/x-www-form-urlencoded",
        "origin": f"https://{request('GET', '/')['headers']['host']}",
        "sec-fetch-site": "same-origin",
    }
    made = api.ask("POST", "/schedules/first", f"csrf={token[1]}", headers=headers, in_base_64=True)
    assert made["statusCode"] == 303
    listed = api.ask("GET", "/schedules", headers={"accept": "text/html"})
    assert "heartbeat" in listed["body"]


def test_a_schedule_is_accepted_and_then_read(served: Serving) -> None:
    api = Api(served)
    accepted = api.ask("POST", "/api/schedules", SCHEDULE, headers={"Prefer": "wait=10"})
    assert accepted["statusCode"] == 201
    schedule_id = document(accepted)["schedule_id"]
    found = api.ask("GET", f"/api/schedules/{schedule_id}")
    assert (found["statusCode"], document(found)["name"]) == (200, "report")
    assert document(found)["created_by"] == "local"


def test_without_a_wait_a_command_is_accepted_at_once(served: Serving) -> None:
    accepted = Api(served).ask("POST", "/api/schedules", SCHEDULE)
    assert accepted["statusCode"] == 202
    assert accepted["headers"]["location"] == f"/api/schedules/{document(accepted)['schedule_id']}"


def test_what_is_wrong_is_answered_as_problems(served: Serving) -> None:
    refused = Api(served).ask("POST", "/api/schedules", {**SCHEDULE, "timezone": "Mars/Olympus", "x": 1})
    assert refused["statusCode"] == 422
    assert refused["headers"]["content-type"].startswith("application/problem+json")
    assert {problem["pointer"] for problem in document(refused)["errors"]} == {"/timezone", "/x"}


def test_a_body_in_base_64_and_a_query_are_read(served: Serving) -> None:
    api = Api(served)
    wait = {"Prefer": "wait=10"}
    assert api.ask("POST", "/api/schedules", SCHEDULE, headers=wait, in_base_64=True)["statusCode"] == 201
    listed = api.ask("GET", "/api/schedules", query="name=report&limit=5")
    assert [each["name"] for each in document(listed)["items"]] == ["report"]


def test_other_methods_and_paths_are_refused_as_everywhere(served: Serving) -> None:
    api = Api(served)
    assert api.ask("GET", "/nowhere")["statusCode"] == 404
    assert api.ask("PUT", "/api/schedules")["statusCode"] == 405


def test_an_empty_id_names_nothing(served: Serving) -> None:
    api = Api(served)
    assert api.ask("GET", "/api/executions", query="schedule_id=")["statusCode"] == 404
    assert api.ask("POST", "/api/executions/redrive", {"schedule_id": ""})["statusCode"] == 404


def test_health_needs_no_key_and_makes_no_call(served: Serving) -> None:
    answer = Api(served, keyless=False).ask("GET", "/healthz")
    assert (answer["statusCode"], document(answer)["status"]) == (200, "ok")


def test_with_keys_a_request_needs_one(served: Serving) -> None:
    api = Api(served, keyless=False)
    assert api.ask("GET", "/api/schedules")["statusCode"] == 401
    _, token = served.built.store.write(
        lambda ports: create_key(ports, name="ann", scope=Scope.READ, secret=bytes(SECRET_BYTES))
    )
    told = {"Authorization": f"Bearer {token}"}
    assert api.ask("GET", "/api/schedules", headers=told)["statusCode"] == 200
    assert api.ask("POST", "/api/schedules", SCHEDULE, headers=told)["statusCode"] == 403


def test_a_keyless_server_asks_for_none_though_there_are_some(served: Serving) -> None:
    served.built.store.write(
        lambda ports: create_key(ports, name="ann", scope=Scope.READ, secret=bytes(SECRET_BYTES))
    )
    answer = Api(served).ask("GET", "/api/schedules", headers={"Origin": "https://elsewhere.example"})
    assert answer["statusCode"] == 200


def test_a_batch_is_accepted_in_parts_that_a_transaction_holds(served: Serving) -> None:
    many = [{**SCHEDULE, "name": f"report-{number}"} for number in range(50)]
    headers = {"Idempotency-Key": "one", "Prefer": "wait=15"}
    answer = Api(served).ask("POST", "/api/schedules/batch", {"schedules": many}, headers=headers)
    assert answer["statusCode"] == 207
    assert {item["status"] for item in document(answer)["items"]} == {201}


# --- the sweep ---


def test_the_sweep_does_what_it_is_asked_for() -> None:
    built = parts(Stage())
    built.clients.scheduler.create_schedule_group(Name=built.settings.schedule_group)
    assert set(swept(built, {"sweep": "minute"}, Context()).values()) == {0}
    assert swept(built, {"sweep": "reconcile"}, Context(900))["pages"] == 1


def test_the_hourly_sweep_learns_the_holidays_of_years_to_come() -> None:
    built = parts(Stage())
    built.clients.scheduler.create_schedule_group(Name=built.settings.schedule_group)
    owner = Caller("ann")
    for name, country in (("lost", "ZZ"), ("at", "AT")):
        definition = CalendarDefinition.model_validate({"source": {"kind": "holidays", "country": country}})
        found = Found({}, None, date(2025, 12, 31))
        built.store.write(
            partial(create_calendar, caller=owner, name=name, definition=definition, found=found)
        )
    assert swept(built, {"sweep": "reconcile"}, Context(9))["calendars"] == 0
    assert swept(built, {"sweep": "reconcile"}, Context(900))["calendars"] == 1
    kept = built.store.read(lambda ports: calendar_named(ports, "at"))
    assert kept.known_until is not None
    assert kept.known_until >= date(2036, 12, 31)
    assert kept.found[date(2026, 10, 26)]


@pytest.mark.parametrize("event", [None, {}, {"sweep": "hour"}, {"sweep": ["minute"]}, "minute"])
def test_the_sweep_refuses_anything_else(event: Any) -> None:
    with pytest.raises(Malformed) as refused:
        swept(parts(Stage()), event, Context())
    assert refused.value.code == "unknown_event"


# --- each as Lambda runs it: by its handler's name, told by its environment ---


def environment(settings: AwsSettings) -> dict[str, str]:
    """What the stack tells every function."""
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME")},
        **endpoint().environment(),
        "AWS_LAMBDA_FUNCTION_NAME": "rez-agent-test",
        "STAGE": settings.stage,
        **{f"{table.what.upper()}_TABLE_NAME": settings.tables[table.what] for table in TABLES},
        "BLOBS_BUCKET_NAME": settings.blobs_bucket,
        "SECRETS_PREFIX": settings.secrets_prefix,
        "SCHEDULE_CREATION_TOPIC_ARN": settings.schedule_creation_topic,
        **{f"{_upper(kind)}_TOPIC_ARN": settings.topics[kind] for kind in TargetType},
        **{f"{_upper(kind)}_QUEUE_URL": settings.queues[kind] for kind in TargetType},
        "SCHEDULE_GROUP_NAME": settings.schedule_group,
        "SCHEDULER_FUNCTION_ARN": settings.scheduler_function,
        "SCHEDULER_DEAD_LETTER_QUEUE_ARN": settings.scheduler_dead_letters,
        "EVENTBRIDGE_EXECUTION_ROLE_ARN": settings.execution_role,
        "REZ_AUTH": "none",
    }


def _upper(kind: TargetType) -> str:
    return WORK[kind].upper().replace("-", "_")


def invoke(
    name: str, event: Any, told: dict[str, str], *, fails: bool = False
) -> tuple[Any, list[dict[str, Any]]]:
    """What the handler answers, and the lines of its log."""
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(name=name)],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        env=told,
        check=False,
        timeout=60,
    )
    assert bool(done.returncode) == fails, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    answers = [line.pop("answer") for line in lines if "answer" in line]
    return (answers[0] if answers else done.stderr), [line for line in lines if line]


def counted(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The metrics in a log."""
    return {
        metric["Name"]: line[metric["Name"]]
        for line in lines
        if "_aws" in line
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }


def test_every_function_runs_by_its_handler_and_its_environment() -> None:
    stage = Stage()
    built = parts(stage)
    built.clients.scheduler.create_schedule_group(Name=stage.settings.schedule_group)
    told = environment(stage.settings)

    answer, lines = invoke("webapi", request("POST", "/api/schedules", SCHEDULE), told)
    assert counted(lines)["rez_http_requests"] == [1.0]
    schedule_id = document(answer)["schedule_id"]
    (command,) = stage.received("schedule-creation")

    _, lines = invoke("scheduler", notification(command), told)
    (applied,) = [line for line in lines if line.get("message") == "command_applied"]
    assert (applied["schedule_id"], applied["cold_start"]) == (schedule_id, True)
    assert applied["function_request_id"] == Context().aws_request_id
    assert counted(lines)["rez_commands"] == [1.0]

    invoke("scheduler", firing(schedule_id, "2026-06-01T06:00:00Z"), told)
    answer, lines = invoke("processor", batch("poison"), told)
    assert len(answer["batchItemFailures"]) == 1
    assert counted(lines)["rez_records_failed"] == [1.0]

    answer, lines = invoke("sweep", {"sweep": "minute"}, told)
    assert answer["commands"] == 0
    assert counted(lines)["rez_queue_depth"] == [0.0]


@pytest.mark.parametrize("name", ["scheduler", "processor", "sweep"])
def test_an_event_that_cannot_be_read_fails_the_function_with_its_code(name: str) -> None:
    stage = Stage()
    _, lines = invoke(name, {"detail-type": "Scheduled Event"}, environment(stage.settings), fails=True)
    (failure,) = [line for line in lines if line.get("message") == "invocation_failed"]
    assert (failure["level"], failure["code"]) == ("ERROR", "unknown_event")
    assert counted(lines)["rez_invocations_failed"] == [1.0]


@pytest.mark.parametrize("name", ["scheduler", "processor", "sweep", "webapi"])
def test_a_function_that_is_told_too_little_says_all_that_it_lacks(name: str) -> None:
    told = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_NAME": "x", "STAGE": "dev", "LEDGER_DAYS": "x"}
    error, _ = invoke(name, {}, told, fails=True)
    assert "SCHEDULES_TABLE_NAME is not set." in error
    assert "RECORDS_TABLE_NAME is not set." in error
    assert "LEDGER_DAYS is 'x': it must be a whole number" in error


def test_a_function_is_imported_without_any_environment() -> None:
    names = ("scheduler", "webapi", "processor", "sweep")
    code = "import " + ", ".join(f"rez_agent.aws.lambdas.{name}" for name in names)
    subprocess.run([sys.executable, "-c", code], env={}, check=True, timeout=60)
