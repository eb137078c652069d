"""The queue of work: the executions' own rows, and the moves that workers make with them.

A firing costs three writes: queued, claimed, concluded. A claim takes a lease and a fencing token; an end
reported with an older token is not recorded. Each function is a few statements over whole batches, run
inside the caller's transaction, so a crash leaves either all of a batch's moves or none:

- killed after a claim, before the call: at the next start the execution is queued again;
- killed after the call, before it was concluded: the same, and the target sees the same Idempotency-Key;
- killed after the conclusion: nothing is left to do.

Within a lane (a target, and whether the work is on time or late) the oldest goes first. Lanes are found by
skipping from target to target in the index, so one target's backlog costs another's work nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import apsw

from rez_agent.domain.action import Work
from rez_agent.domain.execution import CRASHES_AT_MOST, KEPT_AT_EACH_END, ExecutionStatus
from rez_agent.domain.instants import from_ms, to_ms
from rez_agent.local.alert_facts import note_concluded, note_given_up
from rez_agent.local.blobs import SqliteBlobs
from rez_agent.local.facts import with_condition
from rez_agent.local.rows import ATTEMPT_COLUMNS, Row, attempt_row, dumps, fetch, ms_or_none, policies_from
from rez_agent.local.signals import Ending, Signals
from rez_agent.ports import Claimed, Concluded

LEASE_MS = 20 * 60 * 1000
"""How long a claim holds if nothing is heard of it: longer than the longest action may take."""

LANES_AT_ONCE = 1_000

_LANES = """
WITH RECURSIVE lanes (target, visible) AS (
    SELECT target, visible FROM (
        SELECT target, visible FROM executions
        WHERE status = 'queued' AND visible IS NOT NULL AND late = ?1 AND target > ?2
        ORDER BY target, visible LIMIT 1)
    UNION ALL
    SELECT next.target, next.visible FROM lanes JOIN executions next ON next.seq = (
        SELECT seq FROM executions
        WHERE status = 'queued' AND visible IS NOT NULL AND late = ?1 AND target > lanes.target
        ORDER BY target, visible LIMIT 1)
)
SELECT target, visible FROM lanes LIMIT ?3
"""
_READY = """
SELECT seq, expires, attempts FROM executions
WHERE status = 'queued' AND visible IS NOT NULL AND late = ? AND target = ? AND visible <= ?
ORDER BY visible LIMIT ?
"""
_CLAIM = """
UPDATE executions SET status = 'running', visible = NULL, lease = lease + 1, lease_until = ?2,
    attempts = attempts + 1, started = coalesce(started, ?3)
WHERE seq IN (SELECT value FROM json_each(?1))
"""
_CLAIMED = """
SELECT e.id, e.schedule_id, s.name, e.owner, e.target_type, e.scheduled, e.attempts, e.lease, e.target,
    e.tries, e.expires, s.policies, coalesce(e.payload, r.payload, s.payload), s.payload_blob, e.due,
    s.extras, r.document
FROM json_each(?) claimed JOIN executions e ON e.seq = claimed.value
JOIN schedules s ON s.id = e.schedule_id
LEFT JOIN revisions r
    ON r.schedule_id = e.schedule_id AND r.revision = e.revision AND e.revision <> s.revision
"""
_EXPIRE = """
UPDATE executions SET visible = NULL, finished = ?2, held = 0,
    status = iif(attempts = 0, 'skipped', 'failed'), reason = iif(attempts = 0, 'expired', NULL),
    dead_letter = iif(attempts = 0, 0, 1),
    detail = 'max_event_age_seconds passed before it could ' || iif(attempts = 0, 'start', 'be tried again')
WHERE seq IN (SELECT value FROM json_each(?1)) RETURNING schedule_id, status, reason
"""
_ATTEMPTS = f"""
INSERT OR REPLACE INTO attempts (execution, {ATTEMPT_COLUMNS})
SELECT e.seq, {", ".join(f"value ->> {n}" for n in range(2, 15))}
FROM json_each(?) JOIN executions e ON e.id = value ->> 0 AND e.lease = value ->> 1 AND e.status = 'running'
"""  # noqa: S608 - constant columns
_CONCLUDE = """
UPDATE executions SET tries = ended.tries, dead_letter = ended.dead_letter, code = ended.code,
    error = ended.error, response_status = ended.response_status, lease_until = NULL,
    status = iif(cancel_asked AND ended.status = 'queued', 'cancelled', ended.status),
    visible = iif(cancel_asked, NULL, ended.visible),
    finished = iif(cancel_asked OR ended.status <> 'queued', ended.finished, NULL),
    reason = iif(cancel_asked AND ended.status = 'queued', 'cancelled', ended.reason),
    detail = iif(cancel_asked AND ended.status IN ('queued', 'cancelled'), executions.detail, ended.detail)
FROM (SELECT value ->> 0 AS id, value ->> 1 AS lease, value ->> 2 AS status, value ->> 3 AS visible,
        value ->> 4 AS finished, value ->> 5 AS tries, value ->> 6 AS dead_letter, value ->> 7 AS code,
        value ->> 8 AS error, value ->> 9 AS response_status, value ->> 10 AS reason, value ->> 11 AS detail
    FROM json_each(?)) AS ended
WHERE executions.id = ended.id AND executions.lease = ended.lease AND executions.status = 'running'
"""
_UNMADE = """
UPDATE executions SET attempts = attempts - 1, started = iif(attempts = 1, NULL, started)
FROM (SELECT value ->> 0 AS id, value ->> 1 AS lease FROM json_each(?)) AS ended
WHERE executions.id = ended.id AND executions.lease = ended.lease AND executions.status = 'running'
"""
_PUT_BACK = """
UPDATE executions SET status = 'queued', visible = ?2, lease_until = NULL, attempts = attempts - 1,
    started = iif(attempts = 1, NULL, started)
FROM (SELECT value ->> 0 AS id, value ->> 1 AS lease FROM json_each(?1)) AS leased
WHERE executions.id = leased.id AND executions.lease = leased.lease AND executions.status = 'running'
"""
_FORGET_MIDDLE = """
UPDATE attempts SET response = NULL WHERE execution = (SELECT seq FROM executions WHERE id = ?)
    AND number > ? AND number <= ?
"""
_RELEASE = """
UPDATE executions SET held = 0, visible = max(due, ?2), expires = max(expires, ?2 + expires - due)
WHERE seq IN (
    SELECT min(waiting.seq) FROM json_each(?1) JOIN executions waiting ON waiting.schedule_id = value
    WHERE waiting.held = 1 AND NOT EXISTS (
        SELECT 1 FROM executions busy WHERE busy.schedule_id = value AND busy.held = 0
            AND busy.status IN ('queued', 'running'))
    GROUP BY waiting.schedule_id)
"""
_RECOVER_ATTEMPTS = """
INSERT OR IGNORE INTO attempts (execution, number, started, finished, outcome, code, error)
SELECT seq, attempts, min(coalesce(started, ?1), ?1), ?1, 'interrupted', 'interrupted',
    'the server died while this attempt ran'
FROM executions WHERE status = 'running' AND lease_until < ?2
"""
_RECOVER = """
UPDATE executions SET crashes = crashes + 1, lease_until = NULL, status = next,
    visible = iif(next = 'queued', ?1, NULL), finished = iif(next = 'queued', NULL, ?1),
    dead_letter = next = 'failed', reason = iif(next = 'cancelled', 'cancelled', NULL),
    code = iif(next = 'failed', 'interrupted', code),
    detail = iif(next = 'failed', 'the server died each time it ran', detail)
FROM (SELECT seq AS taken, iif(cancel_asked, 'cancelled', iif(crashes + 1 >= ?3, 'failed', 'queued')) AS next
    FROM executions WHERE status = 'running' AND lease_until < ?2)
WHERE seq = taken
RETURNING schedule_id, status, reason, seq
"""
_SHIFT_QUEUED = """
UPDATE executions SET visible = iif(attempts > 0 OR visible <= ?2, visible + ?1, visible),
    expires = expires + iif(attempts > 0 OR visible <= ?2, ?1, max(?1, 0))
WHERE status = 'queued' AND visible IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Lane:
    """Work waiting for one target: ``late`` work yields to work on time."""

    target: str
    late: int
    visible: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought: the work, when to look again (ms; None: when something is queued), the target
    after which the next claim continues (empty: from the first), and how what was too old ended."""

    claimed: list[Claimed]
    look_again: int | None = None
    continue_after: str = ""
    endings: tuple[Ending, ...] = ()


def claim(
    connection: apsw.Connection,
    now: datetime,
    capacity: int,
    free_for: Callable[[str], int],
    *,
    after: str = "",
) -> Claim:
    """Lease what may start: at most ``capacity`` in all and ``free_for(target)`` for each target. What has
    outlived its event age ends here instead. ``after`` rotates the lanes when there are too many to see."""
    at = to_ms(now)
    look_again: int | None = None
    taken: dict[str, int] = {}
    chosen: list[int] = []
    endings: list[Ending] = []
    lanes, continue_after = _lanes(connection, after)
    for lane in lanes:
        room = min(capacity - len(chosen), free_for(lane.target) - taken.get(lane.target, 0))
        if lane.visible > at:
            look_again = lane.visible if look_again is None else min(look_again, lane.visible)
        elif room > 0:
            seqs, expired = _ready(connection, lane, at, room)
            taken[lane.target] = taken.get(lane.target, 0) + len(seqs)
            chosen += seqs
            look_again = at if expired else look_again  # fresh work may wait behind
            endings += expired
    if continue_after and not chosen:
        look_again = at
    return Claim(_lease(connection, chosen, at), look_again, continue_after, tuple(endings))


def _lanes(connection: apsw.Connection, after: str) -> tuple[list[Lane], str]:
    """The lanes that have work, on time first, and the target up to which none is left out where there are
    more (empty: there are not)."""
    found: list[Lane] = []
    cuts: list[str] = []
    for late in (0, 1):
        rows = fetch(connection, _LANES, (late, after, LANES_AT_ONCE))
        found += [Lane(target, late, visible) for target, visible in rows]
        cuts += [rows[-1][0]] if len(rows) >= LANES_AT_ONCE else []
    return found, min(cuts, default="")


def _ready(connection: apsw.Connection, lane: Lane, at: int, room: int) -> tuple[list[int], list[Ending]]:
    """The lane's executions that may start; those that are too old end here, and how is told."""
    rows = fetch(connection, _READY, (lane.late, lane.target, at, room))
    expired = [seq for seq, expires, _ in rows if expires < at]
    ended = fetch(connection, _EXPIRE, (dumps(expired), at)) if expired else []
    if ended:
        note_given_up(connection, expired)
    release_held(connection, sorted({row[0] for row in ended}), at)
    return [seq for seq, expires, _ in rows if expires >= at], [(row[1], row[2]) for row in ended]


def _lease(connection: apsw.Connection, seqs: list[int], at: int) -> list[Claimed]:
    if not seqs:
        return []
    text = dumps(seqs)
    connection.execute(_CLAIM, (text, at + LEASE_MS, at))
    blobs = SqliteBlobs(connection)
    return [
        _claimed(row, blobs)
        if row[15] == "{}" and row[16] is None
        else with_condition(connection, _claimed(row, blobs), row[16] or row[15], at)
        for row in fetch(connection, _CLAIMED, (text,))
    ]


_instant = lru_cache(maxsize=4_096)(from_ms)
"""Executions that fall due together share their instants."""


def _claimed(row: Row, blobs: SqliteBlobs) -> Claimed:
    text: str = row[12] if row[12] is not None else blobs.get(row[13]).decode()
    payload: Mapping[str, Any] = json.loads(text)
    work = Work(
        execution_id=row[0],
        schedule_id=row[1],
        schedule_name=row[2],
        owner=row[3],
        target_type=row[4],
        payload=payload,
        scheduled_time=_instant(row[5]),
        attempt=row[6],
        idempotency_key=row[0],
        payload_text=text,
    )
    return Claimed(
        work=work,
        lease=row[7],
        target=row[8],
        tries=row[9],
        retry=policies_from(row[11]).retry,
        due_at=_instant(row[14]),
        expires_at=_instant(row[10]),
    )


def conclude(connection: apsw.Connection, ended: Sequence[Concluded]) -> None:
    """Record ends: the attempts, the executions' next states, and what was held behind them.

    An end whose lease is not the present one is dropped: somebody else has taken the execution over.
    """
    if not ended:
        return
    attempts = [[c.execution_id, c.lease, *attempt_row(c.attempt)] for c in ended if c.made]
    if attempts:
        connection.execute(_ATTEMPTS, (dumps(attempts),))
    if len(attempts) < len(ended):
        connection.execute(_UNMADE, (dumps([[c.execution_id, c.lease] for c in ended if not c.made]),))
    connection.execute(_CONCLUDE, (dumps([_end_row(c) for c in ended]),))
    note_concluded(connection, ended)
    for c in ended:
        if c.attempt.number > 2 * KEPT_AT_EACH_END:
            last_forgotten = c.attempt.number - KEPT_AT_EACH_END
            connection.execute(_FORGET_MIDDLE, (c.execution_id, KEPT_AT_EACH_END, last_forgotten))
    release_held(
        connection, sorted({c.schedule_id for c in ended}), max(to_ms(c.attempt.finished_at) for c in ended)
    )


def _end_row(c: Concluded) -> list[Any]:
    attempt = c.attempt
    return [
        c.execution_id,
        c.lease,
        c.status.value,
        ms_or_none(c.next_attempt_at),
        to_ms(attempt.finished_at),
        c.tries,
        int(c.dead_letter),
        attempt.code if c.status is not ExecutionStatus.SKIPPED else None,
        attempt.error,
        attempt.response_status,
        c.reason.value if c.reason else None,
        c.detail,
    ]


def put_back(connection: apsw.Connection, leases: Sequence[Claimed], now: datetime) -> None:
    """Queue again what was leased and never begun, as if it had not been leased."""
    rows = [[c.work.execution_id, c.lease] for c in leases]
    connection.execute(_PUT_BACK, (dumps(rows), to_ms(now)))


def release_held(connection: apsw.Connection, schedule_ids: Sequence[str], at: int) -> None:
    """Of each schedule that has nothing in flight but held executions, let the oldest go."""
    if not schedule_ids or not fetch(connection, "SELECT 1 FROM executions WHERE held = 1 LIMIT 1"):
        return
    connection.execute(_RELEASE, (dumps(list(schedule_ids)), at))


def recover(connection: apsw.Connection, now: datetime, *, all_leases: bool, signals: Signals) -> int:
    """Take back leases that have run out, or all of them at a start: one process owns the directory, so
    whoever held them is gone. Each is queued again; one that the process did not survive
    :data:`~rez_agent.domain.execution.CRASHES_AT_MOST` times is a dead letter. Returns how many; those that
    became final are told by ``signals``."""
    at = to_ms(now)
    before = 2**62 if all_leases else at
    connection.execute(_RECOVER_ATTEMPTS, (at, before))
    taken = fetch(connection, _RECOVER, (at, before, CRASHES_AT_MOST))
    if taken:
        note_given_up(connection, [row[3] for row in taken])
    release_held(connection, sorted({row[0] for row in taken}), at)
    signals.endings += [(status, reason) for _, status, reason, _ in taken if status != "queued"]
    return len(taken)


def shift(connection: apsw.Connection, now: datetime, by_ms: int) -> None:
    """The wall clock was stepped by ``by_ms`` to ``now``: what was ready, waits for a retry or runs keeps the
    time it had left. What waits for its moment in a flexible window goes by the wall clock, and expires no
    sooner for it."""
    before = to_ms(now) - by_ms
    connection.execute(_SHIFT_QUEUED, (by_ms, before))
    connection.execute(
        "UPDATE executions SET lease_until = lease_until + ?1, expires = expires + ?1 "
        "WHERE status = 'running'",
        (by_ms,),
    )
