"""A schedule that acts only if the last run's answer says that a slot is free, in the real process."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Recorder
from tests.e2e.test_fires import created, history

pytestmark = pytest.mark.e2e

WAIT = {"Prefer": "wait=10"}


def newest(server: Program, schedule_id: str, number: int) -> Any:
    """The newest of so many executions, once all have ended."""

    def ended() -> bool:
        found = history(server, schedule_id)
        return len(found) == number and all(e["status"] not in ("queued", "running") for e in found)

    eventually(ended, 20, f"the end of {number} executions")
    return history(server, schedule_id)[0]


def due_soon(server: Program, schedule_id: str) -> None:
    """Its next occurrence is in two seconds."""
    patch = {"schedule_expression": at(time.time() + 2.5)}
    answer = server.ask("PATCH", f"/api/schedules/{schedule_id}", patch, WAIT)
    assert answer.status == 200, answer.body


def test_it_acts_only_if_the_last_answer_says_that_a_slot_is_free(serve: Serve, target: Recorder) -> None:
    server = serve()
    condition = "!last.exists || last.body.free"
    watch = web_action("watch", at(time.time() + 2), target.url("/taken/x"), condition=condition)
    schedule_id = created(server, watch)
    assert newest(server, schedule_id, 1)["status"] == "succeeded"

    due_soon(server, schedule_id)
    skipped = newest(server, schedule_id, 2)
    assert (skipped["status"], skipped["reason"], skipped["attempts"]) == ("skipped", "condition", [])
    assert skipped["detail"] == "the condition was false (last.exists = true, last.body.free = false)"

    payload = {**watch["payload"], "url": target.url("/free/x")}
    server.post(f"/api/schedules/{schedule_id}/run", {"payload": payload}, WAIT)
    assert newest(server, schedule_id, 3)["status"] == "succeeded"

    due_soon(server, schedule_id)
    assert newest(server, schedule_id, 4)["status"] == "succeeded"
    assert [request.path for request in target.received()] == ["/taken/x", "/free/x", "/taken/x"]
