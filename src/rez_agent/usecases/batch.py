"""Batches: many schedules in one request, each judged by itself.

A chunk is one use case, so the writer is never held for long. What each item came to is kept with the
chunk under the request's ``Idempotency-Key``: a request repeated after a crash goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rez_agent.domain.command import CommandAction, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid, RezError
from rez_agent.ports import Ports
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import Submitted, submit
from rez_agent.usecases.idempotency import Keyed, Once, once

Document = dict[str, Any]
Item = Any | RezError
"""A document to be read as a definition, or why it could not even be read."""

BATCH_AT_MOST = 1_000
"""Schedules in one batch."""

CHUNK = 250
"""Schedules in one use case."""


@dataclass(frozen=True, slots=True)
class Answering:
    """How an item's outcome is put: an accepted command, and a refusal."""

    accepted: Callable[[Submitted], Document]
    refused: Callable[[RezError], Document]


def create_chunk(
    ports: Ports,
    caller: Caller,
    items: Sequence[Item],
    *,
    quota: int,
    keyed: Keyed | None,
    answering: Answering,
) -> Once:
    """Submit each of ``items``: ``{"items": [...]}``, one document for each, in their order."""

    def do(ports: Ports) -> Document:
        return {"items": [_create(ports, caller, item, quota, answering) for item in items]}

    return once(ports, keyed, do)


def _create(ports: Ports, caller: Caller, item: Item, quota: int, answering: Answering) -> Document:
    """A refused item leaves nothing behind: a submit checks first and writes last."""
    try:
        return answering.accepted(submit(ports, caller, _request(item), quota=quota))
    except RezError as error:
        return answering.refused(error)


def _request(item: Item) -> ScheduleCreationRequest:
    if isinstance(item, RezError):
        raise item
    if not isinstance(item, dict):
        raise Invalid("Each schedule must be a JSON object.", code="wrong_type")
    return ScheduleCreationRequest.model_construct(action=CommandAction.CREATE, schedule=item)
