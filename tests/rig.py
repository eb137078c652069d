"""A whole local host without threads: a test moves it step by step, with a clock and chance of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import apsw

from rez_agent.domain.action import Outcome
from rez_agent.domain.alert import Alert
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.execution import Execution
from rez_agent.domain.instants import to_ms
from rez_agent.domain.policies import DEFAULT_POLICIES, Policies
from rez_agent.domain.schedule import Schedule, ScheduleDefinition, TargetType, created
from rez_agent.local import queue
from rez_agent.local.bundle import LocalPorts, ports_over
from rez_agent.local.database import DATABASE_FILE, open_reader, open_writer
from rez_agent.local.engine import BATCH, Taken, take_due
from rez_agent.local.keeping import Kept
from rez_agent.local.signals import Signals
from rez_agent.local.sweep import Sweep
from rez_agent.local.writer import Job, Writer
from rez_agent.ports import AlertQuery, Claimed, ExecutionQuery, Ports
from rez_agent.usecases.alerting import look as look_for_alerts
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from rez_agent.usecases.processing import conclude
from tests.domain.calendars import calendar_of
from tests.fakes import NOON, OK, FakeClock, FakeRandom, ScriptedActions

T = TypeVar("T")

ANN, BOB, ADMIN = Caller("ann"), Caller("bob"), Caller("root", admin=True)


def definition_of(name: str = "report", **changes: Any) -> dict[str, Any]:
    """A definition's document: due every hour, on the hour."""
    document: dict[str, Any] = {
        "name": name,
        "schedule_expression": "cron(0 * * * ? *)",
        "target_type": "web_action",
        "payload": {"target": "target"},
    }
    return document | changes


def schedule_of(name: str = "report", **changes: Any) -> Schedule:
    """A schedule that was made at noon, by ann; changes are the definition's or the schedule's."""
    own = {key: changes.pop(key) for key in ("schedule_id", "created_by", "now") if key in changes}
    definition = ScheduleDefinition.model_validate(definition_of(name, **changes))
    return created(
        definition,
        schedule_id=own.get("schedule_id", f"sch_{name}"),
        created_by=own.get("created_by", "ann"),
        now=own.get("now", NOON),
        target=str(definition.payload.get("target", "target")),
        calendar=None if definition.calendar is None else calendar_of(name=definition.calendar.name),
    )


def policies_of(**changes: Any) -> Policies:
    """Policies from a document."""
    return Policies.model_validate(changes) if changes else DEFAULT_POLICIES


class Rig:
    """The local host, moved by hand.

    ``path`` may hold a database already: then this is a restart. Every step runs in the real writer, as a
    group of its own, and raises what the step raised. ``vfs``: the disk to be on, which may then fail and
    lose power.
    """

    def __init__(
        self,
        path: Path,
        clock: FakeClock | None = None,
        random: FakeRandom | None = None,
        *,
        vfs: str | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.random = random or FakeRandom()
        self.actions = ScriptedActions()
        self.database = path / DATABASE_FILE
        self.connection = open_writer(self.database, vfs=vfs)
        if vfs is None:
            self.connection.pragma("synchronous", "OFF")  # a test does not lose power
        self.ports: LocalPorts = self.ports_over(self.connection)
        self.settled: list[Job] = []
        self.signals: list[Signals] = []
        self.writer = self.writer_telling(self.settled.extend)

    def writer_telling(self, on_settled: Callable[[list[Job]], None]) -> Writer:
        """A writer that tells ``on_settled`` what it has settled, in that moment."""
        return Writer(self.ports, on_settled=on_settled, on_commit=self.signals.append)

    def ports_over(self, connection: apsw.Connection) -> LocalPorts:
        """The ports over another connection."""
        return ports_over(connection, actions=self.actions, clock=self.clock, random=self.random)

    def reader(self) -> LocalPorts:
        """The ports over a connection that only reads; the caller closes it."""
        return self.ports_over(open_reader(self.database))

    def close(self) -> None:
        """End, as a process does."""
        self.connection.close()

    def do(self, use_case: Callable[[LocalPorts], T]) -> T:
        """Run a use case whole; what it raises is raised here."""
        job = Job(use_case)
        self.writer.submit(job)
        while self.writer.flush():
            pass
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    async def write(self, use_case: Callable[[LocalPorts], T]) -> T:
        """The same, for a worker or a timer."""
        return self.do(use_case)

    # --- commands ---

    def submit(self, caller: Caller = ANN, *, quota: int = 1_000, **request: Any) -> Message:
        """Submit a command; the message as it was accepted. Raises what the edge refuses."""
        read = ScheduleCreationRequest.model_validate(request)
        return self.do(lambda ports: submit(ports, caller, read, quota=quota)).message

    def command(self, caller: Caller = ANN, **request: Any) -> Message:
        """Submit a command; the message once it is judged."""
        found = self.ports.messages.get(self.submit(caller, **request).id)
        assert found is not None
        assert found.status.final
        return found

    def create(self, name: str = "report", caller: Caller = ANN, **changes: Any) -> Schedule:
        """Create a schedule by command."""
        message = self.command(caller, action="create", schedule=definition_of(name, **changes))
        assert message.problems == ()
        return self.schedule(message.schedule_id or "")

    def add(self, *schedules: Schedule) -> None:
        """Keep schedules, past all checks."""

        def keep(ports: Ports) -> None:
            for schedule in schedules:
                ports.schedules.add(schedule)

        self.do(keep)

    # --- the engine, the worker, the sweep ---

    def tick(self, limit: int = BATCH) -> Taken:
        """One look of the engine."""
        return self.do(lambda ports: take_due(ports, self.clock.now(), limit))

    def tick_all(self) -> None:
        """Looks until nothing more is due."""
        while self.tick().more:
            pass

    def claim(self, capacity: int = 1_000, per_target: int = 1_000) -> list[Claimed]:
        """One look of the worker."""
        return self.look(capacity, per_target).claimed

    def look(self, capacity: int = 1_000, per_target: int = 1_000, after: str = "") -> queue.Claim:
        """The same, with what the claim tells besides."""
        now = self.clock.now()
        return self.do(
            lambda ports: queue.claim(ports.connection, now, capacity, lambda _: per_target, after=after)
        )

    def end(self, claimed: Claimed, outcome: Outcome = OK, *, draw: float = 0.5) -> None:
        """An attempt ends now, as it began."""
        now = self.clock.now()
        ended = conclude(claimed, outcome, started_at=now, finished_at=now, draw=draw)
        self.do(lambda ports: queue.conclude(ports.connection, [ended]))

    def work(self, outcome: Outcome = OK) -> list[str]:
        """Claim and end all that may start now, until nothing may; the executions' ids in that order."""
        done: list[str] = []
        while claimed := self.claim():
            for one in claimed:
                self.end(one, outcome)
            done += [one.work.execution_id for one in claimed]
        return done

    def look_for_alerts(self, *channels: str) -> list[Alert]:
        """The sweep looks for alerts until there is nothing more to be seen; all that there are, oldest
        first. ``channels``: where rules that name none send to."""
        while self.do(lambda ports: look_for_alerts(ports, channels)):
            pass
        return list(reversed(self.ports.alerts.list(AlertQuery(limit=500)).items))

    def recover(self) -> int:
        """What a start does with the leases of the process before."""
        now = self.clock.now()
        return self.do(
            lambda ports: queue.recover(ports.connection, now, all_leases=True, signals=ports.signals)
        )

    def sweep(self, kept: Kept | None = None) -> int:
        """Sweeps until nothing more is to be done; how many slices it took."""
        sweep, slices = Sweep(kept or Kept()), 1
        while self.do(lambda ports: sweep.tick(ports, self.clock.now())):
            slices += 1
        return slices

    # --- what there is ---

    def schedule(self, schedule_id: str) -> Schedule:
        """The schedule as it is now."""
        found = self.ports.schedules.get(schedule_id)
        assert found is not None
        return found

    def history(self, schedule_id: str) -> list[Execution]:
        """The schedule's executions, oldest first."""
        query = ExecutionQuery(schedule_id=schedule_id, limit=10_000)
        return list(reversed(self.ports.ledger.list(query).items))

    def execution(self, execution_id: str) -> Execution:
        """The execution as it is now."""
        found = self.ports.ledger.get(execution_id)
        assert found is not None
        return found

    def one(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """A number out of the database, where no port tells it."""
        ((value,),) = self.connection.execute(sql, tuple(values))
        return value


def due_times(executions: Sequence[Execution]) -> list[str]:
    """The scheduled times as ``12:00``."""
    return [f"{execution.scheduled_time:%H:%M}" for execution in executions]


def told(executions: Sequence[Execution]) -> list[tuple[str, str, str | None]]:
    """Each execution as (scheduled time, status, reason)."""
    return [
        (f"{e.scheduled_time:%H:%M}", e.status.value, e.reason.value if e.reason else None)
        for e in executions
    ]


def held_back(schedule: Schedule, until: datetime) -> Schedule:
    """The schedule with its next occurrence at ``until``."""
    return replace(schedule, next_run=until)


__all__ = [
    "ADMIN",
    "ANN",
    "BOB",
    "Rig",
    "TargetType",
    "definition_of",
    "due_times",
    "held_back",
    "policies_of",
    "schedule_of",
    "to_ms",
    "told",
]
