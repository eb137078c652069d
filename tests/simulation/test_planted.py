"""A judge that found nothing must be able to: every fault planted is found, and within a few stories."""

from __future__ import annotations

import pytest

from tests.simulation.campaign import verdict
from tests.simulation.planted import PLANTED

ENOUGH = 60


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    assert any(verdict(seed, PLANTED[name])[1] for seed in range(ENOUGH)), name
