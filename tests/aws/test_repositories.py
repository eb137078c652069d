"""The repositories, by the first system's plan: save, get, update, delete, list by status and by creator.

Each is held against the table itself, read as ``aws dynamodb`` reads it. The contract of ScheduleStore tells
the rest, on every host alike.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rez_agent.domain.schedule import Pause, Schedule, ScheduleStatus
from rez_agent.ports import Ports, ScheduleQuery
from tests.aws.stage import client
from tests.aws.stepped import AwsStepped
from tests.fakes import NOON
from tests.rig import schedule_of

HOUR = timedelta(hours=1)


@pytest.fixture
def host() -> AwsStepped:
    return AwsStepped()


def save(host: AwsStepped, *schedules: Schedule) -> None:
    def keep(ports: Ports) -> None:
        for schedule in schedules:
            ports.schedules.add(schedule)

    host.do(keep)


def update(host: AwsStepped, before: Schedule, after: Schedule) -> None:
    host.do(lambda ports: ports.schedules.replace(after, before))


def ids(host: AwsStepped, **query: Any) -> list[str]:
    page = host.do(lambda ports: ports.schedules.list(ScheduleQuery(**query)))
    return [schedule.id for schedule in page.items]


def row(host: AwsStepped, schedule_id: str) -> Any:
    table = host.stage.names("schedules")
    return client("dynamodb").get_item(TableName=table, Key={"id": {"S": schedule_id}}).get("Item")


def indexed(host: AwsStepped, index: str, attribute: str, value: str) -> set[str]:
    found = client("dynamodb").query(
        TableName=host.stage.names("schedules"),
        IndexName=index,
        KeyConditionExpression="#a = :v",
        ExpressionAttributeNames={"#a": attribute},
        ExpressionAttributeValues={":v": {"S": value}},
    )
    return {item["id"]["S"] for item in found["Items"]}


def test_a_saved_schedule_is_a_row_that_a_person_can_read(host: AwsStepped) -> None:
    save(host, schedule_of(timezone="America/New_York", tags=["golf"]))
    item = row(host, "sch_report")
    expected = {
        "name": "report",
        "status": "active",
        "created_by": "ann",
        "schedule_expression": "cron(0 * * * ? *)",
        "timezone": "America/New_York",
        "target_type": "web_action",
        "created_date": "2026-06-01T12:00:00.000Z",
    }
    assert {name: item[name]["S"] for name in expected} == expected
    assert item["payload"]["S"] == '{"target":"target"}'
    assert item["revision"]["N"] == "1"


def test_what_was_saved_is_got(host: AwsStepped) -> None:
    schedule = schedule_of()
    save(host, schedule)
    assert host.do(lambda ports: ports.schedules.get(schedule.id)) == schedule
    assert host.do(lambda ports: ports.schedules.get("sch_none")) is None


def test_an_update_is_the_row_s_next_revision(host: AwsStepped) -> None:
    before = schedule_of()
    save(host, before)
    update(host, before, before.paused(Pause(NOON, "ann", "repair")))
    item = row(host, before.id)
    assert (item["status"]["S"], item["revision"]["N"]) == ("paused", "2")


def test_a_deletion_leaves_a_tombstone_that_goes_after_ninety_days(host: AwsStepped) -> None:
    before = schedule_of()
    save(host, before)
    update(host, before, before.deleted(NOON))
    item = row(host, before.id)
    assert item["status"]["S"] == "deleted"
    assert int(item["ttl"]["N"]) == int((NOON + timedelta(days=90)).timestamp())


@pytest.mark.parametrize(
    ("index", "attribute", "value", "listed"),
    [
        (
            "status-created_date-index",
            "status",
            "active",
            lambda host: ids(host, status=ScheduleStatus.ACTIVE),
        ),
        (
            "status-created_date-index",
            "status",
            "paused",
            lambda host: ids(host, status=ScheduleStatus.PAUSED),
        ),
        ("created_by-index", "created_by", "ann", lambda host: ids(host, owner="ann")),
        ("created_by-index", "created_by", "bob", lambda host: ids(host, owner="bob")),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_list_by_status_or_creator_is_what_the_index_holds(
    host: AwsStepped, index: str, attribute: str, value: str, listed: Callable[[AwsStepped], list[str]]
) -> None:
    one, two = schedule_of("one"), schedule_of("two", now=NOON + HOUR)
    save(host, one, two, schedule_of("three", created_by="bob", now=NOON + 2 * HOUR))
    update(host, two, two.paused(Pause(NOON + HOUR, "ann")))

    found = listed(host)

    assert found
    assert set(found) == indexed(host, index, attribute, value)


def test_a_list_goes_on_where_its_page_ended(host: AwsStepped) -> None:
    save(host, *(schedule_of(f"s{n}", now=NOON + n * HOUR) for n in range(5)))
    found: list[str] = []
    cursor = None
    while True:
        query = ScheduleQuery(limit=2, cursor=cursor)
        page = host.do(lambda ports, query=query: ports.schedules.list(query))  # type: ignore[misc]
        found += [schedule.id for schedule in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [f"sch_s{n}" for n in (4, 3, 2, 1, 0)]
