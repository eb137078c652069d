"""Secrets as files: one a secret, readable by the server's user alone.

The directory has mode 0700, each file 0600. A write is atomic and durable: a new file is written, synced and
renamed over the old one, then the directory is synced. What another process writes (the command line, while
the server runs) is seen at the next read.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rez_agent.domain.errors import Invalid, Unavailable
from rez_agent.domain.secret import Secret, SecretInfo, is_secret_name, plain_host, secret_problems

_SETTLED_NS = 1_000_000_000
"""A directory changed less than this ago may change again within its time stamp's resolution."""

_LOOK_EVERY = timedelta(milliseconds=200)
"""The list is asked for at every response: it looks at the directory no more often than this. A secret whose
value this process has read is in the list at once."""

_ZERO = timedelta(0)

_Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Kept:
    signature: _Signature
    secret: Secret
    updated: datetime


@dataclass(frozen=True, slots=True)
class _Listing:
    stamp: int
    infos: tuple[SecretInfo, ...]


class FileSecrets:
    """The secrets of one data directory. Safe to use from several threads and several processes.

    ``now`` is the wall clock, aware, in UTC. An answer may be stale only if a file was changed in place by
    hand, keeping its inode, size and time.
    """

    def __init__(self, directory: Path, now: Callable[[], datetime]) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._directory = directory
        self._now = now
        self._kept: dict[str, _Kept] = {}
        self._listing: _Listing | None = None
        self._looked = now()

    def get(self, name: str) -> Secret | None:
        """The secret with its value, or None. Raises Unavailable when its file can't be read."""
        kept = self._read(name)
        return kept.secret if kept else None

    def names(self) -> list[SecretInfo]:
        """What there is, by name; never a value."""
        listing, now = self._listing, self._now()
        if listing is None or not _ZERO <= now - self._looked < _LOOK_EVERY:
            self._looked = now
            stamp = self._directory.stat().st_mtime_ns
            if listing is None or listing.stamp != stamp:
                listing = self._listed(stamp)
        return list(listing.infos)

    def put(self, name: str, value: str, hosts: tuple[str, ...]) -> None:
        """Keep a secret, in place of the one before; it is on disk when this returns.

        Raises Invalid with all that is wrong, never repeating the value.
        """
        problems = secret_problems(name, value, hosts)
        if problems:
            raise Invalid.of(problems)
        document = {
            "value": value,
            "hosts": list(dict.fromkeys(plain_host(host) for host in hosts)),
            "updated": self._now().isoformat(),
        }
        self._replace(name, json.dumps(document).encode())
        self._forget(name)

    def delete(self, name: str) -> bool:
        """Whether there was one; it is gone from the disk when this returns."""
        if not is_secret_name(name):
            return False
        try:
            (self._directory / name).unlink()
        except FileNotFoundError:
            return False
        self._sync_directory()
        self._forget(name)
        return True

    def _read(self, name: str) -> _Kept | None:
        if not is_secret_name(name):
            return None
        path = self._directory / name
        try:
            signature = _signature(path.stat())
            kept = self._kept.get(name)
            if kept is None or kept.signature != signature:
                kept = _parsed(name, signature, path.read_bytes())
                self._kept[name] = kept
                self._listing = None
        except FileNotFoundError:
            self._kept.pop(name, None)
            return None
        except OSError as error:
            raise Unavailable(f"The secret '{name}' can't be read: {error.strerror}.") from None
        return kept

    def _readable(self, name: str) -> _Kept | None:
        """The secret, or None if its file is damaged: one bad file must not hide the others."""
        try:
            return self._read(name)
        except Unavailable:
            return None

    def _listed(self, stamp: int) -> _Listing:
        names = sorted(entry.name for entry in self._directory.iterdir() if is_secret_name(entry.name))
        kept = [found for found in map(self._readable, names) if found]
        infos = tuple(SecretInfo(k.secret.name, k.secret.hosts, k.updated) for k in kept)
        listing = _Listing(stamp, infos)
        settled = self._now().timestamp() * 1e9 - stamp > _SETTLED_NS
        self._listing = listing if settled else None
        return listing

    def _replace(self, name: str, data: bytes) -> None:
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=self._directory)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._directory / name)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._sync_directory()

    def _sync_directory(self) -> None:
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _forget(self, name: str) -> None:
        self._kept.pop(name, None)
        self._listing = None


def _signature(status: os.stat_result) -> _Signature:
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _parsed(name: str, signature: _Signature, data: bytes) -> _Kept:
    try:
        document = json.loads(data)
        secret = Secret(name, document["value"], tuple(document["hosts"]))
        return _Kept(signature, secret, datetime.fromisoformat(document["updated"]))
    except (ValueError, KeyError, TypeError):
        raise Unavailable(f"The file of the secret '{name}' is damaged: set the secret again.") from None
