"""Read an expression's text: which of ``cron``, ``rate`` and ``at`` it is, and what it says.

EventBridge Scheduler's grammar (User Guide, "Schedule types"): lower-case names, no blank next to a
parenthesis, at most 256 characters. See docs/reference/expressions.md for each decision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from rez_agent.domain.cron import Cron, Fault, read_cron
from rez_agent.domain.days import FIRST_YEAR, LAST_YEAR
from rez_agent.domain.nearest import nearest, shown

LONGEST_TEXT = 256
UNIT_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_LONGEST_RATE = (LAST_YEAR + 1 - FIRST_YEAR) * 366 * 86_400
_FORMS = (
    "`cron(minutes hours day-of-month month day-of-week year)`, `rate(value unit)` "
    "or `at(yyyy-mm-ddThh:mm:ss)`"
)


@dataclass(frozen=True, slots=True)
class Rate:
    """``rate(value unit)``; ``unit`` is ``minute``, ``hour`` or ``day``, a day being 24 hours."""

    value: int
    unit: str

    @property
    def seconds(self) -> int:
        """The interval."""
        return self.value * UNIT_SECONDS[self.unit]


@dataclass(frozen=True, slots=True)
class At:
    """``at(...)``: a naive wall time, to the second."""

    wall: datetime


Meaning = Cron | Rate | At


def read(text: str) -> tuple[Meaning | None, list[Fault]]:
    """What ``text`` means, or every fault in it (at least one). Takes well under 50 ms for any text."""
    if len(text) > LONGEST_TEXT:
        what = f"an expression has at most {LONGEST_TEXT} characters, this one has {len(text)}"
        return None, [Fault(LONGEST_TEXT, what)]
    head, bracket, rest = text.partition("(")
    if not bracket or head not in ("cron", "rate", "at"):
        return None, [_not_a_form(text, head if bracket else None)]
    if not rest.endswith(")"):
        return None, [_not_closed(text)]
    body, position = rest[:-1], len(head) + 1
    if head == "cron":
        return read_cron(body, position)
    try:
        return (_read_rate if head == "rate" else _read_at)(body, position), []
    except Fault as fault:
        return None, [fault]


def _not_closed(text: str) -> Fault:
    end = text.rfind(")")
    if end < 0:
        return Fault(len(text), f"the closing parenthesis is missing: did you mean {shown(text + ')')}?")
    return Fault(end + 1, f"nothing may follow the closing parenthesis: remove {shown(text[end + 1 :])}")


def _not_a_form(text: str, head: str | None) -> Fault:
    """The text begins with none of the three names: find out what was meant."""
    if not text.strip():
        return Fault(0, f"the expression is empty: write {_FORMS}")
    if head is None:
        return Fault(0, f"{shown(text)} is not an expression: {_bare(text.strip())}")
    name = head.strip().lower()
    if name in ("cron", "rate", "at"):
        fixed = name + text[len(head) :]
        what = "no blanks before the name" if head != head.strip() else "names are in lower case"
        return Fault(0, f"{what}: did you mean {shown(fixed)}?")
    guess = nearest(name, ("cron", "rate", "at"), 0.5)
    hint = f"did you mean `{guess}(...)`?" if guess else f"write {_FORMS}"
    return Fault(0, f"{shown(head)} is not a kind of expression: {hint}")


_UNIX = {"@hourly": "0 * * * ? *", "@daily": "0 0 * * ? *", "@midnight": "0 0 * * ? *"}


def _bare(text: str) -> str:
    """What a text without a wrapper was meant to be, as far as that is certain."""
    if text.lower() in _UNIX:
        return f"did you mean `cron({_UNIX[text.lower()]})`?"
    fields = text.split()
    if len(fields) == 5 and fields[4] == "*":
        fields[4:] = ["?", "*"]  # Unix cron: its day of the week is open, and it has no year
    candidates = [f"cron({' '.join(fields)})", f"rate({text})", f"at({text})"]
    for candidate in candidates:
        if len(candidate) <= LONGEST_TEXT and read(candidate)[0] is not None:
            return f"did you mean `{candidate}`?"
    if len(fields) in (5, 6):
        return "did you mean `cron(...)`? It has six fields, the last is the year, and Sunday is 1"
    return f"write {_FORMS}"


def _read_rate(body: str, position: int) -> Rate:
    if body != body.strip() and body.strip():
        raise Fault(position, f"no blanks next to the parentheses: write `rate({body.strip()[:40]})`")
    match = re.fullmatch(r"([^ \t]*)(?:[ \t]+([^ \t]+))?", body)
    if match is None or not match[1]:
        raise Fault(position, "a rate is written `rate(value unit)`, such as `rate(5 minutes)`")
    return Rate(_rate_value(match[1], position), _rate_unit(match, position))


def _rate_value(text: str, position: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Fault(
            position, f"{shown(text)} is not a whole number of units: write `rate(5 minutes)`", "value"
        )
    if int(text) == 0:
        raise Fault(position, "a rate's value is at least 1", "value")
    return int(text)


def _rate_unit(match: re.Match[str], position: int) -> str:
    """The unit in the singular; ``1 days`` is allowed as on EventBridge Scheduler, ``5 minute`` is not."""
    value, word = int(match[1]), match[2]
    if word is None:
        what = f"the unit is missing: did you mean `rate({match[1][:20]} minutes)`?"
        raise Fault(position + match.end(1), what, "unit")
    at = position + match.start(2)
    unit = word.removesuffix("s")
    if unit not in UNIT_SECONDS or len(word) - len(unit) > 1:
        raise Fault(at, f"{shown(word)} is not a unit: {_unit_hint(word, value)}", "unit")
    if word == unit and value > 1:
        raise Fault(at, f"more than one {unit} is written in the plural: did you mean `{unit}s`?", "unit")
    if value * UNIT_SECONDS[unit] > _LONGEST_RATE:
        raise Fault(position, "the rate is longer than the 230 years that expressions cover", "value")
    return unit


_SHORT_UNITS = {
    "m": "minute",
    "min": "minute",
    "mins": "minute",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "d": "day",
}


def _unit_hint(word: str, value: int) -> str:
    lower = word.lower()
    if lower.rstrip("s") in ("week", "month", "year"):
        return f"did you mean `{value * 7} days`?" if "week" in lower and value < 1000 else "write it in days"
    if lower.startswith("sec"):
        return "the shortest rate is `rate(1 minute)`"
    names = [unit if value == 1 else f"{unit}s" for unit in UNIT_SECONDS]
    guess = nearest(_SHORT_UNITS.get(lower, lower), names, 0.6)
    return f"did you mean `{guess}`?" if guess else "write minutes, hours or days"


_AT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)", re.ASCII)
_AT_PARTS = (
    ("year", 0, FIRST_YEAR, LAST_YEAR),
    ("month", 5, 1, 12),
    ("day", 8, 1, 31),
    ("hour", 11, 0, 23),
    ("minute", 14, 0, 59),
    ("second", 17, 0, 59),
)


def _read_at(body: str, position: int) -> At:
    match = _AT.fullmatch(body)
    if match is None:
        raise _misspelt_at(body, position)
    numbers = [int(part) for part in match.groups()]
    for number, (name, offset, low, high) in zip(numbers, _AT_PARTS, strict=True):
        if not low <= number <= high:
            raise Fault(position + offset, f"{name} {number:02} is out of range: {low}-{high}", name)
    year, month, day, hour, minute, second = numbers
    try:
        wall = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - a wall time
    except ValueError:
        raise Fault(position + 8, f"{year}-{month:02} has no day {day}", "day") from None
    return At(wall)


def _misspelt_at(body: str, position: int) -> Fault:
    """Find what keeps ``body`` from being a wall time to the second."""
    form = "write `at(yyyy-mm-ddThh:mm:ss)`, a wall time in the schedule's time zone"
    zoned = re.fullmatch(r"(.{19}?)(\.\d+)?(Z|[+-]\d\d:?\d\d)?", body, re.ASCII)
    if zoned and _AT.fullmatch(zoned[1]):
        what = "fraction of a second" if zoned[2] else "offset (the schedule's time zone says where it holds)"
        return Fault(position + 19, f"no {what} is allowed: did you mean `at({zoned[1]})`?")
    guess = re.sub(r"[/.]", "-", body[:10]) + body[10:].replace(" ", "T").replace("t", "T")
    for candidate in (guess, guess + ":00", guess + "T00:00:00"):
        if _AT.fullmatch(candidate):
            return Fault(position, f"{shown(body)} is not a date and time: did you mean `at({candidate})`?")
    return Fault(position, f"{shown(body)} is not a date and time: {form}")
