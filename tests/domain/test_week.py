"""What a schedule's week is made of: occurrences, and what became of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.due import Instants
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason, Span, execution_id
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.week import DAY, GRACE, HOUR, Facts, MarkFate, cells_of, fate_of, marks_of
from tests.fakes import NOON

NOW = to_seconds(NOON)
BEGINS, ENDS = NOW - 3 * DAY, NOW + 4 * DAY
FACTS = Facts(now=NOW, born=BEGINS - DAY, defined=BEGINS - DAY, read=BEGINS)


def ran(at: int, status: ExecutionStatus = ExecutionStatus.SUCCEEDED, **changes: object) -> Execution:
    when = from_seconds(at)
    made = Execution(
        id=execution_id("sch_a", when),
        schedule_id="sch_a",
        owner="ann",
        scheduled_time=when,
        status=status,
        cause=Cause.SCHEDULE,
        target_type="web_action",
        target="target",
        schedule_revision=1,
        created_date=when,
        due_at=when,
        expires_at=when,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def many(first: int, last: int, count: int, reason: Reason = Reason.PAUSED) -> Execution:
    span = Span(from_seconds(first), from_seconds(last), count)
    return ran(first, ExecutionStatus.SKIPPED, reason=reason, span=span)


def fates(times: list[int], executions: list[Execution], facts: Facts = FACTS) -> list[tuple[int, str]]:
    marks = marks_of(Instants(times), executions, facts, BEGINS, ENDS)
    return [(mark.at, mark.fate.value) for mark in marks]


@pytest.mark.parametrize(
    ("status", "reason", "fate"),
    [
        (ExecutionStatus.SUCCEEDED, None, "succeeded"),
        (ExecutionStatus.FAILED, None, "failed"),
        (ExecutionStatus.QUEUED, None, "queued"),
        (ExecutionStatus.RUNNING, None, "running"),
        (ExecutionStatus.CANCELLED, Reason.CANCELLED, "cancelled"),
        (ExecutionStatus.SKIPPED, Reason.MISSED, "missed"),
        (ExecutionStatus.SKIPPED, Reason.PAUSED, "paused"),
        (ExecutionStatus.SKIPPED, Reason.OVERLAP, "skipped"),
        (ExecutionStatus.SKIPPED, Reason.EXPIRED, "skipped"),
        (ExecutionStatus.SKIPPED, None, "skipped"),
    ],
)
def test_what_became_of_an_execution(status: ExecutionStatus, reason: Reason | None, fate: str) -> None:
    assert fate_of(ran(NOW, status, reason=reason)) == fate


def test_what_lies_ahead_is_expected_and_what_ran_is_filled() -> None:
    assert fates([NOW - HOUR, NOW + HOUR], [ran(NOW - HOUR)]) == [
        (NOW - HOUR, "succeeded"),
        (NOW + HOUR, "expected"),
    ]


def test_an_occurrence_without_an_entry_is_due_at_first_and_then_missed() -> None:
    assert fates([NOW - GRACE, NOW - GRACE + 1, NOW], []) == [
        (NOW - GRACE, "missed"),
        (NOW - GRACE + 1, "due"),
        (NOW, "due"),
    ]


def test_long_ago_nobody_can_say_that_an_occurrence_was_missed() -> None:
    assert fates([NOW - DAY - 1, NOW - DAY + 1], []) == [
        (NOW - DAY - 1, "unknown"),
        (NOW - DAY + 1, "missed"),
    ]


def test_before_the_last_change_another_definition_may_have_stood() -> None:
    changed = replace(FACTS, defined=NOW - HOUR)
    assert fates([NOW - HOUR, NOW - HOUR + 1], [], changed) == [
        (NOW - HOUR, "unknown"),
        (NOW - HOUR + 1, "missed"),
    ]


def test_what_was_not_read_is_unknown() -> None:
    partly = replace(FACTS, read=NOW - HOUR)
    assert fates([NOW - HOUR - 1, NOW - HOUR], [], partly) == [
        (NOW - HOUR - 1, "unknown"),
        (NOW - HOUR, "missed"),
    ]


def test_there_was_nothing_before_the_schedule_was_made() -> None:
    born = replace(FACTS, born=NOW - HOUR, defined=NOW - HOUR)
    assert [at for at, _ in fates([NOW - HOUR - 1, NOW - HOUR, NOW + 1], [], born)] == [NOW - HOUR, NOW + 1]


def test_a_pause_is_shown_until_its_end_if_that_is_known() -> None:
    times = [NOW - 2 * HOUR, NOW - HOUR, NOW + HOUR, NOW + 2 * HOUR]
    paused = replace(FACTS, paused=(NOW - 2 * HOUR, NOW + 2 * HOUR))
    told = [fate for _, fate in fates(times, [], paused)]
    assert told == ["missed", "paused", "paused", "expected"]
    for_good = replace(FACTS, paused=(NOW - 2 * HOUR, None))
    assert [fate for _, fate in fates(times, [], for_good)] == ["missed", "paused", "paused", "paused"]


def test_nothing_is_expected_of_what_does_not_fire() -> None:
    assert fates([NOW - 1, NOW + 1], [], replace(FACTS, firing=False)) == [(NOW - 1, "due")]


def test_what_its_calendar_closes_is_going_to_be_skipped() -> None:
    closed = replace(FACTS, closed=((NOW - HOUR, NOW + 2 * HOUR), (NOW + DAY, NOW + 2 * DAY)))
    times = [NOW + HOUR, NOW + 2 * HOUR, NOW + DAY, NOW + 2 * DAY]
    assert [fate for _, fate in fates(times, [], closed)] == ["skipped", "expected", "skipped", "expected"]
    cells = cells_of(Instants(range(NOW + 60, ENDS, 60)), [], closed, BEGINS, ENDS)
    found = {cell.begins: cell.fates for cell in cells}
    assert found[NOW] == {"skipped": 59}
    assert (found[NOW + HOUR], found[NOW + 2 * HOUR]) == ({"skipped": 60}, {"expected": 60})


def test_an_entry_for_many_stands_for_all_that_it_covers() -> None:
    times = [NOW - 5 * HOUR, NOW - 4 * HOUR, NOW - 3 * HOUR, NOW - 2 * HOUR]
    entry = many(times[0], times[2], 3)
    (mark, after) = marks_of(Instants(times), [entry], FACTS, BEGINS, ENDS)
    assert (mark.at, mark.last, mark.count, mark.fate) == (times[0], times[2], 3, "paused")
    assert (after.at, after.fate) == (times[3], "missed")


def test_an_entry_for_many_may_reach_into_the_week() -> None:
    times = [BEGINS - DAY, BEGINS, BEGINS + DAY]
    (mark,) = marks_of(Instants(times), [many(times[0], times[2], 3)], FACTS, BEGINS, ENDS)
    assert (mark.at, mark.fate) == (times[0], "paused")
    assert marks_of(Instants([]), [many(BEGINS - 2 * DAY, BEGINS - DAY, 2)], FACTS, BEGINS, ENDS) == ()


def test_a_run_that_somebody_asked_for_stands_beside_the_occurrence() -> None:
    run = ran(NOW - HOUR, ExecutionStatus.FAILED, cause=Cause.RUN)
    assert sorted(fates([NOW - HOUR], [run])) == [(NOW - HOUR, "failed"), (NOW - HOUR, "missed")]


def test_the_hours_of_a_dense_schedule_are_counted() -> None:
    times = Instants(range(BEGINS, ENDS, 60))
    ran_ = [ran(at) for at in range(NOW - HOUR, NOW - 600, 60)] + [ran(NOW - 600, ExecutionStatus.FAILED)]
    cells = {cell.begins: cell.fates for cell in cells_of(times, ran_, FACTS, BEGINS, ENDS)}
    assert len(cells) == 7 * 24
    assert cells[NOW - HOUR] == {"succeeded": 50, "failed": 1, "missed": 8, "due": 1}
    assert cells[NOW] == {"due": 1, "expected": 59}
    assert cells[NOW + HOUR] == {"expected": 60}
    assert cells[NOW - 2 * HOUR] == {"missed": 60}
    assert cells[NOW - 2 * DAY] == {"unknown": 60}


def test_an_entry_for_many_fills_the_hours_that_it_covers() -> None:
    times = Instants(range(BEGINS, ENDS, 60))
    entry = many(NOW - 2 * HOUR - 1_800, NOW - HOUR - 60, 90, Reason.MISSED)
    cells = {cell.begins: cell.fates for cell in cells_of(times, [entry], FACTS, BEGINS, ENDS)}
    assert cells[NOW - 2 * HOUR] == {"missed": 60}
    paused = many(NOW - 2 * HOUR - 1_800, NOW - HOUR - 60, 90)
    cells = {cell.begins: cell.fates for cell in cells_of(times, [paused], FACTS, BEGINS, ENDS)}
    assert cells[NOW - 3 * HOUR] == {"missed": 30, "paused": 30}
    assert cells[NOW - 2 * HOUR] == {"paused": 60}


seconds = st.integers(BEGINS - DAY, ENDS + DAY)
stories = st.tuples(
    st.sets(seconds, max_size=60),
    st.builds(
        Facts,
        now=st.integers(BEGINS, ENDS),
        born=seconds,
        defined=seconds,
        read=seconds,
        paused=st.none() | st.tuples(seconds, st.none() | seconds),
        firing=st.booleans(),
        closed=st.lists(st.tuples(seconds, seconds), max_size=3).map(tuple),
    ),
)


@given(stories, st.data())
def test_marks_and_hours_tell_the_same(story: tuple[set[int], Facts], data: st.DataObject) -> None:
    times, facts = story
    made = data.draw(st.sets(st.sampled_from(sorted(times)), max_size=20)) if times else set()
    executions = [ran(at, data.draw(st.sampled_from(list(ExecutionStatus)))) for at in made]
    marks = marks_of(Instants(times), executions, facts, BEGINS, ENDS)
    cells = cells_of(Instants(times), executions, facts, BEGINS, ENDS)
    by_hour: dict[int, Counter[MarkFate]] = {cell.begins: Counter() for cell in cells}
    for mark in marks:
        by_hour[mark.at - (mark.at - BEGINS) % HOUR][mark.fate] += 1
    assert {cell.begins: cell.fates for cell in cells} == {at: dict(found) for at, found in by_hour.items()}
