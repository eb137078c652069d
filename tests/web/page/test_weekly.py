"""The week's page, without a screen."""

from __future__ import annotations

from datetime import date

import pytest

from rez_agent.web.forms import WeekFilter
from rez_agent.web.page.weekly import address
from tests.web.client import Server
from tests.web.page.browsing import Browser


def test_a_week_shows_what_is_expected_of_each_schedule(server: Server, browser: Browser) -> None:
    made = server.made("of-the-week", tags=["weekly"])
    browser.open("/week?tag=weekly&from=2031-03-03&timezone=America/New_York")
    for text in (
        "Mon 3 Mar to Sun 9 Mar 2031",
        f'href="/schedules/{made["id"]}"',
        "7 expected",
        "<title>Mon 06:30 expected</title>",
        "/week?from=2031-03-10&timezone=America%2FNew_York&tag=weekly",
        "1 schedule",
    ):
        assert text in browser.shown, text


def test_a_week_without_schedules_says_so(browser: Browser) -> None:
    browser.open("/week?tag=nobody-has-this")
    assert "No schedules here" in browser.shown


def test_busy_minutes_are_named_with_a_window_that_flattens_them(server: Server, browser: Browser) -> None:
    for number in range(4):
        server.made(f"busy-{number}", tags=["busy"])
    browser.open("/week?tag=busy&from=2031-03-03")
    assert "Busiest minutes: Mon 11:30 (4 runs)" in browser.shown
    assert "2 minutes</strong> on all schedules without one would bring that down to 2.0." in browser.shown


def test_a_zone_that_is_not_known_is_refused(browser: Browser) -> None:
    assert browser.open("/week?timezone=Mars").status == 422


@pytest.mark.parametrize(
    ("first", "told"),
    [(None, "/week?tag=a+b"), (date(2026, 3, 2), "/week?from=2026-03-02&tag=a+b")],
)
def test_a_week_has_an_address(first: date | None, told: str) -> None:
    assert address(WeekFilter(tag="a b"), first) == told
    assert address(WeekFilter(), None) == "/week"
