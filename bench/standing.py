"""A data directory in which many schedules stand, none of them due soon."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
from tests.e2e.program import Program, web_action

from rez_agent.local.database import DATABASE_FILE, open_writer

SLICE = 100_000
RARE, PAUSED = 10_000, 1_000
"""One in so many is tagged ``rare``, or paused."""

ONCE, YEARLY = "at(2100-01-01T00:00:00)", "cron(0 12 1 1 ? 2100-2199)"
TARGET = "https://example.com/standing"

_PROTOTYPES = {
    "once": web_action("once", ONCE, TARGET, tags=["standing"]),
    "yearly": web_action("yearly", YEARLY, TARGET, tags=["standing", "yearly"]),
    "rare": web_action("rare", ONCE, TARGET, tags=["standing", "rare"]),
    "paused": web_action("paused", YEARLY, TARGET, tags=["standing"]),
}
_CHANGED = {
    "id": "printf('sch_%026d', number)",
    "name": "printf('standing-%07d', number)",
    "expression": "iif(p.name IN ('once', 'rare'), "
    "strftime('at(%Y-%m-%dT%H:%M:%S)', p.next_run / 1000 + number, 'unixepoch'), p.expression)",
    "next_run": "iif(p.name IN ('once', 'rare'), p.next_run + number * 1000, p.next_run)",
    "wake_at": "iif(p.name IN ('once', 'rare'), p.wake_at + number * 1000, p.wake_at)",
}
"""What differs from the prototype ``p`` in the copy with this number. Those due once have a second each."""

_NUMBERS = """
WITH numbers (number) AS (
    SELECT ?1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?2
)
"""
_WHICH = f"""
CASE WHEN number % {RARE} = 0 THEN 'rare' WHEN number % {PAUSED} = 1 THEN 'paused'
    WHEN number % 3 = 0 THEN 'yearly' ELSE 'once' END
"""
_TAGS = """
INSERT INTO schedule_tags SELECT t.value, s.seq FROM schedules s, json_each(s.tags) t
WHERE s.name >= 'standing-' AND s.name < 'standing-:' ORDER BY t.value, s.seq
"""
_OWNED = "UPDATE owners SET living = (SELECT count(*) FROM schedules WHERE schedules.owner = owners.owner)"


@contextmanager
def standing(number: int) -> Iterator[Path]:
    """The data directory, thrown away afterwards: ``number`` copies of four schedules made by the API."""
    with tempfile.TemporaryDirectory() as directory:
        data_dir = Path(directory, "data")
        if number:
            with Program(data_dir) as server:
                _create_prototypes(server)
                server.terminate()
            _copy(data_dir / DATABASE_FILE, number)
        yield data_dir


def _create_prototypes(server: Program) -> None:
    for definition in _PROTOTYPES.values():
        answer = server.post("/api/schedules", definition, {"Prefer": "wait=10"})
        assert answer.status == 201, answer.body
        if definition["name"] == "paused":
            paused = server.post(
                f"/api/schedules/{answer.body['schedule_id']}/pause", {}, {"Prefer": "wait=10"}
            )
            assert paused.status == 200, paused.body


def _copy(database: Path, number: int) -> None:
    connection = open_writer(database)
    try:
        connection.pragma("synchronous", "OFF")
        connection.execute("CREATE TEMP TABLE prototypes AS SELECT * FROM schedules")
        for first in range(1, number + 1, SLICE):
            with connection:
                connection.execute(_copies(connection), (first, min(first + SLICE - 1, number)))
        with connection:
            connection.execute(_TAGS)
            connection.execute(_OWNED)
        connection.pragma("wal_checkpoint", "TRUNCATE")
    finally:
        connection.close()


def _copies(connection: apsw.Connection) -> str:
    """The statement that copies prototypes, whatever columns the table has."""
    rows = connection.execute("SELECT name FROM pragma_table_info('schedules') WHERE name <> 'seq'")
    columns = [str(row[0]) for row in rows]
    values = ", ".join(_CHANGED.get(column, f"p.{column}") for column in columns)
    return (
        f"INSERT INTO schedules ({', '.join(columns)}) {_NUMBERS} "
        f"SELECT {values} FROM numbers CROSS JOIN prototypes p ON p.name = {_WHICH}"
    )
