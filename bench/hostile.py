"""Healthy targets among hostile ones: how late 20 of them are answered, alone and with all the hostile ones.

The sender is the server's own, in this process on uvloop; the healthy targets live in a second process, the
hostile ones in a third. Each healthy target is asked ten times a second, at fixed times, and a request counts
from its time on, so that a loop which stands still shows. Each hostile target of ``tests/actions/hostile.py``
is asked every five seconds, with as many seconds to answer: so whatever hangs is always under way. Their
process has the lowest priority: they stand for machines of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import uvloop
from tests.actions.hostile import BREAKS, CHARSETS, FLOODS, HANGS, standing
from tests.actions.support import acting, http, ok, serving, work

from bench.figures import PAIRS, Figure, Goal, interleaved, median_figure, percentile

NAME = "hostile"

HEALTHY, A_SECOND, SECONDS = 20, 10, 10.0
EVERY = LIMIT = 5.0
HARM = Goal(most=2.0)
ALL = [*HANGS, *BREAKS, *FLOODS, *CHARSETS]


def run() -> list[Figure]:
    """With and without, taking turns."""
    with targets("healthy") as healthy, targets("hostile") as hostile:
        alone, among = interleaved(
            lambda: uvloop.run(late(healthy, [])), lambda: uvloop.run(late(healthy, hostile)), pairs=PAIRS
        )
    ratios = [with_them / without for with_them, without in zip(among, alone, strict=True)]
    return [
        median_figure(NAME, f"p99 of {HEALTHY} healthy targets, alone", alone, "ms"),
        median_figure(NAME, f"p99 of the same among {len(ALL)} hostile ones", among, "ms"),
        median_figure(NAME, "among hostile ones / alone", ratios, "times", HARM),
    ]


@contextmanager
def targets(kind: str) -> Iterator[list[dict[str, Any]]]:
    """All targets of a kind, in a process of their own: the payloads that call them."""
    with subprocess.Popen([sys.executable, "-m", "bench.hostile", kind], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


async def late(healthy: list[dict[str, Any]], hostile: list[dict[str, Any]]) -> float:
    """The 99th percentile of how late healthy requests were answered, in milliseconds."""
    async with acting("127.0.0.1") as actions:
        begun, waits = time.perf_counter() + 0.5, list[float]()

        async def ask(payload: dict[str, Any], at: float) -> None:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            outcome = await actions.run(work(payload))
            assert outcome.ok, outcome
            waits.append((time.perf_counter() - at) * 1000)

        async def harm(payload: dict[str, Any], at: float) -> None:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            await actions.run(work(payload))

        asked = [
            ask(payload, begun + turn / A_SECOND + number / len(healthy) / A_SECOND)
            for turn in range(int(SECONDS * A_SECOND))
            for number, payload in enumerate(healthy)
        ]
        harmed = [
            harm(payload, begun + (turn + number / len(hostile)) * EVERY)
            for turn in range(int(SECONDS / EVERY))
            for number, payload in enumerate(hostile)
        ]
        await asyncio.gather(*asked, *harmed)
    return percentile(waits, 0.99)


async def serve(kind: str) -> None:
    """Stand until this process is killed; the hostile take no time that others need."""
    async with AsyncExitStack() as stack:
        if kind == "healthy":
            servers = [await stack.enter_async_context(serving(ok)) for _ in range(HEALTHY)]
            payloads = [http(server.url) for server in servers]
        else:
            os.nice(19)
            places = [(one, await stack.enter_async_context(standing(one))) for one in ALL]
            payloads = [http(place.url, timeout=LIMIT, **one.plan) for one, place in places]
        print(json.dumps(payloads), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
