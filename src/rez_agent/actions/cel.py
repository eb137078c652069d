"""What is wrong with a condition, said when a schedule is created or changed.

Checking takes a millisecond whatever the text, so it is done where it is asked for. Evaluating is not: a
short expression can take for ever and all memory (a text that is doubled thirty times). See ``judging.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from rez_agent.actions.evaluating import ERROR_AT_MOST, TRAILER, environment, shown
from rez_agent.domain.condition import KINDS, NAMES, PAYLOAD_READ, mentioned
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import did_you_mean

CODE = "invalid_condition"

_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']*)' applied to '\((.*)\)'")
_ALWAYS_THERE = re.compile(rf"\bhas\(\s*({'|'.join(re.escape(name) for name in NAMES)})\s*\)")
_FUNCTIONS = (
    *("all", "exists", "exists_one", "filter", "map", "has", "size", "contains", "startsWith", "endsWith"),
    *("matches", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getHours", "getMinutes", "getSeconds", "duration", "timestamp", "int", "uint", "double", "string"),
    *("bool", "bytes", "dyn", "type"),
)
_TOO_DEEP = "It is nested too deeply: CEL allows 32 levels, of brackets, sums and calls alike."


def problems_with(condition: str, payload: Mapping[str, Any]) -> list[Problem]:
    """All that is wrong with a condition of a schedule with such a payload, pointers relative to it, with the
    place in its text where there is one."""
    found = list(_checked(condition))
    if not found and any(path.startswith("payload") for path in mentioned(condition)):
        size = len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())
        if size > PAYLOAD_READ:
            text = f"A condition reads payloads up to {PAYLOAD_READ} bytes of JSON; this one has {size}."
            found.append(Problem(CODE, text))
    return found


@lru_cache(maxsize=1_024)
def _checked(condition: str) -> tuple[Problem, ...]:
    try:
        kind = environment(KINDS).compile(condition).return_type().name()
    except RuntimeError as error:
        return tuple(_problems(condition, str(error)))
    if kind not in ("BOOL", "DYN"):
        text = f"The condition comes to a value of type {kind.lower()}: write one that is true or false."
        return (Problem(CODE, text),)
    always = _ALWAYS_THERE.search(condition)
    if always is not None:
        text = f"'{always[1]}' is always there, so has() says nothing of it: {_instead(always[1])}."
        return (Problem(CODE, text, position=always.start()),)
    return ()


def _instead(name: str) -> str:
    return "compare it with null" if name == "last.body" else "compare its value, or ask last.exists"


def _problems(condition: str, text: str) -> Iterator[Problem]:
    """The library's errors in our words, each with its place in the text."""
    starts = [0]
    for line in condition.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    said: set[str] = set()
    for line, column, message in _ERROR.findall(text) or [("-1", "-1", text)]:
        told = _in_words(TRAILER.sub("", message))
        if told not in said:
            said.add(told)
            known = 0 < int(line) < len(starts)
            position = starts[int(line) - 1] + max(0, int(column) - 1) if known else None
            yield Problem(CODE, told, position=position)


def _in_words(message: str) -> str:
    if "recursion" in message:
        return _TOO_DEEP
    if undeclared := _UNDECLARED.search(message):
        name = undeclared[1]
        known = did_you_mean(name, (*NAMES, *_FUNCTIONS)) or f" Known are {', '.join(NAMES)}."
        return f"'{name}' is not known to a condition.{known}"
    if overload := _OVERLOAD.search(message):
        operator = overload[1].strip("_@").replace("_", "") or overload[1]
        given = shown(overload[2], ERROR_AT_MOST)
        return f"'{operator}' can't be applied to ({given}): write a value of another type."
    return shown(message[:1].upper() + message[1:].rstrip("."), ERROR_AT_MOST) + "."
