"""Values as people read them: instants, how far off they are, how long something took."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.instants import rfc3339
from rez_agent.domain.plainly import plainly
from rez_agent.domain.statistics import Statistics
from rez_agent.domain.zones import zone

_STEPS = ((60, 1, "s"), (3_600, 60, "min"), (86_400, 3_600, "h"), (86_400 * 60, 86_400, "days"))
_MONTH_SECONDS = 2_629_746
_YEAR_SECONDS = 31_556_952


def relative(instant: datetime, now: datetime) -> str:
    """How far ``instant`` is from ``now``: ``in 5 min``, ``3 h ago``, ``now``."""
    seconds = round((instant - now).total_seconds())
    if not seconds:
        return "now"
    size = _size(abs(seconds))
    return f"in {size}" if seconds > 0 else f"{size} ago"


def _size(seconds: int) -> str:
    for below, unit, word in _STEPS:
        if seconds < below:
            count = seconds // unit
            return f"{count} {'day' if word == 'days' and count == 1 else word}"
    if seconds < 2 * _YEAR_SECONDS:
        return f"{seconds // _MONTH_SECONDS} months"
    return f"{seconds // _YEAR_SECONDS} years"


def absolute(instant: datetime, timezone: str = "UTC") -> str:
    """``instant`` on the clocks of ``timezone``, to the second: ``Mon 30 Nov 2026, 09:00:00``; in UTC, and
    said so, where the zone has left the tz database."""
    try:
        info, said = zone(timezone).info, ""
    except KeyError:
        info, said = zone("UTC").info, " UTC"
    wall = instant.astimezone(info)
    return f"{wall:%a} {wall.day} {wall:%b %Y, %H:%M:%S}{said}"


def duration(milliseconds: float | None) -> str:
    """How long something took: ``38 ms``, ``1.2 s``, ``4 min 5 s``; ``—`` for what is not known."""
    if milliseconds is None:
        return "—"
    if milliseconds < 1_000:
        return f"{round(milliseconds)} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1_000:.1f}".removesuffix(".0") + " s"
    minutes, seconds = divmod(round(milliseconds / 1_000), 60)
    if minutes < 60:
        return _both(minutes, "min", seconds, "s")
    hours, minutes = divmod(minutes, 60)
    return _both(hours, "h", minutes, "min")


def _both(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def counted(number: int, word: str) -> str:
    """``1 schedule``, ``2 schedules``, ``1,200 schedules``."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def phase(milliseconds: float) -> str:
    """The same for what may be very short: ``0.4 ms``."""
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else duration(milliseconds)


def milliseconds(span: timedelta | None) -> float | None:
    """A span in milliseconds, none below zero; None as it is."""
    return None if span is None else max(0.0, span / timedelta(milliseconds=1))


def success(statistics: Statistics) -> str:
    """The share of what succeeded; a dash where nothing ran."""
    rate = statistics.success_rate
    if rate is None:
        return "—"
    percent = rate * 100
    return f"{percent:.0f}%" if percent == round(percent) else f"{percent:.1f}%"


FILTERS: dict[str, Callable[..., Any]] = {
    "relative": relative,
    "absolute": absolute,
    "duration": duration,
    "counted": counted,
    "rfc3339": rfc3339,
    "milliseconds": milliseconds,
    "phase": phase,
    "success": success,
    "plainly": plainly,
}
"""What templates may ask for, beside what Jinja2 brings."""
