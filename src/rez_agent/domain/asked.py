"""The time that somebody asks about: an instant, or a local time as people say it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from rez_agent.domain.days import FIRST_YEAR, LAST_YEAR
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.zones import Zone

FORMS = "2026-03-08T07:30:00Z, 2026-03-08T09:30 (the schedule's zone), 09:30, yesterday 09:30"

_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_SPOKEN = re.compile(r"(?:(yesterday|today|tomorrow)[ T]+)?(\d{1,2}):(\d{2})(?::(\d{2}))?")
_SECONDS = re.compile(r"\d{1,2}:\d{2}:\d{2}")
_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*")


@dataclass(frozen=True, slots=True)
class Asked:
    """The seconds asked about, both inclusive: one, or a minute where no seconds were said.

    ``missing`` is the naive wall time that was said, where the clocks of the zone never show it.
    """

    first: int
    last: int
    missing: datetime | None = None

    @property
    def at(self) -> datetime:
        """Its first second."""
        return from_seconds(self.first)


def read_asked(text: str, zone: Zone, now: datetime) -> Asked:
    """The time that ``text`` says, a local one in ``zone``; in a fold its first pass.

    Raises Invalid ``invalid_value`` for what is no time, or lies outside of 1970 to 2199.
    """
    said = text.strip()
    exact = _SECONDS.search(said) is not None
    try:
        spoken = _SPOKEN.fullmatch(said.lower())
        read = _spoken(spoken, zone, now) if spoken else _written(said)
        if read.tzinfo is None:
            return _of_wall(read, zone, exact=exact)
        return _asked(to_seconds(read), exact=exact)
    except (ValueError, OverflowError):
        shown = said if len(said) <= 60 else f"{said[:60]}..."
        problem = Problem("invalid_value", f"'{shown}' is no time. Write {FORMS}.", field="at")
        raise Invalid.of([problem]) from None


def _spoken(spoken: re.Match[str], zone: Zone, now: datetime) -> datetime:
    day, *parts = spoken.groups()
    hour, minute, second = (int(part or 0) for part in parts)
    today = zone.wall_of(to_seconds(now))
    return today.replace(hour=hour, minute=minute, second=second) + timedelta(days=_DAYS[day or "today"])


def _written(said: str) -> datetime:
    read = datetime.fromisoformat(said)
    if not (_WRITTEN.fullmatch(said) and FIRST_YEAR <= read.year <= LAST_YEAR):
        raise ValueError(said)
    return read


def _of_wall(wall: datetime, zone: Zone, *, exact: bool) -> Asked:
    wall = wall.replace(microsecond=0)
    second = zone.resolve(wall)
    missing = None if zone.wall_of(second) == wall else wall
    return _asked(second, exact=exact, missing=missing)


def _asked(second: int, *, exact: bool, missing: datetime | None = None) -> Asked:
    return Asked(second, second if exact else second + 59, missing)
