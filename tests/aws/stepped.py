"""The AWS host, moved by hand: every step a use case on a unit of its own, against the emulator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar
from uuid import uuid4

from rez_agent.aws.blobs import Bucket
from rez_agent.aws.bundle import AwsPorts, Shared, ports_over
from rez_agent.aws.keeping import Kept
from rez_agent.aws.secrets import ManagedSecrets
from rez_agent.aws.unit import Unit, run_whole
from rez_agent.domain.action import Outcome
from rez_agent.domain.command import Message
from rez_agent.domain.execution import Execution
from rez_agent.ports import Blobs, Claimed, Ports, Secrets
from tests.aws import work
from tests.aws.stage import Stage, client
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
        self.shared = Shared(
            bucket=Bucket(client("s3"), self.stage.settings.blobs_bucket),
            actions=self.actions,
            clock=self.clock,
            random=self.random,
            kept=Kept(),
            draw=lambda: uuid4().hex,
            number=itertools.count(1).__next__,
            topic=lambda unit: _Published(unit, self.published),
            engine=lambda unit, schedules, ledger, topic: _NotThere(),
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
        """The engine does everything that is due by the clock."""
        raise NotImplementedError

    def claim(self) -> list[Claimed]:
        """Lease everything that may start now."""
        return work.claim_all(self, self.clock.now())

    def end(self, claimed: Claimed, outcome: Outcome = OK, *, draw: float = 0.5) -> None:
        """An attempt ends with ``outcome``."""
        self.published += work.end(self, claimed, self.clock.now(), outcome, draw=draw)

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


class _Published:
    """The Topic port that writes down what is published; work is found in the index instead."""

    def __init__(self, unit: Unit, published: list[Execution]) -> None:
        self._unit = unit
        self._published = published

    def publish_work(self, executions: Sequence[Execution]) -> None:
        """Written down with the commit."""
        self._unit.after(lambda: self._published.extend(executions))

    def publish_command(self, message: Message) -> None:
        """No suite has asked for it yet."""
        raise NotImplementedError


class _NotThere:
    """A port that no suite has asked for yet."""

    def __getattr__(self, name: str) -> Any:
        return self._refuse

    def _refuse(self, *_: Any) -> NoReturn:
        raise NotImplementedError
