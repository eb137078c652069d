"""How long an execution is kept: by age, and the newest of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Kept:
    """How much history is kept: by age, and executions by schedule."""

    ledger: timedelta = timedelta(days=90)
    per_schedule: int = 10_000


KEPT = Kept()
"""Unless the settings say otherwise."""
