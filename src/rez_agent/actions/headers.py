"""Which headers a payload may set, and those that every request carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from rez_agent.actions.references import Ref, read_reference
from rez_agent.domain.action import Work
from rez_agent.domain.errors import Problem
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.reading import pointer_to

HEADERS_MAX = 64
"""Headers that a payload may set."""

HEADER_BYTES_MAX = 8_000
"""Bytes of a header's name and value."""

USER_AGENT = f"rez-agent/{version('rez-agent')}"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OURS = frozenset(
    {
        "idempotency-key",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-rez-attempt",
        "x-rez-execution-id",
        "x-rez-schedule-id",
        "x-rez-scheduled-time",
    }
)


def read_headers(
    value: Any, pointer: str, problems: list[Problem]
) -> tuple[dict[str, str], tuple[tuple[str, Ref], ...]]:
    """The headers given as text, and those given by reference to a secret."""
    plain: dict[str, str] = {}
    secret: dict[str, Ref] = {}
    if not isinstance(value, Mapping):
        problems.append(Problem("wrong_type", "'headers' is an object of names and values.", pointer))
        return plain, ()
    if len(value) > HEADERS_MAX:
        problems.append(Problem("too_many_headers", f"At most {HEADERS_MAX} headers may be set.", pointer))
    seen: set[str] = set()
    for name, given in value.items():
        at = pointer + pointer_to([name])
        problem = header_name_problem(name, at) or _twice(name, at, seen) or _value_problem(name, given, at)
        if problem:
            problems.append(problem)
        elif isinstance(given, Mapping):
            ref = read_reference(given, at, problems)
            secret |= {name: ref} if ref else {}
        else:
            plain[name] = str(given)
    return plain, tuple(secret.items())


def header_name_problem(name: Any, pointer: str) -> Problem | None:
    """Why a payload may not set the header ``name``; None if it may."""
    lowered = str(name).lower()
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        text = "A header's name has letters, digits and !#$%&'*+.^_`|~- only."
        return Problem("invalid_header", text, pointer)
    if lowered in _CONNECTION:
        return Problem("forbidden_header", f"'{name}' belongs to the connection and can't be set.", pointer)
    if lowered in _OURS:
        return Problem("forbidden_header", f"'{name}' is set by rez-agent itself.", pointer)
    return None


def header_value_problem(text: str, pointer: str) -> Problem | None:
    """Why ``text`` can't stand in a header; None if it can."""
    if _UNFIT.search(text):
        fault = "The value holds a line break, a NUL or another control character."
        return Problem("invalid_header", fault, pointer)
    return None


def work_headers(work: Work) -> dict[str, str]:
    """The headers that tell a target which work this is; the key is the same for all attempts."""
    return {
        "Idempotency-Key": work.idempotency_key,
        "X-Rez-Execution-Id": work.execution_id,
        "X-Rez-Schedule-Id": work.schedule_id,
        "X-Rez-Scheduled-Time": _spelled(work.scheduled_time),
        "X-Rez-Attempt": str(work.attempt),
    }


_spelled = lru_cache(maxsize=1_024)(rfc3339)
"""Work that falls due together shares its time."""


def _twice(name: str, pointer: str, seen: set[str]) -> Problem | None:
    if name.lower() in seen:
        return Problem("invalid_header", f"'{name}' is given twice.", pointer)
    seen.add(name.lower())
    return None


def _value_problem(name: str, value: Any, pointer: str) -> Problem | None:
    if isinstance(value, Mapping):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        text = f'\'{name}\' is a text, a number, or {{"secret": "NAME"}}.'
        return Problem("wrong_type", text, pointer)
    if name.lower() == "authorization":
        text = 'Credentials are given by reference only: use \'auth\', or {"secret": "NAME"} as the value.'
        return Problem("plain_secret", text, pointer)
    problem = header_value_problem(str(value), pointer)
    if problem is None and len(name) + len(str(value).encode()) > HEADER_BYTES_MAX:
        return Problem("invalid_header", f"A header has at most {HEADER_BYTES_MAX} bytes.", pointer)
    return problem
