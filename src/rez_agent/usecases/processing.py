"""Processing: from an attempt's outcome to the execution's next state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rez_agent.domain.action import Outcome
from rez_agent.domain.execution import Attempt, ExecutionStatus, Reason, is_test
from rez_agent.domain.instants import not_before
from rez_agent.domain.retry import RetryIn, decide
from rez_agent.ports import Claimed, Concluded


def conclude(
    claimed: Claimed, outcome: Outcome, *, started_at: datetime, finished_at: datetime, draw: float
) -> Concluded:
    """What follows from an attempt that ended: done, queued for a retry, or a dead letter. A test run that
    failed is none: nobody waits for it to be made good."""
    if not outcome.made:
        return _unmade(claimed, outcome, started_at, finished_at)
    attempt = _attempt(claimed, outcome, "succeeded" if outcome.ok else "failed", started_at, finished_at)
    if outcome.ok:
        return _concluded(claimed, attempt, ExecutionStatus.SUCCEEDED, claimed.tries)
    verdict = decide(
        claimed.retry,
        outcome,
        retries_made=claimed.tries,
        now=finished_at,
        expires_at=claimed.expires_at,
        draw=draw,
    )
    if isinstance(verdict, RetryIn):
        queued = ExecutionStatus.QUEUED
        again = not_before(finished_at + verdict.delay)
        return _concluded(claimed, attempt, queued, claimed.tries + 1, next_attempt_at=again)
    failed, dead = ExecutionStatus.FAILED, not is_test(claimed.work.execution_id)
    return _concluded(claimed, attempt, failed, claimed.tries + 1, dead_letter=dead, detail=verdict.why)


def conclude_cancelled(claimed: Claimed, *, started_at: datetime, finished_at: datetime) -> Concluded:
    """What follows when somebody cancelled a running execution."""
    outcome = Outcome(ok=False, code="cancelled", error="the execution was cancelled while it ran")
    attempt = _attempt(claimed, outcome, "cancelled", started_at, finished_at)
    cancelled = ExecutionStatus.CANCELLED
    return _concluded(
        claimed, attempt, cancelled, claimed.tries, reason=Reason.CANCELLED, detail=outcome.error
    )


def hand_back(claimed: Claimed, *, started_at: datetime, finished_at: datetime) -> Concluded:
    """What follows when the host stops before the attempt ended: queued again, at once and at no cost of
    tries. The target may have acted already; the next attempt carries the same Idempotency-Key."""
    outcome = Outcome(ok=False, code="interrupted", error="the server stopped before the attempt ended")
    attempt = _attempt(claimed, outcome, "interrupted", started_at, finished_at)
    return _concluded(claimed, attempt, ExecutionStatus.QUEUED, claimed.tries, next_attempt_at=finished_at)


def _unmade(claimed: Claimed, outcome: Outcome, started: datetime, finished: datetime) -> Concluded:
    """What follows when the condition kept the attempt from being made: a false one skips the execution; one
    that can't be judged is a dead letter, for a retry would find the same."""
    false = outcome.code == Reason.CONDITION
    attempt = _attempt(claimed, outcome, "skipped" if false else "failed", started, finished)
    status = ExecutionStatus.SKIPPED if false else ExecutionStatus.FAILED
    reason = Reason.CONDITION if false else None
    detail = attempt.error
    if false:
        attempt = replace(attempt, error=None)
    return _concluded(
        claimed,
        attempt,
        status,
        claimed.tries,
        dead_letter=not false,
        reason=reason,
        detail=detail,
        made=False,
    )


def _attempt(claimed: Claimed, outcome: Outcome, word: str, started: datetime, finished: datetime) -> Attempt:
    return Attempt(
        number=claimed.work.attempt,
        started_at=started,
        finished_at=max(started, finished),
        outcome=word,
        code=_unicode(outcome.code) or "error",
        error=_unicode(outcome.error),
        response_status=outcome.response_status,
        response=_unicode(outcome.response),
        response_truncated=outcome.response_truncated,
        timings=outcome.timings,
    )


def _unicode(text: str | None) -> str | None:
    """The text as any store can keep it: a custom action's may hold what is no Unicode, such as the name of a
    file that is not UTF-8."""
    return text if text is None or text.isascii() else text.encode(errors="replace").decode()


def _concluded(
    claimed: Claimed,
    attempt: Attempt,
    status: ExecutionStatus,
    tries: int,
    *,
    next_attempt_at: datetime | None = None,
    dead_letter: bool = False,
    reason: Reason | None = None,
    detail: str | None = None,
    made: bool = True,
) -> Concluded:
    return Concluded(
        execution_id=claimed.work.execution_id,
        schedule_id=claimed.work.schedule_id,
        lease=claimed.lease,
        attempt=attempt,
        status=status,
        tries=tries,
        next_attempt_at=next_attempt_at,
        dead_letter=dead_letter,
        reason=reason,
        detail=detail,
        made=made,
    )
