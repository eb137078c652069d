"""Each kind of alert reaches a server like ntfy's on loopback, through the real program, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.schedule import Schedule
from rez_agent.usecases.callers import Caller
from tests.e2e.conftest import Serve
from tests.e2e.ntfy import Ntfy
from tests.e2e.program import Program, eventually, web_action
from tests.e2e.recorder import Recorder
from tests.fakes import OK, FakeClock
from tests.rig import Rig

pytestmark = pytest.mark.e2e

RULES = "/api/alert-rules"
NEVER = "cron(0 0 1 1 ? *)"
ONCE = {"retry": {"max_attempts": 0}}
LOCAL = Caller("local", admin=True)
TOPICS = ("alerts", "failures", "rate", "dead", "slow", "fast", "trial")
"""The channel ``alerts`` is where rules that name none send to: nobody made the rule about missed runs."""


@pytest.fixture
def ntfy() -> Iterator[Ntfy]:
    with Ntfy() as server:
        yield server


def actions_file(directory: Path, ntfy: Ntfy, *topics: str) -> str:
    """A file of actions whose channels lead to the server's topics. JSON is YAML."""
    path = directory / "actions.yaml"
    path.write_text(json.dumps({"channels": ntfy.channels(*topics)}))
    return str(path)


def created(server: Program, definition: dict[str, Any]) -> str:
    answer = server.post("/api/schedules", definition, {"Prefer": "wait=10"})
    assert answer.status == 201, answer.body
    return str(answer.body["schedule_id"])


def ran(server: Program, schedule_id: str, times: int = 1) -> None:
    """Run it now, so many times, each to its end."""
    for _ in range(times):
        answer = server.post(f"/api/schedules/{schedule_id}/run", {}, {"Prefer": "wait=10"})
        path = f"/api/executions/{answer.body['execution_id']}"
        eventually(lambda path=path: server.get(path).body["finished_at"] is not None, 20, path)  # type: ignore[misc]


def rule(server: Program, kind: str, channel: str, **fields: Any) -> str:
    answer = server.post(RULES, {"name": channel, "kind": kind, "channels": [channel], **fields})
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


def with_a_past(data_dir: Path, target: Recorder) -> dict[str, str]:
    """A database that a server left twenty minutes ago: one schedule is due each minute, one took 3 seconds
    each time, one no time at all. Their ids."""
    data_dir.mkdir()
    rig = Rig(data_dir, FakeClock(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)))
    made = {
        "missed": _scheduled(rig, "missed", "rate(1 minute)", target.url("/ok")),
        "slow": _scheduled(rig, "slow", NEVER, target.url("/slow/2/x")),
        "fast": _scheduled(rig, "fast", NEVER, target.url("/ok")),
    }
    for _ in range(25):
        for name, seconds in (("slow", 0.0), ("fast", 3.0)):
            rig.command(LOCAL, action="run", schedule_id=made[name].id)
            claimed = [one for one in rig.claim() if one.work.schedule_id == made[name].id]
            rig.clock.advance(seconds=seconds)
            for one in claimed:
                rig.end(one, OK)
    rig.clock.advance_to(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20))
    rig.tick_all()
    rig.work()
    while rig.ports.alerts.take_facts(1_000):
        pass
    rig.close()
    return {name: schedule.id for name, schedule in made.items()}


def _scheduled(rig: Rig, name: str, expression: str, url: str) -> Schedule:
    payload = {"action": "http", "method": "POST", "url": url, "body": {}}
    return rig.create(name, LOCAL, schedule_expression=expression, payload=payload)


def test_each_kind_arrives_once(serve: Serve, data_dir: Path, target: Recorder, ntfy: Ntfy) -> None:
    past = with_a_past(data_dir, target)
    server = serve("--actions", actions_file(data_dir.parent, ntfy, *TOPICS))

    # missed: there by default
    eventually(lambda: len(ntfy.on("alerts")) == 1, 20, "the missed runs")
    assert ntfy.on("alerts")[0].title == "missed did not run in time"

    # a test
    trial = rule(server, "missed", "trial", tag="nothing")
    answer = server.post(f"{RULES}/{trial}/test", {})
    assert (answer.status, answer.body["notices"][0]["status"]) == (200, "sent")
    assert [one.title for one in ntfy.on("trial")] == ["rez-agent: a test alert"]

    # failures in a row, of three schedules at one target
    rule(server, "consecutive_failures", "failures", tag="row", failures=3)
    failing = [
        created(server, web_action(f"row{n}", NEVER, target.url(f"/fail/9/{n}"), tags=["row"], policies=ONCE))
        for n in range(3)
    ]
    for schedule_id in failing:
        ran(server, schedule_id, 4)
    eventually(lambda: len(ntfy.on("failures")) == 1, 20, "the failures in a row")

    # their end
    for schedule_id in failing:
        changed = {"payload": {"url": target.url("/ok")}}
        server.ask("PATCH", f"/api/schedules/{schedule_id}", changed, {"Prefer": "wait=10"})
        ran(server, schedule_id)
    eventually(lambda: len(ntfy.on("failures")) == 2, 20, "the recovery")
    assert ntfy.on("failures")[1].title.startswith("Recovered: ")

    # a failure rate
    rule(server, "failure_rate", "rate", tag="rate", minimum_executions=4)
    often = created(server, web_action("often", NEVER, target.url("/fail/9/r"), tags=["rate"], policies=ONCE))
    ran(server, often, 6)
    eventually(lambda: len(ntfy.on("rate")) == 1, 20, "the failure rate")

    # a dead letter
    dead = created(server, web_action("dead", NEVER, target.url("/fail/9/d"), policies=ONCE))
    rule(server, "dead_letter", "dead", schedule_id=dead)
    ran(server, dead, 2)
    eventually(lambda: len(ntfy.on("dead")) == 1, 20, "the dead letter")
    assert ntfy.on("dead")[0].title == "dead has failed for good"

    # slower and faster than usual
    rule(server, "too_slow", "slow", schedule_id=past["slow"])
    rule(server, "too_fast", "fast", schedule_id=past["fast"])
    ran(server, past["slow"])
    ran(server, past["fast"])
    eventually(lambda: len(ntfy.on("slow")) == 1, 20, "the slow one")
    eventually(lambda: len(ntfy.on("fast")) == 1, 20, "the fast one")

    # and no more, though the server is started again and the outages last
    assert server.terminate() == 0
    server.start()
    ran(server, often)
    ran(server, dead)
    assert server.post(f"{RULES}/{trial}/test", {}).status == 200
    begun = {topic: [one for one in ntfy.on(topic) if "Recovered" not in one.title] for topic in TOPICS}
    assert {topic: len(told) for topic, told in begun.items()} == {**dict.fromkeys(TOPICS, 1), "trial": 2}
    page = server.get("/api/alerts?limit=100").body
    notices = [notice for alert in page["items"] for notice in alert["notices"]]
    assert {notice["status"] for notice in notices} == {"sent"}


def test_a_channel_that_is_down_gets_it_when_it_is_back(serve: Serve, data_dir: Path) -> None:
    with Ntfy(refusing=1) as ntfy:
        server = serve("--actions", actions_file(data_dir.parent, ntfy, "alerts"))
        answer = server.post(f"{RULES}/missed/test", {})
        assert (answer.status, answer.body["notices"][0]["code"]) == (202, "status")
        eventually(lambda: len(ntfy.on("alerts")) == 1, 30, "the second attempt")


def test_a_server_whose_channel_of_alerts_is_not_configured_refuses_to_start(
    serve: Serve, data_dir: Path, ntfy: Ntfy
) -> None:
    with pytest.raises(AssertionError, match="There is no channel"):
        serve("--actions", actions_file(data_dir.parent, ntfy, "ops"), "--alert-channel", "opps")
