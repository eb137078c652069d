"""Servers that mean harm or are merely broken: every attempt ends in time, and in little memory."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
from collections.abc import Awaitable, Callable

import pytest

from rez_agent.domain.action import RESPONSE_KEPT, Outcome
from tests.actions.support import acting, http, raw, run, work

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\n"


async def forever() -> None:
    await asyncio.Event().wait()


def writes(data: bytes, *, then_hang: bool = False) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if then_hang:
            await forever()

    return behave


def repeats(first: bytes, data: bytes, pause: float = 0.0) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


BOMB = gzip.compress(b"\0" * 200_000_000, 9)
GZIP = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"

TIMES_OUT: dict[str, Behaviour] = {
    "hangs at once": writes(b"", then_hang=True),
    "hangs in the status line": writes(b"HTTP/1.1 20", then_hang=True),
    "hangs in the headers": writes(HEAD + b"X-A: 1\r\nX-B", then_hang=True),
    "hangs before the body": writes(HEAD + b"Content-Length: 10\r\n\r\n", then_hang=True),
    "hangs in the body": writes(HEAD + b"Content-Length: 10\r\n\r\nabc", then_hang=True),
    "hangs in a chunk": writes(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", then_hang=True),
    "drips headers": repeats(HEAD, b"X-A: 1\r\n", 0.05),
    "drips a body": repeats(HEAD + b"Content-Length: 100000\r\n\r\n", b"a", 0.05),
    "says continue for ever": repeats(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
    "says early hints for ever": repeats(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0.0),
}
BREAKS: dict[str, Behaviour] = {
    "closes at once": writes(b""),
    "promises more than it sends": writes(HEAD + b"Content-Length: 100\r\n\r\nabc"),
    "closes in a chunk": writes(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
    "sends a huge header": writes(HEAD + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    "sends a thousand headers": writes(HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\n"),
    "sends a huge status line": writes(b"HTTP/1.1 200 " + b"a" * 1_000_000 + b"\r\n\r\n"),
    "sends two lengths": writes(HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"),
    "sends a negative length": writes(HEAD + b"Content-Length: -5\r\n\r\nabc"),
    "does not speak HTTP": writes(b"220 mail.example.org ESMTP\r\n"),
    "sends bad gzip": writes(GZIP % 9 + b"not gzip!"),
}
PASSES: dict[str, Behaviour] = {
    "never ends": repeats(HEAD + b"Content-Type: text/plain\r\n\r\n", b"a" * 65_536),
    "never ends in chunks": repeats(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"a" * 4096 + b"\r\n"
    ),
    "sends a gzip bomb": writes(GZIP % len(BOMB) + BOMB, then_hang=True),
}


async def attempt(behaviour: Behaviour, timeout: float) -> tuple[Outcome, float]:
    async with raw(behaviour) as server, acting(server.host) as actions:
        begun = time.monotonic()
        outcome = await actions.run(work(http(server.url, timeout=timeout)))
        return outcome, time.monotonic() - begun


def test_a_server_that_does_not_finish_is_given_up_in_time() -> None:
    async def scenario() -> None:
        found = await asyncio.gather(*(attempt(behaviour, 1) for behaviour in TIMES_OUT.values()))
        for name, (outcome, seconds) in zip(TIMES_OUT, found, strict=True):
            assert (outcome.code, outcome.permanent) == ("timeout", False), (name, outcome)
            assert 1 <= seconds <= 2, name

    run(scenario())


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_answer_is_a_failure_that_is_tried_again(name: str) -> None:
    async def scenario() -> None:
        outcome, seconds = await attempt(BREAKS[name], 5)
        assert not outcome.ok
        assert outcome.code in ("reset", "bad_response"), outcome
        assert not outcome.permanent
        assert seconds < 2

    run(scenario())


@pytest.mark.parametrize("name", PASSES)
def test_an_endless_answer_is_cut_off_in_little_memory(name: str) -> None:
    async def scenario() -> None:
        tracemalloc.start()
        try:
            outcome, seconds = await attempt(PASSES[name], 10)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert outcome.ok, outcome
        assert outcome.response_truncated
        assert outcome.response is not None
        assert len(outcome.response.encode()) <= RESPONSE_KEPT
        assert seconds < 5
        assert peak < 16 * 1024 * 1024, peak

    run(scenario())


def test_a_hanging_server_delays_no_other() -> None:
    async def scenario() -> None:
        quick = writes(HEAD + b"Content-Length: 2\r\n\r\nok")
        async with (
            raw(writes(b"", then_hang=True)) as slow,
            raw(quick) as good,
            acting("127.0.0.1") as actions,
        ):
            hanging = [asyncio.create_task(actions.run(work(http(slow.url, timeout=2)))) for _ in range(200)]
            for _ in range(50):
                assert (await actions.run(work(http(good.url)))).ok
            assert not any(task.done() for task in hanging)
            outcomes = await asyncio.gather(*hanging)
            assert {outcome.code for outcome in outcomes} == {"timeout"}

    run(scenario())
