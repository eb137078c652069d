"""The AWS host's composition root: the one place that knows that this host is AWS.

Each function puts together what it needs and keeps it for as long as its environment lives. Nothing here
calls AWS: clients are made when they are first used.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from rez_agent.actions.build import SAMPLE_CATALOGUE, make_actions
from rez_agent.actions.custom import installed_actions
from rez_agent.actions.registry import Actions
from rez_agent.aws.arming import Armer
from rez_agent.aws.blobs import Bucket
from rez_agent.aws.bucket import TokenBucket
from rez_agent.aws.bundle import Shared
from rez_agent.aws.clients import Clients
from rez_agent.aws.engine import EventBridgeEngine
from rez_agent.aws.keeping import Kept
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.secrets import ManagedSecrets
from rez_agent.aws.settings import AwsSettings
from rez_agent.aws.store import Store
from rez_agent.aws.topic import Publisher, SnsTopic
from rez_agent.aws.translation import Wiring
from rez_agent.aws.unit import Unit
from rez_agent.clock import SystemClock, SystemRandom
from rez_agent.ports import Clock, Random

DRAWN_BYTES = 12
"""Random bytes of an item's version: 96 bits are never drawn twice."""


@dataclass(frozen=True, slots=True)
class Built:
    """A function's parts, put together."""

    settings: AwsSettings
    clients: Clients
    store: Store
    bucket: Bucket
    armer: Armer
    actions: Actions
    publisher: Publisher
    metrics: AwsMetrics
    clock: Clock
    random: Random


def build(
    settings: AwsSettings,
    *,
    clients: Clients | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
) -> Built:
    """Put the AWS host together. The file of actions is read when an action of it is first asked for."""
    clients, clock, random = clients or Clients(), clock or SystemClock(), random or SystemRandom()
    metrics = AwsMetrics(settings.stage)
    bucket = Bucket(clients.s3, settings.blobs_bucket)
    actions = _actions(settings, clients, clock)
    publisher = Publisher(settings, sns=clients.sns, sqs=clients.sqs, clock=clock, metrics=metrics)

    def fresh() -> Unit:
        return Unit(clients.dynamodb, settings.tables, draw_version)

    armer = Armer(
        clients.scheduler,
        _wiring(settings),
        bucket=TokenBucket(settings.engine_rate, monotonic=clock.monotonic),
        clock=clock,
        metrics=metrics,
        fresh=fresh,
    )
    shared = Shared(
        bucket=bucket,
        actions=actions,
        clock=clock,
        random=random,
        kept=Kept(timedelta(days=settings.ledger_days), settings.ledger_per_schedule),
        draw=draw_version,
        number=itertools.count(1).__next__,
        topic=lambda unit: SnsTopic(unit, publisher),
        engine=partial(EventBridgeEngine, clock=clock, armer=armer),
        metrics=metrics,
    )
    return Built(
        settings=settings,
        clients=clients,
        store=Store(fresh, shared),
        bucket=bucket,
        armer=armer,
        actions=actions,
        publisher=publisher,
        metrics=metrics,
        clock=clock,
        random=random,
    )


def _actions(settings: AwsSettings, clients: Clients, clock: Clock) -> Actions:
    return make_actions(
        secrets=ManagedSecrets(clients.secretsmanager, settings.secrets_prefix, clock),
        allow_target=settings.allow_target,
        actions_file=settings.actions or SAMPLE_CATALOGUE,
        custom=installed_actions(),
        now=clock.now,
        monotonic=clock.monotonic,
        late=True,
    )


def _wiring(settings: AwsSettings) -> Wiring:
    return Wiring(
        group=settings.schedule_group,
        function=settings.scheduler_function,
        role=settings.execution_role,
        dead_letters=settings.scheduler_dead_letters,
    )


def draw_version() -> str:
    """A text that was never drawn before, in this process or another."""
    return os.urandom(DRAWN_BYTES).hex()
