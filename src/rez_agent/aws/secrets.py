"""Secrets in AWS Secrets Manager, one a secret, under the stage's prefix.

What is kept is JSON, ``{"value": ..., "hosts": [...], "updated": ...}``, so the hosts that a secret is bound
to can't be parted from it. A secret that a person made by hand in that form is one like any other.

Reads are remembered for :data:`REMEMBERED_SECONDS`, so that an action costs no call to AWS each time: what
another process puts or deletes is seen after that at the latest, what this one does at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from rez_agent.aws.unit import translated
from rez_agent.domain.errors import Invalid, Unavailable
from rez_agent.domain.secret import Secret, SecretInfo, is_secret_name, plain_host, secret_problems
from rez_agent.ports import Clock

REMEMBERED_SECONDS = 60.0
"""How long a value or the list may lag behind what another process did."""


@dataclass(frozen=True, slots=True)
class _Kept:
    secret: Secret
    updated: datetime
    read_at: float


class ManagedSecrets:
    """The Secrets port. ``prefix`` begins the name of every secret in Secrets Manager (``rez-agent/dev/``).

    Safe to use from several threads: two that read at once may both ask AWS. Raises Unavailable where Secrets
    Manager can't be used, and for a secret whose content is not as it must be.
    """

    def __init__(self, client: Any, prefix: str, clock: Clock) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._changes = 0
        self._kept: dict[str, _Kept] = {}
        self._listing: tuple[float, tuple[SecretInfo, ...]] | None = None

    def get(self, name: str) -> Secret | None:
        """The secret with its value, or None."""
        kept = self._read(name)
        return None if kept is None else kept.secret

    def names(self) -> list[SecretInfo]:
        """What there is, by name; never a value. What is damaged is left out."""
        now = self._clock.monotonic()
        if self._listing is None or now - self._listing[0] >= REMEMBERED_SECONDS:
            changes, listed = self._changes, list(self._listed())
            if changes == self._changes:
                self._listing = (now, tuple(listed))
            return listed
        return list(self._listing[1])

    def put(self, name: str, value: str, hosts: tuple[str, ...]) -> None:
        """Keep a secret, in place of the one before.

        Raises Invalid with all that is wrong, never repeating the value.
        """
        problems = secret_problems(name, value, hosts)
        if problems:
            raise Invalid.of(problems)
        document = {
            "value": value,
            "hosts": list(dict.fromkeys(plain_host(host) for host in hosts)),
            "updated": self._clock.now().isoformat(),
        }
        self._replace(self._prefix + name, json.dumps(document))
        self._forget(name)

    def delete(self, name: str) -> bool:
        """Whether there was one. It is gone at once and for good, without Secrets Manager's recovery window:
        a secret that was deleted is not to be used, and its name is free again."""
        if not is_secret_name(name):
            return False
        self._forget(name)
        if self._fetched(name) is None:  # AWS answers such a deletion alike, whether or not there is one
            return False
        self._call("delete_secret", SecretId=self._prefix + name, ForceDeleteWithoutRecovery=True)
        return True

    def _replace(self, full_name: str, document: str) -> None:
        try:
            self._client.put_secret_value(SecretId=full_name, SecretString=document)
        except ClientError as error:
            if not _missing(error):
                raise translated(error) from error
            self._call("create_secret", Name=full_name, SecretString=document)
        except BotoCoreError as error:
            raise translated(error) from error

    def _read(self, name: str) -> _Kept | None:
        if not is_secret_name(name):
            return None
        kept = self._kept.get(name)
        if kept is not None and self._clock.monotonic() - kept.read_at < REMEMBERED_SECONDS:
            return kept
        changes = self._changes
        text = self._fetched(name)
        if text is None:
            self._kept.pop(name, None)
            return None
        kept = _parsed(name, text, self._clock.monotonic())
        if changes == self._changes:  # else another thread has put a newer one while this one was read
            self._kept[name] = kept
        return kept

    def _fetched(self, name: str) -> str | None:
        try:
            answer = self._client.get_secret_value(SecretId=self._prefix + name)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and _missing(error):
                return None
            raise translated(error) from error
        return str(answer.get("SecretString", ""))

    def _listed(self) -> Iterator[SecretInfo]:
        for name in sorted(self._names()):
            try:
                kept = self._read(name)
            except Unavailable as error:
                if error.code != _DAMAGED:
                    raise
                continue
            if kept is not None:
                yield SecretInfo(name, kept.secret.hosts, kept.updated)

    def _names(self) -> Iterator[str]:
        asked: dict[str, Any] = {"Filters": [{"Key": "name", "Values": [self._prefix]}]}
        while True:
            answer = self._call("list_secrets", **asked)
            for entry in answer["SecretList"]:
                name = entry["Name"].removeprefix(self._prefix)
                if entry["Name"].startswith(self._prefix) and is_secret_name(name):
                    yield name
            if not answer.get("NextToken"):
                return
            asked["NextToken"] = answer["NextToken"]

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**parameters)
        except (ClientError, BotoCoreError) as error:
            raise translated(error) from error
        return answer

    def _forget(self, name: str) -> None:
        self._changes += 1
        self._kept.pop(name, None)
        self._listing = None


_DAMAGED = "secret_damaged"


def _missing(error: ClientError) -> bool:
    """Whether there is no such secret, or only one that waits for its deletion."""
    code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code == "InvalidRequestException" and "marked for deletion" in text.lower():
        return True
    return bool(code == "ResourceNotFoundException")


def _parsed(name: str, text: str, read_at: float) -> _Kept:
    try:
        document = json.loads(text)
        secret = Secret(name, document["value"], tuple(document["hosts"]))
        return _Kept(secret, datetime.fromisoformat(document["updated"]).astimezone(UTC), read_at)
    except (ValueError, KeyError, TypeError):
        raise Unavailable(f"The secret '{name}' is damaged: set it again.", code=_DAMAGED) from None
