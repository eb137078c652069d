"""The way out to the network, made when it is first opened.

To judge a request takes a keyring and no network. So what sends is imported and made at the first start: a
host that checks payloads and never performs them (a function that only arms schedules) loads no aiohttp.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from rez_agent.actions.references import Keyring
from rez_agent.actions.request import HttpRequest
from rez_agent.domain.action import Outcome, Work

if TYPE_CHECKING:
    from rez_agent.actions.guarded_http import GuardedHttp
    from rez_agent.actions.sender import Sender


class Performer(Protocol):
    """What web actions hand their requests to."""

    keyring: Keyring

    def perform(self, request: HttpRequest, work: Work) -> Coroutine[Any, Any, Outcome]:
        """One attempt within the request's time limit. Awaited, it raises only CancelledError."""


class LateSender:
    """A sender and its guarded HTTP, made by ``make`` at the first :meth:`start` and kept from then on."""

    def __init__(self, make: Callable[[], tuple[GuardedHttp, Sender]], keyring: Keyring) -> None:
        self.keyring = keyring
        self._make = make
        self._http: GuardedHttp | None = None
        self._sender: Sender | None = None

    async def start(self) -> None:
        """Make ready to send. Not to be called twice without :meth:`close` between."""
        if self._http is None:
            self._http, self._sender = self._make()
        await self._http.start()

    async def close(self) -> None:
        """Close every connection. May be called at any time, also twice."""
        if self._sender is not None:
            await self._sender.close()
        if self._http is not None:
            await self._http.close()

    def perform(self, request: HttpRequest, work: Work) -> Coroutine[Any, Any, Outcome]:
        """One attempt, as :meth:`Sender.perform`. Raises RuntimeError before the first :meth:`start`."""
        if self._sender is None:
            raise RuntimeError("the way out to the network has not been opened")
        return self._sender.perform(request, work)
