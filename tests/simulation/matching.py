"""Jepsen's question to a scheduler: has each target a run of its own in its window, and each run a target?

Runs are known here by their moments alone, whatever they call themselves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """An occurrence that must run (or, unless ``must``, may) with a start from ``first`` to ``last``."""

    name: str
    first: float
    last: float
    must: bool


@dataclass(frozen=True, slots=True)
class Matched:
    """Targets that have no run, and runs that have no target: ``early`` where one's window came later."""

    missed: list[str]
    extra: list[float]
    early: list[float]


def matched(targets: Sequence[Target], runs: Sequence[float]) -> Matched:
    """Match them. Where the targets that must run can all be matched, and all runs can, one matching does
    both (Mendelsohn and Dulmage), so each is asked for by itself."""
    starts = sorted(runs)
    musts = [target for target in targets if target.must]
    of_musts = _matching([_within(target, starts) for target in musts])
    of_all = _matching([_within(target, starts) for target in targets])
    taken = set(of_all.values())
    alone = [start for number, start in enumerate(starts) if number not in taken]
    early = [start for start in alone if any(start < target.first <= start + 120 for target in targets)]
    return Matched(
        [target.name for number, target in enumerate(musts) if number not in of_musts],
        [start for start in alone if start not in early],
        early,
    )


def _within(target: Target, starts: Sequence[float]) -> range:
    return range(bisect_left(starts, target.first), bisect_left(starts, target.last + 1e-9))


def _matching(choices: Sequence[range]) -> dict[int, int]:
    """A largest matching of the numbers to their choices, by augmenting paths."""
    owner: dict[int, int] = {}

    def augment(number: int, seen: set[int]) -> bool:
        for choice in choices[number]:
            if choice in seen:
                continue
            seen.add(choice)
            if choice not in owner or augment(owner[choice], seen):
                owner[choice] = number
                return True
        return False

    for number in range(len(choices)):
        augment(number, set())
    return {number: choice for choice, number in owner.items()}
