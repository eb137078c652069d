"""The local host's ports over one connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from rez_agent.domain.command import Message
from rez_agent.domain.execution import Execution
from rez_agent.local.alerts import SqliteAlerts
from rez_agent.local.changes import SqliteChanges
from rez_agent.local.engine import SqliteEngine
from rez_agent.local.keeping import KEPT, Kept
from rez_agent.local.ledger import SqliteLedger
from rez_agent.local.records import SqliteMessages, SqliteRecords
from rez_agent.local.schedule_store import SqliteSchedules
from rez_agent.local.signals import Signals
from rez_agent.ports import Actions, Clock, Ports, Random


@dataclass(frozen=True, slots=True)
class LocalPorts(Ports):
    """The ports, and what stands behind them: for the host's own steps, never for a use case."""

    connection: apsw.Connection
    signals: Signals


class LocalTopic:
    """The Topic port. A command is applied by the writer in the transaction that stored it; a queued
    execution's row is its own queue entry. Both are durable together, so nothing is published and lost."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals

    def publish_command(self, message: Message) -> None:
        """The writer applies it right after the use case, before the commit."""
        self._signals.commands.append(message)

    def publish_work(self, executions: Sequence[Execution]) -> None:
        """The worker looks after the commit."""
        self._signals.work |= bool(executions)


def ports_over(
    connection: apsw.Connection,
    *,
    actions: Actions,
    clock: Clock,
    random: Random,
    signals: Signals | None = None,
    kept: Kept = KEPT,
) -> LocalPorts:
    """The ports over ``connection``; what they stir up is collected in ``signals``."""
    signals = signals or Signals()
    schedules = SqliteSchedules(connection)
    return LocalPorts(
        schedules=schedules,
        ledger=SqliteLedger(connection, signals, kept),
        messages=SqliteMessages(connection, signals),
        records=SqliteRecords(connection),
        changes=SqliteChanges(connection),
        engine=SqliteEngine(connection, schedules, signals),
        topic=LocalTopic(signals),
        alerts=SqliteAlerts(connection, signals),
        actions=actions,
        clock=clock,
        random=random,
        connection=connection,
        signals=signals,
    )
