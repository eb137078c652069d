"""A story from a seed: which schedules there are, what clients ask for, and what goes wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from tests.domain.oracle import zone_info
from tests.simulation.network import Manners
from tests.simulation.oracle import Days, due
from tests.simulation.plan import Command, Crash, Document, Happening, Jump, Plan, Refusal, Restart, Stall

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Vienna",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Cairo",
    "America/Santiago",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Africa/Casablanca",
)
SPANS: tuple[tuple[str, float, float], ...] = (
    ("minutes", 0.3 * HOUR, 1.2 * HOUR),
    ("hours", 6 * HOUR, 1.3 * DAY),
    ("days", 5 * DAY, 30 * DAY),
    ("days", 5 * DAY, 30 * DAY),
)
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def transitions(zone: str) -> tuple[datetime, ...]:
    """The changes of a zone's clocks in 2026, to the hour."""
    info, found = zone_info(zone), []
    hours = [FIRST_DAY + timedelta(hours=n) for n in range(24 * 365)]
    for before, after in itertools.pairwise(hours):
        if before.astimezone(info).utcoffset() != after.astimezone(info).utcoffset():
            found.append(after)
    return tuple(found)


def written(seed: int) -> Plan:
    """The story of a seed."""
    return _Writer(seed).plan()


class _Writer:
    """Draws everything from one source of chance, in one order."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(f"story {seed}")
        self.kind, shortest, longest = self.chance.choice(SPANS)
        self.seconds = self.chance.uniform(shortest, longest)
        self.zones = self.chance.sample(ZONES, 2)
        self.start = self._start()
        self.calendars = self._calendars()
        self.targets = self._targets()
        self.definitions: list[Document] = []
        self.happenings: list[tuple[float, Happening]] = []
        self.aims: list[float] = []

    def plan(self) -> Plan:
        """All of it."""
        chance = self.chance
        for number in range(chance.choice((1, 1, 2, 2, 3, 4))):
            self._create(number)
        self._commands()
        self._mishaps()
        slow = chance.random() < 0.15
        return Plan(
            seed=self.seed,
            start=self.start,
            seconds=self.seconds,
            concurrency=chance.choice((1, 3, 200, 200)),
            target_concurrency=chance.choice((1, 2, 100, 100)),
            quickest=0.0002,
            slowest=1.5 if slow else chance.choice((0.001, 0.005, 0.02)),
            log_pages=chance.choice((20, 200, 4_000)),
            targets=self.targets,
            calendars=self.calendars,
            happenings=tuple(sorted(self.happenings, key=lambda each: each[0])),
        )

    # --- the world ---

    def _start(self) -> datetime:
        chance = self.chance
        changes = [change for zone in self.zones for change in transitions(zone)]
        if changes and chance.random() < 0.6:
            before = chance.uniform(0.1, 0.9) * self.seconds
            start = chance.choice(changes) - timedelta(seconds=before)
        else:
            start = FIRST_DAY + timedelta(days=chance.uniform(0, 360))
        return start.replace(microsecond=chance.randrange(0, 1_000_000, 1_000))

    def _calendars(self) -> tuple[Days, ...]:
        chance = self.chance
        if chance.random() < 0.6:
            return ()
        weekdays = frozenset(chance.sample(range(7), chance.choice((3, 5, 6, 7))))
        closed = frozenset(
            (self.start + timedelta(days=chance.randrange(int(self.seconds // DAY) + 2))).date()
            for _ in range(chance.randrange(4))
        )
        return (Days("days", weekdays, closed),)

    def _targets(self) -> dict[str, Manners]:
        chance = self.chance
        good = Manners(0.01, 0.4)
        kinds = (
            Manners(0.01, 0.3, fails=0.3),
            Manners(1.0, 40.0),
            Manners(20.0, 400.0, fails=0.2),
            Manners(0.01, 2.0, fails=0.2, refuses=0.1, throttles=0.2, breaks=0.1),
            Manners(0.05, 20.0, fails=0.95),
        )
        return {"good": good, "other": chance.choice((good, *kinds)), "worse": chance.choice(kinds)}

    # --- schedules ---

    def _create(self, number: int) -> None:
        moment = self.chance.uniform(0, 0.05 if number else 0.001) * self.seconds
        definition = self._definition(number)
        self.definitions.append(definition)
        late, again = self._topic()
        self.happenings.append(
            (
                moment,
                Command("create", number, {"schedule": definition}, late=late, again=again, retries=True),
            )
        )
        created = self.start + timedelta(seconds=moment)
        days = self.calendars[0] if "calendar" in definition else None
        until = self.start + timedelta(seconds=self.seconds)
        times = due(definition, created, created, until, days)
        self.aims += [(each - self.start).total_seconds() for each in times]

    def _definition(self, number: int) -> Document:
        chance = self.chance
        zone = chance.choice(self.zones)
        definition: Document = {
            "name": f"schedule {number}",
            "schedule_expression": self._expression(zone),
            "timezone": zone,
            "target_type": "web_action",
            "payload": {"target": chance.choice(("good", "good", "other", "worse")), "revision": 1},
            "policies": self._policies(),
        }
        if chance.random() < 0.15:
            definition["start"] = self._moment(0.0, 0.5)
        if chance.random() < 0.2:
            definition["end"] = self._moment(0.5, 1.0)
        if self.calendars and chance.random() < 0.6:
            definition["calendar"] = {
                "name": "days",
                "closed": chance.choice(("skip", "skip", "next", "previous")),
            }
        return definition

    def _moment(self, least: float, most: float) -> str:
        moment = self.start + timedelta(seconds=self.chance.uniform(least, most) * self.seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _expression(self, zone: str) -> str:
        chance = self.chance
        if chance.random() < 0.1:
            moment = self.start + timedelta(seconds=self.chance.uniform(0.1, 1.0) * self.seconds)
            return f"at({moment.astimezone(zone_info(zone)):%Y-%m-%dT%H:%M:%S})"
        expressions: dict[str, Callable[[], str]] = {
            "minutes": self._often,
            "hours": self._hourly,
            "days": self._daily,
        }
        return expressions[self.kind]()

    def _often(self) -> str:
        chance = self.chance
        return chance.choice(
            (
                f"rate({chance.choice((2, 3, 7, 11))} minutes)",
                "rate(1 minute)" if self.seconds < HOUR / 2 else "rate(4 minutes)",
                f"cron({chance.randrange(5)}/{chance.choice((5, 7, 10, 20))} * * * ? *)",
                f"cron({chance.randrange(20)}-{chance.randrange(20, 60)}/4 * ? * * *)",
                "cron(0,30 0-3 * * ? *)",
            )
        )

    def _hourly(self) -> str:
        chance = self.chance
        minute = chance.choice((0, 0, 15, 30, 59))
        return chance.choice(
            (
                f"cron({minute} * * * ? *)",
                f"cron({minute} {chance.randrange(5)} * * ? *)",
                f"cron(0,20,40 {chance.choice(('1-3', '0-2', '22-2'))} * * ? *)",
                f"cron({minute} */{chance.choice((2, 3, 6))} ? * * *)",
                f"rate({chance.choice((1, 2, 5))} hours)",
                f"rate({chance.choice((37, 90, 61))} minutes)",
            )
        )

    def _daily(self) -> str:
        chance = self.chance
        time = f"{chance.choice((0, 15, 30))} {chance.choice((0, 1, 2, 3, 9, 23))}"
        return chance.choice(
            (
                f"cron({time} * * ? *)",
                f"cron({time} ? * MON-FRI *)",
                f"cron({time} LW * ? *)",
                f"cron({time} {chance.randrange(1, 29)}W * ? *)",
                f"cron({time} L-{chance.randrange(1, 5)} * ? *)",
                f"cron({time} ? * {chance.choice(('3#2', 'FRIL', 'SUN#1', '2#5'))} *)",
                f"cron(0 1,2 ? * {chance.choice(('SUN', 'SAT-SUN', '1,7'))} 2026)",
                f"rate({chance.choice((1, 2, 3))} days)",
                f"rate({chance.choice((17, 25, 36))} hours)",
            )
        )

    def _policies(self) -> Document:
        chance = self.chance
        policies: Document = {}
        if chance.random() < 0.7:
            mode = chance.choice(("skip", "latest", "all"))
            policies["catch_up"] = {"mode": mode, "window_seconds": chance.choice((60, 900, 7_200, 86_400))}
        if chance.random() < 0.6:
            policies["overlap"] = chance.choice(("allow", "skip", "queue"))
        if chance.random() < 0.5:
            least = chance.choice((0.0, 1.0, 10.0))
            policies["retry"] = {
                "max_attempts": chance.choice((0, 1, 3, 5)),
                "max_event_age_seconds": chance.choice((60, 600, 3_600)),
                "min_backoff_seconds": least,
                "max_backoff_seconds": least + chance.choice((0.0, 20.0, 120.0)),
            }
        if chance.random() < 0.15:
            policies["flexible_window_minutes"] = chance.choice((1, 5, 30))
        if chance.random() < 0.2:
            policies["on_completion"] = "delete"
        return policies

    # --- what is asked ---

    def _commands(self) -> None:
        for _ in range(self.chance.randrange(7)):
            number = self.chance.randrange(len(self.definitions))
            moment = self._when()
            action, request = self._request(number)
            late, again = self._topic()
            retries = action in ("run", "update") and self.chance.random() < 0.5
            command = Command(action, number, request, late=late, again=again, retries=retries)
            self.happenings.append((moment, command))
            if action == "pause" and self.chance.random() < 0.8:
                after = moment + self.chance.uniform(0.01, 0.3) * self.seconds
                self.happenings.append((min(after, 0.99 * self.seconds), Command("resume", number)))

    def _request(self, number: int) -> tuple[str, Document]:
        chance = self.chance
        action = chance.choice(
            ("pause", "pause", "update", "update", "run", "run", "delete", "cancel", "retry", "backfill")
        )
        request: Document = {}
        if action == "update":
            request = self._update(number)
        elif action == "pause":
            if chance.random() < 0.4:
                request["until"] = chance.uniform(0.02, 0.3) * self.seconds
            request["cancel"] = chance.random() < 0.2
        elif action == "delete":
            request["cancel"] = chance.random() < 0.3
        elif action == "run" and chance.random() < 0.3:
            request["payload"] = {"target": "other", "asked": True}
        elif action == "backfill":
            request["back"] = chance.uniform(0.01, 0.1) * self.seconds
        return action, request

    def _update(self, number: int) -> Document:
        chance = self.chance
        before = self.definitions[number]
        changes: dict[str, Any] = {
            "payload": {"target": chance.choice(tuple(self.targets)), "revision": chance.randrange(2, 1_000)}
        }
        if chance.random() < 0.6:
            changes["schedule_expression"] = self._expression(before["timezone"])
        if chance.random() < 0.3:
            changes["policies"] = self._policies()
        self.definitions[number] = before | changes
        return {"schedule": self.definitions[number]}

    def _topic(self) -> tuple[float, float]:
        chance = self.chance
        late = chance.choice((0.5, 30.0, 400.0)) if chance.random() < 0.12 else 0.0
        again = chance.choice((0.01, 5.0, 900.0)) if chance.random() < 0.2 else 0.0
        return late, again

    # --- what goes wrong ---

    def _mishaps(self) -> None:
        chance = self.chance
        for _ in range(chance.choice((0, 1, 1, 2, 3, 5))):
            self.happenings.append((self._when(), self._crash()))
        for _ in range(chance.choice((0, 0, 0, 1, 2))):
            self.happenings.append((self._when(), self._jump()))
        if chance.random() < 0.15:
            self.happenings.append((self._when(), Stall(chance.uniform(5, 200), chance.choice((0.3, 3.0)))))
        if chance.random() < 0.15:
            self.happenings.append((self._when(), Refusal(chance.choice((1, 2, 5, 30)))))

    def _crash(self) -> Happening:
        chance = self.chance
        down = chance.choice((0.5, 3.0, 50.0, 70.0, chance.uniform(0.01, 0.2) * self.seconds))
        if chance.random() < 0.2:
            return Restart(down, grace=chance.choice((0.0, 5.0)))
        writes = chance.randrange(1, 30) if chance.random() < 0.4 else 0
        return Crash(down, power=chance.random() < 0.5, writes=writes)

    def _jump(self) -> Jump:
        size = self.chance.choice((1, 1.5, 3, 50, 59, 61, 1_800, 3_600, 20_000, 86_400))
        return Jump(size * self.chance.choice((1, 1, -1)))

    def _when(self) -> float:
        """Any moment, or one close to when something is due."""
        chance = self.chance
        if self.aims and chance.random() < 0.6:
            aim = chance.choice(self.aims) + chance.choice(
                (
                    chance.uniform(-0.01, 0.06),
                    chance.uniform(-2, 3),
                    chance.uniform(-70, 70),
                )
            )
            return min(max(aim, 0.0), self.seconds)
        return chance.uniform(0, self.seconds)
