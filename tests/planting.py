"""The program with a fault planted in it, to show that a proof would find it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import rez_agent


@dataclass(frozen=True, slots=True)
class Plant:
    """A change of one place in a file of the program, which must read as ``was``."""

    name: str
    file: str
    was: str
    becomes: str

    def in_a_copy(self, directory: Path) -> dict[str, str]:
        """Copy the program into ``directory`` and change it there; the environment in which a process runs
        the copy."""
        package = Path(rez_agent.__file__).parent
        copy = directory / "rez_agent"
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / self.file
        text = file.read_text()
        assert text.count(self.was) == 1, f"{self.file} reads otherwise now: plant the fault anew"
        file.write_text(text.replace(self.was, self.becomes))
        return {**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
