"""A target that asks to be left alone for a while is left alone, however it spells it: through the real
sender, on every host."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random

from aiohttp import web

from rez_agent.domain.action import Outcome
from rez_agent.domain.policies import Policies, RetryPolicy
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Ports
from tests.actions.support import acting, http, run, serving, work
from tests.contract.hosts import LocalStepped, SteppedHost
from tests.rig import schedule_of

RESPONSES, ROUNDS = 1_000, 25
STATUSES = (408, 425, 429, 500, 502, 503, 504)
DAY = 86_400
PATIENT = Policies(retry=RetryPolicy(max_attempts=ROUNDS, max_event_age_seconds=DAY))
MILLISECOND = timedelta(milliseconds=1)

SENSELESS = (
    "",
    "soon",
    "-1",
    "1e3",
    "0x10",
    "1.5",
    "7, 8",
    "٣",
    "99 bottles",
    "Mon, 99 Foo 2026 99:99:99 GMT",
)
FOR_EVER = (
    "9" * 400,
    "99999999999",
    "31536001",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Wed, 01-Dec-32 00:00:00 GMT",
)


def spelled(random: Random, now: datetime) -> tuple[str | None, float]:
    """A value of ``Retry-After``, and how many seconds it asks for."""
    seconds = random.randrange(900)
    whole = now.replace(microsecond=0) + timedelta(seconds=seconds)
    asked = max(0.0, (whole - now).total_seconds())
    return random.choice(
        [
            (str(seconds), seconds),
            (f" {seconds:06d} ", seconds),
            (format_datetime(whole, usegmt=True), asked),
            (f"{whole:%A, %d-%b-%y %H:%M:%S} GMT", asked),
            (f"{whole:%a %b %e %H:%M:%S %Y}", asked),
            (format_datetime(now - timedelta(days=random.randrange(1, 9_999)), usegmt=True), 0),
            (random.choice(SENSELESS), 0),
            (None, 0),
        ]
    )


class Answers:
    """What the target says, one after the other."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.status = 503

    async def __call__(self, _: web.Request) -> web.StreamResponse:
        return web.Response(status=self.status, headers=self.headers)


async def answered_all(host: SteppedHost, draws: Random, never: float) -> tuple[int, dict[str, datetime]]:
    """Answer every attempt until there are no more; how many answers that took, and what should never be
    tried again. Fails at the first attempt that comes before its time."""
    answers, count = Answers(), 0
    waits: dict[str, datetime] = {}
    gone: dict[str, datetime] = {}
    async with serving(answers) as server, acting(server.host, now=host.clock.now) as actions:
        while True:
            for claimed in host.claim():
                name = claimed.work.execution_id
                assert waits.pop(name, host.clock.now()) <= host.clock.now(), name
                assert name not in gone
                value, seconds = spelled(draws, host.clock.now())
                if draws.random() < never:
                    value, seconds = draws.choice(FOR_EVER), math.inf
                answers.status = draws.choice(STATUSES)
                answers.headers = {} if value is None else {"Retry-After": value}
                outcome: Outcome = await actions.run(work(http(server.url)))
                assert (outcome.ok, outcome.permanent) == (False, False)
                host.end(claimed, outcome, draw=0.0)
                count += 1
                if math.isinf(seconds):
                    gone[name] = host.clock.now()
                elif claimed.tries < ROUNDS:
                    waits[name] = host.clock.now() + timedelta(seconds=seconds)
            if not waits:
                return count, gone
            for moment in steps(host.clock.now(), min(waits.values())):
                host.clock.advance_to(moment)
                if moment < min(waits.values()):
                    assert host.claim() == []


def steps(now: datetime, until: datetime) -> Iterator[datetime]:
    """The moments before an instant at which to look: just before it, and when it is there."""
    if until - timedelta.resolution > now:
        yield until - timedelta.resolution
    yield until + MILLISECOND


def keep(host: SteppedHost, schedules: list[Schedule]) -> None:
    def add(ports: Ports) -> None:
        for schedule in schedules:
            ports.schedules.add(schedule)
            ports.engine.arm(schedule)

    host.ask(add)


def status_of(host: SteppedHost, name: str) -> str:
    found = host.ask(lambda ports: ports.ledger.get(name))
    assert found is not None
    return found.status.value


def test_of_a_thousand_answers_none_is_followed_by_an_early_retry(host: SteppedHost) -> None:
    least = RESPONSES if isinstance(host, LocalStepped) else RESPONSES // 20  # the emulator takes its time
    host.clock.advance(microseconds=937)
    target = {"policies": PATIENT, "payload": http("http://target.test/")}
    keep(host, [schedule_of(f"s{n}", **target) for n in range(least // ROUNDS + 6)])
    host.clock.advance(hours=1)
    host.keep_time()
    count, gone = run(answered_all(host, Random(20261201), never=4 / least))
    assert count >= least, count
    assert {status_of(host, name) for name in gone} == {"failed"}
