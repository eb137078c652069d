"""The changes of a schedule: what differs, and how it is undone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.changes import (
    ABSENT,
    LARGE_BYTES,
    Change,
    ChangeAction,
    Difference,
    as_it_was,
    change_between,
    creation_of,
    definition_differences,
    diff_document,
    diff_from,
    without_a_gap,
)
from rez_agent.domain.schedule import Pause, Schedule, ScheduleDefinition, ScheduleStatus
from tests.fakes import NOON
from tests.rig import definition_of, schedule_of

MINUTE = timedelta(minutes=1)
ACTIONS = {"updated": ChangeAction.UPDATE, "paused": ChangeAction.PAUSE}


def updated(schedule: Schedule, **changes: Any) -> Schedule:
    """The schedule with a changed definition."""
    document = schedule.definition.model_dump(mode="json") | changes
    definition = ScheduleDefinition.model_validate(document)
    return schedule.updated(definition, schedule.updated_date + MINUTE, target="target")


def change(before: Schedule, after: Schedule, action: ChangeAction = ChangeAction.UPDATE) -> Change:
    return change_between(before, after, action, at=after.updated_date, by="ann")


def test_every_field_that_differs_is_told_with_its_place_before_and_after() -> None:
    before = schedule_of(payload={"target": "a", "url/x": 1, "gone": None})
    after = updated(
        before,
        schedule_expression="rate(5 minutes)",
        payload={"target": "b", "url/x": True, "new": [1]},
        policies={"retry": {"max_attempts": 9}},
    )
    assert change(before, after).diff == (
        Difference("/schedule_expression", "cron(0 * * * ? *)", "rate(5 minutes)"),
        Difference("/payload/target", "a", "b"),
        Difference("/payload/url~1x", 1, True),
        Difference("/payload/gone", None, ABSENT),
        Difference("/payload/new", ABSENT, [1]),
        Difference("/policies/retry/max_attempts", 3, 9),
    )


def test_a_pause_is_told_as_a_change_of_the_state() -> None:
    before = schedule_of()
    after = before.paused(Pause(NOON + MINUTE, "bob", "mown", NOON + 9 * MINUTE))
    paused = {
        "since": "2026-06-01T12:01:00Z",
        "by": "bob",
        "reason": "mown",
        "until": "2026-06-01T12:09:00Z",
    }
    assert change(before, after, ChangeAction.PAUSE).diff == (
        Difference("/status", "active", "paused"),
        Difference("/pause", None, paused),
    )


def test_what_is_too_large_is_only_marked() -> None:
    before = schedule_of(payload={"target": "a", "body": "x" * LARGE_BYTES})
    after = updated(before, payload={"target": "a", "body": "short"}, description="new")
    assert change(before, after).diff == (
        Difference("/description", "", "new"),
        Difference("/payload", omitted=True),
    )
    many = updated(before, payload={f"k{n}": n for n in range(LARGE_BYTES // 10)})
    assert change(before, many).diff == (Difference("/payload", omitted=True),)


def test_what_was_only_marked_stays_as_it_is_later_when_the_rest_is_undone() -> None:
    before = schedule_of(payload={"target": "a", "body": "x" * LARGE_BYTES})
    after = updated(before, payload={"target": "b"}, schedule_expression="rate(1 day)")
    past = as_it_was(after, [change(before, after)])
    assert past.definition.schedule_expression == "cron(0 * * * ? *)"
    assert past.definition.payload == {"target": "b"}


def test_changes_are_undone_one_after_the_other() -> None:
    first = schedule_of(payload={"target": "a", "deep": {"er": {"x": 1}}}, tags=["old"])
    second = updated(first, payload={"target": "a"}, tags=["old", "new"])
    third = second.paused(Pause(NOON + MINUTE, "bob"))
    fourth = replace(third, status=ScheduleStatus.ERROR, error_message="no such zone")
    fifth = updated(fourth, timezone="Europe/Paris")
    changes = [
        change(fourth, fifth),
        change(third, fourth, ChangeAction.ERROR),
        change(second, third, ChangeAction.PAUSE),
        change(first, second),
    ]
    states = [fourth, third, second, first]
    for number, state in enumerate(states, start=1):
        past = as_it_was(fifth, changes[:number])
        assert past.definition == state.definition
        assert (past.status, past.pause, past.revision) == (state.status, state.pause, state.revision)
        assert past.error_message == state.error_message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("a/~é", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(st.text("ab/~", max_size=2), JSON, max_size=4)


@given(PAYLOADS, PAYLOADS)
def test_undoing_gives_back_any_payload_through_the_stored_form(old: Any, new: Any) -> None:
    before = schedule_of(payload=old)
    after = updated(before, payload=new)
    made = change(before, after)
    stored = replace(made, diff=diff_from(diff_document(made.diff)))
    assert stored == made
    assert as_it_was(after, [stored]).definition.payload == old
    assert (made.diff == ()) == (before.definition.payload == new and repr(old) == repr(new)) or old == new


def test_a_side_without_a_value_is_left_out_and_null_is_not() -> None:
    diff = (Difference("/payload/a", ABSENT, None), Difference("/payload/b", None, ABSENT))
    assert diff_document(diff) == [
        {"path": "/payload/a", "after": None},
        {"path": "/payload/b", "before": None},
    ]
    assert diff_document([Difference("/payload", omitted=True)]) == [{"path": "/payload", "omitted": True}]


@pytest.mark.parametrize(
    ("revisions", "whole"),
    [
        ([(4, "update"), (3, "pause"), (2, "update")], True),
        ([(4, "error"), (4, "update"), (3, "pause")], True),
        ([], True),
        ([(4, "update"), (2, "update")], False),
        ([(3, "pause")], False),
        ([(4, "error"), (3, "pause")], False),
    ],
)
def test_a_forgotten_change_is_noticed(revisions: list[tuple[int, str]], *, whole: bool) -> None:
    schedule = replace(schedule_of(), revision=4)
    changes = [Change(schedule.id, number, ChangeAction(action), NOON) for number, action in revisions]
    assert without_a_gap(schedule, changes) is whole


def test_the_creation_is_told_by_the_schedule() -> None:
    schedule = schedule_of(created_by="bob")
    assert creation_of(schedule) == Change(schedule.id, 1, ChangeAction.CREATE, NOON, by="bob")


@pytest.mark.parametrize(
    ("action", "second"),
    [("create", 0), ("resume", 0), ("update", 1), ("pause", 1), ("delete", 1), ("error", 1)],
)
def test_what_was_due_before_a_change_is_not_of_it(action: str, second: int) -> None:
    made = Change("sch_1", 2, ChangeAction(action), NOON + timedelta(milliseconds=900))
    assert made.counts_from == int(NOON.timestamp()) + second


def test_definitions_that_are_the_same_do_not_differ() -> None:
    one, other = (ScheduleDefinition.model_validate(definition_of()) for _ in "ab")
    assert definition_differences(one, other) == ()
