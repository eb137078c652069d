"""The processor's and the sweep's moves on the AWS host, each a use case of its own, made one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from rez_agent.aws import queue
from rez_agent.aws.bundle import AwsPorts
from rez_agent.domain.action import Outcome
from rez_agent.domain.execution import Execution
from rez_agent.ports import Claimed
from rez_agent.usecases.alert_rules import watch
from rez_agent.usecases.processing import conclude
from tests.fakes import OK

T = TypeVar("T")

MILLISECOND = timedelta(milliseconds=1)
EVERYTHING = 10_000


class Doing(Protocol):
    """What runs a move whole."""

    def do(self, move: Callable[[AwsPorts], T]) -> T:
        """Run it; what it raises is raised here."""


def claim_all(host: Doing, now: datetime) -> list[Claimed]:
    """Lease everything that may start now, those due first first."""
    keys = host.do(lambda ports: queue.waiting(ports.unit, now + MILLISECOND, EVERYTHING))
    found = [claim(host, key, now) for key in keys]
    return [one for one in found if isinstance(one, Claimed)]


def claim(host: Doing, key: queue.QueueKey, now: datetime) -> Claimed | queue.Later | None:
    """A knock for one execution."""
    return host.do(lambda ports: queue.claim(ports, *key, now))


def end(
    host: Doing, claimed: Claimed, now: datetime, outcome: Outcome = OK, *, draw: float = 0.5
) -> list[Execution]:
    """An attempt ends now, as it began; what is to be published."""
    ended = conclude(claimed, outcome, started_at=now, finished_at=now, draw=draw)
    work = claimed.work

    def move(ports: AwsPorts) -> list[Execution]:
        compared = watch(ports, now).compares(work.owner, work.schedule_id)
        return queue.conclude(ports, ended, compared=compared)

    return host.do(move)


def take_back_all(host: Doing, now: datetime) -> list[Execution]:
    """The sweep takes back the leases that ran out; what is to be published."""
    keys = host.do(lambda ports: queue.running_out(ports.unit, now, EVERYTHING))
    return [one for key in keys for one in take_back(host, key, now)]


def take_back(host: Doing, key: queue.QueueKey, now: datetime) -> list[Execution]:
    """The sweep takes back one lease."""
    return host.do(lambda ports: queue.take_back(ports, *key, now))
