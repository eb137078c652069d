"""Sessions of the page: a key that was shown once, and stands in for itself until the session ends.

The browser holds 32 random bytes; only their SHA-256 is kept, with the key's id. A session is as good as its
key: when that is revoked or runs out, the session ends with it.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

from rez_agent.domain.errors import Unauthenticated
from rez_agent.ports import Ports, Record
from rez_agent.usecases.keys import Key, key_by_id, key_of

KIND = "session"

SECRET_BYTES = 32
"""Random bytes of a session's secret."""

HOURS = 12
"""How long a session lasts, whatever is done in it."""


def open_session(ports: Ports, token: str, secret: bytes) -> Key:
    """A session for the key whose token this is, under ``secret`` (:data:`SECRET_BYTES` random bytes).

    Raises Unauthenticated, which does not tell whether there ever was such a key.
    """
    key = key_of(ports, token)
    if key is None:
        raise Unauthenticated("This key is not valid. Check that you copied all of it.", code="login_refused")
    ends = ports.clock.now() + timedelta(hours=HOURS)
    ports.records.put(Record(KIND, digest(secret), {"key_id": key.id}, ends))
    return key


def session_key(ports: Ports, secret: bytes) -> Key | None:
    """The key that the session stands for, while both hold."""
    record = ports.records.get(KIND, digest(secret), ports.clock.now())
    return None if record is None else key_by_id(ports, str(record.value["key_id"]))


def close_session(ports: Ports, secret: bytes) -> bool:
    """The session is over; whether there was one."""
    return ports.records.delete(KIND, digest(secret))


def digest(secret: bytes) -> str:
    """What is kept of a session's secret."""
    return sha256(secret).hexdigest()
