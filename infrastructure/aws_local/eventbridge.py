"""EventBridge Scheduler's timekeeping, as a pure model over schedules as its API holds them.

A document is what ``GetSchedule`` answers: ``ScheduleExpression``, ``ScheduleExpressionTimezone`` (UTC),
``StartDate``, ``EndDate``, ``FlexibleTimeWindow``, ``State`` (ENABLED), ``ActionAfterCompletion`` (NONE),
``Target``, ``CreationDate``, ``LastModificationDate``. Its dates are aware datetimes, or seconds since 1970
as they stand on the wire. Time is always an argument, and there is no I/O and no chance in here: execution
ids and the place within a flexible window follow from the schedule and the instant.

The rules are those of the User Guide ("Schedule types", "Flexible time windows", "Deleting a schedule",
"Context attributes", "Dead-letter queues") and of the API reference (CreateSchedule, RetryPolicy):

* cron runs on its zone's wall clock; a time in a gap is skipped, one in a fold runs once, at its first pass;
* a rate is elapsed time from ``StartDate``, its first occurrence; without one it first runs at once, that is
  when it was made or last changed;
* ``StartDate`` and ``EndDate`` are inclusive and mean nothing to an ``at``;
* a disabled schedule never runs, and what it missed does not run later.

Where the documentation is silent, the stricter reading is taken, so that what works here works there: an
instant before the last change (an ``at`` in the past) never runs, and an ``at`` in a gap moves forward by it.
"""

from __future__ import annotations

import heapq
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rez_agent.domain.expression import Occurrences, parse

Document = Mapping[str, Any]
_Stamp = tuple[datetime | float, datetime | float | None]
"""A document's dates of creation and of change, as it holds them."""

_TICK = timedelta(microseconds=1)
_DAY = 86_400
_MOST_RETRIES = 185
_LONGEST_BACKOFF = 60.0
_EXECUTIONS = uuid.UUID("8b2d9c0e-4f4e-5d0c-9b0f-5a1f6f3c7a11")


@dataclass(frozen=True, slots=True)
class Firing:
    """One due instant of a schedule: ``due`` is nominal, ``at`` is when the target is first called.

    The two differ by a flexible window alone. ``last`` says that nothing follows it.
    """

    document: Document
    due: datetime
    at: datetime
    execution_id: str
    last: bool

    @property
    def deletes(self) -> bool:
        """Whether the schedule is deleted once this has been tried to its end."""
        return self.last and self.document.get("ActionAfterCompletion") == "DELETE"


class Ticker:
    """Which firings come up, each exactly once, while documents come, change and go.

    A schedule is recognized by its ARN and its dates of creation and of change, so one that was deleted and
    made again, or updated, starts afresh. A firing whose flexible window has begun is not taken back.
    """

    def __init__(self, since: datetime) -> None:
        """``since``: of a schedule older than that, what fell due before it is not this ticker's business."""
        self._since = since
        self._next: dict[str, tuple[_Stamp, datetime | None]] = {}
        self._later: list[tuple[datetime, str, Firing]] = []

    def due(self, documents: Iterable[Document], until: datetime) -> list[Firing]:
        """The firings to make now that it is ``until``, in the order in which they are made.

        ``documents`` are all the schedules there are; ``until`` must not go back from call to call.
        """
        known, self._next = self._next, {}
        for document in documents:
            key, stamp = document["Arn"], (document["CreationDate"], document.get("LastModificationDate"))
            before = known.get(key)
            coming = before[1] if before and before[0] == stamp else self._first(document)
            while coming is not None and coming <= until:
                following = next_due(document, coming)
                self._fall_due(_firing(document, coming, last=following is None))
                coming = following
            self._next[key] = (stamp, coming)
        return list(self._release(until))

    def next_at(self) -> datetime | None:
        """When the earliest firing comes up that is known of since the last call of :meth:`due`."""
        instants = [coming for _, coming in self._next.values() if coming is not None]
        return min([*instants, *(at for at, _, _ in self._later)], default=None)

    def _first(self, document: Document) -> datetime | None:
        """The first due instant that is this ticker's: since the change, or after the ticker began."""
        return first_due(document) if _changed(document) >= self._since else next_due(document, self._since)

    def _fall_due(self, firing: Firing) -> None:
        heapq.heappush(self._later, (firing.at, firing.execution_id, firing))

    def _release(self, until: datetime) -> Iterator[Firing]:
        while self._later and self._later[0][0] <= until:
            yield heapq.heappop(self._later)[2]


def first_due(document: Document) -> datetime | None:
    """The first due instant since the schedule was made or last changed; None where it never runs."""
    if document.get("StartDate") is None and _expression(document).kind == "rate":
        return next_due(document, _anchor(document) - _TICK)
    return next_due(document, _changed(document) - _TICK)


def next_due(document: Document, after: datetime) -> datetime | None:
    """The first due instant strictly after ``after``, aware and in UTC; None where no more follow.

    It knows nothing of when the schedule was made, save for a rate without ``StartDate``, whose grid begins
    there. Raises :class:`rez_agent.domain.errors.Invalid` for an expression or a zone that is none.
    """
    if document.get("State", "ENABLED") != "ENABLED":
        return None
    expression = _expression(document)
    bounds = (
        {}
        if expression.kind == "at"
        else {"start": _date(document, "StartDate"), "end": _date(document, "EndDate")}
    )
    anchor = _anchor(document) if expression.kind == "rate" else None
    return Occurrences(expression, anchor=anchor, **bounds).next_after(after)


def invocation(document: Document, due: datetime, execution_id: str, attempt: int) -> str:
    """The text that the target is called with: ``Input`` with its context attributes put in.

    They are replaced wherever they stand in the text. ``attempt`` counts from 1. Without an ``Input`` the
    target gets a notification that names the schedule.
    """
    values = {
        "schedule-arn": document["Arn"],
        "scheduled-time": zulu(due),
        "execution-id": execution_id,
        "attempt-number": str(attempt),
    }
    text: str = document["Target"].get("Input") or _notification(document, due, execution_id)
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


@dataclass(frozen=True, slots=True)
class Again:
    """The target is to be called once more, at ``at``."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No more calls; ``condition`` is what EXHAUSTED_RETRY_CONDITION says of it."""

    condition: str


def retry(
    document: Document, first: datetime, attempts: int, now: datetime, base: float = 1.0
) -> Again | Exhausted:
    """What follows when the call number ``attempts`` (from 1) has failed at ``now``; ``first`` was the first.

    RetryPolicy counts retries, so one call more than ``MaximumRetryAttempts`` (185), and the event's age from
    its first call (``MaximumEventAgeInSeconds``, 86400). The pause doubles from ``base`` seconds to a minute:
    that it grows is documented, by how much is not.
    """
    policy = document["Target"].get("RetryPolicy") or {}
    if attempts > policy.get("MaximumRetryAttempts", _MOST_RETRIES):
        return Exhausted("MaximumRetryAttempts")
    pause = min(base * 2.0 ** min(attempts - 1, 32), _LONGEST_BACKOFF)
    at = now + timedelta(seconds=pause)
    if at - first > timedelta(seconds=policy.get("MaximumEventAgeInSeconds", _DAY)):
        return Exhausted("MaximumEventAgeInSeconds")
    return Again(at)


def dead_letter(
    firing: Firing, attempts: int, condition: str, code: str, message: str
) -> dict[str, dict[str, str]]:
    """The message attributes of a dead letter, by the documented names; its body is the last invocation."""
    values = {
        "ERROR_CODE": code,
        "ERROR_MESSAGE": message,
        "EXECUTION_ID": firing.execution_id,
        "EXHAUSTED_RETRY_CONDITION": condition,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(attempts - 1),
        "SCHEDULED_TIME": zulu(firing.due),
        "SCHEDULE_ARN": firing.document["Arn"],
        "TARGET_ARN": firing.document["Target"]["Arn"],
    }
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def instant(value: datetime | float) -> datetime:
    """A date as the API holds it, aware and in UTC; a naive datetime is a ValueError."""
    if not isinstance(value, datetime):
        return datetime.fromtimestamp(value, UTC)
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone")
    return value.astimezone(UTC)


def zulu(moment: datetime) -> str:
    """``2022-03-22T18:59:43Z``, as context attributes and dead letters spell an instant."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _expression(document: Document) -> Any:
    return parse(document["ScheduleExpression"], document.get("ScheduleExpressionTimezone") or "UTC")


def _date(document: Document, name: str) -> datetime | None:
    value = document.get(name)
    return None if value is None else instant(value)


def _changed(document: Document) -> datetime:
    return instant(document.get("LastModificationDate") or document["CreationDate"])


def _anchor(document: Document) -> datetime:
    """Where the grid of a rate without StartDate begins."""
    return _changed(document).replace(microsecond=0)


def _firing(document: Document, due: datetime, *, last: bool) -> Firing:
    made = instant(document["CreationDate"]).timestamp()
    execution = uuid.uuid5(
        _EXECUTIONS, f"{document['Arn']} {made} {_changed(document).timestamp()} {zulu(due)}"
    )
    return Firing(document, due, due + _within_window(document, execution), str(execution), last)


def _within_window(document: Document, execution: uuid.UUID) -> timedelta:
    """How far into its flexible window an execution is made: spread evenly, the same each time asked."""
    window = document.get("FlexibleTimeWindow") or {}
    if window.get("Mode") != "FLEXIBLE":
        return timedelta(0)
    share = (execution.int & 0xFFFF_FFFF) / 0x1_0000_0000
    return timedelta(minutes=window.get("MaximumWindowInMinutes", 0)) * share


def _notification(document: Document, due: datetime, execution_id: str) -> str:
    _, _, _, region, account, _ = document["Arn"].split(":", 5)
    return json.dumps(
        {
            "version": "0",
            "id": execution_id,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": zulu(due),
            "region": region,
            "resources": [document["Arn"]],
            "detail": "{}",
        }
    )
