"""What the engine and the worker count, for Prometheus.

Counting happens on the hot path, so it is a few additions on plain numbers; the library's families are made
from them when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rez_agent.ports import Claimed, Concluded

_LATENESS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)
_DURATION = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


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

    def family(self, name: str, help_text: str) -> HistogramMetricFamily:
        """The library's histogram: cumulative buckets."""
        buckets, total = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(total)))
        return HistogramMetricFamily(name, help_text, buckets=buckets, sum_value=self._sum)


class LocalMetrics(Collector):
    """Counters and histograms of the local host, on one registry. Labels are few and bounded.

    The methods that count belong to the event loop's thread.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lateness = Tally(_LATENESS)
        self.duration = Tally(_DURATION)
        self.attempts: Counter[str] = Counter()
        self.executions: Counter[str] = Counter()
        self.clock_steps = 0
        self.running = 0
        self.gauges: dict[str, float] = {}
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
        self.attempts[attempt.outcome] += 1
        self.duration.observe((attempt.finished_at - attempt.started_at).total_seconds())
        if concluded.status.final:
            self.executions[concluded.status.value] += 1

    def collect(self) -> Iterator[Metric]:
        """The families, as they stand now."""
        yield self.lateness.family(
            "rez_lateness_seconds", "From the moment an execution was due to its start."
        )
        yield self.duration.family("rez_attempt_seconds", "How long attempts took.")
        yield _counted("rez_attempts", "Attempts by outcome.", "outcome", self.attempts)
        yield _counted(
            "rez_executions", "Executions that became final, by status.", "status", self.executions
        )
        yield CounterMetricFamily("rez_clock_steps", "Steps of the wall clock seen.", value=self.clock_steps)
        yield GaugeMetricFamily("rez_running", "Attempts under way.", value=self.running)
        for name, value in self.gauges.items():
            yield GaugeMetricFamily(name, name.removeprefix("rez_").replace("_", " "), value=value)


def _counted(name: str, help_text: str, label: str, counts: Counter[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
