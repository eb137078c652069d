"""A secret: a value that is used and never shown, and the hosts it may be sent to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from rez_agent.domain.errors import Problem

SECRET_MIN_LENGTH = 4
"""A shorter value can't be kept out of a text: it would match everywhere."""

SECRET_MAX_BYTES = 16_384
"""The largest value kept."""

HOSTS_MAX = 32
"""The most hosts that a secret may be bound to."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(\*\.{_LABEL}\.)?{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?")
_IPV6 = re.compile(r"\[[0-9a-f:.]{2,45}\](:[0-9]{1,5})?")
_CHANNEL = re.compile(r"channel:[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret with its value, which neither ``repr`` nor ``str`` shows.

    ``hosts`` are the only places it may be sent to: ``api.example.org`` (any port),
    ``api.example.org:8443``, ``*.example.org`` (every host below it, not itself), or ``channel:NAME`` for a
    notification channel whose whole address is secret.
    """

    name: str
    value: str = field(repr=False)
    hosts: tuple[str, ...]

    def goes_to(self, host: str, port: int) -> bool:
        """Whether it may be sent to ``host`` (lower case, no trailing dot, no brackets) at ``port``."""
        return any(_covers(pattern, host, port) for pattern in self.hosts)


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """What may be told about a secret. ``updated`` is aware, in UTC."""

    name: str
    hosts: tuple[str, ...]
    updated: datetime


def plain_host(pattern: str) -> str:
    """``pattern`` as it is kept and compared: trimmed, in lower case, without a trailing dot.

    The name of a channel keeps its case.
    """
    pattern = pattern.strip()
    return pattern if pattern.startswith("channel:") else pattern.lower().rstrip(".")


def secret_problems(name: str, value: str, hosts: Iterable[str]) -> list[Problem]:
    """All that is wrong with a secret about to be kept. No text repeats the value."""
    patterns = [plain_host(host) for host in hosts]
    found = [*_name_problems(name), *_value_problems(value)]
    if not patterns:
        found.append(
            Problem("missing_host", "A secret needs at least one host that it may be sent to.", "/hosts")
        )
    if len(patterns) > HOSTS_MAX:
        found.append(Problem("too_many_hosts", f"A secret has at most {HOSTS_MAX} hosts.", "/hosts"))
    found.extend(
        _host_problem(pattern, at) for at, pattern in enumerate(patterns) if not _is_host_pattern(pattern)
    )
    return found


def is_secret_name(name: str) -> bool:
    """Whether ``name`` can name a secret: 1 to 64 of letters, digits, ``_ . -``, no leading dot."""
    return _NAME.fullmatch(name) is not None


def _name_problems(name: str) -> list[Problem]:
    if is_secret_name(name):
        return []
    text = "A secret's name has 1 to 64 characters out of A-Z a-z 0-9 _ . - and does not begin with a dot."
    return [Problem("invalid_secret_name", text, "/name")]


def _value_problems(value: str) -> list[Problem]:
    if len(value) < SECRET_MIN_LENGTH:
        text = (
            f"A secret has at least {SECRET_MIN_LENGTH} characters: a shorter one can't be kept out of logs."
        )
        return [Problem("secret_too_short", text, "/value")]
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return [Problem("invalid_secret_value", "The value is not valid Unicode text.", "/value")]
    if size > SECRET_MAX_BYTES:
        return [Problem("too_large", f"A secret has at most {SECRET_MAX_BYTES} bytes.", "/value")]
    if "\0" in value:
        return [Problem("invalid_secret_value", "The value holds a NUL character.", "/value")]
    return []


def _host_problem(pattern: str, at: int) -> Problem:
    text = (
        f"'{pattern}' is not a host: write api.example.org, api.example.org:8443, *.example.org "
        "(names beyond ASCII in their xn-- form), or channel:NAME."
    )
    return Problem("invalid_host", text, f"/hosts/{at}")


def _is_host_pattern(pattern: str) -> bool:
    return any(shape.fullmatch(pattern) for shape in (_HOST, _IPV6, _CHANNEL)) and len(pattern) <= 253


def _covers(pattern: str, host: str, port: int) -> bool:
    if pattern.startswith("channel:"):
        return False
    name, _, digits = pattern.rpartition(":")
    if digits.isdigit() and name and (":" not in name or name.endswith("]")):
        if int(digits) != port:
            return False
        pattern = name
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern.strip("[]") == host
