"""What a caller is told when the disk fails, and what the host makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.errors import Unavailable
from rez_agent.local.backup import backup
from rez_agent.local.database import open_reader
from rez_agent.ports import Ports
from rez_agent.usecases.idempotency import Keyed, once
from tests.disk.faults import Disk, Fault, FaultVFS, How
from tests.local.test_host import Running
from tests.rig import Rig, schedule_of


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    vfs = FaultVFS("failing", made)
    yield made
    vfs.unregister()


@pytest.fixture
def rig(tmp_path: Path, disk: Disk) -> Iterator[Rig]:
    host = Rig(tmp_path, vfs="failing")
    host.create()
    yield host
    disk.heal()
    host.close()


def refusal(rig: Rig) -> Unavailable:
    with pytest.raises(Unavailable) as refused:
        rig.create("another")
    return refused.value


def test_a_write_that_fails_is_told_as_not_done_with_the_way_out(rig: Rig, disk: Disk) -> None:
    disk.arm(Fault(0, How.FULL_ONCE))
    told = refusal(rig)
    assert told.code == "storage_unavailable"
    assert "Nothing was changed" in told.message
    assert "Free disk space" in told.message


def last_sync(rig: Rig, disk: Disk) -> None:
    """The sync of a commit fails, once."""
    disk.arm(Fault(0, How.SYNC_LOST))


def test_a_commit_that_fails_is_not_told_as_certain(rig: Rig, disk: Disk) -> None:
    last_sync(rig, disk)
    assert "unless the server dies before it can write again" in refusal(rig).message


def test_what_was_refused_in_a_commit_counts_if_the_next_process_finds_it(
    rig: Rig, disk: Disk, tmp_path: Path
) -> None:
    """All of it had reached the cache, and the process was killed: the request may be sent again, and meets
    what its key led to."""
    key = Keyed("ann", "key", "print")
    made = []

    def create(ports: Ports) -> dict[str, Any]:
        made.append(1)
        ports.schedules.add(schedule_of("another"))
        return {"schedule_id": "sch_another"}

    last_sync(rig, disk)
    with pytest.raises(Unavailable):
        rig.do(lambda ports: once(ports, key, create))
    assert rig.ports.schedules.get("sch_another") is None
    (tmp_path / "killed").mkdir()
    for name in ("rez.sqlite", "rez.sqlite-wal"):
        (tmp_path / "killed" / name).write_bytes((tmp_path / name).read_bytes())

    next_process = Rig(tmp_path / "killed")
    assert next_process.ports.schedules.get("sch_another") is not None
    again = next_process.do(lambda ports: once(ports, key, create))
    assert (again.value, again.replayed) == ({"schedule_id": "sch_another"}, True)
    assert len(made) == 1
    next_process.close()


def test_what_was_refused_in_a_commit_is_gone_once_anything_else_was_written(
    rig: Rig, disk: Disk, tmp_path: Path
) -> None:
    last_sync(rig, disk)
    refusal(rig)
    disk.heal()
    rig.create("third")
    (tmp_path / "left").mkdir()
    disk.leave(tmp_path / "left", None)
    next_process = Rig(tmp_path / "left")
    named = next_process.ports.schedules.named
    assert (named("ann", "another"), named("ann", "third") is not None) == (None, True)
    next_process.close()


def test_a_read_that_fails_is_told_as_such_and_the_next_one_succeeds(tmp_path: Path, disk: Disk) -> None:
    async def story() -> None:
        rig = Rig(tmp_path)
        rig.create()
        running = Running(rig, open_ports=lambda: rig.ports_over(open_reader(rig.database, vfs="failing")))
        await running.host.start()
        disk.arm(Fault(0, How.READ_ONCE))
        with pytest.raises(Unavailable) as refused:
            await running.host.read(lambda ports: ports.schedules.named("ann", "report"))
        assert refused.value.code == "storage_unavailable"
        assert await running.host.read(lambda ports: ports.schedules.named("ann", "report"))
        assert running.host.health()["status"] == "ok"
        await running.host.stop(0)
        rig.close()

    asyncio.run(story())


def damage_schedules(rig: Rig) -> None:
    """Overwrite the first page of the table in the file, behind the connection's back."""
    ((root,),) = rig.connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'schedules'")
    with rig.database.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)


def test_damage_that_is_met_fails_the_request_and_health(tmp_path: Path) -> None:
    async def story() -> None:
        rig = Rig(tmp_path)
        rig.add(*(schedule_of(f"s{number}") for number in range(200)))
        rig.connection.wal_checkpoint()
        damage_schedules(rig)
        running = Running(rig)
        await running.host.start()
        with pytest.raises(Unavailable) as refused:
            await running.host.read(lambda ports: ports.schedules.get("sch_s150"))
        assert refused.value.code == "database_damaged"
        assert running.host.health()["status"] == "failing"
        await running.host.stop(0)
        rig.close()

    asyncio.run(story())


def test_damage_that_a_write_meets_is_told_alike(tmp_path: Path) -> None:
    async def story() -> None:
        rig = Rig(tmp_path)
        rig.add(*(schedule_of(f"s{number}") for number in range(200)))
        rig.close()
        rig = Rig(tmp_path)
        damage_schedules(rig)
        running = Running(rig)
        await running.host.start()
        with pytest.raises(Unavailable) as refused:
            await running.create("another")
        assert refused.value.code == "database_damaged"
        assert running.host.health()["status"] == "failing"
        await running.host.stop(0)
        rig.close()

    asyncio.run(story())


@pytest.mark.parametrize("how", [How.FULL, How.FOREVER, How.READ_FOREVER])
def test_a_backup_that_the_disk_refuses_says_so_and_leaves_nothing(tmp_path: Path, how: How) -> None:
    rig = Rig(tmp_path)
    rig.create()
    rig.close()
    failing = Disk()
    vfs = FaultVFS("failing", failing, makedefault=True)
    try:
        failing.arm(Fault(2, how))
        with pytest.raises(Unavailable) as refused:
            backup(tmp_path, tmp_path / "copy")
    finally:
        failing.heal()
        vfs.unregister()
    assert refused.value.code == "storage_unavailable"
    assert not list(tmp_path.glob("copy*"))
