"""Every contract runs on every host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.hosts import AWS_RUNS, STEPPED, SteppedHost


@pytest.fixture(params=STEPPED)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SteppedHost]:
    """An empty host under the test's own clock."""
    suite = request.module.__name__.rpartition(".")[2]
    if request.param == "aws" and suite not in AWS_RUNS:
        pytest.skip("the AWS host does not have all parts for this suite")
    with STEPPED[request.param](tmp_path) as made:
        yield made
