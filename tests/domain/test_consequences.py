"""What an edit gains, loses and keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.changes import Difference
from rez_agent.domain.consequences import (
    COMPARED_AT_MOST,
    Consequences,
    Fate,
    consequences,
)
from rez_agent.domain.errors import Invalid
from rez_agent.domain.schedule import Schedule, ScheduleDefinition
from tests.domain.strategies import LIVELY_ZONES, often
from tests.fakes import NOON
from tests.rig import definition_of, schedule_of


def edited(schedule: Schedule, **changes: Any) -> Consequences:
    """What the changes come to at noon."""
    document = schedule.definition.model_dump(mode="json") | changes
    return consequences(schedule, ScheduleDefinition.model_validate(document), NOON)


def times(found: Consequences, fate: Fate) -> list[str]:
    return [f"{one.at:%d %H:%M}" for one in found.coming if one.fate is fate]


def test_an_hour_later_every_day_gains_and_loses_one_each_day() -> None:
    found = edited(
        schedule_of(schedule_expression="cron(0 9 * * ? *)"), schedule_expression="cron(0 10 * * ? *)"
    )
    assert times(found, Fate.LOST)[:2] == ["02 09:00", "03 09:00"]
    assert times(found, Fate.GAINED)[:2] == ["02 10:00", "03 10:00"]
    assert found.count(Fate.KEPT) == 0
    assert found.changes == (Difference("/schedule_expression", "cron(0 9 * * ? *)", "cron(0 10 * * ? *)"),)


def test_weekdays_of_every_day_lose_the_weekends() -> None:
    found = edited(
        schedule_of(schedule_expression="cron(0 9 * * ? *)"), schedule_expression="cron(0 9 ? * MON-FRI *)"
    )
    assert times(found, Fate.LOST)[:3] == ["06 09:00", "07 09:00", "13 09:00"]
    assert found.count(Fate.GAINED) == 0


def test_a_rate_keeps_the_grid_of_its_creation() -> None:
    schedule = schedule_of(schedule_expression="rate(2 hours)", now=NOON - timedelta(minutes=30))
    found = edited(schedule, schedule_expression="rate(1 hour)")
    assert times(found, Fate.GAINED)[:2] == ["01 12:30", "01 14:30"]
    assert times(found, Fate.KEPT)[:2] == ["01 13:30", "01 15:30"]
    assert found.count(Fate.LOST) == 0


def test_another_zone_moves_the_wall_clock() -> None:
    found = edited(schedule_of(schedule_expression="cron(0 9 * * ? *)"), timezone="Europe/Paris")
    assert times(found, Fate.GAINED)[0] == "02 07:00"
    assert times(found, Fate.LOST)[0] == "02 09:00"


def test_what_does_not_touch_the_times_keeps_them_all() -> None:
    found = edited(schedule_of(), description="new", tags=["a"])
    assert found.count(Fate.KEPT) == len(found.coming) == COMPARED_AT_MOST
    assert [change.path for change in found.changes] == ["/description", "/tags"]


def test_more_than_are_compared_are_cut_where_both_sides_are_known() -> None:
    found = edited(schedule_of(schedule_expression="cron(0 0 * * ? *)"), schedule_expression="rate(1 minute)")
    assert found.cut
    assert found.until == NOON + timedelta(minutes=COMPARED_AT_MOST)
    assert found.count(Fate.LOST) == 0  # midnight lies beyond


def test_what_lies_within_the_horizon_is_compared_whole() -> None:
    found = edited(
        schedule_of(schedule_expression="cron(0 0 1 * ? *)"), schedule_expression="cron(0 0 L * ? *)"
    )
    assert not found.cut
    assert found.until == NOON + timedelta(days=90)
    assert times(found, Fate.LOST) == ["01 00:00", "01 00:00"]
    assert times(found, Fate.GAINED) == ["30 00:00", "31 00:00"]


def test_a_definition_that_can_not_be_read_is_refused() -> None:
    schedule = schedule_of()
    with pytest.raises(Invalid):
        edited(schedule, schedule_expression="cron(nonsense)")


def test_all_is_gained_where_the_definition_before_can_not_be_read_any_more() -> None:
    spoilt = ScheduleDefinition.model_validate(definition_of(timezone="Mars/Olympus"))
    found = consequences(
        Schedule("sch_1", spoilt, "ann", NOON, NOON), ScheduleDefinition.model_validate(definition_of()), NOON
    )
    assert found.unread
    assert {one.fate for one in found.coming} == {Fate.GAINED}


@given(before=often, after=often, zone=st.sampled_from(LIVELY_ZONES))
def test_gained_lost_and_kept_are_the_two_sides(before: str, after: str, zone: str) -> None:
    schedule = schedule_of(schedule_expression=before, timezone=zone)
    changed = ScheduleDefinition.model_validate(definition_of(schedule_expression=after, timezone=zone))
    found = consequences(schedule, changed, NOON)
    updated = schedule.updated(changed, NOON, target="")
    for side, gone in ((schedule.occurrences, Fate.GAINED), (updated.occurrences, Fate.LOST)):
        expected = side.between(NOON, found.until, 10_000)
        assert [one.at for one in found.coming if one.fate is not gone] == expected
    kept = [one.at for one in found.coming if one.fate is not Fate.LOST]
    assert not kept or updated.next_run == kept[0]
