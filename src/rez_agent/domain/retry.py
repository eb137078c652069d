"""Whether, and when, a failed attempt is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rez_agent.domain.action import Outcome
from rez_agent.domain.policies import RetryPolicy

_TOO_LATE = "the next attempt would come after max_event_age_seconds"


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Try again after ``delay``."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt; ``why`` is a sentence for people."""

    why: str


def decide(
    policy: RetryPolicy,
    outcome: Outcome,
    *,
    retries_made: int,
    now: datetime,
    expires_at: datetime,
    draw: float,
) -> RetryIn | GiveUp:
    """What follows a failed attempt.

    ``retries_made`` counts the tries after the first that this execution has had since it was queued or
    redriven; ``draw`` is a random number in [0, 1). A target's ``retry_after`` is a floor under the drawn
    delay; one that ends beyond ``expires_at`` fails at once, since waiting could only end in nothing.
    """
    if outcome.permanent:
        return GiveUp("the failure is permanent")
    if retries_made >= policy.max_attempts:
        return GiveUp("no attempts are left")
    left = (expires_at - now).total_seconds()
    if left < 0 or not (outcome.retry_after or 0) <= left:  # so written, NaN is beyond too
        return GiveUp(_TOO_LATE)
    delay = max(backoff(policy, retries_made + 1, draw), timedelta(seconds=outcome.retry_after or 0))
    return GiveUp(_TOO_LATE) if now + delay > expires_at else RetryIn(delay)


def backoff(policy: RetryPolicy, retry: int, draw: float) -> timedelta:
    """The wait before the ``retry``-th try after the first: full jitter under an exponential ceiling."""
    doublings = min(retry - 1, 32)
    ceiling = min(policy.max_backoff_seconds, policy.min_backoff_seconds * 2**doublings)
    return timedelta(milliseconds=round(ceiling * draw * 1000))
