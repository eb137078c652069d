"""The contract of Host: where use cases run, with real threads and real time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rez_agent.clock import SystemClock
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.errors import NotFound
from rez_agent.ports import Host, Ports, Record
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from tests.contract.hosts import SERVING
from tests.fakes import NOON

Story = Callable[[Host], Awaitable[None]]
Tell = Callable[[Story], None]


@pytest.fixture(params=SERVING)
def tell(request: pytest.FixtureRequest, tmp_path: Path) -> Tell:
    """Runs a story against a serving host."""

    async def run(story: Story) -> None:
        async with asyncio.timeout(30), SERVING[request.param](tmp_path) as host:
            await story(host)

    return lambda story: asyncio.run(run(story))


def keep(number: int) -> Callable[[Ports], int]:
    def use_case(ports: Ports) -> int:
        ports.records.put(Record("test", str(number), {}))
        return number

    return use_case


def kept(ports: Ports) -> list[str]:
    return [record.key for record in ports.records.list("test", NOON)]


def create(name: str) -> Callable[[Ports], Message]:
    schedule = {
        "name": name,
        "schedule_expression": "cron(0 0 1 1 ? 2199)",
        "target_type": "notification",
        "payload": {"message": "hello"},
    }
    request = ScheduleCreationRequest.model_validate({"action": "create", "schedule": schedule})
    return lambda ports: submit(ports, Caller("ann"), request).message


def test_a_write_returns_what_its_use_case_returns_and_a_read_sees_it(tell: Tell) -> None:
    async def story(host: Host) -> None:
        assert await host.write(keep(7)) == 7
        assert await host.read(kept) == ["7"]

    tell(story)


def test_of_a_write_that_raises_nothing_remains_and_its_error_is_raised_here(tell: Tell) -> None:
    def fail(ports: Ports) -> None:
        keep(1)(ports)
        raise NotFound("no such thing")

    async def story(host: Host) -> None:
        with pytest.raises(NotFound, match="no such thing"):
            await host.write(fail)
        assert await host.read(kept) == []

    tell(story)


def test_a_failing_write_does_not_touch_those_beside_it(tell: Tell) -> None:
    def fail(ports: Ports) -> int:
        keep(99)(ports)
        raise NotFound("no such thing")

    async def story(host: Host) -> None:
        jobs = [host.write(fail if number % 3 == 0 else keep(number)) for number in range(60)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert [isinstance(result, NotFound) for result in results] == [n % 3 == 0 for n in range(60)]
        assert len(await host.read(kept)) == 40

    tell(story)


def test_each_write_sees_the_ones_before_it(tell: Tell) -> None:
    def count(ports: Ports) -> int:
        record = ports.records.get("count", "n", NOON)
        number = record.value["n"] + 1 if record else 1
        ports.records.put(Record("count", "n", {"n": number}))
        return number

    async def story(host: Host) -> None:
        assert await asyncio.gather(*[host.write(count) for _ in range(300)]) == list(range(1, 301))

    tell(story)


def test_a_read_that_raises_raises_here_and_the_next_one_is_served(tell: Tell) -> None:
    def fail(ports: Ports) -> None:
        raise NotFound("no such thing")

    async def story(host: Host) -> None:
        for _ in range(5):
            with pytest.raises(NotFound):
                await host.read(fail)
        await host.write(keep(1))
        assert await asyncio.gather(*[host.read(kept) for _ in range(5)]) == [["1"]] * 5

    tell(story)


def test_a_judged_message_is_given_as_it_is_and_one_that_never_was_is_not_found(tell: Tell) -> None:
    async def story(host: Host) -> None:
        message = await host.write(create("one"))
        judged = await host.judged(message.id, 10)
        assert judged.status == "completed"
        assert await host.judged(message.id, 0) == judged
        with pytest.raises(NotFound) as refused:
            await host.judged("msg_never", 0)
        assert refused.value.code == "message_not_found"

    tell(story)


def test_a_message_that_is_not_judged_in_time_is_given_as_it_is_then(tell: Tell) -> None:
    request = ScheduleCreationRequest.model_validate({"action": "redrive"})
    message = Message("msg_stored", request, "ann", NOON, NOON)

    async def story(host: Host) -> None:
        await host.write(lambda ports: ports.messages.add(message))
        assert (await host.judged(message.id, 0.01)).status == "queued"

    tell(story)


def test_whoever_waits_is_told_when_the_message_is_judged(tell: Tell) -> None:
    request = ScheduleCreationRequest.model_validate({"action": "redrive"})
    now = SystemClock().now().replace(microsecond=0)
    message = Message("msg_stored", request, "ann", now, now)

    async def story(host: Host) -> None:
        await host.write(lambda ports: ports.messages.add(message))
        waiting = [asyncio.create_task(host.judged(message.id, 20)) for _ in range(50)]
        given_up = waiting.pop()
        await host.read(kept)
        given_up.cancel()
        done = message.completed(now, {"count": 0})
        await host.write(lambda ports: ports.messages.save(done))
        assert await asyncio.gather(*waiting) == [done] * 49

    tell(story)


def test_health_is_told_at_once_though_use_cases_run(tell: Tell) -> None:
    async def story(host: Host) -> None:
        writes = [asyncio.create_task(host.write(keep(number))) for number in range(200)]
        health: dict[str, Any] = host.health()
        assert (health["status"], health["reasons"]) == ("ok", [])
        await asyncio.gather(*writes)

    tell(story)
