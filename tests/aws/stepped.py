"""The AWS host, moved by hand: every step a use case on a unit of its own, against the emulator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

from rez_agent.aws.arming import Armer
from rez_agent.aws.blobs import Bucket
from rez_agent.aws.bucket import TokenBucket
from rez_agent.aws.bundle import AwsPorts, Shared, ports_over
from rez_agent.aws.engine import EventBridgeEngine
from rez_agent.aws.inbox import Inbox
from rez_agent.aws.keeping import Kept
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.reconcile import Reconcile
from rez_agent.aws.secrets import ManagedSecrets
from rez_agent.aws.store import Store
from rez_agent.aws.sweep import Sweep
from rez_agent.aws.topic import Publisher, SnsTopic
from rez_agent.aws.unit import Unit, run_whole
from rez_agent.domain.action import Outcome
from rez_agent.domain.execution import Execution
from rez_agent.ports import Blobs, Claimed, Ports, Secrets
from rez_agent.usecases.firing import Firing, fire
from tests.aws import work
from tests.aws.eventbridge import Eventbridge
from tests.aws.serving import notification
from tests.aws.stage import COMMANDS, Stage, client
from tests.fakes import OK, FakeClock, FakeRandom, ScriptedActions

T = TypeVar("T")


class AwsStepped:
    """The AWS host under a test's own clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.random = FakeRandom()
        self.actions = ScriptedActions()
        self.stage = Stage()
        self.published: list[Execution] = []
        self.metrics = AwsMetrics(self.stage.names.stage)
        self.publisher = Publisher(
            self.stage.settings,
            sns=_Late(self.stage.sns),
            sqs=_Late(self.stage.sqs),
            clock=self.clock,
            metrics=self.metrics,
        )
        self.eventbridge = Eventbridge(self.stage, self.clock)
        self.armer = Armer(
            self.eventbridge.client,
            self.eventbridge.wiring,
            bucket=TokenBucket(100, monotonic=self.clock.monotonic, sleep=lambda _: None),
            clock=self.clock,
            metrics=self.metrics,
            fresh=self.unit,
        )
        self.shared = Shared(
            bucket=Bucket(client("s3"), self.stage.settings.blobs_bucket),
            actions=self.actions,
            clock=self.clock,
            random=self.random,
            kept=Kept(),
            draw=lambda: uuid4().hex,
            number=itertools.count(1).__next__,
            topic=lambda unit: _Noting(unit, self),
            engine=lambda unit, schedules, ledger, topic: EventBridgeEngine(
                unit, schedules, ledger, topic, clock=self.clock, armer=self.armer
            ),
            metrics=self.metrics,
        )

    def unit(self) -> Unit:
        """A fresh unit over the stage's tables."""
        return Unit(client("dynamodb"), self.stage.settings.tables, self.shared.draw)

    def ask(self, question: Callable[[Ports], T]) -> T:
        """Run a use case whole; what it raises is raised here."""
        return self.do(question)

    def do(self, move: Callable[[AwsPorts], T]) -> T:
        """The same, for a move of the host's own."""
        return run_whole(self.unit, lambda unit: move(ports_over(unit, self.shared)), draw=self.random.draw)

    def keep_time(self) -> None:
        """Commands are delivered, EventBridge fires what is due by the clock, and the sweeps take up what was
        left undone."""
        self.deliver()
        self.eventbridge.fire(self.take)
        self.sweep()
        self.reconcile()

    def tidy(self) -> None:
        """The reconcile completes; what is old goes by its TTL."""
        self.reconcile()

    def deliver(self) -> None:
        """The scheduler function is given what was published to schedule-creation."""
        inbox = Inbox(Store(self.unit, self.shared), quota=1_000, metrics=self.metrics)
        for body in self.stage.received(COMMANDS) if self.stage.publishes else ():
            inbox.take(notification(body))

    def take(self, firing: dict[str, Any]) -> Firing:
        """The scheduler function is given a firing."""
        due = datetime.fromisoformat(firing["scheduled_time"])
        ends_pause = firing.get("ends_pause", False)
        return self.do(
            lambda ports: fire(ports, firing["schedule_id"], due, firing["revision"], ends_pause=ends_pause)
        )

    def sweep(self, *, time_left: Callable[[], float] = lambda: 900.0) -> dict[str, int]:
        """The sweep of a minute."""
        return Sweep(
            self.do,
            armer=self.armer,
            clock=self.clock,
            metrics=self.metrics,
            time_left=time_left,
            threads=1,
        ).minute()

    def reconcile(self, *, time_left: Callable[[], float] = lambda: 900.0, page: int = 100) -> dict[str, int]:
        """The reconcile of an hour."""
        return Reconcile(
            self.do,
            armer=self.armer,
            clock=self.clock,
            metrics=self.metrics,
            lists=TokenBucket(1_000),
            time_left=time_left,
            page=page,
        ).hour()

    def claim(self) -> list[Claimed]:
        """Lease everything that may start now."""
        return work.claim_all(self, self.clock.now())

    def end(self, claimed: Claimed, outcome: Outcome = OK, *, draw: float = 0.5) -> None:
        """An attempt ends with ``outcome``."""
        self.published += work.end(self, claimed, self.clock.now(), outcome, draw=draw)

    def take_back(self) -> None:
        """What the sweep does with leases that ran out."""
        work.take_back_all(self, self.clock.now())

    def blobs(self) -> Blobs:
        """Blobs, each call in a unit of its own."""
        return _WholeBlobs(self)

    def secrets(self) -> Secrets:
        """Secrets in Secrets Manager."""
        return ManagedSecrets(client("secretsmanager"), self.stage.settings.secrets_prefix, self.clock)


class _WholeBlobs:
    """The Blobs port for a test that has no unit."""

    def __init__(self, host: AwsStepped) -> None:
        self._host = host

    def put(self, owner: str, data: bytes) -> str:
        """Keep it."""
        return self._host.do(lambda ports: ports.blobs.put(owner, data))

    def get(self, reference: str) -> bytes:
        """The data."""
        return self._host.do(lambda ports: ports.blobs.get(reference))

    def drop(self, owner: str) -> None:
        """The owner is gone."""
        self._host.do(lambda ports: ports.blobs.drop(owner))


class _Noting(SnsTopic):
    """The Topic port, which notes what work was published besides."""

    def __init__(self, unit: Unit, host: AwsStepped) -> None:
        super().__init__(unit, host.publisher)
        self._asked, self._noted = unit, host.published

    def publish_work(self, executions: Sequence[Execution]) -> None:
        """Published with the commit."""
        self._asked.after(lambda: self._noted.extend(executions))
        super().publish_work(executions)


class _Late:
    """A client that is asked for when it is first used, so that a test that publishes nothing has no topics
    made."""

    def __init__(self, made: Callable[[], Any]) -> None:
        self._made = made

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._made(), operation)
