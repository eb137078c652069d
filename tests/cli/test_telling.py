"""What people are told of an execution."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rez_agent.cli.telling import execution

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"status": "failed", "code": "dns"}, "in short   The name did not resolve. Check the host's name"),
        (
            {"status": "failed", "code": "status", "response_status": 404},
            "in short   The server has nothing at this address (404). Check the path",
        ),
        (
            {"status": "failed", "code": "timeout", "error": "No answer within 2 seconds."},
            "in short   The server took longer than 2 s.",
        ),
        ({"status": "skipped", "reason": "condition"}, "in short   The schedule's condition was false."),
    ],
)
def test_why_it_did_not_succeed_is_told_in_plain_words(
    capsys: pytest.CaptureFixture[str], fields: dict[str, Any], told: str
) -> None:
    execution({"id": "x", "schedule_id": "s", "scheduled_time": "2026-03-08T12:00:00Z", **fields}, NOW)
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    "fields", [{"status": "succeeded"}, {"status": "running"}, {"status": "skipped", "reason": "of later"}]
)
def test_what_needs_no_words_gets_none(capsys: pytest.CaptureFixture[str], fields: dict[str, Any]) -> None:
    execution({"id": "x", "schedule_id": "s", "scheduled_time": "2026-03-08T12:00:00Z", **fields}, NOW)
    assert "in short" not in capsys.readouterr().out
