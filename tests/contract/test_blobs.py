"""The contract of Blobs."""

from __future__ import annotations

import pytest

from rez_agent.domain.errors import NotFound
from tests.contract.hosts import SteppedHost

DATA = bytes(range(256)) * 300


def test_a_blob_is_given_back_as_it_was_kept(host: SteppedHost) -> None:
    blobs = host.blobs()
    for data in (DATA, b""):
        assert blobs.get(blobs.put("sch_1", data)) == data


def test_the_same_data_twice_is_kept_once(host: SteppedHost) -> None:
    blobs = host.blobs()
    assert blobs.put("sch_1", DATA) == blobs.put("sch_2", DATA) == blobs.put("sch_1", DATA)
    assert blobs.put("sch_1", DATA + b"!") != blobs.put("sch_1", DATA)


def test_a_blob_dies_with_its_last_owner(host: SteppedHost) -> None:
    blobs = host.blobs()
    reference = blobs.put("sch_1", DATA)
    blobs.put("sch_2", DATA)
    blobs.drop("sch_1")
    assert blobs.get(reference) == DATA
    blobs.drop("sch_2")
    with pytest.raises(NotFound):
        blobs.get(reference)


def test_dropping_an_owner_of_nothing_changes_nothing(host: SteppedHost) -> None:
    blobs = host.blobs()
    reference = blobs.put("sch_1", DATA)
    blobs.drop("sch_9")
    assert blobs.get(reference) == DATA


def test_there_is_no_blob_that_was_never_put(host: SteppedHost) -> None:
    with pytest.raises(NotFound):
        host.blobs().get("0" * 64)
