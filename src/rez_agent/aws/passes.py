"""Passes of the reconcile: where it stands between two of them, and what one has seen and mended so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zlib import crc32

from rez_agent.aws.items import instant_or_none, stamp_or_none
from rez_agent.ports import Record

SLICE = 50_000
"""Schedules in one pass at most, some 15 MB of summaries."""

KIND, KEY = "reconcile", "cursor"
"""The record that keeps the cursor."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the reconcile stands: which of how many slices comes next, after which row of it, since when
    each was looked at, until when the pass under way looks, and how many schedules of each status it has
    met."""

    slices: int = 1
    following: int = 0
    looked: tuple[datetime | None, ...] = (None,)
    after: str | None = None
    until: datetime | None = None
    counted: tuple[tuple[str, int], ...] = ()

    def finished(self, listed: int, until: datetime | None) -> Cursor:
        """After a whole pass that saw ``listed`` schedules in all, and looked ``until`` then."""
        looked = tuple(
            until if number == self.following else since for number, since in enumerate(self.looked)
        )
        slices = max(1, -(-listed // SLICE))
        if slices != self.slices:
            known = [since for since in looked if since is not None]
            oldest = min(known) if len(known) == len(looked) else None
            return Cursor(slices, 0, (oldest,) * slices)
        return Cursor(slices, (self.following + 1) % slices, looked)


class Listed(NamedTuple):
    """What ListSchedules tells of a schedule."""

    state: str
    modified: datetime


@dataclass(slots=True)
class Pass:
    """A pass under way. ``missed_any``: not every schedule's occurrences could be accounted for; ``counted``:
    how many schedules of each status were met, in every slice."""

    cursor: Cursor
    began: datetime
    until: datetime
    listed: dict[str, Listed] = field(default_factory=dict)
    total: int = 0
    missed_any: bool = False
    counted: Counter[str] = field(default_factory=Counter)
    mended: dict[str, int] = field(
        default_factory=lambda: {
            "missing": 0,
            "drifted": 0,
            "orphaned": 0,
            "made_good": 0,
            "completed": 0,
            "failed": 0,
        }
    )

    @property
    def since(self) -> datetime | None:
        """Until when the slice was looked at before; None if it never was."""
        return self.cursor.looked[self.cursor.following]

    def finished(self) -> Cursor:
        """Where the reconcile stands after it. What could not be looked at is looked at again."""
        return self.cursor.finished(self.total, self.since if self.missed_any else self.until)

    def concerns(self, name: str) -> bool:
        """Whether a schedule is in the slice."""
        return crc32(name.encode()) % self.cursor.slices == self.cursor.following


def cursor_record(cursor: Cursor) -> Record:
    """The record to keep."""
    value: dict[str, Any] = {
        "slices": cursor.slices,
        "following": cursor.following,
        "looked": [stamp_or_none(since) for since in cursor.looked],
        "after": cursor.after,
        "until": stamp_or_none(cursor.until),
        "counted": dict(cursor.counted),
    }
    return Record(KIND, KEY, value)


def cursor_from(record: Record | None) -> Cursor:
    """The cursor that was kept; the beginning where none was."""
    if record is None:
        return Cursor()
    value = record.value
    return Cursor(
        slices=value["slices"],
        following=value["following"],
        looked=tuple(instant_or_none(since) for since in value["looked"]),
        after=value["after"],
        until=instant_or_none(value["until"]),
        counted=tuple(value.get("counted", {}).items()),
    )
