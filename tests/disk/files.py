"""What makes, changes and copies whole database files: starts, migrations, backup, restore.

They open the database by themselves, so the failing disk is the process's own for that long.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import apsw

from rez_agent.domain.errors import RezError
from rez_agent.local.backup import backup, restore
from rez_agent.local.checksums import has_checksums, verify
from rez_agent.local.database import DATABASE_FILE, open_writer
from rez_agent.local.schema import MIGRATIONS
from tests.disk.faults import Disk, FaultVFS, PowerGone
from tests.disk.trials import Contents, Trial, Verdict, contents_or_damage, differs
from tests.local.test_database import old_database

COPY = "copy.sqlite"
WAL = DATABASE_FILE + "-wal"
Found = Contents | None
"""What a file holds; None: it is not there."""


@dataclass(frozen=True, slots=True)
class Undertaking:
    """``make`` fills a directory, ``act`` is done to it; ``file`` is what is looked at afterwards.
    ``may_be``: what it may hold, in order; the last of it where ``act`` was acknowledged."""

    name: str
    make: Callable[[Path], None]
    act: Callable[[Path], None]
    file: str
    may_be: list[Found]

    @property
    def copies(self) -> bool:
        """Whether it reads one database and writes another."""
        return self.act in (_back_up, _restore)


def undertakings(world: Path, scratch: Path) -> list[Undertaking]:
    """All of them, for the database in ``world``; ``scratch`` is a directory of the caller's, still empty."""
    database = (world / DATABASE_FILE).read_bytes()
    scratch.mkdir(parents=True)

    def present(directory: Path) -> None:
        (directory / DATABASE_FILE).write_bytes(database)

    def killed(directory: Path) -> None:
        """A process was killed: its log holds what the file does not."""
        present(directory)
        connection = open_writer(directory / DATABASE_FILE)
        connection.execute("INSERT INTO owners VALUES ('zoe', 1)")
        log = (directory / WAL).read_bytes()
        connection.close()
        present(directory)
        (directory / WAL).write_bytes(log)

    def saved(directory: Path) -> None:
        present(directory)
        backup(directory, directory / COPY)
        killed(directory)

    now = read(world / DATABASE_FILE)
    killed(scratch)
    with_log = read(scratch / DATABASE_FILE)
    shutil.rmtree(scratch)
    scratch.mkdir()
    new = [None, *_migrated(scratch, lambda _: None)]
    old = _migrated(scratch, _old)
    return [
        Undertaking("a first start", lambda _: None, _start, DATABASE_FILE, new),
        Undertaking("a migration", _old, _start, DATABASE_FILE, old),
        Undertaking("a start", present, _start, DATABASE_FILE, [now]),
        Undertaking("a start after a kill", killed, _start, DATABASE_FILE, [with_log]),
        Undertaking("a backup", killed, _back_up, COPY, [None, with_log]),
        Undertaking("a backup, and what it is of", killed, _back_up, DATABASE_FILE, [with_log]),
        Undertaking("a restore", saved, _restore, DATABASE_FILE, [with_log, now]),
    ]


def _start(directory: Path) -> None:
    open_writer(directory / DATABASE_FILE).close()


def _back_up(directory: Path) -> None:
    backup(directory, directory / COPY)


def _restore(directory: Path) -> None:
    restore(directory / COPY, directory, force=True)


def _old(directory: Path) -> None:
    old_database(directory)


def _migrated(scratch: Path, make: Callable[[Path], None]) -> list[Found]:
    """What the file holds after each migration."""
    states: list[Found] = []
    for number in range(len(MIGRATIONS) + 1):
        directory = scratch / str(number)
        directory.mkdir()
        make(directory)
        with suppress(RezError):  # it is newer already
            open_writer(directory / DATABASE_FILE, migrations=MIGRATIONS[:number]).close()
        states.append(read(directory / DATABASE_FILE))
        shutil.rmtree(directory)
    return states


def read(file: Path) -> Found:
    """What the file holds."""
    if not file.exists():
        return None
    if has_checksums(file):
        verify()
    connection = apsw.Connection(str(file))
    try:
        return contents_or_damage(connection)
    finally:
        connection.close()


def run(
    undertaking: Undertaking, trial: Trial, *, directory: Path, beneath: FaultVFS | None = None
) -> Verdict:
    """Make the trial in ``directory``, which is made anew. ``beneath``: as of :class:`Bench`."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    undertaking.make(directory)
    disk = Disk()
    for file in directory.iterdir():
        if not file.name.endswith(("-shm", ".lock")):
            disk.holds(file)
    disk.arm(trial.fault)
    done = False
    with _own(disk, beneath), suppress(RezError, apsw.Error, OSError, SystemError, PowerGone):
        undertaking.act(directory)
        done = True
    if not disk.fired:
        return Verdict(met=False)
    allowed = undertaking.may_be[-1:] if done else undertaking.may_be
    if not disk.dead:
        disk.follow(directory, renamed=done)
    left = directory / "left"
    left.mkdir()
    disk.leave(left, None if trial.chance is None else Random(trial.chance))
    wrong = differs(read(left / undertaking.file), allowed)
    if wrong is None and not disk.dead:
        wrong = _without_a_cut(undertaking, directory, allowed)
    return Verdict(met=True, wrong=wrong)


def _without_a_cut(undertaking: Undertaking, directory: Path, allowed: list[Found]) -> str | None:
    """Without a cut it is the same; and on a disk that is well again it can be done."""
    wrong = differs(read(directory / undertaking.file), allowed)
    if wrong is not None or len(allowed) == 1:
        return wrong
    try:
        undertaking.act(directory)
    except (RezError, apsw.Error) as error:
        return f"can't be done again: {error!r}"
    return differs(read(directory / undertaking.file), undertaking.may_be[-1:])


@contextmanager
def _own(disk: Disk, beneath: FaultVFS | None) -> Iterator[None]:
    """The failing disk is the process's own."""
    vfs = beneath or FaultVFS("failing", disk, makedefault=True)
    heard = sys.unraisablehook
    sys.unraisablehook = lambda _: None  # a VFS of Python's raises where SQLite only takes note: as it closes
    try:
        with vfs.using(disk):
            yield
    finally:
        sys.unraisablehook = heard
        if beneath is None:
            vfs.unregister()
