"""Metrics: counted while a function runs, written once an invocation in CloudWatch's embedded metric format.

CloudWatch makes metrics of such lines in the log by itself: no call, no right, no delay for the caller. The
names are those of :mod:`rez_agent.metrics`, the namespace ``rez-agent``, the dimensions ``service``,
``stage`` and the metric's labels: each combination is paid for, so there are few. What has the same labels
shares a line.
"""

from __future__ import annotations

from datetime import datetime
from threading import Lock

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from rez_agent.aws.logs import SERVICE
from rez_agent.aws.wire import Item
from rez_agent.domain.alert import NoticeStatus
from rez_agent.domain.alert_rules import AlertKind
from rez_agent.domain.command import Message
from rez_agent.domain.execution import ExecutionStatus
from rez_agent.metrics import (
    ALERT_NOTICES,
    ATTEMPTS,
    COMMANDS,
    DURATION,
    EXECUTIONS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    LATENESS,
    NONE,
    Metric,
    code_class,
    notice_labels,
)
from rez_agent.ports import Claimed, Concluded

NAMESPACE = "rez-agent"

_UNITS = {"": MetricUnit.Count, "seconds": MetricUnit.Seconds, "bytes": MetricUnit.Bytes}

Labels = tuple[tuple[str, str], ...]


class AwsMetrics:
    """Counts of one invocation after another, from any thread."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._lock = Lock()
        self._lines: dict[Labels, EphemeralMetrics] = {}

    def count(self, metric: Metric, number: int = 1, **labels: str) -> None:
        """``number`` more."""
        self.observe(metric, number, **labels)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """A duration, or how something stands. What labels it has on one machine alone are left out."""
        kept = tuple((name, labels[name]) for name in metric.on_aws)
        with self._lock:
            line = self._lines.get(kept)
            if line is None:
                line = self._lines[kept] = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
                line.set_default_dimensions(stage=self._stage, **dict(kept))
            line.add_metric(name=metric.name, unit=_UNITS[metric.unit], value=round(value, 3))

    def began(self, claimed: Claimed, now: datetime) -> None:
        """An attempt is about to start."""
        if claimed.work.attempt == 1:
            self.observe(LATENESS, max(0.0, (now - claimed.due_at).total_seconds()))

    def ended(self, concluded: Concluded) -> None:
        """An attempt has ended."""
        attempt = concluded.attempt
        if concluded.made:
            code = code_class(attempt.code, attempt.response_status)
            self.count(ATTEMPTS, outcome=attempt.outcome, code=code)
            self.observe(DURATION, (attempt.finished_at - attempt.started_at).total_seconds())

    def moved(self, before: Item | None, after: Item | None) -> None:
        """An execution's item was written: counted when it became final, however it did."""
        if after is None or not ExecutionStatus(after["status"]).final:
            return
        if before is None or not ExecutionStatus(before["status"]).final:
            self.count(EXECUTIONS, status=after["status"], reason=after.get("reason") or NONE)

    def judged(self, message: Message) -> None:
        """A command was judged."""
        self.count(COMMANDS, action=message.request.action.value, status=message.status.value)

    def noticed(self, kind: AlertKind | None, status: NoticeStatus) -> None:
        """A message of an alert was tried; a ``kind`` of None is a test."""
        told, became = notice_labels(kind, status)
        self.count(ALERT_NOTICES, kind=told, status=became)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.count(HTTP_REQUESTS, method=method, route=route, status=str(status))
        self.observe(HTTP_SECONDS, seconds, method=method, route=route)

    def flush(self) -> None:
        """Write what was counted since the last time, if anything was."""
        with self._lock:
            lines, self._lines = self._lines, {}
        for line in lines.values():
            line.flush_metrics()
