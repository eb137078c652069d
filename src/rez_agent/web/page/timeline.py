"""The week as it is drawn: where every mark stands, how high it is, what it says.

The axis has six units an hour. A row is 28 units high; kinds differ in height as well as in colour: what
failed or was missed is tall, what was left out is short, what lies ahead is hollow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.week import HOUR, Cell, Mark, MarkFate
from rez_agent.domain.zones import zone
from rez_agent.usecases.week import Row, Week, WeekLoad

UNITS_AN_HOUR = 6
HEIGHT, LOAD_HEIGHT = 28, 36
MARK_WIDTH = 5

_PLACES: dict[MarkFate, tuple[int, int]] = {
    MarkFate.FAILED: (3, 22),
    MarkFate.MISSED: (3, 22),
    MarkFate.SUCCEEDED: (8, 12),
    MarkFate.RUNNING: (8, 12),
    MarkFate.QUEUED: (8, 12),
    MarkFate.DUE: (8, 12),
    MarkFate.EXPECTED: (8, 12),
    MarkFate.CANCELLED: (14, 6),
    MarkFate.SKIPPED: (14, 6),
    MarkFate.PAUSED: (12, 4),
    MarkFate.UNKNOWN: (13, 2),
}
"""Where each kind begins and how high it is; the one that counts most in an hour stands first."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle. ``href``: what it leads to, empty where there is nothing."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A schedule's line: its boxes, and the same in words."""

    row: Row
    boxes: tuple[Box, ...]
    told: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day's place on the axis, and its name; ``today`` if it is that."""

    x: float
    width: float
    name: str
    today: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """The whole picture. ``now_x``: where now is, None outside of the week."""

    width: float
    days: tuple[Day, ...]
    now_x: float | None
    lines: tuple[Line, ...]
    load: tuple[Box, ...]
    busiest: tuple[str, ...]


def drawn_of(week: Week) -> Drawn:
    """The picture of a week."""
    axis = _Axis(week)
    now = to_seconds(week.now)
    within = axis.begins <= now < axis.ends
    return Drawn(
        width=axis.x(axis.ends),
        days=_days(week, axis),
        now_x=axis.x(now) if within else None,
        lines=tuple(_line(row, axis) for row in week.rows),
        load=_load(week.load, axis),
        busiest=tuple(
            f"{axis.clock(to_seconds(minute))} ({amount(number)} runs)"
            for minute, number in week.load.busiest
        ),
    )


def amount(number: float) -> str:
    """A number of executions, as people read it."""
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


class _Axis:
    """From instants to units, and to what clocks show."""

    def __init__(self, week: Week) -> None:
        self.begins, self.ends = to_seconds(week.begins), to_seconds(week.ends)
        self._zone = zone(week.timezone).info

    def x(self, at: int) -> float:
        return round((at - self.begins) * UNITS_AN_HOUR / HOUR, 2)

    def local(self, at: int) -> datetime:
        return from_seconds(at).astimezone(self._zone)

    def clock(self, at: int) -> str:
        return f"{self.local(at):%a %H:%M}"


def _days(week: Week, axis: _Axis) -> tuple[Day, ...]:
    made = []
    for begins, ends in zip(week.days, week.days[1:], strict=False):
        low, high = to_seconds(begins), to_seconds(ends)
        local = axis.local(low)
        today = begins <= week.now < ends
        made.append(Day(axis.x(low), axis.x(high) - axis.x(low), f"{local:%a} {local.day} {local:%b}", today))
    return tuple(made)


# --- a schedule's line ---


def _line(row: Row, axis: _Axis) -> Line:
    boxes = [_mark(mark, axis) for mark in row.marks] if row.marks else list(_cells(row.cells, axis))
    return Line(row, tuple(boxes), _told(row))


def _mark(mark: Mark, axis: _Axis) -> Box:
    at, last = max(mark.at, axis.begins), min(mark.last or mark.at, axis.ends)
    said = f"{axis.clock(mark.at)} {mark.fate.value}"
    if mark.last is not None:
        said = f"{axis.clock(mark.at)} to {axis.clock(mark.last)}: {mark.count} {mark.fate.value}"
    x, y, height = axis.x(at), *_PLACES[mark.fate]
    width = max(MARK_WIDTH, axis.x(last) - x)
    href = "" if mark.execution is None else f"/executions/{mark.execution.id}"
    return Box(min(x, axis.x(axis.ends) - MARK_WIDTH), y, width, height, mark.fate.value, said, href)


def _cells(cells: Iterable[Cell], axis: _Axis) -> Iterable[Box]:
    """One box for each stretch of hours whose worst is the same."""
    for kind, stretch in groupby((cell for cell in cells), key=_worst):
        hours = list(stretch)
        if kind is None:
            continue
        low, high = hours[0].begins, min(hours[-1].begins + HOUR, axis.ends)
        counts: Counter[MarkFate] = Counter()
        for cell in hours:
            counts.update(cell.fates)
        y, height = _PLACES[kind]
        title = f"{axis.clock(low)} to {axis.clock(high)}: {_counts(counts)}"
        yield Box(axis.x(low), y, axis.x(high) - axis.x(low), height, kind.value, title)


def _worst(cell: Cell) -> MarkFate | None:
    return next((fate for fate in _PLACES if cell.fates.get(fate)), None)


def _told(row: Row) -> str:
    """The line in words: how many came to what."""
    counts: Counter[MarkFate] = Counter()
    for mark in row.marks:
        counts[mark.fate] += mark.count
    for cell in row.cells:
        counts.update(cell.fates)
    return _counts(counts) or "nothing this week"


def _counts(counts: Counter[MarkFate]) -> str:
    return ", ".join(f"{counts[fate]:,} {fate.value}" for fate in _PLACES if counts[fate])


# --- the load ---


def _load(load: WeekLoad, axis: _Axis) -> tuple[Box, ...]:
    """A bar for each hour that starts anything, as high as its busiest minute; those of the busiest minutes
    of all are marked."""
    highest = max(load.peaks, default=0.0)
    busy = {(to_seconds(minute) - axis.begins) // HOUR for minute, _ in load.busiest}
    return tuple(
        _bar(number, load, peak / highest, "busy" if number in busy else "load", axis)
        for number, peak in enumerate(load.peaks)
        if peak > 0
    )


def _bar(number: int, load: WeekLoad, share: float, kind: str, axis: _Axis) -> Box:
    height = round(max(2.0, share * (LOAD_HEIGHT - 2)), 1)
    total, peak = amount(load.per_hour[number]), amount(load.peaks[number])
    title = f"{axis.clock(axis.begins + number * HOUR)}, one hour: {total}, {peak} in its busiest minute"
    return Box(number * UNITS_AN_HOUR, LOAD_HEIGHT - height, UNITS_AN_HOUR - 1, height, kind, title)


def legend() -> Sequence[tuple[str, str]]:
    """Every kind of mark with its meaning."""
    return (
        (MarkFate.EXPECTED.value, "expected"),
        (MarkFate.SUCCEEDED.value, "succeeded"),
        (MarkFate.FAILED.value, "failed"),
        (MarkFate.MISSED.value, "missed"),
        (MarkFate.SKIPPED.value, "skipped or cancelled"),
        (MarkFate.PAUSED.value, "paused"),
        (MarkFate.RUNNING.value, "due or under way"),
        (MarkFate.UNKNOWN.value, "not known"),
    )
