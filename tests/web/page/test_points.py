"""Executions as points of a chart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rez_agent.domain.execution import Cause, ExecutionStatus, Reason
from rez_agent.web.page.points import OUTCOMES, outcome_of, points_of
from tests.fakes import NOON
from tests.web.page.test_timeline import EXECUTION

RAN = replace(
    EXECUTION,
    scheduled_time=NOON,
    due_at=NOON,
    started_at=NOON + timedelta(milliseconds=250),
    finished_at=NOON + timedelta(milliseconds=1_500),
)


def test_points_are_in_order_with_their_times_in_seconds() -> None:
    later = replace(RAN, id="sch_a_later", scheduled_time=NOON + timedelta(hours=1))
    found = points_of([later, RAN])
    start = int(NOON.timestamp())
    assert found["at"] == [start, start + 3_600]
    assert (found["duration"][0], found["lateness"][0]) == (1.25, 0.25)
    assert found["id"] == [RAN.id, "sch_a_later"]
    assert [OUTCOMES[place] for place in found["outcome"]] == ["succeeded", "succeeded"]


def test_what_never_ran_has_neither_a_duration_nor_a_lateness() -> None:
    skipped = replace(EXECUTION, status=ExecutionStatus.SKIPPED, reason=Reason.OVERLAP)
    found = points_of([skipped])
    assert (found["duration"], found["lateness"]) == ([None], [None])


def test_what_was_asked_for_is_not_late() -> None:
    assert points_of([replace(RAN, cause=Cause.RUN)])["lateness"] == [None]


@pytest.mark.parametrize("status", ExecutionStatus)
def test_every_state_has_its_kind(status: ExecutionStatus) -> None:
    assert outcome_of(replace(RAN, status=status)) in OUTCOMES


def test_what_was_missed_is_a_kind_of_its_own() -> None:
    missed = replace(RAN, status=ExecutionStatus.SKIPPED, reason=Reason.MISSED)
    assert outcome_of(missed) == "missed"
