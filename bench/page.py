"""The list at a million: how long its pages and the API's lists take, beside a thousand.

Two servers stand side by side, over 1,000 schedules with as many executions, and over 1,000,000 with as many;
they are asked in turns, so that whatever else the machine does meets both. Times are until the answer is
there, whole, on a kept connection: a little more than the server's own. The server's processor time for an
answer is told besides, which a busy machine does not lengthen.
"""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

from tests.e2e.program import Program

from bench.figures import Figure, Goal, percentile
from bench.histories import add_histories
from bench.standing import standing

NAME = "page"

MANY, FEW = 1_000_000, 1_000
ASKED = 40
"""How often each is asked for; the figure is the median."""
DEEP = 200
"""The deep page is the one behind so many of 100 (of 1,000 schedules: behind eight)."""

LOOK_SECONDS, IDLE = 2.0, 0.05
"""A server that uses less of a processor than this for so long is idle."""

MEDIAN = Goal(most=100)
OF_FEW = Goal(most=2)
AS_LONG = 0.9
"""Answers are comparable when the shorter one is at least so long."""

QUERIES: dict[str, dict[str, str]] = {
    "newest": {},
    "oldest, with long histories": {"order": "created_date"},
    "by name": {"order": "name"},
    "by next run": {"order": "next_run"},
    "a common tag": {"tag": "standing"},
    "a rare tag": {"tag": "rare"},
    "paused": {"status": "paused"},
    "finished": {"status": "finished"},
    "a target type": {"target": "web_action"},
    "another target type": {"target": "notification"},
    "an owner": {"owner": "local"},
    "a search": {"q": "standing-00"},
    "a search, by name": {"q": "standing-000", "order": "name"},
    "two filters": {"status": "active", "tag": "standing"},
    "two filters that seldom meet": {"status": "paused", "tag": "rare"},
}
"""Lists of schedules, by the filters that the page calls so."""

_AT_THE_API = {"target": "target_type", "q": "name_prefix", "owner": "created_by"}


@dataclass(frozen=True, slots=True)
class Taken:
    """The milliseconds of one path, how long its answer was, and the server's processor time for one in
    milliseconds."""

    times: list[float]
    size: int
    processor: float = 0.0

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.times)


def compared(what: str, few: Taken, many: Taken) -> Iterator[Figure]:
    """The figures of one path. The ratio of a page is judged, unless a thousand have less to show."""
    goal = OF_FEW if what.startswith("page") and few.size >= AS_LONG * many.size else None
    yield Figure(NAME, f"{what}, of {MANY:,}: median", many.median, "ms", MEDIAN)
    yield Figure(NAME, f"{what}, of {MANY:,}: p95", percentile(many.times, 0.95), "ms")
    yield Figure(NAME, f"{what}, of {MANY:,}: processor time", many.processor, "ms")
    runs = (few.median, many.median)
    yield Figure(NAME, f"{what}, of {MANY:,} / of {FEW:,}", many.median / few.median, "times", goal, runs)


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
    """What the two servers take for each path."""
    pages = (paths(few), paths(many))
    _settle(few, many)
    return [
        figure
        for what in pages[0]
        for figure in compared(what, *asked((few, pages[0][what]), (many, pages[1][what])))
    ]


def _settle(*servers: Program) -> None:
    """Until they do nothing by themselves: a large database is checked while it serves already."""
    for server in servers:
        before = -1.0
        while (used := processor_seconds(server.pid)) - before > IDLE * LOOK_SECONDS:
            before = used
            time.sleep(LOOK_SECONDS)


def paths(server: Program) -> dict[str, str]:
    """What is asked of a server."""
    newest, oldest = (
        server.get(f"/api/schedules?limit=1&tag=standing&order={order}").body["items"][0]["id"]
        for order in ("-created_date", "created_date")
    )
    execution = server.get("/api/executions?limit=1&status=failed").body["items"][0]["id"]
    deep = {"cursor": _deep_cursor(server)}
    return {
        **{f"page, {what}": _path("/schedules", query) for what, query in QUERIES.items()},
        "page, a deep one": _path("/schedules", deep),
        "page, one schedule": f"/schedules/{newest}",
        "page, one with a long history": f"/schedules/{oldest}",
        "page, what is coming of one": f"/schedules/{newest}?tab=upcoming",
        "page, executions": "/executions",
        "page, failed executions": "/executions?status=failed",
        "page, one execution": f"/executions/{execution}",
        "page, the week": "/week",
        "page, messages": "/messages",
        **{f"API, {what}": _api_path(query) for what, query in QUERIES.items()},
        "API, a deep page": _path("/api/schedules", deep),
        "API, executions": "/api/executions",
        "API, failed executions": "/api/executions?status=failed",
        "API, dead letters": "/api/executions?dead_letter=true",
        "API, one schedule": f"/api/schedules/{newest}",
        "API, its executions": f"/api/schedules/{newest}/executions",
        "API, its statistics": f"/api/schedules/{newest}/statistics",
        "API, one with a long history": f"/api/schedules/{oldest}/statistics",
        "API, one execution": f"/api/executions/{execution}",
        "metrics": "/metrics",
    }


def _api_path(query: dict[str, str]) -> str:
    if query.get("status") == "finished":
        query = {"finished": "true"}
    return _path("/api/schedules", {_AT_THE_API.get(name, name): value for name, value in query.items()})


def _path(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}"


def _deep_cursor(server: Program) -> str:
    """The cursor behind many pages, before the last."""
    cursor, page = "", server.get("/api/schedules?limit=100").body
    for _ in range(DEEP):
        following = server.get(f"/api/schedules?limit=100&cursor={page['next_cursor']}").body
        if following["next_cursor"] is None:
            break
        cursor, page = page["next_cursor"], following
    return str(cursor)


def asked(*places: tuple[Program, str]) -> list[Taken]:
    """Each server's path, asked for in turns."""
    taken = [Taken([], 0) for _ in places]
    with ExitStack() as stack:
        made = [http.client.HTTPConnection("127.0.0.1", server.port) for server, _ in places]
        for connection in made:
            stack.callback(connection.close)
        begun = [processor_seconds(server.pid) for server, _ in places]
        for _ in range(ASKED):
            for number, (connection, (_, path)) in enumerate(zip(made, places, strict=True)):
                milliseconds, size = _ask(connection, path)
                taken[number] = Taken([*taken[number].times, milliseconds], size)
        used = [processor_seconds(server.pid) - at for (server, _), at in zip(places, begun, strict=True)]
    return [replace(one, processor=seconds / ASKED * 1_000) for one, seconds in zip(taken, used, strict=True)]


def processor_seconds(pid: int) -> float:
    """How long the threads of a process have been on a processor."""
    told = [path.read_text().split()[0] for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(map(int, told)) / 1e9


def _ask(connection: http.client.HTTPConnection, path: str) -> tuple[float, int]:
    begun = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    data = response.read()
    milliseconds = (time.perf_counter() - begun) * 1_000
    assert response.status == 200, (path, data)
    return milliseconds, len(data)
