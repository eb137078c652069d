"""Lateness at 200 fires a second, with nothing else standing and with a million.

200 schedules are due in each second, all at its very beginning, since an occurrence falls on a whole second:
so the last of the 200 waits for the others. Lateness is the time from the due second to the arrival at the
target, which is a process of its own on the same machine.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Recorder

from bench.figures import PAIRS, Figure, Goal, median_figure, percentile
from bench.standing import standing

NAME = "lateness"

MANY = 1_000_000
A_SECOND = 200
SECONDS = 15
BATCH = 1_000
LEAD_SECONDS = 6
PATIENCE = 60.0

P99_MS = Goal(most=100)
EARLY = Goal(most=0)
OF_EMPTY = Goal(most=1.5)


def run() -> list[Figure]:
    """Without and with the million, taking turns."""
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    with standing(MANY) as many:
        for turn in range(PAIRS):
            with standing(0) as none:
                alone.append(lateness(none, f"turn-{turn}"))
            beside.append(lateness(many, f"turn-{turn}"))
    ratios = [percentile(b, 0.99) / percentile(a, 0.99) for a, b in zip(alone, beside, strict=True)]
    return [
        *_figures("nothing else standing", alone),
        *_figures(f"{MANY:,} standing", beside),
        median_figure(NAME, f"p99 with {MANY:,} standing / without", ratios, "times", OF_EMPTY),
    ]


def _figures(what: str, turns: list[list[float]]) -> list[Figure]:
    early = float(sum(value < 0 for turn in turns for value in turn))
    return [
        median_figure(NAME, f"p50, {what}", [percentile(turn, 0.5) for turn in turns], "ms"),
        median_figure(NAME, f"p99, {what}", [percentile(turn, 0.99) for turn in turns], "ms", P99_MS),
        median_figure(NAME, f"max, {what}", [max(turn) for turn in turns], "ms"),
        Figure(NAME, f"fired early, {what}", early, "of all", EARLY),
    ]


def lateness(data_dir: Path, name: str) -> list[float]:
    """Milliseconds from due to arrival, of each request, beside what stands in ``data_dir``."""
    with Recorder() as target, Program(data_dir, "--allow-target", "127.0.0.1") as server:
        first = math.ceil(time.time()) + LEAD_SECONDS
        _create(server, target, name, first)
        assert time.time() < first, "they were created too late: this machine is too busy to measure on"
        time.sleep(first + SECONDS - time.time())
        number = A_SECOND * SECONDS
        eventually(lambda: len(target.received()) >= number, PATIENCE, f"{number} requests", every=0.5)
        received = target.received()
        server.terminate()
    return [(request.at - int(request.path.split("/")[1])) * 1_000 for request in received]


def _create(server: Program, target: Recorder, name: str, first: int) -> None:
    definitions = [
        web_action(f"{name}-{second}-{n}", at(second), target.url(f"/{second}/{n}"))
        for second in range(first, first + SECONDS)
        for n in range(A_SECOND)
    ]
    for begin in range(0, len(definitions), BATCH):
        batch = definitions[begin : begin + BATCH]
        answer = server.post("/api/schedules/batch", {"schedules": batch})
        assert answer.body["refused"] == 0, answer.body
