"""Time limits that share one timer behave as ``asyncio.timeout`` does."""

from __future__ import annotations

import asyncio
import time

import pytest

from rez_agent.actions.deadlines import Deadlines
from tests.actions.support import run


def test_a_limit_strikes_once_its_time_is_up_and_never_early() -> None:
    async def scenario() -> None:
        deadlines = Deadlines(time.monotonic)
        begun = time.monotonic()
        with pytest.raises(TimeoutError), deadlines.within(0.2):
            await asyncio.Event().wait()
        assert 0.2 <= time.monotonic() - begun < 10
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(scenario())


def test_a_block_that_ends_in_time_is_left_alone() -> None:
    async def scenario() -> None:
        deadlines = Deadlines(time.monotonic)
        with deadlines.within(0.05):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError), deadlines.within(0.1):  # by then the first would have struck, too
            await asyncio.Event().wait()
        with pytest.raises(ValueError, match="own"), deadlines.within(5):
            raise ValueError("its own")

    run(scenario())


def test_the_inner_of_two_limits_strikes_alone() -> None:
    async def scenario() -> None:
        deadlines = Deadlines(time.monotonic)
        with deadlines.within(5):
            with pytest.raises(TimeoutError), deadlines.within(0.05):
                await asyncio.Event().wait()
            await asyncio.sleep(0)

    run(scenario())


def test_a_cancellation_from_outside_is_not_taken_for_a_limit() -> None:
    async def scenario() -> None:
        now = 0.0
        deadlines = Deadlines(lambda: now)

        async def limited() -> None:
            with deadlines.within(1):
                await asyncio.Event().wait()

        task = asyncio.create_task(limited())
        await asyncio.sleep(0)
        task.cancel()
        now = 2.0  # both at the same time
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())


def test_thousands_of_limits_are_kept() -> None:
    async def scenario() -> None:
        deadlines = Deadlines(time.monotonic)

        async def limited(seconds: float) -> bool:
            try:
                with deadlines.within(seconds):
                    await asyncio.Event().wait()
            except TimeoutError:
                return True
            return False

        begun = time.monotonic()
        assert all(await asyncio.gather(*(limited(0.1 + n % 10 / 50) for n in range(5_000))))
        assert time.monotonic() - begun < 2

    run(scenario())
