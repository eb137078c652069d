"""Time and chance, as the machine gives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rez_agent.clock import SystemClock, encoded

MOST_CHANCE = 2**80 - 1


def test_the_wall_clock_is_the_machines() -> None:
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(seconds=5)


@given(st.integers(0, 2**48 - 2), st.integers(0, MOST_CHANCE), st.integers(0, MOST_CHANCE))
def test_ids_of_two_milliseconds_sort_as_they_do_whatever_chance_says(
    moment: int, one: int, two: int
) -> None:
    assert encoded(moment, one) < encoded(moment + 1, two)


@given(st.integers(0, 2**48 - 1), st.integers(0, MOST_CHANCE))
def test_an_id_has_26_characters_and_holds_all_of_its_parts(moment: int, chance: int) -> None:
    text = encoded(moment, chance)
    assert len(text) == 26
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    number = 0
    for character in text:
        number = number * 32 + digits.index(character)
    assert divmod(number, 2**80) == (moment, chance)
