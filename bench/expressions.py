"""How fast ``next`` is, beside croniter, cronsim, APScheduler's CronTrigger and aws-croniter.

    python bench/expressions.py [--repetitions N]

Thirty expressions, each translated for every engine that can say it. An engine takes part in an expression
only where its next six answers equal ours from each of twelve starts away from clock changes (there the
engines differ); the table says where it takes none. Each measurement walks many chains of successive calls
from starts drawn over ten years. Reading the expression is not measured, for any engine.
Repetitions are interleaved: each engine once, in turning order, then again. The figure of an expression is
the median over the repetitions, an engine's the geometric mean over the expressions both can say.

Zone-aware engines run in the zone of the expression; aws-croniter knows UTC only, and is compared with our
UTC. "Scattered" asks once from each start, so that nothing found before helps.
"""

from __future__ import annotations

import argparse
import math
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rez_agent.domain.expression import Occurrences, parse

Step = Callable[[], datetime | None]
"""One call: the next occurrence in a chain."""
Chains = Callable[[datetime], Step]
"""An engine on one expression: from a start, a fresh chain."""


@dataclass(frozen=True)
class Case:
    """An expression, its zone, and how each other engine says it (None: it cannot)."""

    fields: str
    zone: str
    croniter: str | None = None
    cronsim: str | None = None
    apscheduler: dict[str, str] | None = None


def case(fields: str, zone: str, unix: str, /, **apscheduler: str) -> Case:
    """A case that croniter and cronsim spell alike."""
    return Case(fields, zone, unix, unix, apscheduler)


NEW_YORK, LONDON, BERLIN, SYDNEY = "America/New_York", "Europe/London", "Europe/Berlin", "Australia/Sydney"
TOKYO = "Asia/Tokyo"
WORKDAYS = "mon-fri"

CASES = (
    case("* * * * ? *", NEW_YORK, "* * * * *", minute="*"),
    case("*/5 * * * ? *", LONDON, "*/5 * * * *", minute="*/5"),
    case("0 * * * ? *", BERLIN, "0 * * * *", hour="*"),
    case("30 */2 * * ? *", SYDNEY, "30 */2 * * *", minute="30", hour="*/2"),
    case(
        "0/15 9-17 ? * MON-FRI *",
        NEW_YORK,
        "*/15 9-17 * * 1-5",
        minute="*/15",
        hour="9-17",
        day_of_week=WORKDAYS,
    ),
    case(
        "10,40 6-10,16-20 ? * MON-FRI *",
        LONDON,
        "10,40 6-10,16-20 * * 1-5",
        minute="10,40",
        hour="6-10,16-20",
        day_of_week=WORKDAYS,
    ),
    case(
        "0/20 22-23 ? * SAT,SUN *",
        BERLIN,
        "*/20 22-23 * * 6,0",
        minute="*/20",
        hour="22-23",
        day_of_week="sat,sun",
    ),
    case("0 0 * * ? *", TOKYO, "0 0 * * *", hour="0"),
    case("30 8 * * ? *", NEW_YORK, "30 8 * * *", minute="30", hour="8"),
    case("5,35 14 * * ? *", SYDNEY, "5,35 14 * * *", minute="5,35", hour="14"),
    case("0 9 ? * MON-FRI *", NEW_YORK, "0 9 * * 1-5", hour="9", day_of_week=WORKDAYS),
    case("0 18 ? * MON,WED,FRI *", BERLIN, "0 18 * * 1,3,5", hour="18", day_of_week="mon,wed,fri"),
    case("0 4 ? * SUN *", LONDON, "0 4 * * 0", hour="4", day_of_week="sun"),
    case("0 7 1 * ? *", NEW_YORK, "0 7 1 * *", day="1", hour="7"),
    case("0 6 1,15 * ? *", LONDON, "0 6 1,15 * *", day="1,15", hour="6"),
    case("0 0 13 * ? *", TOKYO, "0 0 13 * *", day="13", hour="0"),
    case("0 8 31 * ? *", BERLIN, "0 8 31 * *", day="31", hour="8"),
    case("0 12 29 2 ? *", NEW_YORK, "0 12 29 2 *", month="2", day="29", hour="12"),
    case("0 0 1 1 ? *", TOKYO, "0 0 1 1 *", month="1", day="1", hour="0"),
    case("59 23 31 12 ? *", SYDNEY, "59 23 31 12 *", month="12", day="31", hour="23", minute="59"),
    case("0 12 1 1,4,7,10 ? *", LONDON, "0 12 1 1,4,7,10 *", month="1,4,7,10", day="1", hour="12"),
    case("0 12 * 7 ? *", BERLIN, "0 12 * 7 *", month="7", hour="12"),
    case("30 6 L * ? *", NEW_YORK, "30 6 L * *", day="last", hour="6", minute="30"),
    case("0 9 ? * MON#1 *", LONDON, "0 9 * * 1#1", day="1st mon", hour="9"),
    case("0 9 ? * FRI#3 *", SYDNEY, "0 9 * * 5#3", day="3rd fri", hour="9"),
    Case(
        "0 17 ? * FRIL *",
        BERLIN,
        "0 17 * * L5",
        "0 17 * * 5L",
        {"day": "last fri", "hour": "17", "minute": "0"},
    ),
    Case("0 17 LW * ? *", NEW_YORK, None, "0 17 LW * *", None),
    Case("0 9 15W * ? *", LONDON, "0 9 15W * *", None, None),
    Case("0 9 1W * ? *", SYDNEY, "0 9 1W * *", None, None),
    Case(
        "15 10 ? * MON-FRI 2020-2060",
        NEW_YORK,
        "15 10 * * 1-5 0 2020-2060",
        None,
        {"year": "2020-2060", "day_of_week": WORKDAYS, "hour": "10", "minute": "15"},
    ),
)


# --- the engines ---


def ours(zone: str | None = None) -> Callable[[Case], Chains | None]:
    """rez-agent, in the case's zone or in ``zone``."""

    def engine(what: Case) -> Chains:
        following = Occurrences(parse(f"cron({what.fields})", zone or what.zone)).next_after

        def chain(start: datetime) -> Step:
            at: datetime | None = start

            def step() -> datetime | None:
                nonlocal at
                at = following(at) if at is not None else None
                return at

            return step

        return chain

    return engine


def croniter_engine(what: Case) -> Chains | None:
    from croniter import croniter

    text, zone = what.croniter, ZoneInfo(what.zone)
    if text is None:
        return None

    def chain(start: datetime) -> Step:
        walk = croniter(text, start.astimezone(zone), ret_type=datetime)
        return lambda: walk.get_next(datetime)

    return chain


def cronsim_engine(what: Case) -> Chains | None:
    from cronsim import CronSim

    text, zone = what.cronsim, ZoneInfo(what.zone)
    if text is None:
        return None

    def chain(start: datetime) -> Step:
        walk = CronSim(text, start.astimezone(zone))
        return lambda: next(walk)

    return chain


def apscheduler_engine(what: Case) -> Chains | None:
    from apscheduler.triggers.cron import CronTrigger

    if what.apscheduler is None:
        return None
    trigger = CronTrigger(timezone=ZoneInfo(what.zone), **what.apscheduler)
    microsecond = timedelta(microseconds=1)

    def chain(start: datetime) -> Step:
        at: datetime | None = start

        def step() -> datetime | None:
            nonlocal at
            at = trigger.get_next_fire_time(at, at + microsecond) if at is not None else None
            return at

        return step

    return chain


def aws_croniter_engine(what: Case) -> Chains | None:
    from aws_croniter import AwsCroniter

    try:
        cron: Any = AwsCroniter(what.fields)
    except Exception:  # noqa: BLE001 - whatever it raises, it cannot say the expression
        return None

    def chain(start: datetime) -> Step:
        at: datetime | None = start

        def step() -> datetime | None:
            nonlocal at
            at = cron.occurrence(at).next() if at is not None else None
            return at

        return step

    return chain


# --- measuring ---

CHECKED = 6
"""Answers compared before an engine takes part."""


def starts(number: int) -> list[datetime]:
    """Starts drawn over ten years, in June and December, where what is due often meets no clock change."""
    drawn = random.Random(30)
    return [
        datetime(drawn.randint(2024, 2033), drawn.choice((6, 12)), 1, tzinfo=UTC)
        + timedelta(minutes=drawn.randrange(14 * 1440))
        for _ in range(number)
    ]


def agrees(chains: Chains, reference: Chains, beginnings: list[datetime]) -> bool:
    """Whether an engine gives our answers along a chain from each start."""
    for start in beginnings:
        mine, theirs = reference(start), chains(start)
        for _ in range(CHECKED):
            expected = mine()
            if theirs() != expected:
                return False
    return True


def measure(chains: Chains, beginnings: list[datetime], length: int) -> float:
    """Seconds a call, over chains of ``length`` calls from each start. Only the calls are timed."""
    total = 0.0
    for step in [chains(start) for start in beginnings]:
        began = time.perf_counter()
        for _ in range(length):
            step()
        total += time.perf_counter() - began
    return total / (length * len(beginnings))


@dataclass(frozen=True)
class Table:
    """Microseconds a call, by case and engine; absent where an engine takes no part."""

    title: str
    baseline: str
    figures: dict[str, dict[str, float]]
    absent: dict[str, list[str]]

    def ratio(self, engine: str) -> float:
        """How many times faster the baseline is, by geometric mean over what both can say."""
        pairs = [(row[engine], row[self.baseline]) for row in self.figures.values() if engine in row]
        return math.exp(statistics.fmean(math.log(theirs / mine) for theirs, mine in pairs))

    def print(self, engines: list[str]) -> None:
        print(f"\n{self.title}\n")
        print(f"{'microseconds a call':<34}" + "".join(f"{name:>15}" for name in engines))
        for fields, row in self.figures.items():
            cells = [f"{row[name]:>15.2f}" if name in row else f"{'-':>15}" for name in engines]
            print(f"{fields:<34}" + "".join(cells))
        for name in engines:
            if name == self.baseline:
                continue
            common = sum(name in row for row in self.figures.values())
            print(
                f"{self.baseline} is {self.ratio(name):.1f} times faster than {name} ({common} expressions)"
            )
            if self.absent[name]:
                print(f"  {name} takes no part in: {'; '.join(self.absent[name])}")


def compare(
    title: str,
    baseline: str,
    engines: dict[str, Callable[[Case], Chains | None]],
    *,
    chain_length: int,
    chains: int,
    repetitions: int,
) -> Table:
    """Every engine on every case, repetitions interleaved, medians kept."""
    beginnings = starts(chains)
    figures: dict[str, dict[str, float]] = {}
    absent: dict[str, list[str]] = {name: [] for name in engines}
    for what in CASES:
        reference = engines[baseline](what)
        assert reference is not None
        able: dict[str, Chains] = {}
        for name, engine in engines.items():
            made = engine(what)
            if made is not None and agrees(made, reference, beginnings[:12]):
                able[name] = made
            else:
                absent[name].append(what.fields + ("" if made is None else " (other answers)"))
        figures[what.fields] = _medians(able, beginnings, chain_length, repetitions)
    return Table(title, baseline, figures, absent)


def _medians(
    able: dict[str, Chains], beginnings: list[datetime], length: int, repetitions: int
) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in able}
    names = list(able)
    for turn in range(repetitions):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            taken[name].append(measure(able[name], beginnings, length))
    return {name: statistics.median(values) * 1e6 for name, values in taken.items()}


def main() -> None:
    """Run all comparisons and print their tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--repetitions", type=int, default=5)
    repetitions = options.parse_args().repetitions
    zoned: dict[str, Callable[[Case], Chains | None]] = {
        "rez-agent": ours(),
        "croniter": croniter_engine,
        "cronsim": cronsim_engine,
        "apscheduler": apscheduler_engine,
    }
    universal: dict[str, Callable[[Case], Chains | None]] = {
        "rez-agent": ours("UTC"),
        "aws-croniter": aws_croniter_engine,
    }
    print(f"Python {platform.python_version()}, {platform.machine()}")
    ratios: dict[str, float] = {}
    for title, engines, length, chains in (
        ("In each expression's zone, chains of 20 calls", zoned, 20, 20),
        ("In UTC, chains of 20 calls", universal, 20, 20),
        ("In each expression's zone, scattered: one call a start", zoned, 1, 200),
        ("In UTC, scattered: one call a start", universal, 1, 200),
    ):
        table = compare(
            title, "rez-agent", engines, chain_length=length, chains=chains, repetitions=repetitions
        )
        table.print(list(engines))
        if length > 1:
            ratios |= {name: table.ratio(name) for name in engines if name != "rez-agent"}
    aware = min(ratios[name] for name in ratios if name != "aws-croniter")
    print(f"\nzone-aware: {aware:.1f} times faster than the fastest (goal 8)")
    print(f"UTC: {ratios['aws-croniter']:.1f} times faster than aws-croniter (goal 4)")


if __name__ == "__main__":
    main()
