"""The list at a million: how long its pages and the API's lists take, beside a thousand.

Two servers stand side by side, over 1,000 schedules with as many executions, and over 1,000,000 with as many;
they are asked in turns, so that whatever else the machine does meets both. Times are until the answer is
there, whole, on a kept connection: a little more than the server's own.
"""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from tests.e2e.program import Program

from bench.figures import Figure, Goal, percentile
from bench.histories import add_histories
from bench.standing import standing

NAME = "page"

MANY, FEW = 1_000_000, 1_000
ASKED = 30
"""How often each is asked for; the figure is the median."""
DEEP = 40
"""The deep page is the one behind so many of 500 (of 1,000 schedules: the second of 500)."""

MEDIAN = Goal(most=100)
OF_FEW = Goal(most=2)

QUERIES: dict[str, dict[str, str]] = {
    "newest": {},
    "by name": {"order": "name"},
    "by next run": {"order": "next_run"},
    "a common tag": {"tag": "standing"},
    "a rare tag": {"tag": "rare"},
    "paused": {"status": "paused"},
    "a target type": {"target_type": "web_action"},
    "names that begin so": {"name_prefix": "standing-00009"},
    "names that begin so, by name": {"name_prefix": "standing-00", "order": "name"},
    "two filters": {"status": "active", "tag": "standing"},
    "two filters that seldom meet": {"status": "paused", "tag": "rare"},
}
"""Lists of schedules, by their filters."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The milliseconds of one page, of a few and of many."""

    few: list[float]
    many: list[float]

    def figures(self, what: str) -> Iterator[Figure]:
        """The figures of one page."""
        few, many = statistics.median(self.few), statistics.median(self.many)
        yield Figure(NAME, f"{what}, of {MANY:,}: median", many, "ms", MEDIAN)
        yield Figure(NAME, f"{what}, of {MANY:,}: p95", percentile(self.many, 0.95), "ms")
        yield Figure(NAME, f"{what}, of {MANY:,} / of {FEW:,}", many / few, "times", OF_FEW, (few, many))


def run() -> list[Figure]:
    """Every page, with both."""
    with busy(FEW) as few, busy(MANY) as many, Program(few) as small, Program(many) as large:
        return figures(small, large)


@contextmanager
def busy(number: int) -> Iterator[Path]:
    """A data directory in which so many schedules stand, with as many executions."""
    with standing(number) as data_dir:
        add_histories(data_dir, number)
        yield data_dir


def figures(few: Program, many: Program) -> list[Figure]:
    """What the two servers take for each page."""
    found: list[Figure] = []
    pages = (paths(few), paths(many))
    for what in pages[0]:
        asked = _ask(few, pages[0][what], many, pages[1][what])
        found += asked.figures(what)
    return found


def paths(server: Program) -> dict[str, str]:
    """What is asked of a server."""
    newest = server.get("/api/schedules?limit=1").body["items"][0]["id"]
    oldest = server.get("/api/schedules?limit=1&order=created_date&tag=standing").body["items"][0]["id"]
    execution = server.get(f"/api/schedules/{newest}/executions?limit=1").body["items"]
    lists = {f"API, {what}": _path("/api/schedules", query) for what, query in QUERIES.items()}
    return {
        **lists,
        "API, a deep page": _path("/api/schedules", {"cursor": _deep_cursor(server)}),
        "API, executions": _path("/api/executions", {}),
        "API, failed executions": _path("/api/executions", {"status": "failed"}),
        "API, dead letters": _path("/api/executions", {"dead_letter": "true"}),
        "API, one schedule": f"/api/schedules/{oldest}",
        "metrics": "/metrics",
        **({"API, one execution": f"/api/executions/{execution[0]['id']}"} if execution else {}),
    }


def _path(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode({'limit': '50', **query})}"


def _deep_cursor(server: Program) -> str:
    cursor, page = "", server.get("/api/schedules?limit=500").body
    for _ in range(DEEP):
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
        page = server.get(f"/api/schedules?limit=500&cursor={cursor}").body
    return str(cursor)


def _ask(few: Program, of_few: str, many: Program, of_many: str) -> Asked:
    connections = [http.client.HTTPConnection("127.0.0.1", server.port) for server in (few, many)]
    asked = Asked([], [])
    try:
        for _ in range(ASKED):
            asked.few.append(_milliseconds(connections[0], of_few))
            asked.many.append(_milliseconds(connections[1], of_many))
    finally:
        for connection in connections:
            connection.close()
    return asked


def _milliseconds(connection: http.client.HTTPConnection, path: str) -> float:
    begun = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    data = response.read()
    taken = (time.perf_counter() - begun) * 1_000
    assert response.status == 200, data
    assert data, path
    return taken
