"""A small world in a database: some of everything that the store keeps, as each transaction finds it."""

from __future__ import annotations

from pathlib import Path

from rez_agent.domain.alert_rules import AlertKind, RuleDefinition
from rez_agent.domain.calendar_definition import CalendarDefinition, Found
from rez_agent.ports import Record
from rez_agent.usecases.alert_rules import create_rule
from rez_agent.usecases.calendars import create_calendar
from rez_agent.usecases.keys import Scope, create_key
from rez_agent.usecases.templates import create_template
from tests.contract.test_templates import PING
from tests.fakes import FAILED, NOON, REFUSED, FakeClock, FakeRandom
from tests.rig import ANN, Rig

SECRET = bytes(20)
LARGE = {"target": "large", "text": "x" * 70_000}


def rig_on(directory: Path, *, seed: int, vfs: str | None = None, minutes: int = 61) -> Rig:
    """The host over the database of ``directory``, with clock and chance of its own: so many minutes after
    noon. The same seed draws the same ids."""
    clock = FakeClock()
    clock.advance(minutes=minutes)
    return Rig(directory, clock, FakeRandom(seed), vfs=vfs)


def make_world(directory: Path) -> None:
    """The database of the world, closed in order."""
    rig = Rig(directory, FakeClock(), FakeRandom(1))
    _kept(rig)
    rig.create("hourly", tags=["a", "b"])
    rig.create("large", payload=LARGE)
    rig.create("failing", payload={"target": "failing"}, policies={"retry": {"max_attempts": 2}})
    rig.create("queueing", policies={"overlap": "queue"}, payload={"target": "slow"})
    rig.create("paused")
    rig.create("moved", calendar={"name": "at", "closed": "next"})
    rig.create("brief", schedule_expression="at(2026-06-01T12:30:00)", policies={"on_completion": "delete"})
    rig.create("old")
    rig.command(action="delete", schedule_id=rig.ports.schedules.named("ann", "old"))
    rig.command(action="pause", schedule_id=named(rig, "paused"), until="2026-06-01T14:00:30Z")
    rig.clock.advance(minutes=60, seconds=1)  # 13:00:01
    rig.tick_all()
    for claimed in rig.claim():
        name = claimed.work.schedule_name
        if name == "failing":
            rig.end(claimed, REFUSED)
        elif name == "hourly":
            rig.end(claimed, FAILED)
        elif name not in ("queueing", "brief"):
            rig.end(claimed)
    rig.command(action="run", schedule_id=named(rig, "large"))
    rig.close()


def _kept(rig: Rig) -> None:
    """What stands in records."""
    calendar = CalendarDefinition.model_validate({"closed": {"2026-12-25": "Christmas Day"}})
    rule = RuleDefinition(name="failing", kind=AlertKind.CONSECUTIVE_FAILURES, failures=1, channels=("ops",))
    rig.do(lambda ports: create_calendar(ports, ANN, "at", calendar, Found({})))
    rig.do(lambda ports: create_template(ports, ANN, PING))
    rig.do(lambda ports: create_rule(ports, ANN, rule))
    rig.do(lambda ports: create_key(ports, name="ann", scope=Scope.ADMIN, secret=SECRET))
    soon = NOON.replace(hour=18)
    rig.do(lambda ports: ports.records.put(Record("session", "s", {"key_id": "k"}, soon)))


def named(rig: Rig, name: str) -> str:
    """The id of ann's schedule so named."""
    found = rig.ports.schedules.named("ann", name)
    assert found is not None
    return found
