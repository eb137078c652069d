"""References to secrets in payloads: ``{"secret": "NAME"}`` wherever a secret value is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from rez_agent.actions.addresses import AllowList, plain_name
from rez_agent.actions.base import SecretSource, failed, unknown_fields
from rez_agent.domain.action import Outcome
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import did_you_mean
from rez_agent.domain.secret import is_secret_name


@dataclass(frozen=True, slots=True)
class Ref:
    """A secret by name, and where in the payload it is referred to."""

    name: str
    pointer: str


class AttemptFailed(Exception):
    """An attempt can't go on; ``outcome`` says what became of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


def read_reference(value: Any, pointer: str, problems: list[Problem]) -> Ref | None:
    """The reference that ``value`` is; anything else is added to ``problems``."""
    if not isinstance(value, Mapping) or "secret" not in value:
        text = (
            'A secret is given by reference only: {"secret": "NAME"}. '
            "Keep its value with: rez-agent secrets set NAME --host HOST"
        )
        problems.append(Problem("plain_secret", text, pointer))
        return None
    problems.extend(unknown_fields(value, ("secret",), pointer))
    name = value["secret"]
    if not isinstance(name, str) or not is_secret_name(name):
        text = "A secret's name has 1 to 64 characters out of A-Z a-z 0-9 _ . - and no leading dot."
        problems.append(Problem("invalid_secret_name", text, f"{pointer}/secret"))
        return None
    return Ref(name, f"{pointer}/secret")


class Keyring:
    """Hands secrets out, each only to the places it may be sent to.

    A secret travels by https. Plain http is accepted only towards a target that the operator has allowed by
    ``--allow-target`` (which loopback and private targets need anyway).
    """

    def __init__(self, secrets: SecretSource, allowed: AllowList) -> None:
        self._secrets = secrets
        self._allowed = allowed

    def problem(self, ref: Ref, url: URL) -> Problem | None:
        """Why the secret can't be sent to ``url``; None if it can."""
        secret = self._secrets.get(ref.name)
        if secret is None:
            known = did_you_mean(ref.name, (info.name for info in self._secrets.names()))
            how = f"rez-agent secrets set {ref.name} --host {url.raw_host}"
            text = f"There is no secret '{ref.name}'.{known} Keep one with: {how}"
            return Problem("unknown_secret", text, ref.pointer)
        host, port = plain_name(url.raw_host or ""), url.port or 0
        if not secret.goes_to(host, port):
            text = (
                f"The secret '{ref.name}' may not be sent to {host}:{port}. If it should be, set it again "
                f"with --host {host} among its hosts."
            )
            return Problem("secret_host", text, ref.pointer)
        if url.scheme != "https" and not self._allowed.names(host, port):
            text = (
                f"The secret '{ref.name}' would travel unencrypted to {host}:{port}: use https, or start the "
                f"server with --allow-target {host}:{port}."
            )
            return Problem("insecure_secret", text, ref.pointer)
        return None

    def value(self, ref: Ref, url: URL) -> str:
        """The secret's value, to be sent to ``url``. Raises AttemptFailed when it must not be."""
        problem = self.problem(ref, url)
        secret = None if problem else self._secrets.get(ref.name)
        if secret is None:
            code, text = (problem.code, problem.message) if problem else ("unknown_secret", "It is gone.")
            raise AttemptFailed(failed(code, text, permanent=True))
        return secret.value
