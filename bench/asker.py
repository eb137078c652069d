"""Asks a server as fast as it answers: ``python -m bench.asker singles|batches URL NUMBER TARGET``.

``singles`` creates schedules by single requests, 64 at a time on kept connections; ``batches`` by batches
of 1,000, four at a time. Prints the seconds that it took, from the first request to the last answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import uvloop
from tests.e2e.program import web_action

CONCURRENCY = 64
BATCH, BATCHES_AT_ONCE = 1_000, 4
EXPRESSION = "at(2100-01-01T00:00:00)"
HEADERS = {"Content-Type": "application/json"}


async def singles(session: aiohttp.ClientSession, number: int, definition: Callable[[int], Any]) -> None:
    """Create ``number`` schedules one by one; every answer must be a 202."""
    todo = iter(json.dumps(definition(n)) for n in range(number))
    await asyncio.gather(*(_create(session, todo) for _ in range(CONCURRENCY)))


async def _create(session: aiohttp.ClientSession, todo: Iterator[str]) -> None:
    for body in todo:
        async with session.post("/api/schedules", data=body, headers=HEADERS) as response:
            answer = await response.read()
            assert response.status == 202, answer


async def batches(session: aiohttp.ClientSession, number: int, definition: Callable[[int], Any]) -> None:
    """Create ``number`` schedules in batches; every item must be accepted."""
    todo = iter(
        json.dumps({"schedules": [definition(n) for n in range(first, first + BATCH)]})
        for first in range(0, number, BATCH)
    )
    await asyncio.gather(*(_create_batches(session, todo) for _ in range(BATCHES_AT_ONCE)))


async def _create_batches(session: aiohttp.ClientSession, todo: Iterator[str]) -> None:
    for body in todo:
        async with session.post("/api/schedules/batch", data=body, headers=HEADERS) as response:
            answer = await response.json()
            assert answer["accepted"] == BATCH, answer


async def main(kind: str, url: str, number: int, target: str) -> None:
    """Do it, and print how long it took."""

    def definition(n: int) -> Any:
        return web_action(f"{kind}-{n}", EXPRESSION, f"{target}/{n}")

    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        begun = time.perf_counter()
        await {"singles": singles, "batches": batches}[kind](session, number, definition)
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
