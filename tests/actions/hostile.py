"""A catalogue of targets that mean harm or are merely broken, as real servers on loopback."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.actions.support import DATA

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = HEAD + b"Content-Encoding: gzip\r\n"
MANY = 32 * 1_048_576
"""Bytes of which a flood sends no more than the system's own buffers hold once nobody listens."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One of them, and what becomes of an attempt at it: the outcome's code, and words of its error. ``tls``:
    the server knows TLS; ``deaf``: it takes no more than it must; ``plan``: more of the payload."""

    name: str
    behave: Behaviour
    code: str
    says: str
    permanent: bool = False
    scheme: str = "http"
    tls: bool = False
    deaf: bool = False
    plan: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Place:
    """A running hostile server: ``met`` once somebody connected; ``sent`` counts bytes; ``left`` once every
    connection that was made was closed by the other side or ended."""

    url: str
    met: asyncio.Event
    left: Callable[[], bool]
    sent: list[int]


@asynccontextmanager
async def standing(hostile: Hostile) -> AsyncIterator[Place]:
    """The server, as long as the block lasts."""
    met, sent, tasks = asyncio.Event(), [0], set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        met.set()
        write = writer.write

        def counted(data: bytes) -> None:
            sent[0] += len(data)
            write(data)

        writer.write = counted  # type: ignore[method-assign,assignment]
        try:
            await hostile.behave(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    context = served_tls() if hostile.tls else None
    bound = socket.create_server(("127.0.0.1", 0))
    if hostile.deaf:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    listener = await asyncio.start_server(serve, sock=bound, ssl=context, limit=2**20)
    port = listener.sockets[0].getsockname()[1]
    try:
        place = f"{hostile.scheme}://127.0.0.1:{port}"
        yield Place(place, met, lambda: all(task.done() for task in tasks), sent)
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def all_standing(hostiles: list[Hostile]) -> AsyncIterator[list[tuple[Hostile, Place]]]:
    """All of them at once."""
    async with AsyncExitStack() as stack:
        yield [(hostile, await stack.enter_async_context(standing(hostile))) for hostile in hostiles]


def served_tls() -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that nobody signed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(DATA / "self_signed.pem")
    return context


# --- how they behave ---


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """The head of a request."""
    return await reader.readuntil(b"\r\n\r\n")


async def until_left(reader: asyncio.StreamReader) -> None:
    """Wait until the other side closes."""
    while await reader.read(65_536):
        pass


def says(data: bytes) -> Behaviour:
    """Answers with ``data`` and closes."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(data)
        await writer.drain()

    return behave


def hangs(data: bytes = b"") -> Behaviour:
    """Answers with ``data`` and then no more."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(data)
        await until_left(reader)

    return behave


def drips(first: bytes, drop: bytes) -> Behaviour:
    """Answers with a drop now and then, for ever: no single read takes long."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(first)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.02)

    return behave


def floods(first: bytes, wave: bytes) -> Behaviour:
    """Answers with all that the connection takes, for ever."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(first)
        while not writer.is_closing():
            writer.write(wave)
            await writer.drain()

    return behave


async def ignores(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads nothing at all."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    while not gone(writer):
        await asyncio.sleep(0.02)


def gone(writer: asyncio.StreamWriter) -> bool:
    """Whether the other side has dropped the connection, told without reading from it."""
    info = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    established = 1
    return bool(info[0] != established)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets the connection in the middle of its answer."""
    await request_of(reader)
    writer.write(HEAD + b"Content-Length: 10\r\n\r\nabc")
    await writer.drain()
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes before anything is said."""


async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never says a word, not even of TLS."""
    await until_left(reader)


def greets(data: bytes) -> Behaviour:
    """Says ``data`` unasked and hangs."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await until_left(reader)

    return behave


def redirects(location: str, status: int = 302) -> Behaviour:
    """Leads elsewhere."""
    head = f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return says(head.encode())


async def loses_the_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Leads on to itself, and hangs there."""
    if b" /end " in await request_of(reader):
        await until_left(reader)
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()


def body(data: bytes, *heads: bytes) -> bytes:
    """A whole answer of 200."""
    return (
        HEAD + b"".join(head + b"\r\n" for head in heads) + b"Content-Length: %d\r\n\r\n" % len(data) + data
    )


def bomb(wbits: int) -> bytes:
    """64 MB of nothing, in 64 KB; made bit by bit, so that it takes no memory here."""
    packer, nothing = zlib.compressobj(9, wbits=wbits), b"\0" * 2**20
    return b"".join([*(packer.compress(nothing) for _ in range(64)), packer.flush()])


GZIP_BOMB, DEFLATE_BOMB = bomb(zlib.MAX_WBITS | 16), bomb(zlib.MAX_WBITS)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n" % len(data) + data + b"\r\n"


LATE = "within 30 seconds"
FOLLOWING = {"follow_redirects": True}
LARGE = {"body": "b" * 1_000_000}

HANGS = [
    Hostile("hangs at once", hangs(), "timeout", LATE),
    Hostile("hangs in the status line", hangs(b"HTTP/1.1 20"), "timeout", LATE),
    Hostile("hangs in the headers", hangs(HEAD + b"X-A: 1\r\nX-B"), "timeout", LATE),
    Hostile("hangs before the body", hangs(HEAD + b"Content-Length: 9\r\n\r\n"), "timeout", "body was read"),
    Hostile("hangs in the body", hangs(HEAD + b"Content-Length: 9\r\n\r\nabc"), "timeout", "body was read"),
    Hostile("hangs in a chunk", hangs(CHUNKED + b"5\r\nab"), "timeout", "body was read"),
    Hostile("hangs in gzip", hangs(GZIP + b"Content-Length: 99\r\n\r\n\x1f\x8b"), "timeout", "body was read"),
    Hostile("hangs after an interim answer", hangs(b"HTTP/1.1 100 Continue\r\n\r\n"), "timeout", LATE),
    Hostile("drips a status line", drips(b"HTTP/1.1 200 ", b"o"), "timeout", LATE),
    Hostile("drips headers", drips(HEAD, b"X: 1\r\n"), "timeout", LATE),
    Hostile("drips a body", drips(HEAD + b"Content-Length: 99999\r\n\r\n", b"a"), "timeout", "body was read"),
    Hostile("drips chunks", drips(CHUNKED, b"1\r\na\r\n"), "timeout", "body was read"),
    Hostile("drips blank lines", drips(b"", b"\r\n"), "timeout", LATE),
    Hostile("reads nothing", ignores, "timeout", LATE, plan=LARGE, deaf=True),
    Hostile("says nothing of TLS", stalls, "timeout", "while connecting", scheme="https"),
    Hostile("hangs in the TLS handshake", greets(b"\x16\x03\x03\x40"), "timeout", LATE, scheme="https"),
    Hostile("hangs behind a redirect", loses_the_way, "timeout", LATE, plan=FOLLOWING),
]
NOT_HTTP = "is not valid HTTP"
CUT = "closed the connection before it had answered"
BROKEN = "broke off in the middle"

BREAKS = [
    Hostile("closes at once", closes, "reset", CUT),
    Hostile("closes once asked", says(b""), "reset", CUT),
    Hostile("closes in the headers", says(HEAD + b"X-A: 1\r\n"), "reset", CUT),
    Hostile("resets the connection", resets, "reset", BROKEN),
    Hostile("promises more than it sends", says(HEAD + b"Content-Length: 99\r\n\r\nabc"), "reset", BROKEN),
    Hostile("closes in a chunk", says(CHUNKED + b"5\r\nab"), "reset", BROKEN),
    Hostile(
        "sends a huge header", says(HEAD + b"X: " + b"a" * 10**6 + b"\r\n\r\n"), "bad_response", "too long"
    ),
    Hostile("sends an endless header", floods(HEAD + b"X: ", b"a" * 65_536), "bad_response", "too long"),
    Hostile("sends endless headers", floods(HEAD, b"X: 1\r\n" * 999), "bad_response", NOT_HTTP),
    Hostile("sends a huge status line", says(b"HTTP/1.1 200 " + b"a" * 10**6), "bad_response", "too long"),
    Hostile(
        "sends endless trailers", floods(CHUNKED + b"0\r\n", b"X: 1\r\n" * 999), "bad_response", NOT_HTTP
    ),
    Hostile(
        "sends two lengths",
        says(HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
        "bad_response",
        NOT_HTTP,
    ),
    Hostile("sends a negative length", says(HEAD + b"Content-Length: -5\r\n\r\n"), "bad_response", NOT_HTTP),
    Hostile(
        "sends a length and chunks",
        says(HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
        "bad_response",
        NOT_HTTP,
    ),
    Hostile("sends a chunk beyond numbers", says(CHUNKED + b"f" * 99 + b"\r\n"), "bad_response", NOT_HTTP),
    Hostile("sends a negative chunk", says(CHUNKED + b"-1\r\na\r\n"), "bad_response", NOT_HTTP),
    Hostile("overruns a chunk", says(CHUNKED + b"2\r\nabcdef\r\n"), "bad_response", NOT_HTTP),
    Hostile("speaks another protocol", greets(b"220 mail.example.org ESMTP\r\n"), "bad_response", NOT_HTTP),
    Hostile("speaks HTTP/0.9", says(b"<html>hi</html>"), "bad_response", NOT_HTTP),
    Hostile(
        "sends bad gzip", says(body(b"not gzip!", b"Content-Encoding: gzip")), "bad_response", "decompress"
    ),
    Hostile(
        "sends an encoding unasked", says(body(b"ab", b"Content-Encoding: br")), "bad_response", "encoding"
    ),
    Hostile(
        "says continue for ever",
        floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "bad_response",
        "more than 32 interim answers",
    ),
    Hostile(
        "gives early hints for ever",
        floods(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        "bad_response",
        "more than 32 interim answers",
    ),
    Hostile("sends blank lines for ever", floods(b"", b"\r\n" * 9_999), "bad_response", "no end of its head"),
    Hostile(
        "switches protocols", hangs(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), "status", "101", True
    ),
    Hostile("says why in other bytes", says(b"HTTP/1.1 503 \xff\xe9\r\n\r\n"), "status", "answered 503 ??."),
    Hostile("says why at length", says(b"HTTP/1.1 500 " + b"y" * 8_000 + b"\r\n\r\n"), "status", "500 yyy"),
    Hostile("redirects unasked", redirects("/"), "redirect", "'follow_redirects'", True),
    Hostile(
        "redirects in a circle", redirects("/"), "too_many_redirects", "More than 5", True, plan=FOLLOWING
    ),
    *(
        Hostile(
            f"redirects to {location}",
            redirects(location),
            "redirect",
            "can't be called",
            True,
            plan=FOLLOWING,
        )
        for location in (
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "gopher://127.0.0.1:6379/_x",
            "data:text/plain,x",
            "javascript:alert(1)",
            "http://a\\b@127.0.0.1/",
            "http://user:pass@127.0.0.1/",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:0/",
            "http://[::1/",
            "/" + "a" * 8_001,
        )
    ),
    Hostile("has a bad certificate", hangs(), "tls", "is not trusted", True, "https", tls=True),
    Hostile(
        "speaks no TLS",
        greets(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "tls",
        "No TLS connection",
        scheme="https",
    ),
    Hostile(
        "speaks bad TLS", greets(b"\x15\x03\x01\x00\x02\x02\x28"), "tls", "No TLS connection", scheme="https"
    ),
    Hostile("closes in the TLS handshake", closes, "reset", CUT, scheme="https"),
]
FLOODS = [
    Hostile("sends an endless body", floods(HEAD + b"\r\n", b"a" * 65_536), "ok", ""),
    Hostile("sends endless chunks", floods(CHUNKED, chunk(b"a" * 4_096)), "ok", ""),
    Hostile("sends tiny chunks", floods(CHUNKED, chunk(b"a") * 9_999), "ok", ""),
    Hostile("sends an endless extension of a chunk", floods(CHUNKED + b"1;x=", b"a" * 65_536), "ok", ""),
    Hostile("sends a gzip bomb", hangs(body(GZIP_BOMB, b"Content-Encoding: gzip")), "ok", ""),
    Hostile("sends a deflate bomb", hangs(body(DEFLATE_BOMB, b"Content-Encoding: deflate")), "ok", ""),
    Hostile(
        "sends gzip that holds nothing",
        floods(
            GZIP + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(gzip.compress(b"")[:10]),
            chunk(b"\0\0\0\xff\xff" * 9_999),
        ),
        "ok",
        "",
    ),
    Hostile(
        "sends empty gzip members",
        floods(GZIP + b"Transfer-Encoding: chunked\r\n\r\n", chunk(gzip.compress(b"") * 999)),
        "ok",
        "",
    ),
]
CHARSETS = [
    Hostile(
        f"declares the charset {name}",
        says(body(b"\\ud800 +2AA- \xff", b"Content-Type: text/plain; charset=" + name.encode())),
        "ok",
        "",
    )
    for name in (
        "idna",
        "punycode",
        "utf-7",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "hex",
        "../x",
    )
]
