"""What it means when the database can't be used: the disk is full, fails, or holds damage.

Both the writer and the readers tell it in one way, so that nobody takes it for a fault of a request.
"""

from __future__ import annotations

import apsw

from rez_agent.domain.errors import Unavailable

UNAVAILABLE = "storage_unavailable"
DAMAGED = "database_damaged"

STORAGE_FAILS = (
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.NotADBError,
    apsw.ReadOnlyError,
)
"""Errors of the storage as such, whatever was asked of it."""


def is_damage(error: BaseException) -> bool:
    """Whether it tells of data that are not as they were written: a broken structure, or a page whose
    checksum is wrong."""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return True
    return isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA


def storage_error(error: BaseException, text: str) -> Unavailable:
    """The error to be told: ``text`` says of the database what can't be done and what comes of it."""
    if is_damage(error):
        told = f"The database is damaged: {error}. Stop the server and restore a backup: rez-agent restore."
        return Unavailable(told, code=DAMAGED)
    return Unavailable(f"The database {text}", code=UNAVAILABLE)
