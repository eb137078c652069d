"""Time and chance, as the machine gives them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from random import Random as Generator

from rez_agent.domain.instants import to_ms

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_SHIFTS = range(120, -1, -10)


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run back."""
        return time.monotonic()


class SystemRandom:
    """Chance seeded by the operating system for delays, and its own for ids, which nobody may guess."""

    def __init__(self) -> None:
        self._random = Generator()  # noqa: S311 - spreads retries; keeps no secret

    def draw(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def new_id(self, prefix: str, now: datetime) -> str:
        """``{prefix}_`` and 26 characters: 48 bits of milliseconds, 80 of chance, in Crockford's base 32."""
        return f"{prefix}_{encoded(to_ms(now), int.from_bytes(os.urandom(_RANDOM_BITS // 8)))}"


def encoded(milliseconds: int, chance: int) -> str:
    """An id's 26 characters; they sort as ``milliseconds`` do."""
    number = milliseconds << _RANDOM_BITS | chance
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
