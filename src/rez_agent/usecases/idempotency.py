"""Idempotency keys: the same request twice is carried out once.

What a request came to is remembered for :data:`KEPT` under its owner and key, in the same use case that
carries it out, so that there is no moment at which one is durable and the other is not. A request that is
refused leaves nothing behind: it is judged again when it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rez_agent.domain.errors import Conflict, Invalid
from rez_agent.ports import Ports, Record

KIND = "idempotency"
KEPT = timedelta(hours=24)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request with an ``Idempotency-Key``. ``fingerprint`` is equal for equal requests."""

    owner: str
    key: str
    fingerprint: str

    def part(self, number: int) -> Keyed:
        """The key for the ``number``-th part of a request that is carried out in parts."""
        return Keyed(self.owner, f"{self.key}\n{number}", self.fingerprint)

    @property
    def record_key(self) -> str:
        """Owners and keys hold no line break, so this is unambiguous."""
        return f"{self.owner}\n{self.key}"


@dataclass(frozen=True, slots=True)
class Once:
    """What a request came to. ``replayed``: it was carried out before, and only remembered now."""

    value: Document
    replayed: bool


def once(ports: Ports, keyed: Keyed | None, do: Callable[[Ports], Document]) -> Once:
    """Carry out ``do`` unless that was done under this key; None means without a key.

    Raises Invalid ``idempotency_key_reused`` when another request had the key.
    """
    if keyed is None:
        return Once(do(ports), replayed=False)
    now = ports.clock.now()
    record = ports.records.get(KIND, keyed.record_key, now)
    if record is None:
        value = do(ports)
        ports.records.put(_record(keyed, value, ports))
        return Once(value, replayed=False)
    if record.value["fingerprint"] != keyed.fingerprint:
        text = (
            "Another request had this Idempotency-Key within the last 24 hours. Draw a new key for this one."
        )
        raise Invalid(text, code="idempotency_key_reused")
    return Once(record.value["value"], replayed=True)


def remember(ports: Ports, keyed: Keyed, value: Document) -> None:
    """Keep ``value`` as what the request came to, in place of what was kept when it was accepted."""
    ports.records.put(_record(keyed, value, ports))


def in_flight() -> Conflict:
    """The error while the first request with a key still waits for its outcome."""
    text = "A request with this Idempotency-Key is still being carried out. Ask again in a second."
    return Conflict(text, code="idempotency_in_flight")


def _record(keyed: Keyed, value: Document, ports: Ports) -> Record:
    document = {"fingerprint": keyed.fingerprint, "value": value}
    return Record(KIND, keyed.record_key, document, ports.clock.now() + KEPT)
