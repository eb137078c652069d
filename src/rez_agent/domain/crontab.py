"""From crontab lines to definitions.

Pure: lines in, definitions and refusals out. The five fields are read as Vixie's cron does (crontab(5) of
Debian's cron and of cronie) and written in EventBridge Scheduler's grammar. What the two can't both say is
refused with the reason, never approximated:

* Both day fields restricted means *either* in a crontab; a cron(...) takes one. It becomes two schedules.
* A day field that begins with ``*`` (``*/2``) counts as unrestricted there, so that *both* must match. That
  can't be said in cron(...) unless the other day field is ``*``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rez_agent.domain.curl import request_of
from rez_agent.domain.errors import Invalid

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_SETTING = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_PIECE = re.compile(
    r"(?P<first>\*|[A-Za-z]{3}|\d{1,2})(?:-(?P<last>[A-Za-z]{3}|\d{1,2}))?(?:/(?P<step>\d{1,3}))?"
)


_FIVE_FIELDS = "A line has five fields (minute, hour, day of month, month, day of week) and a command."


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five: its name, its bounds, and its words from ``words_from`` on."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    words_from: int = 0


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, _MONTHS, 1)
WEEKDAY = Field("day of week", 0, 7, _DAYS, 0)
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one line: definitions to create, or ``error``, why it was refused. ``note`` tells of
    something to know."""

    number: int
    definitions: tuple[dict[str, Any], ...] = ()
    note: str | None = None
    error: str | None = None


def convert(
    lines: Iterable[str], *, timezone: str | None = None, custom: str | None = None
) -> Iterator[Line]:
    """Each line that stands for work, converted or refused; comments, blanks and settings yield nothing.

    ``timezone`` is the zone to read them in; without it ``CRON_TZ`` (or ``TZ``) lines say it, else UTC.
    ``custom`` names a custom action that is given every command that is no web call.
    """
    zone, names = timezone or "UTC", _Names()
    for number, text in enumerate(lines, start=1):
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        setting = _SETTING.fullmatch(line)
        if setting:
            if setting[1] in ("CRON_TZ", "TZ") and timezone is None:
                zone = setting[2].strip("'\"") or "UTC"
            continue
        try:
            yield _converted(number, line, zone, names, custom)
        except Invalid as error:
            yield Line(number, error=error.message)


def _converted(number: int, line: str, zone: str, names: _Names, custom: str | None) -> Line:
    fields, command = split(line)
    expressions = expressions_of(fields)
    work = _work(command, custom)
    definitions = tuple(
        {
            "name": names.free(work.name),
            "description": f"crontab: {line}"[:2_000],
            "schedule_expression": expression,
            "timezone": zone,
            "target_type": work.target_type,
            "payload": work.payload,
        }
        for expression in expressions
    )
    return Line(number, definitions, _note(fields, expressions))


def _note(fields: tuple[str, ...], expressions: list[str]) -> str | None:
    if len(expressions) == 1:
        return None
    return (
        f"'{fields[2]}' of the month or '{fields[4]}' of the week: became two schedules. "
        "On a day that is both, both fire (cron would run once)."
    )


def split(line: str) -> tuple[tuple[str, ...], str]:
    """A line's five fields, nicknames spelled out, and its command. Raises Invalid."""
    fields, command = split_fields(line)
    if not command and not line.startswith("@"):
        raise Invalid(_FIVE_FIELDS)
    return fields, command


def split_fields(line: str) -> tuple[tuple[str, ...], str]:
    """The same; the command may be missing, then it is empty."""
    if line.startswith("@"):
        nickname, _, command = line.partition(" ")
        known = NICKNAMES.get(nickname.lower())
        if known is None:
            raise Invalid(_unknown_nickname(nickname))
        return tuple(known.split()), command.strip()
    parts = line.split(None, 5)
    if len(parts) < 5:
        raise Invalid(_FIVE_FIELDS)
    return tuple(parts[:5]), "".join(parts[5:])


def _unknown_nickname(nickname: str) -> str:
    if nickname.lower() == "@reboot":
        return "@reboot is no time: a schedule can't wait for a machine to start."
    return f"'{nickname}' is not known. Known: {', '.join(NICKNAMES)}."


def expressions_of(fields: tuple[str, ...]) -> list[str]:
    """The cron(...) expressions that mean what the five fields do: one, or two where either day counts.

    Raises Invalid with what can't be read or can't be said.
    """
    values = [read_field(text, field) for text, field in zip(fields, FIELDS, strict=True)]
    minute, hour, day, month, weekday = (_written(v, f) for v, f in zip(values, FIELDS, strict=True))
    by_day, by_weekday = (
        f"cron({minute} {hour} {day} {month} ? *)",
        f"cron({minute} {hour} ? {month} {weekday} *)",
    )
    every = f"cron({minute} {hour} * {month} ? *)"
    if not fields[2].startswith("*") and not fields[4].startswith("*"):
        return [every] if "*" in (day, weekday) else [by_day, by_weekday]
    if weekday == "*":
        return [by_day]
    if day == "*":
        return [by_weekday]
    raise Invalid(
        f"Cron runs this on days that match both '{fields[2]}' and '{fields[4]}', because one of them begins "
        "with *. A cron(...) takes one of the two: keep the day of month or the day of week."
    )


def read_field(text: str, field: Field) -> list[int]:
    """The values that a field stands for, in order; Sunday is 0. Raises Invalid."""
    values: set[int] = set()
    for piece in text.split(","):
        values.update(_read_piece(piece, field))
    return sorted({value % 7 for value in values} if field is WEEKDAY else values)


def _read_piece(piece: str, field: Field) -> Iterable[int]:
    match = _PIECE.fullmatch(piece)
    if match is None:
        raise Invalid(f"'{piece}' in the {field.name} can't be read: {_why(piece)}")
    step = int(match["step"] or 1)
    if match["first"] == "*":
        if match["last"]:
            raise Invalid(f"'{piece}' in the {field.name} can't be read: * stands for the whole range.")
        first, last = field.low, 6 if field is WEEKDAY else field.high
    else:
        first = _value(match["first"], field)
        last = _value(match["last"], field) if match["last"] else first
        if match["step"] and not match["last"]:
            text = f"'{piece}' is read differently by different crons: write {first}-{field.high}/{step}."
            raise Invalid(f"{text} ({field.name})")
    if last == 0 < first and field is WEEKDAY:
        last = 7
    if last < first:
        raise Invalid(f"'{piece}' in the {field.name} runs backwards: crontabs have no such range.")
    if step < 1:
        raise Invalid(f"'{piece}' in the {field.name} has a step of 0.")
    return range(first, last + 1, step)


def _why(piece: str) -> str:
    if "~" in piece:
        return "a random time is drawn anew by cron; choose one, or use --window after the import."
    if not piece:
        return "something is missing at a comma."
    return "crontabs know numbers, names of three letters, a-b, lists, * and steps."


def _value(text: str, field: Field) -> int:
    if text.upper() in field.words:
        return field.words.index(text.upper()) + field.words_from
    if not text.isdigit():
        raise Invalid(f"'{text}' in the {field.name} is not known.")
    value = int(text)
    if not field.low <= value <= field.high:
        raise Invalid(f"{value} in the {field.name} lies outside {field.low}-{field.high}.")
    return value


def _written(values: list[int], field: Field) -> str:
    """Values in EventBridge's grammar: ``*``, ``0/15``, ``MON-FRI``, ``1,15``."""
    high = 6 if field is WEEKDAY else field.high
    if values == list(range(field.low, high + 1)):
        return "*"
    step = values[1] - values[0] if len(values) > 2 else 0
    if step > 1 and field is not WEEKDAY and values == list(range(values[0], high + 1, step)):
        return f"{values[0]}/{step}"
    return ",".join(_runs(values, field))


def _runs(values: list[int], field: Field) -> Iterator[str]:
    """Stretches of three or more as ranges, the rest one by one."""
    at = 0
    while at < len(values):
        end = at
        while end + 1 < len(values) and values[end + 1] == values[end] + 1:
            end += 1
        if end - at < 2:
            end = at
        yield _word(values[at], field) + (f"-{_word(values[end], field)}" if end > at else "")
        at = end + 1


def _word(value: int, field: Field) -> str:
    return _DAYS[value] if field is WEEKDAY else str(value)


@dataclass(frozen=True, slots=True)
class _Work:
    name: str
    target_type: str
    payload: Mapping[str, Any]


def _work(command: str, custom: str | None) -> _Work:
    """What a command asks for: a web call if that is what it is, else the custom action's business."""
    if not command:
        raise Invalid("The line has no command.")
    try:
        payload = request_of(command)
    except Invalid:
        if custom is None:
            raise
        payload = None
    if payload is not None:
        return _Work(slug(re.sub(r"^https?://", "", payload["url"])), "web_action", payload)
    if custom is None:
        program = command.split(None, 1)[0]
        raise Invalid(
            f"It runs a program ({program}), which a schedule does not. Call it over HTTP, or name the "
            "custom action that is to run it: --custom NAME."
        )
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    payload = {"action": custom, "command": command}
    return _Work(slug(words[0].rsplit("/", 1)[-1]), "custom", payload)


def slug(text: str) -> str:
    """A name made of ``text``: small letters and digits, joined by hyphens."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", text.partition("?")[0]).strip("-").lower()
    return slug[:100].rstrip("-") or "crontab"


class _Names:
    """Names within one file: the second of a name gets ``-2``."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def free(self, wish: str) -> str:
        name, count = wish, 1
        while name in self._given:
            count += 1
            name = f"{wish}-{count}"
        self._given.add(name)
        return name
