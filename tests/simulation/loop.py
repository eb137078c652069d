"""Virtual time, and an asyncio loop that lives in it.

The loop is asyncio's own, over a selector that waits for nothing: where the real one would sleep, time is set
to the moment of the next timer or of the next happening in the world, whichever comes first. No callback ever
asks the machine for the time, and nothing runs on a thread, so the same seed is the same story.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
Happening = Callable[[], None]

FOREVER = float("inf")


class Ending(SystemExit):
    """Ends a life of the process at once, wherever it is raised: asyncio lets it through, and so does every
    ``except Exception``."""


class Crash(Ending):
    """The process dies."""


class Stopped(Ending):
    """The process has stopped as it was asked to."""


class Over(Ending):
    """The story ends."""


class Time:
    """Seconds since the story began, the wall clock beside them, and what is to happen when."""

    def __init__(self, start: datetime) -> None:
        self.now = 0.0
        self.start = start
        self.offset = timedelta(0)
        self.stirred = 0.0
        self._agenda: list[tuple[float, int, Happening]] = []
        self._number = 0

    def wall(self) -> datetime:
        """The wall clock."""
        return self.start + self.offset + timedelta(microseconds=round(self.now * 1e6))

    def at(self, moment: float, happening: Happening) -> None:
        """Something is to happen, whether the process lives then or not."""
        self._number += 1
        heapq.heappush(self._agenda, (max(moment, self.now), self._number, happening))

    def next(self) -> float:
        """When the next thing happens."""
        return self._agenda[0][0] if self._agenda else FOREVER

    def pop(self) -> Happening:
        """The next thing, which happens now."""
        moment, _, happening = heapq.heappop(self._agenda)
        self.now = max(self.now, moment)
        self.stir()
        return happening

    def stir(self) -> None:
        """Something happened: the next second or so is not to be jumped over."""
        self.stirred = max(self.stirred, self.now)


class WorldClock:
    """The Clock port over virtual time, ``ahead`` of it by so many seconds (a planted fault)."""

    def __init__(self, time: Time, ahead: float = 0.0) -> None:
        self._time = time
        self._ahead = timedelta(seconds=ahead)

    def now(self) -> datetime:
        """The wall clock."""
        return self._time.wall() + self._ahead

    def monotonic(self) -> float:
        """Seconds that never run back."""
        return self._time.now


class _Waiting:
    """The selector: moves time instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Nothing is ever ready but time."""
        if timeout is None or timeout > 0:
            self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        """Nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """One life of the process. ``idle_until`` says up to when nothing can be due, as far as the database and
    the world know; the polls up to shortly before then are left out, since they would find nothing."""

    def __init__(self, time: Time, idle_until: Callable[[], float]) -> None:
        super().__init__()
        self._selector = _Waiting(self)
        self._moment = time
        self._idle_until = idle_until
        self.errors: list[str] = []

    def time(self) -> float:
        """Virtual seconds."""
        return self._moment.now

    def pass_time(self, timeout: float | None) -> None:
        """Go to what comes next, and let what happens in the world then happen first."""
        moment = self._moment
        timer = FOREVER if timeout is None else moment.now + timeout
        target = min(timer, moment.next())
        idle = self._idle_until()
        moment.now = max(moment.now, idle if target < idle < FOREVER else target)
        while moment.next() <= moment.now:
            self.call_soon(moment.pop())

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """What a thread would do is done by the loop, a moment later."""
        future: asyncio.Future[T] = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - it is the caller's to see
                future.set_exception(error)

        self.call_later(0.0005, run, context=contextvars.copy_context())
        return future

    def abandon(self) -> None:
        """The process is gone: what it was doing is never ended."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with suppress(BaseException):
                task.get_coro().close()
        self.close()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An error that nobody awaited, unless it is the end itself."""
        error = context.get("exception")
        if error is not None and not isinstance(error, Ending):
            self.errors.append(f"{type(error).__name__}: {error}")

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody has to be woken."""
