"""Looking at a deployed stage from outside, as its operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rez_agent.aws.asking import Asking, MakeClient
from rez_agent.aws.clients import Clients
from rez_agent.aws.deployed import Deployed
from rez_agent.aws.underway import Underway


@dataclass(frozen=True, slots=True)
class Inspection:
    """One stage in one account and region. Only looks; every method raises what ``ask`` says."""

    ask: Asking
    deployed: Deployed
    underway: Underway


def inspection_by(stage: str, client: MakeClient) -> Inspection:
    """The stage, asked through ``client``, which gives a client of AWS's by its service's name."""
    ask = Asking(stage, client)
    return Inspection(ask, Deployed(ask), Underway(ask))


def inspection(stage: str) -> Inspection:
    """The stage, with the credentials and in the region of the environment, as botocore finds them."""
    clients, made = Clients(), dict[str, Any]()

    def client(service: str) -> Any:
        if service not in made:
            made[service] = clients.make(service)
        return made[service]

    return inspection_by(stage, client)
