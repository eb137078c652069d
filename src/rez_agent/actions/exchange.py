"""One request and its answer over a connection of aiohttp's: the hottest code there is.

aiohttp's connector opens, keeps and closes connections, and its parser reads answers, bodies decompressed.
What its session does between the two (cookies, proxies, redirects, middlewares, a request and a response
object with all they can do) is not needed here and costs twice as much as all the rest, so the request's
bytes are written here.
"""

from __future__ import annotations

import asyncio
from email.message import Message
from typing import Any

import aiohttp
from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from aiohttp.connector import Connection
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError, LineTooLong
from multidict import CIMultiDictProxy
from yarl import URL

from rez_agent.actions.hearing import ANSWER_MAX, Hearing

_NO_LIMIT = ClientTimeout(total=None, sock_connect=None)
_REPEATED = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be sent once more when a kept connection turns out to be closed (RFC 9110, 9.2.2)."""

_WITHOUT_LENGTH = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose requests say nothing of a body when they have none."""

INTERIM_MAX = 32
"""Answers with a status of 1xx before the one that counts."""

_SWITCHED = 101
"""The one status of 1xx after which nothing more follows in HTTP."""

_ENCODINGS = "gzip, deflate"
_MAX_LINE = 8_190
_MAX_HEADERS = 128
_PLACES_AT_MOST = 4_096


class NotHttp(aiohttp.ClientError):
    """The answer is none that can be read; the text says why, in half a sentence."""


class Response:
    """An answer whose head is there. ``content`` gives the body; :meth:`release` must follow."""

    __slots__ = ("_connection", "_hearing", "content", "headers", "reason", "status")

    def __init__(
        self, connection: Connection, hearing: Hearing, message: Any, content: aiohttp.StreamReader
    ) -> None:
        self._connection: Connection | None = connection
        self._hearing = hearing
        self.status: int = message.code
        self.reason: str = message.reason
        self.headers: CIMultiDictProxy[str] = message.headers
        self.content = content

    @property
    def flooded(self) -> bool:
        """Whether the body was cut off because too much came over the wire."""
        return self._hearing.flooded

    @property
    def charset(self) -> str | None:
        """What the answer says of its body's characters."""
        kind = Message()
        kind["Content-Type"] = self.headers.get("Content-Type", "")
        return kind.get_content_charset()

    def release(self) -> None:
        """Give the connection back: kept if the body was read to its end, else closed. May be repeated."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.content.is_eof() and self.status != _SWITCHED and not self._hearing.more:
            connection.release()
        else:
            _drop(connection)


class Exchanges:
    """Sends requests over the connections of ``session``, in whose loop it lives."""

    def __init__(self, session: aiohttp.ClientSession, connector: TCPConnector) -> None:
        self._session = session
        self._connector = connector
        self._places: dict[URL, ClientRequest] = {}

    async def send(self, method: str, url: URL, headers: dict[str, str], body: bytes | None) -> Response:
        """Send a request; the response once its head is there. Raises what aiohttp raises."""
        data = request_bytes(method, url, headers, body)
        place = self._place(url)
        try:
            return await self._exchange(place, method, data)
        except (aiohttp.ClientConnectorError, aiohttp.ClientConnectorDNSError):
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if method not in _REPEATED:
                raise
            return await self._exchange(place, method, data)

    def _place(self, url: URL) -> ClientRequest:
        """What the connector needs to know of where a request goes. The same for all to one origin."""
        origin = url.origin()
        place = self._places.get(origin)
        if place is None:
            if len(self._places) >= _PLACES_AT_MOST:
                self._places.clear()
            loop = asyncio.get_running_loop()
            place = self._places[origin] = ClientRequest("GET", origin, loop=loop, session=self._session)
        return place

    async def _exchange(self, place: ClientRequest, method: str, data: bytes) -> Response:
        connection = await self._connector.connect(place, [], _NO_LIMIT)
        hearing = _hearing(connection)
        try:
            message, content = await _answer(hearing, method, data)
        except HttpProcessingError as error:
            _drop(connection)
            raise NotHttp(_fault(error)) from error
        except BaseException as error:
            flooded = isinstance(error, aiohttp.ClientError) and hearing.flooded
            _drop(connection)
            if flooded:
                raise NotHttp(f"{ANSWER_MAX} bytes and no end of its head") from None
            raise
        return Response(connection, hearing, message, content)


async def _answer(protocol: Hearing, method: str, data: bytes) -> tuple[Any, aiohttp.StreamReader]:
    protocol.begin()
    protocol.set_response_params(
        skip_payload=method == "HEAD",
        read_until_eof=True,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
        max_headers=_MAX_HEADERS,
    )
    if protocol.transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.transport.write(data)
    for _ in range(INTERIM_MAX + 1):
        message, content = await protocol.read()
        if not 100 <= message.code <= 199 or message.code == _SWITCHED:
            return message, content
    raise NotHttp(f"more than {INTERIM_MAX} interim answers")


def _hearing(connection: Connection) -> Hearing:
    protocol = connection.protocol
    assert isinstance(protocol, Hearing)
    return protocol


def _drop(connection: Connection) -> None:
    """Close a connection at once: a peer that reads nothing would hold it open for what it was yet to be
    sent."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


def _fault(error: HttpProcessingError) -> str:
    """What is wrong with an answer."""
    cause = error.__cause__ or error
    if isinstance(cause, LineTooLong):
        return "a line of its head is too long"
    if isinstance(cause, ContentEncodingError):
        return "its content encoding is none that was asked for"
    return "its head or its framing can't be read"


def request_bytes(method: str, url: URL, headers: dict[str, str], body: bytes | None) -> bytes:
    """The request as it is sent. Raises ValueError for a header that would break out of its line."""
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_port_subcomponent}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if not any(name.lower() == "accept-encoding" for name in headers):
        lines.append(f"Accept-Encoding: {_ENCODINGS}")
    if body is not None or method not in _WITHOUT_LENGTH:
        lines.append(f"Content-Length: {len(body or b'')}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise ValueError("a header holds a line break or a NUL")
    return f"{head}\r\n\r\n".encode() + (body or b"")
