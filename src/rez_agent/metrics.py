"""The metrics: one table for both hosts, with their names, labels and what they tell.

The local host gives them to Prometheus (a counter's name then ends in ``_total``), the AWS host to
CloudWatch, under the same names, with the labels as dimensions. No label holds what a caller chose (an id, a
name, an owner, an address): each takes one of a few values known beforehand, and whatever is none of them is
``other``. The documentation's table is held against this one by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rez_agent.domain.alert import NoticeStatus
from rez_agent.domain.alert_rules import AlertKind
from rez_agent.domain.command import CommandAction
from rez_agent.domain.execution import ExecutionStatus, Reason
from rez_agent.domain.schedule import ScheduleStatus
from rez_agent.usecases.firing import Firing

OTHER = "other"
TEST = "test"
"""The kind of an alert that somebody sent to try the channels."""
NONE = "none"
"""A label's value where there is nothing to say: CloudWatch knows no empty one."""


class Kind(StrEnum):
    """What a metric is: ``counter`` only grows, ``gauge`` is a state, ``histogram`` counts by size."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class On(StrEnum):
    """Which hosts have a metric."""

    BOTH = "both"
    LOCAL = "local"
    AWS = "aws"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``name`` is Prometheus's without ``_total``; ``unit`` is empty for a plain number;
    ``bounds`` are a histogram's. ``dimensions`` are the labels on AWS, where each combination is paid for;
    None means all of them."""

    name: str
    kind: Kind
    help: str
    unit: str = ""
    labels: tuple[str, ...] = ()
    on: On = On.BOTH
    bounds: tuple[float, ...] = ()
    dimensions: tuple[str, ...] | None = None

    @property
    def exposed(self) -> str:
        """The name as Prometheus shows it."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name

    @property
    def on_aws(self) -> tuple[str, ...]:
        """The labels on AWS."""
        return self.labels if self.dimensions is None else self.dimensions


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

EXECUTIONS = Metric(
    "rez_executions",
    Kind.COUNTER,
    "Executions that became final, by how they ended and, for those skipped or cancelled, why.",
    labels=("status", "reason"),
)
ATTEMPTS = Metric(
    "rez_attempts", Kind.COUNTER, "Attempts that ended, by outcome and code.", labels=("outcome", "code")
)
LATENESS = Metric(
    "rez_lateness_seconds",
    Kind.HISTOGRAM,
    "From the moment an execution was due to its first attempt.",
    "seconds",
    bounds=(*_SECONDS, 60.0, 300.0),
)
DURATION = Metric(
    "rez_attempt_seconds",
    Kind.HISTOGRAM,
    "How long attempts took.",
    "seconds",
    bounds=(*_SECONDS, 30.0, 60.0, 300.0),
)
RUNNING = Metric("rez_running", Kind.GAUGE, "Attempts under way.")
QUEUE_DEPTH = Metric(
    "rez_queue_depth",
    Kind.GAUGE,
    "Executions whose time has come and that no worker has taken yet; counted up to a bound.",
    labels=("lateness",),
    dimensions=(),
)
QUEUE_OLDEST = Metric(
    "rez_queue_oldest_seconds",
    Kind.GAUGE,
    "How long the oldest of them has waited; 0 when there is none.",
    "seconds",
    labels=("lateness",),
    dimensions=(),
)
WAITING = Metric(
    "rez_waiting",
    Kind.GAUGE,
    "Executions queued for later: a retry or a flexible window; counted up to a bound.",
)
HELD = Metric(
    "rez_held",
    Kind.GAUGE,
    "Executions held behind another of their schedule; counted up to a bound.",
)
DEAD_LETTERS = Metric(
    "rez_dead_letters", Kind.GAUGE, "Dead letters that wait to be redriven; counted up to a bound."
)
SCHEDULES = Metric(
    "rez_schedules",
    Kind.GAUGE,
    "Schedules by status; on AWS as the last whole pass of the reconcile found them.",
    labels=("status",),
)
COMMANDS = Metric(
    "rez_commands",
    Kind.COUNTER,
    "Commands that were judged, by action and by whether they were applied (completed) or refused (failed).",
    labels=("action", "status"),
)
ALERT_NOTICES = Metric(
    "rez_alert_notices",
    Kind.COUNTER,
    "Messages of alerts that were tried, by the alert's kind: sent, to be retried, or failed for good.",
    labels=("kind", "status"),
)
HTTP_REQUESTS = Metric(
    "rez_http_requests",
    Kind.COUNTER,
    "Requests answered, by method, route and status.",
    labels=("method", "route", "status"),
    dimensions=("status",),
)
HTTP_SECONDS = Metric(
    "rez_http_request_seconds",
    Kind.HISTOGRAM,
    "From a request's head to the end of its answer, the waits of Prefer included.",
    "seconds",
    labels=("method", "route"),
    bounds=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0),
)
ENGINE_LAG = Metric(
    "rez_engine_lag_seconds",
    Kind.GAUGE,
    "Since the engine last looked; on AWS how long EventBridge has lagged behind a schedule's last change.",
    "seconds",
)

FIRED = Metric("rez_schedules_fired", Kind.COUNTER, "Schedules that the engine took as due.", on=On.LOCAL)
CLOCK_STEPS = Metric("rez_clock_steps", Kind.COUNTER, "Steps of the wall clock seen.", on=On.LOCAL)
WRITER_GROUPS = Metric(
    "rez_writer_transactions",
    Kind.COUNTER,
    "Transactions of the writer, each a group of use cases.",
    on=On.LOCAL,
)
WRITER_USE_CASES = Metric("rez_writer_use_cases", Kind.COUNTER, "Use cases that the writer ran.", on=On.LOCAL)
DATABASE_BYTES = Metric(
    "rez_database_bytes", Kind.GAUGE, "Size of the database, without its log.", "bytes", on=On.LOCAL
)

FIRINGS = Metric(
    "rez_firings",
    Kind.COUNTER,
    "Firings of EventBridge Scheduler, by what became of them.",
    labels=("became",),
    on=On.AWS,
)
INVOCATIONS_FAILED = Metric(
    "rez_invocations_failed",
    Kind.COUNTER,
    "Events that a function could not read or act on: Lambda tries again, then they are dead letters.",
    on=On.AWS,
)
RECORDS_FAILED = Metric(
    "rez_records_failed", Kind.COUNTER, "Messages of a queue that went back to it.", on=On.AWS
)
EXECUTIONS_DROPPED = Metric(
    "rez_executions_dropped",
    Kind.COUNTER,
    "Work handed over again that somebody else has, or has finished.",
    on=On.AWS,
)
PUBLISHES_FAILED = Metric(
    "rez_publishes_failed",
    Kind.COUNTER,
    "Messages that SNS or SQS did not take: the sweep hands them over again.",
    on=On.AWS,
)
SCHEDULES_ARMED = Metric(
    "rez_schedules_armed", Kind.COUNTER, "Schedules that EventBridge Scheduler took up.", on=On.AWS
)
ARMINGS_FAILED = Metric(
    "rez_armings_failed", Kind.COUNTER, "Schedules that it did not: the sweep arms them again.", on=On.AWS
)
SWEEP_MENDED = Metric(
    "rez_sweep_mended", Kind.COUNTER, "Things left undone that the sweep of a minute took up.", on=On.AWS
)
SWEEP_FAILURES = Metric("rez_sweep_failures", Kind.COUNTER, "Those that it could not.", on=On.AWS)
RECONCILE_MENDED = Metric(
    "rez_reconcile_mended",
    Kind.COUNTER,
    "Differences between the store and EventBridge that the reconcile of an hour mended.",
    on=On.AWS,
)

TABLE: tuple[Metric, ...] = (
    EXECUTIONS,
    ATTEMPTS,
    LATENESS,
    DURATION,
    RUNNING,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    WAITING,
    HELD,
    DEAD_LETTERS,
    SCHEDULES,
    COMMANDS,
    ALERT_NOTICES,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    ENGINE_LAG,
    FIRED,
    CLOCK_STEPS,
    WRITER_GROUPS,
    WRITER_USE_CASES,
    DATABASE_BYTES,
    FIRINGS,
    INVOCATIONS_FAILED,
    RECORDS_FAILED,
    EXECUTIONS_DROPPED,
    PUBLISHES_FAILED,
    SCHEDULES_ARMED,
    ARMINGS_FAILED,
    SWEEP_MENDED,
    SWEEP_FAILURES,
    RECONCILE_MENDED,
)
"""Every metric."""

ON_TIME, LATE = "on_time", "late"
"""The classes of lateness: what is caught up or backfilled yields to what is on time."""

_CLASSES = {
    "ok": "ok",
    "redirect": "redirect",
    "too_many_redirects": "redirect",
    "insecure_redirect": "redirect",
    "timeout": "timeout",
    "dns": "dns",
    "refused": "connection",
    "unreachable": "connection",
    "reset": "connection",
    "tls": "tls",
    "bad_response": "bad_response",
    "forbidden_target": "forbidden_target",
    "auth": "auth",
    "unknown_secret": "secret",
    "secret_host": "secret",
    "insecure_secret": "secret",
    "invalid_secret": "secret",
    "invalid_payload": "invalid",
    "invalid_url": "invalid",
    "invalid_channel": "invalid",
    "not_sent": "not_sent",
    "custom_error": "custom_error",
    "unavailable": "unavailable",
    "internal_error": "internal_error",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}
_STATUSES = {3: "status_3xx", 4: "status_4xx", 5: "status_5xx"}

VALUES: dict[str, tuple[str, ...]] = {
    "reason": (NONE, *(reason.value for reason in Reason)),
    "outcome": ("succeeded", "failed", "cancelled", "interrupted"),
    "code": tuple(dict.fromkeys((*_CLASSES.values(), *_STATUSES.values(), OTHER))),
    "lateness": (ON_TIME, LATE),
    "action": tuple(action.value for action in CommandAction),
    "kind": (*(kind.value for kind in AlertKind), TEST),
    "became": tuple(firing.value for firing in Firing),
}
"""The values of those labels that mean the same in every metric. ``status`` is one of the metric's own
states; ``method`` and ``route`` are those of the API's table."""

ENDINGS: tuple[tuple[str, str], ...] = (
    (ExecutionStatus.SUCCEEDED.value, NONE),
    (ExecutionStatus.FAILED.value, NONE),
    (ExecutionStatus.CANCELLED.value, Reason.CANCELLED.value),
    *((ExecutionStatus.SKIPPED.value, reason.value) for reason in Reason if reason is not Reason.CANCELLED),
)
"""The ways in which an execution ends: status and reason."""

NOTICES: tuple[tuple[str, str], ...] = tuple(
    (kind, status) for kind in VALUES["kind"] for status in ("sent", "retried", "failed")
)
"""What becomes of an attempt to send a message of an alert: the alert's kind, and the outcome."""

STATUSES = tuple(status.value for status in ScheduleStatus)
"""A schedule's."""


def notice_labels(kind: AlertKind | None, status: NoticeStatus) -> tuple[str, str]:
    """The labels of an attempt to send a message: ``status`` is what the message came to."""
    outcome = "retried" if status is NoticeStatus.PENDING else status.value
    return TEST if kind is None else kind.value, outcome


def code_class(code: str, response_status: int | None) -> str:
    """The class of an attempt's code: a few values, whatever a custom action says."""
    if code == "status":
        return _STATUSES.get((response_status or 0) // 100, OTHER)
    return _CLASSES.get(code, OTHER)
