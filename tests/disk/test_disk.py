"""Every kind of transaction on a disk that fails in every way, and loses power: a sample of all trials.

``python -m tests.disk`` makes them all; ``make nightly-kill`` does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import apsw
import pytest
import structlog

from tests.disk.campaign import Campaign, Record
from tests.disk.faults import SECTOR, Disk, Fault, FaultVFS, How, PowerGone
from tests.planting import Plant

ROOT = Path(__file__).parents[2]
STRIDE = 101

# in which transaction it is looked for, and the fault
PLANTS = [
    (
        "create",
        Plant("commits are not synced", "local/database.py", '"synchronous", "FULL"', '"synchronous", "OFF"'),
    ),
    (
        "create",
        Plant(
            "an answer before the commit",
            "local/writer.py",
            "        signals = self._run_group(group)\n",
            "        self._on_settled(group)\n        signals = self._run_group(group)\n",
        ),
    ),
    (
        "create",
        Plant(
            "a transaction in two",
            "local/writer.py",
            "        while signals.commands:\n",
            '        self._connection.execute("COMMIT")\n'
            '        self._connection.execute("BEGIN IMMEDIATE")\n'
            "        while signals.commands:\n",
        ),
    ),
    (
        "create",
        Plant(
            "a failure that nobody is told",
            "local/writer.py",
            "            job.result, job.error = None, told\n",
            "            job.result, job.error = None, None\n",
        ),
    ),
    (
        "a migration",
        Plant(
            "a migration without a transaction",
            "local/database.py",
            "        with connection:\n",
            "        if True:\n",
        ),
    ),
    (
        "a backup",
        Plant(
            "a backup that is written in its place",
            "local/backup.py",
            '    unfinished = file.with_name(file.name + ".unfinished")\n',
            "    unfinished = file\n",
        ),
    ),
]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A sample of the trials, made."""
    configured = structlog.get_config()
    campaign = Campaign(tmp_path_factory.mktemp("campaign") / "all")
    made = Record()
    for number in range(campaign.subjects):
        campaign.run(number, made, stride=STRIDE)
    structlog.configure(**configured)
    return made


def test_whatever_fails_nothing_acknowledged_is_lost_and_nothing_is_left_half_done(record: Record) -> None:
    assert record.wrong == []


def test_the_sample_has_every_kind_of_fault_and_nearly_every_transaction(record: Record) -> None:
    assert record.trials > 400
    assert set(record.by_fault) == {how.value for how in How}
    assert len(record.by_subject) > 35


@pytest.mark.parametrize(
    ("where", "plant"), PLANTS, ids=[plant.name.replace(" ", "-") for _, plant in PLANTS]
)
def test_a_planted_fault_is_found(tmp_path: Path, where: str, plant: Plant) -> None:
    command = [sys.executable, "-m", "tests.disk", "--stride", "23", "--only", where]
    environment = {**plant.in_a_copy(tmp_path / "copy"), "TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert " wrong (" in ended.stdout
    assert " 0 wrong" not in ended.stdout


# --- the disk itself ---


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk()
    vfs = FaultVFS("failing", made)
    yield made
    vfs.unregister()


def database(directory: Path) -> apsw.Connection:
    connection = apsw.Connection(str(directory / "file"), vfs="failing")
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "OFF")
    connection.execute("CREATE TABLE t (n)")
    return connection


def numbers(directory: Path, disk: Disk, chance: Random | None) -> list[int] | None:
    """What a cut leaves in the table; None: no table."""
    left = directory / f"left {chance}"
    left.mkdir()
    disk.leave(left, chance)
    connection = apsw.Connection(str(left / "file"))
    try:
        return [int(row[0]) for row in connection.execute("SELECT n FROM t")]
    except apsw.SQLError:
        return None
    finally:
        connection.close()


def test_what_was_not_synced_is_lost_in_a_cut(tmp_path: Path, disk: Disk) -> None:
    connection = database(tmp_path)
    connection.execute("INSERT INTO t VALUES (1)")
    assert numbers(tmp_path, disk, None) is None
    connection.close()


def test_what_was_synced_survives(tmp_path: Path, disk: Disk) -> None:
    connection = database(tmp_path)
    connection.pragma("synchronous", "FULL")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.pragma("synchronous", "OFF")
    connection.execute("INSERT INTO t VALUES (2)")
    assert numbers(tmp_path, disk, None) == [1]
    connection.close()


def test_a_sync_that_lies_is_found_out(tmp_path: Path, disk: Disk) -> None:
    connection = database(tmp_path)
    connection.pragma("synchronous", "FULL")
    connection.execute("INSERT INTO t VALUES (1)")
    disk.arm(Fault(0, How.SYNC_LOST))
    with pytest.raises(apsw.IOError):
        connection.execute("INSERT INTO t VALUES (2)")
    disk.heal()
    connection.execute("INSERT INTO t VALUES (3)")
    assert numbers(tmp_path, disk, None) == [1, 3]
    connection.close()


def test_a_cut_may_tear_a_write_between_sectors(tmp_path: Path) -> None:
    disk = Disk()
    disk.opened("file")
    disk.synced("file")
    disk.wrote("file", 0, b"x" * 8 * SECTOR)
    seen = set()
    for seed in range(200):
        left = tmp_path / str(seed)
        left.mkdir()
        disk.leave(left, Random(seed))
        data = (left / "file").read_bytes()
        seen.add((len(data), data.count(b"x") // SECTOR))
    assert {(0, 0), (8 * SECTOR, 8)} < seen
    assert any(0 < whole < 8 for _, whole in seen)


def test_a_process_ends_with_the_power_whatever_it_catches(tmp_path: Path, disk: Disk) -> None:
    connection = database(tmp_path)
    disk.arm(Fault(1, How.POWER))
    with pytest.raises(PowerGone):
        connection.execute("INSERT INTO t VALUES (1)")
    disk.heal()
    assert disk.dead
    with pytest.raises(PowerGone):
        disk.meet("write")
    with suppress(PowerGone):
        connection.close()
