"""What a condition is judged by, read when its execution is leased.

Only schedules that have a condition get here; what it costs is bounded by
:data:`~rez_agent.domain.condition.LOOKED_BACK`, not by how long a schedule has run.
"""

from __future__ import annotations

import json
from dataclasses import replace

import apsw

from rez_agent.domain.condition import JUDGED, Condition, Facts, Last, look_back, midnight_before
from rez_agent.domain.execution import Cause, Execution
from rez_agent.domain.instants import from_ms
from rez_agent.local.rows import EXECUTION_COLUMNS, execution_from
from rez_agent.ports import Claimed

_JUDGED = """
SELECT e.cause, e.revision, s.tags, s.timezone
FROM executions e JOIN schedules s ON s.id = e.schedule_id
WHERE e.id = ? AND NOT EXISTS (
    SELECT 1 FROM attempts WHERE execution = e.seq AND outcome <> 'interrupted')
"""
_EARLIER = (
    f"SELECT {EXECUTION_COLUMNS.replace('payload', 'NULL')} FROM executions "  # noqa: S608 - constant columns
    "WHERE id >= ?1 || '_' AND id < ?2 AND schedule_id = ?1 ORDER BY id DESC"
)
_RESPONSE = """
SELECT response, truncated FROM attempts WHERE execution = (SELECT seq FROM executions WHERE id = ?)
ORDER BY number DESC LIMIT 1
"""


def with_condition(connection: apsw.Connection, claimed: Claimed, document: str, at: int) -> Claimed:
    """The claim, with the condition that it is subject to: the one in ``document`` (JSON), which belongs to
    the execution's revision. None where nothing is to be judged: somebody asked for the execution, or an
    attempt of it was made before. One that was interrupted does not count: it is judged again."""
    said = json.loads(document)
    expression = said.get("condition")
    if expression is None:
        return claimed
    work = claimed.work
    for cause, revision, tags, timezone in connection.execute(_JUDGED, (work.execution_id,)):
        if Cause(cause) in JUDGED:
            facts = Facts(
                schedule_id=work.schedule_id,
                name=said.get("name", work.schedule_name),
                tags=tuple(said["tags"] if "tags" in said else json.loads(tags)),
                timezone=said.get("timezone", timezone),
                created_by=work.owner,
                revision=revision,
                target_type=work.target_type,
                payload=work.payload_text or "{}",
                scheduled_time=work.scheduled_time,
            )
            condition = Condition(expression, _with_past(connection, facts, work.execution_id, at))
            return replace(claimed, work=replace(work, condition=condition))
    return claimed


def _with_past(connection: apsw.Connection, facts: Facts, execution_id: str, at: int) -> Facts:
    earlier = connection.execute(_EARLIER, (facts.schedule_id, execution_id))
    midnight = midnight_before(from_ms(at), facts.timezone)
    last, today = look_back((execution_from(row) for row in earlier), midnight)
    return replace(facts, runs_today=today, last=None if last is None else _last(connection, last))


def _last(connection: apsw.Connection, run: Execution) -> Last:
    for response, truncated in connection.execute(_RESPONSE, (run.id,)):
        return Last.of(run, response, truncated=bool(truncated))
    return Last.of(run, None, truncated=False)
