"""What became of an execution, in plain words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason, execution_id
from rez_agent.domain.plainly import (
    CODES,
    REASONS,
    SEVERAL_STATUSES,
    plain_code,
    plainly,
)
from tests.fakes import NOON

ACTIONS = Path(__file__).parents[2] / "docs" / "reference" / "actions.md"


def execution(status: ExecutionStatus = ExecutionStatus.FAILED, **changes: Any) -> Execution:
    made = Execution(
        id=execution_id("sch_a", NOON),
        schedule_id="sch_a",
        owner="ann",
        scheduled_time=NOON,
        status=status,
        cause=Cause.SCHEDULE,
        target_type="web_action",
        target="target",
        schedule_revision=1,
        created_date=NOON,
        due_at=NOON,
        expires_at=NOON,
        next_attempt_at=NOON,
        attempts=1,
    )
    return replace(made, **changes)


def documented_codes() -> set[str]:
    """The codes in the table of outcomes."""
    table = ACTIONS.read_text(encoding="utf-8").partition("## Outcomes")[2]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}


def test_every_code_of_an_outcome_has_its_sentence() -> None:
    assert "dns" in documented_codes()
    assert documented_codes() - {"status", "timeout"} <= CODES.keys()


def test_every_reason_has_its_sentence() -> None:
    assert REASONS.keys() == set(Reason)
    for reason in Reason:
        assert plainly(execution(ExecutionStatus.SKIPPED, reason=reason)) is REASONS[reason]


def test_sentences_are_whole_and_short() -> None:
    for plain in (*CODES.values(), *REASONS.values(), *SEVERAL_STATUSES.values()):
        assert plain.what[0].isupper() or plain.what.startswith("rez-agent"), plain
        assert not plain.what.endswith("."), plain
        assert len(plain.what) < 90, plain
        assert plain.advice == "" or plain.advice.endswith("."), plain


@pytest.mark.parametrize(
    ("code", "status", "what"),
    [
        ("dns", None, "The name did not resolve"),
        ("refused", None, "The server refused the connection"),
        ("status", 404, "The server has nothing at this address (404)"),
        ("status", 503, "The server can't serve this now (503)"),
        ("status", 418, "The server refused the request (418)"),
        ("status", 599, "The server failed inside (599)"),
        ("status", 204, "The server answered 204, which does not count as success"),
        ("timeout", None, "The server took longer than 10 s"),
        ("forbidden_target", None, "The address is a private one, which may not be called"),
        ("interrupted", None, "The server stopped or died while it ran"),
        ("of_a_plugin", None, "It failed with the code of_a_plugin"),
        ("", None, "It failed"),
    ],
)
def test_a_failure_is_told_in_plain_words(code: str, status: int | None, what: str) -> None:
    error = "No whole answer within 10 seconds (waiting for the first byte)."
    assert plainly(execution(code=code, response_status=status, error=error)).what == what


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (None, "The server took too long"),
        ("The action did not return within 0.5 seconds.", "The server took longer than 0.5 s"),
    ],
)
def test_a_timeout_says_how_long_it_was_if_that_is_known(error: str | None, what: str) -> None:
    assert plain_code("timeout", None, error).what == what


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (execution(ExecutionStatus.SUCCEEDED, code="ok"), "It did what was asked"),
        (execution(ExecutionStatus.RUNNING), "An attempt is under way"),
        (execution(ExecutionStatus.QUEUED, attempts=0), "It waits for its turn"),
        (
            execution(ExecutionStatus.QUEUED, attempts=0, next_attempt_at=None),
            "It waits for the one before it to end",
        ),
        (execution(ExecutionStatus.QUEUED), "An attempt failed, and another one follows"),
        (execution(ExecutionStatus.CANCELLED, reason=Reason.CANCELLED), "It was cancelled"),
    ],
)
def test_whatever_state_it_is_in_there_is_a_sentence(made: Execution, what: str) -> None:
    assert plainly(made).what == what
