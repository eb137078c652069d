"""Opening the database: pragmas, migrations, and the lock against a second process.

One SQLite file, ``rez.sqlite``, in the data directory. WAL with ``synchronous=FULL``: a commit that has
returned survives a loss of power. Connections are apsw's, which brings its own current SQLite; versions up
to 3.51.2 could corrupt a WAL that one connection checkpoints while another writes.

Crash: a migration is one transaction, so a file is at one version or the next, never between.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import apsw
import apsw.ext

from rez_agent.domain.errors import Unavailable, Unsupported
from rez_agent.local.checksums import add_checksums, has_checksums, verify
from rez_agent.local.failing import is_damage
from rez_agent.local.schema import MIGRATIONS

DATABASE_FILE = "rez.sqlite"
LOCK_FILE = "rez.lock"

_BUSY_MS = 10_000
_CACHE_KIB = 16 * 1024
_READER_CACHE_KIB = 4 * 1024
_WAL_PAGES = 4_000
_WAL_LIMIT_BYTES = 64 * 1024 * 1024


def open_writer(
    path: Path | str,
    *,
    vfs: str | None = None,
    migrations: Sequence[str] = MIGRATIONS,
    checksums: bool | None = False,
) -> apsw.Connection:
    """The connection that writes, at the newest schema; creates the file, its owner's alone, when there is
    none: the directory may be one that others can read. SQLite gives the log beside it the same mode.
    ``checksums``: see to it that the file has them; None: only if it is new. One that has them keeps them.

    Raises Unsupported when the file was written by a newer program, or can't be verified.
    """
    if vfs is None:
        Path(path).touch(mode=0o600)
        if checksums is None:
            checksums = Path(path).stat().st_size == 0
        if checksums or has_checksums(path):
            verify()
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(str(path), flags=flags, vfs=vfs, statementcachesize=200)
    try:
        if checksums:
            add_checksums(connection)
        _make_durable(connection)
        migrate(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_durable(connection: apsw.Connection) -> None:
    connection.setbusytimeout(_BUSY_MS)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("wal_autocheckpoint", _WAL_PAGES)
    connection.pragma("journal_size_limit", _WAL_LIMIT_BYTES)
    connection.pragma("temp_store", "MEMORY")


def open_reader(path: Path | str, *, vfs: str | None = None) -> apsw.Connection:
    """A connection that can only read."""
    if vfs is None and has_checksums(path):
        verify()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs, statementcachesize=100)
    try:
        connection.setbusytimeout(_BUSY_MS)
        connection.pragma("cache_size", -_READER_CACHE_KIB)
        connection.pragma("query_only", 1)
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(connection: apsw.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the schema up to date, one transaction a migration."""
    version = int(connection.pragma("user_version"))
    if version > len(migrations):
        raise Unsupported(
            f"The database has schema {version}; this program knows up to {len(migrations)}. "
            "Use the program that wrote it, or a newer one.",
            code="newer_database",
        )
    for number, sql in enumerate(migrations[version:], start=version + 1):
        with connection:
            connection.execute(sql)
            connection.pragma("user_version", number)


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Own the data directory until the block ends. Raises Unavailable ``data_dir_locked`` when another
    process does. The lock is the kernel's: it goes with the process, however that ends."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, data_dir)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Unavailable(
            f"The data directory {data_dir} is in use by process {holder_of(descriptor)}. "
            "Stop it, or choose another --data-dir.",
            code="data_dir_locked",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def holder_of(descriptor: int) -> str:
    """Who wrote into the open lock file: a process id, or ``unknown``."""
    return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"


def quick_check(connection: apsw.Connection) -> list[str]:
    """What SQLite's quick_check finds wrong with the file, at most ten lines; empty when all is well."""
    try:
        lines = [str(row[0]) for row in connection.execute("PRAGMA quick_check(10)")]
    except apsw.Error as error:
        if not is_damage(error):
            raise
        lines = [str(error)]
    return [] if lines == ["ok"] else lines


class Savepoint:
    """A nested transaction: what raises inside leaves nothing behind. Where SQLite has given up the whole
    transaction by itself, as it may when the disk is full, the error that made it do so is passed on."""

    def __init__(self, connection: apsw.Connection, name: str) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._begin, self._end = f"SAVEPOINT {name}", f"RELEASE {name}"
        self._undo = f"ROLLBACK TO {name}"

    def __enter__(self) -> None:
        self._execute(self._begin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            if not self._connection.in_transaction:
                return
            self._execute(self._undo)
        self._execute(self._end)
