"""Both hosts list alike: the same schedules, asked for in every way, in the same pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from rez_agent.domain.schedule import Pause, Schedule, ScheduleStatus, TargetType
from rez_agent.ports import Ports, ScheduleQuery
from tests.contract.hosts import STEPPED, SteppedHost
from tests.fakes import NOON
from tests.rig import schedule_of

SCHEDULES, QUERIES = 50, 80
NAMES = ("a", "ab", "B", "ä", "☃", "a_b", "100%")
EXPRESSIONS = ("cron(0 * * * ? *)", "cron(0 12 30 2 ? *)", "at(2026-07-01T00:00:00)", "rate(7 minutes)")

Step = Callable[[Ports], None]


def story(random: Random) -> list[Step]:
    """Schedules of several owners that come, change and go; no two are created at one moment."""
    steps: list[Step] = []
    for number in range(SCHEDULES):
        made = schedule_of(
            f"{random.choice(NAMES)}{number // 2}",
            schedule_id=f"sch_{random.randrange(10**9):x}{number}",
            created_by=random.choice(("ann", "bob")),
            now=NOON + timedelta(milliseconds=number * 500 + random.choice((0, 1, 250))),
            schedule_expression=random.choice(EXPRESSIONS),
            target_type=random.choice(list(TargetType)).value,
            tags=random.sample(["x", "y", "z"], random.randrange(3)),
        )
        steps.append(_adding(made))
        after = _changed(made, random)
        if after is not made:
            steps.append(_replacing(after, made))
    return steps


def _adding(schedule: Schedule) -> Step:
    def add(ports: Ports) -> None:
        if ports.schedules.named(schedule.created_by, schedule.definition.name) is None:
            ports.schedules.add(schedule)

    return add


def _replacing(after: Schedule, before: Schedule) -> Step:
    def change(ports: Ports) -> None:
        if ports.schedules.get(before.id) is not None:
            ports.schedules.replace(after, before)

    return change


def _changed(schedule: Schedule, random: Random) -> Schedule:
    match random.randrange(6):
        case 0:
            return schedule.deleted(NOON)
        case 1:
            return schedule.paused(Pause(NOON, "ann"))
        case 2:
            broken = replace(schedule, status=ScheduleStatus.ERROR, next_run=None, revision=2)
            return replace(broken, error_message="its zone is gone")
        case 3:
            definition = schedule.definition.model_copy(update={"name": schedule.definition.name + "!"})
            return schedule.updated(definition, NOON + timedelta(hours=1), target="elsewhere")
    return schedule


def query(random: Random) -> dict[str, Any]:
    """What a list is asked for: mostly one or two filters."""
    filters: dict[str, Any] = {
        "owner": random.choice(("ann", "bob", "eve")),
        "status": random.choice(list(ScheduleStatus)),
        "tag": random.choice("xyz"),
        "target_type": random.choice(list(TargetType)),
        "name": random.choice(NAMES) + str(random.randrange(SCHEDULES // 2)),
        "name_prefix": random.choice(NAMES),
        "finished": random.random() < 0.5,
    }
    asked = dict(random.sample(list(filters.items()), random.choice((0, 1, 1, 2, 2, 3))))
    order = random.choice(("created_date", "name", "next_run"))
    return asked | {"order": random.choice(("", "-")) + order, "limit": random.choice((4, 9, 100))}


def pages(host: SteppedHost, asked: dict[str, Any]) -> list[Any]:
    """Every page of a list: the ids, and the totals."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        wanted = ScheduleQuery(cursor=cursor, **asked)
        page = host.ask(lambda ports, wanted=wanted: ports.schedules.list(wanted))  # type: ignore[misc]
        found.append(([schedule.id for schedule in page.items], page.total, page.total_is_exact))
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_every_list_has_the_same_pages_on_every_host(tmp_path: Path) -> None:
    random = Random(20260601)
    steps = story(random)
    queries = [query(random) for _ in range(QUERIES)]
    told: dict[str, list[Any]] = {}
    for name, make in STEPPED.items():
        (tmp_path / name).mkdir()
        with make(tmp_path / name) as host:
            for step in steps:
                host.ask(step)
            told[name] = [pages(host, asked) for asked in queries]
    assert sum(len(found) for found in told["local"]) > QUERIES
    for asked, *found in zip(queries, *told.values(), strict=True):
        assert all(each == found[0] for each in found), asked
