"""The contract of Random, for the real one and the fake."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from rez_agent.clock import SystemRandom
from rez_agent.ports import Random
from tests.fakes import NOON, FakeRandom

randoms = pytest.mark.parametrize("random", [SystemRandom(), FakeRandom()], ids=["system", "fake"])


@randoms
def test_a_draw_lies_in_zero_to_one_and_the_draws_are_spread(random: Random) -> None:
    draws = [random.draw() for _ in range(2_000)]
    assert all(0 <= draw < 1 for draw in draws)
    assert 0.4 < sum(draws) / len(draws) < 0.6


@randoms
def test_an_id_has_its_prefix_and_26_plain_characters(random: Random) -> None:
    assert re.fullmatch("sch_[0-9a-z]{26}", random.new_id("sch", NOON))


@randoms
def test_no_id_is_drawn_twice(random: Random) -> None:
    assert len({random.new_id("msg", NOON) for _ in range(5_000)}) == 5_000


@randoms
def test_ids_sort_by_their_moment_to_the_millisecond(random: Random) -> None:
    moments = [NOON + timedelta(milliseconds=number) for number in (0, 1, 2, 40, 1_000, 10**9, 10**12)]
    ids = [random.new_id("exe", moment) for moment in moments]
    assert ids == sorted(ids)
