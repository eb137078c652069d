"""What people should know where a clock change touches an occurrence: the gap, the fold, a moved ``at``."""

from __future__ import annotations

from calendar import month_name
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rez_agent.domain.grammar import At, Meaning, Rate
from rez_agent.domain.timelines import CronTimeline
from rez_agent.domain.zones import DAY, Change, Zone, wall_clock


@dataclass(frozen=True, slots=True)
class Skipped:
    """A wall time that an expression names and the clock never shows; ``wall`` is naive, in the zone."""

    wall: datetime
    note: str


def skipped_walls(timeline: CronTimeline, where: Zone, after: int, until: int, limit: int) -> list[Skipped]:
    """The wall times that gaps at instants in ``(after, until]`` swallow, at most ``limit``."""
    found: list[Skipped] = []
    for change in where.changes(after, until):
        for wall in _gap_walls(timeline, change):
            if len(found) >= limit:
                return found
            shown = wall_clock(wall)
            found.append(Skipped(shown, f"{_missing(shown, where)}: skipped"))
    return found


def _gap_walls(timeline: CronTimeline, change: Change) -> Iterator[int]:
    return timeline.walls(change.instant + change.before, change.instant + change.after)


def note_for(meaning: Meaning, where: Zone, instant: int) -> str | None:
    """The note for the occurrence at ``instant``, which must be one."""
    if isinstance(meaning, Rate):
        return None
    if isinstance(meaning, At) and at_in_gap(meaning.wall, where):
        return explain_at_gap(meaning.wall, where)
    wall = instant + where.segment_at(instant).offset
    for change in where.changes(instant, instant + DAY):
        if change.instant + change.after <= wall < change.instant + change.before:
            shown = wall_clock(wall)
            twice = f"{clock(shown)} happens twice on {date(shown)} in {where.name}"
            return f"{twice}: runs once, at the first"
    return None


def at_in_gap(wall: datetime, where: Zone) -> bool:
    """Whether the clocks of the zone never show ``wall``."""
    return where.wall_of(where.resolve(wall)) != wall


def explain_at_gap(wall: datetime, where: Zone) -> str:
    """Where an ``at`` in a gap goes."""
    moved = where.wall_of(where.resolve(wall))
    day = "" if moved.date() == wall.date() else f" on {date(moved)}"
    return f"{_missing(wall, where)}: moves forward by the gap, to {clock(moved)}{day}"


def _missing(wall: datetime, where: Zone) -> str:
    return f"{clock(wall)} does not exist on {date(wall)} in {where.name}"


def clock(wall: datetime) -> str:
    """``02:30``, with seconds where there are any."""
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def date(wall: datetime) -> str:
    """``8 March 2026``."""
    return f"{wall.day} {month_name[wall.month]} {wall.year}"
