"""Looking at a data directory from outside, beside a running server or without one. Changes nothing."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

import apsw

from rez_agent.local.database import DATABASE_FILE, LOCK_FILE, holder_of, open_reader, quick_check
from rez_agent.local.schema import MIGRATIONS


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """A database as it was found. ``schema`` is the file's, ``known_schema`` the newest this program knows;
    ``damage`` lists what is wrong with the file, None where that was not looked at."""

    size: int
    schema: int
    known_schema: int
    damage: tuple[str, ...] | None


def lock_holder(data_dir: Path) -> str | None:
    """The process that owns the directory (its id, or ``unknown``); None when nobody does.

    Holds the lock itself for a moment when it is free: a server that starts in that very moment is refused.
    """
    try:
        descriptor = os.open(data_dir / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return holder_of(descriptor)
    finally:
        os.close(descriptor)
    return None


def database_state(data_dir: Path, *, check_up_to: int) -> DatabaseState | None:
    """The state of the directory's database, None when there is none.

    A file of more than ``check_up_to`` bytes is not read through.
    """
    path = data_dir / DATABASE_FILE
    if not path.is_file():
        return None
    size = path.stat().st_size
    try:
        connection = open_reader(path)
    except apsw.Error as error:
        return DatabaseState(size, 0, len(MIGRATIONS), (str(error),))
    try:
        schema = int(connection.pragma("user_version"))
        damage = tuple(quick_check(connection)) if size <= check_up_to else None
        return DatabaseState(size, schema, len(MIGRATIONS), damage)
    except apsw.Error as error:
        return DatabaseState(size, 0, len(MIGRATIONS), (str(error),))
    finally:
        connection.close()
