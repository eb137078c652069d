"""The heartbeat: a ping each minute to a monitor that tells people when the pings stop."""

from __future__ import annotations

import asyncio

import aiohttp
import structlog

TIMEOUT_SECONDS = 10

log = structlog.get_logger()


class Heartbeat:
    """Pings ``url`` on the event loop, one ping at a time. A failed ping is logged and costs nothing else.

    The URL is the operator's, not a caller's, so the guard for web actions does not apply to it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None
        self._ping: asyncio.Task[None] | None = None

    def send(self) -> None:
        """Ping, unless the last ping is still under way."""
        if self._ping is None or self._ping.done():
            self._ping = asyncio.create_task(self._send())

    async def close(self) -> None:
        """Ping no more."""
        if self._ping is not None:
            self._ping.cancel()
            await asyncio.gather(self._ping, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _send(self) -> None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        try:
            async with self._session.get(self._url) as response:
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("heartbeat_failed", action="heartbeat_failed", error=type(error).__name__)
