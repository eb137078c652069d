"""What was seen of a story from outside: the process's lives, the clocks, the commands, the calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.command import Message
from rez_agent.domain.execution import Execution
from rez_agent.domain.schedule import Schedule
from tests.simulation.network import Call
from tests.simulation.plan import Plan

Row = tuple[Any, ...]


@dataclass(slots=True)
class Life:
    """A process. It serves from ``ready`` (None: it died before) until ``ends``. ``clean``: it was stopped,
    which began at ``ends`` and took until ``gone``."""

    number: int
    began: float
    ready: float | None = None
    ends: float = float("inf")
    gone: float = float("inf")
    clean: bool = False


@dataclass(slots=True)
class Asked:
    """A command as its client saw it: when it was sent, when the answer came (None: never), and with what
    refusal. ``message_id`` is known as soon as the server has accepted the command, acknowledged or not.

    ``judged``: what became of it and ``judged_at`` when that was durable. ``upto``: where nobody saw when, it
    was by then.
    """

    number: int
    action: str
    schedule_id: str
    request: Mapping[str, Any]
    sent: float
    life: int
    sent_wall: datetime
    answered: float | None = None
    refused: str | None = None
    message_id: str | None = None
    judged: Message | None = None
    judged_at: float | None = None
    upto: float | None = None
    lost: bool = False


@dataclass(slots=True)
class Record:
    """All of it. ``steps``: the wall clock's offset from each moment on. ``stalls``: stretches in which
    transactions took long or were refused. ``faults``: what should never be logged. ``ended``: when the story
    did, and whether everything had settled by then."""

    plan: Plan
    lives: list[Life] = field(default_factory=list)
    steps: list[tuple[float, timedelta]] = field(default_factory=lambda: [(0.0, timedelta(0))])
    stalls: list[tuple[float, float]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    ended: float = 0.0
    settled: bool = False
    transactions: int = 0

    def wall(self, moment: float) -> datetime:
        """The wall clock at a moment."""
        offset = next(each for since, each in reversed(self.steps) if since <= moment)
        return self.plan.start + offset + timedelta(microseconds=round(moment * 1e6))
