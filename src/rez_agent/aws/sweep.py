"""The sweep: each minute it takes up what was left undone.

Everything that this host does after a commit (arming, publishing) can be told from the tables, so whatever is
lost on the way is found here: schedules that EventBridge has not taken up, work and commands that nobody took
from their topics, leases that ran out, executions held behind nothing. Each is dealt with in a use case of
its own; two sweeps at once do no harm. A run stops before its function's time is up; the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from rez_agent.aws import queue
from rez_agent.aws.alerts import unsent
from rez_agent.aws.arming import (
    WATCHED,
    Armer,
    is_being_armed,
    is_lagging,
    schedule_of_row,
    told_within,
)
from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.calendars import with_calendar
from rez_agent.aws.items import PENDING, UNARMED, instant, stamp
from rez_agent.aws.logs import log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.tables import MESSAGES, SCHEDULES
from rez_agent.aws.tables import PENDING as PENDING_INDEX
from rez_agent.aws.tables import UNARMED as UNARMED_INDEX
from rez_agent.aws.unit import Unit
from rez_agent.aws.wire import Item
from rez_agent.domain.errors import Invalid, Problem, RezError
from rez_agent.domain.schedule import ScheduleStatus
from rez_agent.metrics import SWEEP_FAILURES, SWEEP_MENDED
from rez_agent.ports import Clock
from rez_agent.usecases.alerting import look as look_for_alerts
from rez_agent.usecases.applying import resume
from rez_agent.usecases.auditing import broken
from rez_agent.usecases.calendars import follow
from rez_agent.usecases.firing import make_good

T = TypeVar("T")

AT_ONCE = 500
"""How many of each kind are looked for at a time."""

TIME_KEPT_SECONDS = 10.0
"""No step is begun with less time left: a call of AWS may take so long, with its retries."""

UNTOUCHED_FOR = timedelta(minutes=2)
"""What is queued or published for longer than this is handed over again."""

GIVEN_UP_AFTER = timedelta(hours=1)
"""A command that could not be carried out for so long has failed."""

LOOKED_BACK = timedelta(hours=1)
"""How far a row's occurrences are looked for before EventBridge was to tell of those that it is marked for:
what lies earlier is the reconcile's."""

PATIENCE_SECONDS = 30.0
"""How long an arming waits for its turn: the sweep has the time that a command has not."""

THREADS = 8

_GAVE_UP = "The command could not be carried out for an hour. Nothing was changed. Send it again."


class Run(Protocol):
    """Runs a use case whole, on a unit of its own; safe for several threads."""

    def __call__(self, use_case: Callable[[AwsPorts], T], /) -> T:
        """What it returns, once its effects are durable."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A kind of thing left undone: how to find some, and what to do about one. ``mend`` says whether anything
    was to be done."""

    name: str
    find: Callable[[Unit, datetime], Iterable[tuple[str, ...]]]
    mend: Callable[[AwsPorts, tuple[str, ...], datetime], bool]


class Sweep:
    """What is done each minute. ``time_left`` gives the seconds that the function still has."""

    def __init__(
        self,
        run: Run,
        *,
        armer: Armer,
        clock: Clock,
        metrics: AwsMetrics,
        time_left: Callable[[], float],
        threads: int = THREADS,
        alert_channels: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._run = run
        self._armer = armer
        self._clock = clock
        self._metrics = metrics
        self._time_left = time_left
        self._threads = threads
        self._alert_channels = alert_channels

    def minute(self) -> dict[str, int]:
        """Every step, as often as it finds more; how many things each mended. A step may take as much of the
        time left as any after it, so none keeps another from its turn minute after minute."""
        steps = (
            _Step("watched", partial(_marked, WATCHED), self._look),
            _Step("unarmed", partial(_marked, UNARMED), self._look),
            _Step("leases", _running_out, _take_back),
            _Step("held", _held, _release),
            _Step("work", _waiting, _publish_work),
            _Step("commands", _pending, _publish_command),
            _Step("alerts", _unsent, _publish_alert),
        )
        turns = len(steps) + 2
        mended = {
            step.name: self._all(step, self._share(turns - number)) for number, step in enumerate(steps)
        }
        self._until_done("calendars", follow, self._share(2))
        self._look_for_alerts(self._share(1))
        return mended

    def _share(self, turns: int) -> Callable[[], bool]:
        """Says whether there is time yet for a step with which so many turns, its own included, begin."""
        ends = self._time_left()
        ends -= (ends - TIME_KEPT_SECONDS) / turns
        return lambda: self._time_left() > ends

    def _all(self, step: _Step, in_time: Callable[[], bool]) -> int:
        """A failure of one thing, or of a whole step, is told and leaves the others alone."""
        mended, seen = 0, set[tuple[str, ...]]()
        while in_time():
            try:
                found = list(self._run(lambda ports: list(step.find(ports.unit, self._clock.now()))))
            except Exception as error:  # noqa: BLE001 - one step's fault must not cost the others their turn
                self._tell(step, (), error)
                break
            fresh = [key for key in found if key not in seen]
            with ThreadPoolExecutor(self._threads) as threads:
                mended += sum(threads.map(lambda key: in_time() and self._mend(step, key), fresh))
            seen.update(fresh)
            if len(found) < AT_ONCE or not fresh:
                break
        if mended:
            self._metrics.count(SWEEP_MENDED, mended)
            log.info("sweep_mended", action="sweep_mended", step=step.name, count=mended)
        return mended

    def _until_done(
        self, name: str, use_case: Callable[[AwsPorts], bool], in_time: Callable[[], bool]
    ) -> None:
        """Run a use case for as long as it says that there is more."""
        try:
            while in_time() and self._run(use_case):
                pass
        except Exception as error:  # noqa: BLE001 - told, and tried again in a minute
            self._metrics.count(SWEEP_FAILURES)
            log.exception("sweep_failed", action="sweep_failed", step=name, error=str(error))

    def _look_for_alerts(self, in_time: Callable[[], bool]) -> None:
        """Look at what became true for the rules of alerting, last: the other steps may have noted some."""
        more = True
        try:
            fallback = self._alert_channels()
            while more and in_time():
                more = self._run(partial(look_for_alerts, fallback=fallback))
        except Exception as error:  # noqa: BLE001 - told, and tried again in a minute
            self._metrics.count(SWEEP_FAILURES)
            log.exception("sweep_failed", action="sweep_failed", step="alerting", error=str(error))

    def _mend(self, step: _Step, key: tuple[str, ...]) -> bool:
        try:
            return self._run(lambda ports: step.mend(ports, key, self._clock.now()))
        except Exception as error:  # noqa: BLE001 - nor one row's the others, whatever somebody wrote there
            self._tell(step, key, error)
            return False

    def _tell(self, step: _Step, key: tuple[str, ...], error: Exception) -> None:
        self._metrics.count(SWEEP_FAILURES)
        reason = str(error) if isinstance(error, RezError) else f"{type(error).__name__}: {error}"
        log.error("sweep_failed", action="sweep_failed", step=step.name, key=list(key), error=reason)

    def _look(self, ports: AwsPorts, key: tuple[str, ...], now: datetime) -> bool:
        return look(ports, self._armer, key[0], now)


# --- schedules that EventBridge lags behind with, or that are to be looked at ---


def look(ports: AwsPorts, armer: Armer, schedule_id: str, now: datetime) -> bool:
    """Look at a marked schedule: end its pause if that is over, make good what nobody told of, and begin to
    arm it where EventBridge lags. Whether there was anything to do."""
    row = ports.unit.get(SCHEDULES, schedule_id)
    if row is None or "unarmed" not in row or is_being_armed(row, now):
        return False
    schedule = with_calendar(schedule_of_row(row), ports.unit)
    if schedule.pause is not None and schedule.pause.until is not None and schedule.pause.until <= now:
        _end_pause(ports, row, schedule.pause.until, now)
        return True
    lagging, made_good = is_lagging(row), 0
    if schedule.status is ScheduleStatus.ACTIVE and schedule.next_run is not None:
        told = told_within(schedule)
        since = max(schedule.next_run, instant(row["unarmed_since"]) - told - LOOKED_BACK)
        until = now if lagging else now - told
        made_good = len(make_good(ports.ledger, ports.topic, schedule, since=since, until=until, now=now))
    if lagging:
        armer.begin(ports.unit, schedule_id, patience=PATIENCE_SECONDS)
    else:
        ports.unit.put(SCHEDULES, _unmarked(row))
    return lagging or made_good > 0


def _end_pause(ports: AwsPorts, row: Item, until: datetime, now: datetime) -> None:
    """Resume as of ``until``; a schedule that nobody can evaluate any more is in error from then on."""
    paused = ports.schedules.get(row["id"])
    assert paused is not None  # its row was read in this very unit
    try:
        resume(ports, paused, until)
    except Invalid as error:  # its zone has left the tz database
        after = replace(paused, status=ScheduleStatus.ERROR, error_message=error.message)
        told = {"status": after.status.value, "error_message": after.error_message}
        ports.unit.put(SCHEDULES, {**_unmarked(row), **told})
        ports.changes.add(broken(paused, after, now))


def _unmarked(row: Item) -> Item:
    return {name: value for name, value in row.items() if name not in ("unarmed", "unarmed_since")}


def _marked(mark: str, unit: Unit, now: datetime) -> Iterable[tuple[str, ...]]:
    found = unit.query(
        SCHEDULES,
        UNARMED_INDEX.name,
        KeyConditionExpression="unarmed = :mark AND unarmed_since <= :now",
        values={":mark": mark, ":now": stamp(now)},
        Limit=AT_ONCE,
    )
    return ((item["id"],) for item in islice(found, AT_ONCE))


# --- work ---


def _running_out(unit: Unit, now: datetime) -> Iterable[tuple[str, ...]]:
    return queue.running_out(unit, now, AT_ONCE)


def _take_back(ports: AwsPorts, key: tuple[str, ...], now: datetime) -> bool:
    taken = queue.take_back(ports, key[0], key[1], now)
    ports.topic.publish_work(taken)
    return bool(taken)


def _held(unit: Unit, now: datetime) -> Iterable[tuple[str, ...]]:  # noqa: ARG001 - as the other steps
    return ((schedule_id,) for schedule_id in queue.held(unit, AT_ONCE))


def _release(ports: AwsPorts, key: tuple[str, ...], now: datetime) -> bool:
    released = queue.release(ports, key[0], now)
    ports.topic.publish_work(released)
    return bool(released)


def _waiting(unit: Unit, now: datetime) -> Iterable[tuple[str, ...]]:
    return queue.waiting(unit, now - UNTOUCHED_FOR, AT_ONCE)


def _publish_work(ports: AwsPorts, key: tuple[str, ...], now: datetime) -> bool:  # noqa: ARG001
    execution = ports.ledger.get(key[1])
    if execution is None or execution.next_attempt_at is None:
        return False
    ports.topic.publish_work([execution])
    return True


# --- alerts ---


def _unsent(unit: Unit, now: datetime) -> Iterable[tuple[str, ...]]:
    return unsent(unit, now, AT_ONCE)


def _publish_alert(ports: AwsPorts, key: tuple[str, ...], now: datetime) -> bool:
    alert = ports.alerts.get(key[0])
    if alert is None or alert.pending_at is None or alert.pending_at > now:
        return False
    ports.topic.publish_alert(alert.id)
    return True


# --- commands ---


def _pending(unit: Unit, now: datetime) -> Iterable[tuple[str, ...]]:
    found = unit.query(
        MESSAGES,
        PENDING_INDEX.name,
        KeyConditionExpression="pending = :pending AND created_date <= :before",
        values={":pending": PENDING, ":before": stamp(now - UNTOUCHED_FOR)},
        Limit=AT_ONCE,
    )
    return ((item["id"],) for item in islice(found, AT_ONCE))


def _publish_command(ports: AwsPorts, key: tuple[str, ...], now: datetime) -> bool:
    message = ports.messages.get(key[0])
    if message is None or message.status.final:
        return False
    if now - message.created_date < GIVEN_UP_AFTER:
        ports.topic.publish_command(message)
    else:
        ports.messages.save(message.failed(now, "Internal", (Problem("gave_up", _GAVE_UP),)))
    return True
