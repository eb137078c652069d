"""Lambda's queue of asynchronous invocations: at most so many at a time, three tries, then a destination.

AWS (Lambda developer guide, "Asynchronous invocation"): an invocation that fails is tried twice more; one
that is throttled waits without a try being counted, for at most six hours; then what is left goes to the
on-failure destination or the dead-letter queue. AWS waits one minute, then two; here it is one second, then
two, since nobody wants to watch that.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

_LOG = logging.getLogger(__name__)

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way to a function. ``execute`` gives ministack's result of a try."""

    function: str
    execute: Callable[[], Result]
    give_up: Callable[[Result], None]
    retries: int = 2
    oldest: float = 21_600.0
    began: float = 0.0
    tries: int = 0


class AsynchronousInvocations:
    """Runs invocations on threads of its own, at most ``concurrency`` of one function at a time."""

    def __init__(self, concurrency: int, base: float = 1.0) -> None:
        """``base``: seconds before the second try; the pause doubles from try to try."""
        self._concurrency = concurrency
        self._base = base
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Invocation]] = defaultdict(deque)
        self._running: dict[str, int] = defaultdict(int)
        self._threads: set[threading.Thread] = set()
        self._stopped = False

    def submit(self, invocation: Invocation) -> None:
        """Take an invocation; returns at once."""
        self._enqueue(replace(invocation, began=monotonic()))

    def stop(self) -> None:
        """Begin no more tries; what waits is forgotten, what runs ends by itself."""
        self._stopped = True

    def join(self, seconds: float) -> None:
        """Wait until nothing runs any more, at most so long. Call :meth:`stop` first."""
        until = monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(until - monotonic(), 0))

    def _enqueue(self, invocation: Invocation) -> None:
        name = invocation.function
        with self._lock:
            self._waiting[name].append(invocation)
            if self._running[name] >= self._concurrency:
                return
            self._running[name] += 1
        thread = threading.Thread(target=self._drain, args=(name,), daemon=True, name=f"async-{name}")
        self._threads.add(thread)
        thread.start()

    def _drain(self, name: str) -> None:
        while True:
            with self._lock:
                if self._stopped or not self._waiting[name]:
                    self._running[name] -= 1
                    self._threads.discard(threading.current_thread())
                    return
                invocation = self._waiting[name].popleft()
            try:
                self._try(invocation)
            except Exception:  # noqa: BLE001 - one event's trouble is not the next one's
                _LOG.exception("an invocation of %s is lost", name)

    def _try(self, invocation: Invocation) -> None:
        result = invocation.execute()
        if self._stopped or not result.get("error"):
            return
        throttled = bool(result.get("throttle"))
        tried = invocation if throttled else replace(invocation, tries=invocation.tries + 1)
        pause = self._base * 2 ** max(tried.tries - 1, 0)
        if tried.tries > tried.retries or monotonic() + pause - tried.began > tried.oldest:
            tried.give_up(result)
            return
        timer = threading.Timer(pause, self._enqueue, (tried,))
        timer.daemon = True
        timer.start()
