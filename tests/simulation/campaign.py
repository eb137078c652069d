"""Many stories, on all processors, adding up over several runs."""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.simulation.checker import judged
from tests.simulation.process import Parts
from tests.simulation.story import written
from tests.simulation.world import played

CHUNK = 50
YEAR = 365.25 * 86_400
RESULTS = "simulation.json"


@dataclass(slots=True)
class Results:
    """What was played so far: seeds from 0 on, how much time passed in them, and which of them failed."""

    seeds: int = 0
    years: float = 0.0
    lives: int = 0
    steps: int = 0
    calls: int = 0
    occurrences: int = 0
    commands: int = 0
    transactions: int = 0
    seconds: float = 0.0
    failed: dict[int, list[str]] = field(default_factory=dict)
    updated: str = ""

    def add(self, other: Results) -> None:
        """Take another part in."""
        for name in ("seeds", "years", "lives", "steps", "calls", "occurrences", "commands", "transactions"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failed |= other.failed

    def told(self) -> str:
        """For people, in a line."""
        return (
            f"{self.seeds} seeds, {self.years:.1f} simulated years, {self.occurrences} executions and "
            f"{self.calls} calls, {self.commands} commands, {self.lives - self.seeds} restarts, "
            f"{self.steps} steps of the clock, {self.transactions} transactions: {len(self.failed)} failed"
        )


def verdict(seed: int, parts: Parts | None = None) -> tuple[Results, list[str]]:
    """One seed: what it held, and every promise that was broken in it."""
    try:
        record = played(written(seed), parts)
        found = [str(violation) for violation in judged(record)]
    except Exception as error:  # noqa: BLE001 - a process that can't begin again is a broken promise too
        found = [f"broke: {type(error).__name__}: {error}"]
        return Results(seeds=1, failed={seed: found}), found
    results = Results(
        seeds=1,
        years=record.ended / YEAR,
        lives=len(record.lives),
        steps=len(record.steps) - 1,
        calls=len(record.calls),
        occurrences=len(record.executions),
        commands=len(record.asked),
        transactions=record.transactions,
    )
    if found:
        results.failed = {seed: found[:5]}
    return results, found


def chunk(first: int, last: int) -> Results:
    """The seeds from ``first`` to before ``last``."""
    results = Results()
    for seed in range(first, last):
        results.add(verdict(seed)[0])
        if seed % 10 == 0:
            gc.collect()
    return results


def campaign(
    seeds: int, *, directory: Path | None = None, minutes: float | None = None, workers: int | None = None
) -> Iterator[Results]:
    """Play the seeds that earlier runs, whose results stand in ``directory``, have not played; no more are
    begun after ``minutes``. Yields what there is after each part."""
    results, began = _read(directory), time.monotonic()
    before = results.seconds
    starts = iter(range(results.seeds, seeds, CHUNK))
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        queue: list[Future[Results]] = []
        while True:
            open_still = minutes is None or time.monotonic() - began < 60 * minutes
            while open_still and len(queue) < 4 and (start := next(starts, None)) is not None:
                queue.append(pool.submit(chunk, start, min(start + CHUNK, seeds)))
            if not queue:
                return
            results.add(queue.pop(0).result())
            results.seconds = before + time.monotonic() - began
            _write(directory, results)
            yield results


def _read(directory: Path | None) -> Results:
    if directory is None or not (directory / RESULTS).is_file():
        return Results()
    document: dict[str, Any] = json.loads((directory / RESULTS).read_text())
    document["failed"] = {int(seed): texts for seed, texts in document["failed"].items()}
    return Results(**document)


def _write(directory: Path | None, results: Results) -> None:
    if directory is None:
        return
    directory.mkdir(parents=True, exist_ok=True)
    results.updated = datetime.now(UTC).isoformat(timespec="seconds")
    part = directory / f"{RESULTS}.part"
    part.write_text(json.dumps(asdict(results), indent=1))
    part.replace(directory / RESULTS)
