"""``python -m infrastructure.build`` (``make build``): write the functions' zips, and say what they weigh."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infrastructure.zips.building import Built, build
from infrastructure.zips.faults import Unbuildable
from infrastructure.zips.timing import Times, install_runtime, time_imports, unpacked

TURNS = 5


def main() -> int:
    """Build. The exit status: 0, or 2 with what is wrong with the arguments on standard error."""
    given = _arguments()
    plugins = [one for text in given.plugins for one in text.split()]
    try:
        built = build(given.directory, actions=given.actions, plugins=plugins)
    except Unbuildable as error:
        sys.stderr.write(f"build: {error}\n")
        return 2
    sys.stdout.write(f"{_table(built, _times(built))}\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make build", description="Write the Lambda functions' zips.")
    parser.add_argument(
        "--actions", type=_file, metavar="FILE", help="a file of actions, instead of the sample"
    )
    parser.add_argument(
        "--plugins",
        nargs="*",
        default=[],
        metavar="PACKAGE",
        help="packages with custom actions: requirements, wheels, or directories with a pyproject.toml",
    )
    parser.add_argument("--directory", type=Path, default=Path("build"), help="where to write them (build)")
    return parser.parse_args()


def _file(text: str) -> Path | None:
    return Path(text) if text else None


def _times(built: Sequence[Built]) -> Times:
    with tempfile.TemporaryDirectory() as directory:
        runtime = Path(directory, "runtime")
        install_runtime(runtime)
        functions = unpacked({one.function.name: one.path for one in built}, Path(directory))
        return time_imports(functions, runtime, TURNS)


def _table(built: Sequence[Built], times: Times) -> str:
    lines = [
        f"{'':<24}{'zip':>10}{'unpacked':>11}{'import':>10}{'of boto3':>10}{'start':>10}{'of boto3':>10}"
    ]
    for one in built:
        name = one.function.name
        sizes = f"{_megabytes(one.path.stat().st_size):>10}{_megabytes(one.unpacked):>11}"
        taken = "".join(_taken(seconds, times) for seconds in (times.imports[name], times.starts[name]))
        lines.append(f"{one.path!s:<24}{sizes}{taken}")
    lines.append(f"{'boto3 with one client':<24}{'':>21}{_taken(times.baseline, times)}")
    return "\n".join(lines)


def _taken(seconds: Sequence[float], times: Times) -> str:
    ratio = statistics.median(times.ratios(seconds))
    return f"{statistics.median(seconds) * 1000:>7.0f} ms{ratio:>10.2f}"


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.2f} MB"


if __name__ == "__main__":
    sys.exit(main())
