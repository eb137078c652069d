"""What every test in a browser starts from: the real program, a real target, a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import Tab, chromium, require_chromium
from tests.e2e.program import Program
from tests.e2e.recorder import Recorder

OpenTab = Callable[..., Tab]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser. Not for longer: while Playwright runs, its thread has an event loop, and tests of other
    modules run their own."""
    require_chromium()
    with chromium() as started:
        yield started


@pytest.fixture
def target() -> Iterator[Recorder]:
    """A target that remembers what reached it; its path decides the answer (see ``tests.e2e.recorder``)."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def program(browser: Browser, tmp_path: Path) -> Iterator[Program]:
    """The server, open to this machine, which may call targets on it. Without a browser it is not started."""
    with Program(tmp_path / "data", "--allow-target", "127.0.0.1") as started:
        yield started


@pytest.fixture
def open_tab(
    browser: Browser, program: Program, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[OpenTab]:
    """Open a tab on the server, with more options of Playwright's contexts (``viewport=PHONE``). When the
    test ends nothing may have gone wrong in any of them; what a failed test saw last stands in its directory.
    """
    with ExitStack() as stack:
        tabs: list[Tab] = []

        def start(**options: object) -> Tab:
            tab = Tab(browser, f"http://127.0.0.1:{program.port}", **options)
            stack.callback(tab.close)
            tabs.append(tab)
            return tab

        failed_before = request.session.testsfailed
        yield start
        if request.session.testsfailed > failed_before:
            for number, tab in enumerate(tabs):
                tab.page.screenshot(path=tmp_path / f"failed-{number}.png", full_page=True)
        faults = [fault for tab in tabs for fault in tab.faults]
        assert faults == []


@pytest.fixture
def tab(open_tab: OpenTab) -> Tab:
    """A tab on the server."""
    return open_tab()
