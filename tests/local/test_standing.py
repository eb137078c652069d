"""What stands in the database: counted exactly up to a bound, and schedules however they change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import Cause, Execution
from rez_agent.domain.instants import to_ms
from rez_agent.local import standing as module
from rez_agent.local.database import migrate, open_writer
from rez_agent.local.schema import MIGRATIONS
from rez_agent.local.standing import standing
from rez_agent.metrics import DEAD_LETTERS, HELD, QUEUE_DEPTH, QUEUE_OLDEST, SCHEDULES, WAITING, Metric
from rez_agent.ports import Ports
from rez_agent.usecases.entries import asked_execution
from rez_agent.web.metrics import Values
from tests.fakes import FAILED, NOON, REFUSED
from tests.rig import Rig, schedule_of

SECOND = timedelta(seconds=1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def reading(rig: Rig, metric: Metric) -> dict[Values, float]:
    """A metric as it stands, read as the server reads it."""
    reader = rig.reader()
    try:
        return dict(standing(reader.connection, rig.clock.now())[metric])
    finally:
        reader.connection.close()


def by_status(rig: Rig) -> dict[str, float]:
    return {status: number for (status,), number in reading(rig, SCHEDULES).items() if number}


def counted(rig: Rig) -> dict[str, Any]:
    return dict(rig.connection.execute("SELECT status, count(*) FROM schedules GROUP BY status"))


def asked(number: int, **changes: Any) -> Execution:
    """An execution of the schedule ``report`` that was asked for."""
    return replace(asked_execution(schedule_of(), NOON, Cause.RUN, f"m{number}", now=NOON), **changes)


# --- schedules ---


def test_schedules_are_counted_by_status_through_every_change(rig: Rig) -> None:
    assert by_status(rig) == {}
    ids = [rig.create(f"s{number}").id for number in range(5)]
    assert by_status(rig) == {"active": 5}
    rig.command(action="pause", schedule_id=ids[0])
    rig.command(action="pause", schedule_id=ids[1])
    rig.command(action="resume", schedule_id=ids[1])
    rig.command(action="delete", schedule_id=ids[2])
    assert by_status(rig) == {"active": 3, "paused": 1, "deleted": 1}
    rig.connection.execute("UPDATE schedules SET timezone = 'Mars/Base' WHERE id = ?", (ids[3],))
    rig.tick_all()
    assert by_status(rig) == {"active": 2, "paused": 1, "deleted": 1, "error": 1}
    rig.clock.advance(days=91)
    rig.sweep()
    assert by_status(rig) == {"active": 2, "paused": 1, "error": 1} == counted(rig)


def test_a_change_that_is_undone_is_not_counted(rig: Rig) -> None:
    rig.create()

    def add_and_fail(ports: Ports) -> None:
        ports.schedules.add(schedule_of("other"))
        raise Invalid("no")

    with pytest.raises(Invalid):
        rig.do(add_and_fail)
    assert by_status(rig) == {"active": 1}


def test_schedules_of_an_older_database_are_counted_when_it_is_opened(tmp_path: Path) -> None:
    older = MIGRATIONS[: MIGRATIONS.index(next(sql for sql in MIGRATIONS if "schedule_counts" in sql))]
    rig = Rig(tmp_path)
    for number in range(3):
        rig.create(f"s{number}")
    rig.connection.execute(
        "DROP TRIGGER schedule_counts_added; DROP TRIGGER schedule_counts_moved;"
        "DROP TRIGGER schedule_counts_removed; DROP TABLE schedule_counts"
    )
    rig.connection.pragma("user_version", len(older))
    migrate(rig.connection, MIGRATIONS[: len(older) + 1])
    assert by_status(rig) == {"active": 3}
    rig.close()


def test_firing_does_not_touch_the_counts(rig: Rig) -> None:
    rig.create()
    seen: list[str] = []
    rig.connection.set_update_hook(lambda _kind, _database, table, _row: seen.append(table))
    rig.tick()
    rig.work()
    rig.connection.set_update_hook(None)
    assert "executions" in seen
    assert "schedules" in seen
    assert "schedule_counts" not in seen


# --- the queue ---


def test_depth_and_age_are_those_of_what_may_start_now(rig: Rig) -> None:
    rig.add(schedule_of(policies={"overlap": "allow"}))
    assert reading(rig, QUEUE_DEPTH) == {("on_time",): 0, ("late",): 0}
    assert reading(rig, QUEUE_OLDEST) == {("on_time",): 0, ("late",): 0}
    rig.do(
        lambda ports: ports.ledger.add(
            [
                asked(1, next_attempt_at=NOON - 5 * SECOND),
                asked(2, target="another", next_attempt_at=NOON - 9 * SECOND),
                asked(3, next_attempt_at=NOON + SECOND),
                asked(4, cause=Cause.BACKFILL, next_attempt_at=NOON - SECOND),
                asked(5, next_attempt_at=None),
            ]
        )
    )
    assert reading(rig, QUEUE_DEPTH) == {("on_time",): 2, ("late",): 1}
    assert reading(rig, QUEUE_OLDEST) == {("on_time",): 9, ("late",): 1}
    assert reading(rig, WAITING) == {(): 1}
    assert reading(rig, HELD) == {(): 1}
    rig.work()
    assert reading(rig, QUEUE_DEPTH) == {("on_time",): 0, ("late",): 0}


def test_dead_letters_are_those_that_nobody_has_redriven(rig: Rig) -> None:
    rig.add(schedule_of(policies={"overlap": "allow"}))
    rig.do(lambda ports: ports.ledger.add([asked(1), asked(2)]))
    rig.work(REFUSED)
    assert reading(rig, DEAD_LETTERS) == {(): 2}
    rig.command(action="retry", execution_id=asked(1).id)
    assert reading(rig, DEAD_LETTERS) == {(): 1}


def test_a_retry_waits_for_its_time(rig: Rig) -> None:
    rig.create()
    rig.tick()
    (claimed,) = rig.claim()
    rig.end(claimed, FAILED, draw=1.0)
    assert reading(rig, WAITING) == {(): 1}
    assert reading(rig, QUEUE_DEPTH)["on_time",] == 0
    rig.clock.advance(seconds=25)
    assert reading(rig, WAITING) == {(): 0}
    assert reading(rig, QUEUE_DEPTH)["on_time",] == 1


def test_a_long_queue_is_counted_up_to_the_bound_and_its_oldest_is_still_found(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "long.sqlite")
    _queue(connection, "a", module.COUNTED_TO, to_ms(NOON))
    _queue(connection, "b", 1, to_ms(NOON - timedelta(hours=1)))
    found = standing(connection, NOON + SECOND)
    assert found[QUEUE_DEPTH]["on_time",] == module.COUNTED_TO
    assert found[QUEUE_OLDEST]["on_time",] == 3_601
    connection.close()


def _queue(connection: apsw.Connection, target: str, number: int, visible: int) -> None:
    connection.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2) "
        "INSERT INTO executions (id, schedule_id, owner, scheduled, status, cause, target_type, target, "
        "revision, created, due, expires, visible) "
        "SELECT ?1 || n, 's', 'o', 0, 'queued', 'run', 'web_action', ?1, 1, ?3, ?3, ?3, ?3 FROM numbers",
        (target, number, visible),
    )
