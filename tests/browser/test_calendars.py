"""The screens of calendars."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import PHONE, Tab, assert_accessible, assert_fits

pytestmark = pytest.mark.e2e


def test_a_calendar_is_made_looked_at_and_changed(tab: Tab) -> None:
    page = tab.page
    tab.expected = {422}  # what is wrong with a form is answered so
    page.goto("/calendars")
    expect(page.get_by_text("No calendars yet")).to_be_visible()
    page.get_by_role("link", name="New calendar").first.click()
    assert_accessible(page)
    page.get_by_label("Name", exact=False).first.fill("at")
    page.get_by_label("Title").fill("Working days in Austria")
    page.get_by_label("Country", exact=False).first.select_option("AT")
    page.get_by_label("Closed days").fill("2026-12-24 closed early\nsoon")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#closed-error")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Closed days").fill("2026-12-24 closed early")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved calendar at.")
    page.goto("/calendars/at?year=2026")
    expect(page.locator(".month")).to_have_count(12)
    expect(page.locator(".month").last).to_contain_text("Christmas Day")
    assert_accessible(page)
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert_fits(page)
    page.get_by_role("link", name="2027").click()
    expect(page.get_by_role("heading", name="2027")).to_be_visible()
    page.goto("/calendars")
    expect(page.locator("tbody")).to_contain_text("holidays of AT")
    assert_accessible(page)
    assert_fits(page)
