"""A replay, on both hosts: what it is given, and what the ledger keeps of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.execution import Execution
from rez_agent.ports import Ports
from rez_agent.usecases.applying import apply
from rez_agent.usecases.commands import submit
from tests.contract.hosts import STEPPED, SteppedHost
from tests.fakes import NOON, OK, REFUSED
from tests.rig import ANN, definition_of, schedule_of

HOUR = timedelta(hours=1)


@pytest.fixture(params=STEPPED)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SteppedHost]:
    """A host with a schedule, at noon."""
    with STEPPED[request.param](tmp_path) as made:
        made.ask(lambda ports: ports.schedules.add(schedule_of(payload={"target": "old", "n": 1})))
        yield made


def done(host: SteppedHost, **command: Any) -> Message:
    """A command of ann's, once it is judged."""
    request = ScheduleCreationRequest.model_validate(command)
    message = host.ask(lambda ports: submit(ports, ANN, request)).message

    def judged(ports: Ports) -> Message:
        found = ports.messages.get(message.id)
        assert found is not None
        return found if found.status.final else apply(ports, found)

    return host.ask(judged)


def ran(host: SteppedHost, execution_id: str, outcome: Any = OK) -> dict[str, Any]:
    """Claim the one that waits, and end it; the payload that it was given."""
    (claimed,) = host.claim()
    assert claimed.work.execution_id == execution_id
    host.end(claimed, outcome)
    return dict(claimed.work.payload)


def execution(host: SteppedHost, execution_id: str) -> Execution:
    found = host.ask(lambda ports: ports.ledger.get(execution_id))
    assert found is not None
    return found


def test_a_replay_does_the_work_of_the_revision_then(host: SteppedHost) -> None:
    run = done(host, action="run", schedule_id="sch_report").result["execution_id"]
    ran(host, run, REFUSED)
    changed = definition_of(payload={"target": "new", "n": 2})
    done(host, action="update", schedule_id="sch_report", schedule=changed)
    host.clock.advance(hours=2)

    message = done(host, action="replay", execution_id=run)
    again = execution(host, message.result["execution_id"])
    assert (again.cause, again.replay_of, again.target) == ("replay", run, "old")
    assert (again.scheduled_time, again.due_at) == (NOON, NOON + 2 * HOUR)
    assert ran(host, again.id) == {"target": "old", "n": 1}
    assert [execution(host, one).status for one in (run, again.id)] == ["failed", "succeeded"]


def test_a_replay_may_be_given_another_payload(host: SteppedHost) -> None:
    run = done(host, action="run", schedule_id="sch_report").result["execution_id"]
    ran(host, run)
    edited = {"target": "elsewhere", "text": "☃" * 40_000}
    again = done(host, action="replay", execution_id=run, payload=edited).result["execution_id"]
    assert execution(host, again).target == "elsewhere"
    assert ran(host, again) == edited


def test_the_same_replay_command_twice_is_one_replay(host: SteppedHost) -> None:
    run = done(host, action="run", schedule_id="sch_report").result["execution_id"]
    ran(host, run)
    message = done(host, action="replay", execution_id=run)
    again = host.ask(lambda ports: apply(ports, message))
    assert again.result == message.result
    assert len(host.claim()) == 1
