"""The schedules in DynamoDB: what their contract does not tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rez_agent.aws.bundle import ports_over
from rez_agent.aws.items import UNARMED, expired
from rez_agent.aws.keeping import TOMBSTONE_KEPT
from rez_agent.aws.records import INLINE_BYTES
from rez_agent.aws.schedule_store import SHARDS, DynamoSchedules
from rez_agent.aws.tables import RECORDS, SCHEDULES
from rez_agent.aws.tables import UNARMED as UNARMED_INDEX
from rez_agent.aws.unit import Conflicting
from rez_agent.aws.wire import Item, to_wire
from rez_agent.domain.errors import Conflict, RevisionConflict, Unsupported
from rez_agent.domain.schedule import Pause, Schedule, ScheduleStatus
from rez_agent.ports import Page, ScheduleQuery
from tests.aws.stage import client
from tests.aws.stepped import AwsStepped
from tests.fakes import NOON
from tests.rig import schedule_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LARGE = {"text": "x" * (INLINE_BYTES + 1)}


def add(host: AwsStepped, *schedules: Schedule) -> None:
    def keep(ports: Any) -> None:
        for schedule in schedules:
            ports.schedules.add(schedule)

    host.do(keep)


def change(host: AwsStepped, after: Schedule, before: Schedule) -> Schedule:
    host.do(lambda ports: ports.schedules.replace(after, before))
    return after


def get(host: AwsStepped, schedule_id: str = "sch_report") -> Schedule:
    found = host.do(lambda ports: ports.schedules.get(schedule_id))
    assert found is not None
    return found


def row(host: AwsStepped, schedule_id: str = "sch_report") -> Item:
    found = host.unit().get(SCHEDULES, schedule_id)
    assert found is not None
    return found


def listed(host: AwsStepped, gathered: int = 1_000, **query: Any) -> Page[Schedule]:
    """A list by a store that reads ``gathered`` rows at most."""
    return host.do(
        lambda ports: DynamoSchedules(ports.unit, host.clock, ports.blobs, gathered=gathered).list(
            ScheduleQuery(**query)
        )
    )


def names(page: Page[Schedule]) -> list[str]:
    return [schedule.definition.name for schedule in page.items]


def all_pages(read: Callable[[str | None], Page[Schedule]]) -> list[str]:
    found, page = [], read(None)
    while True:
        found += names(page)
        if page.next_cursor is None:
            return found
        page = read(page.next_cursor)


# --- the next occurrence ---


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOON, NOON),
        (NOON + timedelta(milliseconds=1), NOON + HOUR),
        (NOON + HOUR, NOON + HOUR),
        (NOON + 26.5 * HOUR, NOON + 27 * HOUR),
    ],
)
def test_the_next_run_is_the_first_occurrence_from_now_on_though_no_firing_wrote_it(
    host: AwsStepped, now: datetime, expected: datetime
) -> None:
    add(host, schedule_of())
    host.clock.advance_to(now)
    assert (get(host).next_run, get(host).finished_at) == (expected, None)
    assert row(host)["next_run"] == "2026-06-01T12:00:00.000Z"


def test_a_schedule_that_has_nothing_left_finished_with_its_last_occurrence(host: AwsStepped) -> None:
    add(
        host,
        schedule_of("once", schedule_expression="at(2026-06-01T13:30:00)"),
        schedule_of("ended", end="2026-06-01T15:59:59Z"),
        schedule_of("going on"),
    )
    host.clock.advance(hours=5)
    once, ended = get(host, "sch_once"), get(host, "sch_ended")
    assert (once.next_run, once.finished_at) == (None, NOON + 1.5 * HOUR)
    assert (ended.next_run, ended.finished_at) == (None, NOON + 3 * HOUR)
    assert sorted(names(listed(host, finished=True))) == ["ended", "once"]
    assert names(listed(host, finished=False)) == ["going on"]
    assert names(listed(host, order="next_run")) == ["going on"]


def test_a_paused_schedule_has_no_next_run_however_late_it_is(host: AwsStepped) -> None:
    before = schedule_of()
    add(host, before)
    change(host, before.paused(Pause(NOON, "ann")), before)
    host.clock.advance(days=3)
    assert (get(host).next_run, get(host).finished_at) == (None, None)


def test_a_schedule_whose_zone_is_gone_is_read_as_it_was_written(host: AwsStepped) -> None:
    schedule = schedule_of()
    definition = schedule.definition.model_copy(update={"timezone": "Mars/Olympus"})
    add(host, replace(schedule, definition=definition))
    host.clock.advance(days=3)
    assert get(host).next_run == NOON
    assert names(listed(host, order="next_run")) == ["report"]


# --- what the engine has to take up ---


def unarmed(host: AwsStepped) -> list[str]:
    rows = host.unit().query(
        SCHEDULES,
        UNARMED_INDEX.name,
        KeyConditionExpression="unarmed = :u",
        values={":u": UNARMED},
    )
    return [found["id"] for found in rows]


def armed(host: AwsStepped, schedule_id: str = "sch_report") -> None:
    """The engine has taken a schedule up."""

    def arm(ports: Any) -> None:
        item = dict(ports.unit.get(SCHEDULES, schedule_id))
        del item["unarmed"], item["unarmed_since"]
        ports.unit.put(SCHEDULES, item | {"armed_revision": item["revision"], "arm_count": 1})

    host.do(arm)


def test_what_the_engine_has_not_taken_up_stands_in_an_index_oldest_first(host: AwsStepped) -> None:
    add(host, schedule_of("first"))
    host.clock.advance(seconds=1)
    add(host, schedule_of("again"), schedule_of("never", schedule_expression="cron(0 12 30 2 ? *)"))
    assert unarmed(host) == ["sch_first", "sch_again"]
    assert row(host, "sch_again")["unarmed_since"] == "2026-06-01T12:00:01.000Z"
    armed(host, "sch_first")
    assert unarmed(host) == ["sch_again"]


def test_every_change_of_a_schedule_that_the_engine_knows_is_to_be_taken_up(host: AwsStepped) -> None:
    before = schedule_of()
    add(host, before)
    armed(host)
    paused = change(host, before.paused(Pause(NOON, "ann")), before)
    assert unarmed(host) == [before.id]
    assert (row(host)["armed_revision"], row(host)["arm_count"]) == (1, 1)
    armed(host)
    change(host, paused.deleted(NOON), paused)
    assert unarmed(host) == [before.id]
    assert (row(host)["armed_revision"], row(host)["revision"]) == (2, 3)


def test_a_change_keeps_in_the_index_what_the_engine_may_have_been_told_of_a_moment_ago(
    host: AwsStepped,
) -> None:
    before = schedule_of()
    add(host, before)
    change(host, before.paused(Pause(NOON, "ann")), before)
    assert unarmed(host) == [before.id]


def test_a_schedule_that_never_fires_is_to_be_taken_up_once_it_may(host: AwsStepped) -> None:
    never = schedule_of(schedule_expression="cron(0 12 30 2 ? *)")
    add(host, never)
    paused = change(host, never.paused(Pause(NOON, "ann")), never)
    assert unarmed(host) == []
    change(host, paused.updated(schedule_of().definition, NOON, target="target").resumed(NOON), paused)
    assert unarmed(host) == [never.id]


# --- revisions ---


def test_the_payload_of_each_revision_can_be_read(host: AwsStepped) -> None:
    first = schedule_of(payload={"n": 1})
    add(host, first)
    second = change(host, first.updated(schedule_of(payload=LARGE).definition, NOON, target="t"), first)
    third = change(host, second.updated(schedule_of(payload={"n": 3}).definition, NOON, target="t"), second)

    def payloads(*revisions: int) -> list[Any]:
        return host.do(lambda ports: [ports.schedules.payload_at(first.id, n) for n in revisions])

    assert third.revision == 3
    assert payloads(1, 2, 3) == [{"n": 1}, LARGE, {"n": 3}]
    assert payloads(4) == [{"n": 3}], "a revision that has gone is read as the present one"
    assert host.do(lambda ports: ports.schedules.payload_at("sch_none", 1)) is None


def test_two_changes_at_once_are_one_and_a_conflict(host: AwsStepped) -> None:
    before = schedule_of()
    add(host, before)
    first, second = (ports_over(host.unit(), host.shared) for _ in range(2))
    for ports in (first, second):
        ports.schedules.replace(before.paused(Pause(NOON, "ann")), before)
    first.unit.commit()
    with pytest.raises(Conflicting):
        second.unit.commit()
    with pytest.raises(RevisionConflict):
        change(host, before.deleted(NOON), before)


# --- names, tombstones ---


def test_two_creates_of_one_name_at_once_are_one_and_a_conflict(host: AwsStepped) -> None:
    first, second = (ports_over(host.unit(), host.shared) for _ in range(2))
    first.schedules.add(schedule_of(schedule_id="sch_1"))
    second.schedules.add(schedule_of(schedule_id="sch_2"))
    first.unit.commit()
    with pytest.raises(Conflicting):
        second.unit.commit()
    with pytest.raises(Conflict) as refused:
        add(host, schedule_of(schedule_id="sch_2"))
    assert refused.value.code == "name_taken"


def test_of_many_at_once_each_name_is_taken_once_and_all_are_counted(host: AwsStepped) -> None:
    def create(number: int) -> int:
        try:
            add(host, schedule_of(f"s{number % 10}", schedule_id=f"sch_{number}"))
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        made = sum(pool.map(create, range(40)))
    assert made == host.do(lambda ports: ports.schedules.living("ann")) == len(listed(host).items) == 10


def test_a_renamed_schedule_is_found_by_its_new_name_and_the_old_one_is_free(host: AwsStepped) -> None:
    before = schedule_of("old", schedule_id="sch_1")
    add(host, before)
    change(host, before.updated(schedule_of("new").definition, NOON, target="t"), before)
    add(host, schedule_of("old", schedule_id="sch_2"))
    found = host.do(lambda ports: [ports.schedules.named("ann", name) for name in ("old", "new")])
    assert found == ["sch_2", "sch_1"]


def test_a_tombstone_is_gone_after_ninety_days_though_its_row_is_still_there(host: AwsStepped) -> None:
    before = schedule_of(payload=LARGE)
    add(host, before)
    change(host, before.deleted(NOON), before)
    host.clock.advance_to(NOON + TOMBSTONE_KEPT - timedelta(seconds=1))
    assert get(host).status is ScheduleStatus.DELETED
    assert get(host).definition.payload == LARGE
    assert len(listed(host, status=ScheduleStatus.DELETED).items) == 1
    host.clock.advance(seconds=1)
    assert expired(row(host), host.clock.now())
    assert host.do(lambda ports: ports.schedules.get(before.id)) is None
    assert listed(host, status=ScheduleStatus.DELETED) == Page((), None, 0)
    add(host, schedule_of(now=host.clock.now()))
    assert get(host).living


def test_living_schedules_are_counted_in_several_rows_and_as_this_unit_has_them(host: AwsStepped) -> None:
    schedules = [schedule_of(f"s{n}") for n in range(40)]
    add(host, *schedules)
    rows = host.unit().query(RECORDS, KeyConditionExpression="pk = :pk", values={":pk": "living#ann"})
    assert SHARDS // 2 < len(list(rows)) <= SHARDS

    def add_and_count(ports: Any) -> tuple[int, int, int]:
        before = ports.schedules.living("ann")
        ports.schedules.add(schedule_of("one more"))
        added = ports.schedules.living("ann")
        ports.schedules.replace(schedules[0].deleted(NOON), schedules[0])
        return before, added, ports.schedules.living("ann")

    assert host.do(add_and_count) == (40, 41, 40)
    assert host.do(lambda ports: ports.schedules.living("ann")) == 40


# --- lists ---


def test_moments_sort_with_and_without_milliseconds(host: AwsStepped) -> None:
    moments = [NOON + timedelta(milliseconds=n) for n in (0, 1, 250, 1000)]
    add(host, *(schedule_of(f"{n}", now=moment) for n, moment in enumerate(moments)))
    assert names(listed(host, order="created_date")) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("order", ["created_date", "-created_date", "name", "-name"])
@pytest.mark.parametrize("owner", ["ann", None])
def test_schedules_made_at_one_moment_are_each_listed_once(
    host: AwsStepped, order: str, owner: str | None
) -> None:
    schedules = [schedule_of(f"s{n:02}") for n in range(23)]
    add(host, *schedules)
    for one in schedules[::3]:
        change(host, one.paused(Pause(NOON, "ann")), one)
    found = all_pages(lambda cursor: listed(host, owner=owner, order=order, limit=4, cursor=cursor))
    expected = [schedule.definition.name for schedule in schedules]
    assert found == (expected[::-1] if order.startswith("-") else expected)


def test_a_schedule_that_stands_twice_in_an_index_for_a_moment_is_listed_once(host: AwsStepped) -> None:
    before = schedule_of()
    add(host, before)
    stale = to_wire(row(host))
    change(host, before.paused(Pause(NOON, "ann")), before)
    lagged: list[str] = []

    def lagging(parsed: dict[str, Any], **_: Any) -> None:
        """The first partition that is read, of the active ones, still shows the schedule."""
        if not lagged:
            assert parsed["Items"] == []
            parsed["Items"].append(stale)
            lagged.append(before.id)

    events = client("dynamodb").meta.events
    events.register("after-call.dynamodb.Query", lagging)
    try:
        page = listed(host)
    finally:
        events.unregister("after-call.dynamodb.Query", lagging)
    assert (names(page), lagged) == (["report"], [before.id])


def test_a_list_by_name_reads_an_owners_names_in_order_from_where_it_was(host: AwsStepped) -> None:
    add(
        host, *(schedule_of(name, schedule_id=f"sch_{n}") for n, name in enumerate(["b", "a", "ä", "B", "☃"]))
    )
    add(host, schedule_of("c", created_by="bob"))
    page = listed(host, gathered=3, owner="ann", order="name", limit=2)
    assert (names(page), page.total, page.total_is_exact) == (["B", "a"], 5, True)
    rest = listed(host, gathered=3, owner="ann", order="name", limit=9, cursor=page.next_cursor)
    assert names(rest) == ["b", "ä", "☃"]


def test_a_prefix_and_a_name_are_looked_up_among_an_owners_names(host: AwsStepped) -> None:
    add(host, *(schedule_of(f"{kind}{n}") for kind in "ab" for n in range(5)))
    asked: dict[str, Any] = {"gathered": 5, "owner": "ann"}
    assert names(listed(host, name_prefix="b", order="-name", limit=2, **asked)) == ["b4", "b3"]
    assert names(listed(host, name_prefix="b", order="created_date", **asked)) == [f"b{n}" for n in range(5)]
    assert names(listed(host, name="a3", **asked)) == ["a3"]
    for nothing in ("", "a", "x" * 2_000):
        assert listed(host, name=nothing, **asked).items == ()
    assert listed(host, name_prefix="x" * 2_000, **asked).items == ()
    assert len(listed(host, name_prefix="", owner="ann").items) == 10


def test_a_rare_match_is_found_over_several_short_pages(host: AwsStepped) -> None:
    add(host, *(schedule_of(f"s{n:02}", tags=["rare"] * (n % 10 == 0)) for n in range(30)))
    asked: dict[str, Any] = {"gathered": 7, "tag": "rare", "order": "created_date"}
    first = listed(host, **asked)
    assert (names(first), first.total, first.total_is_exact) == (["s00"], 1, False)
    assert all_pages(lambda cursor: listed(host, cursor=cursor, **asked)) == ["s00", "s10", "s20"]


@pytest.mark.parametrize(
    "query", [{"order": "next_run"}, {"order": "name"}, {"order": "-next_run", "tag": "x"}]
)
def test_what_would_be_sorted_in_memory_beyond_bounds_is_refused_and_says_what_narrows_it(
    host: AwsStepped, query: dict[str, Any]
) -> None:
    add(host, *(schedule_of(f"s{n:02}") for n in range(11)))
    assert len(listed(host, gathered=11, order="next_run").items) == 11
    with pytest.raises(Unsupported, match="owner, a status or a prefix"):
        listed(host, gathered=10, **query)


def test_rows_with_large_payloads_count_for_more(host: AwsStepped) -> None:
    add(host, *(schedule_of(f"s{n}", tags=["x"], payload={"text": "x" * 50_000}) for n in range(9)))
    page = listed(host, gathered=100, tag="x")
    assert (len(page.items), page.total_is_exact) == (4, False)
    with pytest.raises(Unsupported):
        listed(host, gathered=100, order="next_run")
    assert len(listed(host, gathered=300, order="next_run").items) == 9


def test_a_list_by_name_reads_few_more_rows_than_it_shows_and_many_at_once_where_it_filters(
    host: AwsStepped,
) -> None:
    add(host, *(schedule_of(f"s{n:02}", tags=["x"] * (n == 70)) for n in range(80)))
    batches: list[int] = []

    def count(params: dict[str, Any], **_: Any) -> None:
        (asked,) = json.loads(params["body"])["RequestItems"].values()
        batches.append(len(asked["Keys"]))

    events = client("dynamodb").meta.events
    events.register("before-call.dynamodb.BatchGetItem", count)
    try:
        shown = listed(host, owner="ann", order="name", limit=2)
        living, batches[:] = batches[-1], batches[:-1]
        plain, batches[:] = list(batches), []
        found = listed(host, owner="ann", order="name", limit=2, tag="x")
    finally:
        events.unregister("before-call.dynamodb.BatchGetItem", count)
    assert (names(shown), living, plain) == (["s00", "s01"], SHARDS, [4])
    assert (names(found), batches) == (["s70"], [80])


@pytest.mark.parametrize("query", [{}, {"order": "-name"}, {"tag": "x"}, {"finished": False}], ids=str)
def test_only_the_payloads_that_are_shown_are_fetched(host: AwsStepped, query: dict[str, Any]) -> None:
    add(host, *(schedule_of(f"s{n}", payload=LARGE | {"n": n}, tags=["x"]) for n in range(9)))
    fetched: list[str] = []

    def count(params: dict[str, Any], **_: Any) -> None:
        fetched.append(params["url"])

    events = client("s3").meta.events
    events.register("before-call.s3.GetObject", count)
    try:
        page = listed(host, limit=2, **query)
    finally:
        events.unregister("before-call.s3.GetObject", count)
    assert [schedule.definition.payload["n"] for schedule in page.items] == [8, 7]
    assert (page.total, len(fetched)) == (9, 2)


@pytest.mark.parametrize("large", [True, False], ids=["large payloads", "small"])
def test_a_total_is_exact_where_it_was_counted(host: AwsStepped, large: bool) -> None:
    payload = {"text": "x" * 60_000} if large else {}
    one, *others = [schedule_of(f"s{n:02}", payload=payload) for n in range(20)]
    add(host, one, *others)
    change(host, one.deleted(NOON), one)
    totals = [
        (page.total, page.total_is_exact)
        for query in ({}, {"owner": "ann"}, {"status": ScheduleStatus.ACTIVE}, {"status": "deleted"})
        if (page := listed(host, limit=1, **query))
    ]
    assert totals == [(19, True), (19, True), (19, True), (1, True)]
