"""The functions' zips: what they weigh, and how long each takes to import beside boto3 with one client.

Built anew and unpacked, byte code and all, as Lambda has it. A start is an import in a function's own
process, where the clients and whatever else it needs are made as well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from infrastructure.zips.building import Built, build
from infrastructure.zips.timing import Times, install_runtime, time_imports, unpacked

from bench.figures import Figure, Goal, median_figure

NAME = "aws imports"

TURNS = 9

GOALS = {
    "scheduler": Goal(most=1.6),
    "sweep": Goal(most=1.6),
    "processor": Goal(most=2.0),
    "webapi": Goal(most=2.4),
}
"""Of the import's time to that of boto3 with a client for DynamoDB, in the same turn."""


def run() -> list[Figure]:
    """Build, then time all functions in turns."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        built = build(directory / "zips")
        install_runtime(directory / "runtime")
        functions = unpacked({one.function.name: one.path for one in built}, directory / "unpacked")
        times = time_imports(functions, directory / "runtime", TURNS)
        sizes = [_size(one) for one in built]
    milliseconds = [seconds * 1000 for seconds in times.baseline]
    baseline = median_figure(NAME, "import boto3, make one client", milliseconds, "ms")
    return [*sizes, baseline, *(figure for one in built for figure in _ratios(one.function.name, times))]


def _size(built: Built) -> Figure:
    return Figure(NAME, f"{built.function.name}: zip", built.path.stat().st_size / 1_000_000, "MB")


def _ratios(name: str, times: Times) -> list[Figure]:
    imports, starts = times.ratios(times.imports[name]), times.ratios(times.starts[name])
    return [
        median_figure(NAME, f"{name}: import / boto3 with one client", imports, "times", GOALS[name]),
        median_figure(NAME, f"{name}: start / boto3 with one client", starts, "times"),
    ]


if __name__ == "__main__":
    for figure in run():
        print(figure.line())
