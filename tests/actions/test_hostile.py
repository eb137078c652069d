"""Servers that mean harm or are merely broken: every attempt ends in time and in little memory, harms no
other, and says what was wrong."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any

import pytest
import uvloop
from aiohttp.abc import AbstractResolver, ResolveResult

from rez_agent.actions.addresses import AllowList
from rez_agent.actions.deadlines import Deadlines
from rez_agent.actions.exchange import Response
from rez_agent.actions.guarded_http import GuardedHttp
from rez_agent.actions.http import HttpAction
from rez_agent.actions.request import HttpRequest
from rez_agent.actions.sender import Sender
from rez_agent.domain.action import RESPONSE_KEPT, Outcome, Work
from tests.actions.hostile import (
    BREAKS,
    CHARSETS,
    FLOODS,
    HANGS,
    MANY,
    Hostile,
    Place,
    all_standing,
    standing,
)
from tests.actions.support import (
    NOW,
    MemorySecrets,
    Names,
    acting,
    down_to,
    http,
    ok,
    run,
    serving,
    sockets,
    work,
)

BEGUN, LIMIT = 1_000.0, 30.0
MEMORY = 16 * 1_048_576
Run = Callable[[Work], Coroutine[Any, Any, Outcome]]


class Hands:
    """A clock that is moved by hand, and knows how often it was looked at."""

    def __init__(self) -> None:
        self.now = BEGUN
        self._looks = 0
        self._looked = asyncio.Event()

    def __call__(self) -> float:
        self._looks += 1
        self._looked.set()
        return self.now

    async def looked_at(self, times: int) -> None:
        """Until it was looked at so often again."""
        until = self._looks + times
        while self._looks < until:
            self._looked.clear()
            await self._looked.wait()


class SomeNames(Names):
    """Names of which one takes until ``given_up``."""

    def __init__(self) -> None:
        super().__init__({"hang.test": ()})
        self.given_up = asyncio.Event()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if host.startswith("hang"):
            await self.given_up.wait()
        return await super().resolve(host, port, family)


def on_both_loops(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On Python's own event loop and on that of the server."""
    run(scenario())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario(), 60))


def payload(hostile: Hostile, place: Place) -> dict[str, Any]:
    return http(place.url, timeout=LIMIT, **hostile.plan)


async def all_left(places: Iterable[Place]) -> None:
    """Every server has seen its connections end."""
    while not all(place.left() for place in places):
        await asyncio.sleep(0.01)


@asynccontextmanager
async def deaf_port() -> AsyncIterator[str]:
    """An address at which connections are neither taken nor refused: the queue of its listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        async with AsyncExitStack() as stack:
            for _ in range(4):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def healthy_ones(run: Run, number: int = 20, times: int = 5) -> None:
    """Requests to healthy targets, each of which must do."""
    async with AsyncExitStack() as stack:
        targets = [await stack.enter_async_context(serving(ok)) for _ in range(number)]
        for _ in range(times):
            outcomes = await asyncio.gather(*(run(work(http(target.url))) for target in targets))
            assert all(outcome.ok for outcome in outcomes), outcomes


async def all_given_up_in_time(run: Run, clock: Hands, names: SomeNames, patience: float = 30.0) -> None:
    """Every attempt at a target that does not finish ends once its time is up, never before and not a second
    later, and meanwhile 20 healthy targets are served."""
    before = asyncio.all_tasks()
    async with all_standing(HANGS) as found, deaf_port() as deaf:
        asked = [payload(*one) for one in found]
        asked += [http(url, timeout=LIMIT) for url in (deaf, "http://hang.test/")]
        attempts = [asyncio.create_task(run(work(one))) for one in asked]
        await asyncio.wait_for(asyncio.gather(*(place.met.wait() for _, place in found)), patience)
        await asyncio.wait_for(healthy_ones(run), patience)
        clock.now = BEGUN + LIMIT - 0.001
        if patience > 1:
            await clock.looked_at(3)
        assert not any(attempt.done() for attempt in attempts)
        clock.now = BEGUN + LIMIT
        _, unfinished = await asyncio.wait(attempts, timeout=patience)
        for attempt in unfinished:
            attempt.cancel()
        assert not unfinished
        for (hostile, _), attempt in zip(found, attempts, strict=False):
            told(hostile, attempt.result())
        assert {attempt.result().code for attempt in attempts} == {"timeout"}
        await asyncio.wait_for(all_left(place for _, place in found), 30)
    names.given_up.set()
    await nothing_goes_on_but(before)


async def nothing_goes_on_but(before: set[asyncio.Task[Any]]) -> None:
    """Until no other work is under way."""
    while asyncio.all_tasks() - before:
        await asyncio.sleep(0.01)


def told(hostile: Hostile, outcome: Outcome) -> None:
    """The outcome says what it should, in words that can be stored."""
    known = (hostile.name, outcome)
    assert (outcome.code, outcome.permanent) == (hostile.code, hostile.permanent), known
    assert outcome.ok is (hostile.code == "ok"), known
    assert hostile.says in (outcome.error or ""), known
    assert len((outcome.error or "").encode()) < 1_000, known
    assert len((outcome.response or "").encode()) <= RESPONSE_KEPT, known


def test_there_are_at_least_twenty_of_each_kind_in_all() -> None:
    names = [hostile.name for hostile in (*HANGS, *BREAKS, *FLOODS, *CHARSETS)]
    assert len(set(names)) == len(names) >= 60


def test_a_target_that_does_not_finish_is_given_up_in_time_and_harms_no_other() -> None:
    async def scenario() -> None:
        held = sockets()
        clock, names = Hands(), SomeNames()
        async with acting("127.0.0.1", "hang.test", resolver=names, monotonic=clock) as actions:
            await all_given_up_in_time(actions.run, clock, names)
        assert await down_to(held)

    on_both_loops(scenario)


@pytest.mark.parametrize("hostile", BREAKS, ids=lambda hostile: hostile.name)
def test_a_broken_answer_is_a_failure_that_is_told(hostile: Hostile) -> None:
    async def scenario() -> None:
        clock = Hands()  # which stands still: whatever ends, ends by itself
        async with standing(hostile) as place, acting("127.0.0.1", monotonic=clock) as actions:
            told(hostile, await actions.run(work(payload(hostile, place))))
            await all_left([place])
            assert place.sent[0] < MANY
            await healthy_ones(actions.run, 1, 1)

    on_both_loops(scenario)


def test_a_broken_answer_costs_no_socket() -> None:
    async def scenario() -> None:
        async with acting("127.0.0.1", monotonic=Hands()) as actions, all_standing(BREAKS) as found:
            before, held = asyncio.all_tasks(), sockets()
            await asyncio.gather(*(actions.run(work(payload(*one))) for one in found))
            await all_left(place for _, place in found)
            assert await down_to(held)
            await nothing_goes_on_but(before)

    on_both_loops(scenario)


async def cut_off_in_little_memory(hostile: Hostile, place: Place, run: Run) -> None:
    """What never ends is cut off; what is kept is little, on the way too."""
    tracemalloc.start()
    try:
        outcome = await run(work(payload(hostile, place)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    told(hostile, outcome)
    assert outcome.response_truncated
    assert peak < MEMORY, peak


@pytest.mark.parametrize("hostile", FLOODS, ids=lambda hostile: hostile.name)
def test_an_endless_answer_is_cut_off_in_little_memory(hostile: Hostile) -> None:
    async def scenario() -> None:
        async with standing(hostile) as place, acting("127.0.0.1", monotonic=Hands()) as actions:
            await cut_off_in_little_memory(hostile, place, actions.run)
            await all_left([place])
            assert place.sent[0] < MANY

    on_both_loops(scenario)


@pytest.mark.parametrize(
    "name", ["sends tiny chunks", "sends empty gzip members", "sends blank lines for ever"]
)
def test_a_flood_that_is_hard_to_parse_lets_others_have_their_turn(name: str) -> None:
    async def scenario() -> None:
        (hostile,) = (one for one in (*FLOODS, *BREAKS) if one.name == name)
        async with standing(hostile) as place, acting("127.0.0.1", monotonic=Hands()) as actions:
            attempt = asyncio.create_task(actions.run(work(payload(hostile, place))))
            await place.met.wait()
            turns = 0
            while not attempt.done():
                turns += 1
                await asyncio.sleep(0)
            assert turns > 25, turns

    on_both_loops(scenario)


@pytest.mark.parametrize("hostile", CHARSETS, ids=lambda hostile: hostile.name)
def test_a_text_that_is_none_is_kept_as_one_that_can_be_stored(hostile: Hostile) -> None:
    async def scenario() -> None:
        async with standing(hostile) as place, acting("127.0.0.1") as actions:
            outcome = await actions.run(work(payload(hostile, place)))
            told(hostile, outcome)
            assert (outcome.response or "").endswith("\ufffd")

    run(scenario())


# --- what the tests above can find: faults, planted ---


@asynccontextmanager
async def planted(
    sender: type[Sender], clock: Callable[[], float], resolver: AbstractResolver | None = None
) -> AsyncIterator[Run]:
    """The web action with a faulty sender."""
    allowed = AllowList(["127.0.0.1", "hang.test"])
    guard = GuardedHttp(allowed, monotonic=clock, resolver=resolver or SomeNames())
    faulty = sender(guard, MemorySecrets(), now=lambda: NOW, monotonic=clock)
    await guard.start()
    try:
        yield HttpAction(faulty, allowed).run
    finally:
        await faulty.close()
        await guard.close()


class Deadless(Deadlines):
    """Limits that never strike."""

    def within(self, seconds: float) -> Any:
        return nullcontext()


class LimitsEachRead(Sender):
    """Gives each piece of an answer the whole time anew."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._deadlines = Deadless(self._monotonic)

    async def _outcome(self, request: HttpRequest, response: Response, trip: Any) -> Outcome:
        while not response.content.at_eof():
            async with asyncio.timeout(0.5):
                await response.content.readany()
        return Outcome(ok=True)


class ReadsAll(Sender):
    """Reads a body to its end."""

    async def _outcome(self, request: HttpRequest, response: Response, trip: Any) -> Outcome:
        text = (await response.content.read()).decode()
        return Outcome(ok=True, response=text[:RESPONSE_KEPT], response_truncated=True)


class OneByOne(Sender):
    """Makes one attempt after the other."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._turn = asyncio.Lock()

    async def perform(self, request: HttpRequest, work: Work) -> Outcome:
        async with self._turn:
            return await super().perform(request, work)


def test_a_limit_for_each_read_alone_would_be_found() -> None:
    async def scenario() -> None:
        clock = Hands()
        async with planted(LimitsEachRead, clock) as faulty:
            with pytest.raises(AssertionError):
                await all_given_up_in_time(faulty, clock, SomeNames(), patience=1)

    run(scenario())


def test_attempts_that_wait_for_each_other_would_be_found() -> None:
    async def scenario() -> None:
        clock = Hands()
        async with planted(OneByOne, clock) as faulty:
            with pytest.raises(TimeoutError):
                await all_given_up_in_time(faulty, clock, SomeNames(), patience=1)

    run(scenario())


def test_a_body_without_a_cap_would_be_found() -> None:
    async def scenario() -> None:
        (bomb,) = (hostile for hostile in FLOODS if "gzip bomb" in hostile.name)
        async with planted(ReadsAll, Hands()) as faulty, standing(bomb) as place:
            with pytest.raises(AssertionError):
                await cut_off_in_little_memory(bomb, place, faulty)

    run(scenario())
