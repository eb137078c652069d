"""The contract of ScheduleStore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rez_agent.domain.errors import Conflict, Invalid, RevisionConflict
from rez_agent.domain.schedule import Pause, Schedule, ScheduleDefinition, ScheduleStatus, TargetType
from rez_agent.ports import COUNTED_EXACTLY, Page, Ports, ScheduleQuery
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON
from tests.rig import schedule_of

HOUR = timedelta(hours=1)
FULL = schedule_of(
    "full",
    description="ünïcode ☃",
    timezone="Europe/London",
    tags=["a", "b"],
    start="2026-06-01T00:00:00Z",
    end="2027-06-01T00:00:00Z",
    payload={"target": "there", "nested": {"list": [1, 2.5, None, True, "☃"]}},
    policies={
        "retry": {"max_attempts": 0},
        "catch_up": {"mode": "all", "window_seconds": 61},
        "overlap": "queue",
        "flexible_window_minutes": 7,
        "on_completion": "delete",
    },
)


def add(host: SteppedHost, *schedules: Schedule) -> None:
    def keep(ports: Ports) -> None:
        for schedule in schedules:
            ports.schedules.add(schedule)

    host.ask(keep)


def replace_with(host: SteppedHost, after: Schedule, before: Schedule) -> None:
    host.ask(lambda ports: ports.schedules.replace(after, before))


def get(host: SteppedHost, schedule_id: str) -> Schedule | None:
    return host.ask(lambda ports: ports.schedules.get(schedule_id))


def listed(host: SteppedHost, **query: Any) -> Page[Schedule]:
    return host.ask(lambda ports: ports.schedules.list(ScheduleQuery(**query)))


def names(page: Page[Schedule]) -> list[str]:
    return [schedule.definition.name for schedule in page.items]


# --- keeping ---


def test_a_schedule_is_given_back_as_it_was_kept(host: SteppedHost) -> None:
    paused = FULL.paused(Pause(NOON + HOUR, "ann", "ünder repair", NOON + 9 * HOUR))
    gone = "the zone is gone"
    broken = replace(schedule_of("broken"), status=ScheduleStatus.ERROR, error_message=gone, next_run=None)
    spent = schedule_of("spent").advanced(None, NOON)
    for schedule in (paused, broken, spent):
        add(host, schedule)
        kept = get(host, schedule.id)
        assert kept == schedule
        assert kept.target == schedule.target


def test_there_is_no_schedule_that_was_never_added(host: SteppedHost) -> None:
    assert get(host, "sch_none") is None


def test_a_second_living_schedule_of_one_name_is_refused(host: SteppedHost) -> None:
    add(host, schedule_of(schedule_id="sch_1"))
    with pytest.raises(Conflict) as refused:
        add(host, schedule_of(schedule_id="sch_2"))
    assert refused.value.code == "name_taken"
    assert get(host, "sch_2") is None


def test_two_owners_may_use_one_name(host: SteppedHost) -> None:
    add(host, schedule_of(schedule_id="sch_1"), schedule_of(schedule_id="sch_2", created_by="bob"))
    assert host.ask(lambda ports: ports.schedules.named("bob", "report")) == "sch_2"


def test_an_id_in_use_is_refused(host: SteppedHost) -> None:
    add(host, schedule_of("a", schedule_id="sch_1"))
    with pytest.raises(Conflict) as refused:
        add(host, schedule_of("b", schedule_id="sch_1"))
    assert refused.value.code == "schedule_exists"


def test_the_id_of_a_deleted_schedule_is_refused_and_its_name_is_free(host: SteppedHost) -> None:
    first = schedule_of(schedule_id="sch_1")
    add(host, first)
    replace_with(host, first.deleted(NOON), first)
    with pytest.raises(Conflict) as refused:
        add(host, schedule_of("another", schedule_id="sch_1"))
    assert refused.value.code == "schedule_exists"
    add(host, schedule_of(schedule_id="sch_2"))
    tombstone = get(host, "sch_1")
    assert tombstone is not None
    assert tombstone.status is ScheduleStatus.DELETED


def test_a_replacement_takes_the_place_of_the_revision_before(host: SteppedHost) -> None:
    before = schedule_of()
    add(host, before)
    after = before.paused(Pause(NOON, "ann"))
    replace_with(host, after, before)
    assert get(host, before.id) == after


def test_a_replacement_of_another_revision_than_the_present_one_is_refused(host: SteppedHost) -> None:
    before = schedule_of()
    add(host, before)
    present = before.paused(Pause(NOON, "ann"))
    replace_with(host, present, before)
    with pytest.raises(RevisionConflict):
        replace_with(host, before.deleted(NOON), before)
    assert get(host, before.id) == present


def test_a_replacement_cannot_take_a_name_in_use(host: SteppedHost) -> None:
    one, two = schedule_of("one"), schedule_of("two")
    add(host, one, two)
    renamed = two.updated(one.definition, NOON, target="target")
    with pytest.raises(Conflict) as refused:
        replace_with(host, renamed, two)
    assert refused.value.code == "name_taken"
    assert get(host, two.id) == two


def test_only_a_living_schedule_is_found_by_name(host: SteppedHost) -> None:
    one = schedule_of()
    add(host, one)
    named: Callable[[], str | None] = lambda: host.ask(lambda ports: ports.schedules.named("ann", "report"))  # noqa: E731
    assert named() == one.id
    replace_with(host, one.deleted(NOON), one)
    assert named() is None


def test_living_schedules_are_counted_exactly(host: SteppedHost) -> None:
    one, two = schedule_of("one"), schedule_of("two")
    add(host, one, two, schedule_of("three", created_by="bob"))
    paused = one.paused(Pause(NOON, "ann"))
    replace_with(host, paused, one)
    replace_with(host, two.deleted(NOON), two)
    with pytest.raises(Conflict):
        add(host, schedule_of("one", schedule_id="sch_other"))
    counts = [host.ask(lambda ports, o=owner: ports.schedules.living(o)) for owner in ("ann", "bob", "eve")]  # type: ignore[misc]
    assert counts == [1, 1, 0]


def test_a_large_payload_is_given_back_whole(host: SteppedHost) -> None:
    large = schedule_of(payload={"text": "☃" * 40_000})
    add(host, large)
    assert get(host, large.id) == large
    assert listed(host).items == (large,)


@pytest.mark.parametrize("large", ["", "☃" * 40_000], ids=["small", "large"])
def test_the_payload_of_every_revision_is_known(host: SteppedHost, large: str) -> None:
    first = schedule_of(payload={"target": "a", "n": 1, "text": large})
    add(host, first)
    second = first.updated(definition(n=2, text=large), NOON, target="a")
    replace_with(host, second, first)
    replace_with(host, second.updated(definition(n=3, text=large), NOON, target="a"), second)

    def numbers(*revisions: int) -> list[int]:
        return host.ask(
            lambda ports: [(ports.schedules.payload_at(first.id, one) or {})["n"] for one in revisions]
        )

    assert numbers(1, 2, 3) == [1, 2, 3]
    assert numbers(9) == [3]  # there is no such revision: the present one's
    assert host.ask(lambda ports: ports.schedules.payload_at("sch_never", 1)) is None


def definition(**payload: Any) -> ScheduleDefinition:
    return schedule_of(payload={"target": "a", **payload}).definition


# --- lists ---


@pytest.fixture
def five(host: SteppedHost) -> SteppedHost:
    """Five schedules in the order of their creation: e d c b a."""
    add(
        host,
        schedule_of("e", tags=["x", "y"], now=NOON),
        schedule_of("d", target_type="notification", now=NOON + HOUR),
        schedule_of("c", created_by="bob", tags=["x"], now=NOON + 2 * HOUR),
        schedule_of("b", schedule_expression="cron(0 12 30 2 ? *)", now=NOON + 3 * HOUR),
        schedule_of(
            "a",
            schedule_expression="at(2026-06-01T16:30:00)",
            target_type="custom",
            now=NOON + 4 * HOUR,
        ),
    )
    d = schedule_of("d", target_type="notification", now=NOON + HOUR)
    replace_with(host, d.paused(Pause(NOON, "ann")), d)
    return host


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "abcde"),
        ({"order": "created_date"}, "edcba"),
        ({"order": "name"}, "abcde"),
        ({"order": "-name"}, "edcba"),
        ({"order": "next_run"}, "eca"),
        ({"order": "-next_run"}, "ace"),
        ({"owner": "bob"}, "c"),
        ({"status": ScheduleStatus.PAUSED}, "d"),
        ({"status": ScheduleStatus.ACTIVE}, "abce"),
        ({"status": ScheduleStatus.DELETED}, ""),
        ({"tag": "x"}, "ce"),
        ({"tag": "x", "owner": "ann"}, "e"),
        ({"target_type": TargetType.WEB_ACTION}, "bce"),
        ({"target_type": TargetType.NOTIFICATION}, "d"),
        ({"name": "c"}, "c"),
        ({"name_prefix": "c"}, "c"),
        ({"finished": True}, "b"),
        ({"finished": False}, "acde"),
    ],
    ids=str,
)
def test_a_list_has_what_matches_in_the_order_asked_for(
    five: SteppedHost, query: dict[str, Any], expected: str
) -> None:
    page = listed(five, **query)
    assert "".join(names(page)) == expected
    assert (page.total, page.total_is_exact, page.next_cursor) == (len(expected), True, None)


def test_deleted_schedules_are_listed_only_when_asked_for(five: SteppedHost) -> None:
    e = schedule_of("e", tags=["x", "y"], now=NOON)
    replace_with(five, e.deleted(NOON), e)
    assert names(listed(five)) == ["a", "b", "c", "d"]
    assert names(listed(five, status=ScheduleStatus.DELETED)) == ["e"]


def test_a_changed_tag_is_found_and_the_old_one_is_not(five: SteppedHost) -> None:
    e = schedule_of("e", tags=["x", "y"], now=NOON)
    definition = e.definition.model_copy(update={"tags": ("y", "z")})
    replace_with(five, e.updated(definition, NOON, target="target"), e)
    assert names(listed(five, tag="z")) == ["e"]
    assert names(listed(five, tag="x")) == ["c"]


@pytest.mark.parametrize("order", ["created_date", "-created_date", "name", "-name", "next_run", "-next_run"])
def test_pages_hold_everything_once_in_order(five: SteppedHost, order: str) -> None:
    whole, cursor = listed(five, order=order), None
    found: list[Schedule] = []
    while True:
        page = listed(five, order=order, limit=2, cursor=cursor)
        found += page.items
        assert page.total == whole.total
        cursor = page.next_cursor
        if cursor is None:
            break
    assert tuple(found) == whole.items


def test_pages_of_deleted_schedules_hold_everything_once_though_they_share_a_name(host: SteppedHost) -> None:
    for number in range(5):
        one = schedule_of(schedule_id=f"sch_{number}")
        add(host, one)
        replace_with(host, one.deleted(NOON), one)
    found, cursor = [], None
    while True:
        page = listed(host, status=ScheduleStatus.DELETED, order="name", limit=2, cursor=cursor)
        found += [schedule.id for schedule in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(found) == [f"sch_{number}" for number in range(5)]


def test_a_page_stays_where_it_was_while_others_come_and_go(five: SteppedHost) -> None:
    first = listed(five, order="created_date", limit=2)
    e = schedule_of("e", tags=["x", "y"], now=NOON)
    replace_with(five, e.deleted(NOON), e)
    add(five, schedule_of("f", now=NOON + 5 * HOUR))
    second = listed(five, order="created_date", limit=9, cursor=first.next_cursor)
    assert names(second) == ["c", "b", "a", "f"]


def test_a_cursor_belongs_to_the_query_that_gave_it(five: SteppedHost) -> None:
    cursor = listed(five, limit=2).next_cursor
    for query in ({"order": "name"}, {"owner": "ann"}, {"tag": "x"}, {"finished": False}):
        with pytest.raises(Invalid) as refused:
            listed(five, cursor=cursor, **query)
        assert refused.value.code == "invalid_cursor"


@pytest.mark.parametrize(
    "cursor", ["x", "💥", "W10", "eyJhIjoxfQ", "bnVsbA", "MQ", "W" * 40, "W1tbW1tbW1tbW1tbW1tb" * 400]
)
def test_what_is_no_cursor_is_refused(five: SteppedHost, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        listed(five, cursor=cursor)
    assert refused.value.code == "invalid_cursor"


def test_a_total_is_exact_up_to_a_thousand_and_then_at_least_that(host: SteppedHost) -> None:
    add(host, *(schedule_of(f"s{number}") for number in range(COUNTED_EXACTLY)))
    page = listed(host, limit=1)
    assert (page.total, page.total_is_exact) == (COUNTED_EXACTLY, True)
    add(host, schedule_of("one more"))
    page = listed(host, limit=1)
    assert (page.total, page.total_is_exact) == (COUNTED_EXACTLY, False)


def test_a_prefix_with_signs_of_a_pattern_means_itself(host: SteppedHost) -> None:
    add(host, schedule_of("100%"), schedule_of("100x"), schedule_of("a_b"), schedule_of("axb"))
    assert names(listed(host, name_prefix="100%")) == ["100%"]
    assert names(listed(host, name_prefix="a_")) == ["a_b"]


def test_a_refused_schedule_leaves_nothing_behind(host: SteppedHost) -> None:
    add(host, schedule_of(schedule_id="sch_1"))
    with pytest.raises(Conflict):
        add(host, replace(schedule_of(schedule_id="sch_2"), target="elsewhere"))
    assert [schedule.id for schedule in listed(host).items] == ["sch_1"]
