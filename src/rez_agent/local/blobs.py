"""Blobs in a table: each stored once by its hash, gone with its last owner."""

from __future__ import annotations

from hashlib import sha256

import apsw

from rez_agent.domain.errors import NotFound


class SqliteBlobs:
    """The Blobs port. Runs inside the caller's transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def put(self, owner: str, data: bytes) -> str:
        """Keep ``data`` for ``owner``."""
        reference = sha256(data).hexdigest()
        self._connection.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (reference, data))
        self._connection.execute("INSERT OR IGNORE INTO blob_owners VALUES (?, ?)", (owner, reference))
        return reference

    def get(self, reference: str) -> bytes:
        """The data."""
        for (data,) in self._connection.execute("SELECT data FROM blobs WHERE reference = ?", (reference,)):
            return bytes(data)
        raise NotFound(f"There is no blob '{reference}'.", code="blob_not_found")

    def drop(self, owner: str) -> None:
        """``owner`` is gone; so are the blobs that nobody else owns."""
        dropped = self._connection.execute(
            "DELETE FROM blob_owners WHERE owner = ? RETURNING reference", (owner,)
        ).fetchall()
        for (reference,) in dropped:
            self._connection.execute(
                "DELETE FROM blobs WHERE reference = ?1 "
                "AND NOT EXISTS (SELECT 1 FROM blob_owners WHERE reference = ?1)",
                (reference,),
            )
