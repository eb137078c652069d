"""The dashboard in CloudWatch: each metric on it is one that the functions write, or that AWS has of
something in the stage."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from rez_agent.aws.metrics import NAMESPACE
from rez_agent.metrics import TABLE, Metric, On
from tests.infrastructure.templates import REGION, Deployed

ON_AWS = {metric.name: metric for metric in TABLE if metric.on is not On.LOCAL}
SEARCH = re.compile(
    r"SEARCH\('\{rez-agent,([\w,]+)\} MetricName=\"(\w+)\" service=\"rez-agent\" stage=\"(\w+)\"', "
    r"'(Sum|Average|Maximum|p\d\d)', (\d+)\)"
)
LONGEST_SEARCH = 1_024
"""CloudWatch's own bound ("CloudWatch search expression syntax")."""


@pytest.fixture(scope="module")
def widgets(dev: Deployed) -> list[dict[str, Any]]:
    (dashboard,) = dev.of("CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == "rez-agent-overview-dev"
    found: list[dict[str, Any]] = json.loads(dashboard["DashboardBody"])["widgets"]
    return found


def lines(widgets: list[dict[str, Any]]) -> list[list[Any]]:
    return [line for one in widgets if one["type"] == "metric" for line in one["properties"]["metrics"]]


def asked(line: list[Any]) -> tuple[Metric, tuple[str, ...]] | None:
    """The metric of ours that a line asks for, and its dimensions; None for AWS's own."""
    if "expression" in line[0]:
        found = SEARCH.fullmatch(line[0]["expression"])
        assert found, line
        assert len(line[0]["expression"]) <= LONGEST_SEARCH
        assert found[3] == "dev"
        return ON_AWS[found[2]], tuple(found[1].split(","))
    if line[0] != NAMESPACE:
        return None
    assert line[2:6] == ["service", "rez-agent", "stage", "dev"], line
    return ON_AWS[line[1]], tuple(line[2:-1:2])


def test_every_metric_of_ours_is_one_that_is_written_with_these_dimensions(
    widgets: list[dict[str, Any]],
) -> None:
    ours = [found for line in lines(widgets) if (found := asked(line))]
    for metric, dimensions in ours:
        assert dimensions == ("service", "stage", *metric.on_aws), metric.name
    assert {metric.name for metric, _ in ours} == ON_AWS.keys()


def test_every_metric_of_aws_is_of_something_that_the_stage_has(
    widgets: list[dict[str, Any]], dev: Deployed
) -> None:
    there = {
        "QueueName": {queue["QueueName"] for queue in dev.of("SQS::Queue").values()},
        "FunctionName": {function["FunctionName"] for function in dev.of("Lambda::Function").values()},
        "ScheduleGroup": {group["Name"] for group in dev.of("Scheduler::ScheduleGroup").values()},
    }
    services = {"QueueName": "AWS/SQS", "FunctionName": "AWS/Lambda", "ScheduleGroup": "AWS/Scheduler"}
    theirs = [line for line in lines(widgets) if asked(line) is None]
    assert theirs
    for namespace, _, dimension, name, _ in theirs:
        assert name in there[dimension]
        assert namespace == services[dimension]
    shown = {line[3] for line in theirs}
    assert {one for found in there.values() for one in found} <= shown | {"rez-agent-sweep-dev"}


def test_the_rows_are_those_of_grafanas_dashboard(widgets: list[dict[str, Any]]) -> None:
    headings = [one["properties"]["markdown"] for one in widgets if one["type"] == "text"]
    assert headings == [f"## {row}" for row in ("Health", "Executions", "Lateness", "Queue", "API")]


def test_graphs_stand_beside_each_other_in_the_stages_region(widgets: list[dict[str, Any]]) -> None:
    for one, other in combinations(widgets, 2):
        apart = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        above = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        assert apart or above
    for one in widgets:
        assert one["x"] + one["width"] <= 24
        assert one["type"] == "text" or one["properties"]["region"] == REGION
