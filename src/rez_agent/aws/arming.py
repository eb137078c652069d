"""Arming: bringing EventBridge Scheduler to what a schedule's row says, after the row was committed.

The row is the truth and says in itself how far EventBridge has followed (:mod:`rez_agent.aws.items`,
``ENGINE_ATTRIBUTES``):

``armed_revision``, ``armed_at``
    the revision that EventBridge holds, and when it had taken it. Without ``armed_at`` it holds nothing.
``arm_count``
    how often an arming was begun; with id and revision it makes the client tokens, so a call that the SDK
    sends twice counts once, and what was begun and never ended is known of.
``arming_until``
    somebody is arming the schedule; until then nobody else is to.
``unarmed``, ``unarmed_since``
    the sparse index that the sweep reads: :data:`~rez_agent.aws.items.UNARMED` where EventBridge lags,
    :data:`WATCHED` where the sweep is to look at the row at ``unarmed_since`` though it does not.

EventBridge knows no condition on an update, so two armings of one schedule must not overlap. Whoever changes
a schedule marks its row ``unarmed`` and, if nobody is arming it, begins an arming (``arming_until``) in the
very transaction of the change; after the commit he calls EventBridge, and notes it on the row if that is
still as he read it. If it is not, the schedule was changed meanwhile: whoever changed it saw ``arming_until``
and left it to him, so he arms what is there now. What can come in between:

- Two changes at once: their transactions are ordered; the second sees the first's ``arming_until``.
- Dead between the commit and the note: ``arming_until`` passes, the row is still ``unarmed``, and the sweep
  arms it. It begins an arming of its own, so of two sweeps one goes first.
- A call whose answer is lost: the same. A create that had succeeded is then a ConflictException, which means
  update; an update or a delete of what is gone is a ResourceNotFoundException, which means create, or done.
- A wait for the bucket that outlives ``arming_until``: no call is made any more. A call that does so: no
  process lives on so long after one (:data:`HELD_FOR` is longer than the scheduler function may run, and the
  sweep begins each arming anew). Should AWS itself delay one for longer, the reconcile finds a modification
  later than ``armed_at``.

So an older revision never stays in place of a newer one. Between commit and arming EventBridge fires as of
the revision before; each firing carries its revision, and ``usecases.firing`` judges it.

EventBridge is not known to fire what falls due while it takes a schedule up. Where an occurrence lies within
:data:`TAKEN_UP_WITHIN` of a call the row stays watched, and the sweep looks for its entry a minute later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rez_agent.aws.bucket import TokenBucket
from rez_agent.aws.calendars import with_calendar
from rez_agent.aws.items import UNARMED, instant_or_none, schedule_from, stamp
from rez_agent.aws.logs import log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.tables import SCHEDULES
from rez_agent.aws.translation import Request, Wiring, translate
from rez_agent.aws.unit import Conflicting, Unit
from rez_agent.aws.wire import Item
from rez_agent.domain.errors import Invalid, RezError
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.schedule import Schedule
from rez_agent.metrics import ARMINGS_FAILED, SCHEDULES_ARMED
from rez_agent.ports import Clock

WATCHED = "w"
"""The value of ``unarmed`` on rows that EventBridge has taken up, and the sweep is to look at."""

HELD_FOR = timedelta(seconds=90)
"""How long an arming keeps others from the schedule: longer than the scheduler function may run."""

TAKEN_UP_WITHIN = timedelta(seconds=5)
"""How long after its answer EventBridge may still be taking a schedule up. AWS does not say."""

LOOK_AFTER = timedelta(seconds=60)
"""EventBridge fires within the minute: so long after an instant the sweep looks what became of it."""

ROUNDS = 5
"""How often one arming follows changes that are made under it; then the sweep goes on."""

PATIENCE_SECONDS = 0.2
"""How long a command waits for its turn at :class:`~rez_agent.aws.bucket.TokenBucket`."""

"""Calls that EventBridge Scheduler refused: the row says why, and the sweep tries again."""

_LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class _Taken:
    """EventBridge holds what the row says (or nothing, if ``holds`` is false). ``look_at``: when the sweep is
    to see what became of an instant close by."""

    at: datetime
    holds: bool
    look_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """EventBridge holds what it held. ``reason`` is for people; None where it was not even asked."""

    reason: str | None


class Armer:
    """Arms schedules, whose rows are told in ``unarmed`` and the like. Safe for several threads.

    ``client`` is EventBridge Scheduler's, ``fresh`` gives a unit of work.
    """

    def __init__(
        self,
        client: Any,
        wiring: Wiring,
        *,
        bucket: TokenBucket,
        clock: Clock,
        metrics: AwsMetrics,
        fresh: Callable[[], Unit],
    ) -> None:
        self.client = client
        self.wiring = wiring
        self._bucket = bucket
        self._clock = clock
        self._metrics = metrics
        self._fresh = fresh

    def begin(self, unit: Unit, schedule_id: str, *, patience: float = PATIENCE_SECONDS) -> None:
        """See to it, once ``unit`` is committed, that EventBridge follows the schedule's row. Whoever is
        arming it already will do that."""
        row, now = unit.get(SCHEDULES, schedule_id), self._clock.now()
        if row is None:
            return
        marked = {"unarmed": UNARMED, "unarmed_since": stamp(now)}
        if is_being_armed(row, now):
            if row.get("unarmed") != UNARMED:
                unit.put(SCHEDULES, {**row, **marked})
            return
        begun = {"arm_count": row.get("arm_count", 0) + 1, "arming_until": stamp(now + HELD_FOR)}
        unit.put(SCHEDULES, {**row, **marked, **begun})
        unit.after(lambda: self._take_up(unit, schedule_id, begun["arm_count"], patience))

    def _take_up(self, unit: Unit, schedule_id: str, count: int, patience: float) -> None:
        """Bring EventBridge to what the row says, again if it is changed under it. Never raises: what fails
        is the sweep's."""
        try:
            for number in range(ROUNDS):
                row = unit.get(SCHEDULES, schedule_id)
                if row is None or row.get("arm_count") != count:
                    return  # somebody else has begun an arming since
                noted = self._noted(row, self._call(unit, row, f"{count}.{number}", patience))
                unit.put(SCHEDULES, noted)
                try:
                    unit.commit()
                except Conflicting:
                    unit = self._fresh()
                    continue
                return
        except RezError as error:
            log.error(
                "arming_not_noted", action="arming_not_noted", schedule_id=schedule_id, error=str(error)
            )

    # --- the row ---

    def _noted(self, row: Item, outcome: _Taken | _Refused) -> Item:
        """The row, with what became of the call."""
        gone = ("arming_until", "unarmed", "unarmed_since", "armed_at")
        if isinstance(outcome, _Refused):
            told = {} if outcome.reason is None else {"error_message": outcome.reason}
            since = {"unarmed": UNARMED, "unarmed_since": stamp(self._clock.now())}
            return {name: row[name] for name in row if name != "arming_until"} | since | told
        kept = {name: row[name] for name in row if name not in gone}
        if row["status"] != "error":
            kept.pop("error_message", None)
        kept["armed_revision"] = row["revision"]
        if outcome.holds:
            kept["armed_at"] = stamp(outcome.at)
        if outcome.look_at is not None:
            kept |= {"unarmed": WATCHED, "unarmed_since": stamp(outcome.look_at)}
        return kept

    # --- the call ---

    def _call(self, unit: Unit, row: Item, count: str, patience: float) -> _Taken | _Refused:
        now = self._clock.now()
        schedule = with_calendar(schedule_of_row(row), unit)
        try:
            request = translate(schedule, now, self.wiring)
        except Invalid as error:  # its zone has left the tz database, or its calendar is gone
            return self._failed(row, error.message)
        if request is None and "armed_at" not in row and row["arm_count"] == 1:
            return _Taken(now, holds=False, look_at=_look_at(schedule, now, now))
        if not self._bucket.take(patience) or not is_being_armed(row, self._clock.now()):
            return _Refused(None)
        try:
            if request is None:
                self._delete(row, count)
            else:
                self._put(request, row, count)
        except (ClientError, BotoCoreError) as error:
            return self._failed(row, reason_of(error))
        answered = self._clock.now()
        self._metrics.count(SCHEDULES_ARMED)
        return _Taken(answered, holds=request is not None, look_at=_look_at(schedule, now, answered))

    def _put(self, request: Request, row: Item, count: str) -> None:
        """Update what is there, create what is not; the likelier one first."""
        first, otherwise, if_code = "create", "update", "ConflictException"
        if "armed_at" in row:
            first, otherwise, if_code = "update", "create", "ResourceNotFoundException"
        try:
            self._send(first, request, row, count)
        except ClientError as error:
            if code_of(error) != if_code:
                raise
            self._send(otherwise, request, row, count)

    def _send(self, verb: str, request: Request, row: Item, count: str) -> None:
        operation = getattr(self.client, f"{verb}_schedule")
        operation(**request, ClientToken=self._token(verb, row, count))

    def _delete(self, row: Item, count: str) -> None:
        try:
            self.client.delete_schedule(
                Name=row["id"],
                GroupName=self.wiring.group,
                ClientToken=self._token("delete", row, count),
            )
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise

    def _token(self, verb: str, row: Item, count: str) -> str:
        """The same for the same call alone: AWS knows a token in all of an account's groups."""
        text = f"{verb} {self.wiring.group} {row['id']} {row['revision']} {count}"
        return blake2b(text.encode(), digest_size=24).hexdigest()

    def _failed(self, row: Item, reason: str) -> _Refused:
        self._metrics.count(ARMINGS_FAILED)
        log.error("arming_failed", action="arming_failed", schedule_id=row["id"], reason=reason)
        return _Refused(f"EventBridge Scheduler does not hold this revision yet: {reason}"[:_LONGEST_REASON])


def schedule_of_row(row: Mapping[str, Any]) -> Schedule:
    """The schedule of a row as the engine needs it: without its payload, and with ``next_run`` as it was
    when the row was written, which is the first occurrence since then."""
    bare = {name: value for name, value in row.items() if name not in ("payload", "payload_blob")}
    return schedule_from({**bare, "payload": "{}"}, str)


def is_lagging(row: Mapping[str, Any]) -> bool:
    """Whether EventBridge has not taken up the row yet, or not all of it."""
    return row.get("unarmed") == UNARMED


def reason_of(error: ClientError | BotoCoreError) -> str:
    """AWS's own words."""
    if not isinstance(error, ClientError):
        return f"it can't be reached: {error}"
    return f"{code_of(error)}: {error.response['Error'].get('Message', '')}"


def code_of(error: ClientError) -> str:
    """The error's name, such as ``ThrottlingException``."""
    return str(error.response["Error"]["Code"])


def is_being_armed(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether somebody is at it, who arms whatever the row says then."""
    until = instant_or_none(row.get("arming_until"))
    return until is not None and now < until


def _look_at(schedule: Schedule, called: datetime, answered: datetime) -> datetime | None:
    """When the sweep is to see whether EventBridge has done what the schedule is armed for; None if its word
    is enough."""
    if schedule.pause is not None:
        return None if schedule.pause.until is None else schedule.pause.until + LOOK_AFTER
    if schedule.next_run is None or not schedule.living:
        return None
    coming = schedule.occurrences.next_epoch(to_seconds(called))
    if coming is None or from_seconds(coming) > answered + TAKEN_UP_WITHIN:
        return None
    return from_seconds(coming) + told_within(schedule)


def told_within(schedule: Schedule) -> timedelta:
    """How long after an occurrence EventBridge's word is to be waited for."""
    return LOOK_AFTER + timedelta(minutes=schedule.definition.policies.flexible_window_minutes)
