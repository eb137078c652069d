"""API keys: who may do what.

A key is ``rez_{id}_{secret}``. Only the SHA-256 of the secret is kept, so that whoever reads the store can't
use what they find; the secret has at least 128 bits of entropy, so a fast hash is enough. The key's name is
the owner of what is made with it; several keys may have one name, which is how a key is exchanged.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from rez_agent.domain.errors import Invalid, NotFound, Problem
from rez_agent.domain.instants import rfc3339
from rez_agent.ports import Ports, Record
from rez_agent.usecases.callers import Caller

KIND = "api_key"
SECRET_BYTES = 20
"""Random bytes in a key's secret: 160 bits, of which 128 are asked for."""

LOCAL = "local"
"""The owner of what is made without a key, on loopback."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_TOKEN = re.compile(r"rez_([0-9a-z]{26})_([0-9a-f]{40})")


class Scope(StrEnum):
    """How far a key reaches: each scope includes the ones before it.

    ``read`` and ``write`` reach their owner's schedules, ``admin`` all of them, and the keys.
    """

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: Scope) -> bool:
        """Whether a key of this scope may do what needs ``other``."""
        ranks = list(Scope)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it may be shown: never its secret. ``expires_at`` None: it holds until it is revoked."""

    id: str
    name: str
    scope: Scope
    created_date: datetime
    expires_at: datetime | None = None

    @property
    def caller(self) -> Caller:
        """On whose behalf a request with this key is made."""
        return Caller(self.name, admin=self.scope is Scope.ADMIN)

    def expired(self, now: datetime) -> bool:
        """Whether it has ceased to hold."""
        return self.expires_at is not None and self.expires_at <= now


def create_key(
    ports: Ports, *, name: str, scope: Scope, secret: bytes, expires_at: datetime | None = None
) -> tuple[Key, str]:
    """A new key, and its token, which is shown this once. ``secret``: :data:`SECRET_BYTES` random bytes.

    Raises Invalid for an unfit name, secret or end.
    """
    now = ports.clock.now()
    _check_new(name, secret, expires_at, now)
    identity = ports.random.new_id("key", now).removeprefix("key_")
    key = Key(identity, name, scope, now, expires_at)
    value = {
        "name": name,
        "scope": scope.value,
        "created_date": rfc3339(now),
        "expires_at": None if expires_at is None else rfc3339(expires_at),
        "sha256": _digest(secret.hex()),
    }
    # the record itself never expires: a key that ran out must not open a server that had keys
    ports.records.put(Record(KIND, identity, value))
    return key, f"rez_{identity}_{secret.hex()}"


def list_keys(ports: Ports) -> list[Key]:
    """All keys that were not revoked, the oldest first; those that ran out too."""
    return [_key(record) for record in ports.records.list(KIND, ports.clock.now())]


def any_keys(ports: Ports) -> bool:
    """Whether there is a key that was not revoked: then every request needs one."""
    return bool(ports.records.list(KIND, ports.clock.now()))


def revoke_key(ports: Ports, key_id: str) -> None:
    """The key holds no more. Raises NotFound ``key_not_found``."""
    if not ports.records.delete(KIND, key_id):
        raise NotFound(f"There is no key '{key_id}'.", code="key_not_found")


def key_of(ports: Ports, token: str) -> Key | None:
    """The key whose token this is, if it holds now."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    now = ports.clock.now()
    record = ports.records.get(KIND, match[1], now)
    if record is None or not hmac.compare_digest(_digest(match[2]), str(record.value["sha256"])):
        return None
    key = _key(record)
    return None if key.expired(now) else key


def key_by_id(ports: Ports, key_id: str) -> Key | None:
    """The key with this id, if it holds now."""
    now = ports.clock.now()
    record = ports.records.get(KIND, key_id, now)
    key = None if record is None else _key(record)
    return None if key is None or key.expired(now) else key


def is_token(text: str) -> bool:
    """Whether ``text`` has the shape of a token; nothing else is worth looking up."""
    return _TOKEN.fullmatch(text) is not None


def _check_new(name: str, secret: bytes, expires_at: datetime | None, now: datetime) -> None:
    problems = []
    if _NAME.fullmatch(name) is None:
        text = "A key's name has 1 to 64 of A-Z a-z 0-9 _ . @ - and begins with a letter or a digit."
        problems.append(Problem("invalid_key_name", text, "/name"))
    if len(secret) != SECRET_BYTES:
        problems.append(Problem("invalid_value", f"A key's secret has {SECRET_BYTES} random bytes."))
    if expires_at is not None and expires_at <= now:
        text = "'expires_at' must lie in the future: the key would never hold."
        problems.append(Problem("invalid_value", text, "/expires_at"))
    if problems:
        raise Invalid.of(problems)


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _key(record: Record) -> Key:
    value: dict[str, Any] = record.value
    expires = value["expires_at"]
    return Key(
        id=record.key,
        name=value["name"],
        scope=Scope(value["scope"]),
        created_date=datetime.fromisoformat(value["created_date"]),
        expires_at=None if expires is None else datetime.fromisoformat(expires),
    )
