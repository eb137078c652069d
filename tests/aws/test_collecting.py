"""Collecting objects without owners."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rez_agent.aws.build import Built
from rez_agent.aws.collecting import collect_blobs
from rez_agent.clock import SystemClock
from rez_agent.domain.errors import NotFound
from tests.aws.serving import parts
from tests.aws.stage import Stage
from tests.fakes import FakeClock


@pytest.fixture
def built() -> Built:
    """Two days from now: what is put today is old."""
    return parts(Stage(), clock=FakeClock(SystemClock().now() + timedelta(days=2)))


def collect(built: Built, left: float = 900.0) -> int:
    return collect_blobs(built.store, built.bucket, built.clock, lambda: left)


def test_an_object_that_nobody_owns_goes_and_the_others_stay(built: Built) -> None:
    built.bucket.put("0" * 64 + "/left-by-a-crash", b"nobody's")
    owned = built.store.write(lambda ports: ports.blobs.put("sch_1", b"somebody's"))
    assert collect(built) == 1
    assert built.bucket.get(owned) == b"somebody's"
    with pytest.raises(NotFound):
        built.bucket.get("0" * 64 + "/left-by-a-crash")


def test_the_next_run_begins_anew_after_the_end(built: Built) -> None:
    assert collect(built) == 1
    built.bucket.put("0" * 64 + "/left-by-a-crash", b"nobody's")
    assert collect(built) == 1
    assert built.bucket.page("", 10) == []


def test_nothing_is_begun_without_time(built: Built) -> None:
    assert collect(built, left=59) == 0
