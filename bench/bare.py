"""A bare aiohttp loop: what this machine can send at all. ``python -m bench.bare PORT REQUESTS CONCURRENCY``.

As anyone would write it: uvloop, a session with aiohttp's defaults, as many coroutines as the concurrency,
each sending one request after the other and reading its answer: the method, the headers (made beforehand)
and the body that a fired schedule sends.
Prints when the first was sent, in seconds since 1970.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import aiohttp
import uvloop

from rez_agent.actions.headers import USER_AGENT, work_headers
from rez_agent.domain.action import Work

BODY = b'{"n": 1}'


async def send_all(port: int, requests: int, concurrency: int) -> None:
    """Send them all."""
    todo = iter(_requests(port, requests))
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:
        print(time.time(), flush=True)
        await asyncio.gather(*(_send(session, todo) for _ in range(concurrency)))


async def _send(session: aiohttp.ClientSession, todo: Iterator[tuple[str, dict[str, str]]]) -> None:
    for url, headers in todo:
        async with session.post(url, headers=headers, data=BODY) as response:
            await response.read()


def _requests(port: int, number: int) -> list[tuple[str, dict[str, str]]]:
    now = datetime.now(UTC).replace(microsecond=0)
    return [(f"http://127.0.0.1:{port}/burst/{n}", _headers(n, now)) for n in range(number)]


def _headers(number: int, now: datetime) -> dict[str, str]:
    schedule = f"sch_{number:026d}"
    execution = f"{schedule}_{now:%Y%m%dT%H%M%SZ}"
    work = Work(execution, schedule, "burst", "local", "web_action", {}, now, 1, execution)
    fixed = {"User-Agent": USER_AGENT, "Accept": "*/*", "Content-Type": "application/json"}
    return {**fixed, **work_headers(work)}


if __name__ == "__main__":
    uvloop.run(send_all(*(int(argument) for argument in sys.argv[1:4])))
