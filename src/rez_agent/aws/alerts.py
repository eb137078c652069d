"""Alerts, in DynamoDB, over a unit. An alert is a record; beside it stand pointers that it is found by: the
last of a rule and a subject, and those to be looked at or sent, by the moment.

There are few alerts, one for an outage, so one partition holds them all and lists go through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice

from rez_agent.aws import alert_facts, queue
from rez_agent.aws.execution_items import digits
from rez_agent.aws.items import expired, stamp, stamp_or_none, ttl_at
from rez_agent.aws.keeping import Kept
from rez_agent.aws.tables import EXECUTIONS, RECORDS, TTL
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item
from rez_agent.cursors import cursor_for, position_of
from rez_agent.domain.alert import Alert
from rez_agent.domain.alert_facts import ended
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus
from rez_agent.ports import AlertQuery, Clock, Fact, Ledger, Overdue, Page

ALERT, LAST, LOOK, SEND = "alert", "alert_last#", "alert_look", "alert_send"

LOOKED_AT = 500
"""Alerts that one page goes through, at most."""

SUBJECT_BYTES = 512
"""A subject up to this size is its own key; of a longer one its hash is."""

_MILLISECOND = timedelta(milliseconds=1)

_NOT_WAITED_FOR = (Cause.CATCH_UP, Cause.BACKFILL, Cause.TEST)
"""What was late before it was queued, and what is nobody's concern."""

_FIRST = "~"
"""Sorts after every id."""


class DynamoAlerts:
    """The Alerts port. ``publish`` hands an alert to the processor, which sends it, once the unit holds."""

    def __init__(
        self, unit: Unit, clock: Clock, ledger: Ledger, *, kept: Kept, publish: Callable[[str], None]
    ) -> None:
        self._unit = unit
        self._clock = clock
        self._ledger = ledger
        self._kept = kept
        self._publish = publish

    def take_facts(self, limit: int) -> tuple[Fact, ...]:
        """The oldest facts."""
        taken = alert_facts.take(self._unit, limit)
        self._unit.get_all(EXECUTIONS, [(one["schedule_id"], one["execution_id"]) for one in taken])
        found = ((self._ledger.get(one["execution_id"]), bool(one["late"])) for one in taken)
        return tuple(Fact(execution, late) for execution, late in found if execution is not None)

    def durations_before(self, execution: Execution, limit: int) -> tuple[int, ...]:
        """How long those before it took."""
        found = self._ledger.latest([execution.schedule_id], 2 * limit)[execution.schedule_id]
        done = [one for one in ended(found, execution.finished_at) if one.status is ExecutionStatus.SUCCEEDED]
        took = [
            one.duration
            for one in sorted(done, key=_id, reverse=True)
            if one.id != execution.id and one.duration is not None
        ]
        return tuple(each // _MILLISECOND for each in took[:limit])

    def overdue(self, before: datetime, limit: int) -> tuple[Overdue, ...]:
        """What waits in a queue, the oldest first. What EventBridge has not told of is made good by the
        sweep, and noted then."""
        keys = queue.waiting(self._unit, before, limit)
        self._unit.get_all(EXECUTIONS, keys)
        found = (self._ledger.get(execution_id) for _, execution_id in keys)
        return tuple(
            Overdue(one.schedule_id, one.owner, one.target, one.due_at)
            for one in found
            if one is not None and one.cause not in _NOT_WAITED_FOR and not one.attempts
        )

    def save(self, alert: Alert) -> None:
        """Keep an alert, and move its pointers."""
        before = self._unit.get(RECORDS, ALERT, alert.id)
        ttl = ttl_at(self._clock.now() + self._kept.ledger)
        pointers = {LOOK: _pointer(alert.look_at, alert.id), SEND: _pointer(alert.pending_at, alert.id)}
        for kind, key in pointers.items():
            former = None if before is None else before.get(kind)
            if former is not None and former != key:
                self._unit.delete(RECORDS, kind, former)
            if key is not None and former != key:
                self._unit.put(RECORDS, {"pk": kind, "sk": key, "alert_id": alert.id, TTL: ttl})
        place = (LAST + alert.rule_key, _subject_key(alert.subject))
        if before is None and alert.kind is not None:
            self._unit.put(RECORDS, {"pk": place[0], "sk": place[1], "alert_id": alert.id, TTL: ttl})
        self._unit.put(RECORDS, _item(alert, pointers, ttl))
        if alert.pending_at is not None and alert.pending_at <= self._clock.now():
            self._publish(alert.id)

    def get(self, alert_id: str) -> Alert | None:
        """The alert, or None."""
        item = self._unit.get(RECORDS, ALERT, alert_id)
        return None if item is None or expired(item, self._clock.now()) else _alert(item)

    def last(self, rule_key: str, subject: str) -> Alert | None:
        """The last alert of a rule about a subject."""
        pointer = self._unit.get(RECORDS, LAST + rule_key, _subject_key(subject))
        return None if pointer is None else self.get(pointer["alert_id"])

    def to_look_at(self, now: datetime, limit: int) -> tuple[Alert, ...]:
        """Alerts that must be looked at."""
        return self._pointed(LOOK, now, limit)

    def to_send(self, now: datetime, limit: int) -> tuple[Alert, ...]:
        """Alerts with a notice to be sent."""
        return self._pointed(SEND, now, limit)

    def list(self, query: AlertQuery) -> Page[Alert]:
        """A page, newest first. It goes through so many alerts at a time and no more: it may hold less than
        was asked for, and its total counts what it saw."""
        identity = f"{query.owner}|{query.schedule_id}|{query.kind}|{query.open}"
        before = str(position_of(query.cursor, identity, 1)[0]) if query.cursor else _FIRST
        found: list[Alert] = []
        last, more = before, False
        for number, item in enumerate(self._newest(before)):
            if len(found) == query.limit or number == LOOKED_AT:
                more = True
                break
            last = item["sk"]
            alert = _alert(item)
            if not expired(item, self._clock.now()) and _matches(alert, query):
                found.append(alert)
        exact = not more and not query.cursor
        return Page(tuple(found), cursor_for(identity, [last]) if more else None, len(found), exact)

    def _newest(self, before: str) -> Iterator[Item]:
        return self._unit.query(
            RECORDS,
            KeyConditionExpression="pk = :pk AND sk < :before",
            values={":pk": ALERT, ":before": before},
            ScanIndexForward=False,
            ConsistentRead=True,
        )

    def _pointed(self, kind: str, now: datetime, limit: int) -> tuple[Alert, ...]:
        ids = [item["alert_id"] for item in _pointers(self._unit, kind, now, limit)]
        return tuple(alert for one in ids if (alert := self.get(one)) is not None)


def _id(execution: Execution) -> str:
    return execution.id


def unsent(unit: Unit, now: datetime, limit: int) -> list[tuple[str]]:
    """The ids of alerts with a notice to be sent by ``now``, those that waited longest first."""
    return [(item["alert_id"],) for item in _pointers(unit, SEND, now, limit)]


def _pointers(unit: Unit, kind: str, now: datetime, limit: int) -> Iterator[Item]:
    found = unit.query(
        RECORDS,
        KeyConditionExpression="pk = :pk AND sk < :now",
        values={":pk": kind, ":now": f"{digits(now)}~"},
        ConsistentRead=True,
        Limit=limit,
    )
    return islice(found, limit)


def _item(alert: Alert, pointers: dict[str, str | None], ttl: int) -> Item:
    item = {
        "pk": ALERT,
        "sk": alert.id,
        "owner": alert.owner,
        "kind": None if alert.kind is None else alert.kind.value,
        "subject": alert.subject,
        "opened_at": stamp(alert.opened_at),
        "closed_at": stamp_or_none(alert.closed_at),
        "document": alert.model_dump_json(),
        TTL: ttl,
        **pointers,
    }
    return {name: value for name, value in item.items() if value is not None}


def _alert(item: Item) -> Alert:
    return Alert.model_validate_json(item["document"])


def _pointer(at: datetime | None, alert_id: str) -> str | None:
    return None if at is None else f"{digits(at)}#{alert_id}"


def _subject_key(subject: str) -> str:
    data = subject.encode()
    return subject if 0 < len(data) <= SUBJECT_BYTES else sha256(data).hexdigest()


def _matches(alert: Alert, query: AlertQuery) -> bool:
    return (
        query.owner in (None, alert.owner)
        and query.schedule_id in (None, *alert.affected)
        and query.kind in (None, alert.kind)
        and query.open in (None, alert.open)
    )
