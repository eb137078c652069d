"""What an operator does to a deployed stage from their own machine, with their own rights: keys, secrets."""

from __future__ import annotations

from dataclasses import dataclass

from rez_agent.aws.build import build
from rez_agent.aws.names import Names
from rez_agent.aws.secrets import ManagedSecrets
from rez_agent.aws.settings import AwsSettings
from rez_agent.aws.store import Store
from rez_agent.aws.tables import TABLES


@dataclass(frozen=True, slots=True)
class Operated:
    """A stage's records and secrets. Nothing is asked of AWS before the first use."""

    store: Store
    secrets: ManagedSecrets


def operate(stage: str) -> Operated:
    """The stage, in the account and the region of the environment. Raises Invalid for an unfit stage."""
    names = Names(stage)
    told = {
        "STAGE": stage,
        "SECRETS_PREFIX": names.secrets_prefix,
        **{f"{table.what.upper()}_TABLE_NAME": names(table.what) for table in TABLES},
    }
    built = build(AwsSettings.from_environment(told, ()))
    secrets = ManagedSecrets(built.clients.secretsmanager, names.secrets_prefix, built.clock)
    return Operated(built.store, secrets)
