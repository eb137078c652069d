"""The demo's story: everything is told once, in order."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rez_agent.cli.demo import called, free_port
from rez_agent.cli.story import Story, opening
from rez_agent.domain.expression import parse
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import ScheduleDefinition

FAILED = {
    "number": 1,
    "outcome": "failed",
    "code": "status",
    "response_status": 503,
    "duration_ms": 3,
    "finished_at": "2026-03-08T07:30:00.100Z",
}
SUCCEEDED = {
    **FAILED,
    "number": 2,
    "started_at": "2026-03-08T07:30:01.300Z",
    "outcome": "succeeded",
    "response_status": 200,
    "duration_ms": 14,
}


def test_the_demo_names_commands_as_they_can_be_typed() -> None:
    here, program = Path("/srv/clone"), Path("/srv/clone/.venv/bin/rez-agent")
    assert called(program, found=True, here=here) == "rez-agent"
    assert called(program, found=False, here=here) == ".venv/bin/rez-agent"
    assert called(program, found=False, here=Path("/elsewhere")) == str(program)
    assert called(Path(".venv/bin/rez-agent"), found=False, here=here) == ".venv/bin/rez-agent"


def test_the_demo_takes_another_port_when_its_own_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in (0, port)


def execution(**facts: Any) -> dict[str, Any]:
    plain = {"id": "sch_1_20260308T073000Z", "schedule_id": "sch_1", "status": "queued", "attempts": []}
    return plain | {"scheduled_time": "2026-03-08T07:30:00Z", "lateness_ms": 120} | facts


def test_a_retry_and_its_end_are_told_once() -> None:
    story = Story({"sch_1": "flaky"})
    waiting = execution(attempts=[FAILED], next_attempt_at="2026-03-08T07:30:01.300Z")
    assert list(story.sentences([waiting])) == ["flaky: attempt 1 failed (503); tried again in 1.2 s"]
    assert list(story.sentences([waiting])) == []
    assert not story.told_all("flaky")
    done = execution(status="succeeded", attempts=[FAILED, SUCCEEDED])
    assert list(story.sentences([done])) == [
        "flaky: attempt 2 succeeded (200) in 14 ms; the first one began 120 ms after its time"
    ]
    assert list(story.sentences([done])) == []
    assert story.told_all("flaky")


def test_attempts_that_were_missed_between_two_looks_are_told_with_their_waits() -> None:
    again = {**SUCCEEDED, "started_at": "2026-03-08T07:30:00.300Z"}
    done = execution(status="succeeded", attempts=[FAILED, again])
    assert next(Story({"sch_1": "x"}).sentences([done])) == "x: attempt 1 failed (503); tried again in 200 ms"


def test_what_failed_for_good_says_why() -> None:
    failed = execution(status="failed", attempts=[FAILED], detail="no attempts are left")
    assert list(Story({"sch_1": "x"}).sentences([failed])) == [
        "x: attempt 1 failed (503)",
        "x: failed. no attempts are left",
    ]


def test_the_oldest_execution_is_told_first() -> None:
    newest_first = [
        execution(id=f"sch_1_{number}", status="skipped", reason=f"reason {number}") for number in (2, 1)
    ]
    told = list(Story({"sch_1": "x"}).sentences(newest_first))
    assert told == ["x: skipped. reason 1", "x: skipped. reason 2"]


def test_the_demo_s_schedules_can_be_created() -> None:
    definitions = opening(datetime(2026, 3, 8, 7, 30, tzinfo=UTC), "http://127.0.0.1:1")
    assert [d["schedule_expression"] for d in definitions] == [
        "at(2026-03-08T07:30:04)",
        "rate(1 minute)",
        "cron(* * * * ? *)",
    ]
    for definition in definitions:
        parse(read(ScheduleDefinition, definition).schedule_expression)
