"""A token bucket: what keeps calls below a rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock


class TokenBucket:
    """Lets ``rate`` calls a second through, and as many at once after a quiet second. Safe for several
    threads. It knows of this process alone: another one has a bucket of its own.

    ``monotonic`` gives seconds that never run back; ``sleep`` waits.
    """

    def __init__(
        self,
        rate: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = Lock()
        self._tokens = float(rate)
        self._at = monotonic()

    def take(self, patience: float = 0.0) -> bool:
        """Whether a call may be made, after at most ``patience`` seconds of waiting for it."""
        wait = self._wait_for_one(patience)
        if wait is None:
            return False
        if wait > 0:
            self._sleep(wait)
        return True

    def _wait_for_one(self, patience: float) -> float | None:
        """Take a token, if it is there or comes within ``patience``; the seconds until it is there."""
        with self._lock:
            now = self._monotonic()
            self._tokens = min(float(self._rate), self._tokens + (now - self._at) * self._rate)
            self._at = now
            wait = max(0.0, (1.0 - self._tokens) / self._rate)
            if wait > patience:
                return None
            self._tokens -= 1.0
            return wait
