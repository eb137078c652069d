"""How a schedule fares, on both hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.errors import NotFound
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason, execution_id
from rez_agent.domain.statistics import Spread
from rez_agent.ports import ExecutionQuery
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.entries import asked_execution
from rez_agent.usecases.statistics import Summary, summary
from tests.contract.hosts import STEPPED, SteppedHost
from tests.fakes import NOON
from tests.rig import ADMIN, ANN, BOB, schedule_of

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
DEFINED = schedule_of(schedule_id="sch_a")


@pytest.fixture(params=STEPPED)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SteppedHost]:
    """A host with a schedule that ran from noon to five: twice well, once not, twice not at all, now."""
    with STEPPED[request.param](tmp_path) as made:
        made.ask(lambda ports: ports.schedules.add(DEFINED))
        entries = [
            ran(0, ExecutionStatus.SUCCEEDED, took=1),
            ran(1, ExecutionStatus.SUCCEEDED, took=2),
            ran(2, ExecutionStatus.FAILED, took=30),
            replace(never(3), reason=Reason.OVERLAP),
            replace(never(4), reason=Reason.MISSED),
        ]
        made.ask(lambda ports: ports.ledger.add(entries))
        yield made


def entry(hours: int) -> Execution:
    at = NOON + hours * HOUR
    made = asked_execution(DEFINED, at, Cause.SCHEDULE, "msg_1", now=at)
    return replace(made, id=execution_id(DEFINED.id, at), next_attempt_at=None)


def ran(hours: int, status: ExecutionStatus, *, took: int) -> Execution:
    at = NOON + hours * HOUR
    return replace(entry(hours), status=status, started_at=at + SECOND, finished_at=at + (1 + took) * SECOND)


def never(hours: int) -> Execution:
    return replace(entry(hours), status=ExecutionStatus.SKIPPED, finished_at=NOON)


def asked(host: SteppedHost, caller: Caller = ANN, **query: Any) -> Summary:
    wanted = ExecutionQuery(schedule_id=DEFINED.id, limit=query.pop("limit", 1_000), **query)
    return host.ask(lambda ports: summary(ports, caller, wanted))


def test_all_of_a_history_is_counted(host: SteppedHost) -> None:
    found = asked(host)
    assert found.statistics.by_status == {"succeeded": 2, "failed": 1, "skipped": 2}
    assert found.statistics.by_reason == {"overlap": 1, "missed": 1}
    assert found.statistics.success_rate == pytest.approx(2 / 3)
    assert found.statistics.duration == Spread(2_000, 30_000, 30_000)
    assert found.statistics.lateness == Spread(1_000, 1_000, 1_000)
    assert (found.first, found.last, found.more) == (NOON, NOON + 4 * HOUR, False)


def test_the_newest_are_counted_and_it_says_that_there_are_more(host: SteppedHost) -> None:
    found = asked(host, limit=4)
    assert (found.statistics.executions, found.first, found.more) == (4, NOON + HOUR, True)
    assert not asked(host, limit=5).more


def test_a_stretch_of_time_is_counted(host: SteppedHost) -> None:
    found = asked(host, since=NOON + HOUR, until=NOON + 3 * HOUR)
    assert (found.statistics.executions, found.statistics.success_rate) == (2, 0.5)
    assert asked(host, since=NOON + HOUR, limit=2).more


def test_nothing_is_counted_where_nothing_is(host: SteppedHost) -> None:
    found = asked(host, since=NOON + 9 * HOUR)
    assert (found.statistics.executions, found.first, found.last, found.more) == (0, None, None, False)


def test_what_is_anothers_is_not_told(host: SteppedHost) -> None:
    with pytest.raises(NotFound):
        asked(host, BOB)
    assert asked(host, ADMIN).statistics.executions == 5
