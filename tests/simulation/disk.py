"""A disk that can be crashed: SQLite's real files, in memory, through a VFS that knows what was synced.

When the process is killed the operating system keeps what was written. When the power goes, each write since
the last sync of its file is there, or is not, or is there in part, as chance has it: later ones may survive
earlier ones. A write can also be refused, as by a disk that is full.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import apsw

from rez_agent.local.database import DATABASE_FILE, open_reader, open_writer

VFS = "simulated"
SECTOR = 512


@dataclass(slots=True)
class Written:
    """A write that no sync has made durable."""

    path: str
    offset: int
    data: bytes
    before: bytes
    size_before: int


class Disk:
    """A data directory. ``syncs``: whether a sync makes anything durable (without is a planted fault)."""

    def __init__(
        self,
        directory: Path,
        chance: Random,
        *,
        syncs: bool = True,
        on_refusal: Callable[[], None] = lambda: None,
    ) -> None:
        self.directory = directory
        self.dead = False
        self.writes = 0
        self.fails_until = 0
        """Writes are refused up to this one."""
        self.dies_at: int | None = None
        """The power goes, or the process is killed, at this write."""
        self._syncs = syncs
        self._on_refusal = on_refusal
        self._chance = chance
        self._unsynced: list[Written] = []

    @property
    def database(self) -> Path:
        """The file."""
        return self.directory / DATABASE_FILE

    def open(self) -> apsw.Connection:
        """The writer's connection, opened as the program opens it."""
        _vfs().disk = self
        return open_writer(self.database, vfs=VFS)

    def open_reading(self) -> apsw.Connection:
        """A reader's."""
        _vfs().disk = self
        return open_reader(self.database, vfs=VFS)

    # --- what the files ask ---

    def refuses(self) -> bool:
        """Whether a write is refused; dies where it is time to."""
        self.writes += 1
        if self.dies_at is not None and self.writes >= self.dies_at:
            self.dead = True
        refused = self.writes <= self.fails_until
        if refused and not self.dead:
            self._on_refusal()
        return self.dead or refused

    def written(self, written: Written) -> None:
        """Something was written."""
        self._unsynced.append(written)

    def synced(self, path: str) -> None:
        """A file is durable."""
        if self._syncs:
            self._unsynced = [each for each in self._unsynced if each.path != path]

    # --- the end of a process ---

    def lose(self, *, power: bool) -> None:
        """The process is gone, and with ``power`` the machine too: what no sync has made durable is left to
        chance. The next process starts on what is left."""
        if power:
            self._lose_unsynced()
        self._unsynced = []
        self.dead, self.dies_at, self.fails_until = False, None, 0
        shared = Path(f"{self.database}-shm")
        shared.unlink(missing_ok=True)

    def _lose_unsynced(self) -> None:
        self._unsynced = [each for each in self._unsynced if Path(each.path).exists()]
        for written in reversed(self._unsynced):
            with Path(written.path).open("r+b") as file:
                file.seek(written.offset)
                file.write(written.before)
                file.truncate(written.size_before)
        for written in self._unsynced:
            kept = self._chance.choice((0, 0, len(written.data), self._sectors(len(written.data))))
            if kept:
                with Path(written.path).open("r+b") as file:
                    file.seek(written.offset)
                    file.write(written.data[:kept])

    def _sectors(self, size: int) -> int:
        return min(size, SECTOR * self._chance.randrange(size // SECTOR + 1))


class _File(apsw.VFSFile):  # type: ignore[misc,unused-ignore]
    """A real file whose writes the disk hears of."""

    def __init__(self, disk: Disk, name: str, filename: apsw.URIFilename | str, flags: list[int]) -> None:
        super().__init__("", filename, flags)
        self._disk = disk
        self._name = name

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        if self._disk.refuses():
            raise apsw.IOError if self._disk.dead else apsw.FullError
        size = self.xFileSize()
        before = self.xRead(min(len(data), size - offset), offset) if offset < size else b""
        super().xWrite(data, offset)
        self._disk.written(Written(self._name, offset, data, before, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.refuses():
            raise apsw.IOError
        self._disk.synced(self._name)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        if self._disk.dead:
            raise apsw.IOError
        super().xTruncate(size)
        self._disk.synced(self._name)


class _Vfs(apsw.VFS):  # type: ignore[misc,unused-ignore]
    """The files of whichever disk is in use: a process of the machine plays one story at a time."""

    def __init__(self) -> None:
        super().__init__(VFS, "")
        self.disk: Disk | None = None

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or self.disk is None:
            return super().xOpen(name, flags)
        return _File(self.disk, os.fspath(path), path if name is None else name, flags)


_registered: list[_Vfs] = []


def _vfs() -> _Vfs:
    if not _registered:
        _registered.append(_Vfs())
    return _registered[0]
