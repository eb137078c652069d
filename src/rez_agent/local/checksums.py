"""A checksum in every page of the database, for those who want no flipped bit ever to be believed.

SQLite's own extension ``cksumvfs``, which comes with apsw: eight bytes at the end of each page, verified at
every read. Which file has them stands in its header, so a file that has them is verified whoever opens it
with this program. Any other program that writes such a file leaves wrong checksums behind.
"""

from __future__ import annotations

from pathlib import Path

import apsw
import apsw.sqlite_extra

from rez_agent.domain.errors import Unsupported

BYTES = 8
_VFS = "cksmvfs"
_EXTENSION = "cksumvfs"
_RESERVED_AT = 20
"""Where a file's header tells how many bytes of each page are not SQLite's (fileformat2, 1.3)."""


def has_checksums(path: Path | str) -> bool:
    """Whether the file's pages have them; False where there is no file, or an empty one."""
    try:
        with Path(path).open("rb") as file:
            header = file.read(_RESERVED_AT + 1)
    except FileNotFoundError:
        return False
    return len(header) > _RESERVED_AT and header[_RESERVED_AT] == BYTES


def verify() -> None:
    """From here on every connection of this process verifies files that have them. Raises Unsupported where
    the extension is missing."""
    if _VFS not in apsw.vfs_names():
        _load()
    apsw.set_default_vfs(_VFS)


def _load() -> None:
    connection = apsw.Connection(":memory:")
    try:
        apsw.sqlite_extra.load(connection, _EXTENSION)
    except (apsw.Error, apsw.sqlite_extra.NotAvailable, OSError) as error:
        text = f"The database has page checksums, and this installation can't verify them: {error}."
        raise Unsupported(text, code="no_checksums") from None
    finally:
        connection.close()


def add_checksums(connection: apsw.Connection) -> None:
    """Give every page of the file one, by writing it anew: nobody else may have it open, and it needs as much
    space again. Crash: SQLite's own; the file is as before or has them all."""
    if connection.reserve_bytes() == BYTES:
        return
    connection.pragma("journal_mode", "delete")
    connection.reserve_bytes(reserve=BYTES)
    connection.execute("VACUUM")


def as_of(source: apsw.Connection, target: apsw.Connection) -> None:
    """Make ``target``, a new file that ``source`` is about to be copied to, one with checksums where that has
    them: they are computed as pages are written, and only into a file whose first page says so already."""
    if source.reserve_bytes() == BYTES:
        target.reserve_bytes(reserve=BYTES)
        target.execute("CREATE TABLE first (page)")
