"""Looking names up, so that names which never come to an end hold up nobody else's."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from rez_agent.actions.addresses import plain_name
from rez_agent.actions.threads import Threads

AT_ONCE = 128
"""Names that are looked up at the same time, each in a thread."""

OF_ONE_DOMAIN = 8
"""How many of them may belong to one domain: whoever can make names hang has them under few domains."""


class FairNames(AbstractResolver):
    """Another resolver, of which no domain takes more than ``share``."""

    def __init__(self, names: AbstractResolver, share: int = OF_ONE_DOMAIN) -> None:
        self._names = names
        self._share = share
        self._domains: dict[str, tuple[asyncio.Semaphore, list[str]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """What the other resolver says, once it is this domain's turn."""
        domain = ".".join(plain_name(host).split(".")[-2:])
        turn, asked = self._domains.setdefault(domain, (asyncio.Semaphore(self._share), []))
        asked.append(host)
        try:
            async with turn:
                return await self._names.resolve(host, port, family)
        finally:
            asked.remove(host)
            if not asked:
                self._domains.pop(domain, None)

    async def close(self) -> None:
        """Close the other one."""
        await self._names.close()


class SystemNames(AbstractResolver):
    """The system's resolver, in threads of its own: names that hang must not hold up other work."""

    def __init__(self) -> None:
        self._threads = Threads(AT_ONCE, "rez-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of ``host``. Raises socket.gaierror."""
        try:
            found = await self._threads.run(
                lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            )
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "not a name that can be looked up") from None
        return [_result(host, port, info) for info in found]

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, port: int, info: tuple[Any, ...]) -> ResolveResult:
    family, _, protocol, _, address = info
    zone = f"%{address[3]}" if family == socket.AF_INET6 and address[3] else ""
    return ResolveResult(
        hostname=host,
        host=f"{address[0]}{zone}" if "%" not in address[0] else address[0],
        port=port,
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
