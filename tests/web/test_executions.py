"""Executions over REST: what became of things, and retry, cancel, redrive."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from rez_agent.ports import Ports
from tests.web.client import Server

WAIT = {"prefer": "wait=5"}


@pytest.fixture(scope="module")
def closed_port() -> int:
    """A port that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_to_the_end(server: Server, name: str, **changes: Any) -> dict[str, Any]:
    """A schedule's run, once it is final."""
    created = server.made(name, **changes)
    started = server("POST", f"/api/schedules/{created['id']}/run", headers=WAIT)
    return final(server, started.document["execution_id"])


def final(server: Server, execution_id: str) -> dict[str, Any]:
    """The execution once it is final."""
    return eventually(server, execution_id, lambda found: found["status"] not in {"queued", "running"})


def eventually(server: Server, execution_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The execution once it is so: each look takes its turn behind the writes before it."""
    for _ in range(5_000):
        server.wait(server.host.write(lambda ports: ports.clock.now()))
        found: dict[str, Any] = server("GET", f"/api/executions/{execution_id}").document
        if holds(found):
            return found
    raise AssertionError(f"it is still {found['status']}")


def calling(port: int) -> dict[str, Any]:
    """A web action that nobody answers, without a second try."""
    return {
        "target_type": "web_action",
        "payload": {"action": "http", "method": "GET", "url": f"http://127.0.0.1:{port}/"},
        "policies": {"retry": {"max_attempts": 0}},
    }


def test_an_execution_tells_its_attempts_and_its_times(server: Server) -> None:
    done = run_to_the_end(server, "succeeds")

    assert (done["status"], done["attempt_count"], done["dead_letter"]) == ("succeeded", 1, False)
    assert done["attempts"][0]["outcome"] == "succeeded"
    assert "response" in done["attempts"][0]
    assert done["lateness_ms"] >= 0
    assert done["duration_ms"] >= 0


def test_a_list_has_attempts_of_the_same_type_without_responses(server: Server) -> None:
    done = run_to_the_end(server, "listed")
    listed = server("GET", f"/api/schedules/{done['schedule_id']}/executions").document["items"]

    assert [item["id"] for item in listed] == [done["id"]]
    assert listed[0]["attempts"][0]["number"] == 1
    assert "response" not in listed[0]["attempts"][0]


def test_a_failed_execution_can_be_retried_and_redriven(server: Server, closed_port: int) -> None:
    failed = run_to_the_end(server, "fails", **calling(closed_port))
    assert (failed["status"], failed["dead_letter"]) == ("failed", True)

    again = server("POST", f"/api/executions/{failed['id']}/retry", headers=WAIT)
    assert (again.status, again.document["execution_id"]) == (200, failed["id"])
    assert final(server, failed["id"])["attempt_count"] == 2
    redriven = server("POST", "/api/executions/redrive", {"schedule_id": failed["schedule_id"]}, headers=WAIT)
    assert redriven.document["count"] == 1
    assert final(server, failed["id"])["attempt_count"] == 3


def test_what_has_succeeded_can_neither_be_retried_nor_cancelled(server: Server) -> None:
    done = run_to_the_end(server, "no retry")

    for verb, code in (("retry", "not_retryable"), ("cancel", "already_final")):
        judged = server("POST", f"/api/executions/{done['id']}/{verb}", headers=WAIT)
        assert (judged.status, judged.code) == (409, code)
        accepted = server("POST", f"/api/executions/{done['id']}/{verb}")
        message = server("GET", f"/api/messages/{accepted.document['message_id']}")
        assert message.document["status"] == "failed"
        assert message.document["errors"][0]["code"] == code


def test_a_queued_execution_is_cancelled_at_once(server: Server, closed_port: int) -> None:
    waiting = calling(closed_port) | {"policies": {"retry": {"max_attempts": 3, "min_backoff_seconds": 600}}}
    created = server.made("cancels", **waiting)
    execution = server("POST", f"/api/schedules/{created['id']}/run", headers=WAIT).document["execution_id"]
    eventually(server, execution, lambda found: found["attempt_count"] == 1 and found["status"] == "queued")
    cancelled = server("POST", f"/api/executions/{execution}/cancel", {"reason": "not today"}, headers=WAIT)

    assert cancelled.status == 200
    found = server("GET", f"/api/executions/{execution}").document
    assert (found["status"], found["reason"], found["detail"]) == ("cancelled", "cancelled", "not today")


def test_the_ledger_is_filtered_by_status_reason_and_time(server: Server) -> None:
    done = run_to_the_end(server, "filters")
    path = f"/api/executions?schedule_id={done['schedule_id']}"

    def ids(query: str) -> list[str]:
        return [item["id"] for item in server("GET", f"{path}&{query}").document["items"]]

    assert ids("status=succeeded") == [done["id"]]
    assert ids("status=failed") == []
    assert ids("reason=overlap") == []
    assert ids("dead_letter=false") == [done["id"]]
    assert ids(f"since={done['scheduled_time']}") == [done["id"]]
    assert ids(f"until={done['scheduled_time']}") == []


def test_the_history_of_a_deleted_schedule_can_still_be_read(server: Server) -> None:
    done = run_to_the_end(server, "gone")
    server("DELETE", f"/api/schedules/{done['schedule_id']}", headers=WAIT)

    listed = server("GET", f"/api/schedules/{done['schedule_id']}/executions")
    assert [item["id"] for item in listed.document["items"]] == [done["id"]]
    assert server("GET", f"/api/executions/{done['id']}").status == 200
    assert server("GET", "/api/schedules/sch_never/executions").code == "schedule_not_found"


def test_a_redrive_of_an_unknown_schedule_is_refused(server: Server) -> None:
    assert server("POST", "/api/executions/redrive", {"schedule_id": "sch_never"}).status == 404
    assert server("POST", "/api/executions/redrive", {"limit": 0}).status == 422


def test_a_read_sees_every_write_that_was_answered(server: Server) -> None:
    def count(ports: Ports) -> int:
        return ports.schedules.living("local")

    pattern = created_like(server)
    before = server.wait(server.host.read(count))
    server("POST", "/api/schedules", {**pattern, "name": "seen at once"})
    assert server.wait(server.host.read(count)) == before + 1


def created_like(server: Server) -> dict[str, Any]:
    """A definition as a schedule's answer holds it."""
    made = server.made("pattern")
    return {name: made[name] for name in ("schedule_expression", "timezone", "target_type", "payload")}


def test_an_execution_can_be_replayed_with_its_own_payload_or_another(server: Server) -> None:
    done = run_to_the_end(server, "replayed")
    again = server("POST", f"/api/executions/{done['id']}/replay", headers=WAIT)
    assert again.status == 200
    assert again.headers["location"] == f"/api/executions/{again.document['execution_id']}"
    found = final(server, again.document["execution_id"])
    assert (found["status"], found["cause"], found["replay_of"]) == ("succeeded", "replay", done["id"])
    assert found["scheduled_time"] == done["scheduled_time"]

    edited = server(
        "POST", f"/api/executions/{done['id']}/replay", {"payload": {"message": "again"}}, headers=WAIT
    )
    assert final(server, edited.document["execution_id"])["status"] == "succeeded"
    refused = server("POST", f"/api/executions/{done['id']}/replay", {"payload": {}}, headers=WAIT)
    assert (refused.status, refused.document["errors"][0]["pointer"]) == (422, "/payload/message")
    assert server("POST", "/api/executions/sch_0_20260101T000000Z/replay").status == 404


def test_a_schedule_tells_how_it_fares(server: Server, closed_port: int) -> None:
    done = run_to_the_end(server, "fares", **calling(closed_port))
    path = f"/api/schedules/{done['schedule_id']}/statistics"
    found = server("GET", path).document
    assert (found["executions"], found["success_rate"], found["more"]) == (1, 0.0, False)
    assert (found["by_status"]["failed"], found["by_status"]["succeeded"]) == (1, 0)
    assert found["duration_ms"]["p95"] == done["duration_ms"]
    assert (found["since"], found["until"]) == (done["scheduled_time"], done["scheduled_time"])
    assert found["lateness_ms"] is None  # it was asked for, so it was never due

    assert server("GET", f"{path}?until=2020-01-01T00:00:00Z").document["executions"] == 0
    assert server("GET", f"{path}?limit=1001").status == 422
    assert server("GET", "/api/schedules/sch_0/statistics").status == 404
