"""What a condition is judged by, read when its execution is leased.

Only schedules that have a condition get here; what it costs is bounded by
:data:`~rez_agent.domain.condition.LOOKED_BACK`, not by how long a schedule has run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from rez_agent.aws.execution_items import BUT_PAYLOAD, attempts_from, execution_from
from rez_agent.aws.items import dumps, expired
from rez_agent.aws.tables import EXECUTIONS
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item
from rez_agent.domain.action import Work
from rez_agent.domain.condition import JUDGED, Condition, Facts, Last, look_back, midnight_before
from rez_agent.domain.execution import Execution
from rez_agent.domain.schedule import Schedule, ScheduleDefinition

AT_ONCE = 100
"""Entries that one call reads."""


class Definitions(Protocol):
    """What is asked of the schedules."""

    def definition_at(self, schedule_id: str, revision: int) -> ScheduleDefinition | None:
        """The definition of a revision."""


class FactPorts(Protocol):
    """What is needed of a unit's ports."""

    @property
    def unit(self) -> Unit:
        """The unit of work."""

    @property
    def schedules(self) -> Definitions:
        """The schedules over it."""


def condition_of(
    ports: FactPorts, work: Work, item: Item, schedule: Schedule, now: datetime
) -> Condition | None:
    """The condition of the execution's revision, with what it is judged by. None where nothing is to be
    judged: there is none, somebody asked for the execution, or an attempt of it was made before. One that was
    interrupted does not count: it is judged again."""
    definition: ScheduleDefinition | None = schedule.definition
    if item["schedule_revision"] != schedule.revision:
        definition = ports.schedules.definition_at(schedule.id, item["schedule_revision"])
    if definition is None or definition.condition is None or item["cause"] not in JUDGED or _attempted(item):
        return None
    facts = Facts(
        schedule_id=schedule.id,
        name=definition.name,
        tags=definition.tags,
        timezone=definition.timezone,
        created_by=work.owner,
        revision=item["schedule_revision"],
        target_type=work.target_type,
        payload=work.payload_text or dumps(work.payload),
        scheduled_time=work.scheduled_time,
    )
    return Condition(definition.condition, _with_past(ports.unit, facts, item, now))


def _attempted(item: Item) -> bool:
    return any(attempt.outcome != "interrupted" for attempt in attempts_from(item))


def _with_past(unit: Unit, facts: Facts, item: Item, now: datetime) -> Facts:
    earlier = (execution_from(one) for one in _earlier(unit, item) if not expired(one, now))
    last, today = look_back(earlier, midnight_before(now, facts.timezone))
    return replace(facts, runs_today=today, last=None if last is None else _last(unit, last))


def _last(unit: Unit, run: Execution) -> Last:
    for item in _query(unit, "id = :id", run.schedule_id, run.id):
        for attempt in reversed(attempts_from(item)):
            return Last.of(run, attempt.response, truncated=attempt.response_truncated)
    return Last.of(run, None, truncated=False)


def _earlier(unit: Unit, item: Item) -> Iterator[Item]:
    """The items of the schedule before this one, newest first, without payloads and attempts."""
    asked = ", ".join(f"#{name}" for name in BUT_PAYLOAD)
    names = {f"#{name}": name for name in BUT_PAYLOAD}
    return _query(
        unit,
        "id < :id",
        item["schedule_id"],
        item["id"],
        ProjectionExpression=asked,
        ExpressionAttributeNames=names,
    )


def _query(unit: Unit, which: str, schedule_id: str, execution_id: str, **asked: Any) -> Iterator[Item]:
    return unit.query(
        EXECUTIONS,
        KeyConditionExpression=f"schedule_id = :schedule AND {which}",
        values={":schedule": schedule_id, ":id": execution_id},
        ScanIndexForward=False,
        ConsistentRead=True,
        Limit=AT_ONCE,
        **asked,
    )
