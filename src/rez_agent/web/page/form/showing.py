"""What the form's templates show: occurrences in three zones, what an edit moves, how a test run goes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rez_agent.domain.changes import ABSENT, Difference
from rez_agent.domain.consequences import Fate
from rez_agent.domain.execution import Attempt, Execution, ExecutionStatus
from rez_agent.domain.instants import to_seconds
from rez_agent.domain.zones import zone
from rez_agent.usecases.editing import Edit
from rez_agent.usecases.history import Entry
from rez_agent.usecases.preview import Due, Preview
from rez_agent.web.page.form.values import FieldProblem

MOVED_SHOWN = 12
"""Occurrences that an edit gains or loses, and are shown."""

VALUE_SHOWN = 160
"""Characters of a value before or after."""

BAR = 400
"""The width of a test run's bar."""


@dataclass(frozen=True, slots=True)
class Row:
    """An occurrence: on its schedule's clock, the reader's (None where it is the same), and in UTC.

    ``closed``: its calendar skips it. ``moved_from``: where its calendar moved it from.
    """

    at: datetime
    zone: str
    own: str | None
    utc: str
    note: str | None = None
    fate: str | None = None
    closed: bool = False
    moved_from: str | None = None


def row_of(due: Due, timezone: str, own_zone: str | None, now: datetime, fate: str | None = None) -> Row:
    """The occurrence as it is shown. Beside the first column, a day is only told where it is another."""
    wall = _wall(due.at, timezone)
    own = None if own_zone in (None, timezone) else _beside(wall, _wall(due.at, str(own_zone)), now)
    utc = _beside(wall, _wall(due.at, "UTC"), now)
    moved_from = None if due.moved_from is None else wall_text(due.moved_from.replace(tzinfo=None), now)
    return Row(due.at, wall_text(wall, now), own, utc, due.note, fate, due.closed, moved_from)


def _wall(instant: datetime, timezone: str) -> datetime:
    return zone(timezone).wall_of(to_seconds(instant))


def _beside(wall: datetime, other: datetime, now: datetime) -> str:
    return _clock(other) if wall.date() == other.date() else wall_text(other, now)


def wall_text(wall: datetime, now: datetime) -> str:
    """A wall time: ``Mon 30 Nov 09:00``; with its year where that is not the present one."""
    year = "" if wall.year == now.year else f" {wall.year}"
    return f"{wall:%a} {wall.day} {wall:%b}{year} {_clock(wall)}"


def _clock(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def rows_of(dues: Iterable[Due], timezone: str, own_zone: str | None, now: datetime) -> list[Row]:
    """Occurrences as they are shown."""
    return [row_of(due, timezone, own_zone, now) for due in dues]


# --- an edit ---


@dataclass(frozen=True, slots=True)
class Moves:
    """What an edit gains and loses: the first of them, and how many more."""

    rows: list[Row]
    more: int


def moves_of(edit: Edit, own_zone: str | None, now: datetime) -> Moves:
    """The occurrences that ``edit`` gains and loses."""
    zones = {"lost": edit.schedule.definition.timezone}
    moved = [(due, fate.value) for due, fate in edit.coming() if fate.value != "kept"]
    rows = [
        row_of(due, zones.get(fate, edit.after.timezone), own_zone, now, fate)
        for due, fate in moved[:MOVED_SHOWN]
    ]
    return Moves(rows, len(moved) - len(rows))


def counts_of(edit: Edit) -> dict[str, int]:
    """How many of the coming occurrences are gained, lost and kept."""
    return {fate.value: edit.consequences.count(fate) for fate in Fate}


def difference_text(difference: Difference) -> tuple[str, str, str]:
    """A field's path in words, and its value before and after."""
    path = difference.path.removeprefix("/").replace("/", " / ").replace("~1", "/").replace("~0", "~")
    if difference.omitted:
        return path, "too large to be shown", "too large to be shown"
    return path, _value(difference.before), _value(difference.after)


def _value(value: Any) -> str:
    if value is ABSENT or value is None or value in ("", [], {}):
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_SHOWN else text[:VALUE_SHOWN] + "…"


def said_of(preview: Preview | None, edit: Edit | None, problems: Sequence[FieldProblem]) -> str:
    """What a screen reader is told when the form's outlook has changed."""
    if problems:
        return problems[0].message
    said = (preview.explanation if preview else None) or ""
    if edit is None or not edit.consequences.changes:
        return said
    count = edit.consequences.count
    return f"{said} Saving would gain {count(Fate.GAINED)} runs and lose {count(Fate.LOST)}.".strip()


# --- a test run ---


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a test run: its length, and its place in the bar."""

    name: str
    milliseconds: float
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Tested:
    """A test run as it stands: its execution, the one attempt if it has ended, and its phases."""

    execution: Execution
    attempt: Attempt | None
    phases: list[Phase]

    @property
    def final(self) -> bool:
        """Whether nothing more will come."""
        return self.execution.status.final

    @property
    def said(self) -> str:
        """What is going on, in a sentence."""
        status, target = self.execution.status, self.execution.target
        if status is ExecutionStatus.QUEUED:
            return "Waiting to start."
        if status is ExecutionStatus.RUNNING:
            return f"Calling {target}, and waiting for the answer."
        if status is ExecutionStatus.SUCCEEDED:
            return f"{target} did what was asked."
        return (self.attempt.error if self.attempt else None) or self.execution.detail or "It did not work."


def tested_of(entry: Entry) -> Tested:
    """A test run as it is shown."""
    attempt = entry.attempts[-1] if entry.attempts else None
    return Tested(entry.execution, attempt, phases_of(_lengths(entry.execution, attempt)))


def _lengths(execution: Execution, attempt: Attempt | None) -> list[tuple[str, float | None]]:
    if attempt is None:
        return []
    late = execution.lateness
    timings = attempt.timings
    known: list[tuple[str, float | None]] = [
        ("Waiting", None if late is None else late.total_seconds() * 1000),
        ("Name", timings.name),
        ("Connect", timings.connect),
        ("First byte", timings.first_byte),
        ("Body", timings.body),
    ]
    if all(length is None for _, length in known[1:]):
        whole = (attempt.finished_at - attempt.started_at).total_seconds() * 1000
        return [known[0], ("Action", whole)]
    return known


def phases_of(lengths: Sequence[tuple[str, float | None]]) -> list[Phase]:
    """Lengths in ms side by side in one bar; each that happened can be seen."""
    happened = [(name, max(0.0, length)) for name, length in lengths if length is not None]
    whole = sum(length for _, length in happened) or 1.0
    widths = [max(2.0, length / whole * BAR) for _, length in happened]
    phases, x = [], 0.0
    for (name, length), wide in zip(happened, widths, strict=True):
        width = wide * BAR / sum(widths)
        phases.append(Phase(name, length, round(x, 1), round(width, 1)))
        x += width
    return phases
