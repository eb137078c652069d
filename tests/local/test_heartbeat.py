"""The heartbeat: where it goes, and where it can't be led."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from rez_agent.domain.errors import Invalid
from rez_agent.local.heartbeat import Heartbeat
from tests.actions.hostile import BREAKS, FLOODS, Hostile, standing
from tests.actions.support import ok, run, serving


async def beat(url: str) -> list[str]:
    """One ping; what was logged of it."""
    heartbeat = Heartbeat(url, monotonic=time.monotonic)
    with capture_logs() as lines:
        heartbeat.send()
        ping = next(task for task in asyncio.all_tasks() if "Heartbeat" in repr(task.get_coro()))
        heartbeat.send()  # while the first is under way
        await ping
        await heartbeat.close()
    return [line["error"] for line in lines]


@pytest.mark.parametrize("login", ["", "ann:pass%20word@"])
def test_it_pings_the_operators_own_host_wherever_that_is(login: str) -> None:
    async def scenario() -> None:
        async with serving(ok) as server:
            assert await beat(f"http://{login}127.0.0.1:{server.port}/ping?a=1") == []
        (seen,) = server.seen
        assert (seen.method, seen.path, seen.query) == ("GET", "/ping", {"a": "1"})
        assert seen.headers.get("Authorization") == ("Basic YW5uOnBhc3Mgd29yZA==" if login else None)

    run(scenario())


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_ping_that_is_not_taken_is_logged_and_follows_no_redirect(status: int) -> None:
    async def scenario() -> None:
        async with serving(ok, everywhere=True) as trap:

            async def lead(_: web.Request) -> web.StreamResponse:
                return web.Response(status=status, headers={"Location": f"http://127.0.0.2:{trap.port}/"})

            async with serving(lead) as server:
                assert await beat(server.url) == [f"status {status}"]
            assert trap.seen == []

    run(scenario())


@pytest.mark.parametrize("hostile", [*BREAKS[:12], *FLOODS], ids=lambda hostile: hostile.name)
def test_a_hostile_monitor_costs_no_more_than_its_ping(hostile: Hostile) -> None:
    async def scenario() -> None:
        async with standing(hostile) as place:
            assert len(await beat(place.url)) == (hostile.code != "ok" and "middle" not in hostile.says)

    run(scenario())


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "http://", "http://a b/", "example.org", "http://h:0/"]
)
def test_a_url_that_cannot_be_called_is_told_at_once(url: str) -> None:
    with pytest.raises(Invalid, match="heartbeat"):
        Heartbeat(url, monotonic=time.monotonic)
