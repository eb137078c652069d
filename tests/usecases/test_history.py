"""Reading: what a caller may see, and nothing of what is another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.errors import Invalid, NotFound
from rez_agent.domain.execution import ExecutionStatus
from rez_agent.ports import ExecutionQuery, Page, Ports, ScheduleQuery
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.history import (
    entry,
    history,
    message_for,
    occurrences,
    schedule_or_pending,
    schedules_for,
)
from rez_agent.usecases.preview import Due
from tests.fakes import FAILED, NOON
from tests.rig import ADMIN, ANN, BOB, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A host at noon."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def names(rig: Rig, caller: Caller, **query: Any) -> list[str]:
    """The names of the schedules that the caller sees."""
    page = rig.do(lambda ports: schedules_for(ports, caller, ScheduleQuery(**query)))
    return sorted(schedule.definition.name for schedule in page.items)


def ran(rig: Rig, name: str, caller: Caller = ANN) -> str:
    """A run of a new schedule that failed once and then succeeded; its id."""
    schedule = rig.create(name, caller)
    execution: str = rig.command(caller, action="run", schedule_id=schedule.id).result["execution_id"]
    rig.end(rig.claim()[0], FAILED)
    rig.clock.advance(minutes=1)
    rig.work()
    return execution


def test_a_list_holds_the_callers_schedules_and_an_admins_all(rig: Rig) -> None:
    rig.create("hers", ANN)
    rig.create("his", BOB)

    assert names(rig, ANN) == ["hers"]
    assert names(rig, ADMIN) == ["hers", "his"]
    assert names(rig, ADMIN, owner="bob") == ["his"]
    assert names(rig, ANN, owner="ann") == ["hers"]
    assert names(rig, ANN, owner="bob") == []


def test_another_owners_things_are_like_things_that_never_were(rig: Rig) -> None:
    execution = ran(rig, "hers")
    found = rig.do(lambda ports: entry(ports, ANN, execution)).execution
    reads: list[tuple[Callable[[Ports, Caller, str], object], str]] = [
        (schedule_or_pending, found.schedule_id),
        (entry, execution),
        (message_for, found.message_id or ""),
        (lambda p, c, i: history(p, c, ExecutionQuery(schedule_id=i)), found.schedule_id),
    ]
    for read, identity in reads:
        rig.do(lambda ports, read=read, identity=identity: read(ports, ADMIN, identity))  # type: ignore[misc]
        codes = []
        for wanted in (identity, "never"):
            with pytest.raises(NotFound) as caught:
                rig.do(lambda ports, read=read, wanted=wanted: read(ports, BOB, wanted))  # type: ignore[misc]
            codes.append(caught.value.code)
        assert codes[0] == codes[1]


def test_an_entry_has_its_attempts_oldest_first(rig: Rig) -> None:
    execution = ran(rig, "report")
    found = rig.do(lambda ports: entry(ports, ANN, execution))

    assert [attempt.outcome for attempt in found.attempts] == ["failed", "succeeded"]
    assert found.execution.status is ExecutionStatus.SUCCEEDED


def test_a_page_of_the_ledger_has_the_attempts_of_each_entry(rig: Rig) -> None:
    executions = {ran(rig, "one"), ran(rig, "two")}
    page = rig.do(lambda ports: history(ports, ANN, ExecutionQuery()))

    assert {item.execution.id for item in page.items} == executions
    assert [len(item.attempts) for item in page.items] == [2, 2]
    assert rig.do(lambda ports: history(ports, BOB, ExecutionQuery())).items == ()


def test_history_outlives_its_schedule(rig: Rig) -> None:
    execution = ran(rig, "report")
    schedule_id = rig.do(lambda ports: entry(ports, ANN, execution)).execution.schedule_id
    rig.command(action="delete", schedule_id=schedule_id)
    page = rig.do(lambda ports: history(ports, ANN, ExecutionQuery(schedule_id=schedule_id)))

    assert execution in [item.execution.id for item in page.items]
    with pytest.raises(NotFound):
        rig.do(lambda ports: schedule_or_pending(ports, ANN, schedule_id))


def due(rig: Rig, schedule_id: str, **asked: Any) -> Page[Due]:
    """A page of occurrences."""
    asked = {"since": None, "until": None, "cursor": None, "limit": 2} | asked
    return rig.do(lambda ports: occurrences(ports, ANN, schedule_id, **asked))


def test_occurrences_begin_now_and_both_ends_are_included(rig: Rig) -> None:
    schedule = rig.create("hourly")
    page = due(rig, schedule.id, until=NOON + timedelta(hours=2), limit=10)

    assert [item.at for item in page.items] == [NOON + timedelta(hours=n) for n in range(3)]
    assert (page.total, page.next_cursor) == (3, None)


def test_a_cursor_goes_on_where_the_page_ended(rig: Rig) -> None:
    schedule = rig.create("hourly")
    first = due(rig, schedule.id)
    second = due(rig, schedule.id, cursor=first.next_cursor)

    assert [item.at for item in first.items + second.items] == [NOON + timedelta(hours=n) for n in range(4)]
    assert (first.total, first.total_is_exact) == (1000, False)


@pytest.mark.parametrize("cursor", ["x", "", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00"])
def test_a_cursor_that_is_none_is_refused(rig: Rig, cursor: str) -> None:
    schedule = rig.create("hourly")
    with pytest.raises(Invalid) as caught:
        due(rig, schedule.id, cursor=cursor)
    assert caught.value.code == "invalid_cursor"
