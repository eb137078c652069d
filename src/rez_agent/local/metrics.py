"""What the local host counts, for Prometheus.

Counting happens on the hot path, so it is a few additions on plain numbers; the library's families are made
from them when somebody asks. What only the database knows is read then too, on a reader: see ``standing.py``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from rez_agent.domain.command import Message
from rez_agent.metrics import (
    ATTEMPTS,
    CLOCK_STEPS,
    COMMANDS,
    DURATION,
    ENDINGS,
    EXECUTIONS,
    LATENESS,
    NONE,
    RUNNING,
    Kind,
    Metric,
    code_class,
)
from rez_agent.ports import Claimed, Concluded

Values = tuple[str, ...]
"""The values of a metric's labels, in their order."""

Readings = Mapping[Metric, Mapping[Values, float]]
"""Metrics as they stand."""


class Tally:
    """A histogram as plain numbers: how many observations fell into each bucket, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count ``value``."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, metric: Metric) -> HistogramMetricFamily:
        """The library's histogram: cumulative buckets."""
        buckets, total = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(total)))
        return HistogramMetricFamily(metric.name, metric.help, buckets=buckets, sum_value=self._sum)


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

    def collect(self) -> Iterator[Family]:
        """The families, as they stand now."""
        yield self.lateness.family(LATENESS)
        yield self.duration.family(DURATION)
        counted: Readings = {
            ATTEMPTS: self.attempts,
            EXECUTIONS: self.executions,
            COMMANDS: self.commands,
            CLOCK_STEPS: {(): self.clock_steps},
            RUNNING: {(): self.running},
        }
        for metric, values in {**counted, **self.readings}.items():
            yield _family(metric, values)


def _family(metric: Metric, values: Mapping[Values, float]) -> Family:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family
