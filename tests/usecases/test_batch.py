"""Batches: each schedule judged by itself, and remembered together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.errors import Malformed, RezError
from rez_agent.usecases.batch import Answering, create_chunk
from rez_agent.usecases.commands import Submitted
from rez_agent.usecases.idempotency import Keyed, Once
from tests.rig import ANN, Rig, definition_of


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A host at noon."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def accepted(submitted: Submitted) -> dict[str, Any]:
    """An id."""
    return {"schedule_id": submitted.message.schedule_id}


def refused(error: RezError) -> dict[str, Any]:
    """A code."""
    return {"code": error.code}


def chunk(rig: Rig, items: list[Any], keyed: Keyed | None = None, quota: int = 100) -> Once:
    """Create them."""
    answering = Answering(accepted, refused)
    return rig.do(
        lambda ports: create_chunk(ports, ANN, items, quota=quota, keyed=keyed, answering=answering)
    )


def test_a_refused_item_leaves_nothing_behind_and_spoils_no_other(rig: Rig) -> None:
    items = [definition_of("a"), 7, definition_of("b", timezone="Mars"), Malformed("no"), definition_of("c")]
    answers = chunk(rig, items).value["items"]

    assert [answer.get("code") for answer in answers] == [
        None,
        "wrong_type",
        "invalid_timezone",
        "malformed_request",
        None,
    ]
    assert rig.ports.schedules.living("ann") == 2


def test_the_quota_is_counted_item_by_item(rig: Rig) -> None:
    rig.create("first")
    answers = chunk(rig, [definition_of("second"), definition_of("third")], quota=1).value["items"]

    assert [answer["code"] for answer in answers] == ["quota_exceeded", "quota_exceeded"]


def test_a_repeated_chunk_creates_nothing_anew(rig: Rig) -> None:
    keyed = Keyed("ann", "key", "print")
    first = chunk(rig, [definition_of("a"), 7], keyed)
    second = chunk(rig, [definition_of("a"), 7], keyed)

    assert second == Once(first.value, replayed=True)
    assert rig.ports.schedules.living("ann") == 1
