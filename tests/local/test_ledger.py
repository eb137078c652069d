"""What the ledger promises beyond its contract: its cost, and that only allowed moves happen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rez_agent.domain.execution import MOVES, ExecutionStatus, Reason
from rez_agent.ports import COUNTED_EXACTLY, Claimed, ExecutionQuery
from tests.fakes import FAILED, OK, REFUSED
from tests.rig import Rig, schedule_of

QUERIES: list[dict[str, Any]] = [
    {},
    {"owner": "ann"},
    {"schedule_id": "sch_report"},
    {"schedule_id": "sch_report", "owner": "ann"},
    {"status": ExecutionStatus.FAILED},
    {"status": ExecutionStatus.SKIPPED},
    {"status": ExecutionStatus.QUEUED},
    {"status": ExecutionStatus.SUCCEEDED},
    {"reason": Reason.MISSED},
    {"dead_letter": True},
]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.add(schedule_of(policies={"overlap": "allow", "catch_up": "all"}))
    yield rig
    rig.close()


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_page_of_the_ledger_sorts_at_most_what_is_in_flight(rig: Rig, query: dict[str, Any]) -> None:
    steps: list[str] = []

    def trace(cursor: Any, statement: str, bindings: Any) -> bool:
        if not statement.startswith("EXPLAIN"):
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", bindings)
            steps.extend(str(row[3]) for row in rows)
        return True

    rig.connection.exec_trace = trace
    rig.ports.ledger.list(ExecutionQuery(**query))
    rig.connection.exec_trace = None
    assert steps
    sorts = [step for step in steps if "TEMP B-TREE" in step]
    assert sorts == [] or query.get("status") is ExecutionStatus.QUEUED


def test_the_total_of_a_long_history_is_not_counted_out(rig: Rig) -> None:
    rig.clock.advance(hours=COUNTED_EXACTLY + 5)
    rig.connection.execute(
        "UPDATE schedules SET policies = "
        '\'{"catch_up":{"mode":"all","window_seconds":31536000},"overlap":"allow"}\''
    )
    rig.tick_all()
    page = rig.ports.ledger.list(ExecutionQuery(schedule_id="sch_report", limit=1))
    assert (page.total, page.total_is_exact) == (COUNTED_EXACTLY, False)


def test_a_run_and_an_occurrence_of_one_second_stand_side_by_side_in_a_history(rig: Rig) -> None:
    rig.tick()
    rig.command(action="run", schedule_id="sch_report")
    assert [execution.cause for execution in rig.history("sch_report")] == ["schedule", "run"]


STEPS = ["tick", "claim", "succeed", "fail", "refuse", "cancel", "retry", "crash", "hour", "second"]


def take(rig: Rig, step: str, claimed: list[Claimed]) -> None:
    """One step of a story."""
    match step:
        case "tick":
            rig.tick()
        case "claim":
            claimed += rig.claim(capacity=1)
        case "succeed" | "fail" | "refuse" if claimed:
            rig.end(claimed.pop(0), {"succeed": OK, "fail": FAILED, "refuse": REFUSED}[step])
        case "cancel" | "retry":
            for execution in rig.history("sch_report")[-2:]:
                rig.command(action=step, execution_id=execution.id)
        case "crash":
            rig.recover()
        case "hour" | "second":
            rig.clock.advance(**{f"{step}s": 1})


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=40), overlap=st.sampled_from(["allow", "skip", "queue"])
)
def test_whatever_happens_only_allowed_moves_are_made(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], overlap: str
) -> None:
    rig = Rig(tmp_path_factory.mktemp("moves"))
    rig.add(schedule_of(policies={"overlap": overlap, "retry": {"max_attempts": 1}}))
    claimed: list[Claimed] = []
    before: dict[str, ExecutionStatus] = {}
    for step in steps:
        take(rig, step, claimed)
        after = {execution.id: execution.status for execution in rig.history("sch_report")}
        assert before.keys() <= after.keys()
        for execution_id, status in after.items():
            was = before.get(execution_id, ExecutionStatus.QUEUED)
            assert status is was or status in MOVES[was]
        running = [status for status in after.values() if status is ExecutionStatus.RUNNING]
        assert overlap == "allow" or "retry" in steps or len(running) <= 1
        before = after
    rig.close()
