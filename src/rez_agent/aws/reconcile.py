"""The reconcile: each hour the store and EventBridge Scheduler are compared, whatever came between them.

A pass lists all of the group's schedules, which tells names, states and dates only, then reads the rows, and
asks EventBridge for a schedule's whole where the two differ. It mends both ways: what is missing or has
drifted is armed again, what has no business there is deleted. For the active schedules it finds the
occurrences since its last pass of which EventBridge never told, and makes them good.

Memory is bounded: a pass looks at one slice of the names (by their hash), and there are as many slices as
keep one below :data:`SLICE`. Which slice comes next, and up to when each was looked at, stands in a record.
A pass that runs out of time is taken up where it stopped. The listing comes before the rows: a schedule's row
is written before EventBridge hears of it, so a name that is listed and has no row is nobody's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rez_agent.aws.arming import (
    LOOK_AFTER,
    Armer,
    code_of,
    is_lagging,
    reason_of,
    schedule_of_row,
    told_within,
)
from rez_agent.aws.bucket import TokenBucket
from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.calendars import with_calendar
from rez_agent.aws.engine import DELIVERED_WITHIN
from rez_agent.aws.items import instant_or_none, stamp
from rez_agent.aws.logs import log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.passes import KEY, KIND, Listed, Pass, cursor_from, cursor_record
from rez_agent.aws.sweep import PATIENCE_SECONDS, TIME_KEPT_SECONDS, Run
from rez_agent.aws.tables import SCHEDULES
from rez_agent.aws.translation import Request, agrees, translate
from rez_agent.aws.unit import Key
from rez_agent.aws.wire import Item
from rez_agent.domain.errors import RezError, Unavailable
from rez_agent.domain.schedule import Schedule, ScheduleStatus
from rez_agent.metrics import RECONCILE_MENDED, STATUSES
from rez_agent.metrics import SCHEDULES as SCHEDULES_COUNT
from rez_agent.ports import Clock
from rez_agent.usecases.applying import complete
from rez_agent.usecases.firing import make_good

PAGE = 100
"""Schedules in one answer of ListSchedules, and rows read at a time."""

LISTS_A_SECOND = 50
"""AWS's quota on ListSchedules."""

NOT_YET = timedelta(minutes=2)
"""Occurrences as young as that are still EventBridge's to tell of."""

SKEW = timedelta(seconds=5)
EARLIER = timedelta(seconds=60)
"""EventBridge's date of a change lies at most this long before our note of it, by its SDK's retries, and no
later than :data:`SKEW` after it. Else somebody else has changed it."""

_INSTANT = timedelta(microseconds=1)


class Reconcile:
    """What is done each hour. ``time_left`` gives the seconds that the function still has; ``lists`` keeps
    ListSchedules below its quota; ``page`` is how much is read at a time, 100 at most."""

    def __init__(
        self,
        run: Run,
        *,
        armer: Armer,
        clock: Clock,
        metrics: AwsMetrics,
        lists: TokenBucket,
        time_left: Callable[[], float],
        page: int = PAGE,
    ) -> None:
        self._page = page
        self._run = run
        self._armer = armer
        self._clock = clock
        self._metrics = metrics
        self._lists = lists
        self._time_left = time_left

    def hour(self) -> dict[str, int]:
        """One pass over one slice, or what is left of it; how many things of each kind were mended.

        Raises Unavailable when EventBridge can't be listed; the next pass is the same one.
        """
        now = self._clock.now()
        cursor = self._run(lambda ports: cursor_from(ports.records.get(KIND, KEY, now)))
        the_pass = Pass(
            cursor, began=now, until=cursor.until or now - NOT_YET, counted=Counter(dict(cursor.counted))
        )
        self._list(the_pass)
        whole = self._rows(the_pass)
        if whole:
            self._orphans(the_pass)
            cursor = the_pass.finished()
            for status in STATUSES:
                self._metrics.observe(SCHEDULES_COUNT, the_pass.counted[status], status=status)
        else:
            cursor = replace(the_pass.cursor, until=the_pass.until, counted=tuple(the_pass.counted.items()))
        self._run(lambda ports: ports.records.put(cursor_record(cursor)))
        self._tell(the_pass, whole=whole)
        return the_pass.mended

    def _tell(self, the_pass: Pass, *, whole: bool) -> None:
        count = sum(the_pass.mended.values())
        if count:
            self._metrics.count(RECONCILE_MENDED, count)
        told = {"listed": the_pass.total, "whole": whole, "mended": the_pass.mended}
        log.info("reconciled", action="reconciled", reconcile=told)

    # --- what EventBridge holds ---

    def _list(self, the_pass: Pass) -> None:
        token: dict[str, str] = {}
        while True:
            self._lists.take(PATIENCE_SECONDS)
            try:
                answer = self._armer.client.list_schedules(
                    GroupName=self._armer.wiring.group, MaxResults=self._page, **token
                )
            except (ClientError, BotoCoreError) as error:
                raise Unavailable(f"EventBridge Scheduler can't be listed: {reason_of(error)}") from error
            for summary in answer["Schedules"]:
                the_pass.total += 1
                if the_pass.concerns(summary["Name"]):
                    listed = Listed(summary["State"], summary["LastModificationDate"])
                    the_pass.listed[summary["Name"]] = listed
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _whole(self, name: str) -> Mapping[str, Any] | None:
        """What EventBridge holds of one schedule; None for nothing."""
        try:
            answer: Mapping[str, Any] = self._armer.client.get_schedule(
                Name=name, GroupName=self._armer.wiring.group
            )
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise Unavailable(reason_of(error)) from error
        except BotoCoreError as error:
            raise Unavailable(reason_of(error)) from error
        return answer

    # --- the rows ---

    def _rows(self, the_pass: Pass) -> bool:
        """Look at every row of the slice; False if time ran out before the last one."""
        after: Key | None = None if the_pass.cursor.after is None else (the_pass.cursor.after,)
        while True:
            rows, after = self._run(partial(_page, after=after, limit=self._page))
            for row in rows:
                the_pass.counted[row["status"]] += 1
                if the_pass.concerns(row["id"]):
                    self._guarded(the_pass, row)
            if after is None:
                return True
            if self._time_left() <= TIME_KEPT_SECONDS:
                the_pass.cursor = replace(the_pass.cursor, after=after[0])
                return False

    def _guarded(self, the_pass: Pass, row: Item) -> None:
        """One row that can't be looked at leaves the others alone."""
        try:
            self._row(the_pass, row)
        except Exception as error:  # noqa: BLE001 - whatever somebody wrote there
            the_pass.mended["failed"] += 1
            the_pass.missed_any |= isinstance(error, Unavailable)
            reason = str(error) if isinstance(error, RezError) else f"{type(error).__name__}: {error}"
            log.error("reconcile_failed", action="reconcile_failed", schedule_id=row["id"], error=reason)

    def _row(self, the_pass: Pass, row: Item) -> None:
        summary = the_pass.listed.pop(row["id"], None)
        schedule = schedule_of_row(row)
        if schedule.definition.calendar is not None:
            schedule = self._run(partial(_with_calendar, schedule=schedule))
        span = _accounted_for(schedule, the_pass.since, the_pass.until)
        if span is not None:
            the_pass.mended["made_good"] += self._make_good(schedule, *span)
        if _may_complete(schedule, the_pass.began) and self._complete(row["id"]):
            the_pass.mended["completed"] += 1
            return
        if _is_the_sweeps(schedule, row, the_pass.began):
            return
        kind = self._difference(schedule, row, summary)
        if kind is not None:
            self._arm(row["id"])
            the_pass.mended[kind] += 1
            log.warning("reconcile_mended", action="reconcile_mended", kind=kind, schedule_id=row["id"])

    def _difference(self, schedule: Schedule, row: Item, summary: Listed | None) -> str | None:
        """How EventBridge differs from the row, if it does."""
        now = self._clock.now()
        request = translate(schedule, now, self._armer.wiring)
        if request is None:
            return "orphaned" if summary is not None and _is_over(schedule, now) else None
        if summary is None:
            return "missing"
        changed = not _unchanged(row, summary.modified) or schedule.moves
        if summary.state == request["State"] and not changed:
            return None
        return self._drift(row, request)

    def _drift(self, row: Item, request: Request) -> str | None:
        found = self._whole(row["id"])
        if found is None:
            return "missing"
        if not agrees(request, found):
            return "drifted"
        noted = {**row, "armed_at": stamp(found["LastModificationDate"])}
        self._run(lambda ports: _note(ports, row, noted))
        return None

    def _arm(self, schedule_id: str) -> None:
        self._run(lambda ports: self._armer.begin(ports.unit, schedule_id, patience=PATIENCE_SECONDS))

    # --- what is owed, and what is done with ---

    def _make_good(self, schedule: Schedule, since: datetime, until: datetime) -> int:
        def do(ports: AwsPorts) -> int:
            now = ports.clock.now()
            present = ports.unit.get(SCHEDULES, schedule.id)
            if present is None or present["revision"] != schedule.revision:
                return 0  # it was changed since, and settled then
            return len(make_good(ports.ledger, ports.topic, schedule, since=since, until=until, now=now))

        return self._run(do)

    def _complete(self, schedule_id: str) -> bool:
        """Delete a schedule that asked for it, if nothing is left and nothing is in flight. Like every
        deletion it settles first: this pass may not have looked as far as the last occurrence."""

        def do(ports: AwsPorts) -> bool:
            schedule = ports.schedules.get(schedule_id)
            if schedule is None or schedule.finished_at is None or not schedule.living:
                return False
            now = ports.clock.now()
            schedule = ports.engine.settle(schedule, now)
            if ports.ledger.in_flight(schedule_id).total:
                return False
            complete(ports, schedule, now)
            return True

        return self._run(do)

    def _orphans(self, the_pass: Pass) -> None:
        """Delete what has no row. A row that is there was looked at before, or is younger than the pass."""
        names = list(the_pass.listed)
        for start in range(0, len(names), self._page):
            keys: list[Key] = [(name,) for name in names[start : start + self._page]]
            rows = self._run(partial(_rows_of, keys=keys))
            for name in names[start : start + self._page]:
                if (name,) not in rows and self._time_left() > TIME_KEPT_SECONDS:
                    self._delete(the_pass, name)

    def _delete(self, the_pass: Pass, name: str) -> None:
        try:
            self._armer.client.delete_schedule(Name=name, GroupName=self._armer.wiring.group)
        except (ClientError, BotoCoreError) as error:
            the_pass.mended["failed"] += 1
            reason = reason_of(error)
            log.error("reconcile_failed", action="reconcile_failed", schedule_id=name, error=reason)
        else:
            the_pass.mended["orphaned"] += 1
            log.warning("reconcile_mended", action="reconcile_mended", kind="orphaned", schedule_id=name)


def _with_calendar(ports: AwsPorts, *, schedule: Schedule) -> Schedule:
    return with_calendar(schedule, ports.unit)


def _page(ports: AwsPorts, *, after: Key | None, limit: int) -> tuple[list[Item], Key | None]:
    return ports.unit.scan(SCHEDULES, after=after, limit=limit)


def _rows_of(ports: AwsPorts, *, keys: list[Key]) -> dict[Key, Item]:
    return ports.unit.get_all(SCHEDULES, keys)


def _accounted_for(
    schedule: Schedule, since: datetime | None, until: datetime
) -> tuple[datetime, datetime] | None:
    """The stretch of which a pass accounts for a schedule's occurrences, both ends included; None where it
    has none there. EventBridge is given the flexible window to tell."""
    first = schedule.next_run
    if schedule.status is not ScheduleStatus.ACTIVE or first is None:
        return None
    window = told_within(schedule) - LOOK_AFTER
    begins = max(first, (since or until - DELIVERED_WITHIN) - window)
    found = schedule.occurrences.next_after(begins - _INSTANT)
    return None if found is None or found > until - window else (begins, until - window)


def _may_complete(schedule: Schedule, now: datetime) -> bool:
    """Whether it is to be deleted now that nothing is left, as far as that can be told without looking."""
    if schedule.status is not ScheduleStatus.ACTIVE or not schedule.deletes_itself:
        return False
    return _is_over(schedule, now)


def _is_over(schedule: Schedule, now: datetime) -> bool:
    """Whether EventBridge has had the time to tell of the last occurrence."""
    last_told = now - NOT_YET - (told_within(schedule) - LOOK_AFTER)
    if schedule.status is not ScheduleStatus.ACTIVE or schedule.next_run is None:
        return True
    return schedule.occurrences.next_after(last_told) is None


def _is_the_sweeps(schedule: Schedule, row: Item, began: datetime) -> bool:
    """Whether EventBridge is still to follow the row, has done so since it was listed, or is to wake it."""
    armed = instant_or_none(row.get("armed_at"))
    until = schedule.pause.until if schedule.pause else None
    return (
        is_lagging(row)
        or (armed is not None and armed >= began - SKEW)
        or (until is not None and until <= began)
    )


def _unchanged(row: Item, modified: datetime) -> bool:
    """Whether EventBridge's last change is the one that we noted."""
    armed = instant_or_none(row.get("armed_at"))
    return armed is not None and armed - EARLIER <= modified <= armed + SKEW


def _note(ports: AwsPorts, before: Item, after: Item) -> None:
    """Keep the row, unless it was changed since it was read."""
    present = ports.unit.get(SCHEDULES, before["id"])
    if present == before:
        ports.unit.put(SCHEDULES, after)
