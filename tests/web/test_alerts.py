"""Routes of alerting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.execution import Cause, ExecutionStatus
from rez_agent.usecases.alerting import look
from rez_agent.usecases.entries import asked_execution
from rez_agent.usecases.keys import Scope, create_key
from rez_agent.web.settings import WebSettings
from tests.web.client import Server, serving

RULES = "/api/alert-rules"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An open server, whose alerts go to the log."""
    with serving(tmp_path_factory.mktemp("data"), alert_channel="log") as over:
        yield over(WebSettings(open_access=True, alert_channel="log", version="test"))


def made(server: Server, **fields: Any) -> Any:
    answer = server("POST", RULES, {"name": "r", "kind": "consecutive_failures", **fields})
    assert answer.status == 201, answer.document
    return answer.document


def test_a_rule_is_made_read_changed_and_deleted(server: Server) -> None:
    answer = server("POST", RULES, {"name": "prod", "kind": "consecutive_failures", "channels": ["log"]})
    rule = answer.document
    assert answer.headers["location"] == f"{RULES}/{rule['id']}"
    assert (rule["failures"], rule["recovery"], rule["standing"]) == (3, True, False)
    assert "percent" not in rule
    assert server("GET", f"{RULES}/{rule['id']}").document == rule
    changed = {"name": "prod", "kind": "consecutive_failures", "failures": 5}
    assert server("PUT", f"{RULES}/{rule['id']}", changed).document["failures"] == 5
    assert server("DELETE", f"{RULES}/{rule['id']}").status == 204
    answer = server("GET", f"{RULES}/{rule['id']}")
    assert (answer.status, answer.code) == (404, "alert_rule_not_found")


def test_the_standing_rule_is_listed_first_and_can_be_changed(server: Server) -> None:
    listed = server("GET", RULES).document
    assert (listed["items"][0]["id"], listed["items"][0]["standing"]) == ("missed", True)
    changed = {"name": "Missed", "kind": "missed", "grace_seconds": 60}
    assert server("PUT", f"{RULES}/missed", changed).document["grace_seconds"] == 60
    assert server("DELETE", f"{RULES}/missed").status == 204
    answer = server("DELETE", f"{RULES}/missed")
    assert (answer.status, answer.code) == (409, "standing_rule")


def test_parts_of_a_rule_are_changed_at_the_revision_that_was_read(server: Server) -> None:
    rule = made(server, tag="prod", failures=5)
    path = f"{RULES}/{rule['id']}"
    read = server("GET", path)
    assert (read.headers["etag"], read.document["revision"]) == ('"1"', 1)
    changed = server("PATCH", path, {"enabled": False, "failures": None}, headers={"If-Match": '"1"'})
    assert (changed.headers["etag"], changed.document["revision"]) == ('"2"', 2)
    assert (changed.document["enabled"], changed.document["failures"]) == (False, 3)
    assert changed.document["tag"] == "prod"
    late = {"If-Match": '"1"'}
    whole = {"name": "r", "kind": "consecutive_failures"}
    for method, body in (("PATCH", {"enabled": True}), ("PUT", whole), ("DELETE", None)):
        answer = server(method, path, body, headers=late)
        assert (answer.status, answer.code) == (412, "revision_conflict")
    assert server("GET", path).document == changed.document
    assert server("PUT", path, whole, headers={"If-Match": '"2"'}).document["revision"] == 3
    assert server("DELETE", path, headers={"If-Match": '"3"'}).status == 204


@pytest.mark.parametrize(
    ("patch", "pointers"),
    [
        ({"kind": "missed"}, {"/kind"}),
        ({"kind": None}, {"/kind"}),
        ({"failures": "many", "name": None}, {"/failures", "/name"}),
        ({"percent": 5}, {""}),
        ({"tag": "x", "schedule_id": "sch_nothing"}, {""}),
        ({"channels": ["opps"]}, {"/channels/0"}),
        ({"colour": "red"}, {"/colour"}),
    ],
)
def test_a_patch_that_can_not_be_is_refused_and_changes_nothing(
    server: Server, patch: dict[str, Any], pointers: set[str]
) -> None:
    rule = made(server)
    answer = server("PATCH", f"{RULES}/{rule['id']}", patch)
    assert answer.status == 422
    assert {one["pointer"] for one in answer.document["errors"]} == pointers
    assert server("GET", f"{RULES}/{rule['id']}").document == rule


def test_the_standing_rule_is_patched_into_one_of_its_owners(server: Server) -> None:
    changed = server("PATCH", f"{RULES}/missed", {"grace_seconds": 90}, headers={"If-Match": '"1"'})
    assert (changed.document["grace_seconds"], changed.document["standing"]) == (90, False)
    assert changed.document["name"] == "Missed runs"
    assert server("DELETE", f"{RULES}/missed").status == 204


def test_all_that_is_wrong_with_a_rule_is_answered(server: Server) -> None:
    answer = server("POST", RULES, {"name": "r", "kind": "dead_letter", "channels": ["opps", "log"]})
    assert (answer.status, answer.code) == (422, "unknown_channel")
    assert answer.document["errors"][0]["pointer"] == "/channels/0"
    answer = server("POST", RULES, {"kind": "sometimes", "failures": 0})
    assert {one["pointer"] for one in answer.document["errors"]} == {"/name", "/kind", "/failures"}


def test_a_test_is_sent_and_answers_what_each_channel_said(server: Server) -> None:
    rule = made(server, channels=["log"])
    answer = server("POST", f"{RULES}/{rule['id']}/test")
    assert answer.status == 200
    alert = answer.document
    assert (alert["kind"], alert["open"], alert["rule_id"]) == (None, False, rule["id"])
    (notice,) = alert["notices"]
    assert (notice["channel"], notice["status"], notice["phase"]) == ("log", "sent", "test")
    assert server("GET", f"/api/alerts/{alert['id']}").document == alert


def test_the_standing_rule_is_tested_through_the_servers_own_channel(server: Server) -> None:
    answer = server("POST", f"{RULES}/missed/test", {})
    assert [one["channel"] for one in answer.document["notices"]] == ["log"]


def test_alerts_are_listed_by_schedule_kind_and_state(server: Server) -> None:
    made(server, kind="dead_letter", channels=["log"])
    schedule = server.made("broken", payload={"message": "x", "channel": "log"})
    server.wait(server.host.write(lambda ports: _fail(ports, schedule["id"])))
    server.wait(server.host.write(lambda ports: look(ports, ())))
    path = f"/api/alerts?schedule_id={schedule['id']}"
    (alert,) = server("GET", f"{path}&kind=dead_letter&open=true").document["items"]
    assert (alert["kind"], alert["affected"], alert["schedule_ids"]) == ("dead_letter", 1, [schedule["id"]])
    assert server("GET", f"{path}&kind=missed").document["items"] == []
    assert server("GET", f"{path}&open=false").document["items"] == []
    assert server("GET", "/api/alerts?schedule_id=sch_none").code == "schedule_not_found"
    assert server("GET", "/api/alerts?kind=never").status == 422
    assert server("GET", "/api/alerts/alert_none").code == "alert_not_found"


def _fail(ports: Any, schedule_id: str) -> None:
    """An execution of the schedule that failed for good a moment ago."""
    now = ports.clock.now()
    asked = asked_execution(ports.schedules.get(schedule_id), now, Cause.RUN, "msg_1", now=now)
    failed = {"status": ExecutionStatus.FAILED, "finished_at": now, "dead_letter": True, "started_at": now}
    ports.ledger.add([replace(asked, next_attempt_at=None, **failed)])
    sql = "INSERT INTO alert_facts (late, execution) SELECT 0, seq FROM executions WHERE id = ?"
    ports.connection.execute(sql, (asked.id,))


def test_a_key_of_another_owner_sees_nothing_of_it(tmp_path: Path) -> None:
    with serving(tmp_path) as over:
        server = over(WebSettings(open_access=True, version="test"))

        def key(name: str, scope: Scope) -> str:
            def create(ports: Any) -> Any:
                return create_key(ports, name=name, scope=scope, secret=name[0].encode() * 20)

            return str(server.wait(server.host.write(create))[1])

        ann, bob, root = key("ann", Scope.WRITE), key("bob", Scope.READ), key("root", Scope.ADMIN)
        rule = server(
            "POST", RULES, {"name": "r", "kind": "dead_letter", "channels": ["log"]}, key=ann
        ).document
        alert = server("POST", f"{RULES}/{rule['id']}/test", key=ann).document
        assert server("GET", f"{RULES}/{rule['id']}", key=bob).code == "alert_rule_not_found"
        assert server("GET", f"/api/alerts/{alert['id']}", key=bob).code == "alert_not_found"
        assert server("GET", "/api/alerts", key=bob).document["items"] == []
        assert server("POST", RULES, {"name": "r", "kind": "missed"}, key=bob).code == "forbidden"
        assert server("GET", "/api/alerts", key=root).document["items"] == [alert]
        assert {one["id"] for one in server("GET", RULES, key=root).document["items"]} == {
            "missed",
            rule["id"],
        }
