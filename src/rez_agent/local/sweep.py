"""The sweep: what nobody waits for. Small slices, so that it never holds up the writer.

It forgets old history (by age and by number), final messages, old alerts, expired records, spent tombstones
and old revisions; deletes schedules that asked to be deleted on completion; and takes back leases that ran
out. Crash: each slice is whole or was not; the next sweep goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import apsw
import structlog

from rez_agent.domain.instants import to_ms
from rez_agent.local.alerts import forget_alerts
from rez_agent.local.blobs import SqliteBlobs
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.keeping import Kept
from rez_agent.local.queue import recover
from rez_agent.local.rows import dumps, fetch
from rez_agent.usecases.applying import complete
from rez_agent.usecases.calendars import follow

SLICE = 500
"""Rows forgotten in one transaction, at most, of each kind."""

NEWEST = 100
"""Executions whose schedules are checked for too long a history at each sweep."""

MESSAGES_KEPT = timedelta(days=7)
TOMBSTONES_KEPT = timedelta(days=90)

_DONE = """
SELECT id FROM schedules s WHERE deletes = 1 AND finished IS NOT NULL AND status = 'active' AND NOT EXISTS (
    SELECT 1 FROM executions e WHERE e.schedule_id = s.id AND e.status IN ('queued', 'running'))
ORDER BY seq LIMIT ?
"""
_OVERFULL = """
SELECT seq FROM executions WHERE id > ?1 AND id <= (
    SELECT id FROM executions WHERE id > ?1 AND id < ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)
AND status NOT IN ('queued', 'running') ORDER BY id LIMIT ?4
"""
_RECENT = "SELECT DISTINCT schedule_id FROM (SELECT schedule_id FROM executions ORDER BY seq DESC LIMIT ?)"

log = structlog.get_logger()


class Sweep:
    """The sweep's steps; :meth:`tick` runs in the writer and says whether there is more to do at once."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def tick(self, ports: LocalPorts, now: datetime) -> bool:
        """One slice of everything."""
        connection, at = ports.connection, to_ms(now)
        recover(connection, now, all_leases=False, signals=ports.signals)
        steps: tuple[Callable[[], int], ...] = (
            lambda: SLICE if follow(ports) else 0,
            lambda: _delete_completed(ports, now),
            lambda: _forget_oldest(connection, at - _ms(self._kept.ledger)),
            lambda: _forget_overfull(connection, self._kept.per_schedule),
            lambda: _forget_messages(connection, at - _ms(MESSAGES_KEPT)),
            lambda: _forget_records(connection, at),
            lambda: _forget_tombstones(connection, at - _ms(TOMBSTONES_KEPT)),
            lambda: forget_alerts(connection, at - _ms(self._kept.ledger), SLICE),
            lambda: _forget_revisions(connection, at - _ms(self._kept.ledger)),
        )
        full = [step() >= SLICE for step in steps]  # every step runs, whatever the one before said
        return any(full)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _delete_completed(ports: LocalPorts, now: datetime) -> int:
    """Schedules that asked to be deleted once nothing is left and nothing is in flight."""
    done = fetch(ports.connection, _DONE, (SLICE,))
    for (schedule_id,) in done:
        schedule = ports.schedules.get(schedule_id)
        if schedule is not None:
            complete(ports, schedule, now)
    return len(done)


def _forget_oldest(connection: apsw.Connection, before: int) -> int:
    """Executions older than ``before``. Rows are in order of writing, so only the oldest are looked at."""
    rows = fetch(connection, "SELECT seq, created, status FROM executions ORDER BY seq LIMIT ?", (SLICE,))
    old = [seq for seq, created, status in rows if created < before and status not in ("queued", "running")]
    return _forget(connection, old)


def _forget(connection: apsw.Connection, seqs: list[int]) -> int:
    if seqs:
        text = dumps(seqs)
        connection.execute(
            "DELETE FROM attempts WHERE execution IN (SELECT value FROM json_each(?))", (text,)
        )
        connection.execute("DELETE FROM executions WHERE seq IN (SELECT value FROM json_each(?))", (text,))
    return len(seqs)


def _forget_overfull(connection: apsw.Connection, per_schedule: int) -> int:
    """What exceeds a schedule's share, for the schedules of the newest executions: one that fires so often
    that it can exceed it is soon among them."""
    forgotten = 0
    for (schedule_id,) in fetch(connection, _RECENT, (NEWEST,)):
        bounds = (f"{schedule_id}_", f"{schedule_id}`", per_schedule, SLICE)
        forgotten += _forget(connection, [row[0] for row in fetch(connection, _OVERFULL, bounds)])
        if forgotten >= SLICE:
            break
    return forgotten


def _forget_messages(connection: apsw.Connection, before: int) -> int:
    rows = fetch(connection, "SELECT seq, updated, status FROM messages ORDER BY seq LIMIT ?", (SLICE,))
    old = [seq for seq, updated, status in rows if updated < before and status in ("completed", "failed")]
    connection.execute("DELETE FROM messages WHERE seq IN (SELECT value FROM json_each(?))", (dumps(old),))
    return len(old)


def _forget_records(connection: apsw.Connection, at: int) -> int:
    expired = "SELECT kind, key FROM records WHERE expires IS NOT NULL AND expires <= ? LIMIT ?"
    rows = fetch(connection, expired, (at, SLICE))
    for kind, key in rows:
        connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))
    return len(rows)


def _forget_tombstones(connection: apsw.Connection, before: int) -> int:
    """Deleted schedules whose tombstones are no longer needed, with their tags, changes and blobs."""
    old = "SELECT seq, id FROM schedules WHERE status = 'deleted' AND updated < ? ORDER BY updated LIMIT ?"
    rows = fetch(connection, old, (before, SLICE))
    blobs = SqliteBlobs(connection)
    for seq, schedule_id in rows:
        connection.execute("DELETE FROM schedule_tags WHERE seq = ?", (seq,))
        connection.execute("DELETE FROM changes WHERE schedule_id = ?", (schedule_id,))
        connection.execute("DELETE FROM schedules WHERE seq = ?", (seq,))
        blobs.drop(schedule_id)
    return len(rows)


def _forget_revisions(connection: apsw.Connection, before: int) -> int:
    connection.execute(
        "DELETE FROM revisions WHERE (schedule_id, revision) IN "
        "(SELECT schedule_id, revision FROM revisions WHERE until < ? LIMIT ?)",
        (before, SLICE),
    )
    return connection.changes()
