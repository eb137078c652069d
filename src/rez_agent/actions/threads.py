"""Blocking calls beside an event loop: in daemon threads, bounded in number, never waited for at exit."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Threads:
    """Runs blocking calls, at most ``limit`` at once; further callers wait for a slot.

    A thread can't be killed: a caller that gives up (cancelled, timed out) leaves its call running, and the
    call keeps its slot until it returns. The threads are daemons, so that a call which never returns does
    not keep the process from ending.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._name = name

    async def run(self, call: Callable[[], T]) -> T:
        """What ``call`` returns or raises, run in a thread with a copy of the caller's context."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        job = _Job(call, loop, done, self._slots)
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(job,), name=self._name, daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            self._slots.release()
            raise
        return await done


class _Job(Generic[T]):
    """One call, and the way its result takes back to the loop."""

    def __init__(
        self,
        call: Callable[[], T],
        loop: asyncio.AbstractEventLoop,
        done: asyncio.Future[T],
        slots: asyncio.Semaphore,
    ) -> None:
        self._call, self._loop, self._done, self._slots = call, loop, done, slots

    def __call__(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._finish, self._outcome())

    def _outcome(self) -> Callable[[], None]:
        """Makes the call; the step that tells the waiting future, to be taken in the loop's thread."""
        try:
            result = self._call()
        except StopIteration as stop:  # a future can't carry it
            return partial(self._done.set_exception, RuntimeError(f"the call raised {stop!r}"))
        except BaseException as error:  # noqa: BLE001  # whatever it is, the waiting side decides
            return partial(self._done.set_exception, error)
        return partial(self._done.set_result, result)

    def _finish(self, tell: Callable[[], None]) -> None:
        self._slots.release()
        if not self._done.done():
            tell()
