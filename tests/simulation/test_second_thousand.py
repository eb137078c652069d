"""The second thousand seeds, in processes of their own: what measures coverage would make them slow."""

from __future__ import annotations

import pytest

from tests.simulation.support import conclusion


@pytest.mark.slow
@pytest.mark.parametrize("first", [1000, 1500])
def test_no_promise_is_broken_in_five_hundred_stories(first: int) -> None:
    assert "500 seeds" in conclusion(first=first, seeds=500)
