"""The OpenAPI document, the pages made of it, and the table of codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import rez_agent
from rez_agent.web.codes import CODES
from rez_agent.web.errors import status_of_name
from rez_agent.web.page.statics import url
from tests.web.client import Server

SOURCE = Path(rez_agent.__file__).parent
DOCS = SOURCE.parent.parent / "docs" / "reference"

SUCCESSES = {
    "list_calendars": [200],
    "create_calendar": [201],
    "get_calendar": [200],
    "replace_calendar": [200],
    "delete_calendar": [204],
    "list_calendar_days": [200],
    "list_alerts": [200],
    "get_alert": [200],
    "list_alert_rules": [200],
    "create_alert_rule": [201],
    "get_alert_rule": [200],
    "replace_alert_rule": [200],
    "patch_alert_rule": [200],
    "delete_alert_rule": [204],
    "test_alert_rule": [200, 202],
    "check_condition": [200],
    "list_templates": [200],
    "create_template": [201],
    "get_template": [200],
    "replace_template": [200],
    "delete_template": [204],
    "use_template": [201, 202],
    "preview_template": [200],
    "create_schedule": [201, 202],
    "list_schedules": [200],
    "preview_expression": [200],
    "preview_expression_by_query": [200],
    "test_schedule": [200, 202],
    "create_schedules": [207],
    "get_schedule": [200, 304],
    "replace_schedule": [200, 202],
    "patch_schedule": [200, 202],
    "delete_schedule": [202, 204],
    "show_consequences": [200],
    "pause_schedule": [200, 202],
    "resume_schedule": [200, 202],
    "run_schedule": [200, 202],
    "backfill_schedule": [200, 202],
    "list_schedule_executions": [200],
    "get_statistics": [200],
    "list_occurrences": [200],
    "list_schedule_changes": [200],
    "get_week": [200],
    "explain_schedule": [200],
    "list_executions": [200],
    "redrive_executions": [200, 202],
    "get_execution": [200],
    "retry_execution": [200, 202],
    "replay_execution": [200, 202],
    "cancel_execution": [200, 202],
    "get_message": [200],
    "create_key": [201],
    "list_keys": [200],
    "revoke_key": [204],
    "health": [200],
    "ready": [200],
    "metrics": [200],
    "openapi": [200],
    "docs": [200],
    "errors": [200],
}


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each operation with its method and path."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each media type of the request and the answers."""
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in operation["responses"].values():
        yield from response.get("content", {}).values()


def test_the_served_document_is_the_applications_own(server: Server) -> None:
    assert server("GET", "/openapi.json").document == server.schema
    assert server.schema["openapi"].startswith("3.1")
    assert server.schema["info"]["version"] == "test"


def test_every_operation_has_an_id_a_summary_a_tag_and_its_statuses(server: Server) -> None:
    found = {}
    for _, _, operation in operations(server.schema):
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["tags"]) == 1
        statuses = sorted(int(status) for status in operation["responses"])
        found[operation["operationId"]] = [status for status in statuses if status < 400]
        assert {500, 503} <= set(statuses)
    assert found == SUCCESSES


def test_every_body_has_an_example_that_fits_its_schema(server: Server) -> None:
    for _, path, operation in operations(server.schema):
        for media in contents(operation):
            schema = {**media["schema"], "components": server.schema["components"]}
            problems = list(Draft202012Validator(schema).iter_errors(media["example"]))
            assert not problems, (path, problems)


def test_every_schema_is_valid_and_every_reference_leads_somewhere(server: Server) -> None:
    for schema in server.schema["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in references(server.schema):
        here: Any = server.schema
        for step in reference.removeprefix("#/").split("/"):
            here = here[step]


def references(value: Any) -> Iterator[str]:
    """Every $ref in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_parameter_of_a_path_is_declared_and_no_name_stands_twice(server: Server) -> None:
    shared = server.schema["components"]["parameters"]
    for _, path, operation in operations(server.schema):
        told = [
            shared[parameter["$ref"].rpartition("/")[2]] if "$ref" in parameter else parameter
            for parameter in operation.get("parameters", [])
        ]
        names = [(parameter["in"], parameter["name"]) for parameter in told]
        assert len(names) == len(set(names))
        assert {name for where, name in names if where == "path"} == set(re.findall(r"{(\w+)}", path))


def test_every_key_route_documents_its_refusals(server: Server) -> None:
    for method, path, operation in operations(server.schema):
        statuses = set(operation["responses"])
        if operation.get("security") != []:
            assert {"401", "403", "429", "422"} <= statuses
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= statuses
        if "{" in path:
            assert "404" in statuses
        if method == "put" and path.startswith("/api/schedules/"):
            assert {"412", "428"} <= statuses


@pytest.mark.parametrize("path", ["/docs", "/errors"])
def test_a_page_loads_nothing_but_our_own_style(server: Server, path: str) -> None:
    answer = server("GET", path)

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = answer.body.decode()
    assert re.findall(r"<script|<link[^>]*>|src=|@import|url\(", page) == [
        f'<link rel="stylesheet" href="{url("docs.css")}">'
    ]


def test_the_page_of_codes_has_a_place_for_each(server: Server) -> None:
    page = server("GET", "/errors").body.decode()

    assert all(f"id='{code}'" in page for code in CODES)


def test_the_reference_has_the_same_codes_as_the_program() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", (DOCS / "errors.md").read_text(), re.MULTILINE)

    assert {code: (title, way_out) for code, title, way_out in rows} == {
        code: tuple(known) for code, known in CODES.items()
    }


def test_every_code_in_the_source_is_in_the_table() -> None:
    packages = ("domain", "usecases", "web", "actions")
    found = {
        code for package in packages for path in (SOURCE / package).rglob("*.py") for code in codes_in(path)
    }
    assert found - set(CODES) == set()


def codes_in(path: Path) -> Iterator[str]:
    """The codes of problems and errors that a module makes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", "")
        if (
            name in {"Problem", "_refuse", "_warning"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)
        if name in ERRORS:
            yield from (
                str(k.value.value)
                for k in node.keywords
                if k.arg == "code" and isinstance(k.value, ast.Constant)
            )


ERRORS = {"NotFound", "Conflict", "Invalid", "Malformed", "TooLarge", "Unsupported", "Forbidden", "Pending"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("NotFound", 404),
        ("RevisionConflict", 412),
        ("InvalidTimezone", 422),
        ("Conflict", 409),
        ("Nothing", 500),
    ],
)
def test_a_failed_message_names_the_class_that_its_status_follows_from(kind: str, status: int) -> None:
    assert status_of_name(kind) == status
