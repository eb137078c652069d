"""From an attempt's outcome to the execution's next state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rez_agent.domain.action import Outcome, Work
from rez_agent.domain.execution import MOVES, ExecutionStatus, Reason
from rez_agent.domain.policies import RetryPolicy
from rez_agent.ports import Claimed, Concluded
from rez_agent.usecases.processing import conclude, conclude_cancelled, hand_back
from tests.fakes import FAILED, NOON, OK, REFUSED

SECOND = timedelta(seconds=1)
WORK = Work("exe", "sch", "report", "ann", "web_action", {}, NOON, attempt=3, idempotency_key="exe")


def claimed(**changes: Any) -> Claimed:
    fields: dict[str, Any] = {
        "work": WORK,
        "lease": 7,
        "target": "target",
        "tries": 0,
        "retry": RetryPolicy(max_attempts=2, min_backoff_seconds=10),
        "due_at": NOON,
        "expires_at": NOON + timedelta(hours=1),
    }
    return Claimed(**{**fields, **changes})


def after(outcome: Outcome, **changes: Any) -> Concluded:
    return conclude(claimed(**changes), outcome, started_at=NOON, finished_at=NOON + SECOND, draw=0.5)


def test_a_success_ends_the_execution() -> None:
    done = after(OK)
    assert (done.status, done.next_attempt_at, done.dead_letter) == (ExecutionStatus.SUCCEEDED, None, False)
    assert (done.attempt.outcome, done.attempt.number, done.lease) == ("succeeded", 3, 7)


def test_a_failure_is_queued_again_after_its_backoff_and_counts_a_try() -> None:
    again = after(FAILED)
    assert (again.status, again.tries) == (ExecutionStatus.QUEUED, 1)
    assert again.next_attempt_at == NOON + SECOND + 5 * SECOND
    assert (again.attempt.outcome, again.attempt.code, again.attempt.response_status) == (
        "failed",
        "status",
        503,
    )


@pytest.mark.parametrize(
    ("outcome", "changes"),
    [
        (REFUSED, {}),
        (FAILED, {"tries": 2}),
        (FAILED, {"retry": RetryPolicy(max_attempts=0)}),
        (FAILED, {"expires_at": NOON + 2 * SECOND}),
        (Outcome(ok=False, retry_after=7_200), {}),
    ],
)
def test_a_failure_with_nothing_left_to_try_is_a_dead_letter_that_says_why(
    outcome: Outcome, changes: dict[str, Any]
) -> None:
    dead = after(outcome, **changes)
    assert (dead.status, dead.dead_letter, dead.next_attempt_at) == (ExecutionStatus.FAILED, True, None)
    assert dead.detail


def test_a_cancelled_attempt_ends_the_execution_at_no_cost_of_tries() -> None:
    done = conclude_cancelled(claimed(tries=1), started_at=NOON, finished_at=NOON + SECOND)
    assert (done.status, done.reason, done.tries) == (ExecutionStatus.CANCELLED, Reason.CANCELLED, 1)
    assert done.attempt.outcome == "cancelled"


def test_what_a_stopping_host_hands_back_is_queued_at_once_at_no_cost_of_tries() -> None:
    back = hand_back(claimed(tries=1), started_at=NOON, finished_at=NOON + SECOND)
    assert (back.status, back.tries, back.next_attempt_at) == (ExecutionStatus.QUEUED, 1, NOON + SECOND)
    assert back.attempt.outcome == "interrupted"


UNMET = Outcome(ok=False, code="condition", error="the condition was false (a = 1)", made=False)


def test_a_condition_that_is_false_skips_the_execution_and_makes_no_attempt() -> None:
    end = after(UNMET)
    assert (end.status, end.reason, end.made) == (ExecutionStatus.SKIPPED, Reason.CONDITION, False)
    assert (end.detail, end.tries, end.dead_letter) == ("the condition was false (a = 1)", 0, False)
    assert (end.attempt.outcome, end.attempt.error) == ("skipped", None)


def test_a_condition_that_fails_is_a_dead_letter_at_once() -> None:
    end = after(Outcome(ok=False, code="condition_error", error="no field", permanent=True, made=False))
    assert (end.status, end.reason, end.made) == (ExecutionStatus.FAILED, None, False)
    assert (end.dead_letter, end.detail, end.attempt.code) == (True, "no field", "condition_error")
    assert (end.tries, end.next_attempt_at) == (0, None)


def test_every_end_is_a_move_that_is_allowed() -> None:
    ends = [
        after(OK),
        after(FAILED),
        after(REFUSED),
        conclude_cancelled(claimed(), started_at=NOON, finished_at=NOON),
        hand_back(claimed(), started_at=NOON, finished_at=NOON),
        after(UNMET),
    ]
    assert {end.status for end in ends} == MOVES[ExecutionStatus.RUNNING]


def test_an_attempt_never_ends_before_it_began_though_the_clock_was_set_back() -> None:
    back = NOON - timedelta(hours=1)
    attempt = conclude(claimed(), OK, started_at=NOON, finished_at=back, draw=0.5).attempt
    assert attempt.finished_at >= attempt.started_at


def test_text_that_is_no_unicode_is_made_so_before_it_is_kept() -> None:
    attempt = after(Outcome(ok=False, error="no such file: \udce9", response="ünï ☃")).attempt
    assert (attempt.error, attempt.response) == ("no such file: ?", "ünï ☃")
