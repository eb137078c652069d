"""Facts for the rules of alerting, noted where they become true, in the same transaction.

They cost nothing while executions succeed and nobody compares durations but one look at a record a batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import apsw

from rez_agent.domain.execution import ExecutionStatus
from rez_agent.local.rows import dumps, fetch
from rez_agent.ports import Concluded
from rez_agent.usecases.alert_rules import WATCH, WATCH_KEY

_NOTE = """
INSERT INTO alert_facts (late, execution)
SELECT ?2, seq FROM executions WHERE id IN (SELECT value FROM json_each(?1))
"""
_FAILED = f"{_NOTE} AND status = 'failed'"
_SUCCEEDED = f"""{_NOTE} AND status = 'succeeded' AND (
    owner IN (SELECT value FROM json_each(?3)) OR schedule_id IN (SELECT value FROM json_each(?4)))
"""  # noqa: S608 - constant
_ENDED_ROWS = """
INSERT INTO alert_facts (late, execution)
SELECT reason IS NOT NULL, seq FROM executions WHERE seq IN (SELECT value FROM json_each(?1))
    AND (status = 'failed' OR reason = 'expired')
"""
_WATCH = "SELECT value FROM records WHERE kind = ? AND key = ?"


def note_concluded(connection: apsw.Connection, ended: Sequence[Concluded]) -> None:
    """Attempts were concluded: the executions that failed, and of those that succeeded the ones whose
    durations a rule compares."""
    failed = [one.execution_id for one in ended if one.status is ExecutionStatus.FAILED]
    if failed:
        connection.execute(_FAILED, (dumps(failed), 0))
    for (text,) in fetch(connection, _WATCH, (WATCH, WATCH_KEY)):
        watch = json.loads(text)
        if watch["owners"] or watch["schedules"]:
            done = [one.execution_id for one in ended if one.status is ExecutionStatus.SUCCEEDED]
            values = (dumps(done), 0, dumps(watch["owners"]), dumps(watch["schedules"]))
            connection.execute(_SUCCEEDED, values)


def note_given_up(connection: apsw.Connection, seqs: Sequence[int]) -> None:
    """Executions ended without an attempt that says so: they expired, or the process died too often."""
    connection.execute(_ENDED_ROWS, (dumps(list(seqs)),))


def note_late(connection: apsw.Connection, execution_ids: Sequence[str]) -> None:
    """Executions whose occurrences were missed, or are caught up."""
    if execution_ids:
        connection.execute(_NOTE, (dumps(list(execution_ids)), 1))
