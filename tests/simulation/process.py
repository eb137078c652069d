"""A process of the local host: the production code on virtual parts, from its start to its death."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

import apsw
from prometheus_client import CollectorRegistry

from rez_agent.domain.command import Message
from rez_agent.local.build import assemble
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.host import LocalHost
from rez_agent.local.rows import fetch
from rez_agent.local.settings import LocalSettings
from rez_agent.local.signals import Signals
from rez_agent.local.writer import Job, Writer
from rez_agent.ports import Clock, Topic
from tests.fakes import FakeRandom
from tests.simulation.disk import Disk
from tests.simulation.loop import Crash, Time, VirtualLoop
from tests.simulation.network import Network

Judged = Callable[[Message], None]

QUIET = 1.1
"""Seconds in which every part of the host has looked at least once."""

LEADS = (0.02, 0.05, 0.3, 1.2)
"""Seconds before something is due from which on no poll is left out."""


class LoopWriter(Writer):
    """The writer without its thread: a transaction begins a moment after something was submitted, and that
    moment is drawn. What is submitted meanwhile joins it, as in life."""

    def __init__(self, ports: LocalPorts, *, process: Process, **heard: Callable[[Any], None]) -> None:
        self.process = process
        self._settle, self._commit = heard["on_settled"], heard["on_commit"]
        self._asked = self._started = False
        self.ports = replace(ports, topic=process.topic(ports.topic))
        super().__init__(
            self.ports,
            on_settled=self._tell_settled,
            on_commit=self._tell_commit,
            on_damage=heard["on_damage"],
        )

    @property
    def pending(self) -> bool:
        """Whether a transaction is about to begin."""
        return self._asked

    def submit(self, job: Job) -> None:
        """Queue a job."""
        super().submit(job)
        self._ask()

    def start(self) -> None:
        """From now on transactions begin."""
        self._started = True
        self._ask()

    def stop(self) -> None:
        """Run what waits, take nothing more."""
        super().stop()
        while self.flush():
            pass

    def flush(self) -> int:
        """A transaction; the process may die in it, or right after it."""
        self._asked = False
        process = self.process
        before = process.connection.total_changes()
        done = super().flush()
        process.transactions += 1
        if process.connection.total_changes() != before:
            process.time.stir()
        if self._waiting and not self._stopping:
            self._ask()
        return done

    def _ask(self) -> None:
        if self._started and not self._asked:
            self._asked = True
            self.process.loop.call_later(self.process.delay(), self.flush)

    def _tell_commit(self, signals: Signals) -> None:
        for message in signals.judged:
            self.process.on_judged(message)
        self._die_if_dead()
        self._commit(signals)

    def _tell_settled(self, jobs: list[Job]) -> None:
        self._die_if_dead()
        self._settle(jobs)

    def _die_if_dead(self) -> None:
        if self.process.disk.dead:
            raise Crash


@dataclass(frozen=True, slots=True)
class Parts:
    """What of a process a planted fault may replace."""

    writer: type[LoopWriter] = LoopWriter
    clock: Callable[[Time], Clock] | None = None
    prepare: Callable[[apsw.Connection], None] | None = None
    syncs: bool = True


class Process:
    """Everything that dies together."""

    def __init__(
        self,
        *,
        time: Time,
        disk: Disk,
        network: Network,
        clock: Clock,
        chance: Random,
        parts: Parts,
        concurrency: tuple[int, int],
        log_pages: int,
        delay: Callable[[], float],
        topic: Callable[[Topic], Topic],
        on_judged: Judged,
    ) -> None:
        self.time = time
        self.disk = disk
        self.delay = delay
        self.topic = topic
        self.on_judged = on_judged
        self.transactions = 0
        self.stopping = False
        self.connection = disk.open()
        self.connection.wal_autocheckpoint(log_pages)
        if parts.prepare is not None:
            parts.prepare(self.connection)
        self.loop = VirtualLoop(time, self._idle_until)
        self._chance = chance
        self._readers: list[apsw.Connection] = []
        self.writer: LoopWriter | None = None
        self.host: LocalHost = assemble(
            LocalSettings(concurrency=concurrency[0], target_concurrency=concurrency[1]),
            self.connection,
            open_reading=self._open_reading,
            actions=network,
            clock=clock,
            random=FakeRandom(chance.getrandbits(60)),
            registry=CollectorRegistry(),
            make_writer=partial(self._make_writer, parts.writer),
        )

    def _make_writer(
        self, kind: type[LoopWriter], ports: LocalPorts, **heard: Callable[[Any], None]
    ) -> LoopWriter:
        self.writer = kind(ports, process=self, **heard)
        return self.writer

    def _open_reading(self) -> apsw.Connection:
        connection = self.disk.open_reading()
        self._readers.append(connection)
        return connection

    def _idle_until(self) -> float:
        """Up to when nothing can be due, less a moment that is drawn; now, if something stirs."""
        moment = self.time
        if moment.now - moment.stirred < QUIET or self.writer is None or self.writer.pending:
            return moment.now
        if self.stopping:
            return moment.now
        return min(self._next_due(), moment.next()) - self._chance.choice(LEADS)

    def _next_due(self) -> float:
        """When, by what is in the database, the host has something to do; in virtual seconds."""
        if self.connection.in_transaction:
            return self.time.now
        now = self.time.wall().timestamp()
        just_now = int((now - 2 * QUIET) * 1000)  # what has been due for longer waits for something else
        ((at,),) = fetch(self.connection, _NEXT_DUE, (just_now,))
        if at is None:
            return float("inf")
        return float(self.time.now + at / 1000 - now)

    @property
    def ports(self) -> LocalPorts:
        """The writer's ports, to look at what there is."""
        assert self.writer is not None
        return self.writer.ports

    def close(self) -> None:
        """The process is gone: nothing of it is written any more."""
        self.disk.dead = True
        self.loop.abandon()
        for connection in (*self._readers, self.connection):
            with suppress(apsw.Error):  # it may have died while it was being closed
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                connection.close(True)

    def close_cleanly(self) -> None:
        """The process ends as it should."""
        for connection in (*self._readers, self.connection):
            connection.close()
        self.loop.abandon()


_NEXT_DUE = """
SELECT min(at) FROM (
    SELECT min(wake_at) AS at FROM schedules WHERE wake_at > ?1
    UNION ALL SELECT min(visible) FROM executions WHERE status = 'queued' AND visible > ?1
    UNION ALL SELECT min(lease_until) FROM executions WHERE status = 'running' AND lease_until > ?1)
"""
