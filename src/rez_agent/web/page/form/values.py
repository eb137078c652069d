"""What the fields of a form say, one by one: texts, numbers, JSON, wall times; and what is wrong there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.instants import from_seconds, rfc3339, to_seconds
from rez_agent.domain.zones import Zone
from rez_agent.web.json_reader import read_json

Values = Mapping[str, str]
"""What stands in the fields, by name. A field that is not there is empty; a box that is ticked is ``on``."""

Document = dict[str, Any]

ON = "on"

_DIGITS = 9


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Something wrong, and the field that it is about; ``""``: none of them."""

    field: str
    message: str
    code: str = "invalid_value"


@dataclass(slots=True)
class Reader:
    """Reads fields, gathering what is wrong with them."""

    values: Values
    problems: list[FieldProblem] = field(default_factory=list)

    def text(self, name: str) -> str:
        """The field, without blanks around it."""
        return self.values.get(name, "").strip()

    def raw(self, name: str) -> str:
        """The field as it stands."""
        return self.values.get(name, "")

    def ticked(self, name: str) -> bool:
        """Whether the box is ticked."""
        return bool(self.values.get(name))

    def number(self, name: str) -> Any:
        """A number; None when the field is empty; what is no number as the text that it is, for the check of
        the whole to refuse."""
        text = self.text(name)
        return None if not text else number_or_text(text)

    def wrong(self, name: str, message: str, code: str = "invalid_value") -> None:
        """Something is wrong with the field."""
        self.problems.append(FieldProblem(name, message, code))

    def json(self, name: str) -> Any:
        """A JSON value; None when the field is empty or can't be read, which is a problem then."""
        text = self.text(name)
        if not text:
            return None
        try:
            return read_json(text.encode("utf-8", "surrogatepass"))
        except Invalid as error:
            self.wrong(name, error.message.replace("The body", "This"), error.code)
            return None

    def json_object(self, name: str) -> Document:
        """A JSON object; an empty one when the field is empty or can't be read."""
        found = self.json(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            self.wrong(name, 'This must be a JSON object, such as {"name": "value"}.', "wrong_type")
            return {}
        return found

    def instant(self, name: str, zone: Zone | None) -> str | None:
        """An instant: the wall clock of ``zone``, or RFC 3339. None when the field is empty, or nobody can
        say which instant it is."""
        text = self.text(name)
        if not text:
            return None
        try:
            wall = datetime.fromisoformat(text)
        except ValueError:
            self.wrong(name, "Write a date and a time, such as 2027-01-31 09:00.")
            return None
        if wall.tzinfo is not None:
            return text
        return None if zone is None else rfc3339(from_seconds(zone.resolve(wall)))


def number_or_text(text: str) -> Any:
    """The number that ``text`` writes as JSON does, else the text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    known = isinstance(found, int | float) and not isinstance(found, bool)
    return found if known and json.dumps(found) not in ("NaN", "Infinity", "-Infinity") else text


def whole_number(text: str) -> int | None:
    """The whole number, from 0 on, that ``text`` writes in at most nine digits; None for anything else."""
    return int(text) if len(text) <= _DIGITS and text.isdecimal() else None


def number_text(value: Any) -> str | None:
    """A number as a field shows it, such that it is read as the same one; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    text = json.dumps(value)
    return text if number_or_text(text) == value and type(number_or_text(text)) is type(value) else None


def json_text(value: Any) -> str:
    """A value as JSON that people can read; nothing for an empty object."""
    return "" if value == {} else json.dumps(value, ensure_ascii=False, indent=2)


def line_text(value: Any) -> str | None:
    """A text that a field of one line gives back as it is; None for anything else."""
    fits = isinstance(value, str) and value != "" and value == value.strip() and value.isprintable()
    return value if fits else None


def lines_text(value: Any) -> str | None:
    """A text that a field of several lines gives back as it is; None for anything else."""
    return value if isinstance(value, str) and value != "" and "\r" not in value else None


def instant_text(instant: datetime, zone: Zone | None) -> str:
    """An instant on the wall clock of ``zone``; in UTC where the wall clock alone does not tell which one it
    is, or there is no such zone."""
    if zone is not None and not instant.microsecond:
        wall = zone.wall_of(to_seconds(instant))
        if zone.resolve(wall) == to_seconds(instant):
            return wall.isoformat(timespec="seconds" if wall.second else "minutes")
    return rfc3339(instant)


def of_problem(problem: Problem, name: str) -> FieldProblem:
    """A problem of the definition, seen from the field ``name``."""
    return FieldProblem(name, problem.message, problem.code)
