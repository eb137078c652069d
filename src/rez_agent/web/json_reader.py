"""Reading JSON from strangers: RFC 8259, and nothing that only some readers agree on.

Refused, each with its own code: what is not UTF-8, a byte order mark, nesting beyond :data:`DEPTH_AT_MOST`,
more than :data:`VALUES_AT_MOST` values, an object with the same key twice (I-JSON, RFC 7493 2.3), NaN and
Infinity, integers beyond 64 bits, floats that overflow, NUL characters and lone surrogates.

Small, ordinary bodies pay one count of brackets and the standard library's own scanner; the precise checks
run only on what looks odd.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from rez_agent.domain.errors import Malformed, Problem
from rez_agent.domain.nearest import shown
from rez_agent.domain.reading import pointer_to

DEPTH_AT_MOST = 64
"""Objects and arrays within one another."""

VALUES_AT_MOST = 100_000
"""Values in one document, objects and arrays included."""

INTEGER_AT_MOST = 2**63 - 1
"""Whole numbers lie between this and its negative, less one: what 64 bits hold."""

_INTEGER_DIGITS = 20
_FLOAT_DIGITS = 400
"""Characters of a number: more can't be in range, and reading long ones takes quadratic time."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def read_json(data: bytes) -> Any:
    """The document that ``data`` says. Raises :class:`Malformed` with a code and the place."""
    text = _decoded(data)
    _check_size(text)
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        _refuse("malformed_json", f"The body is not JSON: {error.msg.lower()} at {where}.")
    if "\\u" in text:
        _check_strings(document)
    return document


def _decoded(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        _refuse("byte_order_mark", "The body begins with a byte order mark. Send JSON as UTF-8 without one.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        _refuse("invalid_utf8", f"The body is not UTF-8: byte {error.start} is wrong.")


def _check_size(text: str) -> None:
    """Depth and number of values, before any recursion. The cheap counts are upper bounds."""
    opened = text.count("{") + text.count("[")
    if opened <= DEPTH_AT_MOST and opened + text.count(",") < VALUES_AT_MOST:
        return
    bare = _STRING.sub("", text)
    values = bare.count(",") + bare.count("{") + bare.count("[") + 1
    if values > VALUES_AT_MOST:
        _refuse("too_many_values", f"The body holds more than {VALUES_AT_MOST} values. Send it in parts.")
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > DEPTH_AT_MOST:
            _refuse("too_deep", f"The body is nested more than {DEPTH_AT_MOST} deep.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        _refuse("duplicate_key", f"An object has the key {shown(twice)} twice. Keep one of them.")
    return found


def _integer(text: str) -> int:
    number = int(text) if len(text) <= _INTEGER_DIGITS else INTEGER_AT_MOST + 1
    if not -INTEGER_AT_MOST - 1 <= number <= INTEGER_AT_MOST:
        _refuse(
            "number_too_large", f"The number {shown(text)} does not fit into 64 bits. Send it as a string."
        )
    return number


def _float(text: str) -> float:
    number = float(text) if len(text) <= _FLOAT_DIGITS else math.inf
    if not math.isfinite(number):
        _refuse(
            "number_too_large",
            f"The number {shown(text)} is beyond what a double holds. Send it as a string.",
        )
    return number


def _constant(text: str) -> NoReturn:
    _refuse("not_finite", f"{text} is no JSON number. Send null, or leave the field out.")


def _check_strings(document: Any) -> None:
    """No NUL and no lone surrogate, in keys and values: only an escape can have brought one in."""
    for path, text in _strings(document, ()):
        if "\0" in text:
            _refuse(
                "nul_character", "A text holds a NUL character (\\u0000). Leave it out.", pointer_to(path)
            )
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            message = "A text holds half of a surrogate pair. Write the whole character."
            _refuse("lone_surrogate", message, pointer_to(path))


def _strings(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield path, key
            yield from _strings(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*path, index))


def _refuse(code: str, message: str, pointer: str = "") -> NoReturn:
    raise Malformed(message, code=code, problems=[Problem(code, message, pointer)])


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
