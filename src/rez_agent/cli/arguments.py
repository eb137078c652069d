"""Reading what stands on the command line: moments, durations, headers, parameters, documents.

Each reader raises Invalid ``invalid_argument`` with what was wrong and how it is written.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from rez_agent.domain.errors import Invalid, Problem

SHOWN = 60
"""Characters of an unfit argument that its error repeats."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+)([smhdw])")
_DURATION = re.compile(r"(?:\d+[smhdw])+")


def unfit(option: str, text: str, how: str) -> Invalid:
    """The error for an argument that can't be read."""
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    return Invalid(f"{option} {shown!r} can't be read: {how}", code="invalid_argument")


def duration(text: str, option: str) -> timedelta:
    """``90s``, ``15m``, ``1h30m``, ``7d``, ``2w``."""
    if not is_duration(text):
        raise unfit(option, text, "write a duration such as 90s, 15m, 1h30m or 7d.")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise unfit(option, text, "that is longer than any calendar.") from None


def is_duration(text: str) -> bool:
    """Whether it is written as :func:`duration` reads it."""
    return _DURATION.fullmatch(text) is not None


def moment(text: str, option: str, now: datetime, *, ahead: bool = False) -> datetime:
    """An RFC 3339 instant, a date (midnight UTC), ``now``, or a duration before ``now`` (after it when
    ``ahead``). Aware, in UTC."""
    if text == "now":
        return now
    try:
        if is_duration(text):
            span = duration(text, option)
            return now + span if ahead else now - span
        return _instant(text).astimezone(UTC)
    except (ValueError, OverflowError):
        example = "2026-03-08T07:30:00Z, 2026-03-08, now, or a duration such as 2h"
        raise unfit(option, text, f"write {example}.") from None


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is not None:
        return instant
    if "T" in text or " " in text:
        raise ValueError("a time of day without its offset could mean two things")
    return instant.replace(tzinfo=UTC)


def pairs(texts: Iterable[str], option: str) -> dict[str, Any]:
    """``name=text`` and ``name:=JSON`` (a number, a list, true, ...), as a document."""
    read: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.rstrip(":"):
            raise unfit(option, text, "write name=text, or name:=JSON for a number, a list or true.")
        read[name.removesuffix(":")] = document(value, option) if name.endswith(":") else value
    return read


def headers(texts: Iterable[str], option: str) -> dict[str, str]:
    """``Name: value``."""
    read: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise unfit(option, text, "write it as 'Name: value'.")
        read[name.strip()] = value.strip()
    return read


def document(text: str, option: str) -> Any:
    """JSON, as it stands, from ``@FILE``, or from standard input for ``-``."""
    source = content(text, option)
    try:
        return json.loads(source, parse_constant=_no_constant)
    except RecursionError:
        raise unfit(option, text, "it is nested too deeply.") from None
    except ValueError as error:
        told = f"it is not JSON ({error}). In a shell, put it in single quotes."
        raise unfit(option, text, told) from None


def json_object(text: str, option: str) -> dict[str, Any]:
    """A JSON object, read as :func:`document` does."""
    read = document(text, option)
    if not isinstance(read, dict):
        raise unfit(option, text, "a JSON object is needed, such as {...}.")
    return read


def object_file(name: str, option: str) -> dict[str, Any]:
    """The object in a file: YAML where its name says so (``.yaml``, ``.yml``), else JSON; ``-`` is standard
    input, in JSON."""
    if not name.lower().endswith((".yaml", ".yml")):
        return json_object(name if name == "-" else f"@{name}", option)
    from rez_agent.actions.yaml_file import read_yaml  # noqa: PLC0415 - slow to load, and seldom asked for

    problems: list[Problem] = []
    read = read_yaml(name, file_text(name, option), problems)
    if problems:
        raise Invalid.of(problems)
    try:
        found = json.loads(json.dumps(read.document, default=_written, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise unfit(option, name, f"it holds what JSON does not have ({error}).") from None
    if not isinstance(found, dict):
        raise unfit(option, name, "a mapping is needed, such as 'name: report'.")
    return found


def _written(value: object) -> str:
    """A time that YAML made of a text, as a text again."""
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__}")


def content(text: str, option: str) -> str:
    """The text itself, the content of ``@FILE``, or standard input for ``-``."""
    if text == "-" or text.startswith("@"):
        return file_text(text.removeprefix("@"), option)
    return text


def file_text(name: str, option: str) -> str:
    """A file's text; ``-`` is standard input."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise unfit(option, name, "the file is not text in UTF-8.") from None
    except OSError as error:
        raise unfit(option, name, f"{error.strerror}.") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
