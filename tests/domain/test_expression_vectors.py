"""Every recorded vector: what EventBridge Scheduler's documents, and programs that agree, say is due."""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.errors import Invalid
from rez_agent.domain.expression import Occurrences, parse

_FILE = Path(__file__).parent.parent / "vectors" / "vectors.jsonl"
VECTORS = [json.loads(line) for line in _FILE.read_text().splitlines()]
VALID = [vector for vector in VECTORS if vector.get("valid", True)]
INVALID = [vector for vector in VECTORS if not vector.get("valid", True)]


def _name(vector: dict[str, Any]) -> str:
    return f"{vector['id']} {vector['expression']} {vector['timezone']}"


def test_the_vectors_are_there() -> None:
    assert len(VALID) > 250
    assert len(INVALID) > 45


@pytest.mark.parametrize("vector", VALID, ids=_name)
def test_a_vector_holds_forwards_backwards_and_counted(vector: dict[str, Any]) -> None:
    after = datetime.fromisoformat(vector["after"])
    start = datetime.fromisoformat(vector["start"]) if "start" in vector else None
    occurrences = Occurrences(parse(vector["expression"], vector["timezone"]), start=start)
    expected = [datetime.fromisoformat(text) for text in vector["next"]]
    until = expected[-1] if len(expected) == 5 else datetime(2200, 1, 2, tzinfo=after.tzinfo)
    assert occurrences.between(after, until, limit=6) == expected
    assert occurrences.count_between(after, until) == len(expected)
    for earlier, later in itertools.pairwise(expected):
        assert occurrences.previous_before(later) == earlier
    if len(expected) < 5:
        assert occurrences.next_after(expected[-1] if expected else after) is None


@pytest.mark.parametrize("vector", INVALID, ids=_name)
def test_an_invalid_vector_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        parse(vector["expression"], vector["timezone"])
