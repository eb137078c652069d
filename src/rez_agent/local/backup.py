"""Backup and restore: the database as one file, and the secrets beside it left alone.

A backup is SQLite's online backup of a consistent state; it may be taken while the server runs. It holds
definitions, history and hashed API keys; it holds no secret's value, since those are files of their own.
Crash: both write a new file beside the old one and rename it when it is whole: there is always a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw

from rez_agent.domain.errors import Conflict, Invalid, NotFound
from rez_agent.local.checksums import as_of
from rez_agent.local.database import DATABASE_FILE, locked, open_reader, quick_check
from rez_agent.local.failing import STORAGE_FAILS, storage_error
from rez_agent.local.schema import MIGRATIONS

PAGES_AT_ONCE = 2_000

Progress = Callable[[int, int], None]
"""Told (pages done, pages in all) now and then."""


def backup(data_dir: Path, file: Path, progress: Progress = lambda _done, _total: None) -> None:
    """Copy the database of ``data_dir`` to ``file``, which must not exist. Raises NotFound, Conflict, and
    Unavailable where the disk is full or fails, or the database is damaged."""
    source = data_dir / DATABASE_FILE
    if not source.is_file():
        raise NotFound(f"There is no database in {data_dir}. Name its --data-dir.", code="no_database")
    if file.exists():
        raise Conflict(
            f"{file} exists. Choose another name; a backup never overwrites one.", code="file_exists"
        )
    with _told_of_the_disk(file), closing(open_reader(source)) as reader:
        reader.execute("BEGIN; SELECT 1 FROM sqlite_schema")  # one moment: else every write begins it anew
        _copy(reader, file, progress)


def restore(
    file: Path, data_dir: Path, progress: Progress = lambda _done, _total: None, *, force: bool = False
) -> None:
    """Make ``file`` the database of ``data_dir``.

    Raises NotFound when there is no such file, Invalid when it is not a whole backup, Conflict when the
    directory holds a database and ``force`` is not given, Unavailable when a server owns the directory or
    the disk is full or fails.
    """
    if not file.is_file():
        raise NotFound(f"There is no file {file}.", code="no_backup")
    target = data_dir / DATABASE_FILE
    with locked(data_dir):
        if target.exists() and not force:
            raise Conflict(
                f"{data_dir} holds a database already. Use --force to replace it, or another --data-dir.",
                code="database_exists",
            )
        with _told_of_the_disk(target), closing(_opened(file)) as source:
            _check(source, file)
            _copy(source, target, progress, before_rename=lambda: _fold_away(target))


@contextmanager
def _told_of_the_disk(file: Path) -> Iterator[None]:
    """What the disk does to the copying to ``file`` is told as what it is."""
    try:
        yield
    except STORAGE_FAILS as error:
        told = f"can't be copied to {file}: {error}. Nothing was changed. Is the disk full?"
        raise storage_error(error, told) from None


def _opened(file: Path) -> apsw.Connection:
    try:
        return open_reader(file)
    except apsw.Error as error:
        raise Invalid(f"{file} is not a whole backup: {error}.", code="invalid_backup") from None


def _check(connection: apsw.Connection, file: Path) -> None:
    try:
        damage = quick_check(connection)
        version = int(connection.pragma("user_version"))
    except apsw.Error as error:
        damage, version = [str(error)], 0
    if damage:
        raise Invalid(f"{file} is not a whole backup: {damage[0]}.", code="invalid_backup")
    if not 0 < version <= len(MIGRATIONS):
        raise Invalid(f"{file} is no backup that this program can read.", code="invalid_backup")


def _fold_away(old: Path) -> None:
    """Fold the old database's log into it, so that no log is left to be taken for the new one's."""
    with suppress(apsw.Error):  # a damaged one is about to be replaced
        apsw.Connection(str(old), flags=apsw.SQLITE_OPEN_READWRITE).close()
    for suffix in ("-wal", "-shm"):
        old.with_name(old.name + suffix).unlink(missing_ok=True)
    _sync(old.absolute().parent)  # gone for certain, before the new one takes the place


def _copy(
    source: apsw.Connection,
    file: Path,
    progress: Progress,
    before_rename: Callable[[], None] = lambda: None,
) -> None:
    """Copy to a new file beside ``file``, sync it, and rename it."""
    unfinished = file.with_name(file.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        target = apsw.Connection(str(unfinished))
        try:
            as_of(source, target)
            with target.backup("main", source, "main") as copying:
                while not copying.done:
                    copying.step(PAGES_AT_ONCE)
                    progress(copying.page_count - copying.remaining, copying.page_count)
            target.pragma("journal_mode", "delete")  # so that reading the copy leaves no log beside it
        finally:
            target.close()
        _sync(unfinished)
        before_rename()
        unfinished.rename(file)
        _sync(file.absolute().parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
