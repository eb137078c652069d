"""Creates: rez-agent's REST API against APScheduler 3's ``add_job`` in its own process.

The server is a process, its client another, without the limit on one key's requests; ``add_job`` writes to
its SQLite job store from the process that calls it, with no network between. All are durable when they are
acknowledged: the server's creates share fsyncs, ``add_job`` has one each.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.program import Program

from bench.figures import Figure, Goal, interleaved, median_figure

NAME = "creates"

SINGLES = 5_000
BATCHED = 20_000
ADDED = 1_000
TARGET = "https://example.com/hook"

OF_SINGLES = Goal(least=3)
OF_BATCHES = Goal(least=20)


def run() -> list[Figure]:
    """All three, taking turns."""
    one_by_one, in_batches, added = interleaved(singles, batches, rival)
    return [
        median_figure(NAME, "REST, single requests, 64 at a time", one_by_one, "a second"),
        median_figure(NAME, "REST, batches of 1,000, 4 at a time", in_batches, "a second"),
        median_figure(NAME, "APScheduler 3, add_job in its process", added, "a second"),
        _ratio("single requests / add_job", one_by_one, added, OF_SINGLES),
        _ratio("batches / add_job", in_batches, added, OF_BATCHES),
    ]


def _ratio(what: str, ours: list[float], theirs: list[float], goal: Goal) -> Figure:
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return median_figure(NAME, what, ratios, "times", goal)


def singles() -> float:
    """Creates a second, one by one."""
    return _asked("singles", SINGLES)


def batches() -> float:
    """Creates a second, in batches."""
    return _asked("batches", BATCHED)


def _asked(kind: str, number: int) -> float:
    with (
        tempfile.TemporaryDirectory() as directory,
        Program(Path(directory, "data"), "--requests-per-second", "0") as server,
    ):
        url = f"http://127.0.0.1:{server.port}"
        return number / _seconds("bench.asker", kind, url, str(number), TARGET)


def rival() -> float:
    """Jobs added a second."""
    with tempfile.TemporaryDirectory() as directory:
        return ADDED / _seconds("bench.rival", "creates", str(ADDED), directory)


def _seconds(module: str, *arguments: str) -> float:
    command = [sys.executable, "-m", module, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
