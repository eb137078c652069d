"""The schedules, in DynamoDB, over a unit.

A schedule is one row. Written with it, in the same transaction: its name (records ``"name#"+owner``, while it
lives), the count of its owner's living ones (``"living#"+owner``, spread over :data:`SHARDS` rows, since one
row takes a thousand writes a second at most), and the revision before (``"revision#"+id``).

A row's ``next_run`` is the one of its last write: a firing does not touch the row. Whoever reads gets the
first occurrence from now on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from rez_agent.aws.blobs import S3Blobs
from rez_agent.aws.calendars import heeding, note_use, with_calendar
from rez_agent.aws.changes import expire_changes
from rez_agent.aws.items import (
    ENGINE_ATTRIBUTES,
    UNARMED,
    definition_from,
    dumps,
    expired,
    payload_from,
    revision_part,
    schedule_from,
    schedule_item,
    stamp,
    stamp_or_none,
    ttl_at,
)
from rez_agent.aws.keeping import TOMBSTONE_KEPT
from rez_agent.aws.records import fits
from rez_agent.aws.schedule_list import SCHEDULES_GATHERED, ScheduleList
from rez_agent.aws.tables import RECORDS, SCHEDULES, TTL
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item
from rez_agent.domain.errors import Conflict, Invalid, RevisionConflict
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.schedule import ClosedDay, Schedule, ScheduleDefinition, ScheduleStatus
from rez_agent.ports import Clock, Page, ScheduleQuery
from rez_agent.usecases.commands import name_taken

SHARDS = 16
"""Rows over which the count of an owner's living schedules is spread."""

REVISION_KEPT = timedelta(days=90)
"""How long an earlier revision is kept, unless the host keeps its ledger for another time."""

_INSTANT = timedelta(microseconds=1)


class DynamoSchedules:
    """The ScheduleStore port.

    ``revisions_kept``: as long as the ledger. ``gathered``: how many rows a list that no index serves reads
    before it is refused.
    """

    def __init__(
        self,
        unit: Unit,
        clock: Clock,
        blobs: S3Blobs,
        *,
        revisions_kept: timedelta = REVISION_KEPT,
        gathered: int = SCHEDULES_GATHERED,
    ) -> None:
        self._unit = unit
        self._clock = clock
        self._blobs = blobs
        self._revisions_kept = revisions_kept
        self._gathered = gathered

    def add(self, schedule: Schedule) -> None:
        """Keep a new schedule."""
        if self._row(schedule.id) is not None:
            raise Conflict(f"The id '{schedule.id}' is or was in use.", code="schedule_exists")
        item = schedule_item(schedule, self._kept_payload(schedule))
        if schedule.living:
            self._take_name(schedule)
            self._count(schedule, 1)
            note_use(self._unit, schedule.id, None, schedule.definition.calendar)
        self._unit.put(SCHEDULES, item | self._lagging(needed=_wakes(schedule)))

    def replace(self, schedule: Schedule, before: Schedule) -> None:
        """Keep the next revision, and what was before."""
        present = self._row(before.id)
        if present is None or present["revision"] != before.revision:
            raise RevisionConflict(
                f"The schedule changed since revision {before.revision}. Read it again and repeat the change."
            )
        self._change_name(schedule, present)
        self._keep_revision(present)
        item = schedule_item(schedule, self._kept_payload(schedule))
        item |= {name: present[name] for name in ENGINE_ATTRIBUTES if name in present}
        known = "armed_revision" in present or "unarmed" in present
        item |= self._lagging(needed=known or _wakes(schedule))
        if not schedule.living:
            item |= self._buried(schedule, present)
        heeded = before.definition.calendar if before.living else None
        note_use(self._unit, schedule.id, heeded, schedule.definition.calendar if schedule.living else None)
        self._unit.put(SCHEDULES, item)

    def get(self, schedule_id: str) -> Schedule | None:
        """The schedule, tombstones included."""
        item = self._row(schedule_id)
        return None if item is None else self._schedule(item)

    def payload_at(self, schedule_id: str, revision: int) -> dict[str, Any] | None:
        """The payload that a revision of the schedule has or had: what an execution of it is given. The
        present one where the revision has gone; None without a schedule."""
        item = self._row(schedule_id)
        if item is None:
            return None
        if item["revision"] != revision:
            item = self._unit.get(RECORDS, *_revision_key(schedule_id, revision)) or item
        return payload_from(item, self._blobs.text)

    def definition_at(self, schedule_id: str, revision: int) -> ScheduleDefinition | None:
        """The definition that a revision of the schedule has or had. The present one where the revision has
        gone; None without a schedule."""
        item = self._row(schedule_id)
        if item is not None and item["revision"] != revision:
            item = self._unit.get(RECORDS, *_revision_key(schedule_id, revision)) or item
        return None if item is None else definition_from(item, self._blobs.text)

    def named(self, owner: str, name: str) -> str | None:
        """The id of the owner's living schedule so named."""
        item = self._unit.get(RECORDS, _names_of(owner), name)
        return None if item is None else str(item["schedule_id"])

    def living(self, owner: str) -> int:
        """How many living schedules the owner has."""
        keys = [(_living_of(owner), str(shard)) for shard in range(SHARDS)]
        return sum(int(item["living"]) for item in self._unit.get_all(RECORDS, keys).values())

    def heeding(self, calendar: str, closed: ClosedDay, after: str | None, limit: int) -> tuple[str, ...]:
        """Ids of the living schedules that heed the calendar in this way."""
        return heeding(self._unit, calendar, closed, after, limit)

    def reschedule(self, schedule: Schedule) -> None:
        """Keep what comes next for a schedule."""
        row = self._row(schedule.id)
        if row is not None and row["revision"] == schedule.revision:
            following = stamp_or_none(schedule.next_run)
            finished = stamp_or_none(schedule.finished_at)
            self._unit.put(SCHEDULES, {**row, "next_run": following, "finished_at": finished})

    def list(self, query: ScheduleQuery) -> Page[Schedule]:
        """A page. It shows what the indexes have taken up: a change of the last moment may be missing."""
        return ScheduleList(
            self._unit,
            query,
            read=self._schedule,
            skim=lambda item: self._as_of(schedule_from(item, _nothing)),
            living=self.living,
            now=self._clock.now(),
            gathered=self._gathered,
        ).page()

    def _row(self, schedule_id: str) -> Item | None:
        item = self._unit.get(SCHEDULES, schedule_id)
        return None if item is None or expired(item, self._clock.now()) else item

    def _schedule(self, item: Item) -> Schedule:
        return self._as_of(schedule_from(item, self._blobs.text))

    def _as_of(self, schedule: Schedule) -> Schedule:
        return as_of(with_calendar(schedule, self._unit), self._clock.now())

    def _kept_payload(self, schedule: Schedule) -> Item:
        """The payload's text for the row, or the reference of the blob that holds it."""
        text = dumps(schedule.definition.payload)
        if fits(text):
            return {"payload": text}
        return {"payload_blob": self._blobs.put(schedule.id, text.encode())}

    def _take_name(self, schedule: Schedule) -> None:
        owner, name = schedule.created_by, schedule.definition.name
        if self.named(owner, name) is not None:
            raise name_taken(name)
        self._unit.put(RECORDS, {"pk": _names_of(owner), "sk": name, "schedule_id": schedule.id})

    def _change_name(self, schedule: Schedule, present: Item) -> None:
        if schedule.living and schedule.definition.name == present["name"]:
            return
        if schedule.living:
            self._take_name(schedule)
        self._unit.delete(RECORDS, _names_of(present["created_by"]), present["name"])

    def _keep_revision(self, present: Item) -> None:
        pk, sk = _revision_key(present["id"], present["revision"])
        gone = ttl_at(self._clock.now() + self._revisions_kept)
        self._unit.put(RECORDS, {**revision_part(present), "pk": pk, "sk": sk, TTL: gone})

    def _lagging(self, *, needed: bool) -> Item:
        """What marks a row that the engine has to take up."""
        return {"unarmed": UNARMED, "unarmed_since": stamp(self._clock.now())} if needed else {}

    def _buried(self, schedule: Schedule, present: Item) -> Item:
        """What makes a row a tombstone; the schedule's changes and blobs go when it goes."""
        gone = self._clock.now() + TOMBSTONE_KEPT
        if present["status"] != ScheduleStatus.DELETED:
            self._count(schedule, -1)
        expire_changes(self._unit, schedule.id, gone)
        self._blobs.expire(schedule.id, gone)
        return {TTL: ttl_at(gone)}

    def _count(self, schedule: Schedule, change: int) -> None:
        shard = str(crc32(schedule.id.encode()) % SHARDS)
        self._unit.add(RECORDS, (_living_of(schedule.created_by), shard), "living", change)


def as_of(schedule: Schedule, now: datetime) -> Schedule:
    """The schedule with its next occurrence from ``now`` on; none left means that it finished with its last
    one. As it was written where nobody can say (its zone has left the tz database)."""
    if schedule.next_run is None or schedule.next_run >= now:
        return schedule
    try:
        occurrences = schedule.occurrences
    except Invalid:
        return schedule
    following = occurrences.next_epoch(to_seconds(now - _INSTANT))
    if following is not None:
        return replace(schedule, next_run=from_seconds(following))
    last = occurrences.previous_epoch(to_seconds(now) + 1)
    return schedule.advanced(None, schedule.next_run if last is None else from_seconds(last))


def _nothing(_reference: str) -> str:
    """An empty payload in place of one that stands in a blob."""
    return "{}"


def _wakes(schedule: Schedule) -> bool:
    """Whether the engine has anything to do for a schedule that it does not know."""
    if schedule.pause is not None:
        return schedule.pause.until is not None
    return schedule.next_run is not None


def _names_of(owner: str) -> str:
    return f"name#{owner}"


def _living_of(owner: str) -> str:
    return f"living#{owner}"


def _revision_key(schedule_id: str, revision: int) -> tuple[str, str]:
    return f"revision#{schedule_id}", f"{revision:010d}"
