"""Every contract runs on every host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.hosts import STEPPED, SteppedHost


@pytest.fixture(params=STEPPED)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SteppedHost]:
    """An empty host under the test's own clock."""
    with STEPPED[request.param](tmp_path) as made:
        yield made
