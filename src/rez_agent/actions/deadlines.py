"""Time limits for very many short attempts, at the price of one timer for all of them.

``asyncio.timeout`` makes and cancels a timer for each use, which costs more than a tenth of a quick request.
Here one timer looks through all limits in force, ten times a second while there are any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

GRAIN = 0.1
"""Seconds: a limit may strike so much late, never early."""


class Deadlines:
    """Makes limits, all for tasks of one loop. ``monotonic`` gives seconds that never run back."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._live: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> Limit:
        """A limit for the ``with`` block that it opens: TimeoutError is raised there when it strikes."""
        return Limit(self, self._monotonic() + seconds)

    def enter(self, limit: Limit) -> None:
        """Watch over ``limit``."""
        self._live.add(limit)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GRAIN, self._look)

    def leave(self, limit: Limit) -> None:
        """Forget ``limit``."""
        self._live.discard(limit)

    def stop(self) -> None:
        """No limit strikes any more."""
        self._live.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._monotonic()
        for limit in [limit for limit in self._live if limit.until <= now]:
            self._live.discard(limit)
            limit.strike()
        self._timer = asyncio.get_running_loop().call_later(GRAIN, self._look) if self._live else None


class Limit:
    """One limit; works as ``asyncio.timeout`` does, so it can stand in another one and be cancelled."""

    __slots__ = ("_cancelling", "_deadlines", "_struck", "_task", "until")

    def __init__(self, deadlines: Deadlines, until: float) -> None:
        self._deadlines = deadlines
        self._struck = False
        self.until = until

    def strike(self) -> None:
        """The time is up."""
        self._struck = True
        self._task.cancel()

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task: asyncio.Task[object] = task
        self._cancelling = task.cancelling()
        self._deadlines.enter(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._deadlines.leave(self)
        if (
            self._struck
            and self._task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from error
