"""The deployed stage's metrics: what the functions write to their logs is what its dashboard shows."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from rez_agent.metrics import ENGINE_LAG, QUEUE_DEPTH, SCHEDULES
from tests.aws.emf import Emitted, emitted
from tests.stack.running import STAGE, Stack

pytestmark = pytest.mark.e2e


def swept(stack: Stack, which: str) -> Emitted:
    """What the sweep function writes for CloudWatch."""
    answer = stack.client("lambda").invoke(
        FunctionName=stack.outputs["sweepFunctionName"],
        Payload=json.dumps({"sweep": which}).encode(),
        LogType="Tail",
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    return emitted([line for line in lines if '"_aws"' in line], STAGE)


def shown(stack: Stack) -> set[str]:
    """The names of our metrics on the dashboard."""
    found = stack.client("cloudwatch").get_dashboard(DashboardName=f"rez-agent-overview-{STAGE}")
    body: dict[str, Any] = json.loads(found["DashboardBody"])
    assert len(body["widgets"]) > 10
    assert "${PROP('Dim.status')}" in found["DashboardBody"]
    return set(re.findall(r"rez_\w+", found["DashboardBody"]))


def test_the_sweep_writes_how_things_stand_under_names_that_the_dashboard_shows(stack: Stack) -> None:
    minute, hour = swept(stack, "minute"), swept(stack, "reconcile")
    assert {QUEUE_DEPTH.name, ENGINE_LAG.name} <= {name for name, _ in minute}
    assert (SCHEDULES.name, frozenset({("status", "active")})) in hour
    assert {name for name, _ in (*minute, *hour)} <= shown(stack)
