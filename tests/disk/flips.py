"""Bits that flip in a database at rest, and what becomes of each: told, unused, or believed."""

from __future__ import annotations

import shutil
from collections import Counter
from enum import StrEnum
from pathlib import Path
from random import Random

import apsw

from rez_agent.domain.errors import RezError
from rez_agent.local.checksums import has_checksums, verify
from rez_agent.local.database import DATABASE_FILE, open_reader, open_writer, quick_check
from tests.disk.trials import Contents, contents
from tests.disk.world import make_world
from tests.fakes import FakeClock, FakeRandom
from tests.rig import Rig


class Fate(StrEnum):
    """What became of a flip."""

    AT_START = "told at the start"
    AT_READ = "told when it was read"
    UNUSED = "in bytes that nothing uses"
    BELIEVED = "believed"


def grown_world(directory: Path, *, checksums: bool) -> Path:
    """The database of the world, and more of everything; its file."""
    directory.mkdir(parents=True)
    make_world(directory)
    rig = Rig(directory, FakeClock(), FakeRandom(3))
    rig.clock.advance(hours=2)
    for number in range(200):
        rig.create(f"more-{number}", tags=["more"], description="said " * 20)
    rig.clock.advance(hours=1)
    rig.tick_all()
    rig.work()
    rig.close()
    open_writer(directory / DATABASE_FILE, checksums=checksums).close()
    return directory / DATABASE_FILE


def fates(database: Path, directory: Path, *, flips: int, seed: int) -> Counter[Fate]:
    """Flip one bit at a time, anywhere, and open the file as the program does."""
    drawn = Random(seed)
    if has_checksums(database):
        verify()
    whole = _read(database)
    data = database.read_bytes()
    counts: Counter[Fate] = Counter()
    for _ in range(flips):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        flipped = bytearray(data)
        flipped[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
        (directory / DATABASE_FILE).write_bytes(flipped)
        counts[_fate(directory / DATABASE_FILE, whole)] += 1
    return counts


def _read(database: Path) -> Contents:
    reader = open_reader(database)
    try:
        return contents(reader)
    finally:
        reader.close()


def _fate(database: Path, whole: Contents) -> Fate:
    try:
        connection = open_writer(database)
    except (apsw.Error, RezError):
        return Fate.AT_START
    try:
        if quick_check(connection):
            return Fate.AT_START
        found = contents(connection)
    except (apsw.Error, UnicodeDecodeError):
        return Fate.AT_READ
    finally:
        connection.close()
    return Fate.UNUSED if found == whole else Fate.BELIEVED
