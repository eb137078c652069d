"""Every clock change of every zone, 2020 to 2037, against an enumeration of wall times.

A sample of the zones runs each time; ``REZ_NIGHTLY=1`` runs them all. The oracle walks the wall clock, not
UTC: each naive minute is taken to UTC by zoneinfo (first pass) and back; one that does not come back to
itself lies in a gap. So it shares neither data structure nor direction with the program's segments.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rez_agent.domain.expression import Occurrences, parse
from rez_agent.domain.zones import zone, zone_names
from tests.domain.oracle import Matcher
from tests.domain.strategies import LIVELY_ZONES

NIGHTLY = os.environ.get("REZ_NIGHTLY") == "1"
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

EXPRESSIONS = (
    "cron(* * * * ? *)",
    "cron(30 2 * * ? *)",
    "cron(0/20 0-3 * * ? *)",
    "cron(0 0 * * ? *)",
    "cron(59 1,23 ? * SUN *)",
    "cron(15 1 LW * ? *)",
)


def zones_to_check() -> list[str]:
    if NIGHTLY:
        return sorted(zone_names())
    drawn = random.Random(20).sample(sorted(zone_names()), 25)
    return sorted({*drawn, *LIVELY_ZONES})


def changes_by_probing(info: ZoneInfo) -> list[datetime]:
    """The hours, by a probe each, in which the zone's offset changes."""
    found: list[datetime] = []
    hour, offset = FIRST, FIRST.astimezone(info).utcoffset()
    while hour < LAST:
        hour += HOUR
        if (now := hour.astimezone(info).utcoffset()) != offset:
            found.append(hour)
            offset = now
    return found


def walk(info: ZoneInfo, low: datetime, high: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Each wall minute from ``low`` to ``high`` that the clock shows, with the instant of its first pass."""
    wall = low
    while wall < high:
        instant = wall.replace(tzinfo=info, fold=0).astimezone(UTC)
        if instant.astimezone(info).replace(tzinfo=None, fold=0) == wall:
            yield wall, instant
        wall += MINUTE


@pytest.mark.parametrize("name", zones_to_check())
def test_around_every_change_of_the_clock_each_wall_time_is_due_once(name: str) -> None:
    info = zone(name).info
    matchers = [(Occurrences(parse(text, name)), Matcher(text)) for text in EXPRESSIONS]
    for change in changes_by_probing(info):
        middle = change.astimezone(info).replace(tzinfo=None)
        shown = list(walk(info, middle - 5 * HOUR, middle + 5 * HOUR))
        after, until = shown[0][1] - MINUTE, shown[-1][1]
        for occurrences, matches in matchers:
            expected = sorted(instant for wall, instant in shown if matches(wall))
            assert occurrences.between(after, until, limit=2000) == expected
            assert occurrences.count_between(after, until) == len(expected)
            if expected:
                assert occurrences.previous_before(until + MINUTE) == expected[-1]


@pytest.mark.parametrize("name", zones_to_check())
def test_the_changes_found_are_those_that_a_probe_an_hour_finds(name: str) -> None:
    changes = zone(name).changes(int(FIRST.timestamp()), int(LAST.timestamp()))
    found = [datetime.fromtimestamp(change.instant, UTC) for change in changes]
    probed = changes_by_probing(zone(name).info)
    assert len(found) == len(probed)
    assert all(hour - HOUR < exact <= hour for exact, hour in zip(found, probed, strict=True))
