"""Lambda's queue of asynchronous invocations."""

from __future__ import annotations

import threading
from queue import Queue
from typing import Any

from infrastructure.aws_local.asynchronous import AsynchronousInvocations, Invocation

FAILED = {"error": True, "body": {"errorMessage": "no"}}
THROTTLED = {"error": True, "throttle": True}
DONE: dict[str, Any] = {"body": None}


def run(answers: list[dict[str, Any]], retries: int = 2) -> tuple[int, dict[str, Any] | None]:
    """How often an invocation was tried that is answered in turn, and what it was given up with."""
    tries, ended = iter(answers), Queue[dict[str, Any] | None]()
    count = 0

    def execute() -> dict[str, Any]:
        nonlocal count
        count += 1
        answer = next(tries)
        if not answer.get("error"):
            ended.put(None)
        return answer

    AsynchronousInvocations(2, base=0.001).submit(Invocation("f", execute, ended.put, retries))
    end = ended.get(timeout=5)
    return count, end


def test_what_succeeds_is_not_tried_again() -> None:
    assert run([DONE, DONE]) == (1, None)


def test_what_fails_is_tried_three_times_and_then_given_up() -> None:
    assert run([FAILED] * 9) == (3, FAILED)


def test_what_succeeds_at_last_is_not_given_up() -> None:
    assert run([FAILED, FAILED, DONE]) == (3, None)


def test_the_number_of_retries_can_be_set_to_none() -> None:
    assert run([FAILED] * 9, retries=0) == (1, FAILED)


def test_being_throttled_costs_no_try() -> None:
    assert run([THROTTLED, THROTTLED, FAILED, THROTTLED, FAILED, DONE]) == (6, None)


def test_no_more_of_one_function_run_at_a_time_than_allowed() -> None:
    queue, running, most = AsynchronousInvocations(3), threading.Semaphore(3), []
    ended = Queue[bool]()

    def execute() -> dict[str, Any]:
        most.append(running.acquire(blocking=False))
        ended.put(True)
        running.release()
        return DONE

    for _ in range(50):
        queue.submit(Invocation("f", execute, lambda _: None))
    for _ in range(50):
        ended.get(timeout=5)
    assert all(most)


def test_what_fails_after_the_stop_is_not_tried_again() -> None:
    queue, tried = AsynchronousInvocations(1, base=0.001), Queue[str]()

    def execute() -> dict[str, Any]:
        queue.stop()
        tried.put("once")
        return FAILED

    queue.submit(Invocation("f", execute, lambda _: tried.put("given up")))
    assert tried.get(timeout=5) == "once"
    queue.submit(Invocation("f", lambda: DONE, lambda _: None))
    assert tried.empty()
