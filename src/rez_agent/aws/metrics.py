"""Metrics: counted while a function runs, written once an invocation in CloudWatch's embedded metric format.

CloudWatch makes metrics of such lines in the log by itself: no call, no right, no delay for the caller. The
namespace is ``rez-agent``, the dimensions ``service`` and ``stage``: each further one would be paid for.
"""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from rez_agent.aws.logs import SERVICE
from rez_agent.domain.execution import ExecutionStatus
from rez_agent.ports import Claimed, Concluded

NAMESPACE = "rez-agent"

COMMANDS_APPLIED = "CommandsApplied"
COMMANDS_FAILED = "CommandsFailed"
"""Commands that were judged and refused: their messages tell why."""

FIRINGS = "Firings"
INVOCATIONS_FAILED = "InvocationsFailed"
"""Events that a function could not read or act on: Lambda tries again, then they are dead letters."""

RECORDS_FAILED = "RecordsFailed"
"""Messages of a queue that went back to it."""

EXECUTIONS_DROPPED = "ExecutionsDropped"
"""Work handed over again that somebody else has, or has finished."""

PUBLISHES_FAILED = "PublishesFailed"
"""Messages that SNS or SQS did not take: the sweep hands them over again."""

DEAD_LETTERS = "DeadLetters"
LATENESS = "LatenessSeconds"
DURATION = "AttemptSeconds"


class AwsMetrics:
    """Counts of one invocation after another, from any thread."""

    def __init__(self, stage: str) -> None:
        self._metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
        self._metrics.set_default_dimensions(stage=stage)
        self._lock = Lock()
        self._counted = False

    def count(self, name: str, number: int = 1) -> None:
        """``number`` more."""
        self._add(name, MetricUnit.Count, number)

    def seconds(self, name: str, seconds: float) -> None:
        """How long something took."""
        self._add(name, MetricUnit.Seconds, round(seconds, 3))

    def began(self, claimed: Claimed, now: datetime) -> None:
        """An attempt is about to start."""
        if claimed.work.attempt == 1:
            self.seconds(LATENESS, max(0.0, (now - claimed.due_at).total_seconds()))

    def ended(self, concluded: Concluded) -> None:
        """An attempt has ended."""
        attempt = concluded.attempt
        self.count(f"Attempts{attempt.outcome.capitalize()}")
        self.seconds(DURATION, (attempt.finished_at - attempt.started_at).total_seconds())
        if concluded.status.final:
            self.count(f"Executions{ExecutionStatus(concluded.status).value.capitalize()}")
        if concluded.dead_letter:
            self.count(DEAD_LETTERS)

    def flush(self) -> None:
        """Write what was counted since the last time, if anything was."""
        with self._lock:
            if self._counted:
                self._metrics.flush_metrics()
                self._counted = False

    def _add(self, name: str, unit: MetricUnit, value: float) -> None:
        with self._lock:
            self._metrics.add_metric(name=name, unit=unit, value=value)
            self._counted = True
