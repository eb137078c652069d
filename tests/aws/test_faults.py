"""Faults: whichever single call of AWS fails, in whatever command or firing, one sweep and one reconcile
later the store and EventBridge Scheduler agree, no occurrence is lost, and no orphan is left.

A call fails before it reaches AWS, or after it: then AWS did it, and its answer was lost; or the process dies
there. A function that fails for it is invoked again by Lambda, or (its retries being used up) never again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from rez_agent.aws.arming import is_lagging, schedule_of_row
from rez_agent.aws.inbox import Inbox
from rez_agent.aws.store import Store
from rez_agent.aws.tables import SCHEDULES
from rez_agent.aws.translation import agrees, translate
from rez_agent.domain.command import Message
from rez_agent.domain.errors import RezError, Unavailable
from rez_agent.domain.execution import ExecutionStatus
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Claimed
from tests.aws import work
from tests.aws.driven import Driven
from tests.aws.serving import notification
from tests.aws.stage import client
from tests.fakes import FAILED
from tests.rig import ANN, definition_of

YEARLY = "cron(0 0 1 1 ? *)"
MOST_CALLS = 60
SERVICES = ("dynamodb", "scheduler", "sns", "sqs", "s3")


class Died(BaseException):
    """The process is no more: whatever would have followed does not happen."""


class Kind(StrEnum):
    """How a call fails."""

    UNREACHED = "never reaches AWS"
    LOST = "answer lost"
    DIED = "process dies after it"


class Faults:
    """Counts the calls of AWS that are made under :meth:`at`, and fails one of them."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._kind, self._losing = Kind.UNREACHED, False
        self.seen = 0
        for service in SERVICES:
            events = client(service).meta.events
            events.register("before-call", self._before)
            events.register("after-call", self._after)

    def close(self) -> None:
        """Leave the clients as they were."""
        for service in SERVICES:
            events = client(service).meta.events
            events.unregister("before-call", self._before)
            events.unregister("after-call", self._after)

    @contextmanager
    def at(self, number: int, kind: Kind) -> Iterator[None]:
        """Fail the call of that number, counted from 1."""
        self._number, self._kind, self.seen = number, kind, 0
        try:
            yield
        finally:
            self._number = None

    def _before(self, **_: Any) -> None:
        if self._number is None:
            return
        self.seen += 1
        self._losing = self.seen == self._number
        if self._losing and self._kind is Kind.UNREACHED:
            self._losing = False
            raise EndpointConnectionError(endpoint_url="https://aws")

    def _after(self, **_: Any) -> None:
        if self._losing:
            self._losing = False
            if self._kind is Kind.DIED:
                raise Died
            raise EndpointConnectionError(endpoint_url="https://aws")


@dataclass
class Act:
    """What happens to one schedule: what the web API accepts, and what the scheduler function is given."""

    host: Driven
    execution_ids: list[str]
    accepted: list[Message] = field(default_factory=list)
    failed: list[Any] = field(default_factory=list)
    fired: bool = False

    def command(self, **request: Any) -> None:
        """A caller asks; the function is told by the topic."""
        try:
            message = self.host.submit(ANN, **request)
        except (Unavailable, Died):
            return  # the caller has no answer, or is told to ask again
        self.accepted.append(message)
        body = {
            "message_id": message.id,
            "action": request["action"],
            "schedule_id": message.schedule_id,
        }
        self.event(notification(body))

    def fire(self, schedule: Schedule, due: datetime) -> None:
        """EventBridge fires."""
        self.fired = True
        firing: dict[str, Any] = {"schedule_id": schedule.id, "revision": schedule.revision}
        ends_pause = {"ends_pause": True} if schedule.pause else {}
        self.event(firing | ends_pause | {"scheduled_time": rfc3339(due)})

    def event(self, event: Any) -> None:
        """The scheduler function is invoked."""
        host = self.host
        try:
            Inbox(Store(host.unit, host.shared), quota=1_000, metrics=host.metrics).take(event)
        except (RezError, Died):
            self.failed.append(event)

    def redeliver(self) -> None:
        """Lambda invokes the function again for what failed."""
        events, self.failed = self.failed, []
        for event in events:
            self.event(event)
        assert self.failed == []


@dataclass(frozen=True)
class Story:
    """How a schedule comes to be, what happens to it under faults, and what there is to see in the end."""

    begin: Callable[[Driven, str], Schedule | None]
    act: Callable[[Act, Schedule | None, str], None]
    seen: Callable[[Driven, Schedule], None] = lambda host, schedule: None


def made(**changes: Any) -> Callable[[Driven, str], Schedule]:
    return lambda host, name: host.create(name, **{"schedule_expression": YEARLY, **changes})


def nothing(host: Driven, name: str) -> None:
    """The story begins with a create."""


def creates(**changes: Any) -> Callable[[Act, Schedule | None, str], None]:
    document = {"schedule_expression": YEARLY, **changes}
    return lambda act, _, name: act.command(action="create", schedule=definition_of(name, **document))


def commands(**request: Any) -> Callable[[Act, Schedule | None, str], None]:
    def ask(act: Act, schedule: Schedule | None, name: str) -> None:
        assert schedule is not None
        act.command(**{"schedule_id": schedule.id, **request})

    return ask


def paused(host: Driven, name: str) -> Schedule:
    schedule = host.create(name, schedule_expression=YEARLY)
    host.command(action="pause", schedule_id=schedule.id)
    return host.schedule(schedule.id)


def with_failed_execution(host: Driven, name: str) -> Schedule:
    schedule = host.create(name, schedule_expression=YEARLY, policies={"retry": {"max_attempts": 0}})
    host.command(action="run", schedule_id=schedule.id)
    (execution,) = host.history(schedule.id)
    claimed = work.claim(host, (schedule.id, execution.id), host.clock.now())
    assert isinstance(claimed, Claimed)
    host.end(claimed, FAILED)
    return schedule


def with_queued_execution(host: Driven, name: str) -> Schedule:
    schedule = host.create(name, schedule_expression=YEARLY)
    host.command(action="run", schedule_id=schedule.id)
    return schedule


def asks_about_the_execution(action: str) -> Callable[[Act, Schedule | None, str], None]:
    def ask(act: Act, schedule: Schedule | None, name: str) -> None:
        act.command(action=action, execution_id=act.execution_ids[0])

    return ask


DUE_IN = timedelta(minutes=1, seconds=30)


def due_soon(busy: int = 0, **policies: Any) -> Callable[[Driven, str], Schedule]:
    """A schedule that is due now and then no more, ``busy`` executions of it in flight."""

    def begin(host: Driven, name: str) -> Schedule:
        due = (host.clock.now() + DUE_IN).replace(second=0)
        expression = f"cron({due.minute} {due.hour} {due.day} {due.month} ? {due.year})"
        schedule = host.create(name, schedule_expression=expression, policies=policies)
        for _ in range(busy):
            host.clock.advance(seconds=1)
            host.command(action="run", schedule_id=schedule.id)
        host.clock.advance_to(due)
        return host.schedule(schedule.id)

    return begin


def fires(act: Act, schedule: Schedule | None, name: str) -> None:
    assert schedule is not None
    act.fire(schedule, act.host.clock.now())


def paused_until_now(host: Driven, name: str) -> Schedule:
    schedule = host.create(name, schedule_expression=YEARLY)
    until = host.clock.now() + DUE_IN
    host.command(action="pause", schedule_id=schedule.id, until=until)
    host.clock.advance_to(until)
    return host.schedule(schedule.id)


def ended_as(*expected: str) -> Callable[[Driven, Schedule], None]:
    def see(host: Driven, schedule: Schedule) -> None:
        assert tuple(execution.status.value for execution in host.history(schedule.id)) == expected

    return see


def is_now(status: str) -> Callable[[Driven, Schedule], None]:
    def see(host: Driven, schedule: Schedule) -> None:
        assert host.schedule(schedule.id).status == status

    return see


LARGE = {"target": "target", "text": "x" * 70_000}
SPAN = {"from": "2020-01-01T00:00:00Z", "to": "2022-06-01T00:00:00Z"}
STORIES = {
    "create": Story(nothing, creates()),
    "create, a rate": Story(nothing, creates(schedule_expression="rate(300 days)"), ended_as("queued")),
    "create, a large payload": Story(nothing, creates(payload=LARGE)),
    "update": Story(made(), commands(action="update", patch={"timezone": "Asia/Kolkata"})),
    "update, renamed": Story(made(), commands(action="update", patch={"description": "other"})),
    "pause": Story(made(), commands(action="pause"), is_now("paused")),
    "pause, until": Story(made(), commands(action="pause", until="2026-09-01T00:00:00Z"), is_now("paused")),
    "resume": Story(paused, commands(action="resume"), is_now("active")),
    "delete": Story(made(), commands(action="delete"), is_now("deleted")),
    "delete, cancelling": Story(
        with_queued_execution, commands(action="delete", cancel=True), ended_as("cancelled")
    ),
    "run": Story(made(), commands(action="run"), ended_as("queued")),
    "backfill": Story(made(), commands(action="backfill", **SPAN), ended_as("queued", "queued", "queued")),
    "retry": Story(with_failed_execution, asks_about_the_execution("retry"), ended_as("queued")),
    "cancel": Story(with_queued_execution, asks_about_the_execution("cancel"), ended_as("cancelled")),
    "redrive": Story(with_failed_execution, commands(action="redrive"), ended_as("queued")),
    "firing": Story(due_soon(), fires, ended_as("queued")),
    "firing, two allowed": Story(due_soon(1, overlap="allow"), fires, ended_as("queued", "queued")),
    "firing, skipped": Story(due_soon(1), fires, ended_as("queued", "skipped")),
    "firing, held": Story(due_soon(1, overlap="queue"), fires, ended_as("queued", "queued")),
    "firing, a pause's end": Story(paused_until_now, fires, is_now("active")),
}


@pytest.fixture
def faults() -> Iterator[Faults]:
    watching = Faults()
    yield watching
    watching.close()


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", STORIES)
def test_whichever_call_fails_everything_agrees_one_sweep_later(
    faults: Faults, name: str, kind: Kind
) -> None:
    host, story = Driven(), STORIES[name]
    host.stage.sns()
    acts: list[tuple[Schedule | None, Act]] = []
    for number in range(1, MOST_CALLS):
        schedule = story.begin(host, f"{name} {number}")
        act = Act(host, [execution.id for execution in host.history(schedule.id)] if schedule else [])
        acts.append((schedule, act))
        with faults.at(number, kind):
            story.act(act, schedule, f"{name} {number}")
        if (number % 2 == 0) == (kind is Kind.LOST):
            act.redeliver()
        if faults.seen < number:
            break
    assert faults.seen < len(acts) < MOST_CALLS, "every call has failed once, and the last time none"
    host.lose_commands()
    host.clock.advance(minutes=3)
    host.sweep()
    host.deliver()
    host.reconcile()
    for schedule, act in acts:
        check_end(host, story, schedule, act)
    check_agreement(host)
    check_published(host)


def check_end(host: Driven, story: Story, schedule: Schedule | None, act: Act) -> None:
    """What was accepted is carried out, and what fell due has its entry."""
    for message in act.accepted:
        found = host.do(lambda ports, id_=message.id: ports.messages.get(id_))  # type: ignore[misc]
        assert found is not None
        assert (found.status, found.problems) == ("completed", ())
    if act.accepted or act.fired:
        about = act.accepted[0].schedule_id if act.accepted else None
        story.seen(host, host.schedule(about or (schedule.id if schedule else "")))


def check_agreement(host: Driven) -> None:
    """EventBridge holds what the rows say, all of it and nothing else."""
    held, now = host.eventbridge.held(), host.clock.now()
    rows, _ = host.do(lambda ports: ports.unit.scan(SCHEDULES, limit=1_000))
    for row in rows:
        request = translate(schedule_of_row(row), now, host.eventbridge.wiring)
        found = held.pop(row["id"], None)
        assert not is_lagging(row), row
        assert (request is None) == (found is None), row
        assert request is None or found is None or agrees(request, found), row
    assert held == {}


def check_published(host: Driven) -> None:
    """Whatever may start was handed over to the processor, at least once."""
    published = {json.loads(body)["execution_id"] for body in host.stage.received("web-actions")}
    rows, _ = host.do(lambda ports: ports.unit.scan(SCHEDULES, limit=1_000))
    for row in rows:
        for execution in host.history(row["id"]):
            waits = execution.status is ExecutionStatus.QUEUED and execution.next_attempt_at is not None
            assert not waits or execution.id in published
