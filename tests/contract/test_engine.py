"""The contract of Engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rez_agent.domain.schedule import Pause, Schedule
from rez_agent.ports import ExecutionQuery, Ports
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON
from tests.rig import schedule_of

HOUR = timedelta(hours=1)


def arm(host: SteppedHost, schedule: Schedule, times: int = 1) -> None:
    def keep(ports: Ports) -> None:
        ports.schedules.add(schedule)
        for _ in range(times):
            ports.engine.arm(schedule)

    host.ask(keep)


def fired(host: SteppedHost, schedule: Schedule) -> list[str]:
    query = ExecutionQuery(schedule_id=schedule.id)
    return [f"{e.scheduled_time:%H:%M}" for e in host.ask(lambda ports: ports.ledger.list(query)).items]


def test_an_armed_schedule_is_acted_on_when_it_is_due_and_not_before(host: SteppedHost) -> None:
    schedule = schedule_of(now=host.clock.advance(hours=0.5))
    arm(host, schedule)
    host.clock.advance_to(NOON + HOUR - timedelta(milliseconds=1))
    host.keep_time()
    assert fired(host, schedule) == []
    host.clock.advance(seconds=0.001)
    host.keep_time()
    assert fired(host, schedule) == ["13:00"]


def test_arming_again_changes_nothing(host: SteppedHost) -> None:
    schedule = schedule_of()
    arm(host, schedule, times=3)
    host.keep_time()
    host.keep_time()
    assert fired(host, schedule) == ["12:00"]


def test_the_end_of_a_pause_is_acted_on_in_time(host: SteppedHost) -> None:
    schedule = schedule_of(now=NOON + HOUR / 2)
    arm(host, schedule)
    paused = schedule.paused(Pause(NOON + HOUR / 2, "ann", until=NOON + 2.5 * HOUR))

    def pause(ports: Ports) -> None:
        ports.schedules.replace(paused, schedule)
        ports.engine.arm(paused)

    host.ask(pause)
    host.clock.advance_to(NOON + 2.5 * HOUR)
    host.keep_time()
    present = host.ask(lambda ports: ports.schedules.get(schedule.id))
    assert present is not None
    assert (present.status, present.next_run) == ("active", NOON + 3 * HOUR)


def test_a_disarmed_schedule_fires_no_more(host: SteppedHost) -> None:
    schedule = schedule_of(now=NOON + HOUR / 2)
    arm(host, schedule)

    def delete(ports: Ports) -> None:
        ports.schedules.replace(schedule.deleted(NOON), schedule)
        ports.engine.disarm(schedule.id)
        ports.engine.disarm(schedule.id)

    host.ask(delete)
    host.clock.advance(hours=5)
    host.keep_time()
    assert fired(host, schedule) == []


def test_an_ordinary_definition_is_one_that_the_engine_can_keep_time_for(host: SteppedHost) -> None:
    definition = schedule_of().definition
    assert host.ask(lambda ports: ports.engine.check(definition)) == []


def test_what_has_come_when_a_schedule_is_armed_is_acted_on(host: SteppedHost) -> None:
    schedule = schedule_of(now=NOON - HOUR / 2, schedule_expression="at(2026-06-01T11:59:59)")
    arm(host, schedule)
    host.keep_time()
    assert fired(host, schedule) == ["11:59"]


def test_settling_fires_what_is_due_and_gives_the_schedule_as_it_is_then(host: SteppedHost) -> None:
    schedule = schedule_of(policies={"catch_up": "all"})
    arm(host, schedule)
    now = host.clock.advance(hours=2.5)
    settled = host.ask(lambda ports: ports.engine.settle(schedule, now))
    assert settled == host.ask(lambda ports: ports.schedules.get(schedule.id))
    assert settled == replace(schedule, next_run=NOON + 3 * HOUR)
    assert fired(host, schedule) == ["14:00", "13:00", "12:00"]
    host.keep_time()
    assert fired(host, schedule) == ["14:00", "13:00", "12:00"]


def test_settling_what_is_not_due_changes_nothing(host: SteppedHost) -> None:
    schedule = schedule_of(now=NOON + HOUR / 2)
    arm(host, schedule)
    assert host.ask(lambda ports: ports.engine.settle(schedule, NOON + HOUR / 2)) == schedule
    paused = schedule.paused(Pause(NOON + HOUR / 2, "ann"))
    assert host.ask(lambda ports: ports.engine.settle(paused, NOON + 9 * HOUR)) == paused
    assert fired(host, schedule) == []
