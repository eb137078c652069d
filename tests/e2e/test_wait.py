"""Clients that wait for their commands cost nobody else anything.

On this host a command is applied in the transaction that stores it, so a wait is over at once. Here the
scheduler is slow: the topic keeps its commands back, as a remote one may, until the test carries them out.
All else is the real host behind a real server on a real socket.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp
import pytest
import uvicorn
import uvloop
from prometheus_client import CollectorRegistry

from rez_agent.actions.build import make_actions
from rez_agent.actions.registry import Actions
from rez_agent.clock import SystemClock, SystemRandom
from rez_agent.domain.command import Message
from rez_agent.domain.execution import Execution
from rez_agent.local.bundle import ports_over
from rez_agent.local.database import DATABASE_FILE, open_reader, open_writer
from rez_agent.local.host import LocalHost
from rez_agent.local.keeping import Kept
from rez_agent.local.metrics import LocalMetrics
from rez_agent.local.secrets import FileSecrets
from rez_agent.local.sweep import Sweep
from rez_agent.ports import Ports
from rez_agent.usecases.applying import apply
from rez_agent.web.app import create_app
from rez_agent.web.settings import WebSettings
from tests.e2e.program import web_action

pytestmark = pytest.mark.e2e

WAITERS = 45
PROBES = 40
ROUNDS = 4
DELAY_AT_MOST_MS = 50.0


class SlowTopic:
    """The Topic port: keeps commands back until they are asked for. Nothing is fired here."""

    def __init__(self) -> None:
        self.kept: list[Message] = []

    def publish_command(self, message: Message) -> None:
        """Keep it; it stays queued."""
        self.kept.append(message)

    def publish_work(self, executions: Sequence[Execution]) -> None:
        """Nothing falls due."""


class Stage:
    """A server in this process, and how to speak to it."""

    def __init__(self, host: LocalHost, topic: SlowTopic, client: aiohttp.ClientSession) -> None:
        self._host = host
        self._topic = topic
        self._client = client
        self._created = 0

    async def healthz_ms(self) -> float:
        """The median time until /healthz has answered."""
        times = []
        for _ in range(PROBES):
            begun = time.perf_counter()
            async with self._client.get("/healthz") as response:
                await response.read()
                assert response.status == 200
            times.append((time.perf_counter() - begun) * 1_000)
        return statistics.median(times)

    async def waiters(self) -> list[asyncio.Task[int]]:
        """Clients that wait: each one's command is stored, and none is carried out."""
        tasks = []
        for _ in range(WAITERS):
            self._created += 1
            tasks.append(asyncio.create_task(self._create(f"waited-for-{self._created}")))
        async with asyncio.timeout(10):
            while len(self._topic.kept) < WAITERS:
                await asyncio.sleep(0.01)
        return tasks

    async def _create(self, name: str) -> int:
        definition = web_action(name, "at(2100-01-01T00:00:00)", "https://example.com/")
        headers = {"Prefer": "wait=20"}
        async with self._client.post("/api/schedules", json=definition, headers=headers) as response:
            await response.read()
            return response.status

    async def carry_out(self) -> None:
        """Carry out what the topic kept back."""
        kept, self._topic.kept = self._topic.kept, []
        for message in kept:
            await self._host.write(partial(_apply, message))


def _apply(message: Message, ports: Ports) -> None:
    apply(ports, message)


def slow_host(data_dir: Path, topic: SlowTopic, actions: Actions) -> LocalHost:
    """The local host as it is built, but for its topic."""
    database, clock, random = data_dir / DATABASE_FILE, SystemClock(), SystemRandom()
    ports = ports_over(open_writer(database), actions=actions, clock=clock, random=random)
    return LocalHost(
        replace(ports, topic=topic),
        open_ports=lambda: ports_over(open_reader(database), actions=actions, clock=clock, random=random),
        actions=actions,
        clock=clock,
        random=random,
        sweep=Sweep(Kept()),
        metrics=LocalMetrics(CollectorRegistry()),
        heartbeat=None,
        concurrency=10,
        target_concurrency=10,
    )


@asynccontextmanager
async def staged(data_dir: Path) -> AsyncIterator[Stage]:
    """The stage, from start to stop."""
    clock, topic = SystemClock(), SlowTopic()
    secrets = FileSecrets(data_dir / "secrets", clock.now)
    actions = make_actions(secrets=secrets, actions_file=None, now=clock.now, monotonic=clock.monotonic)
    host = slow_host(data_dir, topic, actions)
    settings = WebSettings(open_access=True, hosts=("127.0.0.1",), requests_per_second=0, version="0")
    app = create_app(host, settings=settings, registry=CollectorRegistry())
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    await host.start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        connector = aiohttp.TCPConnector(limit=2 * WAITERS)
        async with aiohttp.ClientSession(url, connector=connector) as client:
            yield Stage(host, topic, client)
        server.should_exit = True
        await serving
    await host.stop(1)


async def measured_delays(data_dir: Path) -> list[float]:
    """By how many ms the waiters delay /healthz, round by round."""
    delays = []
    async with staged(data_dir) as stage:
        for _ in range(ROUNDS):
            alone = await stage.healthz_ms()
            waiting = await stage.waiters()
            beside = await stage.healthz_ms()
            assert not any(task.done() for task in waiting), "somebody did not wait"
            delays.append(beside - alone)
            await stage.carry_out()
            assert await asyncio.gather(*waiting) == [201] * WAITERS
    return delays


def test_45_waiting_clients_delay_health_by_no_more_than_50_ms(tmp_path: Path) -> None:
    delays = uvloop.run(measured_delays(tmp_path))

    print(f"delays in ms: {', '.join(f'{delay:.2f}' for delay in delays)}")
    assert min(delays) <= DELAY_AT_MOST_MS
