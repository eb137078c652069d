"""The local host's composition root: the one place that knows that this host is one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import apsw
from prometheus_client import CollectorRegistry, ProcessCollector

from rez_agent.actions.build import SAMPLE_CATALOGUE, make_actions
from rez_agent.actions.custom import installed_actions
from rez_agent.actions.registry import Actions
from rez_agent.clock import SystemClock, SystemRandom
from rez_agent.local.bundle import LocalPorts, ports_over
from rez_agent.local.database import DATABASE_FILE, open_reader, open_writer
from rez_agent.local.heartbeat import Heartbeat
from rez_agent.local.host import LocalHost
from rez_agent.local.keeping import Kept
from rez_agent.local.metrics import LocalMetrics
from rez_agent.local.secrets import FileSecrets
from rez_agent.local.settings import LocalSettings
from rez_agent.local.sweep import Sweep
from rez_agent.local.writer import Job, Writer
from rez_agent.ports import Actions as Performer
from rez_agent.ports import Clock, Ports, Random
from rez_agent.usecases.notices import default_channels

T = TypeVar("T")

SECRETS_DIRECTORY = "secrets"


@dataclass(frozen=True, slots=True)
class Built:
    """A host put together, not yet started."""

    host: LocalHost
    actions: Actions
    registry: CollectorRegistry
    writer: apsw.Connection
    database: Path
    alert_channels: tuple[str, ...]


def build(settings: LocalSettings, *, clock: Clock | None = None, random: Random | None = None) -> Built:
    """Put the local host together over its data directory, which the caller has locked. Raises Invalid for a
    channel of alerts that is not configured, and for what is wrong with the file of actions."""
    clock, random = clock or SystemClock(), random or SystemRandom()
    database = settings.data_dir / DATABASE_FILE
    connection = open_writer(database, checksums=settings.checksums)
    actions = make_actions(
        secrets=FileSecrets(settings.data_dir / SECRETS_DIRECTORY, clock.now),
        allow_target=settings.allow_target,
        actions_file=settings.actions or SAMPLE_CATALOGUE,
        custom=installed_actions(),
        now=clock.now,
        monotonic=clock.monotonic,
    )
    alert_channels = default_channels(actions, settings.alert_channel)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    host = assemble(
        settings,
        connection,
        open_reading=lambda: open_reader(database),
        actions=actions,
        clock=clock,
        random=random,
        registry=registry,
        alert_channels=alert_channels,
    )
    return Built(host, actions, registry, connection, database, alert_channels)


def assemble(
    settings: LocalSettings,
    connection: apsw.Connection,
    *,
    open_reading: Callable[[], apsw.Connection],
    actions: Performer,
    clock: Clock,
    random: Random,
    registry: CollectorRegistry,
    alert_channels: tuple[str, ...] = (),
    make_writer: Callable[..., Writer] = Writer,
) -> LocalHost:
    """The host's parts joined: engine, worker, sweep, alerting and store over ``connection``, which is its
    own to write by. Whatever touches the world outside is an argument."""
    kept = Kept(timedelta(days=settings.ledger_days), settings.ledger_per_schedule)

    def open_ports() -> LocalPorts:
        return ports_over(open_reading(), actions=actions, clock=clock, random=random, kept=kept)

    return LocalHost(
        ports_over(connection, actions=actions, clock=clock, random=random, kept=kept),
        open_ports=open_ports,
        actions=actions,
        clock=clock,
        random=random,
        sweep=Sweep(kept),
        metrics=LocalMetrics(registry),
        heartbeat=Heartbeat(settings.heartbeat, monotonic=clock.monotonic) if settings.heartbeat else None,
        concurrency=settings.concurrency,
        target_concurrency=settings.target_concurrency,
        alert_channels=alert_channels,
        make_writer=make_writer,
    )


class Store:
    """The database of a data directory, for a command that needs no server. Safe beside a running one."""

    def __init__(self, ports: LocalPorts) -> None:
        self._settled: list[Job] = []
        self._writer = Writer(ports, on_settled=self._settled.extend, on_commit=lambda _signals: None)

    def write(self, use_case: Callable[[Ports], T]) -> T:
        """Run a use case whole; durable when this returns. What it raises is raised here."""
        job = Job(use_case)
        self._writer.submit(job)
        self._writer.flush()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result


@contextmanager
def open_store(data_dir: Path) -> Iterator[Store]:
    """Open the database of ``data_dir``, made if there is none, for commands such as ``keys``."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    clock, random = SystemClock(), SystemRandom()
    actions = make_actions(
        secrets=FileSecrets(data_dir / SECRETS_DIRECTORY, clock.now),
        actions_file=None,
        now=clock.now,
        monotonic=clock.monotonic,
    )
    connection = open_writer(data_dir / DATABASE_FILE, checksums=None)
    try:
        yield Store(ports_over(connection, actions=actions, clock=clock, random=random))
    finally:
        connection.close()
