"""The ledger's entries: identity, states and the moves allowed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.execution import (
    IN_FLIGHT,
    MOVES,
    Cause,
    ExecutionStatus,
    asked_execution_id,
    execution_id,
    window_share,
)
from rez_agent.usecases.entries import asked_execution
from tests.fakes import NOON
from tests.rig import schedule_of


def test_an_occurrence_has_one_id_whoever_computes_it() -> None:
    assert execution_id("sch_1", NOON) == "sch_1_20260601T120000Z"
    assert asked_execution_id("sch_1", NOON, Cause.RUN, "msg_7") == "sch_1_20260601T120000Z_run_msg_7"


def test_every_state_has_its_moves_and_only_success_and_skipped_have_none() -> None:
    assert set(MOVES) == set(ExecutionStatus)
    without = {status for status, moves in MOVES.items() if not moves}
    assert without == {ExecutionStatus.SUCCEEDED, ExecutionStatus.SKIPPED}


def test_what_is_in_flight_is_not_final_and_everything_else_is() -> None:
    assert {status for status in ExecutionStatus if not status.final} == set(IN_FLIGHT)


def test_a_final_execution_only_ever_goes_back_to_the_queue() -> None:
    for status in ExecutionStatus:
        if status.final:
            assert MOVES[status] <= {ExecutionStatus.QUEUED}


@given(st.text(min_size=1), st.integers(1, 1_440))
def test_the_share_of_a_window_is_stable_and_lies_within_it(identity: str, minutes: int) -> None:
    share = window_share(identity, minutes * 60_000)
    assert 0 <= share < minutes * 60_000
    assert share == window_share(identity, minutes * 60_000)


def test_the_shares_of_a_window_are_spread_evenly() -> None:
    window, tenths = 600_000, Counter[int]()
    for hour in range(20_000):
        identity = execution_id("sch_1", NOON + timedelta(hours=hour))
        tenths[window_share(identity, window) * 10 // window] += 1
    assert min(tenths.values()) > 1_800
    assert max(tenths.values()) < 2_200


def test_lateness_and_duration_are_known_once_there_is_something_to_know() -> None:
    waiting = asked_execution(schedule_of(), NOON, Cause.RUN, "msg_1", now=NOON)
    assert waiting.lateness is None
    assert waiting.duration is None
    done = replace(waiting, started_at=NOON + timedelta(seconds=2), finished_at=NOON + timedelta(seconds=5))
    assert done.lateness == timedelta(seconds=2)
    assert done.duration == timedelta(seconds=3)


def test_the_page_of_states_shows_exactly_the_moves_that_are_allowed() -> None:
    page = (Path(__file__).parents[2] / "docs/explanation/states.md").read_text()
    told = set(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE))
    assert told == {(before.value, after.value) for before, moves in MOVES.items() for after in moves}
