"""A story being played: the world around the process, which survives it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import apsw
from structlog.testing import capture_logs

from rez_agent.domain.calendar_definition import NOTHING_FOUND, CalendarDefinition
from rez_agent.domain.command import Message
from rez_agent.domain.instants import to_ms
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.rows import fetch
from rez_agent.ports import ExecutionQuery, Ports, Topic
from rez_agent.usecases.calendars import create_calendar
from tests.simulation.client import ANN, Client
from tests.simulation.disk import Disk
from tests.simulation.loop import Crash as Crashed
from tests.simulation.loop import Ending, Over, Stopped, Time, WorldClock
from tests.simulation.network import Manners, Network
from tests.simulation.plan import Command, Crash, Happening, Jump, Plan, Refusal, Restart, Stall
from tests.simulation.process import Parts, Process
from tests.simulation.record import Asked, Life, Record

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GOOD = Manners(0.01, 0.2)
SETTLES_WITHIN = 12 * 3_600.0
"""Once nothing goes wrong any more, everything has ended so many seconds after the latest wall time."""

EXPECTED_LOGS = frozenset({"clock_stepped", "leases_taken_back", "action_failed"})
LOGS_OF_A_BAD_DISK = frozenset(
    {
        "group_failed",
        "engine_failed",
        "turn_failed",
        "sweep_failed",
        "alerting_failed",
        "ends_not_recorded",
    }
)


def played(plan: Plan, parts: Parts | None = None) -> Record:
    """Play a story; what was seen of it."""
    directory = Path(mkdtemp(prefix="simulated-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    with ExitStack() as stack:
        stack.callback(rmtree, directory, ignore_errors=True)
        logs = stack.enter_context(capture_logs())
        world = World(plan, directory, parts or Parts())
        world.play()
        world.hear(logs)
    return world.record


class World:
    """Time, disk, network and clients; the process comes and goes."""

    def __init__(self, plan: Plan, directory: Path, parts: Parts) -> None:
        self.plan = plan
        self.parts = parts
        self.time = Time(plan.start)
        self.chance = Random(f"world {plan.seed}")
        self.disk = Disk(directory, self.chance, syncs=parts.syncs, on_refusal=self._refused)
        self.network = Network(self.time, self.chance, plan.targets)
        self.record = Record(plan)
        self.process: Process | None = None
        self.life: Life | None = None
        self.client = Client(self)
        self.highest = plan.start
        self.plan_ended = 0.0
        self._over = False
        self._dying = (False, 0.0)
        self._bad_disk = False
        self._slow_until, self._slowest = 0.0, 0.0

    def play(self) -> None:
        """All of it."""
        for moment, happening in self.plan.happenings:
            self.time.at(moment, lambda each=happening: self._happen(each))  # type: ignore[misc]
        self.time.at(self.plan.seconds, self._finish)
        self.time.at(0.0, self._boot)
        while not self._over:
            if self.process is None:
                self.time.pop()()
            else:
                self._live(self.process)
        self._look_back()

    # --- the process ---

    def _boot(self) -> None:
        if self.process is not None:
            return
        self.life = Life(len(self.record.lives), self.time.now)
        self.record.lives.append(self.life)
        self.network.life = self.life.number
        clock = self.parts.clock(self.time) if self.parts.clock else WorldClock(self.time)
        self.process = Process(
            time=self.time,
            disk=self.disk,
            network=self.network,
            clock=clock,
            chance=self.chance,
            parts=self.parts,
            concurrency=(self.plan.concurrency, self.plan.target_concurrency),
            log_pages=self.plan.log_pages,
            delay=self.delay,
            topic=lambda topic: _LateTopic(topic, self.client),
            on_judged=self.client.hear,
        )
        self.client.look_up(self.process.connection)
        self.process.loop.create_task(self._serve(self.process, self.life))

    async def _serve(self, process: Process, life: Life) -> None:
        await process.host.start()
        life.ready = self.time.now
        if life.number == 0 or not self.client.calendars_made:
            for days in self.plan.calendars:
                await self._make_calendar(process, days.name, days.weekdays, days.closed)
            self.client.calendars_made = True
        self.client.go_on()

    async def _make_calendar(
        self, process: Process, name: str, weekdays: frozenset[int], closed: frozenset[Any]
    ) -> None:
        definition = CalendarDefinition(
            open_weekdays=tuple(WEEKDAYS[n] for n in sorted(weekdays)),
            closed=dict.fromkeys(sorted(closed), "closed"),
        )

        def make(ports: Ports) -> None:
            if ports.records.get("calendar", name, ports.clock.now()) is None:
                create_calendar(ports, ANN, name, definition, NOTHING_FOUND)

        await process.host.write(make)

    def _live(self, process: Process) -> None:
        down = None
        try:
            process.loop.run_forever()
        except Stopped:
            try:
                process.close_cleanly()
            except apsw.Error:  # the disk died with it
                process.close()
                self.disk.lose(power=False)
        except Crashed:
            power, down = self._dying
            assert self.life is not None
            self.life.clean = False
            process.close()
            self.disk.lose(power=power)
        except Over:
            process.close()
        self._gone(down)

    def _gone(self, down: float | None) -> None:
        assert self.life is not None
        assert self.process is not None
        self.life.ends = min(self.life.ends, self.time.now)
        self.life.gone = self.time.now
        self.record.transactions += self.process.transactions
        self.record.faults += [f"nobody awaited: {error}" for error in self.process.loop.errors]
        self.process = None
        self.client.cut_off(self.life)
        if down is not None:
            self.time.at(self.time.now + down, self._boot)

    # --- what happens ---

    def delay(self) -> float:
        """How long the next transaction takes to come."""
        slowest = self._slowest if self.time.now < self._slow_until else self.plan.slowest
        return self.chance.uniform(self.plan.quickest, slowest)

    def _happen(self, happening: Happening) -> None:
        match happening:
            case Command():
                self.client.ask(happening)
            case Jump():
                self._jump(happening.seconds)
            case Stall():
                self._slow_until = self.time.now + happening.lasting
                self._slowest = happening.slowest
                self.record.stalls.append((self.time.now, self._slow_until + 2 * happening.slowest))
            case Refusal():
                self._refuse(happening.writes)
            case Crash() | Restart():
                self._end_life(happening)

    def _jump(self, seconds: float) -> None:
        self.highest = max(self.highest, self.time.wall())
        self.network.highest_wall = self.highest
        self.time.offset += timedelta(seconds=seconds)
        self.record.steps.append((self.time.now, self.time.offset))

    def _refuse(self, writes: int) -> None:
        if self.process is not None:
            self.disk.fails_until = self.disk.writes + writes

    def _refused(self) -> None:
        self._bad_disk = True
        self.time.stirred = self.time.now + 2.0  # what failed is tried again a little later than usual
        self.record.stalls.append((self.time.now - 0.1, self.time.now + 2.5))

    def _end_life(self, how: Crash | Restart) -> None:
        process, life = self.process, self.life
        if process is None or life is None or life.clean:
            return
        if isinstance(how, Restart):
            if life.ready is None:
                return
            life.clean, life.ends, process.stopping = True, self.time.now, True
            process.loop.create_task(self._stop(process, how))
            return
        self._dying = (how.power, how.down)
        if how.writes:
            self.disk.dies_at = self.disk.writes + how.writes
        else:
            raise Crashed

    async def _stop(self, process: Process, how: Restart) -> None:
        await process.host.stop(how.grace)
        self.time.at(self.time.now + how.down, self._boot)
        raise Stopped

    # --- the end ---

    def _finish(self) -> None:
        """From here on nothing goes wrong."""
        self.plan_ended = self.time.now
        self.disk.dies_at, self.disk.fails_until = None, 0
        self._slow_until = 0.0
        for target in self.network.manners:
            self.network.manners[target] = GOOD
        if self.process is None:
            self._boot()
        self.highest = max(self.highest, self.time.wall())
        behind = (self.highest - self.time.wall()).total_seconds()
        self.time.at(self.time.now + behind + 130.0, self._look_whether_settled)

    def _look_whether_settled(self) -> None:
        process = self.process
        if process is None:  # it was being stopped
            self.time.at(self.time.now + 5.0, self._look_whether_settled)
            self._boot()
            return
        ((waiting,),) = fetch(process.connection, _WAITING, (to_ms(self.time.wall()),))
        late = self.time.now - self.plan_ended > SETTLES_WITHIN
        if (not waiting and not self.client.busy) or late:
            self.record.settled = not waiting and not self.client.busy
            self._read(process)
            raise Over
        self.time.at(self.time.now + 20.0, self._look_whether_settled)

    def _read(self, process: Process) -> None:
        """What the ledger and the store say in the end."""
        ports: LocalPorts = process.ports
        self.record.ended = self.time.now
        for schedule_id in self.client.schedule_ids:
            schedule = ports.schedules.get(schedule_id)
            if schedule is not None:
                self.record.schedules[schedule_id] = schedule
            query = ExecutionQuery(schedule_id=schedule_id, limit=100_000)
            self.record.executions += reversed(ports.ledger.list(query).items)
        self._over = True

    def _look_back(self) -> None:
        self.record.calls = self.network.calls
        self.record.asked = self.client.asked

    def hear(self, logs: list[Any]) -> None:
        """What was logged and should not have been."""
        allowed = EXPECTED_LOGS | (LOGS_OF_A_BAD_DISK if self._bad_disk else frozenset())
        died = self.parts.prepare is not None or any(not life.clean for life in self.record.lives[:-1])
        for line in logs:
            if line["log_level"] in ("warning", "error") and line["event"] not in allowed:
                if line["event"] == "group_failed" and died:
                    continue  # it died in a transaction, and was not there to say so
                self.record.faults.append(f"logged {line['event']}: {line.get('error', line)}")


_WAITING = """
SELECT count(*) FROM executions WHERE status IN ('queued', 'running')
    AND (visible <= ?1 OR attempts > 0 OR (visible IS NULL AND due <= ?1))
"""


@dataclass(frozen=True, slots=True)
class _LateTopic:
    """The Topic port: hands commands over late, or twice, as their stories want."""

    topic: Topic
    client: Client

    def publish_command(self, message: Message) -> None:
        """Now, or later."""
        if not self.client.keeps_back(message):
            self.topic.publish_command(message)

    def publish_work(self, executions: Any) -> None:
        """At once."""
        self.topic.publish_work(executions)


__all__ = ["Asked", "Ending", "World", "played"]
