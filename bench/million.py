"""A million standing schedules: memory, time to start, and the pages of lists.

The million is made once for each run of the benches: a server creates a few schedules of different kinds by
its API, and their rows are copied in the database with other ids, names, tags and due times. So the rows
are what the program writes, but for the messages of their creation.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from pathlib import Path

from tests.e2e.program import Program

from bench.figures import PAIRS, Figure, Goal, median_figure
from bench.standing import standing

NAME = "million"

MANY, FEW = 1_000_000, 1_000
ASKED = 50
"""How often each page is asked for; its figure is the median."""
DEEP = 200
"""The deep page is the one behind so many of 500 (of 1,000 schedules: the second of 500)."""

IN_MEMORY = Goal(most=150)
UNTIL_READY = Goal(most=3)

LISTS = {
    "the first": "limit=50",
    "by name": "limit=50&order=name",
    "the next due": "limit=50&order=next_run",
    "paused": "limit=50&status=paused",
    "a rare tag": "limit=50&tag=rare",
    "a common tag": "limit=50&tag=standing",
    "a common tag, by name": "limit=50&tag=standing&order=name",
    "names that begin so": "limit=50&name_prefix=standing-00009",
    "two filters": "limit=50&status=active&target_type=web_action&finished=false",
}


def run() -> list[Figure]:
    """Memory and start with the million, lists with both."""
    with standing(MANY) as many, standing(FEW) as few:
        figures = _life(many)
        pages = {FEW: _pages(few), MANY: _pages(many)}
    for what in pages[FEW]:
        for number, found in pages.items():
            runs = (found[what],)
            figures.append(Figure(NAME, f"page, {what}, of {number:,}", found[what], "ms", None, runs))
    return figures


def _pages(data_dir: Path) -> dict[str, float]:
    """Milliseconds until a page is there, whole, on a kept connection."""
    with Program(data_dir) as server:
        lists = {**LISTS, "a deep one": f"limit=50&cursor={_deep_cursor(server)}"}
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        try:
            return {what: _median_ms(connection, f"/api/schedules?{query}") for what, query in lists.items()}
        finally:
            connection.close()


def _deep_cursor(server: Program) -> str:
    cursor, page = "", server.get("/api/schedules?limit=500").body
    for _ in range(DEEP):
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
        page = server.get(f"/api/schedules?limit=500&cursor={cursor}").body
    return str(cursor)


def _median_ms(connection: http.client.HTTPConnection, path: str) -> float:
    times = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        data = response.read()
        times.append((time.perf_counter() - begun) * 1_000)
        assert response.status == 200, data
        assert json.loads(data)["items"], path
    return statistics.median(times)


def _life(data_dir: Path) -> list[Figure]:
    starts, idle, used = [], [], []
    for _ in range(PAIRS):
        begun = time.perf_counter()
        with Program(data_dir) as server:
            starts.append(time.perf_counter() - begun)
            idle.append(memory(server.pid))
            for query in LISTS.values():
                server.get(f"/api/schedules?{query}")
            used.append(memory(server.pid))
            server.terminate()
    return [
        median_figure(NAME, f"start until ready, {MANY:,} standing", starts, "s", UNTIL_READY),
        median_figure(NAME, f"memory when ready, {MANY:,} standing", idle, "MiB", IN_MEMORY),
        median_figure(NAME, "memory after lists were asked for", used, "MiB", IN_MEMORY),
    ]


def memory(pid: int) -> float:
    """What the process holds in memory, in MiB (resident set, shared libraries included)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (resident,) = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(resident) / 1024
