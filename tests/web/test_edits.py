"""What an edit would come to, and test runs, over REST."""

from __future__ import annotations

from typing import Any

from tests.web.client import Server, definition

WAIT = {"prefer": "wait=10"}


def test_the_consequences_of_a_patch_are_told_and_nothing_changes(server: Server) -> None:
    made = server.made("consequences")
    path = f"/api/schedules/{made['id']}"
    answer = server("POST", f"{path}/consequences", {"patch": {"schedule_expression": "cron(30 7 * * ? *)"}})
    assert answer.status == 200
    assert answer.headers["etag"] == '"1"'
    told = answer.document
    assert told["changes"] == [
        {"path": "/schedule_expression", "before": "cron(30 6 * * ? *)", "after": "cron(30 7 * * ? *)"}
    ]
    assert told["gained"] + told["lost"] == len(told["occurrences"])
    assert {item["fate"] for item in told["occurrences"]} == {"gained", "lost"}
    assert server("GET", path).document["revision"] == 1


def test_consequences_need_one_change_and_the_present_revision(server: Server) -> None:
    made = server.made("consequences refused")
    path = f"/api/schedules/{made['id']}/consequences"
    assert server("POST", path, {}).status == 422
    assert server("POST", path, {"patch": {}, "schedule": definition("x")}).status == 422
    assert server("POST", path, {"patch": {}}, headers={"if-match": '"7"'}).status == 412
    refused = server("POST", path, {"patch": {"timezone": "Europe/Pariss"}})
    assert refused.document["errors"][0]["pointer"] == "/timezone"


def final(server: Server, execution_id: str) -> Any:
    """The execution once it is final."""
    while True:
        document = server("GET", f"/api/executions/{execution_id}").document
        if document["status"] not in ("queued", "running"):
            return document


def test_a_test_run_answers_its_execution_and_leaves_nothing_that_lives(server: Server) -> None:
    answer = server("POST", "/api/schedules/test", definition("tried"), headers=WAIT)
    assert answer.status == 200
    execution = final(server, answer.document["execution_id"])
    assert (execution["status"], execution["cause"]) == ("succeeded", "test")
    assert server("GET", "/api/schedules?name_prefix=Test of tried").document["total"] == 0
    (left,) = server("GET", "/api/schedules?status=deleted&tag=test-run").document["items"]
    assert left["name"].startswith("Test of tried ")


def test_a_test_run_needs_a_target_that_can_be_called(server: Server) -> None:
    refused = server("POST", "/api/schedules/test", {"target_type": "web_action", "payload": {}})
    assert refused.status == 422
    assert refused.document["errors"][0]["pointer"] == "/payload/action"
    assert server("POST", "/api/schedules/test", {"payload": {}}).status == 422
