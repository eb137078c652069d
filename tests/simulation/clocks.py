"""When the process could have looked, and what the wall clock showed then: from what was seen of it."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.simulation.record import Record

POLL = 1.1
"""Seconds: a poll, and a little."""

PROMISED = 0.5
"""Seconds within which an occurrence is looked at, by a process that serves and a clock that runs evenly."""

FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a life in which the wall clock ran evenly, ``offset`` ahead of the story's own time."""

    began: float
    ended: float
    offset: timedelta
    life: int


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a piece in which something may have been decided. ``final``: by its end it must have
    been."""

    first: float
    last: float
    offset: timedelta
    final: bool = False


class Stretches:
    """Stretches of time, joined where they overlap."""

    def __init__(self, stretches: Iterable[tuple[float, float]]) -> None:
        self.joined: list[tuple[float, float]] = []
        for began, ended in sorted(stretches):
            if self.joined and began <= self.joined[-1][1]:
                self.joined[-1] = (self.joined[-1][0], max(ended, self.joined[-1][1]))
            elif ended > began:
                self.joined.append((began, ended))

    def around(self, first: float, last: float) -> list[tuple[float, float]]:
        """Those that have any time in common with a stretch."""
        place = max(0, bisect_right(self.joined, (first, FOREVER)) - 1)
        found = []
        for began, ended in self.joined[place:]:
            if began > last:
                break
            if ended > first:
                found.append((began, ended))
        return found

    def free(self, first: float, last: float) -> float:
        """The seconds between two moments that lie in none of them."""
        around = self.around(first, last)
        return (last - first) - sum(min(ended, last) - max(began, first) for began, ended in around)

    def after(self, first: float, seconds: float, each: float = 0.0) -> float:
        """When ``seconds`` that lie in none of them have passed, and ``each`` for every one of them."""
        at, left = first, seconds
        for began, ended in self.around(first, FOREVER):
            if began - at > left:
                return at + left
            left -= max(0.0, began - at)
            left += each
            at = ended
        return at + left


class Clocks:
    """What the record says of time."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.start = record.plan.start
        self.slack = PROMISED + 8 * record.plan.slowest
        self.stalls = Stretches(record.stalls)
        self.pieces = list(self._pieces())
        self.down = Stretches(self._down())
        self.unable = Stretches([*self.down.joined, *self.stalls.joined])

    def _pieces(self) -> Iterable[Piece]:
        steps = self.record.steps
        for life in self.record.lives:
            end = min(life.gone, self.record.ended)  # while it stops, what was begun is ended
            cuts = [step for step, _ in steps if life.began < step < end]
            edges = [life.began, *cuts, end]
            for began, ended in itertools.pairwise(edges):
                offset = next(each for since, each in reversed(steps) if since <= began)
                yield Piece(began, ended, offset, life.number)

    def _down(self) -> Iterable[tuple[float, float]]:
        last = 0.0
        for life in self.record.lives:
            yield last, life.ends if life.ready is None else life.ready
            last = life.ends
        if last < self.record.ended:
            yield last, self.record.ended

    def wall(self, moment: float, offset: timedelta) -> datetime:
        """The wall clock at a moment of a piece."""
        return self.start + offset + timedelta(microseconds=round(moment * 1e6))

    def moment(self, wall: datetime, offset: timedelta) -> float:
        """When a piece's wall clock shows ``wall``, were it long enough."""
        return (wall - self.start - offset).total_seconds()

    def decided(self, wall: datetime, since: float, until: float) -> list[Window]:
        """When a process that looks for what is due may first have found that ``wall`` has come, from
        ``since`` on; at ``until``, at the latest, it was looked for."""
        windows: list[Window] = []
        budget, life = 0.0, -1
        for piece in self.pieces:
            first = max(piece.began, since, self.moment(wall, piece.offset))
            if piece.ended <= since or first >= piece.ended:
                continue
            if first > until:
                break
            if piece.life != life:
                life = piece.life
                evenly = first > piece.began or first == since
                budget = self.slack + (0.0 if evenly else POLL)
            end = self.unable.after(first, budget)
            last = min(end, piece.ended, until)
            final = end < piece.ended or until < piece.ended
            windows.append(Window(first, last, piece.offset, final))
            if final:
                break
            budget -= self.unable.free(first, piece.ended)
            budget = max(budget, 0.0) + (POLL if piece.ended < self.record.ended else 0.0)
        return windows

    def latest(self, wall: datetime) -> float:
        """The last moment at which the wall clock can have shown ``wall``."""
        for piece in reversed(self.pieces):
            moment = self.moment(wall, piece.offset)
            if piece.began <= moment <= piece.ended + 1.0:
                return moment
        return self.record.ended

    def highest(self, until: float) -> datetime:
        """The latest wall time that a process can have seen by then."""
        seen = [
            self.wall(min(piece.ended, until), piece.offset) for piece in self.pieces if piece.began <= until
        ]
        return max(seen, default=self.start)
