"""The dashboard of a stage in CloudWatch: the same rows as the one for Grafana, and the AWS services beside
them. It names every metric as the functions write it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi_aws as aws

from infrastructure.stack.place import Place
from infrastructure.stack.queues import COMMANDS
from infrastructure.stack.rights import WORK
from infrastructure.stack.settings import FUNCTIONS, Settings
from rez_agent import metrics
from rez_agent.aws.logs import SERVICE
from rez_agent.aws.metrics import NAMESPACE
from rez_agent.metrics import Metric

WIDTH, HEIGHT, HEADING = 8, 6, 1
ACROSS = 3
"""Graphs in a row of the dashboard, which is 24 wide."""

PERIOD = 300
HOUR = 3_600

SUM, MOST, MEAN = "Sum", "Maximum", "Average"
PERCENTILES = ("p50", "p95", "p99")

Line = list[Any]
"""A line of a graph, as CloudWatch's dashboards have it."""


@dataclass(frozen=True, slots=True)
class Graph:
    """``lines`` over time; ``stacked`` on top of each other. ``period`` in seconds."""

    title: str
    lines: tuple[Line, ...]
    stacked: bool = False
    period: int = PERIOD
    unit: str = ""


def make_dashboard(settings: Settings, place: Place) -> aws.cloudwatch.Dashboard:
    """The dashboard. It costs 3 dollars a month beyond the first three of an account."""
    body = {"start": "-PT6H", "periodOverride": "inherit", "widgets": list(_widgets(settings, place))}
    return aws.cloudwatch.Dashboard(
        "dashboard", dashboard_name=settings.names("overview"), dashboard_body=json.dumps(body)
    )


def _widgets(settings: Settings, place: Place) -> Iterator[dict[str, Any]]:
    top = 0
    for heading, graphs in _rows(settings):
        text = {"markdown": f"## {heading}", "background": "transparent"}
        yield {"type": "text", "x": 0, "y": top, "width": 24, "height": HEADING, "properties": text}
        top += HEADING
        for number, graph in enumerate(graphs):
            down, across = divmod(number, ACROSS)
            yield {
                "type": "metric",
                "x": across * WIDTH,
                "y": top + down * HEIGHT,
                "width": WIDTH,
                "height": HEIGHT,
                "properties": _properties(graph, place.region),
            }
        top += -(-len(graphs) // ACROSS) * HEIGHT


def _properties(graph: Graph, region: str) -> dict[str, Any]:
    axis = {"min": 0, "showUnits": False, **({"label": graph.unit} if graph.unit else {})}
    return {
        "title": graph.title,
        "view": "timeSeries",
        "stacked": graph.stacked,
        "region": region,
        "period": graph.period,
        "metrics": list(graph.lines),
        "yAxis": {"left": axis},
    }


def _rows(settings: Settings) -> tuple[tuple[str, Sequence[Graph]], ...]:
    stage = settings.stage
    return (
        ("Health", _health(stage, settings)),
        ("Executions", _executions(stage)),
        ("Lateness", _lateness(stage, settings)),
        ("Queue", _queue(stage, settings)),
        ("API", _api(stage)),
    )


# --- rows ---


def _health(stage: str, settings: Settings) -> list[Graph]:
    failures = (
        metrics.INVOCATIONS_FAILED,
        metrics.RECORDS_FAILED,
        metrics.PUBLISHES_FAILED,
        metrics.ARMINGS_FAILED,
        metrics.SWEEP_FAILURES,
    )
    mended = (metrics.SWEEP_MENDED, metrics.RECONCILE_MENDED, metrics.EXECUTIONS_DROPPED)
    return [
        Graph("What failed", tuple(_one(metric, stage, SUM) for metric in failures)),
        Graph("What was mended or dropped", tuple(_one(metric, stage, SUM) for metric in mended)),
        Graph("Schedules by status", (_each(metrics.SCHEDULES, stage, MOST, HOUR),), period=HOUR),
        Graph("Errors of functions", tuple(_of_function(settings, "Errors"))),
        Graph("Throttles of functions", tuple(_of_function(settings, "Throttles"))),
        Graph("Dead letters in SQS", tuple(_of_dead_letters(settings))),
        Graph("Messages of alerts", (_each(metrics.ALERT_NOTICES, stage, SUM),), stacked=True),
    ]


def _executions(stage: str) -> list[Graph]:
    return [
        Graph("Executions by how they ended", (_each(metrics.EXECUTIONS, stage, SUM),), stacked=True),
        Graph("Attempts by outcome and code", (_each(metrics.ATTEMPTS, stage, SUM),), stacked=True),
        Graph("How long attempts take", _percentiles(metrics.DURATION, stage), unit="seconds"),
    ]


def _lateness(stage: str, settings: Settings) -> list[Graph]:
    armed = (metrics.SCHEDULES_ARMED, metrics.ARMINGS_FAILED)
    group = settings.names.schedule_group
    names = ("InvocationAttemptCount", "InvocationThrottleCount", "InvocationDroppedCount")
    of_group = tuple(["AWS/Scheduler", name, "ScheduleGroup", group, {"stat": SUM}] for name in names)
    return [
        Graph("From due to the first attempt", _percentiles(metrics.LATENESS, stage), unit="seconds"),
        Graph("Firings by what became of them", (_each(metrics.FIRINGS, stage, SUM),), stacked=True),
        Graph("EventBridge Scheduler", of_group),
        Graph("Schedules taken up", tuple(_one(metric, stage, SUM) for metric in armed)),
        Graph("Lag behind changes", (_one(metrics.ENGINE_LAG, stage, MOST),), unit="seconds"),
    ]


def _queue(stage: str, settings: Settings) -> list[Graph]:
    standing = (metrics.QUEUE_DEPTH, metrics.WAITING, metrics.RUNNING, metrics.HELD, metrics.DEAD_LETTERS)
    age = "ApproximateAgeOfOldestMessage"
    return [
        Graph("Executions, sampled each minute", tuple(_one(metric, stage, MOST) for metric in standing)),
        Graph("Age of the oldest", (_one(metrics.QUEUE_OLDEST, stage, MOST),), unit="seconds"),
        Graph(
            "Age of the oldest message in SQS",
            tuple(_of_queue(settings.names(what), what, age) for what in WORK),
            unit="seconds",
        ),
    ]


def _api(stage: str) -> list[Graph]:
    return [
        Graph("Requests by status", (_each(metrics.HTTP_REQUESTS, stage, SUM),), stacked=True),
        Graph("Answer times by route, p95", (_each(metrics.HTTP_SECONDS, stage, "p95"),), unit="seconds"),
        Graph("Commands", (_each(metrics.COMMANDS, stage, SUM),), stacked=True),
    ]


# --- lines ---


def _one(metric: Metric, stage: str, statistic: str, label: str = "") -> Line:
    """A metric without labels."""
    told = {"stat": statistic, "label": label or metric.name.removeprefix("rez_").replace("_", " ")}
    return [NAMESPACE, metric.name, "service", SERVICE, "stage", stage, told]


def _percentiles(metric: Metric, stage: str) -> tuple[Line, ...]:
    return tuple(_one(metric, stage, percentile, percentile) for percentile in PERCENTILES)


def _each(metric: Metric, stage: str, statistic: str, period: int = PERIOD) -> Line:
    """A metric with labels: a line for every combination that there is."""
    dimensions = ",".join((NAMESPACE, "service", "stage", *metric.on_aws))
    search = f'{{{dimensions}}} MetricName="{metric.name}" service="{SERVICE}" stage="{stage}"'
    label = " ".join(f"${{PROP('Dim.{name}')}}" for name in metric.on_aws)
    return [{"expression": f"SEARCH('{search}', '{statistic}', {period})", "label": label}]


def _of_function(settings: Settings, name: str) -> Iterator[Line]:
    for what in FUNCTIONS:
        yield ["AWS/Lambda", name, "FunctionName", settings.names(what), {"stat": SUM, "label": what}]


def _of_dead_letters(settings: Settings) -> Iterator[Line]:
    for what in (*WORK, COMMANDS, "scheduler"):
        name = settings.names(f"{what}-dead-letters")
        yield _of_queue(name, what, "ApproximateNumberOfMessagesVisible")


def _of_queue(name: str, label: str, metric: str) -> Line:
    return ["AWS/SQS", metric, "QueueName", name, {"stat": MOST, "label": label}]
