"""Segments of constant offset, and the names of zones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rez_agent.domain.zones import Change, Zone, suggest_zone, zone, zone_names


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_a_zone_is_found_once_and_shared() -> None:
    assert zone("Europe/Berlin") is zone("Europe/Berlin")


@pytest.mark.parametrize(
    "name", ["europe/berlin", "Mars/Phobos", "", "../UTC", "Factory", "zone.tab", "UTC\0"]
)
def test_what_iana_does_not_list_is_not_a_zone(name: str) -> None:
    with pytest.raises(KeyError):
        zone(name)


def test_every_listed_zone_has_its_data() -> None:
    assert len(zone_names()) > 590
    for name in zone_names():
        assert zone(name).segment_at(epoch("2026-06-01T00:00:00Z")).offset % 900 == 0


def test_a_segment_ends_where_the_clock_changes() -> None:
    new_york = zone("America/New_York")
    spring = epoch("2026-03-08T07:00:00Z")
    assert new_york.segment_at(spring - 1).hi == spring
    assert new_york.segment_at(spring - 1).offset == -5 * 3600
    assert new_york.segment_at(spring).offset == -4 * 3600


def test_after_an_autumn_change_the_floor_stands_at_the_highest_wall_time_yet_seen() -> None:
    segment = zone("America/New_York").segment_at(epoch("2026-11-01T06:00:00Z"))
    assert segment.floor - (segment.lo + segment.offset) == 3600


def test_after_a_spring_change_the_floor_is_the_wall_time_itself() -> None:
    segment = zone("America/New_York").segment_at(epoch("2026-03-08T07:00:00Z"))
    assert segment.floor == segment.lo + segment.offset


@pytest.mark.parametrize(
    "name", ["UTC", "America/New_York", "Africa/Casablanca", "Pacific/Apia", "Asia/Gaza"]
)
def test_segments_tile_time_without_gap_or_overlap(name: str) -> None:
    where, at = zone(name), epoch("1969-12-30T00:00:00Z")
    while at < epoch("2199-12-31T00:00:00Z"):
        segment = where.segment_at(at)
        assert segment.lo <= at < segment.hi
        assert segment.floor >= segment.lo + segment.offset
        at = segment.hi


def test_the_order_of_asking_changes_no_segment() -> None:
    forwards, backwards = fresh("Europe/London"), fresh("Europe/London")
    instants = range(epoch("2020-01-01T00:00:00Z"), epoch("2026-01-01T00:00:00Z"), 1_000_003)
    assert [forwards.segment_at(at) for at in instants] == [
        backwards.segment_at(at) for at in reversed(instants)
    ][::-1]


def fresh(name: str) -> Zone:
    return Zone(name, zone(name).info)


def test_the_changes_of_a_year_are_two_in_new_york() -> None:
    changes = list(
        zone("America/New_York").changes(epoch("2026-01-01T00:00:00Z"), epoch("2027-01-01T00:00:00Z"))
    )
    assert changes == [
        Change(epoch("2026-03-08T07:00:00Z"), -18_000, -14_400),
        Change(epoch("2026-11-01T06:00:00Z"), -14_400, -18_000),
    ]


def test_an_offset_may_have_seconds() -> None:
    assert zone("Africa/Monrovia").segment_at(epoch("1971-01-01T00:00:00Z")).offset == -(44 * 60 + 30)


@pytest.mark.parametrize(
    ("zone_name", "wall", "instant"),
    [
        ("America/New_York", "2026-03-08T02:30:00", "2026-03-08T07:30:00Z"),
        ("America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"),
        ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"),
        ("Antarctica/Troll", "2026-03-29T01:30:00", "2026-03-29T01:30:00Z"),
    ],
)
def test_a_wall_time_resolves_to_its_first_pass_or_past_the_gap(
    zone_name: str, wall: str, instant: str
) -> None:
    assert zone(zone_name).resolve(datetime.fromisoformat(wall)) == epoch(instant)


def test_the_wall_time_of_an_instant_is_naive_and_local() -> None:
    instant = int(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp())
    assert zone("Asia/Kathmandu").wall_of(instant) == datetime(2026, 7, 1, 17, 45)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("America/NewYork", "America/New_York"),
        ("US/New_York", "America/New_York"),
        ("PST", "America/Los_Angeles"),
        ("CEST", "Europe/Paris"),
        ("utc", "UTC"),
        ("Z", "UTC"),
        ("UTC+2", "Etc/GMT-2"),
        ("GMT-05:00", "Etc/GMT+5"),
    ],
)
def test_an_unknown_name_gets_the_nearest_zone(written: str, meant: str) -> None:
    assert f"did you mean `{meant}`?" in suggest_zone(written)


def test_a_name_like_nothing_gets_an_example() -> None:
    assert "write an IANA name" in suggest_zone("Mars/Phobos")
    assert "missing" in suggest_zone("")
    assert "at most 50 characters" in suggest_zone("x" * 51)
