"""The Grafana dashboard: every query is one that Prometheus reads, of metrics and labels that there are."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from rez_agent.metrics import ENDINGS, NOTICES, STATUSES, TABLE, VALUES, Kind, On
from tests.dashboard import FILE, asked, document, queries, variables

OF_PROCESS = {"process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
LABELS = {metric.exposed: metric.labels for metric in TABLE if metric.on is not On.AWS}
BUCKETS = {
    f"{metric.name}_bucket": (*metric.labels, "le") for metric in TABLE if metric.kind is Kind.HISTOGRAM
}
KNOWN = {**LABELS, **BUCKETS, **dict.fromkeys(OF_PROCESS, ())}
STATES = {
    "rez_executions_total": {status for status, _ in ENDINGS},
    "rez_schedules": set(STATUSES),
    "rez_commands_total": {"completed", "failed"},
    "rez_alert_notices_total": {status for _, status in NOTICES},
}


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_is_read_and_asks_for_what_there_is(query: str) -> None:
    found = asked(query)
    assert found.metrics
    for metric in found.metrics:
        assert metric in KNOWN, query
        assert found.labels <= set(KNOWN[metric]), query
    for metric, label, value in found.picked:
        if label != "instance":
            assert label in KNOWN[metric]
            assert value in (STATES[metric] if label == "status" else VALUES[label]), query


@pytest.mark.parametrize("query", list(queries()))
def test_a_counter_is_asked_for_its_growth_and_a_gauge_as_it_is(query: str) -> None:
    for metric in asked(query).metrics:
        grows = metric.endswith(("_total", "_bucket"))
        within = re.findall(rf"(\w+)\({metric}\{{[^}}]*\}}\[", query)
        assert bool(within) == grows, query
        assert set(within) <= {"rate", "increase"}


def test_every_metric_of_the_server_is_on_the_dashboard() -> None:
    shown = {metric for query in queries() for metric in asked(query).metrics}
    assert KNOWN.keys() - shown - {metric.name for metric in TABLE if metric.kind is Kind.HISTOGRAM} == set()


def test_the_rows_are_those_that_the_documentation_names() -> None:
    rows = [panel["title"] for panel in document()["panels"] if panel["type"] == "row"]
    assert rows == ["Health", "Executions", "Lateness", "Queue", "API"]


def test_variables_and_panels_use_the_data_source_that_is_chosen() -> None:
    assert [one["name"] for one in document()["templating"]["list"]] == ["datasource", "instance"]
    assert variables() == {"instance": "rez_running"}
    for panel in document()["panels"]:
        for part in (panel, *panel.get("targets", ())):
            if panel["type"] != "row":
                assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_panels_have_ids_of_their_own_and_do_not_cover_each_other() -> None:
    panels = document()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert one["x"] + one["w"] <= 24


def test_what_prometheus_would_refuse_is_refused() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        asked("sum by (rate(rez_executions_total[5m])")


def test_the_rules_that_the_page_proposes_ask_for_what_there_is() -> None:
    page = (FILE.parents[2] / "docs/how-to/metrics.md").read_text(encoding="utf-8")
    rules = re.findall(r"^\| .* \| `(.+)` \|$", page, re.MULTILINE)
    assert len(rules) > 5
    for rule in rules:
        found = asked(rule)
        assert found.metrics <= KNOWN.keys(), rule
        for metric, label, value in found.picked:
            assert value in (STATES[metric] if label == "status" else VALUES[label]), rule
