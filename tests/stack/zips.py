"""The functions' zips as the code is now, built once for all processes of a run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from infrastructure.zips.building import build


def built_zips(factory: pytest.TempPathFactory) -> Path:
    """The directory that holds them."""
    shared = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    directory = shared / "zips"
    with (shared / "zips.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait, and then find them built
        if not directory.is_dir():
            build(shared / "zips-half")
            (shared / "zips-half").rename(directory)
    return directory
