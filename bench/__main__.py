"""``python -m bench [NAME ...] [--json FILE]``: run the benches, all if none is named, and print one table.

Whatever is compared takes turns, three times; a figure is the median, its runs stand behind it. The table
says which goals are reached and which are not; the exit code is 0 either way.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench import aws, burst, creates, expressions, hostile, lateness, million, page
from bench.figures import PAIRS, Figure, Goal

FIRST_OF_ZONED, FIRST_OF_UTC = Goal(least=8), Goal(least=4)


def next_figures() -> list[Figure]:
    """``bench/expressions.py``: how fast ``next`` is beside other engines, in chains of calls."""
    zoned = {
        "croniter": expressions.croniter_engine,
        "cronsim": expressions.cronsim_engine,
        "APScheduler": expressions.apscheduler_engine,
    }
    ratios = _times_faster(None, zoned)
    fastest = min(ratios, key=ratios.__getitem__)
    in_utc = _times_faster("UTC", {"aws-croniter": expressions.aws_croniter_engine})
    return [
        *(Figure("expressions", f"next / {name}", ratio, "times") for name, ratio in ratios.items()),
        Figure("expressions", f"next / the fastest, {fastest}", ratios[fastest], "times", FIRST_OF_ZONED),
        Figure("expressions", "next / aws-croniter, UTC", in_utc["aws-croniter"], "times", FIRST_OF_UTC),
    ]


def _times_faster(
    zone: str | None,
    rivals: Mapping[str, Callable[[expressions.Case], expressions.Chains | None]],
) -> dict[str, float]:
    engines = {"rez-agent": expressions.ours(zone), **rivals}
    table = expressions.compare("", "rez-agent", engines, chain_length=20, chains=20, repetitions=PAIRS)
    return {name: table.ratio(name) for name in rivals}


BENCHES: dict[str, Callable[[], list[Figure]]] = {
    burst.NAME: burst.run,
    creates.NAME: creates.run,
    lateness.NAME: lateness.run,
    million.NAME: million.run,
    page.NAME: page.run,
    hostile.NAME: hostile.run,
    "expressions": next_figures,
    aws.NAME: aws.run,
}


def machine() -> str:
    """What they were measured on, and when."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    cpu = f"{os.cpu_count()} cores of {', '.join(sorted(models)) or platform.machine()}"
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {cpu}"


def main() -> None:
    """Run them and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure what the documentation claims."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all if none is given"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}; choose from {', '.join(BENCHES)}")
    figures: list[Figure] = []
    where = machine()
    for name in options.names or BENCHES:
        begun = time.monotonic()
        figures += BENCHES[name]()
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    _print_table(where, figures)
    if options.json is not None:
        document = {"machine": where, "figures": [figure.document() for figure in figures]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")


def _print_table(where: str, figures: list[Figure]) -> None:
    print(f"{where}\n")
    last = ""
    for figure in figures:
        if figure.bench != last:
            print(f"\n{figure.bench}")
            last = figure.bench
        print(f"  {figure.line()}")
    missed = [figure for figure in figures if figure.goal and not figure.goal.reached(figure.value)]
    judged = sum(figure.goal is not None for figure in figures)
    print(f"\n{judged - len(missed)} of {judged} goals reached")
    for figure in missed:
        assert figure.goal is not None
        print(
            f"  {figure.goal.verdict(figure.value)}: {figure.what}: {figure.value:.2f} (goal {figure.goal})"
        )


if __name__ == "__main__":
    main()
