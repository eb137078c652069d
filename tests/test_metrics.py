"""The table of metrics: bounded labels, and a page that says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rez_agent.metrics import ENDINGS, NONE, OTHER, TABLE, VALUES, Kind, Metric, On, code_class

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
ACTIONS = (ROOT / "docs/reference/actions.md").read_text(encoding="utf-8")
HOSTS = {On.BOTH: "both", On.LOCAL: "one machine", On.AWS: "AWS"}


def row(metric: Metric) -> str:
    """The metric's line of the page."""
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    if metric.on is On.BOTH and metric.on_aws != metric.labels:
        on_aws = ", ".join(f"`{label}`" for label in metric.on_aws) or "none"
        labels += f"; on AWS {on_aws}"
    kind = f"{metric.kind.value}, {metric.unit}" if metric.unit else metric.kind.value
    return f"| `{metric.name}` | {kind} | {labels} | {HOSTS[metric.on]} | {metric.help} |"


def test_the_page_has_the_table() -> None:
    assert [line for line in PAGE.splitlines() if line.startswith("| `rez_")] == [row(one) for one in TABLE]


@pytest.mark.parametrize("label", ["outcome", "code", "lateness", "kind", "became"])
def test_the_page_lists_every_value_of_a_label(label: str) -> None:
    (values,) = re.findall(rf"^\| `{label}` \| (.*) \|$", PAGE, re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", values)) == VALUES[label]


def test_every_metric_has_a_name_of_its_own_in_prometheus_style() -> None:
    names = [metric.name for metric in TABLE]
    assert len(set(names)) == len(names)
    for metric in TABLE:
        assert re.fullmatch(r"rez_[a-z]+(_[a-z]+)*", metric.name)
        assert not metric.name.endswith("_total")
        assert (metric.unit == "seconds") == metric.name.endswith("_seconds")
        assert bool(metric.bounds) == (metric.kind is Kind.HISTOGRAM and metric.on is not On.AWS)
        assert list(metric.bounds) == sorted(metric.bounds)
        assert metric.help.endswith(".")


def test_no_label_holds_what_a_caller_chose() -> None:
    labels = {label for metric in TABLE for label in metric.labels}
    assert labels == {*VALUES, "status", "method", "route"}
    assert all(set(metric.on_aws) <= set(metric.labels) for metric in TABLE)


def test_every_documented_code_of_an_attempt_has_a_class_and_an_unknown_one_is_other() -> None:
    (section,) = re.findall(r"^## Outcomes\n(.*?)(?=^## |\Z)", ACTIONS, re.MULTILINE | re.DOTALL)
    codes = {
        code
        for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", cell)
    }
    assert len(codes) > 20
    assert {code for code in codes - {"status"} if code_class(code, None) == OTHER} == set()
    assert code_class("status", 503) == "status_5xx"
    assert code_class("status", 404) == "status_4xx"
    assert code_class("status", 304) == "status_3xx"
    assert (
        code_class("status", 799)
        == code_class("status", None)
        == code_class("whatever it says", 200)
        == OTHER
    )


def test_the_endings_name_every_reason_once() -> None:
    assert sorted({reason for _, reason in ENDINGS}) == sorted(VALUES["reason"])
    assert [status for status, reason in ENDINGS if reason == NONE] == ["succeeded", "failed"]
