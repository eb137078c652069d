"""One local host for each module of tests; each test names its own schedules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rez_agent.web.settings import WebSettings
from tests.web.client import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An open server, as on loopback without keys."""
    data_dir: Path = tmp_path_factory.mktemp("data")
    with serving(data_dir, allow_target=("127.0.0.1",)) as over:
        yield over(WebSettings(open_access=True, version="test"))
