"""Histories for the schedules that stand: as many executions as there are schedules.

Half of them belong to the newest fortieth of the schedules, twenty-one to each, so that all rows of the first
page has something of everything; the others belong one each to every second schedule. The oldest thirty of a
large store have a hundred each besides, as much as a page looks at. One in ten failed and is a dead letter.
"""

from __future__ import annotations

from pathlib import Path

import apsw
from tests.e2e.program import Program, eventually, web_action

from rez_agent.local.database import DATABASE_FILE, open_writer

EACH, SHARE = 21, 40
"""The newest one in ``SHARE`` schedules have ``EACH`` executions."""

OLDEST, MANY, LARGE = 30, 100, 100_000
"""The oldest so many have ``MANY`` more executions, where at least ``LARGE`` stand."""

HOUR_MS = 3_600_000
FAILED_EVERY = 10

_NEVER = "at(2100-01-01T00:00:00)"
_PROTOTYPES = {
    "succeeds": {
        "name": "succeeds",
        "schedule_expression": _NEVER,
        "target_type": "notification",
        "payload": {"channel": "log", "message": "hello"},
    },
    "fails": web_action(
        "fails", _NEVER, "http://127.0.0.1:9/refused", policies={"retry": {"max_attempts": 0}}
    ),
}

_MOMENT = f"(?1 - (?2 * {HOUR_MS}) + number % 60 * 1000)"
_TOOK = "(20 + number * 7919 % 900)"
_CHANGED = {
    "id": f"s.id || strftime('_%Y%m%dT%H%M%SZ', {_MOMENT} / 1000, 'unixepoch')",
    "schedule_id": "s.id",
    "owner": "s.owner",
    "scheduled": _MOMENT,
    "cause": "'schedule'",
    "target_type": "s.target_type",
    "target": "s.target",
    "revision": "s.revision",
    "created": f"{_MOMENT} + 2",
    "due": _MOMENT,
    "expires": f"{_MOMENT} + {HOUR_MS}",
    "started": f"{_MOMENT} + 5",
    "finished": f"{_MOMENT} + 5 + {_TOOK}",
    "message_id": "NULL",
}
"""What differs from the prototype ``p`` in an execution of the schedule ``s`` with this number."""

_ATTEMPTED = {"execution": "e.seq", "started": "e.started", "finished": "e.finished"}


def add_histories(data_dir: Path, number: int) -> None:
    """Give the ``number`` schedules that stand in ``data_dir`` their executions."""
    with Program(data_dir, "--allow-target", "127.0.0.1") as server:
        _make_prototypes(server)
        server.terminate()
    connection = open_writer(data_dir / DATABASE_FILE)
    try:
        connection.pragma("synchronous", "OFF")
        connection.pragma("cache_size", -512 * 1024)
        _fill(connection, number)
        connection.pragma("wal_checkpoint", "TRUNCATE")
    finally:
        connection.close()


def _make_prototypes(server: Program) -> None:
    for definition in _PROTOTYPES.values():
        made = server.post("/api/schedules", definition, {"Prefer": "wait=10"})
        assert made.status == 201, made.body
        schedule_id = made.body["schedule_id"]
        server.post(f"/api/schedules/{schedule_id}/run", {}, {"Prefer": "wait=10"})
        path = f"/api/schedules/{schedule_id}/executions"
        eventually(
            lambda path=path: any(e["finished_at"] for e in server.get(path).body["items"]),  # type: ignore[misc]
            30,
            "the end of a prototype",
        )


def _fill(connection: apsw.Connection, number: int) -> None:
    ((newest, now),) = connection.execute("SELECT max(seq), max(created) FROM executions")
    connection.execute("CREATE TEMP TABLE prototypes AS SELECT * FROM executions")
    statement = _executions(connection)
    many = max(1, number // SHARE)
    with connection:
        connection.execute(statement, (now, EACH + 1, 2, 1, number - many))
        for round_ in range(EACH, 0, -1):
            connection.execute(statement, (now, round_, 1, number - many + 1, number))
        for round_ in range(MANY, 0, -1) if number >= LARGE else ():
            connection.execute(statement, (now, EACH + 1 + round_, 1, 1, OLDEST))
    with connection:
        connection.execute(_attempts(connection), (newest,))


def _columns(connection: apsw.Connection, table: str) -> list[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?) WHERE name <> 'seq'", (table,))
    return [str(row[0]) for row in rows]


def _executions(connection: apsw.Connection) -> str:
    """Adds one execution each to every ``?3``-th schedule from the number ``?4`` to ``?5``, ``?2`` hours
    before ``?1``."""
    columns = _columns(connection, "executions")
    values = ", ".join(_CHANGED.get(column, f"p.{column}") for column in columns)
    return (
        "WITH numbers (number) AS (SELECT ?4 UNION ALL SELECT number + ?3 FROM numbers "
        "WHERE number + ?3 <= ?5) "
        f"INSERT INTO executions ({', '.join(columns)}) SELECT {values} "
        "FROM numbers CROSS JOIN schedules s ON s.id = printf('sch_%026d', number) CROSS JOIN prototypes p "
        f"ON p.status = iif((number + ?2) % {FAILED_EVERY}, 'succeeded', 'failed')"
    )


def _attempts(connection: apsw.Connection) -> str:
    """Adds the attempt of every execution that is newer than ``?1``."""
    columns = _columns(connection, "attempts")
    values = ", ".join(_ATTEMPTED.get(column, f"a.{column}") for column in columns)
    return (
        f"INSERT INTO attempts ({', '.join(columns)}) SELECT {values} "
        "FROM executions e CROSS JOIN prototypes p ON p.status = e.status "
        "CROSS JOIN executions o ON o.id = p.id CROSS JOIN attempts a ON a.execution = o.seq WHERE e.seq > ?1"
    )
