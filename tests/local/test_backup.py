"""Backup and restore."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rez_agent.domain.errors import Conflict, Invalid, NotFound, Unavailable
from rez_agent.local.backup import PAGES_AT_ONCE, backup, restore
from rez_agent.local.database import DATABASE_FILE, locked, open_reader, open_writer, quick_check
from rez_agent.local.schema import MIGRATIONS
from tests.rig import Rig, schedule_of


def filled(directory: Path, count: int = 20) -> Path:
    """A data directory with ``count`` schedules."""
    directory.mkdir(exist_ok=True)
    rig = Rig(directory)
    rig.add(*(schedule_of(f"s{number}") for number in range(count)))
    rig.close()
    return directory


def count(file: Path) -> int:
    reader = open_reader(file)
    try:
        ((number,),) = reader.execute("SELECT count(*) FROM schedules")
        return int(number)
    finally:
        reader.close()


def test_a_backup_restored_elsewhere_holds_everything(tmp_path: Path) -> None:
    data = filled(tmp_path / "data")
    backup(data, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "other")
    rig = Rig(tmp_path / "other")
    assert rig.ports.schedules.living("ann") == 20
    assert quick_check(rig.connection) == []
    rig.close()


def test_a_backup_is_one_file_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    data = filled(tmp_path / "data")
    (tmp_path / "backups").mkdir()
    backup(data, tmp_path / "backups" / "copy")
    assert [file.name for file in (tmp_path / "backups").iterdir()] == ["copy"]
    assert stat.S_IMODE((tmp_path / "backups" / "copy").stat().st_mode) == 0o600


def test_a_backup_may_be_taken_while_the_server_writes_and_is_of_one_moment(tmp_path: Path) -> None:
    data = filled(tmp_path / "data", 0)
    connection = open_writer(data / DATABASE_FILE)
    connection.execute("CREATE TABLE filling (n INTEGER, data BLOB)")
    connection.execute(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?) "
        "INSERT INTO filling SELECT n, zeroblob(4000) FROM n",
        (3 * PAGES_AT_ONCE,),
    )
    steps = 0

    def write(_done: int, _all: int) -> None:
        nonlocal steps
        steps += 1
        assert steps < 50, "the backup begins anew at every write"
        connection.execute("INSERT INTO filling VALUES (-1, zeroblob(4000))")

    backup(data, tmp_path / "copy", write)
    assert steps >= 3
    reader = open_reader(tmp_path / "copy")
    assert quick_check(reader) == []
    ((late,),) = reader.execute("SELECT count(*) FROM filling WHERE n < 0")
    assert late == 0
    reader.close()
    connection.close()


def test_what_is_still_in_the_log_is_in_the_backup(tmp_path: Path) -> None:
    data = filled(tmp_path / "data", 0)
    rig = Rig(data)
    rig.add(schedule_of("late"))
    backup(data, tmp_path / "copy")
    rig.close()
    assert count(tmp_path / "copy") == 1


def test_a_backup_never_overwrites(tmp_path: Path) -> None:
    data = filled(tmp_path / "data")
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(Conflict) as refused:
        backup(data, tmp_path / "copy")
    assert refused.value.code == "file_exists"
    assert (tmp_path / "copy").read_text() == "precious"


def test_there_is_nothing_to_back_up_where_there_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refused:
        backup(tmp_path, tmp_path / "copy")
    assert refused.value.code == "no_database"


def test_a_directory_that_a_server_owns_is_refused(tmp_path: Path) -> None:
    backup(filled(tmp_path / "data"), tmp_path / "copy")
    with locked(tmp_path / "other"), pytest.raises(Unavailable) as refused:
        restore(tmp_path / "copy", tmp_path / "other", force=True)
    assert refused.value.code == "data_dir_locked"


def test_a_directory_that_holds_a_database_is_refused_unless_forced(tmp_path: Path) -> None:
    backup(filled(tmp_path / "data"), tmp_path / "copy")
    other = filled(tmp_path / "other", 3)
    with pytest.raises(Conflict) as refused:
        restore(tmp_path / "copy", other)
    assert refused.value.code == "database_exists"
    assert count(other / DATABASE_FILE) == 3
    restore(tmp_path / "copy", other, force=True)
    assert count(other / DATABASE_FILE) == 20


def test_the_log_of_the_database_before_is_not_taken_for_the_new_ones(tmp_path: Path) -> None:
    backup(filled(tmp_path / "data"), tmp_path / "copy")
    other = filled(tmp_path / "other", 3)
    wal = (other / DATABASE_FILE).with_name(DATABASE_FILE + "-wal")
    crashed = Rig(other)  # never closed in order: its log stays
    crashed.add(schedule_of("in the log"))
    log = wal.read_bytes()
    crashed.close()
    wal.write_bytes(log)
    restore(tmp_path / "copy", other, force=True)
    rig = Rig(other)
    assert rig.ports.schedules.living("ann") == 20
    assert quick_check(rig.connection) == []
    rig.close()


def test_a_restore_leaves_the_backup_and_what_lies_beside_it_alone(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    backup(filled(tmp_path / "data"), tmp_path / "backups" / "copy")
    before = (tmp_path / "backups" / "copy").read_bytes()
    restore(tmp_path / "backups" / "copy", tmp_path / "other")
    assert [file.name for file in (tmp_path / "backups").iterdir()] == ["copy"]
    assert (tmp_path / "backups" / "copy").read_bytes() == before


def flipped(data: bytes) -> bytes:
    """With every other page of it inverted."""
    pages = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    return b"".join(page if n % 2 == 0 else bytes(255 - b for b in page) for n, page in enumerate(pages))


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "flipped", "foreign", "newer"])
def test_what_is_no_whole_backup_is_refused_and_nothing_is_replaced(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "copy"
    backup(filled(tmp_path / "data", 100), file)
    data = file.read_bytes()
    match kind:
        case "text":
            file.write_text("this is no database, though it is a file of some length\n" * 100)
        case "empty":
            file.write_bytes(b"")
        case "cut":
            file.write_bytes(data[: len(data) // 2])
        case "flipped":
            file.write_bytes(flipped(data))
        case _:
            connection = open_writer(file)
            connection.pragma("user_version", 0 if kind == "foreign" else len(MIGRATIONS) + 1)
            connection.close()
    other = filled(tmp_path / "other", 3)
    with pytest.raises(Invalid) as refused:
        restore(file, other, force=True)
    assert refused.value.code == "invalid_backup"
    assert count(other / DATABASE_FILE) == 3
    assert not list(other.glob("*.unfinished*"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refused:
        restore(tmp_path / "copy", tmp_path / "other")
    assert refused.value.code == "no_backup"


def test_progress_is_told_in_pages(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    backup(filled(tmp_path / "data"), tmp_path / "copy", lambda done, all_: told.append((done, all_)))
    done, all_ = told[-1]
    assert done == all_ > 0
