"""Figures, and whether they reach what they should."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

T = TypeVar("T")

PAIRS = 3
"""How often whatever is compared takes turns."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure should keep to: ``least`` or ``most``. Beyond ``defect`` it is a fault."""

    least: float | None = None
    most: float | None = None
    defect: float | None = None

    def reached(self, value: float) -> bool:
        """Whether the figure keeps to the bound."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def verdict(self, value: float) -> str:
        """In words."""
        if self.reached(value):
            return "reached"
        low = self.defect is not None and self.least is not None and value < self.defect
        return "NOT REACHED, A DEFECT" if low else "NOT REACHED"

    def __str__(self) -> str:
        bounds = (("≥", self.least), ("≤", self.most))
        return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the table: the median of several runs, and the runs."""

    bench: str
    what: str
    value: float
    unit: str
    goal: Goal | None = None
    runs: tuple[float, ...] = ()

    def line(self) -> str:
        """A line of the table."""
        runs = " / ".join(_short(run) for run in self.runs)
        goal, verdict = (str(self.goal), self.goal.verdict(self.value)) if self.goal else ("", "")
        return f"{self.what:<58} {_short(self.value):>9} {self.unit:<12} {goal:>8}  {verdict:<12} {runs}"

    def document(self) -> dict[str, Any]:
        """For machines."""
        verdict = self.goal.verdict(self.value) if self.goal else None
        return {**asdict(self), "goal": str(self.goal) if self.goal else None, "verdict": verdict}


def median_figure(
    bench: str, what: str, runs: Sequence[float], unit: str, goal: Goal | None = None
) -> Figure:
    """The figure for several runs."""
    return Figure(bench, what, statistics.median(runs), unit, goal, tuple(runs))


def interleaved(*sides: Callable[[], T], pairs: int = PAIRS) -> list[list[T]]:
    """The results of each side, all sides taking turns; who begins changes from turn to turn."""
    results: list[list[T]] = [[] for _ in sides]
    for turn in range(pairs):
        first = turn % len(sides)
        for number in [*range(first, len(sides)), *range(first)]:
            results[number].append(sides[number]())
    return results


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
