"""The AWS host's ports over one unit of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rez_agent.aws.alerts import DynamoAlerts
from rez_agent.aws.blobs import Bucket, S3Blobs
from rez_agent.aws.changes import DynamoChanges
from rez_agent.aws.keeping import Kept
from rez_agent.aws.ledger import DynamoLedger
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.records import DynamoMessages, DynamoRecords
from rez_agent.aws.schedule_store import DynamoSchedules
from rez_agent.aws.tables import EXECUTIONS
from rez_agent.aws.topic import SnsTopic
from rez_agent.aws.unit import Unit
from rez_agent.ports import Actions, Clock, Engine, Ports, Random, Topic


@dataclass(frozen=True, slots=True)
class AwsPorts(Ports):
    """The ports, and what stands behind them: for the host's own moves, never for a use case."""

    unit: Unit
    blobs: S3Blobs
    schedules: DynamoSchedules
    ledger: DynamoLedger
    topic: SnsTopic


@dataclass(frozen=True, slots=True)
class Shared:
    """What the ports of every unit of a process share. Safe for several threads, if its parts are.

    ``draw`` gives a text that was never drawn before, ``number`` one more at each call. ``topic`` and
    ``engine`` make those ports over a unit.
    """

    bucket: Bucket
    actions: Actions
    clock: Clock
    random: Random
    kept: Kept
    draw: Callable[[], str]
    number: Callable[[], int]
    topic: Callable[[Unit], SnsTopic]
    engine: Callable[[Unit, DynamoSchedules, DynamoLedger, Topic], Engine]
    metrics: AwsMetrics


def ports_over(unit: Unit, shared: Shared) -> AwsPorts:
    """The ports over ``unit``."""
    clock = shared.clock
    blobs = S3Blobs(unit, shared.bucket, draw=shared.draw, now=clock.now)
    unit.watch(EXECUTIONS, shared.metrics.moved)
    topic = shared.topic(unit)
    schedules = DynamoSchedules(unit, clock, blobs, revisions_kept=shared.kept.ledger)
    ledger = DynamoLedger(
        unit, clock, blobs, kept=shared.kept, number=shared.number, released=topic.publish_work
    )
    return AwsPorts(
        schedules=schedules,
        ledger=ledger,
        messages=DynamoMessages(unit, blobs, clock),
        records=DynamoRecords(unit, blobs),
        changes=DynamoChanges(unit, clock),
        engine=shared.engine(unit, schedules, ledger, topic),
        topic=topic,
        alerts=DynamoAlerts(unit, clock, ledger, kept=shared.kept, publish=topic.publish_alert),
        actions=shared.actions,
        clock=clock,
        random=shared.random,
        unit=unit,
        blobs=blobs,
    )
