"""Blobs in S3, their owners in the table of records.

A blob is one object, its key (the reference) ``{sha256 of the data}/{generation}``. Rows of records, by hash:
``("blob#"+hash, "-")`` names the object in use, ``("blob#"+hash, owner)`` each owner,
``("blobs_of#"+owner, hash)`` the same the other way round.

The object is put before the unit commits and removed after the last owner is gone. Whoever adds or drops an
owner writes the row ``-`` too, so that two at once conflict and one of them looks again; and a generation is
drawn anew where there is no such row. So nobody removes an object that another has just taken up.

Crash: between the object and the commit, or between the commit and the removal, an object without owners is
left behind, and so it is where the last owner's row goes by its ``ttl``. :func:`collect` removes those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rez_agent.aws.items import expired, ttl_at
from rez_agent.aws.logs import log
from rez_agent.aws.tables import RECORDS, TTL
from rez_agent.aws.unit import Unit, translated
from rez_agent.aws.wire import Item
from rez_agent.domain.errors import NotFound, Unavailable

COLLECTED_AFTER = timedelta(days=1)
"""An object younger than this may belong to a unit that has not committed yet."""

_IN_USE = "-"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the objects are: S3's client, and the bucket's name."""

    client: Any
    name: str

    def put(self, key: str, data: bytes) -> None:
        """Keep an object. Raises Unavailable."""
        try:
            self.client.put_object(Bucket=self.name, Key=key, Body=data)
        except (ClientError, BotoCoreError) as error:
            raise translated(error) from error

    def get(self, key: str) -> bytes:
        """An object. Raises NotFound, Unavailable."""
        try:
            data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == "NoSuchKey":
                raise NotFound(f"There is no blob '{key}'.", code="blob_not_found") from None
            raise translated(error) from error
        return data

    def delete(self, key: str) -> None:
        """Remove an object, whether or not it is there. Raises Unavailable."""
        try:
            self.client.delete_object(Bucket=self.name, Key=key)
        except (ClientError, BotoCoreError) as error:
            raise translated(error) from error

    def page(self, after: str, limit: int) -> list[tuple[str, datetime]]:
        """Keys in their order, after one, each with the time at which its object was put."""
        try:
            answer = self.client.list_objects_v2(Bucket=self.name, StartAfter=after, MaxKeys=limit)
        except (ClientError, BotoCoreError) as error:
            raise translated(error) from error
        return [(each["Key"], each["LastModified"]) for each in answer.get("Contents", ())]


class S3Blobs:
    """The Blobs port over a unit. ``draw`` gives a text that was never drawn before; ``now`` is the clock."""

    def __init__(
        self, unit: Unit, bucket: Bucket, *, draw: Callable[[], str], now: Callable[[], datetime]
    ) -> None:
        self._unit = unit
        self._bucket = bucket
        self._draw = draw
        self._now = now

    def put(self, owner: str, data: bytes) -> str:
        """Keep ``data`` for ``owner``. The object is there at once, the owner with the commit."""
        digest = sha256(data).hexdigest()
        in_use = self._unit.get(RECORDS, _by_hash(digest), _IN_USE)
        if in_use is not None and self._owns(owner, digest):
            return str(in_use["reference"])
        if in_use is None:
            in_use = {"pk": _by_hash(digest), "sk": _IN_USE, "reference": f"{digest}/{self._draw()}"}
            self._bucket.put(in_use["reference"], data)
        self._unit.put(RECORDS, in_use)
        self._unit.put(RECORDS, {"pk": _by_hash(digest), "sk": owner})
        self._unit.put(RECORDS, {"pk": _by_owner(owner), "sk": digest})
        return str(in_use["reference"])

    def get(self, reference: str) -> bytes:
        """The data. Raises NotFound, Unavailable."""
        return self._bucket.get(reference)

    def text(self, reference: str) -> str:
        """The same, of a blob that holds text."""
        return self.get(reference).decode()

    def drop(self, owner: str) -> None:
        """``owner`` is gone; so are the blobs that nobody else owns, once the unit has committed."""
        for digest in self._owned(owner):
            self._unit.delete(RECORDS, _by_owner(owner), digest)
            self._unit.delete(RECORDS, _by_hash(digest), owner)
            self._release(digest)

    def expire(self, owner: str, at: datetime) -> None:
        """``owner`` needs its blobs until ``at`` and no longer: :func:`collect` drops it then."""
        for digest in self._owned(owner):
            ending = {TTL: ttl_at(at)}
            self._unit.put(RECORDS, {"pk": _by_owner(owner), "sk": digest, **ending})
            self._unit.put(RECORDS, {"pk": _by_hash(digest), "sk": owner, **ending})

    def sift(self, reference: str) -> None:
        """Remove an object, put long ago, if nobody needs it."""
        digest = reference.partition("/")[0]
        in_use = self._unit.get(RECORDS, _by_hash(digest), _IN_USE)
        if in_use is None or in_use["reference"] != reference:
            self._remove(reference)
        elif not self._is_owned(digest):
            self._release(digest)

    def _owns(self, owner: str, digest: str) -> bool:
        row = self._unit.get(RECORDS, _by_hash(digest), owner)
        return row is not None and TTL not in row

    def _owned(self, owner: str) -> list[str]:
        """The hashes of what ``owner`` owns, by this unit too."""
        return [row["sk"] for row in self._rows(_by_owner(owner))]

    def _is_owned(self, digest: str) -> bool:
        now = self._now()
        return any(row["sk"] != _IN_USE and not expired(row, now) for row in self._rows(_by_hash(digest)))

    def _rows(self, pk: str) -> Iterator[Item]:
        """The rows of a partition as this unit has them, read as they are asked for."""
        staged = {key: row for key, row in self._unit.staged(RECORDS).items() if key[0] == pk}
        yield from (row for row in staged.values() if row is not None)
        read = self._unit.query(
            RECORDS,
            KeyConditionExpression="pk = :pk",
            values={":pk": pk},
            ConsistentRead=True,
        )
        yield from (row for row in read if (pk, row["sk"]) not in staged)

    def _release(self, digest: str) -> None:
        """Remove the object unless somebody owns it."""
        in_use = self._unit.get(RECORDS, _by_hash(digest), _IN_USE)
        if in_use is None:
            return
        if self._is_owned(digest):
            self._unit.put(RECORDS, in_use)  # nobody else may drop the last of them unseen meanwhile
            return
        self._unit.delete(RECORDS, _by_hash(digest), _IN_USE)
        self._remove(in_use["reference"])

    def _remove(self, reference: str) -> None:
        """Remove an object with the commit. One that can't be removed then is collected later."""

        def remove() -> None:
            try:
                self._bucket.delete(reference)
            except Unavailable as error:
                log.warning(
                    "blob_not_removed", action="blob_not_removed", reference=reference, error=str(error)
                )

        self._unit.after(remove)


def collect(
    bucket: Bucket,
    sift: Callable[[str], None],
    *,
    now: datetime,
    after: str = "",
    limit: int = 1_000,
) -> str | None:
    """Sift one page of the bucket's objects, in the order of their keys: those put longer than
    :data:`COLLECTED_AFTER` ago.

    ``sift`` runs :meth:`S3Blobs.sift` of a reference in a unit of its own. Returns what to go on after, None
    at the end. Safe to repeat, and beside anything else.
    """
    found = bucket.page(after, limit)
    for key, put in found:
        if now - put >= COLLECTED_AFTER:
            sift(key)
    return found[-1][0] if len(found) == limit else None


def _by_hash(digest: str) -> str:
    return f"blob#{digest}"


def _by_owner(owner: str) -> str:
    return f"blobs_of#{owner}"
