"""A disk that fails when it is told to, and that can lose power: a VFS of SQLite over real files.

It keeps account of what would survive: what was written and not yet synced is *pending*, and a power cut
keeps any part of it. So it sees what ``kill -9`` never can: an answer that was given before its data were on
the disk.

The model is a disk of 512-byte sectors behind a cache that writes in any order. A write of several sectors
may be torn between them, and a sector under way may hold anything; a sector that nobody was writing is never
harmed. A new file's name is durable once the file was synced, a deletion when SQLite asked for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random

import apsw

SECTOR = 512
UNIX = "unix"
"""The VFS below."""


class How(StrEnum):
    """How the disk fails, from the call of number ``at`` on."""

    ONCE = "once"
    FOREVER = "forever"
    FULL_ONCE = "full_once"
    FULL = "full"
    SHORT = "short"
    """Half of a write, then the disk is full for good."""
    SYNC_LOST = "sync_lost"
    """A sync fails once, and what it should have kept is gone from the cache: the next one succeeds."""
    READ_ONCE = "read_once"
    READ_FOREVER = "read_forever"
    POWER = "power"


ONE_TIME = frozenset({How.ONCE, How.FULL_ONCE, How.SYNC_LOST, How.READ_ONCE})
OF_READS = frozenset({How.READ_ONCE, How.READ_FOREVER})
_FULL = frozenset({How.FULL_ONCE, How.FULL, How.SHORT})

_IOERR = {
    "open": apsw.SQLITE_CANTOPEN,
    "delete": apsw.SQLITE_IOERR_DELETE,
    "read": apsw.SQLITE_IOERR_READ,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "write": apsw.SQLITE_IOERR_WRITE,
}


class PowerGone(BaseException):
    """The process has ended in the middle of a call: nothing in it may go on by catching this."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The ``at``-th call (from 0) that changes the disk, or that reads where ``how`` is of reads, fails."""

    at: int
    how: How


@dataclass(frozen=True, slots=True)
class _Change:
    """A write at an offset, or, where ``data`` is None, a new length."""

    offset: int
    data: bytes | None


@dataclass(slots=True)
class _File:
    """What of a file is on the disk for certain, and what may be. ``named``: its name is."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)
    named: bool = False


class Disk:
    """What the files of one VFS hold durably, which call fails, and whether it has."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._fault: Fault | None = None
        self._calls = 0
        self.fired = False
        self.dead = False

    def holds(self, path: Path) -> None:
        """The file is there, and durable as it is."""
        self._files[path.name] = _File(bytearray(path.read_bytes()), named=True)

    def arm(self, fault: Fault) -> None:
        """Count from here."""
        self._fault, self._calls, self.fired = fault, 0, False

    def heal(self) -> None:
        """Nothing fails any more; a cut of the power stays one."""
        self._fault = None

    @property
    def loses_what_it_fails_to_sync(self) -> bool:
        """Whether what could not be synced leaves the cache."""
        return self._fault is not None and self._fault.how is How.SYNC_LOST

    # --- the calls ---

    def meet(self, kind: str) -> How | None:
        """A call is made. Raises what it must; SHORT for a write that must be cut short, POWER for the call
        in which the power went."""
        if self.dead:
            raise PowerGone
        fault = self._fault
        if fault is None or (kind == "read") != (fault.how in OF_READS):
            return None
        if fault.how is How.SYNC_LOST and kind != "sync":
            return None
        number, self._calls = self._calls, self._calls + 1
        if number < fault.at or (number > fault.at and fault.how in ONE_TIME):
            return None
        self.fired = True
        if fault.how is How.POWER:
            self.dead = True
            return How.POWER
        if fault.how is How.SHORT and kind == "write" and number == fault.at:
            return How.SHORT
        raise self._error(kind, fault.how)

    def _error(self, kind: str, how: How) -> Exception:
        if how in _FULL and kind in ("write", "open"):
            return apsw.FullError("no space left")
        error = apsw.exception_for(_IOERR[kind])
        return error if isinstance(error, Exception) else apsw.IOError(kind)

    def opened(self, name: str) -> None:
        """A file is open, and made if there was none."""
        self._files.setdefault(name, _File())

    def wrote(self, name: str, offset: int, data: bytes) -> None:
        """Written, not synced."""
        self._files.setdefault(name, _File()).pending.append(_Change(offset, data))

    def cut(self, name: str, length: int) -> None:
        """A new length, not synced."""
        self._files.setdefault(name, _File()).pending.append(_Change(length, None))

    def synced(self, name: str) -> None:
        """All of the file is durable."""
        file = self._files.setdefault(name, _File())
        for change in file.pending:
            _apply(file.durable, change)
        file.pending.clear()
        file.named = True

    def forgot(self, name: str) -> None:
        """What was pending will never reach the disk."""
        self._files.setdefault(name, _File()).pending.clear()

    def deleted(self, name: str) -> None:
        """The name is gone, durably: SQLite asks for that where it matters."""
        self._files.pop(name, None)

    def follow(self, directory: Path, *, renamed: bool) -> None:
        """What was deleted in ``directory`` past SQLite, and, where that is so, ``renamed`` from unfinished
        to finished, and made durable."""
        for name in [name for name in self._files if not (directory / name).exists()]:
            file = self._files.pop(name)
            if renamed and name.endswith(".unfinished"):
                self._files[name.removesuffix(".unfinished")] = file

    # --- what a cut of the power leaves ---

    def leave(self, directory: Path, chance: Random | None) -> None:
        """Write what is on the disk after the cut into ``directory``. ``chance`` decides what of the pending
        is among it; None: nothing is."""
        for name, file in self._files.items():
            if not file.named and (chance is None or chance.random() < 0.5):
                continue
            data = bytearray(file.durable)
            keep = 0.0 if chance is None else chance.choice((0.0, 0.5, 0.9, 1.0))
            for change in file.pending:
                if chance is not None and chance.random() < keep:
                    _apply(data, _torn(change, data, chance))
            (directory / name).write_bytes(data)


def _apply(data: bytearray, change: _Change) -> None:
    if change.data is None:
        del data[change.offset :]
        data.extend(bytes(change.offset - len(data)))
        return
    if len(data) < change.offset:
        data.extend(bytes(change.offset - len(data)))
    data[change.offset : change.offset + len(change.data)] = change.data


def _torn(change: _Change, present: bytearray, chance: Random) -> _Change:
    """The change as it may have arrived: whole, or with sectors of it missing or holding anything."""
    if change.data is None or chance.random() < 0.7:
        return change
    data = bytearray(change.data)
    for start in range(0, len(data), SECTOR):
        end = min(start + SECTOR, len(data))
        drawn = chance.random()
        if drawn < 0.3:
            old = bytes(present[change.offset + start : change.offset + end])
            data[start:end] = old + bytes(end - start - len(old))
        elif drawn < 0.4:
            data[start:end] = chance.randbytes(end - start)
    return _Change(change.offset, bytes(data))


class FaultVFS(apsw.VFS):
    """The VFS ``name`` over the real files, for one :class:`Disk`. Register it while it is needed."""

    def __init__(self, name: str, disk: Disk, *, makedefault: bool = False) -> None:
        self._disk = disk
        super().__init__(name, UNIX, makedefault=makedefault)

    @contextmanager
    def using(self, disk: Disk) -> Iterator[None]:
        """Files that are opened meanwhile are on that one."""
        before, self._disk = self._disk, disk
        try:
            yield
        finally:
            self._disk = before

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> FaultFile:
        """Open, unless that fails. The name of what is temporary is None; nothing here is."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        assert path is not None
        return FaultFile(self._disk, name, path, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete, unless that fails."""
        if self._disk.meet("delete") is How.POWER:
            raise PowerGone
        super().xDelete(filename, syncdir)
        self._disk.deleted(Path(filename).name)


class FaultFile(apsw.VFSFile):
    """A file of the failing disk."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, path: str, flags: list[int]) -> None:
        self._disk = disk
        self._name = Path(path).name
        if disk.meet("open") is How.POWER:
            raise PowerGone
        super().__init__(UNIX, name, flags)
        disk.opened(self._name)

    def xRead(self, amount: int, offset: int) -> bytes:
        """Read, unless that fails."""
        self._disk.meet("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        """Write, all or half or nothing."""
        met = self._disk.meet("write")
        data = bytes(data)[: len(data) // 2] if met is How.SHORT else bytes(data)
        self._disk.wrote(self._name, offset, data)
        if met is How.POWER:
            raise PowerGone
        super().xWrite(data, offset)
        if met is How.SHORT:
            raise apsw.FullError("no space left")

    def xTruncate(self, newsize: int) -> None:
        """Cut or lengthen."""
        if self._disk.meet("truncate") is How.POWER:
            raise PowerGone
        super().xTruncate(newsize)
        self._disk.cut(self._name, newsize)

    def xSync(self, flags: int) -> None:
        """Make durable, unless that fails."""
        try:
            met = self._disk.meet("sync")
        except apsw.Error:
            if self._disk.loses_what_it_fails_to_sync:
                self._disk.forgot(self._name)
            raise
        if met is How.POWER:
            raise PowerGone
        self._disk.synced(self._name)  # the real file needs none: it is this account that counts
