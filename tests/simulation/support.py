"""Runs the simulation as a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def program(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """``python -m tests.simulation``."""
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        check=False,
        capture_output=True,
        text=True,
    )


def conclusion(*, first: int, seeds: int) -> str:
    """What the program says in the end, which fails the test where a seed failed."""
    done = program("--from", str(first), "--seeds", str(seeds))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
