"""Instants and their spellings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.instants import (
    compact,
    floor_second,
    from_ms,
    from_seconds,
    rfc3339,
    to_ms,
    to_seconds,
    to_utc,
)

AUCKLAND = timezone(timedelta(hours=13))
instants = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.integers(0, 7_258_118_400_000))
def test_milliseconds_survive_the_way_there_and_back(milliseconds: int) -> None:
    assert to_ms(from_ms(milliseconds)) == milliseconds


@given(instants)
def test_a_stored_instant_is_never_later_than_it_was(instant: datetime) -> None:
    lost = instant - from_ms(to_ms(instant))
    assert timedelta(0) <= lost < timedelta(milliseconds=1)
    assert from_seconds(to_seconds(instant)) == floor_second(instant)


@given(instants)
def test_rfc_3339_is_read_back_as_the_same_millisecond(instant: datetime) -> None:
    assert to_ms(datetime.fromisoformat(rfc3339(instant))) == to_ms(instant)


@given(st.tuples(instants, instants))
def test_the_compact_spelling_sorts_as_time_does(pair: tuple[datetime, datetime]) -> None:
    first, second = map(floor_second, pair)
    assert (compact(first) < compact(second)) == (first < second)


def test_every_spelling_is_in_utc() -> None:
    local = datetime(2026, 3, 8, 7, 30, tzinfo=AUCKLAND)
    assert rfc3339(local) == "2026-03-07T18:30:00Z"
    assert compact(local) == "20260307T183000Z"
    assert to_utc(local).utcoffset() == timedelta(0)


def test_milliseconds_are_written_only_where_there_are_any() -> None:
    assert rfc3339(datetime(2026, 3, 8, 7, 30, 0, 5_000, tzinfo=UTC)) == "2026-03-08T07:30:00.005Z"


def test_an_instant_without_a_zone_has_no_meaning() -> None:
    naive = datetime(2026, 3, 8)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        to_utc(naive)
    with pytest.raises(TypeError):
        to_ms(naive)
