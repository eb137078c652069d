"""An emulated AWS for all tests that need no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from infrastructure.aws_local.process import emulator

from tests.infrastructure.aws_local.rig import Rig


@pytest.fixture(scope="session")
def aws() -> Iterator[Rig]:
    """One that fires, and enforces IAM."""
    with emulator(auth=True) as endpoint:
        yield Rig(endpoint)
