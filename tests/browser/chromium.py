"""Debian's Chromium, driven as a reader drives it; and what must hold of every page that it shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect, sync_playwright

CHROMIUM = Path(os.environ.get("REZ_CHROMIUM", "/usr/bin/chromium"))
"""The browser. Playwright's own are never downloaded."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}

PATIENCE_MS = 15_000
"""How long a test waits for what a page is to show, on a busy machine."""

expect.set_options(timeout=PATIENCE_MS)
_GRAVE = ("serious", "critical")


def require_chromium() -> None:
    """Skip where there is no browser, or fail where there must be one (``REZ_BROWSER=required``)."""
    if CHROMIUM.exists():
        return
    text = f"There is no {CHROMIUM}: apt-get install chromium, or name another in REZ_CHROMIUM."
    if os.environ.get("REZ_BROWSER") == "required":
        pytest.fail(text)
    pytest.skip(text)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, started; one serves many tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """A tab of a fresh profile: no cookies, nothing cached. It notes whatever went wrong in it.

    ``expected``: statuses of answers that a test provokes, which browsers report as errors too.
    """

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        self.context = browser.new_context(base_url=base, **{"viewport": DESK, **options})
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.expected: set[int] = set()
        self.faults: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def close(self) -> None:
        """Close it, with its profile."""
        self.context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left before the answer came
            self.faults.append(f"request: {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.faults.append(f"answer: {response.status} {response.request.method} {response.url}")


def assert_accessible(page: Page) -> None:
    """axe-core finds nothing serious or critical in the page as it stands."""
    found = Axe().run(page).response["violations"]
    told = [
        f"{violation['id']} ({violation['impact']}): {violation['help']}: {node['html'][:200]}"
        for violation in found
        if violation["impact"] in _GRAVE
        for node in violation["nodes"]
    ]
    assert not told, "\n".join(told)


def assert_fits(page: Page) -> None:
    """The page is not wider than its window: nobody has to push it sideways to read it."""
    wide, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= room, f"{wide} pixels wide, in a window of {room}"
