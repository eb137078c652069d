"""The local host as a whole, with its threads: a clock that the test moves, actions that it scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from rez_agent.domain.calendar_definition import CalendarDefinition, Found
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.execution import Execution, ExecutionStatus
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.host import LAG_ALLOWED_SECONDS, LocalHost
from rez_agent.local.keeping import Kept
from rez_agent.local.metrics import LocalMetrics
from rez_agent.local.sweep import Sweep
from rez_agent.ports import ExecutionQuery, Ports
from rez_agent.usecases.calendars import calendar_named, create_calendar, outdated_calendars
from rez_agent.usecases.commands import submit
from tests.fakes import FAILED, NOON
from tests.rig import ANN, Rig, definition_of, schedule_of


class Running:
    """A host that runs over a rig's database, clock and actions."""

    def __init__(self, rig: Rig, open_ports: Callable[[], LocalPorts] | None = None) -> None:
        self.rig = rig
        self.registry = CollectorRegistry()
        self.host = LocalHost(
            rig.ports,
            open_ports=open_ports or rig.reader,
            actions=rig.actions,
            clock=rig.clock,
            random=rig.random,
            sweep=Sweep(Kept()),
            metrics=LocalMetrics(self.registry),
            heartbeat=None,
            concurrency=10,
            target_concurrency=5,
        )

    async def command(self, **request: Any) -> Message:
        """Submit a command and wait until it is judged."""
        read = ScheduleCreationRequest.model_validate(request)
        submitted = await self.host.write(lambda ports: submit(ports, ANN, read))
        return await self.host.judged(submitted.message.id, 10)

    async def create(self, name: str = "report", **changes: Any) -> str:
        """Create a schedule; its id."""
        message = await self.command(action="create", schedule=definition_of(name, **changes))
        return message.schedule_id or ""

    async def history(self, schedule_id: str) -> list[Execution]:
        """The schedule's executions, newest first."""
        query = ExecutionQuery(schedule_id=schedule_id)
        return list((await self.host.read(lambda ports: ports.ledger.list(query))).items)

    async def comes_to(self, schedule_id: str, status: str) -> Execution:
        """The newest execution, once it has this state."""
        async with asyncio.timeout(15):
            while True:
                found = await self.history(schedule_id)
                if found and found[0].status == status:
                    return found[0]


@asynccontextmanager
async def running(path: Path, prepare: Callable[[Rig], object] = lambda _rig: None) -> AsyncIterator[Running]:
    rig = Rig(path)
    prepare(rig)
    made = Running(rig)
    await made.host.start()
    try:
        yield made
    finally:
        await made.host.stop(0)
        rig.close()


def tell(story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            await story()

    asyncio.run(run())


def test_a_schedule_created_fires_is_performed_and_recorded(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as one:
            schedule_id = await one.create()
            done = await one.comes_to(schedule_id, "succeeded")
            assert done.scheduled_time == NOON
            assert one.host.health()["ready"]

    tell(story)


def test_a_start_takes_up_what_a_crash_left(tmp_path: Path) -> None:
    crashed = Rig(tmp_path)
    schedule = crashed.create()
    crashed.tick()
    (leased,) = crashed.claim()
    request = ScheduleCreationRequest.model_validate({"action": "pause", "schedule_id": schedule.id})
    stored = Message("msg_stored", request, "ann", NOON, NOON, schedule_id=schedule.id)
    crashed.do(lambda ports: ports.messages.add(stored))
    crashed.close()

    async def story() -> None:
        async with running(tmp_path) as one:
            done = await one.comes_to(schedule.id, "succeeded")
            assert done.id == leased.work.execution_id
            assert (done.attempts, done.crashes) == (2, 1)
            assert [work.idempotency_key for work in one.rig.actions.works] == [done.id]
            assert (await one.host.judged("msg_stored", 0)).status == "completed"

    tell(story)


def test_a_running_execution_is_cancelled_by_command(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, gated) as one:
            schedule_id = await one.create()
            work = await one.rig.actions.next_begun()
            await one.command(action="cancel", execution_id=work.execution_id)
            assert (await one.comes_to(schedule_id, "cancelled")).reason == "cancelled"

    tell(story)


def gated(rig: Rig) -> None:
    rig.actions.gates["target"] = asyncio.Event()


def test_a_stop_hands_back_what_runs_and_a_start_performs_it_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, gated) as one:
            schedule_id = await one.create()
            first = await one.rig.actions.next_begun()
        async with running(tmp_path) as two:
            done = await two.comes_to(schedule_id, "succeeded")
            assert done.id == first.execution_id
            assert (done.crashes, done.tries) == (0, 0)

    tell(story)


def test_a_retry_is_made_when_its_time_has_come(tmp_path: Path) -> None:
    def failing(rig: Rig) -> None:
        rig.actions.script["target"].append(FAILED)

    async def story() -> None:
        async with running(tmp_path, failing) as one:
            schedule_id = await one.create()
            await one.rig.actions.next_begun()
            await one.comes_to(schedule_id, "queued")
            one.rig.clock.advance(seconds=10)
            done = await one.comes_to(schedule_id, "succeeded")
            assert done.attempts == 2

    tell(story)


@pytest.mark.parametrize("days", [1, -1])
def test_a_retry_survives_a_step_of_the_clock(tmp_path: Path, days: int) -> None:
    def failing(rig: Rig) -> None:
        rig.actions.script["target"].append(FAILED)

    once = {"schedule_expression": "at(2026-06-01T12:00:01)"}

    async def story() -> None:
        async with running(tmp_path, failing) as one:
            schedule_id = await one.create(**once)
            one.rig.clock.advance(seconds=1)
            await one.rig.actions.next_begun()
            await one.comes_to(schedule_id, "queued")
            one.rig.clock.step(days=days)
            await one.create("another")
            assert (await one.history(schedule_id))[0].status is ExecutionStatus.QUEUED
            one.rig.clock.advance(seconds=10)
            await one.comes_to(schedule_id, "succeeded")
            assert b"rez_clock_steps_total 1.0" in generate_latest(one.registry)

    tell(story)


def test_on_a_full_disk_writes_are_refused_and_go_on_when_there_is_space(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as one:
            connection = one.rig.connection

            def fill(_ports: Ports) -> None:
                connection.pragma("max_page_count", connection.pragma("page_count"))

            await one.host.write(fill)
            with pytest.raises(Unavailable) as refused:
                await one.host.write(
                    lambda ports: ports.schedules.add(schedule_of("large", payload={"text": "x" * 200_000}))
                )
            assert refused.value.code == "storage_unavailable"
            assert one.host.health()["status"] == "ok"
            await one.host.write(lambda _ports: connection.pragma("max_page_count", 1_000_000))
            await one.comes_to(await one.create(), "succeeded")

    tell(story)


def test_health_fails_when_the_engine_has_not_looked_for_long(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as one:
            await one.create()
            one.rig.clock.advance(seconds=LAG_ALLOWED_SECONDS + 1)
            health = one.host.health()
            assert health["status"] == "failing"
            assert "the engine last looked 11 s ago" in health["reasons"]

    tell(story)


def test_health_fails_when_damage_was_found(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as one:
            one.host.found_damage(["row 3 missing from index"])
            health = one.host.health()
            assert health["status"] == "failing"
            assert "row 3 missing from index" in health["reasons"][0]

    tell(story)


def test_after_a_stop_writes_are_refused_and_nothing_fires(tmp_path: Path) -> None:
    async def story() -> None:
        rig = Rig(tmp_path)
        one = Running(rig)
        await one.host.start()
        await one.host.stop(0)
        assert not one.host.health()["ready"]
        with pytest.raises(Unavailable) as refused:
            await one.host.write(lambda ports: ports.schedules.add(schedule_of()))
        assert refused.value.code == "stopping"
        rig.close()

    tell(story)


def test_a_thousand_schedules_due_at_once_are_each_performed_once(tmp_path: Path) -> None:
    def due(rig: Rig) -> None:
        rig.add(*(schedule_of(f"s{number}", payload={"target": f"t{number % 7}"}) for number in range(1_000)))

    def all_done(ports: LocalPorts) -> Any:
        sql = "SELECT count(*) FROM executions WHERE status = 'succeeded'"
        return next(iter(ports.connection.execute(sql)))[0]

    async def story() -> None:
        async with running(tmp_path, due) as one:
            reading: Callable[[Any], Any] = all_done
            while await one.host.read(reading) < 1_000:
                await asyncio.sleep(0)
            works = one.rig.actions.works
            assert len({work.execution_id for work in works}) == len(works) == 1_000

    tell(story)


def test_holidays_of_years_to_come_are_learned_by_themselves_and_an_unknown_country_stops_none(
    tmp_path: Path,
) -> None:
    def old(rig: Rig) -> None:
        for name, country in (("lost", "ZZ"), ("at", "AT")):
            source = {"source": {"kind": "holidays", "country": country}}
            definition = CalendarDefinition.model_validate(source)
            create_calendar(rig.ports, ANN, name, definition, Found({}, None, date(2025, 12, 31)))

    async def story() -> None:
        async with running(tmp_path, old) as one:
            while len(await one.host.read(outdated_calendars)) > 1:
                await asyncio.sleep(0)
            kept = await one.host.read(lambda ports: calendar_named(ports, "at"))
            assert kept.found[date(2026, 10, 26)]
            assert kept.known_until == date(2036, 12, 31)

    tell(story)
