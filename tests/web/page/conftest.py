"""One local host for each module of tests, and a browser that looks at it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from rez_agent.web.settings import WebSettings
from tests.web.client import Server, serving
from tests.web.page.browsing import Browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An open server, as on loopback without keys."""
    with serving(tmp_path_factory.mktemp("data"), allow_target=("127.0.0.1",)) as over:
        yield over(WebSettings(open_access=True, version="test"))


@pytest.fixture
def browser(server: Server) -> Browser:
    """A browser that was never there before."""
    return Browser(server)


@pytest.fixture(scope="module")
def closed_port() -> int:
    """A port that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
