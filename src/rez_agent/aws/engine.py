"""The engine: EventBridge Scheduler keeps time, and fires each occurrence by itself.

Each schedule of ours is one of EventBridge's, named by its id, in the stage's group. What EventBridge is
asked for stands in :mod:`rez_agent.aws.translation`, how it is brought there in :mod:`rez_agent.aws.arming`,
and what a firing leads to in :mod:`rez_agent.usecases.firing`.

EventBridge is asked for what lies ahead alone. What has fallen due when a schedule is armed (the first
occurrence of a rate; an ``at`` whose command came late) is fired here, in the transaction of the change.

Crash, anywhere: the transaction is whole or was not. If it was, the row says that EventBridge has not
followed yet, and the sweep sees to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rez_agent.aws.arming import Armer, schedule_of_row
from rez_agent.aws.ledger import DynamoLedger
from rez_agent.aws.schedule_store import DynamoSchedules
from rez_agent.aws.tables import SCHEDULES
from rez_agent.aws.translation import unsupported
from rez_agent.aws.unit import Unit
from rez_agent.domain.errors import Problem
from rez_agent.domain.schedule import Schedule, ScheduleDefinition, ScheduleStatus
from rez_agent.ports import Clock, Topic
from rez_agent.usecases.firing import make_good

DELIVERED_WITHIN = timedelta(hours=24)
"""EventBridge delivers a firing within a day or never (MaximumEventAgeInSeconds)."""


class EventBridgeEngine:
    """The Engine port, over one unit of work and the other ports of that unit."""

    def __init__(
        self,
        unit: Unit,
        schedules: DynamoSchedules,
        ledger: DynamoLedger,
        topic: Topic,
        *,
        clock: Clock,
        armer: Armer,
    ) -> None:
        self._unit = unit
        self._schedules = schedules
        self._ledger = ledger
        self._topic = topic
        self._clock = clock
        self._armer = armer

    def check(self, definition: ScheduleDefinition) -> list[Problem]:
        """What EventBridge's documents do not have."""
        return unsupported(definition)

    def settle(self, schedule: Schedule, now: datetime) -> Schedule:
        """Fire what is due of ``schedule``, and EventBridge has not told of in the last day.

        A firing that comes after a change is judged by the schedule as it is then: a deleted one runs nothing
        any more. So what is under way is taken from EventBridge's hands; its firing then meets the entry.
        """
        row = self._unit.get(SCHEDULES, schedule.id)
        if row is None or schedule.status is not ScheduleStatus.ACTIVE:
            return schedule
        due_first = schedule_of_row(row).next_run
        if due_first is not None and due_first <= now:
            self._make_good(schedule, max(due_first, now - DELIVERED_WITHIN), now)
        return self._schedules.get(schedule.id) or schedule

    def arm(self, schedule: Schedule) -> None:
        """Fire what has fallen due since the change, and have EventBridge follow once it is committed."""
        now = self._clock.now()
        if schedule.next_run is not None and schedule.next_run <= now:
            self._make_good(schedule, schedule.next_run, now)
        self._armer.begin(self._unit, schedule.id)

    def disarm(self, schedule_id: str) -> None:
        """Have EventBridge forget the schedule once its deletion is committed."""
        self._armer.begin(self._unit, schedule_id)

    def _make_good(self, schedule: Schedule, since: datetime, now: datetime) -> None:
        make_good(self._ledger, self._topic, schedule, since=since, until=now, now=now)
