"""The token bucket: a burst, then no more than the rate."""

from __future__ import annotations

from rez_agent.aws.bucket import TokenBucket
from tests.fakes import FakeClock


def test_a_second_s_worth_goes_through_at_once_and_then_no_more_than_the_rate() -> None:
    clock = FakeClock()
    bucket = TokenBucket(10, monotonic=clock.monotonic)
    assert [bucket.take() for _ in range(12)] == [True] * 10 + [False] * 2
    clock.advance(seconds=0.2)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.advance(seconds=60)
    assert [bucket.take() for _ in range(11)] == [True] * 10 + [False]


def test_whoever_is_patient_waits_for_a_turn_and_nobody_waits_longer() -> None:
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.advance(seconds=seconds)

    bucket = TokenBucket(10, monotonic=clock.monotonic, sleep=sleep)
    began = clock.monotonic()
    taken = [bucket.take(0.15) for _ in range(15)]
    assert taken == [True] * 15
    assert round(clock.monotonic() - began, 6) == 0.5


def test_who_waits_keeps_his_place_before_those_who_come_after() -> None:
    clock = FakeClock()
    waits: list[float] = []
    bucket = TokenBucket(1, monotonic=clock.monotonic, sleep=waits.append)
    assert [bucket.take(5) for _ in range(4)] == [True] * 4
    assert waits == [1.0, 2.0, 3.0]
    assert not bucket.take(3)
