"""The queue of work: the executions' own items, and the moves that the processor and the sweep make with
them.

A message in SQS is only a knock: it names an execution, and may come twice, late, or never. The item says
what is to be done. A firing costs three writes (queued, claimed, concluded), and the schedule's guard beside
the first and the last where two at once are not allowed. A claim takes a lease and a fencing token; an end
reported with an older one is not recorded. Each function is one use case, whole or not at all:

- dead after a claim, before the call: when the lease has run out the sweep queues the execution again;
- dead after the call, before it was concluded: the same, and the target sees the same Idempotency-Key;
- dead after the conclusion, before what it let go was published: the sweep publishes what waits too long.

What a function returns as executions is to be published when the use case is durable: each is queued, and
says with ``next_attempt_at`` when it may start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any, Protocol

from rez_agent.aws import alert_facts
from rez_agent.aws.execution_items import (
    CODE_BYTES,
    HELD,
    LANES,
    LAST_ERROR_BYTES,
    LIVE,
    RUNNING,
    WAITING,
    digits,
    fitting,
    is_held,
    moved,
    with_attempt,
)
from rez_agent.aws.facts import condition_of
from rez_agent.aws.flight import Flight
from rez_agent.aws.items import dumps, instant
from rez_agent.aws.tables import EXECUTIONS, QUEUE
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item
from rez_agent.domain.action import Work
from rez_agent.domain.execution import CRASHES_AT_MOST, Attempt, Execution, ExecutionStatus, Reason
from rez_agent.domain.policies import Overlap
from rez_agent.domain.schedule import Schedule, ScheduleDefinition
from rez_agent.ports import Claimed, Concluded, Ledger, Topic

LEASE = timedelta(minutes=20)
"""How long a claim holds if nothing is heard of it: longer than a function may run."""

QueueKey = tuple[str, str]
"""A schedule's id, and that of one of its executions."""


class Definitions(Protocol):
    """What the queue asks of the schedules."""

    def get(self, schedule_id: str) -> Schedule | None:
        """The schedule, tombstones included."""

    def payload_at(self, schedule_id: str, revision: int) -> dict[str, Any] | None:
        """The payload of a revision; the present one where that has gone."""

    def definition_at(self, schedule_id: str, revision: int) -> ScheduleDefinition | None:
        """The definition of a revision; the present one where that has gone. None without a schedule."""


class QueuePorts(Protocol):
    """What the queue needs of a unit's ports."""

    @property
    def unit(self) -> Unit:
        """The unit of work."""

    @property
    def schedules(self) -> Definitions:
        """The schedules over it."""

    @property
    def ledger(self) -> Ledger:
        """The ledger over it."""

    @property
    def topic(self) -> Topic:
        """The topics over it."""


@dataclass(frozen=True, slots=True)
class Later:
    """The execution is queued, and may not start before ``at``: knock again then."""

    at: datetime


def claim(ports: QueuePorts, schedule_id: str, execution_id: str, now: datetime) -> Claimed | Later | None:
    """Lease an execution that may start now. None if there is nothing to do: another holds it, it is final
    or held, or there is none. What has outlived its event age ends here, and so does what nobody can tell
    the definition of; what that lets go is published."""
    item = ports.unit.get(EXECUTIONS, schedule_id, execution_id)
    if item is None or item["status"] != ExecutionStatus.QUEUED or is_held(item):
        return None
    at = instant(item["next_attempt_at"])
    if at > now:
        return Later(at)
    if instant(item["expires_at"]) < now:
        _end_unstarted(ports, _expired(item, now), now)
        return None
    schedule = ports.schedules.get(schedule_id)
    if schedule is None:
        _end_unstarted(ports, _orphaned(item, now), now)
        return None
    leased = moved(
        item,
        status=ExecutionStatus.RUNNING.value,
        next_attempt_at=None,
        lease=item["lease"] + 1,
        lease_until=now + LEASE,
        attempts=item["attempts"] + 1,
        started_at=item.get("started_at") or now,
        one_by_one=item.get("one_by_one") or schedule.definition.overlap is not Overlap.ALLOW or None,
    )
    ports.unit.put(EXECUTIONS, leased)
    return _claimed(ports, leased, schedule, now)


def as_claimed(unit: Unit, claimed: Claimed) -> Item | None:
    """The item that a committed unit leased. Where ``run_whole`` is given it as known, :func:`conclude` reads
    nothing."""
    return unit.get(EXECUTIONS, claimed.work.schedule_id, claimed.work.execution_id)


def conclude(ports: QueuePorts, ended: Concluded, *, compared: bool = False) -> list[Execution]:
    """Record an end: the attempt, the execution's next state, and what was held behind it. Nothing, if the
    lease is not the present one: somebody else has taken the execution over. What is to be published: the
    execution itself if it is tried again, and what it let go. ``compared``: a rule of alerting compares how
    long it took."""
    item = _leased(ports, ended.schedule_id, ended.execution_id, ended.lease)
    if item is None:
        return []
    after = _concluded(item, ended)
    if ended.made:
        after = with_attempt(after, ended.attempt)
    ports.unit.put(EXECUTIONS, after)
    if compared and after["status"] == ExecutionStatus.SUCCEEDED:
        alert_facts.note(ports.unit, after, ended.attempt.finished_at)
    return _to_publish(ports, after, ended.attempt.finished_at)


def put_back(ports: QueuePorts, claimed: Claimed, now: datetime) -> list[Execution]:
    """Queue again what was leased and never begun, as if it had not been leased."""
    item = _leased(ports, claimed.work.schedule_id, claimed.work.execution_id, claimed.lease)
    if item is None:
        return []
    if "cancel_asked" in item:
        after = _finished(item, ExecutionStatus.CANCELLED, now, reason=Reason.CANCELLED.value)
    else:
        begun = item["attempts"] > 1
        after = _queued(item, now, started_at=item["started_at"] if begun else None)
    after = moved(after, attempts=item["attempts"] - 1)
    ports.unit.put(EXECUTIONS, after)
    return _to_publish(ports, after, now)


def take_back(ports: QueuePorts, schedule_id: str, execution_id: str, now: datetime) -> list[Execution]:
    """End a lease that has run out: whoever held it is gone. The execution is queued again, or ends as
    cancelled if somebody asked for that; one during which the function died
    :data:`~rez_agent.domain.execution.CRASHES_AT_MOST` times is a dead letter."""
    item = ports.unit.get(EXECUTIONS, schedule_id, execution_id)
    if item is None or item["status"] != ExecutionStatus.RUNNING or instant(item["lease_until"]) >= now:
        return []
    crashed = with_attempt({**item, "crashes": item["crashes"] + 1}, _interrupted(item, now))
    if "cancel_asked" in item:
        after = _finished(crashed, ExecutionStatus.CANCELLED, now, reason=Reason.CANCELLED.value)
    elif crashed["crashes"] >= CRASHES_AT_MOST:
        detail = "the function died each time it ran"
        after = _dead_letter(crashed, now, code="interrupted", detail=detail)
    else:
        after = _queued(crashed, now)
    ports.unit.put(EXECUTIONS, after)
    return _to_publish(ports, after, now)


def release(ports: QueuePorts, schedule_id: str, now: datetime) -> list[Execution]:
    """Let the schedule's oldest held execution go, if nothing else of it is in flight."""
    freed = Flight(ports.unit).let_go(schedule_id, now)
    return [] if freed is None else [_execution(ports, freed)]


# --- looking things up: what the index has taken up, to be judged by the functions above ---


def waiting(unit: Unit, before: datetime, limit: int) -> list[QueueKey]:
    """Queued executions that might have started before ``before``, those due first first."""
    return _keys(unit, WAITING, before, limit)


def running_out(unit: Unit, now: datetime, limit: int) -> list[QueueKey]:
    """Executions whose lease ran out before ``now``, oldest first."""
    return _keys(unit, RUNNING, now, limit)


def held(unit: Unit, limit: int) -> list[str]:
    """Schedules that hold executions behind nothing: :func:`release` lets one go. Reads every held key until
    it has found ``limit`` schedules, and asks each schedule once."""
    flight, found, asked = Flight(unit), list[str](), set[str]()
    for item in merge(*(_lane(unit, HELD + lane) for lane in LANES), key=_queue_at):
        schedule_id = item["schedule_id"]
        if schedule_id in asked:
            continue
        asked.add(schedule_id)
        places = flight.keys(schedule_id).values()
        if places and not any(place.startswith(LIVE) for place in places):
            found.append(schedule_id)
        if len(found) == limit:
            break
    return found


def _keys(unit: Unit, queue: str, before: datetime, limit: int) -> list[QueueKey]:
    lanes = (_lane(unit, queue + lane, before=digits(before), limit=limit) for lane in LANES)
    oldest = islice(merge(*lanes, key=_queue_at), limit)
    return [(item["schedule_id"], item["id"]) for item in oldest]


def _lane(unit: Unit, queue: str, *, before: str | None = None, limit: int | None = None) -> Iterator[Item]:
    """A lane's keys, oldest first."""
    condition, names, values = "#queue = :queue", {"#queue": "queue"}, {":queue": queue}
    if before is not None:
        condition += " AND #at < :before"
        names["#at"] = "queue_at"
        values[":before"] = before
    return unit.query(
        EXECUTIONS,
        QUEUE.name,
        KeyConditionExpression=condition,
        ExpressionAttributeNames=names,
        values=values,
        **({} if limit is None else {"Limit": limit}),
    )


def _queue_at(item: Item) -> str:
    return str(item["queue_at"])


# --- the moves ---


def _leased(ports: QueuePorts, schedule_id: str, execution_id: str, lease: int) -> Item | None:
    """The execution's item, if this lease is the present one."""
    item = ports.unit.get(EXECUTIONS, schedule_id, execution_id)
    present = item is not None and item["status"] == ExecutionStatus.RUNNING and item["lease"] == lease
    return item if present else None


def _claimed(ports: QueuePorts, item: Item, schedule: Schedule, now: datetime) -> Claimed:
    execution = _execution(ports, item)
    payload = execution.payload
    if payload is None and execution.schedule_revision != schedule.revision:
        payload = ports.schedules.payload_at(schedule.id, execution.schedule_revision)
    if payload is None:
        payload = schedule.definition.payload
    work = Work(
        execution_id=execution.id,
        schedule_id=schedule.id,
        schedule_name=schedule.definition.name,
        owner=execution.owner,
        target_type=execution.target_type,
        payload=payload,
        scheduled_time=execution.scheduled_time,
        attempt=execution.attempts,
        idempotency_key=execution.id,
        payload_text=dumps(payload),
    )
    return Claimed(
        work=replace(work, condition=condition_of(ports, work, item, schedule, now)),
        lease=item["lease"],
        target=execution.target,
        tries=execution.tries,
        retry=schedule.definition.policies.retry,
        due_at=execution.due_at,
        expires_at=execution.expires_at,
    )


def _concluded(item: Item, ended: Concluded) -> Item:
    """The state after an end; somebody who asked to cancel has the last word on trying again."""
    attempt, asked = ended.attempt, "cancel_asked" in item
    again = ended.status is ExecutionStatus.QUEUED
    cancelled = asked and again
    status = ExecutionStatus.CANCELLED if cancelled else ended.status
    reason = Reason.CANCELLED if cancelled else ended.reason
    detail = ended.detail
    if asked and (again or ended.status is ExecutionStatus.CANCELLED):
        detail = item.get("detail")
    return moved(
        item,
        status=status.value,
        next_attempt_at=None if asked else ended.next_attempt_at,
        lease_until=None,
        finished_at=attempt.finished_at if asked or not again else None,
        tries=ended.tries,
        dead_letter=ended.dead_letter,
        code=None if status is ExecutionStatus.SKIPPED else fitting(attempt.code, CODE_BYTES),
        attempts=item["attempts"] - (not ended.made),
        started_at=item["started_at"] if ended.made or item["attempts"] > 1 else None,
        error=None if attempt.error is None else fitting(attempt.error, LAST_ERROR_BYTES),
        response_status=attempt.response_status,
        reason=reason.value if reason else None,
        detail=detail,
    )


def _expired(item: Item, now: datetime) -> Item:
    passed = "max_event_age_seconds passed before it could"
    if item["attempts"]:
        return _dead_letter(item, now, detail=f"{passed} be tried again")
    reason = Reason.EXPIRED.value
    return _finished(item, ExecutionStatus.SKIPPED, now, reason=reason, detail=f"{passed} start")


def _orphaned(item: Item, now: datetime) -> Item:
    detail = "its schedule was deleted so long ago that nobody knows what it was to do"
    return _dead_letter(item, now, code="schedule_gone", detail=detail)


def _dead_letter(item: Item, now: datetime, **told: Any) -> Item:
    return _finished(item, ExecutionStatus.FAILED, now, dead_letter=True, **told)


def _finished(item: Item, status: ExecutionStatus, now: datetime, **told: Any) -> Item:
    gone: dict[str, Any] = {"next_attempt_at": None, "lease_until": None}
    return moved(item, status=status.value, finished_at=now, **gone, **told)


def _queued(item: Item, now: datetime, **told: Any) -> Item:
    status = ExecutionStatus.QUEUED.value
    return moved(item, status=status, next_attempt_at=now, lease_until=None, **told)


def _interrupted(item: Item, now: datetime) -> Attempt:
    began = instant(item["lease_until"]) - LEASE
    return Attempt(
        number=item["attempts"],
        started_at=began,
        finished_at=now,
        outcome="interrupted",
        code="interrupted",
        error="the function died while this attempt ran",
    )


def _end_unstarted(ports: QueuePorts, after: Item, now: datetime) -> None:
    ports.unit.put(EXECUTIONS, after)
    ports.topic.publish_work(_to_publish(ports, after, now))


def _to_publish(ports: QueuePorts, after: Item, now: datetime) -> list[Execution]:
    """The execution if it waits, else what its end lets go."""
    if not ExecutionStatus(after["status"]).final:
        return [_execution(ports, after)]
    expired = after.get("reason") == Reason.EXPIRED
    if after["status"] == ExecutionStatus.FAILED or expired:
        alert_facts.note(ports.unit, after, now, late=expired)
    return release(ports, after["schedule_id"], now) if "one_by_one" in after else []


def _execution(ports: QueuePorts, item: Item) -> Execution:
    """The execution of an item that this unit has put."""
    execution = ports.ledger.get(item["id"])
    assert execution is not None
    return execution
