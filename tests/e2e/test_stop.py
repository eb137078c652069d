"""Stopped with SIGTERM: what is under way finishes or goes back, and nothing is lost."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Recorder

pytestmark = pytest.mark.e2e

GRACE_SECONDS = 10.0
"""What running actions get to end in."""


def create_all(server: Program, target: Recorder, path: str, number: int) -> None:
    """Create ``number`` schedules, due at once after they stand."""
    due = time.time() + 3
    schedules = [web_action(f"s{n}", at(due), target.url(f"{path}/{n}")) for n in range(number)]
    answer = server.post("/api/schedules/batch", {"schedules": schedules})
    assert answer.body["refused"] == 0


def statuses(server: Program) -> Counter[str]:
    """How many executions are in which state."""
    return Counter(execution["status"] for execution in server.pages("/api/executions?limit=500"))


def test_what_is_under_way_finishes_before_the_server_ends(serve: Serve, target: Recorder) -> None:
    server = serve()
    create_all(server, target, "/slow/1.5", 30)
    eventually(lambda: len(target.received()) == 30, 20, "all requests under way")

    begun = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - begun < GRACE_SECONDS

    server.start()
    assert statuses(server) == {"succeeded": 30}
    assert len(target.received()) == 30


def test_what_cannot_finish_in_time_goes_back_and_runs_again_with_the_same_key(
    serve: Serve, target: Recorder
) -> None:
    server = serve()
    create_all(server, target, "/slow/14", 5)
    eventually(lambda: len(target.received()) == 5, 20, "five requests under way")

    begun = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - begun < GRACE_SECONDS + 8

    server.start()
    eventually(lambda: len(target.received()) == 10, 20, "five requests again")
    times = Counter(request.key for request in target.received())
    assert list(times.values()) == [2] * 5
    assert statuses(server) == {"running": 5}


def test_a_burst_that_is_cut_off_by_a_stop_is_finished_after_the_start(
    serve: Serve, target: Recorder
) -> None:
    server = serve()
    create_all(server, target, "/quick", 1_000)
    eventually(lambda: len(target.received()) > 100, 20, "the burst to begin")

    assert server.terminate() == 0
    server.start()

    eventually(lambda: statuses(server) == {"succeeded": 1_000}, 30, "the burst's end", every=0.2)
    assert len(target.received()) == 1_000
