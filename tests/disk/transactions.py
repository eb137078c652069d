"""Every kind of transaction that the store makes, as a step from a world: prepared, then acknowledged part by
part. What is prepared meets no fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from rez_agent.domain.alert_rules import AlertKind, RuleDefinition
from rez_agent.domain.calendar_definition import CalendarDefinition, Found
from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.execution import ExecutionStatus
from rez_agent.local import queue
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.engine import take_due
from rez_agent.local.host import _publish_pending
from rez_agent.local.keeping import Kept
from rez_agent.local.sweep import Sweep
from rez_agent.local.writer import Job
from rez_agent.ports import ExecutionQuery
from rez_agent.usecases import alert_rules, alerting, calendars, keys, notices, sessions, templates
from rez_agent.usecases.commands import submit
from rez_agent.usecases.idempotency import Keyed, once
from rez_agent.usecases.processing import conclude
from tests.contract.test_templates import PING
from tests.disk.world import LARGE, SECRET, named
from tests.fakes import FAILED, NOON, OK
from tests.rig import ANN, Rig, definition_of

Parts = Iterator[None]


@dataclass(frozen=True, slots=True)
class Transaction:
    """``act`` yields after each part that was acknowledged; each part is one transaction."""

    name: str
    act: Callable[[Rig, Any], Parts]
    prepare: Callable[[Rig], Any] = lambda _rig: None


ALL: list[Transaction] = []


def _of(name: str, *, prepare: Callable[[Rig], Any] = lambda _rig: None) -> Callable[[Any], Any]:
    def register(act: Callable[[Rig, Any], Parts]) -> Callable[[Rig, Any], Parts]:
        ALL.append(Transaction(name, act, prepare))
        return act

    return register


def _command(name: str, **request: Any) -> None:
    """One command; ``of`` names its schedule, ``execution`` finds its execution."""

    def act(rig: Rig, _: Any) -> Parts:
        asked = dict(request)
        if "of" in asked:
            asked["schedule_id"] = named(rig, asked.pop("of"))
        if "execution" in asked:
            asked["execution_id"] = _execution(rig, asked.pop("execution"))
        message = rig.command(**asked)
        assert message.problems == (), message.problems
        yield

    ALL.append(Transaction(name, act))


def _execution(rig: Rig, status: str) -> str:
    """The id of the newest execution of that status."""
    found = rig.ports.ledger.list(ExecutionQuery(owner="ann", status=ExecutionStatus(status), limit=1))
    return found.items[0].id


_command("create", action="create", schedule=definition_of("new", tags=["x", "y"]))
_command(
    "create large", action="create", schedule=definition_of("new", payload=LARGE | {"more": "y" * 9_000})
)
_command("edit", action="update", of="hourly", patch={"description": "new", "tags": ["b", "c"]})
_command("edit, payload from a blob to a row", action="update", of="large", patch={"payload": {"text": None}})
_command("edit the expression", action="update", of="hourly", patch={"schedule_expression": "rate(1 minute)"})
_command("pause, cancelling", action="pause", of="queueing", cancel=True, until="2026-06-02T00:00:00Z")
_command("resume", action="resume", of="paused")
_command("delete", action="delete", of="large")
_command("run", action="run", of="hourly", payload={"target": "hourly", "n": 1})
_command(
    "backfill",
    action="backfill",
    of="moved",
    **{"from": "2026-05-30T00:00:00Z", "to": "2026-06-01T00:00:00Z"},
)
_command("cancel", action="cancel", execution="running")
_command("retry", action="retry", execution="failed")
_command("redrive", action="redrive")
_command("replay", action="replay", execution="succeeded")
_command("test", action="test", schedule=definition_of("tried"))


@_of("many commands in one commit")
def group(rig: Rig, _: Any) -> Parts:
    asked: list[dict[str, Any]] = [
        *({"action": "create", "schedule": definition_of(f"g{number}")} for number in range(10)),
        {"action": "run", "schedule_id": named(rig, "failing")},
        {"action": "update", "schedule_id": named(rig, "hourly"), "patch": {"tags": ["z"]}},
        {"action": "redrive"},
        {"action": "delete", "schedule_id": named(rig, "large")},
    ]
    requests = [ScheduleCreationRequest.model_validate(one) for one in asked]
    jobs = [Job(partial(submit, caller=ANN, request=request)) for request in requests]
    for job in jobs:
        rig.writer.submit(job)
    rig.writer.flush()
    if any(isinstance(job.error, Unavailable) for job in jobs):
        assert all(isinstance(job.error, Unavailable) for job in jobs)
        raise jobs[0].error or AssertionError
    yield


@_of("create with an Idempotency-Key")
def keyed(rig: Rig, _: Any) -> Parts:
    request = ScheduleCreationRequest(action="create", schedule=definition_of("new"))
    key = Keyed("ann", "key", "print")
    rig.do(lambda ports: once(ports, key, lambda ports: {"id": submit(ports, ANN, request).message.id}))
    yield


def _leave_pending(rig: Rig) -> None:
    """As in a copy of a database of another host: stored, not judged."""
    message = rig.submit(action="create", schedule=definition_of("left"))
    rig.command(action="delete", schedule_id=message.schedule_id)
    rig.connection.execute("UPDATE messages SET status = 'queued' WHERE id = ?", (message.id,))


@_of("commands left from before", prepare=_leave_pending)
def pending(rig: Rig, _: Any) -> Parts:
    assert rig.do(_publish_pending)
    yield


# --- the engine, the worker ---


@_of("take what is due", prepare=lambda rig: rig.clock.advance(hours=1))
def due(rig: Rig, _: Any) -> Parts:
    rig.tick()
    yield


@_of("take what is due, a day late", prepare=lambda rig: rig.clock.advance(days=1))
def late(rig: Rig, _: Any) -> Parts:
    more = True
    while more:
        more = rig.do(lambda ports: take_due(ports, rig.clock.now(), 2)).more
        yield


@_of("claim", prepare=lambda rig: rig.clock.advance(minutes=5))
def claim(rig: Rig, _: Any) -> Parts:
    assert rig.claim()
    yield


@_of("claim what has expired", prepare=lambda rig: rig.clock.advance(hours=5))
def expire(rig: Rig, _: Any) -> Parts:
    rig.claim()
    yield


def _claimed(rig: Rig) -> list[Any]:
    rig.clock.advance(minutes=5)
    return rig.claim()


@_of("conclude, well", prepare=_claimed)
def conclude_well(rig: Rig, claimed: Any) -> Parts:
    for one in claimed:
        rig.end(one, OK)
        yield


@_of("conclude, to be tried again, and claim in one", prepare=_claimed)
def turn(rig: Rig, claimed: Any) -> Parts:
    now = rig.clock.now()
    ended = [conclude(one, FAILED, started_at=now, finished_at=now, draw=0.5) for one in claimed]

    def both(ports: LocalPorts) -> None:
        queue.conclude(ports.connection, ended)
        queue.claim(ports.connection, now + timedelta(hours=1), 10, lambda _: 10)

    rig.do(both)
    yield


@_of("take back the leases of the process before", prepare=_claimed)
def recover(rig: Rig, _: Any) -> Parts:
    assert rig.recover()
    yield


@_of("hand back what was not begun", prepare=_claimed)
def put_back(rig: Rig, claimed: Any) -> Parts:
    rig.do(lambda ports: queue.put_back(ports.connection, claimed, rig.clock.now()))
    yield


@_of("heed a step of the clock", prepare=lambda rig: rig.clock.step(hours=3))
def step(rig: Rig, _: Any) -> Parts:
    rig.claim()
    yield


# --- what is kept besides ---


@_of("templates: make, change, delete")
def template(rig: Rig, _: Any) -> Parts:
    other = PING | {"name": "other"}
    rig.do(lambda ports: templates.create_template(ports, ANN, other))
    yield
    rig.do(lambda ports: templates.replace_template(ports, ANN, "other", other | {"title": "New"}, 1))
    yield
    rig.do(lambda ports: templates.delete_template(ports, ANN, "other", None))
    yield


@_of("calendars: make, change, follow, delete")
def calendar(rig: Rig, _: Any) -> Parts:
    closed = CalendarDefinition.model_validate({"closed": {"2026-06-01": "closed"}})
    rig.do(lambda ports: calendars.create_calendar(ports, ANN, "new", closed, Found({})))
    yield
    rig.do(lambda ports: calendars.replace_calendar(ports, ANN, "at", closed, Found({}), revision=None))
    yield
    rig.do(calendars.follow)
    yield
    rig.do(lambda ports: calendars.delete_calendar(ports, ANN, "new", revision=None))
    yield


@_of("alert rules: make, change, delete")
def rule(rig: Rig, _: Any) -> Parts:
    asked = RuleDefinition(name="r", kind=AlertKind.DEAD_LETTER, tag="a")
    made = rig.do(lambda ports: alert_rules.create_rule(ports, ANN, asked))
    yield
    changed = RuleDefinition(name="s", kind=AlertKind.DEAD_LETTER)
    rig.do(lambda ports: alert_rules.replace_rule(ports, ANN, made.id, changed))
    yield
    rig.do(lambda ports: alert_rules.delete_rule(ports, ANN, made.id))
    yield


@_of("alerts: look, lease notices, record")
def alerts(rig: Rig, _: Any) -> Parts:
    rig.do(lambda ports: alerting.look(ports, ("ops",)))
    yield
    rig.clock.advance(minutes=10)
    sendings = rig.do(lambda ports: notices.lease_notices(ports, 10))
    assert sendings
    yield
    rig.do(lambda ports: notices.record_notice(ports, sendings[0], OK))
    yield


@_of("keys and sessions: make, open, close, revoke")
def key(rig: Rig, _: Any) -> Parts:
    made, token = rig.do(
        lambda ports: keys.create_key(ports, name="bob", scope=keys.Scope.ADMIN, secret=bytes([1]) * 20)
    )
    yield
    rig.do(lambda ports: sessions.open_session(ports, token, SECRET))
    yield
    rig.do(lambda ports: sessions.close_session(ports, SECRET))
    yield
    rig.do(lambda ports: keys.revoke_key(ports, made.id))
    yield


# --- the sweep ---


def _sweep(rig: Rig, kept: Kept) -> Parts:
    more = True
    while more:
        more = rig.do(lambda ports: Sweep(kept).tick(ports, rig.clock.now()))
        yield


@_of("sweep: delete what is completed", prepare=lambda rig: rig.work())
def completed(rig: Rig, _: Any) -> Parts:
    yield from _sweep(rig, Kept())


def _history(rig: Rig) -> None:
    start, end = NOON - timedelta(days=1), NOON
    of = named(rig, "hourly")
    stretch: dict[str, Any] = {"from": start.isoformat(), "to": end.isoformat()}
    rig.command(action="backfill", schedule_id=of, **stretch)
    rig.work()


@_of("sweep: forget by number", prepare=_history)
def overfull(rig: Rig, _: Any) -> Parts:
    yield from _sweep(rig, Kept(per_schedule=3))


@_of("sweep: forget by age", prepare=lambda rig: (rig.work(), rig.clock.advance(days=200)))
def forget(rig: Rig, _: Any) -> Parts:
    yield from _sweep(rig, Kept())
