"""What a story is made of: schedules, commands and mishaps, each at its moment. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.simulation.network import Manners
from tests.simulation.oracle import Days

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """A client asks for something of the ``schedule``-th schedule. ``late``: seconds until the topic hands
    the command over. ``again``: seconds after which the topic hands it over once more. ``retries``: whether
    the client asks again, with its idempotency key, when it got no answer."""

    action: str
    schedule: int
    request: Document = field(default_factory=dict)
    late: float = 0.0
    again: float = 0.0
    retries: bool = False


@dataclass(frozen=True, slots=True)
class Crash:
    """The process dies and is started again ``down`` seconds later; with ``power`` what was not synced is
    lost. ``writes``: it dies at that write to the disk from now on, rather than now."""

    down: float
    power: bool
    writes: int = 0


@dataclass(frozen=True, slots=True)
class Restart:
    """The process is stopped cleanly, with so much grace, and started again."""

    down: float
    grace: float


@dataclass(frozen=True, slots=True)
class Jump:
    """Somebody sets the wall clock."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """For ``lasting`` seconds each transaction takes up to ``slowest`` seconds."""

    lasting: float
    slowest: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """The next ``writes`` writes to the disk are refused."""

    writes: int


Happening = Command | Crash | Restart | Jump | Stall | Refusal


@dataclass(frozen=True, slots=True)
class Plan:
    """A story before it is played. ``happenings``: what happens after how many seconds. ``quickest`` and
    ``slowest``: what a transaction takes. ``log_pages``: how long SQLite's log grows."""

    seed: int
    start: datetime
    seconds: float
    concurrency: int
    target_concurrency: int
    quickest: float
    slowest: float
    log_pages: int
    targets: Mapping[str, Manners]
    calendars: tuple[Days, ...]
    happenings: tuple[tuple[float, Happening], ...]

    def told(self) -> list[str]:
        """The plan for people."""
        head = (
            f"seed {self.seed}: {self.seconds / 86_400:.2f} days from {self.start:%Y-%m-%d %H:%M:%S} UTC, "
            f"{self.concurrency} attempts at once, {self.target_concurrency} a target, "
            f"transactions of {self.quickest * 1000:.1f} to {self.slowest * 1000:.1f} ms"
        )
        lines = [head]
        lines += [f"  target {name}: {manners}" for name, manners in self.targets.items()]
        lines += [f"  calendar {days}" for days in self.calendars]
        lines += [f"  {moment:12.3f} s  {happening}" for moment, happening in self.happenings]
        return lines
