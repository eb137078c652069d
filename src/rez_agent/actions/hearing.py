"""How an answer is heard: no more of it than is borne, and little at a time, so that others get a turn."""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp.client_proto import ResponseHandler

ANSWER_MAX = 524_288
"""Bytes of an answer as it comes over the wire, head, framing and compressed body: then the connection is
dropped. An answer may be endless without growing: by empty blocks, by chunks' extensions, by blank lines."""

SLICE = 4_096
"""Bytes that are parsed at a time. As many as a connection brings at once can be made to take a tenth of a
second: as compressed nothing, or in the smallest of chunks."""


_hear = ResponseHandler.data_received


class Hearing(ResponseHandler):
    """One connection's protocol: aiohttp's own, with both limits."""

    __slots__ = ("_lost", "_room", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._room = ANSWER_MAX
        self._waiting: deque[bytes] = deque()
        self._lost: tuple[BaseException | None] | None = None

    @property
    def flooded(self) -> bool:
        """Whether the answer was too long, so that the connection was dropped."""
        return self._room < 0

    @property
    def more(self) -> bool:
        """Whether what came is not heard to its end: what was not asked for, once an answer is."""
        return bool(self._waiting)

    def begin(self) -> None:
        """An answer is about to come."""
        self._room = ANSWER_MAX

    def data_received(self, data: bytes) -> None:
        """More of an answer is there; ``b""``: what the parser has put off may go on."""
        length = len(data)
        self._room = room = self._room - length
        if not length or (length <= SLICE and room >= 0 and not self._waiting):
            _hear(self, data)
        elif room >= 0:
            if not self._waiting:
                self._loop.call_soon(self._hear_on)
            self._waiting.extend(data[at : at + SLICE] for at in range(0, len(data), SLICE))
            self._pause()
        elif self.transport is not None:
            self.transport.abort()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - as it is there
        """What was heard has been read: more is welcome, once what waits was heard."""
        super().resume_reading(resume_parser)
        if self._waiting:
            self._pause()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection has ended; so does the answer, once all of it was heard."""
        if self._waiting and not self.flooded and self.transport is not None:
            self._lost = (exc,)
            return
        self._waiting.clear()
        super().connection_lost(exc)

    def _pause(self) -> None:
        """Take no more from the connection until what waits was heard."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def _take_more(self) -> None:
        """Take more, unless what was heard is yet to be read."""
        unwanted = self._reading_paused or self._buffer_paused
        if self.transport is not None and not self.transport.is_closing() and not unwanted:
            self.transport.resume_reading()

    def _hear_on(self) -> None:
        if self.flooded or self.transport is None:
            self._waiting.clear()
        if self._waiting:
            _hear(self, self._waiting.popleft())
        if self._waiting:
            self._loop.call_soon(self._hear_on)
        elif self._lost is not None:
            (exc,), self._lost = self._lost, None
            super().connection_lost(exc)
        else:
            self._take_more()
