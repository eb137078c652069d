"""Placeholders: ``{{ name }}`` in the texts of a document, and what is put in their place.

A text that is one placeholder and nothing else becomes the parameter's value, with its type; a parameter that
was left out takes the field with it. Inside a longer text a value stands as it is written: a text as it is,
anything else as JSON. ``{{{{`` is two braces. Two filters move a wall time by minutes, which may be a
parameter too: ``{{ event | minus(minutes_before) }}`` and ``plus``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import did_you_mean, pointer_to

PLACEHOLDERS_AT_MOST = 100

_MARK = re.compile(r"\{\{\{\{|\{\{(?P<inside>[^{}]*)\}\}|\{\{")
_INSIDE = re.compile(
    r"\s*(?P<name>[A-Za-z_]\w*)\s*(?:\|\s*(?P<filter>\w+)\s*\(\s*(?P<minutes>\w+)\s*\)\s*)?", re.ASCII
)
_WALL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)

FILTERS = {"minus": -1, "plus": 1}

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder as it was read. ``minutes``: a number, or the name of a parameter that is one."""

    name: str
    filter: str | None = None
    minutes: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it asks for."""
        moved_by = self.minutes
        return (self.name,) if moved_by is None or moved_by.isdecimal() else (self.name, moved_by)


class Unfilled(Exception):
    """A value does not fit its placeholder; the text says why. ``name``: which parameter's."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def problems_with(document: Any, known: Mapping[str, Any]) -> list[Problem]:
    """All that is wrong with the placeholders of a document, given the parameters there are."""
    found: list[Problem] = []
    count = 0
    for path, text in _texts(document, ()):
        for mark in _MARK.finditer(text):
            if mark[0] == "{{{{":
                continue
            count += 1
            problem = _problem(mark, known)
            if problem is not None:
                found.append(Problem("invalid_placeholder", problem, pointer_to(path)))
    if count > PLACEHOLDERS_AT_MOST:
        text = f"There are {count} placeholders; {PLACEHOLDERS_AT_MOST} are allowed."
        found.append(Problem("invalid_placeholder", text))
    return found


def _problem(mark: re.Match[str], known: Mapping[str, Any]) -> str | None:
    inside = mark["inside"]
    read = None if inside is None else _read(inside)
    if read is None:
        return (
            f"'{mark[0][:60]}' is no placeholder: write {{{{ name }}}} or {{{{ name | minus(minutes) }}}}, "
            "and {{{{ for two braces."
        )
    if read.filter is not None and read.filter not in FILTERS:
        return f"There is no filter '{read.filter}'. Known: {', '.join(FILTERS)}."
    for name in read.names:
        if name not in known:
            return f"There is no parameter '{name}'.{did_you_mean(name, known)}"
    return None


def names_in(document: Any) -> frozenset[str]:
    """The parameters that a document's placeholders ask for."""
    return frozenset(name for _, text in _texts(document, ()) for one in _all(text) for name in one.names)


def filled(document: Any, values: Mapping[str, Any]) -> Any:
    """The document with values in place of its placeholders. Raises Unfilled."""
    if isinstance(document, dict):
        done = {key: _filled_or_left_out(value, values) for key, value in document.items()}
        return {key: value for key, value in done.items() if value is not _LEFT_OUT}
    if isinstance(document, list):
        items = [_filled_or_left_out(value, values) for value in document]
        return [value for value in items if value is not _LEFT_OUT]
    value = _filled_or_left_out(document, values)
    return None if value is _LEFT_OUT else value


_LEFT_OUT = object()


def _filled_or_left_out(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return filled(value, values) if isinstance(value, dict | list) else value
    alone = _MARK.fullmatch(value)
    if alone is not None and alone["inside"] is not None:
        read = _read(alone["inside"])
        assert read is not None
        return _value(read, values) if read.name in values else _LEFT_OUT
    return _MARK.sub(lambda mark: _in_text(mark, values), value)


def _in_text(mark: re.Match[str], values: Mapping[str, Any]) -> str:
    if mark["inside"] is None:
        return "{{"
    read = _read(mark["inside"])
    assert read is not None
    value = _value(read, values) if read.name in values else ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(read: Placeholder, values: Mapping[str, Any]) -> Any:
    value = values[read.name]
    if read.filter is None or read.minutes is None:
        return value
    minutes = int(read.minutes) if read.minutes.isdecimal() else values.get(read.minutes)
    if not isinstance(minutes, int | float):
        raise Unfilled(read.minutes, f"'{read.minutes}' must be a number of minutes.")
    if not isinstance(value, str) or _WALL.fullmatch(value) is None:
        raise Unfilled(read.name, f"'{read.name}' must be a wall time, such as 2027-01-31T09:00.")
    try:
        moved = datetime.fromisoformat(value) + FILTERS[read.filter] * timedelta(minutes=minutes)
    except (ValueError, OverflowError):
        raise Unfilled(read.name, f"'{read.name}' is no time that there is: {value}.") from None
    return moved.isoformat(timespec="seconds")


def _read(inside: str) -> Placeholder | None:
    match = _INSIDE.fullmatch(inside)
    return None if match is None else Placeholder(match["name"], match["filter"], match["minutes"])


def _all(text: str) -> Iterator[Placeholder]:
    for mark in _MARK.finditer(text):
        read = None if mark["inside"] is None else _read(mark["inside"])
        if read is not None:
            yield read


def _texts(document: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(document, str):
        yield path, document
    elif isinstance(document, dict):
        for key, value in document.items():
            yield from _texts(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from _texts(value, (*path, index))


def blamed(document: Any, pointer: str, names: Mapping[str, Any]) -> str | None:
    """The one parameter that what stands at ``pointer`` of a filled document came from; None where there is
    none, or more than one."""
    here = document
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and key.isdecimal() and int(key) < len(here):
            here = here[int(key)]
        else:
            break
    asked = [name for name in names if name in names_in(here)]
    return asked[0] if len(asked) == 1 else None
