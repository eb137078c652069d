"""What the local host counts, for Prometheus.

Counting happens on the hot path, so it is a few additions on plain numbers; the library's families are made
from them when somebody asks. What only the database knows is read then too, on a reader: see ``standing.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from rez_agent.domain.alert import NoticeStatus
from rez_agent.domain.alert_rules import AlertKind
from rez_agent.domain.command import Message
from rez_agent.metrics import (
    ALERT_NOTICES,
    ATTEMPTS,
    CLOCK_STEPS,
    COMMANDS,
    DURATION,
    ENDINGS,
    EXECUTIONS,
    LATENESS,
    NONE,
    NOTICES,
    RUNNING,
    Metric,
    code_class,
    notice_labels,
)
from rez_agent.ports import Claimed, Concluded
from rez_agent.web.metrics import Tally, Values, histogram, numbers

Readings = Mapping[Metric, Mapping[Values, float]]
"""Metrics as they stand."""


class LocalMetrics(Collector):
    """Counters and histograms of the local host, on one registry. Labels are few and bounded.

    The methods that count belong to the event loop's thread. ``readings`` are shown besides.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lateness = Tally(LATENESS.bounds)
        self.duration = Tally(DURATION.bounds)
        self.attempts: Counter[Values] = Counter()
        self.executions: Counter[Values] = Counter(dict.fromkeys(ENDINGS, 0))
        self.commands: Counter[Values] = Counter()
        self.notices: Counter[Values] = Counter(dict.fromkeys(NOTICES, 0))
        self.clock_steps = 0
        self.running = 0
        self.readings: Readings = {}
        registry.register(self)

    def began(self, claimed: Claimed, now: datetime) -> None:
        """An attempt is about to start."""
        self.running += 1
        if claimed.work.attempt == 1:
            self.lateness.observe(max(0.0, (now - claimed.due_at).total_seconds()))

    def ended(self, concluded: Concluded) -> None:
        """An attempt has ended."""
        self.running -= 1
        attempt = concluded.attempt
        if concluded.made:
            self.attempts[attempt.outcome, code_class(attempt.code, attempt.response_status)] += 1
            self.duration.observe((attempt.finished_at - attempt.started_at).total_seconds())
        if concluded.status.final:
            reason = concluded.reason
            self.executions[concluded.status.value, NONE if reason is None else reason.value] += 1

    def settled(self, endings: Sequence[tuple[str, str | None]]) -> None:
        """Executions became final without an attempt: skipped, cancelled, or given up. Status and reason."""
        for status, reason in endings:
            self.executions[status, reason or NONE] += 1

    def judged(self, messages: Sequence[Message]) -> None:
        """Commands were judged."""
        for message in messages:
            self.commands[message.request.action.value, message.status.value] += 1

    def noticed(self, kind: AlertKind | None, status: NoticeStatus) -> None:
        """A message of an alert was tried; a ``kind`` of None is a test."""
        self.notices[notice_labels(kind, status)] += 1

    def collect(self) -> Iterator[Family]:
        """The families, as they stand now."""
        yield histogram(LATENESS, {(): self.lateness})
        yield histogram(DURATION, {(): self.duration})
        counted: Readings = {
            ATTEMPTS: self.attempts,
            EXECUTIONS: self.executions,
            COMMANDS: self.commands,
            ALERT_NOTICES: self.notices,
            CLOCK_STEPS: {(): self.clock_steps},
            RUNNING: {(): self.running},
        }
        for metric, values in {**counted, **self.readings}.items():
            yield numbers(metric, values)
