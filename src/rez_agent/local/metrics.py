"""What the engine and the worker count, for Prometheus."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rez_agent.ports import Claimed, Concluded

_LATENESS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300)
_DURATION = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class LocalMetrics:
    """Counters and histograms on one registry. Labels are few and bounded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fired = Counter("rez_schedules_fired", "Schedules found due by the engine.", registry=registry)
        self.lateness = Histogram(
            "rez_lateness_seconds",
            "From an occurrence to its first attempt.",
            buckets=_LATENESS,
            registry=registry,
        )
        self.duration = Histogram(
            "rez_attempt_seconds", "How long attempts took.", buckets=_DURATION, registry=registry
        )
        self.attempts = Counter("rez_attempts", "Attempts by outcome.", ["outcome"], registry=registry)
        self.executions = Counter(
            "rez_executions", "Executions that became final, by status.", ["status"], registry=registry
        )
        self.running = Gauge("rez_running", "Attempts under way.", registry=registry)
        self.engine_beat_age = Gauge(
            "rez_engine_beat_age_seconds", "Since the engine last looked.", registry=registry
        )
        self.clock_steps = Counter("rez_clock_steps", "Steps of the wall clock seen.", registry=registry)
        self.writer_groups = Gauge("rez_writer_groups", "Transactions of the writer.", registry=registry)
        self.writer_jobs = Gauge("rez_writer_jobs", "Use cases run by the writer.", registry=registry)

    def began(self, claimed: Claimed, now: datetime) -> None:
        """An attempt is about to start."""
        self.running.inc()
        if claimed.work.attempt == 1:
            self.lateness.observe(max(0.0, (now - claimed.due_at).total_seconds()))

    def ended(self, concluded: Concluded) -> None:
        """An attempt has ended."""
        self.running.dec()
        attempt = concluded.attempt
        self.attempts.labels(attempt.outcome).inc()
        self.duration.observe((attempt.finished_at - attempt.started_at).total_seconds())
        if concluded.status.final:
            self.executions.labels(concluded.status.value).inc()
