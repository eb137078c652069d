"""Evaluating CEL: environments, values in and out, and run-time errors in words.

The process that evaluates conditions loads this and nothing else of ours, so that it is small and quick to
start: no import here but the standard library's, and CEL's when it is first used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cel_expr_python import cel

Kinds = tuple[tuple[str, str], ...]
"""The variables that there are: each name with its type in CEL."""

TRAILER = re.compile(r" \[[A-Z_]+\]$")
"""What the library adds to its errors."""

_HEAD = re.compile(r"^[A-Z_]+: ")
_NO_KEY = re.compile(r"Key not found in map : (.*)")

ERROR_AT_MOST = 200
"""Characters of an error."""

READ_AT_MOST = 8
"""Values that an answer tells of."""

SHOWN_AT_MOST = 80
"""Characters of each."""


class Failed(str):
    """Why an expression has no value."""

    __slots__ = ()


@cache
def environment(kinds: Kinds) -> cel.Env:
    """The environment in which there are these variables."""
    from cel_expr_python import cel  # noqa: PLC0415 - large, and few ever need it

    known = {
        "string": cel.Type.STRING,
        "int": cel.Type.INT,
        "bool": cel.Type.BOOL,
        "timestamp": cel.Type.TIMESTAMP,
        "dyn": cel.Type.DYN,
        "list<string>": cel.Type.List(cel.Type.STRING),
        "map<string, dyn>": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    }
    return cel.NewEnv(variables={name: known[kind] for name, kind in kinds})


def evaluated(
    kinds: Kinds,
    condition: str,
    paths: Sequence[str],
    values: Mapping[str, Any],
    texts: Mapping[str, str | None],
) -> dict[str, Any]:
    """What a condition comes to, as JSON: its ``value``, or the ``error`` that kept it from one, and the
    values of ``paths``, which it ``read``. May never return."""
    moments = {name for name, kind in kinds if kind == "timestamp"}
    data = {name: datetime.fromisoformat(v) if name in moments else v for name, v in values.items()}
    data |= {name: _json(text) for name, text in texts.items()}
    answer = _value(kinds, condition, data)
    read = [[shown(path), _told(_value(kinds, path, data))] for path in paths[:READ_AT_MOST]]
    if isinstance(answer, bool):
        return {"value": answer, "read": read}
    if not isinstance(answer, Failed):
        answer = Failed(f"it is {_told(answer)}, not true or false")
    return {"error": str(answer), "read": read}


def shown(text: str, at_most: int = SHOWN_AT_MOST) -> str:
    """A text, shortened."""
    return text if len(text) <= at_most else text[: at_most - 1] + "…"


def _value(kinds: Kinds, expression: str, data: dict[str, Any]) -> Any:
    """The expression's value in plain values, or why it has none."""
    program = _compiled(kinds, expression)
    if isinstance(program, Failed):
        return program
    try:
        answer = program.eval(data=data)
        failed = answer.type().name() == "ERROR"
        return Failed(_in_words(str(answer.value()))) if failed else answer.plain_value()
    except RuntimeError as error:
        return Failed(_in_words(str(error)))


@lru_cache(maxsize=1_024)
def _compiled(kinds: Kinds, expression: str) -> cel.Expression | Failed:
    try:
        return environment(kinds).compile(expression)
    except RuntimeError as error:
        return Failed(_in_words(str(error)))


def _in_words(text: str) -> str:
    """A run-time error as a person can mend it."""
    text = _HEAD.sub("", TRAILER.sub("", text))
    if missing := _NO_KEY.search(text):
        return f"there is no field {missing[1]}; ask has() first"
    if "Applying SELECT" in text or "Invalid container type" in text:
        return "it asks for a part of a value that has none; compare it with null, or ask last.exists first"
    if "Iteration budget exceeded" in text:
        return "it takes too many steps"
    return shown(text, ERROR_AT_MOST)


def _told(value: Any) -> str:
    if isinstance(value, Failed):
        return "none"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    try:
        return shown(json.dumps(value, ensure_ascii=False, sort_keys=True))
    except (TypeError, ValueError):
        return shown(str(value))


def _json(text: str | None) -> Any:
    """The value of a JSON text; None where it is none. Integers that CEL has no room for are floats."""
    try:
        return json.loads(text or "null", parse_int=_integer, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None


def _integer(text: str) -> int | float:
    number = float(text) if len(text) > len(str(2**63)) else int(text)
    return number if -(2**63) <= number < 2**63 else float(number)


def _refused(constant: str) -> None:
    raise ValueError(constant)
