"""What executions come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason, Span, execution_id
from rez_agent.domain.statistics import Spread, Statistics, spread, statistics_of
from tests.fakes import NOON

SECOND, MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
SUCCEEDED, FAILED = ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED


def ran(
    status: ExecutionStatus = SUCCEEDED,
    *,
    late: float = 0,
    took: float = 1,
    cause: Cause = Cause.SCHEDULE,
) -> Execution:
    """An execution that began ``late`` seconds after it was due and took ``took`` seconds."""
    started = NOON + timedelta(seconds=late)
    return Execution(
        id=execution_id("sch_a", NOON),
        schedule_id="sch_a",
        owner="ann",
        scheduled_time=NOON,
        status=status,
        cause=cause,
        target_type="web_action",
        target="target",
        schedule_revision=1,
        created_date=NOON,
        due_at=NOON,
        expires_at=NOON,
        started_at=started,
        finished_at=started + timedelta(seconds=took),
        attempts=1,
    )


def never_ran(status: ExecutionStatus, reason: Reason | None = None) -> Execution:
    return replace(ran(status), reason=reason, started_at=None, attempts=0)


def test_nothing_comes_to_nothing() -> None:
    assert statistics_of([]) == Statistics(0, {}, {}, None, None, None)


def test_the_rate_is_of_what_succeeded_or_failed_and_of_nothing_else() -> None:
    skipped = [never_ran(ExecutionStatus.SKIPPED, reason) for reason in (Reason.MISSED, Reason.OVERLAP)]
    cancelled = never_ran(ExecutionStatus.CANCELLED, Reason.CANCELLED)
    underway = [never_ran(ExecutionStatus.QUEUED), ran(ExecutionStatus.RUNNING)]
    found = statistics_of([ran(), ran(), ran(), ran(FAILED), *skipped, cancelled, *underway])
    assert found.success_rate == 0.75
    assert found.executions == 9
    assert found.by_status == {
        "queued": 1,
        "running": 1,
        "succeeded": 3,
        "failed": 1,
        "cancelled": 1,
        "skipped": 2,
    }
    assert found.by_reason == {"missed": 1, "overlap": 1, "cancelled": 1}


def test_there_is_no_rate_where_nothing_ran() -> None:
    found = statistics_of([never_ran(ExecutionStatus.SKIPPED, Reason.PAUSED)])
    assert (found.success_rate, found.duration, found.lateness) == (None, None, None)


def test_what_stands_for_many_skipped_occurrences_counts_once() -> None:
    many = replace(never_ran(ExecutionStatus.SKIPPED, Reason.PAUSED), span=Span(NOON, NOON + SECOND, 500))
    assert statistics_of([many]).by_reason == {"paused": 1}


def test_a_cancelled_execution_that_had_begun_has_no_duration_that_counts() -> None:
    found = statistics_of([ran(took=1), ran(ExecutionStatus.CANCELLED, took=60)])
    assert found.duration == Spread(1_000, 1_000, 1_000)


def test_the_duration_counts_failures_too() -> None:
    assert statistics_of([ran(took=1), ran(FAILED, took=30)]).duration == Spread(1_000, 30_000, 30_000)


@pytest.mark.parametrize("cause", [Cause.CATCH_UP, Cause.RUN, Cause.BACKFILL])
def test_what_did_not_begin_on_its_schedule_is_not_late(cause: Cause) -> None:
    found = statistics_of([ran(late=0.25), ran(late=9_999, cause=cause)])
    assert found.lateness == Spread(250, 250, 250)


def test_what_its_engine_alone_fired_is_late_too() -> None:
    assert statistics_of([ran(late=7, cause=Cause.ENGINE_ONLY)]).lateness == Spread(7_000, 7_000, 7_000)


def test_a_clock_that_was_set_back_makes_nothing_shorter_than_no_time() -> None:
    found = statistics_of([ran(late=-5, took=-3)])
    assert (found.lateness, found.duration) == (Spread(0, 0, 0), Spread(0, 0, 0))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7], Spread(7, 7, 7)),
        ([2, 1], Spread(1, 2, 2)),
        (list(range(1, 21)), Spread(10, 19, 20)),
        (list(range(1, 101)), Spread(50, 95, 100)),
        ([5] * 99 + [1_000], Spread(5, 5, 1_000)),
    ],
    ids=str,
)
def test_a_percentile_is_the_nearest_rank(values: list[int], expected: Spread) -> None:
    assert spread(values) == expected


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_a_percentile_is_the_least_value_that_enough_of_all_are_not_above(values: list[int]) -> None:
    found = spread(values)
    assert found is not None
    for percent, value in ((50, found.p50), (95, found.p95), (100, found.longest)):
        assert value in values
        assert sum(one <= value for one in values) * 100 >= percent * len(values)
        assert sum(one < value for one in values) * 100 < percent * len(values)


statuses = st.sampled_from(list(ExecutionStatus))
executions = st.lists(
    st.builds(ran, statuses, late=st.floats(-10, 10**6), took=st.floats(-10, 10**6)), max_size=40
)


@given(executions, st.randoms(use_true_random=False))
def test_the_order_of_executions_says_nothing(some: list[Execution], random: Random) -> None:
    other = list(some)
    random.shuffle(other)
    assert statistics_of(other) == statistics_of(some)


@given(executions)
def test_every_execution_is_counted_once(some: list[Execution]) -> None:
    found = statistics_of(some)
    assert sum(found.by_status.values()) == found.executions == len(some)
    assert found.by_status == Counter(one.status for one in some)
    if found.success_rate is not None:
        assert 0 <= found.success_rate <= 1
