"""Opening the database: migrations, the lock, damage."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from rez_agent.domain.errors import Unavailable, Unsupported
from rez_agent.local.database import (
    DATABASE_FILE,
    LOCK_FILE,
    Savepoint,
    locked,
    migrate,
    open_reader,
    open_writer,
    quick_check,
)
from rez_agent.local.schema import MIGRATIONS
from tests.rig import Rig, told

SCHEMA_1 = (Path(__file__).parent / "schema_1.sql").read_text()

OLD_DATA = """
INSERT INTO schedules VALUES (1, 'sch_old', 'ann', 'report', 'active', 'cron(0 * * * ? *)', 'Europe/London',
    'web_action', 'target', 'from of old', '["a"]', NULL, NULL, '{"overlap":"queue"}',
    '{"target":"target"}', NULL, 1780300000000, 1780300000000,
    3, NULL, NULL, 1780315200000, 1780315200000, NULL, 0);
INSERT INTO schedule_tags VALUES ('a', 1);
INSERT INTO owners VALUES ('ann', 1);
INSERT INTO executions (id, schedule_id, owner, scheduled, status, cause, target_type, target, revision,
    created, due, expires, attempts, started, finished)
VALUES ('sch_old_20260601T110000Z', 'sch_old', 'ann', 1780311600000, 'succeeded', 'schedule', 'web_action',
    'target', 3, 1780311600000, 1780311600000, 1780315200000, 1, 1780311600010, 1780311600020);
INSERT INTO attempts (execution, number, started, finished, outcome, code)
VALUES (1, 1, 1780311600010, 1780311600020, 'succeeded', 'ok');
INSERT INTO messages VALUES (1, 'msg_old', 'completed', 'create', 'sch_old', 'ann', 0, 1780300000000,
    1780300000000, '{"action":"create","schedule":{}}', NULL, NULL, '{"revision":1}');
INSERT INTO records VALUES ('api_key', 'k', '{"name":"ann"}', NULL);
PRAGMA user_version = 1;
"""


def old_database(directory: Path) -> Path:
    """A database as the program with schema 1 left it."""
    file = directory / DATABASE_FILE
    connection = apsw.Connection(str(file))
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute(SCHEMA_1)
    connection.execute(OLD_DATA)
    connection.close()
    return file


# --- migrations ---


def test_old_data_opens_and_everything_in_it_is_there(tmp_path: Path) -> None:
    old_database(tmp_path)
    rig = Rig(tmp_path)
    schedule = rig.schedule("sch_old")
    assert (schedule.definition.name, schedule.definition.tags, schedule.revision) == ("report", ("a",), 3)
    assert schedule.definition.policies.overlap == "queue"
    assert told(rig.history("sch_old")) == [("11:00", "succeeded", None)]
    assert len(rig.ports.ledger.attempts("sch_old_20260601T110000Z")) == 1
    message = rig.ports.messages.get("msg_old")
    assert message is not None
    assert message.result == {"revision": 1}
    assert rig.ports.records.get("api_key", "k", rig.clock.now()) is not None
    rig.close()


def test_old_data_goes_on_where_it_stopped(tmp_path: Path) -> None:
    old_database(tmp_path)
    rig = Rig(tmp_path)
    rig.tick()
    assert rig.work() == ["sch_old_20260601T120000Z"]
    rig.close()


def test_a_migration_keeps_the_data_and_is_run_once(tmp_path: Path) -> None:
    file = old_database(tmp_path)
    added = (*MIGRATIONS, "ALTER TABLE schedules ADD COLUMN colour TEXT; UPDATE schedules SET colour = 'red'")
    for _ in range(2):
        connection = open_writer(file, migrations=added)
        assert connection.pragma("user_version") == len(added)
        assert connection.execute("SELECT id, colour FROM schedules").fetchall() == [("sch_old", "red")]
        connection.close()


def test_a_migration_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    file = old_database(tmp_path)
    broken = (*MIGRATIONS, "DROP TABLE attempts; INSERT INTO nowhere VALUES (1)")
    with pytest.raises(apsw.SQLError):
        open_writer(file, migrations=broken)
    connection = open_writer(file)
    assert connection.pragma("user_version") == len(MIGRATIONS)
    assert connection.execute("SELECT count(*) FROM attempts").fetchall() == [(1,)]


def test_a_newer_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / DATABASE_FILE)
    connection.pragma("user_version", len(MIGRATIONS) + 1)
    connection.close()
    with pytest.raises(Unsupported) as refused:
        open_writer(tmp_path / DATABASE_FILE)
    assert refused.value.code == "newer_database"
    assert str(len(MIGRATIONS) + 1) in refused.value.message


def test_a_new_file_is_at_the_newest_schema_and_durable(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / DATABASE_FILE)
    assert connection.pragma("user_version") == len(MIGRATIONS)
    assert (connection.pragma("journal_mode"), connection.pragma("synchronous")) == ("wal", 2)
    migrate(connection)


def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    with locked(tmp_path / "data"):
        open_writer(tmp_path / "data" / DATABASE_FILE).close()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    open_writer(tmp_path / DATABASE_FILE).close()
    with pytest.raises(apsw.ReadOnlyError):
        open_reader(tmp_path / DATABASE_FILE).execute("DELETE FROM schedules")


# --- the lock ---

HOLD = """
import sys
from pathlib import Path
from rez_agent.local.database import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the directory."""
    command = [sys.executable, "-c", HOLD, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_holds_the_directory(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        with pytest.raises(Unavailable) as refused, locked(tmp_path):
            pass
        assert refused.value.code == "data_dir_locked"
        assert str(holder.pid) in refused.value.message


def test_the_lock_goes_with_the_process_however_that_ends(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with locked(tmp_path):
            assert (tmp_path / LOCK_FILE).read_text() == str(os.getpid())


def test_the_lock_can_be_taken_again_once_it_was_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "new" / "deep"):
            pass


# --- damage ---


def test_a_whole_database_has_nothing_to_tell(tmp_path: Path) -> None:
    old_database(tmp_path)
    assert quick_check(open_writer(tmp_path / DATABASE_FILE)) == []


def test_a_flipped_page_is_found(tmp_path: Path) -> None:
    file = old_database(tmp_path)
    connection = open_writer(file)
    rows = ",".join(f"('k{n}', '{'x' * 300}')" for n in range(200))
    connection.execute(
        f"INSERT INTO records (kind, key, value) SELECT 'x', column1, column2 FROM (VALUES {rows})"
    )
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'records'")
    ((size,),) = connection.execute("PRAGMA page_size")
    connection.close()
    data = bytearray(file.read_bytes())
    data[(page - 1) * size : page * size] = bytes(
        255 - byte for byte in data[(page - 1) * size : page * size]
    )
    file.write_bytes(data)
    assert quick_check(open_reader(file)) != []


# --- savepoints ---


def test_what_raises_inside_a_savepoint_leaves_nothing_and_the_transaction_goes_on(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / DATABASE_FILE)
    inside = Savepoint(connection, "inside")

    def fail() -> None:
        with inside:
            connection.execute("INSERT INTO owners VALUES ('b', 1)")
            raise ValueError("no")

    connection.execute("BEGIN")
    with inside:
        connection.execute("INSERT INTO owners VALUES ('a', 1)")
    with pytest.raises(ValueError, match="no"):
        fail()
    connection.execute("COMMIT")
    assert connection.execute("SELECT owner FROM owners").fetchall() == [("a",)]


def test_a_savepoint_whose_transaction_is_lost_passes_the_reason_on(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / DATABASE_FILE)

    def fail() -> None:
        with Savepoint(connection, "inside"):
            connection.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
            raise apsw.FullError("disk")

    connection.execute("BEGIN")
    with pytest.raises(apsw.FullError, match="disk"):
        fail()
