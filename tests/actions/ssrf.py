"""What hears of every connection, what nobody may reach, and names that change their minds."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from dnslib import AAAA, CNAME, QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer

from rez_agent.actions.addresses import AllowList
from rez_agent.actions.guarded_http import GuardedHttp
from rez_agent.actions.http import HttpAction
from rez_agent.actions.sender import Sender
from tests.actions.support import NOW, MemorySecrets, Server, ok, resolved, serving


class Sentinel:
    """Hears of every connection that this process tries to make."""

    def __init__(self) -> None:
        self._heard: list[tuple[Any, ...]] | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and self._heard is not None and isinstance(arguments[1], tuple):
            self._heard.append(arguments[1])

    @contextmanager
    def listening(self) -> Iterator[list[tuple[Any, ...]]]:
        heard: list[tuple[Any, ...]] = []
        self._heard = heard
        try:
            yield heard
        finally:
            self._heard = None


SENTINEL = Sentinel()


@asynccontextmanager
async def trap() -> AsyncIterator[Server]:
    """A server on every IPv4 and IPv6 address of this machine, that nobody may reach."""
    async with serving(ok, everywhere=True) as server:
        yield server


class Rebinding(BaseResolver):  # type: ignore[misc]
    """Answers with a name's addresses in turn, each for no time at all. What is no address is another name:
    then that one's address goes along (CNAME)."""

    def __init__(self, table: Mapping[str, list[str]]) -> None:
        self._table = table
        self._turns: dict[str, int] = {}
        self.asked = 0

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        reply = request.reply()
        self.asked += 1
        name = str(request.q.qname).rstrip(".")
        while name in self._table:
            turns, turn = self._table[name], self._turns.get(name, 0)
            self._turns[name] = turn + 1
            found = turns[turn % len(turns)]
            kind, data = _record(found)
            reply.add_answer(RR(name, kind, rdata=data, ttl=0))
            name = found
        return reply


def _record(found: str) -> tuple[int, Any]:
    """The type and the data of an answer."""
    if ":" in found:
        return QTYPE.AAAA, AAAA(found)
    if found[0].isdigit():
        return QTYPE.A, A(found)
    return QTYPE.CNAME, CNAME(found)


class DnsNames(AbstractResolver):
    """Asks a DNS server each time."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        question = DNSRecord.question(host, "A")
        answer = await asyncio.to_thread(question.send, "127.0.0.1", self._port, timeout=5)
        records = DNSRecord.parse(answer).rr
        found = [str(record.rdata) for record in records if record.rtype in (QTYPE.A, QTYPE.AAAA)]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [resolved(host, port, address) for address in found]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def guarded(
    allowed: AllowList, resolver: AbstractResolver, kind: type[GuardedHttp] = GuardedHttp
) -> AsyncIterator[HttpAction]:
    """The HTTP action with a resolver whose answers are never remembered; ``kind`` is the guard's."""
    guard = kind(allowed, monotonic=time.monotonic, resolver=resolver, names_kept=0)
    sender = Sender(guard, MemorySecrets(), now=lambda: NOW, monotonic=time.monotonic)
    await guard.start()
    try:
        yield HttpAction(sender, allowed)
    finally:
        await sender.close()
        await guard.close()


@contextmanager
def dns(rebinding: Rebinding) -> Iterator[int]:
    server = DNSServer(rebinding, address="127.0.0.1", port=0, logger=DNSLogger(logf=lambda _: None))
    server.start_thread()
    try:
        yield server.server.server_address[1]
    finally:
        server.stop()
        server.server.server_close()


async def closing(_: web.Request) -> web.StreamResponse:
    """An answer after which the connection is closed, so that the next request needs a new one."""
    return web.Response(text="ok", headers={"Connection": "close"})
