"""What every end-to-end test starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.recorder import Recorder

Serve = Callable[..., Program]


@pytest.fixture
def target() -> Iterator[Recorder]:
    """A target that remembers what reached it."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def serve(data_dir: Path) -> Iterator[Serve]:
    """Start ``rez-agent serve`` with more options; it may call the targets on this machine."""
    with ExitStack() as stack:

        def start(*options: str) -> Program:
            return stack.enter_context(Program(data_dir, "--allow-target", "127.0.0.1", *options))

        yield start
