"""What a running server shows at /metrics: the table's metrics, and all that the dashboard asks for."""

from __future__ import annotations

import time
import urllib.request

import pytest
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from rez_agent.metrics import TABLE, VALUES, Kind, On
from tests.dashboard import asked, queries, variables
from tests.e2e.conftest import Serve
from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Recorder
from tests.e2e.test_fires import created, final

pytestmark = pytest.mark.e2e

ONCE = {"retry": {"max_attempts": 1}}
FAR = "at(2100-01-01T00:00:00)"


def scraped(server: Program) -> dict[str, Family]:
    """The families, as Prometheus reads them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return {family.name: family for family in text_string_to_metric_families(response.read().decode())}


def value(families: dict[str, Family], name: str, **labels: str) -> float:
    """One sample."""
    (found,) = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return float(found)


def busy(server: Program, target: Recorder) -> None:
    """Make things happen: runs that succeed and fail, one that is skipped, a refused command, a pause."""
    due = time.time() + 2
    good = created(server, web_action("good", at(due), target.url("/good")))
    bad = created(server, web_action("bad", at(due), target.url("/fail/9/x"), policies=ONCE))
    slow = created(
        server, web_action("slow", "rate(1 minute)", target.url("/slow/1/x"), policies={"overlap": "skip"})
    )
    paused = created(server, web_action("paused", FAR, target.url("/never")))
    assert server.post(f"/api/schedules/{paused}/pause", {}, {"Prefer": "wait=10"}).status == 200
    for _ in range(2):
        server.post(f"/api/schedules/{slow}/run", {}, {"Prefer": "wait=10"})
    assert server.get("/api/schedules/nothing").status == 404
    for schedule_id in (good, bad, slow):
        eventually(lambda one=schedule_id: final(server, one), 30, "its end")  # type: ignore[misc]


def test_a_server_shows_what_the_table_and_the_dashboard_name(serve: Serve, target: Recorder) -> None:
    server = serve()
    busy(server, target)
    families = scraped(server)

    table = {metric.name: metric for metric in TABLE if metric.on is not On.AWS}
    assert {name for name in families if name.startswith("rez_")} == table.keys()
    for name, metric in table.items():
        own = {"le"} if metric.kind is Kind.HISTOGRAM else set()
        assert families[name].type == metric.kind.value
        assert families[name].documentation == metric.help
        for sample in families[name].samples:
            assert sample.labels.keys() - own == set(metric.labels), sample
            for label in sample.labels.keys() & VALUES.keys():
                assert sample.labels[label] in VALUES[label], sample

    shown = {sample.name for family in families.values() for sample in family.samples}
    for query in queries():
        assert asked(query).metrics <= shown, query
    assert set(variables().values()) <= shown

    assert value(families, "rez_executions_total", status="succeeded") >= 2
    assert value(families, "rez_executions_total", status="failed") == 1
    assert value(families, "rez_attempts_total", code="status_5xx") == 2
    assert value(families, "rez_commands_total", action="create", status="completed") == 4
    assert value(families, "rez_schedules", status="paused") == value(families, "rez_dead_letters") == 1
    assert value(families, "rez_http_requests_total", route="/api/schedules/{schedule_id}", status="404") == 1
