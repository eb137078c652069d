"""The ledger, in DynamoDB, over a unit: what became of every occurrence.

The moves that the processor and the sweep make stand in ``queue.py``; here are those that people and the
scheduler make. What a list reads stands in ``ledger_list.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from rez_agent.aws import alert_facts
from rez_agent.aws.blobs import S3Blobs
from rez_agent.aws.execution_items import (
    attempts_from,
    execution_from,
    item_of,
    moved,
    schedule_of,
    without_responses,
)
from rez_agent.aws.flight import Flight
from rez_agent.aws.items import dumps, expired
from rez_agent.aws.keeping import Kept, kept_until
from rez_agent.aws.ledger_list import LOOKED_AT, LedgerList
from rez_agent.aws.records import fits
from rez_agent.aws.tables import EXECUTIONS, SCHEDULES
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item
from rez_agent.domain.due import InFlight
from rez_agent.domain.execution import Attempt, Execution, ExecutionStatus, Reason
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.policies import Overlap
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Clock, ExecutionQuery, Page

_RETRYABLE = (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)


class DynamoLedger:
    """The Ledger port.

    ``number`` counts what this process writes. ``released`` is told of an execution that was held and may
    start, since the one in front of it was cancelled here: it is to be published. ``looked_at``: how many
    executions a list over all schedules looks at before it ends a page that is not full.
    """

    def __init__(
        self,
        unit: Unit,
        clock: Clock,
        blobs: S3Blobs,
        *,
        kept: Kept,
        number: Callable[[], int],
        released: Callable[[Sequence[Execution]], None],
        looked_at: int = LOOKED_AT,
    ) -> None:
        self._unit = unit
        self._clock = clock
        self._blobs = blobs
        self._kept = kept
        self._number = number
        self._released = released
        self._looked_at = looked_at
        self._flight = Flight(unit)

    def add(self, executions: Sequence[Execution]) -> int:
        """Write executions. If :meth:`in_flight` was asked before in this unit, they hold only if nothing
        else of their schedule has been decided on since."""
        self._unit.get_all(EXECUTIONS, [(one.schedule_id, one.id) for one in executions])
        new: dict[str, Execution] = {}
        for one in executions:
            if self._item(one.schedule_id, one.id) is None:
                new.setdefault(one.id, one)
        waiting = {one.schedule_id: one.created_date for one in new.values() if not one.status.final}
        for schedule_id, now in waiting.items():
            self._flight.decided(schedule_id, now)
        for execution in new.values():
            item = self._new_item(execution)
            self._unit.put(EXECUTIONS, item)
            if execution.came_late:
                alert_facts.note(self._unit, item, execution.created_date, late=True)
        return len(new)

    def get(self, execution_id: str) -> Execution | None:
        """The execution, or None."""
        item = self._found(execution_id)
        return None if item is None else self._execution(item)

    def attempts(self, execution_id: str) -> tuple[Attempt, ...]:
        """Its attempts, oldest first; of an execution redriven very often, those in the middle are gone."""
        item = self._found(execution_id)
        return () if item is None else tuple(attempts_from(item))

    def attempts_of(self, execution_ids: Sequence[str]) -> dict[str, tuple[Attempt, ...]]:
        """The attempts of several executions at once, without their responses."""
        named = [(schedule_of(each), each) for each in execution_ids]
        self._unit.get_all(EXECUTIONS, [(owner, each) for owner, each in named if owner is not None])
        return {each: without_responses(self.attempts(each)) for each in execution_ids}

    def list(self, query: ExecutionQuery) -> Page[Execution]:
        """A page. A schedule's own history is complete; the list over all shows what its index has taken up,
        and where other filters than the owner's are asked, it looks at so many executions at a time and no
        more: then a page may be short, or empty, and the next cursor goes on."""
        return self._reading().page(query)

    def latest(
        self,
        schedule_ids: Sequence[str],
        each: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> dict[str, tuple[Execution, ...]]:
        """The last of each schedule; the schedules are read side by side."""
        query = ExecutionQuery(since=since, until=until, limit=each)
        found = self._reading().latest(schedule_ids, query)
        return {one: tuple(execution_from(item) for item in items) for one, items in found.items()}

    def kept_since(self, schedule: Schedule, now: datetime) -> datetime:
        """From the time that an entry written now would be kept."""
        definition = schedule.definition
        until = kept_until(self._kept, definition.schedule_expression, definition.timezone, now)
        return now - timedelta(seconds=until - to_seconds(now))

    def in_flight(self, schedule_id: str) -> InFlight:
        """What of the schedule is not final."""
        return self._flight.of(schedule_id)

    def requeue(self, execution_id: str, now: datetime, expires_at: datetime) -> bool:
        """Queue a failed or cancelled execution again."""
        item = self._found(execution_id)
        if item is None or item["status"] not in _RETRYABLE:
            return False
        gone = dict.fromkeys(("started_at", "finished_at", "reason", "detail", "cancel_asked", "lease_until"))
        queued = moved(
            item,
            status=ExecutionStatus.QUEUED.value,
            next_attempt_at=now,
            due_at=now,
            expires_at=expires_at,
            tries=0,
            crashes=0,
            dead_letter=False,
            **gone,
        )
        self._unit.put(EXECUTIONS, queued)
        return True

    def cancel(self, execution_id: str, now: datetime, detail: str) -> bool:
        """Cancel one execution."""
        item = self._found(execution_id)
        return item is not None and self._cancel([item], now, detail) > 0

    def cancel_all(self, schedule_id: str, now: datetime, detail: str) -> int:
        """Cancel all of the schedule's executions in flight."""
        found = self._unit.get_all(EXECUTIONS, self._flight.keys(schedule_id))
        return self._cancel(list(found.values()), now, detail)

    def dead_letters(self, query: ExecutionQuery) -> tuple[str, ...]:
        """Ids of dead letters, those that failed first first, as far as the index has taken them up."""
        return self._reading().dead_letters(query)

    def _cancel(self, items: Sequence[Item], now: datetime, detail: str) -> int:
        """Queued ones end here; running ones are asked to stop."""
        changed = [(item, _cancelled(item, now, detail)) for item in items]
        for _, after in changed:
            if after is not None:
                self._unit.put(EXECUTIONS, after)
        ended = {item["schedule_id"] for item, after in changed if after and _lets_go(item, after)}
        for schedule_id in sorted(ended):
            freed = self._flight.let_go(schedule_id, now)
            if freed is not None:
                self._released([self._execution(freed)])
        return sum(after is not None for _, after in changed)

    # --- items ---

    def _found(self, execution_id: str) -> Item | None:
        schedule_id = schedule_of(execution_id)
        return None if schedule_id is None else self._item(schedule_id, execution_id)

    def _item(self, schedule_id: str, execution_id: str) -> Item | None:
        item = self._unit.get(EXECUTIONS, schedule_id, execution_id)
        return None if item is None or expired(item, self._clock.now()) else item

    def _execution(self, item: Item) -> Execution:
        blob = item.get("payload_blob")
        return execution_from(item, None if blob is None else json.loads(self._blobs.text(blob)))

    def _new_item(self, execution: Execution) -> Item:
        schedule = self._unit.get(SCHEDULES, execution.schedule_id)
        until = to_seconds(execution.created_date + self._kept.ledger)
        if schedule is not None:
            expression, timezone = schedule["schedule_expression"], schedule["timezone"]
            until = kept_until(self._kept, expression, timezone, execution.created_date)
        return item_of(
            execution,
            number=self._number(),
            kept_until=until,
            one_by_one=schedule is None or is_one_by_one(schedule),
            payload_blob=self._large_payload(execution, until),
        )

    def _large_payload(self, execution: Execution, until: int) -> str | None:
        """The reference of a payload that is too large for the item, kept as long as the item."""
        text = None if execution.payload is None else dumps(execution.payload)
        if text is None or fits(text):
            return None
        reference = self._blobs.put(execution.id, text.encode())
        self._blobs.expire(execution.id, from_seconds(until))
        return reference

    def _reading(self) -> LedgerList:
        now = self._clock.now()
        return LedgerList(self._unit, self._execution, now=now, kept=self._kept, looked_at=self._looked_at)


def is_one_by_one(schedule: Item) -> bool:
    """Whether a schedule's item forbids two executions at once."""
    said = json.loads(schedule["policies"]).get("overlap")
    if said is None:
        return not schedule["schedule_expression"].startswith("at(")
    return bool(said != Overlap.ALLOW)


def _cancelled(item: Item, now: datetime, detail: str) -> Item | None:
    """An execution's item once somebody has cancelled it; None if it is final."""
    match item["status"]:
        case ExecutionStatus.QUEUED:
            return moved(
                item,
                status=ExecutionStatus.CANCELLED.value,
                reason=Reason.CANCELLED.value,
                detail=detail,
                finished_at=now,
                next_attempt_at=None,
            )
        case ExecutionStatus.RUNNING:
            return moved(item, cancel_asked=True, detail=detail)
    return None


def _lets_go(before: Item, after: Item) -> bool:
    """Whether a cancellation may let another execution go."""
    return "one_by_one" in before and after["status"] == ExecutionStatus.CANCELLED
