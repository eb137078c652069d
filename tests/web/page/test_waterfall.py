"""An execution's attempts on one axis of time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.action import Timings
from rez_agent.domain.execution import Attempt, Cause, Execution, ExecutionStatus, execution_id
from rez_agent.web.page.waterfall import WIDTH, Waterfall, phases_of, waterfall_of
from tests.fakes import NOON

MS = timedelta(milliseconds=1)
EXECUTION = Execution(
    id=execution_id("sch_a", NOON),
    schedule_id="sch_a",
    owner="ann",
    scheduled_time=NOON,
    status=ExecutionStatus.FAILED,
    cause=Cause.SCHEDULE,
    target_type="web_action",
    target="target",
    schedule_revision=1,
    created_date=NOON,
    due_at=NOON,
    expires_at=NOON,
)


def attempt(number: int, begins: float, took: float, **timings: float) -> Attempt:
    """An attempt that began so many ms after noon."""
    started = NOON + begins * MS
    return Attempt(
        number,
        started,
        started + took * MS,
        "failed",
        code="status",
        response_status=503,
        timings=Timings(**timings),
    )


def drawn(*attempts: Attempt) -> Waterfall:
    found = waterfall_of(EXECUTION, attempts)
    assert found is not None
    return found


def kinds(found: Waterfall) -> list[list[tuple[str, float, float]]]:
    return [[(piece.kind, piece.x, piece.width) for piece in lane.pieces] for lane in found.lanes]


def test_there_is_none_before_an_attempt_has_ended() -> None:
    assert waterfall_of(EXECUTION, ()) is None


def test_a_wait_and_the_phases_stand_one_after_the_other_to_scale() -> None:
    found = drawn(attempt(1, 20, 80, name=10, connect=20, first_byte=40, body=10))
    assert kinds(found) == [
        [
            ("wait", 0, 200),
            ("name", 200, 100),
            ("connect", 300, 200),
            ("first_byte", 500, 400),
            ("body", 900, 100),
        ]
    ]
    assert (found.ms, found.has_cuts, found.left_out) == (100, False, 0)
    assert found.lanes[0].plain.what == "The server can't serve this now (503)"


def test_what_no_phase_accounts_for_is_work() -> None:
    assert phases_of(attempt(1, 0, 100, first_byte=60)) == [("first_byte", 60), ("work", 40)]
    assert phases_of(attempt(1, 0, 100)) == [("work", 100)]
    assert phases_of(attempt(1, 0, 100, first_byte=99.8)) == [("first_byte", 99.8)]


def test_phases_that_claim_more_than_the_attempt_are_shortened_alike() -> None:
    assert phases_of(attempt(1, 0, 50, name=50, body=50)) == [("name", 25), ("body", 25)]


def test_a_long_wait_is_cut_and_says_so() -> None:
    found = drawn(attempt(1, 0, 100), attempt(2, 600_000, 100))
    (first,), (wait, second) = (lane.pieces for lane in found.lanes)
    assert (wait.ms, wait.cut, found.has_cuts) == (599_900, True, True)
    assert first.width == second.width == pytest.approx(WIDTH * 100 / 280, abs=0.01)
    assert wait.width == pytest.approx(WIDTH * 80 / 280, abs=0.01)


def test_the_shortest_phase_can_be_seen() -> None:
    found = drawn(attempt(1, 0, 100_000, name=0.1, body=99_000))
    assert all(piece.width >= 3 for piece in found.lanes[0].pieces)


def test_of_very_many_attempts_those_in_the_middle_are_left_out() -> None:
    found = drawn(*(attempt(n, n * 1_000, 100) for n in range(1, 101)))
    assert [lane.attempt.number for lane in found.lanes] == [*range(1, 6), *range(86, 101)]
    assert found.left_out == 80
    assert found.lanes[5].wait is None  # the one before it is not drawn
    assert found.lanes[6].wait is not None


def test_a_clock_that_was_set_back_draws_nothing_backwards() -> None:
    found = drawn(attempt(1, -50, -10), replace(attempt(2, -100, 20)))
    assert all(piece.width > 0 and piece.x >= 0 for lane in found.lanes for piece in lane.pieces)


@given(
    st.lists(
        st.tuples(st.floats(0, 10**7), st.floats(0, 10**6), st.floats(0, 10**6), st.floats(0, 10**6)),
        min_size=1,
        max_size=30,
    )
)
def test_everything_lies_on_the_axis_in_order(made: list[tuple[float, float, float, float]]) -> None:
    begins, attempts = 0.0, []
    for number, (wait, took, name, body) in enumerate(made, 1):
        attempts.append(attempt(number, begins + wait, took, name=name, body=body))
        begins += wait + took
    found = drawn(*attempts)
    pieces = [piece for lane in found.lanes for piece in lane.pieces]
    assert all(piece.x >= 0 and piece.x + piece.width <= WIDTH + 0.02 for piece in pieces)
    assert [piece.x for piece in pieces] == sorted(piece.x for piece in pieces)
