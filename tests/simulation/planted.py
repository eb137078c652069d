"""Faults planted on purpose, each in the simulation alone: what the judge must not overlook.

Most are triggers in the story's own database, which undo what the program did; the others replace a part.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import apsw

from rez_agent.domain.due import Fire
from rez_agent.domain.execution import Execution
from rez_agent.local.rows import fetch
from rez_agent.local.signals import Signals
from rez_agent.local.writer import Job
from rez_agent.usecases.entries import due_execution
from tests.domain.oracle import zone_info
from tests.simulation.loop import WorldClock
from tests.simulation.process import LoopWriter, Parts

_IN_FLIGHT = "NEW.cause IN ('schedule', 'catch_up') AND NEW.status = 'queued'"

_CLAIMED_TWICE = """
CREATE TEMP TRIGGER planted AFTER UPDATE OF status ON executions
WHEN NEW.status = 'running' AND OLD.status = 'queued' AND NEW.attempts = 1 BEGIN
    UPDATE executions SET status = 'queued', visible = OLD.visible WHERE seq = NEW.seq;
END
"""
_ADVANCED_ALONE = f"""
CREATE TEMP TRIGGER planted AFTER INSERT ON executions WHEN {_IN_FLIGHT} AND NEW.seq % 5 = 0 BEGIN
    DELETE FROM executions WHERE seq = NEW.seq;
END
"""
_CATCH_UP_LESS_ONE = """
CREATE TEMP TRIGGER planted AFTER INSERT ON executions WHEN NEW.cause = 'catch_up' BEGIN
    UPDATE executions SET status = 'skipped', reason = 'missed', cause = 'schedule', visible = NULL, held = 0,
        finished = created WHERE seq = NEW.seq;
END
"""
_PAUSE_IGNORED = """
CREATE TEMP TRIGGER planted AFTER UPDATE OF status ON schedules
WHEN NEW.status = 'paused' AND OLD.status = 'active' BEGIN
    UPDATE schedules SET status = 'active', next_run = OLD.next_run, wake_at = OLD.wake_at
    WHERE seq = NEW.seq;
END
"""
_DELETE_IGNORED = """
CREATE TEMP TRIGGER planted AFTER UPDATE OF status ON schedules
WHEN NEW.status = 'deleted' AND OLD.status = 'active' BEGIN
    UPDATE schedules SET next_run = OLD.next_run, wake_at = OLD.wake_at WHERE seq = NEW.seq;
END
"""
_KEY_LOST = """
CREATE TEMP TRIGGER planted AFTER UPDATE OF status ON executions
WHEN NEW.status = 'queued' AND OLD.status = 'running' BEGIN
    UPDATE executions SET id = id || '0' WHERE seq = NEW.seq;
END
"""
_LEASES_KEPT = """
CREATE TEMP TRIGGER planted BEFORE UPDATE OF crashes ON executions WHEN NEW.crashes > OLD.crashes BEGIN
    SELECT RAISE(IGNORE);
END
"""
_OVERLAP_IGNORED = """
CREATE TEMP TRIGGER planted AFTER INSERT ON executions WHEN NEW.held = 1 BEGIN
    UPDATE executions SET held = 0, visible = NEW.due WHERE seq = NEW.seq;
END
"""
_MISSED_IN_SILENCE = """
CREATE TEMP TRIGGER planted AFTER INSERT ON executions WHEN NEW.reason = 'missed' BEGIN
    DELETE FROM executions WHERE seq = NEW.seq;
END
"""
_SUCCESS_FORGOTTEN = """
CREATE TEMP TRIGGER planted AFTER UPDATE OF status ON executions
WHEN NEW.status = 'succeeded' AND NEW.seq % 7 = 0 AND NEW.attempts = 1 BEGIN
    UPDATE executions SET status = 'queued', visible = NEW.finished WHERE seq = NEW.seq;
END
"""


def _trigger(sql: str) -> Parts:
    def prepare(connection: apsw.Connection) -> None:
        connection.execute(sql)

    return Parts(prepare=prepare)


class HastyWriter(LoopWriter):
    """Answers before the commit."""

    def flush(self) -> int:
        """Tells everyone that all is done, and then does it: a process that dies in the commit has lied."""
        for job in list(self._waiting):
            self._hurry(job)
        return super().flush()

    def _hurry(self, job: Job) -> None:
        run = job.run

        def answered_first(ports: object) -> object:
            result = job.result = run(ports)  # type: ignore[arg-type]
            if job.token is not None and not job.token.done():
                job.token.set_result(result)
            return result

        job.run = answered_first


class FoldedWriter(LoopWriter):
    """Fires what lies in the hour that comes twice a second time."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._fired: set[str] = set()

    def _tell_commit(self, signals: Signals) -> None:
        if signals.work:
            self.process.loop.call_soon(self._fire_again)
        super()._tell_commit(signals)

    def _fire_again(self) -> None:
        now = self.ports.clock.now()
        since = int(now.timestamp() * 1000) - 5_000
        for execution_id, schedule_id, scheduled in fetch(self.process.connection, _CRON, (since,)):
            schedule = self.ports.schedules.get(schedule_id)
            if schedule is None or execution_id in self._fired:
                continue
            self._fired.add(execution_id)
            info = zone_info(schedule.definition.timezone)
            first = datetime.fromtimestamp(scheduled / 1000, UTC)
            for minutes in (30, 60, 120):
                again = first + timedelta(minutes=minutes)
                if _wall(again, info) == _wall(first, info):
                    self._fire(due_execution(schedule, Fire(int(again.timestamp())), now))

    def _fire(self, fired: Execution) -> None:
        token = self.process.loop.create_future()
        self.submit(Job(lambda ports: ports.ledger.add([fired]), token=token))


def _wall(instant: datetime, info: ZoneInfo) -> datetime:
    return instant.astimezone(info).replace(tzinfo=None, fold=0)


_CRON = """
SELECT e.id, e.schedule_id, e.scheduled FROM executions e JOIN schedules s ON s.id = e.schedule_id
WHERE e.cause = 'schedule' AND s.expression LIKE 'cron%' AND e.created > ?
"""

PLANTED: dict[str, Parts] = {
    "claimed without a lease": _trigger(_CLAIMED_TWICE),
    "an occurrence passed over": _trigger(_ADVANCED_ALONE),
    "catch-up one short": _trigger(_CATCH_UP_LESS_ONE),
    "the repeated hour fired twice": Parts(writer=FoldedWriter),
    "a pause ignored": _trigger(_PAUSE_IGNORED),
    "a deletion ignored": _trigger(_DELETE_IGNORED),
    "the key lost at a retry": _trigger(_KEY_LOST),
    "leases not taken back at a start": _trigger(_LEASES_KEPT),
    "overlap ignored": _trigger(_OVERLAP_IGNORED),
    "missed in silence": _trigger(_MISSED_IN_SILENCE),
    "a success forgotten": _trigger(_SUCCESS_FORGOTTEN),
    "answered before the commit": Parts(writer=HastyWriter),
    "a disk that does not sync": Parts(syncs=False),
    "a clock that runs ahead": Parts(clock=lambda time: WorldClock(time, ahead=2.0)),
}
"""By name. A story with one of them is a story in which something is wrong."""
