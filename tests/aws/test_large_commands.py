"""Commands that write more than one transaction of DynamoDB holds: whatever comes between two transactions,
the command is carried out in the end, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from rez_agent.aws.items import ttl_at
from rez_agent.aws.keeping import TOMBSTONE_KEPT
from rez_agent.aws.tables import EXECUTIONS, RECORDS
from rez_agent.domain.command import Message, MessageStatus
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.schedule import Schedule, ScheduleStatus
from tests.aws.driven import Driven
from tests.aws.stage import client
from tests.fakes import NOON
from tests.rig import ANN

MANY = 120
HOUR = timedelta(hours=1)


@pytest.fixture
def host() -> Driven:
    return Driven()


class Died(BaseException):
    """The function's process is gone."""


@contextmanager
def before_transaction(number: int, happens: Callable[[], object]) -> Iterator[None]:
    """Something happens once, right before the transaction of this number."""
    left = [number]

    def count(**_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            happens()

    events = client("dynamodb").meta.events
    events.register_first("before-call.dynamodb.TransactWriteItems", count)
    try:
        yield
    finally:
        events.unregister("before-call.dynamodb.TransactWriteItems", count)


def busy(host: Driven) -> Schedule:
    """A schedule with many executions in flight: one may start, the others are held behind it."""
    schedule = host.create()
    first, last = rfc3339(NOON - (MANY - 1) * HOUR), rfc3339(NOON)
    message = host.command(ANN, action="backfill", schedule_id=schedule.id, **{"from": first, "to": last})
    assert message.result == {"count": MANY}
    return schedule


def check_carried_out(host: Driven, message: Message, schedule: Schedule) -> None:
    assert (message.status, message.problems) == (MessageStatus.COMPLETED, ())
    expected = {"delete": ScheduleStatus.DELETED, "pause": ScheduleStatus.PAUSED}
    assert host.schedule(schedule.id).status == expected[message.request.action.value]
    rows, _ = host.do(lambda ports: ports.unit.scan(EXECUTIONS, limit=1_000))
    asked = [row for row in rows if row["cause"] == "backfill"]
    assert len(asked) == MANY
    assert all(row["status"] == "cancelled" or "cancel_asked" in row for row in asked)


@pytest.mark.parametrize("action", ["pause", "delete"])
def test_many_are_cancelled_though_one_of_them_is_leased_meanwhile(host: Driven, action: str) -> None:
    schedule = busy(host)
    message = host.submit(action=action, schedule_id=schedule.id, cancel=True)
    with before_transaction(2, host.claim):
        done = host.judge(message)
    check_carried_out(host, done, schedule)


@pytest.mark.parametrize("action", ["pause", "delete"])
@pytest.mark.parametrize("number", [1, 2])
def test_many_are_cancelled_though_the_function_died_in_between(
    host: Driven, action: str, number: int
) -> None:
    schedule = busy(host)
    message = host.submit(action=action, schedule_id=schedule.id, cancel=True)

    def die() -> None:
        raise Died

    with before_transaction(number, die), pytest.raises(Died):
        host.judge(message)
    check_carried_out(host, host.judge(message), schedule)


@pytest.mark.parametrize("number", [1, 2])
def test_a_schedule_with_many_changes_is_deleted_whatever_comes_in_between(host: Driven, number: int) -> None:
    schedule = host.create()
    for count in range(MANY):
        host.command(ANN, action="update", schedule_id=schedule.id, patch={"description": str(count)})
    message = host.submit(action="delete", schedule_id=schedule.id)

    def die() -> None:
        raise Died

    with before_transaction(number, die), pytest.raises(Died):
        host.judge(message)
    assert host.judge(message).status is MessageStatus.COMPLETED
    assert host.schedule(schedule.id).status is ScheduleStatus.DELETED
    asked: dict[str, Any] = {"KeyConditionExpression": "pk = :pk", "values": {":pk": f"change#{schedule.id}"}}
    gone = ttl_at(host.clock.now() + TOMBSTONE_KEPT)
    assert [row["ttl"] for row in host.unit().query(RECORDS, **asked)] == [gone] * (MANY + 1)
