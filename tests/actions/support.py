"""Real servers on loopback, and the small things that every test of an action needs."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from rez_agent.actions.base import SecretSource
from rez_agent.actions.build import make_actions
from rez_agent.actions.custom import Act
from rez_agent.actions.registry import Actions
from rez_agent.domain.action import Work
from rez_agent.domain.secret import Secret, SecretInfo

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DATA = Path(__file__).with_name("data")

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine; a test that hangs fails."""

    async def bounded() -> T:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(bounded())


def work(payload: Mapping[str, Any], target_type: str = "web_action", attempt: int = 1) -> Work:
    return Work(
        execution_id="sch_1_20260301T120000Z",
        schedule_id="sch_1",
        schedule_name="nightly",
        owner="ann",
        target_type=target_type,
        payload=payload,
        scheduled_time=NOW,
        attempt=attempt,
        idempotency_key="sch_1_20260301T120000Z",
    )


class MemorySecrets:
    """Secrets in memory, with the port's reading half."""

    def __init__(self, *secrets: Secret) -> None:
        self._secrets = {secret.name: secret for secret in secrets}

    def get(self, name: str) -> Secret | None:
        return self._secrets.get(name)

    def names(self) -> list[SecretInfo]:
        return [SecretInfo(secret.name, secret.hosts, NOW) for secret in self._secrets.values()]

    def put(self, secret: Secret) -> None:
        self._secrets[secret.name] = secret


class Names(AbstractResolver):
    """Names from a table; numbers as libc reads them, in every form it knows; nothing else."""

    def __init__(self, table: Mapping[str, Iterable[str]] | None = None) -> None:
        self.table = {name: tuple(addresses) for name, addresses in (table or {}).items()}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        known = self.table.get(host.lower().rstrip("."))
        if known is None:
            try:
                found = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, type=socket.SOCK_STREAM)
            except UnicodeError as error:
                raise socket.gaierror(socket.EAI_NONAME, str(error)) from None
            known = tuple(str(info[4][0]) for info in found)
        return [resolved(host, port, address) for address in known]

    async def close(self) -> None:
        pass


def resolved(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)


@asynccontextmanager
async def acting(
    *allow: str,
    secrets: SecretSource | None = None,
    actions_file: Path | None = None,
    custom: Mapping[str, Act | Exception] | None = None,
    resolver: AbstractResolver | None = None,
    tls: ssl.SSLContext | None = None,
    now: Callable[[], datetime] = lambda: NOW,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Actions]:
    """Actions, started; nothing on loopback is allowed unless ``allow`` says so."""
    actions = make_actions(
        secrets=secrets or MemorySecrets(),
        allow_target=allow,
        actions_file=actions_file,
        custom=custom,
        now=now,
        monotonic=monotonic,
        resolver=resolver or Names({"localhost": ("127.0.0.1",)}),
        tls=tls,
    )
    await actions.start()
    try:
        yield actions
    finally:
        await actions.close()


@dataclass
class Seen:
    """A request that a server got."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A running server and what it has seen."""

    port: int
    scheme: str = "http"
    seen: list[Seen] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(
    handler: Handler, *, everywhere: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """An aiohttp server whose every path is answered by ``handler``.

    It listens on 127.0.0.1, or ``everywhere``: on every address of this machine, at one port.
    """
    server = Server(0, "https" if tls else "http")

    async def record(request: web.Request) -> web.StreamResponse:
        server.seen.append(
            Seen(
                request.method,
                request.path,
                dict(request.query),
                dict(request.headers),
                await request.read(),
            )
        )
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    for listener in _listeners(everywhere=everywhere):
        await web.SockSite(runner, listener, ssl_context=tls).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


def _listeners(*, everywhere: bool) -> list[socket.socket]:
    if not everywhere:
        return [socket.create_server(("127.0.0.1", 0))]
    v4 = socket.create_server(("0.0.0.0", 0))
    try:
        return [v4, socket.create_server(("::", v4.getsockname()[1]), family=socket.AF_INET6)]
    except OSError:  # this machine has no IPv6
        return [v4]


@asynccontextmanager
async def raw(handler: RawHandler) -> AsyncIterator[Server]:
    """A server that speaks whatever ``handler`` writes."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Server(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ok(_: web.Request) -> web.StreamResponse:
    """The plainest answer."""
    return web.Response(text="ok")


def http(url: str, **fields: Any) -> dict[str, Any]:
    """The payload of the web action ``http``."""
    return {"action": "http", "url": url, **fields}


def sockets() -> int:
    """The sockets that this process holds."""
    held = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            held += str(link.readlink()).startswith("socket:")
        except OSError:  # the directory's own
            continue
    return held


async def down_to(held: int) -> bool:
    """Whether no more sockets are held than before."""
    for _ in range(100):
        if sockets() <= held:
            return True
        await asyncio.sleep(0.01)
    return False
