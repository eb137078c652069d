"""The story that everything else is for: a schedule is created, fires on time, and its history shows it."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Recorder

pytestmark = pytest.mark.e2e

LATE_AT_MOST = 0.5
"""The promise is half a second."""


def created(server: Program, definition: dict[str, Any]) -> str:
    """Create it and wait until it stands; the schedule's id."""
    answer = server.post("/api/schedules", definition, {"Prefer": "wait=10"})
    assert answer.status == 201, answer.body
    return str(answer.body["schedule_id"])


def history(server: Program, schedule_id: str) -> list[Any]:
    """Its executions, newest first."""
    return server.pages(f"/api/schedules/{schedule_id}/executions?limit=500")


def final(server: Program, schedule_id: str, number: int = 1) -> bool:
    """Whether ``number`` executions have ended."""
    return sum(e["status"] in ("succeeded", "failed") for e in history(server, schedule_id)) >= number


def test_a_schedule_created_by_rest_calls_its_target_on_time_and_its_history_shows_it(
    serve: Serve, target: Recorder
) -> None:
    server = serve()
    due = int(time.time()) + 3
    schedule_id = created(server, web_action("once", at(due), target.url("/hello")))

    eventually(lambda: final(server, schedule_id), 20, "the execution's end")

    (request,) = target.received()
    assert request.path == "/hello"
    (execution,) = history(server, schedule_id)
    assert execution["status"] == "succeeded"
    assert execution["id"] == request.key
    assert datetime.fromisoformat(execution["scheduled_time"]).timestamp() == due
    (attempt,) = execution["attempts"]
    assert (attempt["number"], attempt["response_status"]) == (1, 200)


def test_schedules_fire_within_half_a_second_and_never_early(serve: Serve, target: Recorder) -> None:
    server = serve()
    first = int(time.time()) + 3
    for due in range(first, first + 4):
        created(server, web_action(f"s{due}", at(due), target.url(f"/{due}")))

    eventually(lambda: len(target.received()) == 4, 20, "four requests")

    late = [request.at - int(request.path[1:]) for request in target.received()]
    assert min(late) >= 0
    assert min(late) <= LATE_AT_MOST, "the best of four: this machine may be busy"


def test_a_target_that_is_not_able_yet_is_called_again_with_the_same_key(
    serve: Serve, target: Recorder
) -> None:
    server = serve()
    retry = {"max_attempts": 3, "min_backoff_seconds": 0.1, "max_backoff_seconds": 0.5}
    definition = web_action("flaky", at(time.time() + 2), target.url("/fail/2/x"), policies={"retry": retry})
    schedule_id = created(server, definition)

    eventually(lambda: final(server, schedule_id), 20, "the execution's end")

    requests = target.received()
    assert len(requests) == 3
    assert len({request.key for request in requests}) == 1
    (execution,) = history(server, schedule_id)
    assert execution["status"] == "succeeded"
    assert [attempt["response_status"] for attempt in execution["attempts"]] == [503, 503, 200]


def test_what_fell_due_while_the_server_was_down_runs_when_it_is_back(serve: Serve, target: Recorder) -> None:
    server = serve()
    due = int(time.time()) + 3
    once = created(server, web_action("once", at(due), target.url("/once")))
    each_minute = created(server, web_action("rate", "rate(1 minute)", target.url("/rate")))
    eventually(lambda: final(server, each_minute), 20, "the first occurrence")
    assert server.terminate() == 0
    eventually(lambda: time.time() > due + 1, 10, "the due time")
    assert [request.path for request in target.received()] == ["/rate"]

    server.start()

    eventually(lambda: final(server, once), 20, "the catch-up")
    assert [request.path for request in target.received()] == ["/rate", "/once"]
    (execution,) = history(server, once)
    assert datetime.fromisoformat(execution["scheduled_time"]).timestamp() == due


def test_the_heartbeat_is_pinged_at_once_and_health_is_good(serve: Serve, target: Recorder) -> None:
    server = serve("--heartbeat", target.url("/beat"))

    eventually(lambda: [r.path for r in target.received()] == ["/beat"], 10, "a heartbeat")

    health = server.get("/healthz")
    assert (health.status, health.body["status"]) == (200, "ok")
    assert server.get("/readyz").status == 200


def test_a_second_server_on_the_same_data_is_refused_and_told_who_holds_it(
    serve: Serve, data_dir: Path
) -> None:
    server = serve()

    code, error = refused("--port", "0", "--data-dir", str(data_dir))

    assert code == 1
    assert f"in use by process {server.pid}" in error
    assert "--data-dir" in error
    assert server.get("/healthz").status == 200


def test_a_port_that_is_taken_is_refused_by_name(serve: Serve, tmp_path: Path) -> None:
    server = serve()

    code, error = refused("--port", str(server.port), "--data-dir", str(tmp_path / "other"))

    assert code == 1
    assert f"127.0.0.1:{server.port}" in error
    assert "--port" in error


def test_beyond_loopback_a_server_without_keys_refuses_to_start_and_says_how_to_make_one(
    data_dir: Path,
) -> None:
    code, error = refused("--host", "0.0.0.0", "--port", "0", "--data-dir", str(data_dir))

    assert code == 2
    assert "rez-agent keys create" in error


def refused(*options: str) -> tuple[int, str]:
    """Start a server that is to be refused: its exit code, and the line that says why."""
    command = [sys.executable, "-m", "rez_agent.cli.main", "serve", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return done.returncode, error
