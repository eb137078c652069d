"""One request and its answer over a connection of aiohttp's, on the wire."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
import uvloop
from yarl import URL

from rez_agent.actions.exchange import Exchanges, Response, request_bytes
from rez_agent.actions.guarded_http import HearingConnector
from rez_agent.actions.hearing import SLICE
from tests.actions.support import down_to, run, sockets

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Wire:
    """A server that answers each request with the next of its ``answers``, whatever it says; an empty answer
    closes the connection. It keeps the requests' heads and bodies, and counts the connections."""

    answers: list[bytes]
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers and await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b"")
        answer = self.answers.pop(0)
        writer.write(answer)
        await writer.drain()
        return bool(answer) and b"connection: close" not in answer.lower()


@asynccontextmanager
async def exchanging(*answers: bytes) -> AsyncIterator[tuple[Exchanges, URL, Wire]]:
    wire = Wire(list(answers))
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connector = HearingConnector()
    async with server, aiohttp.ClientSession(connector=connector) as session:
        yield Exchanges(session, connector), URL(f"http://127.0.0.1:{port}/p?q=1"), wire


async def body_of(response: Response) -> bytes:
    """The whole body; the connection goes back."""
    try:
        return await response.content.read()
    finally:
        response.release()


def test_a_connection_is_used_again_once_an_answer_was_read() -> None:
    async def scenario() -> None:
        async with exchanging(OK, OK, OK) as (exchanges, url, wire):
            for method in ("POST", "GET", "PUT"):
                response = await exchanges.send(method, url, {}, b"body")
                assert (response.status, response.reason, await body_of(response)) == (200, "OK", b"ok")
            assert wire.connections == 1
            assert wire.bodies == [b"body"] * 3

    run(scenario())


def test_an_answer_that_was_not_read_to_its_end_costs_the_connection() -> None:
    async def scenario() -> None:
        half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
        async with exchanging(half, OK) as (exchanges, url, wire):
            (await exchanges.send("GET", url, {}, None)).release()
            assert await body_of(await exchanges.send("GET", url, {}, None)) == b"ok"
            assert wire.connections == 2

    run(scenario())


@pytest.mark.parametrize(
    ("method", "answer", "body"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, b"ok"),
    ],
)
def test_each_way_of_framing_an_answer_leaves_the_connection_fit_for_the_next(
    method: str, answer: bytes, body: bytes
) -> None:
    async def scenario() -> None:
        async with exchanging(answer, OK) as (exchanges, url, wire):
            assert await body_of(await exchanges.send(method, url, {}, None)) == body
            assert await body_of(await exchanges.send("GET", url, {}, None)) == b"ok"
            assert wire.connections == 1

    run(scenario())


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async def scenario() -> None:
        async with exchanging(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it") as (
            exchanges,
            url,
            _,
        ):
            assert await body_of(await exchanges.send("GET", url, {}, None)) == b"all of it"

    run(scenario())


@pytest.mark.parametrize("length", [SLICE - 20, SLICE, 5 * SLICE + 7, 500_000])
def test_an_answer_of_many_slices_comes_whole_whether_or_not_its_length_is_told(length: int) -> None:
    async def scenario() -> None:
        whole = random.Random(length).randbytes(length)
        told = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + whole
        untold = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + whole
        async with exchanging(told, told, untold) as (exchanges, url, wire):
            for _ in range(3):
                assert await body_of(await exchanges.send("GET", url, {}, None)) == whole
            assert wire.connections == 1

    run(scenario())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario(), 60))


def test_what_nobody_asked_for_costs_the_connection() -> None:
    async def scenario() -> None:
        unasked = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
        async with exchanging(OK + unasked * 1_000, OK) as (exchanges, url, wire):
            assert await body_of(await exchanges.send("GET", url, {}, None)) == b"ok"
            assert await body_of(await exchanges.send("GET", url, {}, None)) == b"ok"
            assert wire.connections == 2

    run(scenario())


def test_what_may_be_repeated_is_sent_again_when_a_kept_connection_was_closed_and_nothing_else_is() -> None:
    async def scenario() -> None:
        async with exchanging(OK, b"", OK, b"") as (exchanges, url, wire):
            await body_of(await exchanges.send("GET", url, {}, None))
            assert await body_of(await exchanges.send("GET", url, {}, None)) == b"ok"
            assert len(wire.heads) == 3
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await exchanges.send("POST", url, {}, b"once")
            assert wire.bodies.count(b"once") == 1

    run(scenario())


def test_an_answer_that_is_no_http_is_an_error_and_costs_the_connection() -> None:
    async def scenario() -> None:
        async with exchanging(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", OK) as (exchanges, url, wire):
            with pytest.raises(aiohttp.ClientError):
                await exchanges.send("POST", url, {}, b"")
            assert await body_of(await exchanges.send("GET", url, {}, None)) == b"ok"
            assert wire.connections == 2

    run(scenario())


def test_a_request_that_is_given_up_holds_nothing_although_its_peer_reads_nothing() -> None:
    async def scenario() -> None:
        met, left = asyncio.Event(), asyncio.Event()

        async def deaf(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            met.set()
            await left.wait()

        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        connector = HearingConnector()
        async with server, aiohttp.ClientSession(connector=connector) as session:
            sending = asyncio.create_task(Exchanges(session, connector).send("POST", url, {}, b"x" * 2**26))
            await met.wait()
            held = sockets()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert await down_to(held - 1)
            left.set()

    run(scenario())


def test_a_request_is_spelled_as_rfc_9112_says() -> None:
    url = URL("http://example.org:8080/a%20b?q=%C3%BC#fragment")
    spelled = request_bytes("POST", url, {"X-A": "1", "User-Agent": "rez-agent"}, b"{}")
    assert spelled == (
        b"POST /a%20b?q=%C3%BC HTTP/1.1\r\nHost: example.org:8080\r\nX-A: 1\r\nUser-Agent: rez-agent\r\n"
        b"Accept-Encoding: gzip, deflate\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_the_usual_port_is_not_named_and_a_post_without_a_body_says_so() -> None:
    spelled = request_bytes("POST", URL("https://[2001:db8::1]/"), {"accept-encoding": "identity"}, None)
    lines = spelled.decode().split("\r\n")
    assert lines == [
        "POST / HTTP/1.1",
        "Host: [2001:db8::1]",
        "accept-encoding: identity",
        "Content-Length: 0",
        "",
        "",
    ]
    assert b"Content-Length" not in request_bytes("GET", URL("http://a.example/"), {}, None)


@pytest.mark.parametrize("text", ["a\r\nX-B: 1", "a\nX-B: 1", "a\rb", "a\0b", "\r\n\r\nGET / HTTP/1.1"])
def test_no_header_breaks_out_of_its_line(text: str) -> None:
    for headers in ({"X-A": text}, {text: "1"}):
        with pytest.raises(ValueError, match="line break or a NUL"):
            request_bytes("GET", URL("http://a.example/"), headers, None)
