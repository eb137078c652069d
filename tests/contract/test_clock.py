"""The contract of Clock, for the real one and the fake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rez_agent.clock import SystemClock
from rez_agent.ports import Clock
from tests.fakes import FakeClock

clocks = pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])


@clocks
def test_the_wall_clock_is_aware_and_in_utc(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)


@clocks
def test_monotonic_seconds_never_run_back(clock: Clock) -> None:
    read = [clock.monotonic() for _ in range(1_000)]
    assert read == sorted(read)


def test_a_step_of_the_fake_wall_clock_leaves_its_monotonic_one() -> None:
    clock = FakeClock()
    wall, monotonic = clock.now(), clock.monotonic()
    clock.step(hours=-1)
    assert (clock.now(), clock.monotonic()) == (wall - timedelta(hours=1), monotonic)
    clock.advance(seconds=5)
    assert clock.monotonic() == monotonic + 5
