"""Metrics in CloudWatch's embedded format, read as CloudWatch reads them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from rez_agent.aws.metrics import NAMESPACE

Emitted = dict[tuple[str, frozenset[tuple[str, str]]], list[float]]
"""Values by a metric's name and its labels."""


def emitted(lines: Iterable[str], stage: str) -> Emitted:
    """The metrics in a log; each stands under ``stage`` and the service, which are left out here."""
    found: Emitted = defaultdict(list)
    for line in lines:
        document: dict[str, Any] = json.loads(line)
        for told in document["_aws"]["CloudWatchMetrics"]:
            assert told["Namespace"] == NAMESPACE
            (dimensions,) = told["Dimensions"]
            values = {name: document[name] for name in dimensions}
            assert (values.pop("service"), values.pop("stage")) == ("rez-agent", stage)
            for metric in told["Metrics"]:
                found[metric["Name"], frozenset(values.items())] += document[metric["Name"]]
    return dict(found)
