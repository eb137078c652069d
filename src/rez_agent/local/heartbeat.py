"""The heartbeat: a ping each minute to a monitor that tells people when the pings stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import structlog
from yarl import URL

from rez_agent.actions.addresses import AllowList, plain_name, read_address
from rez_agent.actions.auth import basic
from rez_agent.actions.guarded_http import GuardedHttp, flight_to
from rez_agent.actions.headers import USER_AGENT
from rez_agent.actions.urls import read_url
from rez_agent.domain.errors import Invalid, Problem

TIMEOUT_SECONDS = 10

log = structlog.get_logger()


class Heartbeat:
    """Pings ``url`` on the event loop, one ping at a time. A failed ping is logged and costs nothing else.

    The URL is the operator's, not a caller's, so its host is allowed wherever it leads, and nothing else is:
    a redirect is a failure. ``monotonic`` gives seconds that never run back.
    """

    def __init__(self, url: str, *, monotonic: Callable[[], float]) -> None:
        """Raises Invalid for a URL that can't be called."""
        self._url, self._headers = _read(url)
        self._http = GuardedHttp(AllowList([_place(self._url)]), monotonic=monotonic)
        self._started = False
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
        await self._http.close()

    async def _send(self) -> None:
        if not self._started:
            await self._http.start()
            self._started = True
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await self._http.send(
                    flight_to(self._url), "GET", self._url, dict(self._headers), None
                )
            response.release()
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            log.warning("heartbeat_failed", action="heartbeat_failed", error=type(error).__name__)
            return
        if response.status >= 300:
            log.warning("heartbeat_failed", action="heartbeat_failed", error=f"status {response.status}")


def _read(text: str) -> tuple[URL, dict[str, str]]:
    """The URL to ping, and the headers, with the user and the password that it holds."""
    headers, problems = {"User-Agent": USER_AGENT, "Accept": "*/*"}, list[Problem]()
    try:
        given = URL(text)
        if given.user is not None:
            headers["Authorization"] = f"Basic {basic(given.user, given.password or '')}"
            text = str(given.with_user(None))
    except ValueError:
        pass
    url = read_url(text, "", problems)
    if url is None:
        raise Invalid(f"The heartbeat can't be sent. {problems[0].message}", code="invalid_url")
    return url, headers


def _place(url: URL) -> str:
    host = plain_name(url.raw_host or "")
    return f"[{host}]:{url.port}" if read_address(host) is not None and ":" in host else f"{host}:{url.port}"
