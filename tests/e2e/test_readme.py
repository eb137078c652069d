"""The README's ten lines, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program

pytestmark = pytest.mark.e2e

README = Path(__file__).parents[2] / "README.md"
PASSED_OVER = "source .venv/bin/activate"


def lines_to_run() -> list[str]:
    """The lines of the block that the README says is tested."""
    block = re.search(r"<!-- tested: .*?-->\n```bash\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    return [line for line in block[1].splitlines() if line != PASSED_OVER]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path / "data") as program:
        yield program


def test_every_line_of_the_readme_runs_and_the_readme_has_about_ten(server: Program) -> None:
    lines = lines_to_run()
    assert 8 <= len(lines) <= 12
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "REZ_URL": f"http://127.0.0.1:{server.port}",
    }
    said = {}
    for line in lines:
        command = line.replace(":8080/", f":{server.port}/")
        done = subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said[line] = done.stdout
    answers = list(said.values())
    assert "weekday" in answers[0]
    assert "succeeded" in "".join(answers)
    assert '"migration"' in "".join(answers)
