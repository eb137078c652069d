"""The AWS host behind the web layer: use cases on threads, so that the event loop is never held up.

Writes go one after the other through one thread: those of one instance would only be in each other's way, and
whoever waits for two knows that the second saw the first. What other instances write meanwhile is the unit of
work's concern.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.store import Store
from rez_agent.aws.tables import MESSAGES
from rez_agent.domain.command import Message
from rez_agent.domain.errors import NotFound, Unavailable
from rez_agent.ports import Clock, Ports

T = TypeVar("T")

READERS = 8
FIRST_LOOK_SECONDS = 0.1
LONGEST_LOOK_SECONDS = 0.5
"""Between two looks for a message's end: the scheduler function is another process, so nobody tells."""

TROUBLE_TOLD = timedelta(seconds=60)
"""How long health tells of a use case that AWS failed; one that succeeds ends it too."""


class AwsHost:
    """Where use cases run on AWS (the Host port). ``clock`` times the waits."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._trouble: tuple[str, float] | None = None
        self._asked: set[str] = set()
        self._round: asyncio.Task[dict[str, Message | None]] | None = None

    async def write(self, use_case: Callable[[Ports], T]) -> T:
        """Run a use case whole; durable when this returns."""
        return await self._on(self._writer, self._store.write, use_case)

    async def read(self, use_case: Callable[[Ports], T]) -> T:
        """Run a use case that only reads."""
        return await self._on(self._readers, self._store.read, use_case)

    async def judged(self, message_id: str, seconds: float) -> Message:
        """The message once it is final, or as it is after ``seconds``; it is looked for again and again."""
        until = self._clock.monotonic() + seconds
        wait = FIRST_LOOK_SECONDS
        while True:
            message = await self._look(message_id)
            if message is None:
                raise NotFound(f"There is no message '{message_id}'.", code="message_not_found")
            left = until - self._clock.monotonic()
            if message.status.final or left <= 0:
                return message
            await asyncio.sleep(min(wait, left))
            wait = min(1.5 * wait, LONGEST_LOOK_SECONDS)

    def health(self) -> dict[str, Any]:
        """Facts for /healthz: of this instance alone. The schedules are kept by EventBridge Scheduler, whose
        state nobody learns without a call."""
        reasons = []
        if self._trouble is not None:
            text, at = self._trouble
            if self._clock.monotonic() - at < TROUBLE_TOLD.total_seconds():
                reasons.append(text)
        return {"status": "failing" if reasons else "ok", "reasons": reasons, "ready": True}

    def close(self) -> None:
        """End the threads, once what they run has ended."""
        self._writer.shutdown()
        self._readers.shutdown()

    async def _look(self, message_id: str) -> Message | None:
        """The message as it is now. Those that are asked for in the same turn of the loop, such as a whole
        batch's, are read together."""
        self._asked.add(message_id)
        if self._round is None:
            self._round = asyncio.create_task(self._look_at_all())
        found = await asyncio.shield(self._round)  # who gives up must not stop it for the others
        return found[message_id]

    async def _look_at_all(self) -> dict[str, Message | None]:
        await asyncio.sleep(0)
        asked, self._asked, self._round = self._asked, set(), None
        return await self._on(self._readers, self._store.read, partial(_messages, asked))

    async def _on(
        self,
        threads: ThreadPoolExecutor,
        run: Callable[[Callable[[AwsPorts], T]], T],
        use_case: Callable[[AwsPorts], T],
    ) -> T:
        try:
            result = await asyncio.get_running_loop().run_in_executor(threads, run, use_case)
        except Unavailable as error:
            self._trouble = (error.message, self._clock.monotonic())
            raise
        self._trouble = None
        return result


def _messages(message_ids: Iterable[str], ports: AwsPorts) -> dict[str, Message | None]:
    ids = list(message_ids)
    ports.unit.get_all(MESSAGES, [(each,) for each in ids])
    return {each: ports.messages.get(each) for each in ids}
