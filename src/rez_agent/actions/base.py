"""What every kind of action offers, and the small words they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from rez_agent.domain.action import RESPONSE_KEPT, Outcome, Work
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import did_you_mean, pointer_to
from rez_agent.domain.secret import Secret, SecretInfo

DEFAULT_TIMEOUT = 30.0
"""Seconds for a whole attempt, unless the payload says otherwise."""

MIN_TIMEOUT, MAX_TIMEOUT = 1.0, 900.0
"""Seconds: the bounds of a payload's ``timeout``."""

Payload = Mapping[str, Any]


class Action(Protocol):
    """One kind of action."""

    def check(self, payload: Payload) -> list[Problem]:
        """All that is wrong with ``payload``, pointers relative to it; empty when it can be performed.

        Asked when a schedule is created or changed. Quick; does no network I/O; safe from any thread.
        """

    def target(self, payload: Payload) -> str:
        """Whom a checked payload calls: executions with the same target share its concurrency limit."""

    async def run(self, work: Work) -> Outcome:
        """Make one attempt. Every failure is an outcome with a stable code; raises only CancelledError."""


class SecretSource(Protocol):
    """The part of the port :class:`rez_agent.ports.Secrets` that an action needs."""

    def get(self, name: str) -> Secret | None:
        """The secret with its value, or None."""

    def names(self) -> list[SecretInfo]:
        """What there is, never a value."""


def unknown_fields(document: Payload, known: Iterable[str], pointer: str = "") -> list[Problem]:
    """A problem for each key that is not ``known``, with the nearest known one."""
    names = tuple(known)
    if all(key in names for key in document):
        return []
    listed = f" Known: {', '.join(names)}."
    return [
        Problem(
            "unknown_field",
            f"'{key}' is not a known field.{did_you_mean(str(key), names) or listed}",
            pointer + pointer_to([key]),
        )
        for key in document
        if key not in names
    ]


def read_timeout(document: Payload, problems: list[Problem]) -> float:
    """The document's ``timeout`` in seconds; an unfit one is added to ``problems``."""
    value = document.get("timeout", DEFAULT_TIMEOUT)
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.append(Problem("wrong_type", "'timeout' is a number of seconds.", "/timeout"))
    elif not MIN_TIMEOUT <= value <= MAX_TIMEOUT:
        text = f"'timeout' lies between {MIN_TIMEOUT:.0f} and {MAX_TIMEOUT:.0f} seconds."
        problems.append(Problem("invalid_value", text, "/timeout"))
    else:
        return float(value)
    return DEFAULT_TIMEOUT


def within_kept(text: str) -> tuple[str, bool]:
    """``text`` cut to what the ledger keeps, and whether anything was cut; what is no character replaced."""
    if text.isascii():
        return text[:RESPONSE_KEPT], len(text) > RESPONSE_KEPT
    data = text.encode("utf-8", "replace")
    return data[:RESPONSE_KEPT].decode("utf-8", "ignore"), len(data) > RESPONSE_KEPT


def failed(code: str, error: str, *, permanent: bool = False) -> Outcome:
    """The outcome of an attempt that got no answer."""
    return Outcome(ok=False, code=code, error=error, permanent=permanent)


def invalid_payload(problems: Iterable[Problem]) -> Outcome:
    """The outcome of work whose payload can't be performed: no further attempt can help."""
    text = " ".join(f"{problem.pointer or 'payload'}: {problem.message}" for problem in problems)
    return failed("invalid_payload", text, permanent=True)
