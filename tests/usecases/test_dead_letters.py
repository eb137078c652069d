"""Dead letters, on both hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.errors import NotFound
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, execution_id
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.dead_letters import ON_A_PAGE, DeadLetters, dead_letters, standing
from rez_agent.usecases.entries import asked_execution
from tests.contract.hosts import STEPPED, SteppedHost
from tests.fakes import NOON
from tests.rig import ADMIN, ANN, BOB, schedule_of

ONE, TWO = schedule_of("one"), schedule_of("two")
HIS = schedule_of("his", created_by="bob")


def dead(schedule: Any, number: int, *, code: str = "timeout", target: str = "a.example") -> Execution:
    at = NOON - timedelta(minutes=number)
    made = asked_execution(schedule, at, Cause.SCHEDULE, "msg_1", now=at)
    return replace(
        made,
        id=execution_id(schedule.id, at),
        status=ExecutionStatus.FAILED,
        next_attempt_at=None,
        finished_at=at,
        dead_letter=True,
        code=code,
        target=target,
        attempts=1,
    )


@pytest.fixture(params=STEPPED)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SteppedHost]:
    """Three dead letters of ann's schedule one, two of her schedule two, one of bob's."""
    with STEPPED[request.param](tmp_path) as made:
        letters = [
            *(dead(ONE, number) for number in range(2)),
            dead(ONE, 2, code="status", target="b.example"),
            *(dead(TWO, number, code="dns") for number in range(2)),
            dead(HIS, 0),
        ]
        for schedule in (ONE, TWO, HIS):
            made.ask(lambda ports, one=schedule: ports.schedules.add(one))  # type: ignore[misc]
        made.ask(lambda ports: ports.ledger.add(letters))
        yield made


def asked(host: SteppedHost, caller: Caller = ANN, **filters: Any) -> DeadLetters:
    return host.ask(lambda ports: dead_letters(ports, caller, **filters))


def test_the_callers_dead_letters_are_told_with_their_codes_and_targets(host: SteppedHost) -> None:
    found = asked(host)
    assert len(found.items) == found.total == found.looked_at == 5
    assert found.by_code == {"timeout": 2, "dns": 2, "status": 1}
    assert found.by_target == {"a.example": 4, "b.example": 1}
    assert found.next_cursor is None
    assert len(asked(host, BOB).items) == 1
    assert len(asked(host, ADMIN).items) == 6


@pytest.mark.parametrize(
    ("filters", "number"),
    [
        ({"schedule_id": ONE.id}, 3),
        ({"code": "dns"}, 2),
        ({"target": "b.example"}, 1),
        ({"target": "a.example", "code": "status"}, 0),
        ({"schedule_id": TWO.id, "code": "dns"}, 2),
    ],
    ids=str,
)
def test_filters_narrow_them(host: SteppedHost, filters: dict[str, Any], number: int) -> None:
    assert len(asked(host, **filters).items) == number


def test_what_is_anothers_is_not_told(host: SteppedHost) -> None:
    with pytest.raises(NotFound):
        asked(host, schedule_id=HIS.id)
    mine, his = dead(ONE, 0).id, dead(HIS, 0).id
    found = host.ask(lambda ports: standing(ports, ANN, [mine, his, "sch_never_20260101T000000Z"]))
    assert [one.id for one in found] == [mine]


def test_a_page_ends_and_the_next_one_goes_on(host: SteppedHost) -> None:
    more = [dead(TWO, number) for number in range(10, 10 + 4 * ON_A_PAGE)]
    host.ask(lambda ports: ports.ledger.add(more))
    found: list[str] = []
    cursor, pages = None, 0
    while True:
        page = asked(host, cursor=cursor)
        found += [one.id for one in page.items]
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 4 * ON_A_PAGE + 5
    assert pages > 1
