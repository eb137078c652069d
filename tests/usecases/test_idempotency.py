"""The same request twice is carried out once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.errors import Conflict, Invalid
from rez_agent.ports import Ports
from rez_agent.usecases.idempotency import Keyed, Once, in_flight, once, remember
from tests.rig import Rig

KEYED = Keyed("ann", "k1", "print")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A host at noon."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def ids(ports: Ports) -> dict[str, Any]:
    """Something that differs each time it is done."""
    return {"id": ports.random.new_id("x", ports.clock.now())}


def done(rig: Rig, keyed: Keyed | None = KEYED) -> Once:
    """Carry it out, or recall it."""
    return rig.do(lambda ports: once(ports, keyed, ids))


def test_what_was_done_is_recalled(rig: Rig) -> None:
    first, second = done(rig), done(rig)

    assert (first.replayed, second.replayed) == (False, True)
    assert first.value == second.value


def test_without_a_key_it_is_done_each_time(rig: Rig) -> None:
    assert done(rig, None).value != done(rig, None).value


@pytest.mark.parametrize(
    "other", [Keyed("bob", "k1", "print"), Keyed("ann", "k2", "print"), KEYED.part(0), KEYED.part(1)]
)
def test_another_owner_another_key_and_a_part_are_apart(rig: Rig, other: Keyed) -> None:
    assert done(rig).value != done(rig, other).value


def test_another_request_with_the_key_is_refused(rig: Rig) -> None:
    done(rig)
    with pytest.raises(Invalid) as caught:
        done(rig, Keyed("ann", "k1", "other"))
    assert caught.value.code == "idempotency_key_reused"


def test_a_key_is_forgotten_after_a_day(rig: Rig) -> None:
    first = done(rig)
    rig.clock.advance(hours=23, minutes=59)
    assert done(rig).value == first.value
    rig.clock.advance(minutes=1)
    assert not done(rig).replayed


def test_what_was_refused_leaves_nothing_behind(rig: Rig) -> None:
    def refuse(ports: Ports) -> dict[str, Any]:
        ids(ports)
        raise Conflict("not now")

    with pytest.raises(Conflict):
        rig.do(lambda ports: once(ports, KEYED, refuse))
    assert not done(rig).replayed


def test_an_outcome_takes_the_place_of_the_acceptance(rig: Rig) -> None:
    done(rig)
    rig.do(lambda ports: remember(ports, KEYED, {"answer": 201}))

    assert done(rig) == Once({"answer": 201}, replayed=True)


def test_in_flight_is_a_conflict_with_a_code_of_its_own() -> None:
    assert in_flight().code == "idempotency_in_flight"
