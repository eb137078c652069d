"""Whether, and when, a failed attempt is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.action import Outcome
from rez_agent.domain.policies import RetryPolicy
from rez_agent.domain.retry import GiveUp, RetryIn, backoff, decide
from tests.fakes import FAILED, NOON, REFUSED

POLICY = RetryPolicy(max_attempts=5, min_backoff_seconds=10, max_backoff_seconds=60)
FAR = NOON + timedelta(days=1)


def verdict(
    outcome: Outcome = FAILED, *, policy: RetryPolicy = POLICY, retries: int = 0, draw: float = 0.5
) -> RetryIn | GiveUp:
    return decide(policy, outcome, retries_made=retries, now=NOON, expires_at=FAR, draw=draw)


@given(
    retry=st.integers(1, 185),
    draw=st.floats(0, 1, exclude_max=True),
    low=st.just(0.0) | st.floats(0.001, 3_600),
    more=st.floats(0, 82_800),
)
def test_the_wait_is_drawn_from_zero_to_the_doubled_ceiling(
    retry: int, draw: float, low: float, more: float
) -> None:
    policy = RetryPolicy(min_backoff_seconds=low, max_backoff_seconds=low + more)
    ceiling = min(low + more, low * 2 ** (retry - 1))
    wait = backoff(policy, retry, draw).total_seconds()
    assert 0 <= wait <= ceiling + 0.001
    assert wait == pytest.approx(ceiling * draw, abs=0.001)


def test_the_ceiling_doubles_until_the_cap() -> None:
    almost_one = 0.999_999_9
    waits = [round(backoff(POLICY, retry, almost_one).total_seconds()) for retry in range(1, 6)]
    assert waits == [10, 20, 40, 60, 60]


def test_jitter_is_full_so_the_least_wait_is_none() -> None:
    assert backoff(POLICY, 4, 0.0) == timedelta(0)


def test_a_failure_is_retried_while_attempts_are_left() -> None:
    assert verdict(retries=4) == RetryIn(timedelta(seconds=30))
    assert isinstance(verdict(retries=5), GiveUp)


def test_with_no_attempts_after_the_first_the_first_is_the_only_one() -> None:
    assert isinstance(verdict(policy=RetryPolicy(max_attempts=0)), GiveUp)


def test_a_permanent_failure_is_not_retried() -> None:
    assert verdict(REFUSED) == GiveUp("the failure is permanent")


def test_retry_after_is_a_floor_under_the_drawn_wait() -> None:
    assert verdict(Outcome(ok=False, retry_after=45), draw=0.1) == RetryIn(timedelta(seconds=45))
    assert verdict(Outcome(ok=False, retry_after=3), draw=0.9) == RetryIn(timedelta(seconds=9))


def test_a_retry_after_beyond_the_event_age_gives_up_at_once() -> None:
    at_the_end = Outcome(ok=False, retry_after=86_400)
    beyond = Outcome(ok=False, retry_after=86_400.5)
    assert verdict(at_the_end) == RetryIn(timedelta(days=1))
    assert isinstance(verdict(beyond), GiveUp)


@pytest.mark.parametrize("absurd", [1e12, 1e15, float("inf"), float("nan")])
def test_an_absurd_retry_after_gives_up_rather_than_breaks(absurd: float) -> None:
    assert isinstance(verdict(Outcome(ok=False, retry_after=absurd)), GiveUp)


def test_no_retry_is_planned_after_the_event_has_expired() -> None:
    late = decide(POLICY, FAILED, retries_made=0, now=FAR, expires_at=FAR, draw=0.5)
    assert isinstance(late, GiveUp)
    assert "max_event_age_seconds" in late.why
