"""A burst: 10,000 schedules due in the same second, against a cheap target in a process of its own.

Three take turns: rez-agent (the real server, as it comes), a bare aiohttp loop with the same concurrency
(what the machine can send at all), and APScheduler 3 with its SQLite job store and 100 threads. A rate is
the number of requests divided by the time from the due second (for the bare loop: its start) to the last
arrival at the target. That counts the engine's own delay before the first arrival; the rate from the first
to the last arrival is shown beside it.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Recorder

from bench.figures import Figure, Goal, interleaved, median_figure

NAME = "burst"

BURST = 10_000
CONCURRENCY = 100
BATCH = 1_000
LEAD_SECONDS = 12.0
"""From the first create to the due second; all must stand by then."""
RIVAL_ADDS_A_SECOND = 250
"""The slowest pace of ``add_job`` that is provided for."""
PATIENCE = 180.0

OF_BARE = Goal(least=0.75, defect=0.6)
OF_RIVAL = Goal(least=8)


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second: since they were due, and between the first and the last arrival."""

    since_due: float
    between: float


def run() -> list[Figure]:
    """All three, taking turns."""
    bare, ours, rival = interleaved(bare_rate, our_rate, rival_rate)
    return [
        *_rates("rez-agent", ours),
        *_rates("a bare aiohttp loop", bare),
        *_rates("APScheduler 3", rival),
        _ratio("rez-agent / bare loop", ours, bare, OF_BARE),
        _ratio("rez-agent / APScheduler 3", ours, rival, OF_RIVAL),
    ]


def _rates(who: str, rates: list[Rate]) -> list[Figure]:
    since_due = [rate.since_due for rate in rates]
    between = [rate.between for rate in rates]
    return [
        median_figure(NAME, f"{who}: fires, from due to last", since_due, "a second"),
        median_figure(NAME, f"{who}: fires, from first to last", between, "a second"),
    ]


def _ratio(what: str, ours: list[Rate], theirs: list[Rate], goal: Goal) -> Figure:
    ratios = [mine.since_due / other.since_due for mine, other in zip(ours, theirs, strict=True)]
    return median_figure(NAME, what, ratios, "times", goal)


def bare_rate() -> Rate:
    """What the machine can send."""
    with Recorder() as target:
        command = [sys.executable, "-m", "bench.bare", str(target.port), str(BURST), str(CONCURRENCY)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return _rate(target, float(done.stdout))


def our_rate() -> Rate:
    """The real server, with its defaults."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Recorder() as target,
        Program(Path(directory, "data"), "--allow-target", "127.0.0.1") as server,
    ):
        due = math.ceil(time.time() + LEAD_SECONDS)
        create_burst(server, target, BURST, due)
        _all_stand(due)
        _await(target, BURST, due)
        return _rate(target, due)


def create_burst(server: Program, target: Recorder, number: int, due: int) -> None:
    """Create ``number`` schedules due at ``due``, in batches."""
    for first in range(0, number, BATCH):
        schedules = [
            web_action(f"burst-{n}", at(due), target.url(f"/burst/{n}"))
            for n in range(first, min(first + BATCH, number))
        ]
        answer = server.post("/api/schedules/batch", {"schedules": schedules})
        assert answer.body["refused"] == 0, answer.body


def rival_rate() -> Rate:
    """APScheduler."""
    with tempfile.TemporaryDirectory() as directory, Recorder() as target:
        due = math.ceil(time.time() + 3 + BURST / RIVAL_ADDS_A_SECOND)
        command = [
            sys.executable,
            "-m",
            "bench.rival",
            "burst",
            str(target.port),
            str(BURST),
            str(due),
            directory,
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            _all_stand(due)
            try:
                _await(target, BURST, due)
            finally:
                process.kill()
        return _rate(target, due)


def _all_stand(due: float) -> None:
    late = time.time() - due
    assert late < 0, f"they were created {late:.1f} s too late: this machine is too busy to measure on"


def _await(target: Recorder, number: int, due: float) -> None:
    """Until all have arrived. Looks rarely, so as not to disturb."""
    time.sleep(max(0.0, due - time.time()) + 1.0)
    eventually(lambda: len(target.received()) >= number, PATIENCE, f"{number} requests", every=0.5)


def _rate(target: Recorder, begun: float) -> Rate:
    times = [request.at for request in target.received()]
    assert len(times) == BURST, len(times)
    assert times[0] >= begun, "one came early"
    return Rate(BURST / (times[-1] - begun), BURST / (times[-1] - times[0]))
