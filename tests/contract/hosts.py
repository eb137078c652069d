"""The hosts that the contracts are run on. A new host is one entry in :data:`STEPPED` and one in
:data:`SERVING`; the suites stay as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from typing import Protocol, TypeVar

from rez_agent.domain.action import Outcome
from rez_agent.local.blobs import SqliteBlobs
from rez_agent.local.build import build
from rez_agent.local.secrets import FileSecrets
from rez_agent.local.settings import LocalSettings
from rez_agent.ports import Blobs, Claimed, Host, Ports, Secrets
from tests.aws.serving import aws_serving
from tests.aws.stepped import AwsStepped
from tests.fakes import OK, FakeClock, ScriptedActions
from tests.rig import Rig

T = TypeVar("T")


class SteppedHost(Protocol):
    """A host that a test moves by hand."""

    clock: FakeClock
    actions: ScriptedActions

    def ask(self, question: Callable[[Ports], T]) -> T:
        """Run a use case whole; what it raises is raised here."""

    def keep_time(self) -> None:
        """The engine does everything that is due by the clock."""

    def tidy(self) -> None:
        """The host does what nobody waits for: it completes what is done with and forgets what is old."""

    def claim(self) -> list[Claimed]:
        """Lease everything that may start now."""

    def end(self, claimed: Claimed, outcome: Outcome = OK, *, draw: float = 0.5) -> None:
        """An attempt ends with ``outcome``."""

    def take_back(self) -> None:
        """Leases that have run out are taken back: whoever held them is gone."""

    def blobs(self) -> Blobs:
        """The host's blobs."""

    def secrets(self) -> Secrets:
        """The host's secrets."""


class LocalStepped(Rig):
    """The local host, moved by hand."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path = path

    def ask(self, question: Callable[[Ports], T]) -> T:
        """Run a use case whole."""
        return self.do(question)

    def keep_time(self) -> None:
        """The engine looks until nothing more is due."""
        self.tick_all()

    def tidy(self) -> None:
        """The sweep."""
        self.sweep()

    def take_back(self) -> None:
        """What a start does."""
        self.recover()

    def blobs(self) -> Blobs:
        """Blobs in a table."""
        return SqliteBlobs(self.connection)

    def secrets(self) -> Secrets:
        """Secrets as files."""
        return FileSecrets(self._path / "secrets", self.clock.now)


@contextmanager
def local_stepped(path: Path) -> Iterator[SteppedHost]:
    """A local host in an empty directory."""
    host = LocalStepped(path)
    try:
        yield host
    finally:
        host.close()


@asynccontextmanager
async def local_serving(path: Path) -> AsyncIterator[Host]:
    """A local host with its threads, as it serves; it keeps real time."""
    built = build(LocalSettings(data_dir=path))
    await built.actions.start()
    await built.host.start()
    try:
        yield built.host
    finally:
        await built.host.stop(1)
        await built.actions.close()
        built.writer.close()


@contextmanager
def aws_stepped(_path: Path) -> Iterator[SteppedHost]:
    """The AWS host on a fresh stage of an emulator."""
    yield AwsStepped()


STEPPED: dict[str, Callable[[Path], AbstractContextManager[SteppedHost]]] = {
    "local": local_stepped,
    "aws": aws_stepped,
}
"""Hosts under a test's own clock, for the ports."""

SERVING: dict[str, Callable[[Path], AbstractAsyncContextManager[Host]]] = {
    "local": local_serving,
    "aws": aws_serving,
}
"""Hosts as they serve, for the Host port itself."""
