"""The deployed stack that the tests of one process share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.recorder import Recorder
from tests.stack.running import Stack, running_stack
from tests.stack.zips import built_zips


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole AWS on this machine, the stack deployed to it."""
    asked = tmp_path_factory.mktemp("stack") / "asked.jsonl"
    with running_stack(built_zips(tmp_path_factory), asked) as running:
        yield running


@pytest.fixture(scope="session")
def target() -> Iterator[Recorder]:
    """A target on loopback that remembers what reached it."""
    with Recorder() as recorder:
        yield recorder
