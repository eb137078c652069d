"""Time zones as pieces of constant offset, so that the rules for clock changes need no special case.

A zone's timeline is cut into segments ``[lo, hi)`` of UTC seconds in which the offset stands still. Inside a
segment, wall time is ``instant + offset``. Each segment carries a ``floor``: the highest wall time that any
earlier segment has already shown. A wall time at or above the floor happens here for the first time; one
below it is the second pass of an autumn fold. A wall time in a spring gap lies in no segment at all. So
EventBridge Scheduler's two rules (a time in a gap is skipped, a time in a fold runs once, at its first
pass; User Guide, "Schedule types", daylight saving time) follow from ``floor <= wall < hi + offset`` alone,
for New York as for Troll's two hours, Lord Howe's thirty minutes and the day that Samoa never had.

The data is the PyPI package ``tzdata``, never the machine's own copy, so every host answers alike;
:data:`IANA_VERSION` names it. Instants here are whole seconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import io
import pkgutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tzdata import IANA_VERSION  # type: ignore[import-untyped]

from rez_agent.domain.nearest import nearest, shown

__all__ = ["IANA_VERSION", "Change", "Segment", "Zone", "suggest_zone", "zone", "zone_names"]

DAY = 86_400
_BLOCK_BITS = 25
_BLOCK = 1 << _BLOCK_BITS
"""Segments are found a block of 2**25 seconds (388 days) at a time, when first asked for."""
_LOOK_BACK = 2 * DAY
"""No fold reaches further back than this: offsets stay within a day of UTC."""
_FOREVER = 1 << 40
"""Seconds that no instant asked about is away from 1970."""
_LONGEST_NAME = 50
"""EventBridge Scheduler's limit on ``ScheduleExpressionTimezone``."""


class Segment(NamedTuple):
    """UTC seconds ``[lo, hi)`` with one ``offset``; wall times below ``floor`` have happened before."""

    lo: int
    hi: int
    offset: int
    floor: int


class Change(NamedTuple):
    """The clock is set from offset ``before`` to ``after`` at ``instant``, the first to have the new one."""

    instant: int
    before: int
    after: int


class Zone:
    """One zone's timeline; found lazily, kept for good. Safe to share between threads."""

    __slots__ = ("_blocks", "info", "name")

    def __init__(self, name: str, info: ZoneInfo) -> None:
        self.name = name
        self.info = info
        self._blocks: dict[int, tuple[Segment, ...]] = {}

    def segment_at(self, instant: int) -> Segment:
        """The segment that holds ``instant``."""
        block = instant >> _BLOCK_BITS
        segments = self._blocks.get(block) or self._build(block)
        for segment in segments:
            if instant < segment.hi:
                return segment
        raise AssertionError("segments cover their block")

    def changes(self, after: int, until: int) -> Iterator[Change]:
        """Every change of the offset at an instant in ``(after, until]``, in order."""
        before = self.segment_at(after)
        while before.hi <= until:
            segment = self.segment_at(before.hi)
            if segment.offset != before.offset:
                yield Change(segment.lo, before.offset, segment.offset)
            before = segment

    def resolve(self, wall: datetime) -> int:
        """The instant of a naive wall time: its first pass in a fold, moved forward by the gap in a gap."""
        offset = wall.replace(tzinfo=self.info, fold=0).utcoffset()
        assert offset is not None
        return _seconds(wall - datetime(1970, 1, 1) - offset)  # noqa: DTZ001 - wall times are naive

    def wall_of(self, instant: int) -> datetime:
        """The naive wall time at ``instant``."""
        return wall_clock(instant + self.segment_at(instant).offset)

    def _build(self, block: int) -> tuple[Segment, ...]:
        fixed = self.info.utcoffset(None)  # known only where a zone has never changed its clock
        if fixed is not None:
            found: tuple[Segment, ...] = (Segment(-_FOREVER, _FOREVER, _seconds(fixed), -_FOREVER),)
        else:
            found = self._cut(block)
        self._blocks[block] = found
        return found

    def _cut(self, block: int) -> tuple[Segment, ...]:
        """The segments of a block, each with its floor."""
        start = block << _BLOCK_BITS
        end = start + _BLOCK
        borders = [*self._borders(start - _LOOK_BACK, end), (end, 0)]
        segments: list[Segment] = []
        high = borders[0][0] + borders[0][1]
        for (lo, offset), (hi, _) in pairwise(borders):
            if hi > start:
                lo = max(lo, start)  # noqa: PLW2901 - clipped to the block
                segments.append(Segment(lo, hi, offset, max(high, lo + offset)))
            high = max(high, hi + offset)
        return tuple(segments)

    def _borders(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """``(instant, offset)`` at ``start`` and wherever the offset changes before ``end``.

        Looks once a day and bisects; the tz database has no two changes within a day that cancel out.
        """
        offset = self._offset(start)
        yield start, offset
        low = start
        while low < end - 1:
            high = min(low + DAY, end - 1)
            if self._offset(high) != offset:
                high = self._bisect(low, high, offset)
                offset = self._offset(high)
                yield high, offset
            low = high

    def _bisect(self, low: int, high: int, offset: int) -> int:
        """The first instant in ``(low, high]`` whose offset is not ``offset``, the one at ``low``."""
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _offset(self, instant: int) -> int:
        offset = datetime.fromtimestamp(instant, self.info).utcoffset()
        assert offset is not None
        return _seconds(offset)


def wall_clock(wall: int) -> datetime:
    """Wall seconds as a naive datetime, the way a clock on the wall shows them."""
    return datetime(1970, 1, 1) + timedelta(seconds=wall)  # noqa: DTZ001 - wall times are naive


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA name that the tz database knows, old names included; not its placeholder ``Factory``."""
    data = pkgutil.get_data("tzdata", "zones")
    assert data is not None, "the tzdata package lists its zones"
    return frozenset(data.decode("ascii").split()) - {"Factory"}


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """The zone called ``name``, exactly as IANA spells it; :class:`KeyError` where there is none."""
    if name not in zone_names():
        raise KeyError(name)
    data = pkgutil.get_data("tzdata", f"zoneinfo/{name}")
    assert data is not None, "a listed zone has its data"
    return Zone(name, ZoneInfo.from_file(io.BytesIO(data), key=name))


_ABBREVIATIONS = {
    "AEST": "Australia/Sydney",
    "BST": "Europe/London",
    "CDT": "America/Chicago",
    "CEST": "Europe/Paris",
    "CST": "America/Chicago",
    "EDT": "America/New_York",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "MDT": "America/Denver",
    "PDT": "America/Los_Angeles",
    "PST": "America/Los_Angeles",
    "Z": "UTC",
}


def suggest_zone(name: str) -> str:
    """What is wrong with an unknown zone's name and what to write instead, for people."""
    if not name:
        return "a time zone's name is missing: write an IANA name such as `Europe/Berlin`, or `UTC`"
    if len(name) > _LONGEST_NAME:
        return f"a time zone's name has at most {_LONGEST_NAME} characters, this one has {len(name)}"
    found = _ABBREVIATIONS.get(name.upper()) or _fixed_offset(name) or _by_city(name)
    hint = f"did you mean `{found}`?" if found else "write an IANA name such as `Europe/Berlin`, or `UTC`"
    return f"{shown(name)} is not an IANA time zone: {hint}"


def _fixed_offset(name: str) -> str | None:
    """``UTC+2`` is ``Etc/GMT-2``: the signs of IANA's fixed zones are turned round."""
    head, sign, hours = name[:3].upper(), name[3:4], name[4:].removesuffix(":00").lstrip("0")
    if head not in ("UTC", "GMT") or sign not in ("+", "-"):
        return None
    candidate = f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"
    return candidate if candidate in zone_names() else None


def _by_city(name: str) -> str | None:
    folded = name.strip().replace(" ", "_").casefold()
    names = {known.casefold(): known for known in sorted(zone_names())}
    cities = {known.rsplit("/", 1)[-1]: full for known, full in names.items() if "/" in known}
    match = nearest(folded, names, 0.75)
    city = nearest(folded.rsplit("/", 1)[-1], cities, 0.8)
    return names[match] if match else cities[city] if city else None


def _seconds(delta: timedelta) -> int:
    return delta.days * DAY + delta.seconds
