"""What an edit would come to, on a local host that the test moves by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.calendar_definition import NOTHING_FOUND, CalendarDefinition
from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.consequences import Fate
from rez_agent.domain.errors import Invalid, NotFound, RevisionConflict
from rez_agent.usecases.calendars import create_calendar
from rez_agent.usecases.editing import Edit, edit
from tests.rig import ANN, BOB, Rig, definition_of


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def ask(rig: Rig, schedule_id: str, caller: Any = ANN, **request: Any) -> Edit:
    read = ScheduleCreationRequest.model_validate({"action": "update", "schedule_id": schedule_id, **request})
    return edit(rig.ports, caller, read)


def test_a_patch_and_a_whole_definition_come_to_the_same(rig: Rig) -> None:
    schedule = rig.create(schedule_expression="cron(0 9 * * ? *)")
    by_patch = ask(rig, schedule.id, patch={"schedule_expression": "cron(0 10 * * ? *)"})
    whole = definition_of(schedule_expression="cron(0 10 * * ? *)")
    assert by_patch == ask(rig, schedule.id, schedule=whole)
    assert [(due.local.hour, fate) for due, fate in by_patch.coming()][:2] == [
        (9, Fate.LOST),
        (10, Fate.GAINED),
    ]
    assert rig.schedule(schedule.id) == schedule


def test_each_occurrence_is_shown_in_the_zone_that_it_is_of(rig: Rig) -> None:
    schedule = rig.create(schedule_expression="cron(0 9 * * ? *)", timezone="Europe/Paris")
    found = ask(rig, schedule.id, patch={"timezone": "Asia/Tokyo"})
    locals_ = {(due.local.hour, due.local.utcoffset(), fate) for due, fate in found.coming()}
    assert {(hour, offset.total_seconds() / 3600, fate) for hour, offset, fate in locals_ if offset} == {
        (9, 2, Fate.LOST),
        (9, 9, Fate.GAINED),
    }


def test_each_occurrence_tells_what_the_calendar_of_its_side_does_to_it(rig: Rig) -> None:
    days = CalendarDefinition.model_validate({"closed": {"2026-06-03": ""}})
    rig.do(lambda ports: create_calendar(ports, ANN, "at", days, NOTHING_FOUND))
    schedule = rig.create(schedule_expression="cron(0 9 3 6 ? *)", calendar="at")
    (lost, _), (gained, _) = list(ask(rig, schedule.id, patch={"calendar": "at:next"}).coming())[:2]
    assert (lost.local.day, lost.closed, lost.moved_from) == (3, True, None)
    assert (gained.local.day, gained.closed) == (4, False)
    assert gained.moved_from == lost.at


def test_what_the_update_is_refused_with_this_is_refused_with(rig: Rig) -> None:
    schedule = rig.create()
    with pytest.raises(Invalid) as caught:
        ask(rig, schedule.id, patch={"timezone": "Europe/Pariss", "payload": {"bad": 1}})
    assert {problem.pointer for problem in caught.value.problems} == {"/timezone", "/payload/bad"}
    with pytest.raises(RevisionConflict):
        ask(rig, schedule.id, patch={}, revision=7)
    with pytest.raises(NotFound):
        ask(rig, schedule.id, BOB, patch={})
