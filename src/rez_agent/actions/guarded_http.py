"""The one way out to the network for actions: an aiohttp session that refuses forbidden addresses.

The guard stands where a socket is made, because only there the address is known that will be connected to:
names are resolved by then (whatever a resolver answered the second time), and addresses written in the URL,
which never reach a resolver, come by as well. A connection that is kept alive is used again only for the
host, port and scheme for which it was made, so an exception for one name never serves another.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from rez_agent.actions.addresses import AllowList, ForbiddenAddress, forbidden_text, plain_name
from rez_agent.actions.exchange import Exchanges, Response
from rez_agent.actions.hearing import Hearing
from rez_agent.actions.names import FairNames, SystemNames

_AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


class Flight:
    """One request on its way: for whom a connection is made, what was refused, and how long phases took.

    Times are milliseconds; None where the phase did not happen (a connection was used again).
    """

    __slots__ = ("connect", "host", "name", "opened", "port", "refused")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.refused: tuple[str, str] | None = None
        self.opened = 0
        self.name: float | None = None
        self.connect: float | None = None

    @property
    def forbidden(self) -> str | None:
        """What was refused and how to allow it, if every address that was tried was refused."""
        if self.refused is None or self.opened:
            return None
        address, why = self.refused
        return forbidden_text(self.host, address, self.port, why)


_flight: ContextVar[Flight | None] = ContextVar("rez_agent_flight", default=None)


def flight_to(url: URL) -> Flight:
    """A flight for a request to ``url``."""
    return Flight(plain_name(url.raw_host or ""), url.port or 0)


class GuardedHttp:
    """Requests to allowed addresses only: no proxies, no cookies, no redirects, no total time limit.

    ``resolver`` looks names up (the system's own by default); ``names_kept`` is for how many seconds an
    answer is remembered. ``tls`` verifies servers (the system's trusted authorities by default).
    ``monotonic`` gives seconds that never run back. Usable between :meth:`start` and :meth:`close`, in the
    loop that ran :meth:`start`.
    """

    def __init__(
        self,
        allowed: AllowList,
        *,
        monotonic: Callable[[], float],
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        names_kept: int = 10,
    ) -> None:
        self.allowed = allowed
        self._monotonic = monotonic
        self._resolver = resolver
        self._tls = tls
        self._names_kept = names_kept
        self._session: aiohttp.ClientSession | None = None
        self._exchanges: Exchanges | None = None

    async def start(self) -> None:
        """Make ready to send. Not to be called twice without :meth:`close` between."""
        connector = _TimedConnector(
            self._monotonic,
            limit=0,
            resolver=_TimedNames(FairNames(self._resolver or SystemNames()), self._monotonic),
            ttl_dns_cache=self._names_kept,
            ssl=self._tls or True,
            socket_factory=self._make_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trust_env=False,
        )
        self._exchanges = Exchanges(self._session, connector)

    async def close(self) -> None:
        """Close every connection. May be called at any time, also twice."""
        session, self._session, self._exchanges = self._session, None, None
        if session is not None:
            await session.close()

    def send(
        self, flight: Flight, method: str, url: URL, headers: dict[str, str], body: bytes | None
    ) -> Awaitable[Response]:
        """Send a request; awaited, it gives the answer once its head is there. Its caller releases it.

        ``flight`` was made for ``url``. Raises what aiohttp raises; then ``flight.forbidden`` tells whether
        the guard was the reason. The caller sets the time limit.
        """
        if self._exchanges is None:
            raise RuntimeError("the HTTP session has not been started")
        _flight.set(flight)
        return self._exchanges.send(method, url, headers, body)

    def _make_socket(self, info: _AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        flight = _flight.get()
        if flight is None:
            raise ForbiddenAddress("a connection that no request asked for")
        why = self.allowed.refusal(flight.host, str(address[0]), int(address[1]))
        if why is not None:
            flight.refused = (str(address[0]), why)
            raise ForbiddenAddress(why)
        flight.opened += 1
        return socket.socket(family, kind, protocol)


class HearingConnector(aiohttp.TCPConnector):
    """Makes connections that bear only so much of an answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(Hearing, loop=self._loop)  # type: ignore[assignment]  # a narrower partial


class _TimedConnector(HearingConnector):
    """Times new connections. aiohttp's own tracing would cost every request, also on a kept connection."""

    def __init__(self, clock: Callable[[], float], **options: Any) -> None:
        super().__init__(**options)
        self._clock = clock

    async def _create_connection(self, *request: Any) -> Any:
        flight, begun = _flight.get(), self._clock()
        made = await super()._create_connection(*request)
        if flight is not None:
            flight.connect = (self._clock() - begun) * 1000 - (flight.name or 0.0)
        return made


class _TimedNames(AbstractResolver):
    """Times the lookups of another resolver."""

    def __init__(self, names: AbstractResolver, clock: Callable[[], float]) -> None:
        self._names = names
        self._clock = clock

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        flight, begun = _flight.get(), self._clock()
        found = await self._names.resolve(host, port, family)
        if flight is not None:
            flight.name = (self._clock() - begun) * 1000
        return found

    async def close(self) -> None:
        await self._names.close()
