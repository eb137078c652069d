"""The AWS host: the calls of AWS that a create and a firing cost, and what the functions' imports take.

The functions' own code runs over an emulated AWS. Each call is counted as it is made: as a request, and for
DynamoDB as items written too, since a transaction is paid by its items. A create and a firing are each two
invocations of Lambda: one message to each function, or the bench stops.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.aws.events import record
from tests.aws.serving import notification
from tests.aws.stage import COMMANDS, Stage, endpoint
from tests.fakes import NOON, FakeClock, FakeRandom, ScriptedActions

from bench import aws_imports
from bench.figures import Figure, Goal
from rez_agent.aws.build import Built, build
from rez_agent.aws.clients import Clients
from rez_agent.aws.inbox import Inbox
from rez_agent.aws.logs import log
from rez_agent.aws.processor import Processor
from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.instants import rfc3339
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit

NAME = "aws"

FIRING_WRITES = {"allow": Goal(most=3), "skip": Goal(most=5)}
"""Items written for a firing: queued, claimed, concluded; two more where overlap is not ``allow``."""

WRITES = {"PutItem", "UpdateItem", "DeleteItem"}
HOUR = timedelta(hours=1)


class Counted(Clients):
    """Clients of an emulator that count what they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: Counter[str] = Counter()
        self.written = 0

    def make(self, service: str) -> Any:
        """A client whose calls are counted."""
        made = endpoint().client(service)
        made.meta.events.register(f"provide-client-params.{service}", self._count)
        return made

    def taken(self) -> tuple[Counter[str], int]:
        """The requests and the items written since the last time."""
        found = self.requests, self.written
        self.requests, self.written = Counter(), 0
        return found

    def _count(self, model: Any, params: dict[str, Any], **_: Any) -> None:
        self.requests[f"{model.service_model.service_name} {model.name}"] += 1
        if model.name in WRITES:
            self.written += 1
        elif model.name == "TransactWriteItems":
            self.written += sum("ConditionCheck" not in item for item in params["TransactItems"])


class Bench:
    """A stage, and its functions' code one after the other."""

    def __init__(self) -> None:
        self._clock = FakeClock(NOON)
        self._clients = Counted()
        self._stage = Stage()
        self._stage.sns()
        self._let_schedules_stand()
        log.setLevel("ERROR")
        self._built: Built = build(self._stage.settings, clients=self._clients, clock=self._clock)
        built = self._built
        self._inbox = Inbox(built.store, quota=built.settings.quota, metrics=built.metrics)
        self._processor = Processor(
            built.store,
            actions=ScriptedActions(),
            publisher=built.publisher,
            clock=self._clock,
            random=FakeRandom(),
            metrics=built.metrics,
        )

    def _let_schedules_stand(self) -> None:
        """What EventBridge Scheduler asks for before it takes a schedule: its group, and a role to assume."""
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        names = self._stage.names
        endpoint().client("iam").create_role(RoleName=names.execution_role, AssumeRolePolicyDocument=document)
        endpoint().client("scheduler").create_schedule_group(Name=names.schedule_group)

    def create(self, overlap: str) -> tuple[str, list[Figure]]:
        """Create a schedule: what the web API does, then the scheduler."""
        definition = {
            "name": f"counted-{overlap}",
            "schedule_expression": "cron(0 * * * ? *)",
            "target_type": "web_action",
            "payload": {"action": "http", "url": "https://example.com/"},
            "policies": {"overlap": overlap},
        }
        request = ScheduleCreationRequest.model_validate({"action": "create", "schedule": definition})
        self._clock.advance(minutes=1)  # an occurrence of this very second would be fired too
        message = self._built.store.write(lambda ports: submit(ports, Caller("ann"), request)).message
        figures = self._figures("a create, web API")
        self._deliver(COMMANDS, lambda body: self._inbox.take(notification(body)))
        return message.schedule_id or "", figures + self._figures("a create, scheduler")

    def fire(self, schedule_id: str, overlap: str) -> list[Figure]:
        """Fire it: what the scheduler decides, then the processor acts."""
        due = self._clock.advance_to(self._clock.now().replace(minute=0) + HOUR)
        firing = {"schedule_id": schedule_id, "revision": 1, "scheduled_time": rfc3339(due)}
        self._inbox.take(firing)
        decided, first = self._clients.taken()
        self._deliver("web-actions", self._process)
        acted, second = self._clients.taken()
        what = f"a firing, overlap {overlap}"
        return [
            Figure(NAME, f"{what}: items written", first + second, "items", FIRING_WRITES[overlap]),
            *_requests(f"{what}, scheduler", decided),
            *_requests(f"{what}, processor", acted),
        ]

    def _process(self, body: str) -> None:
        failed = asyncio.run(self._processor.process([record(json.loads(body))], lambda: 600.0))
        assert failed == []

    def _deliver(self, queue: str, take: Callable[[str], None]) -> None:
        """Hand over what a topic has, which must be one message: one invocation."""
        (body,) = self._stage.received(queue)
        take(body)

    def _figures(self, what: str) -> list[Figure]:
        requests, written = self._clients.taken()
        return [Figure(NAME, f"{what}: items written", written, "items"), *_requests(what, requests)]


def _requests(what: str, requests: Counter[str]) -> list[Figure]:
    return [Figure(NAME, f"{what}: {name}", count, "calls") for name, count in sorted(requests.items())]


def run() -> list[Figure]:
    """Count the calls, then time the imports."""
    figures: list[Figure] = []
    bench = Bench()
    for overlap in FIRING_WRITES:
        schedule_id, created = bench.create(overlap)
        figures += [] if figures else created
        figures += bench.fire(schedule_id, overlap)
    return figures + aws_imports.run()


if __name__ == "__main__":
    for figure in run():
        print(figure.line())
