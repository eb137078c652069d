"""Names that never come to an end hold up no other's."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from rez_agent.actions.names import AT_ONCE, OF_ONE_DOMAIN, FairNames
from rez_agent.actions.threads import Threads
from tests.actions.support import Names, acting, http, ok, resolved, run, serving, work


class Scarce(AbstractResolver):
    """As many lookups at once as the system's resolver allows; of ``evil.test`` they take until ``over``."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.asked: list[str] = []
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        async with self._slots:
            self.asked.append(host)
            if host.endswith("evil.test"):
                await self.over.wait()
            return [resolved(host, port, "127.0.0.1")]

    async def close(self) -> None:
        pass


def test_a_domain_whose_names_hang_delays_no_other() -> None:
    async def scenario() -> None:
        names = Scarce()
        async with serving(ok) as server, acting("127.0.0.0/8", resolver=names) as actions:
            urls = [f"http://n{n}.evil.test:{server.port}/" for n in range(AT_ONCE * 3)]
            hanging = [asyncio.create_task(actions.run(work(http(url)))) for url in urls]
            while len(names.asked) < OF_ONE_DOMAIN:
                await asyncio.sleep(0)
            for n in range(20):
                assert (await actions.run(work(http(f"http://good{n}.test:{server.port}/")))).ok
            assert not any(one.done() for one in hanging)
            assert sum(name.endswith("evil.test") for name in names.asked) == OF_ONE_DOMAIN
            names.over.set()
            assert all(outcome.ok for outcome in await asyncio.gather(*hanging))

    run(scenario())


def test_what_was_asked_is_forgotten_once_it_is_answered() -> None:
    async def scenario() -> None:
        fair = FairNames(Names({"a.test": ("127.0.0.1",)}), share=1)
        found = await asyncio.gather(*(fair.resolve(name) for name in ("a.test", "A.test.", "a.test")))
        assert {answer[0]["host"] for answer in found} == {"127.0.0.1"}
        with pytest.raises(socket.gaierror):
            await fair.resolve("b.test")
        assert vars(fair)["_domains"] == {}

    run(scenario())


def test_a_lookup_that_nobody_waits_for_keeps_its_thread_until_it_returns() -> None:
    async def scenario() -> None:
        threads, go = Threads(1, "names"), asyncio.Event()
        loop = asyncio.get_running_loop()
        stuck = asyncio.create_task(
            threads.run(lambda: asyncio.run_coroutine_threadsafe(go.wait(), loop).result())
        )
        await asyncio.sleep(0)
        stuck.cancel()
        after = asyncio.create_task(threads.run(lambda: "done"))
        await asyncio.sleep(0)
        assert not after.done()
        go.set()
        assert await after == "done"

    run(scenario())
