"""An execution's attempts as a waterfall: every wait and every phase on one axis of time.

An attempt takes milliseconds, a wait between two may take hours: drawn to scale, nothing would be seen of the
attempts. So a wait is drawn no longer than :data:`WAIT_SHARE` of all attempts together, and says that it was
cut. Everything else is to scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rez_agent.domain.action import Timings
from rez_agent.domain.execution import Attempt, Execution
from rez_agent.domain.plainly import Plain, plain_code

WIDTH = 1_000
"""Units of the axis."""

WAIT_SHARE = 0.4
LEAST = 3.0
"""Units of what took any time at all, so that it can be seen."""

SHOWN_FIRST, SHOWN_LAST = 5, 15
"""Of many attempts, so many of the first and of the last are drawn."""

PHASES = {
    "wait": "waiting",
    "name": "name",
    "connect": "connect",
    "first_byte": "first byte",
    "body": "body",
    "work": "at work",
}
"""The kinds of bars, and how they are called. ``work`` is what no phase accounts for."""

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """A bar: where it begins and how long it is, in units, and how long it took. ``cut``: it took longer than
    it is drawn."""

    kind: str
    x: float
    width: float
    ms: float
    cut: bool = False

    @property
    def name(self) -> str:
        """How it is called."""
        return PHASES[self.kind]


@dataclass(frozen=True, slots=True)
class Lane:
    """An attempt: its bars, the wait before it first, and what it came to in plain words."""

    attempt: Attempt
    pieces: tuple[Piece, ...]
    plain: Plain

    @property
    def ms(self) -> float:
        """How long it took."""
        return _ms(self.attempt.finished_at - self.attempt.started_at)

    @property
    def wait(self) -> Piece | None:
        """The wait before it, if there was one."""
        return next((piece for piece in self.pieces if piece.kind == "wait"), None)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The attempts that are drawn, oldest first. ``left_out``: how many in the middle are not; ``ms``: from
    due to the last end."""

    lanes: tuple[Lane, ...]
    left_out: int
    ms: float

    @property
    def has_cuts(self) -> bool:
        """Whether some wait was longer than it is drawn."""
        return any(piece.cut for lane in self.lanes for piece in lane.pieces)


def waterfall_of(execution: Execution, attempts: Sequence[Attempt]) -> Waterfall | None:
    """The waterfall of an execution; None before its first attempt has ended."""
    if not attempts:
        return None
    shown, left_out = _shown(attempts)
    longest_wait = WAIT_SHARE * max(sum(_took(one) for one in shown), 1.0)
    since = execution.due_at
    bars: list[tuple[Attempt, list[tuple[str, float, float]]]] = []
    for attempt in shown:
        wait = max(0.0, _ms(attempt.started_at - since)) if _follows(attempts, attempt, shown) else 0.0
        own = [("wait", wait, min(wait, longest_wait))] if wait else []
        bars.append((attempt, own + [(kind, ms, ms) for kind, ms in phases_of(attempt)]))
        since = attempt.finished_at
    scale = WIDTH / max(sum(drawn for _, own in bars for _, _, drawn in own), 1.0)
    lanes, x = [], 0.0
    for attempt, own in bars:
        pieces = []
        for kind, ms, drawn in own:
            pieces.append(_piece(kind, x, ms, drawn, scale))
            x += drawn * scale
        plain = plain_code(attempt.code, attempt.response_status, attempt.error)
        lanes.append(Lane(attempt, tuple(pieces), plain))
    ms = max(0.0, _ms(attempts[-1].finished_at - min(execution.due_at, attempts[0].started_at)))
    return Waterfall(tuple(lanes), left_out, ms)


def phases_of(attempt: Attempt) -> list[tuple[str, float]]:
    """The phases of an attempt with their milliseconds, in order; what they leave is ``work``. Phases that
    claim more than the whole attempt took are shortened alike."""
    took, timings = _took(attempt), attempt.timings
    told = [(kind, ms) for kind, ms in _told(timings) if ms]
    sum_ = sum(ms for _, ms in told)
    if sum_ > took:
        return [(kind, ms * took / sum_) for kind, ms in told]
    rest = took - sum_
    return [*told, ("work", rest)] if rest >= max(0.01 * took, 0.5) or not told else told


def _told(timings: Timings) -> tuple[tuple[str, float | None], ...]:
    return (
        ("name", timings.name),
        ("connect", timings.connect),
        ("first_byte", timings.first_byte),
        ("body", timings.body),
    )


def _shown(attempts: Sequence[Attempt]) -> tuple[Sequence[Attempt], int]:
    left_out = len(attempts) - SHOWN_FIRST - SHOWN_LAST
    if left_out <= 0:
        return attempts, 0
    return (*attempts[:SHOWN_FIRST], *attempts[-SHOWN_LAST:]), left_out


def _follows(attempts: Sequence[Attempt], attempt: Attempt, shown: Sequence[Attempt]) -> bool:
    """Whether the attempt before is drawn too, so that the wait between them is known."""
    return not (len(shown) < len(attempts) and attempt is shown[SHOWN_FIRST])


def _piece(kind: str, x: float, ms: float, drawn: float, scale: float) -> Piece:
    width = max(drawn * scale, LEAST)
    return Piece(kind, round(min(x, WIDTH - width), 2), round(width, 2), ms, cut=drawn < ms)


def _took(attempt: Attempt) -> float:
    return max(0.0, _ms(attempt.finished_at - attempt.started_at))


def _ms(span: timedelta) -> float:
    return span / _MILLISECOND
