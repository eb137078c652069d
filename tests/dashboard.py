"""The Grafana dashboard, read: its panels, and what each of its queries asks of Prometheus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    Expr,
    MatchOp,
    VectorSelector,
    parse,
    walk,
)

FILE = Path(__file__).parents[1] / "dashboards/grafana/rez-agent.json"
_BUILT_IN = {"$__rate_interval": "5m", "$instance": ".*"}
_SERIES = re.compile(r"label_values\((\w+), (\w+)\)")


@dataclass(frozen=True)
class Asked:
    """What one query asks for: metrics, labels that it groups by, and labels with values that it picks."""

    query: str
    metrics: frozenset[str]
    labels: frozenset[str]
    picked: frozenset[tuple[str, str, str]]


def document() -> dict[str, Any]:
    """The dashboard, as Grafana is given it."""
    read: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return read


def queries() -> Iterator[str]:
    """Every query, with Grafana's own variables filled in."""
    for panel in document()["panels"]:
        for target in panel.get("targets", ()):
            query: str = target["expr"]
            for name, value in _BUILT_IN.items():
                query = query.replace(name, value)
            yield query


def variables() -> dict[str, str]:
    """The metric whose labels each variable of the dashboard offers."""
    told = [variable.get("definition", "") for variable in document()["templating"]["list"]]
    return {label: metric for text in told for metric, label in _SERIES.findall(text)}


def asked(query: str) -> Asked:
    """Reads a query as Prometheus does. Raises ValueError for what it would refuse."""
    metrics: set[str] = set()
    labels: set[str] = set()
    picked: set[tuple[str, str, str]] = set()

    def visit(node: Expr) -> None:
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            assert node.modifier.type == AggModifierType.By
            labels.update(node.modifier.labels)
        if isinstance(node, VectorSelector):
            assert node.name is not None
            metrics.add(node.name)
            for matcher in node.matchers.matchers:
                values = matcher.value.split("|") if matcher.op == MatchOp.Re else [matcher.value]
                picked.update((node.name, matcher.name, value) for value in values)

    walk(parse(query), visit)
    return Asked(query, frozenset(metrics), frozenset(labels), frozenset(picked))
