"""The screen of alerts, and a schedule's tab of them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import PHONE, Tab, assert_accessible, assert_fits
from tests.browser.conftest import OpenTab
from tests.e2e.program import Program, eventually, web_action
from tests.e2e.recorder import Recorder

pytestmark = pytest.mark.e2e

WAITED = {"Prefer": "wait=10"}
NEVER = "cron(0 0 1 1 ? *)"


def failing(program: Program, target: Recorder, name: str = "broken") -> str:
    """A schedule whose target fails, run until it is a dead letter; its id."""
    definition = web_action(name, NEVER, target.url("/fail/9/x"), policies={"retry": {"max_attempts": 0}})
    made = program.post("/api/schedules", definition, WAITED)
    assert made.status == 201, made.body
    program.post(f"/api/schedules/{made.body['id']}/run", {}, WAITED)
    return str(made.body["id"])


def rule(program: Program, **fields: object) -> str:
    made = program.post("/api/alert-rules", {"name": "For good", "kind": "dead_letter", **fields})
    assert made.status == 201, made.body
    return str(made.body["id"])


def test_a_rule_is_made_tried_turned_off_and_deleted(program: Program, tab: Tab) -> None:
    page = tab.page
    tab.expected = {422}  # what is wrong with a form is answered so
    page.goto("/alerts")
    expect(page.get_by_text("Nothing is wrong")).to_be_visible()
    expect(page.locator("[data-rule=missed]")).to_contain_text("always there")

    page.get_by_role("link", name="New rule").click()
    page.get_by_role("link", name="Failures in a row").click()
    page.get_by_label("Name", exact=False).first.fill("Sales fails")
    page.get_by_label("Tag").fill("sales")
    page.get_by_label("Failures in a row").fill("0")
    page.get_by_label("Channels").fill("opps")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#failures-error")).to_contain_text("at least 1")
    assert_accessible(page)
    page.get_by_label("Failures in a row").fill("4")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#channels-error")).to_contain_text("There is no channel 'opps'")
    page.get_by_label("Channels").fill("log")
    page.get_by_role("button", name="Save").click()

    row = page.locator("[data-rule]", has_text="Sales fails")
    expect(row).to_contain_text("4 failures in a row")
    expect(row).to_contain_text("tag sales")
    row.get_by_role("button", name="Send a test").click()
    expect(page.locator("#toasts")).to_contain_text("The test arrived: log.")
    page.locator("[data-rule]", has_text="Sales fails").get_by_role("button", name="Turn off").click()
    expect(page.locator("[data-rule]", has_text="Sales fails")).to_contain_text("Off")
    page.get_by_role("link", name="Sales fails").click()
    assert_accessible(page)
    page.get_by_role("button", name="Delete this rule").click()
    expect(page.locator("[data-rule]")).to_have_count(1)


def test_an_outage_appears_by_itself_and_on_its_schedules_tab(
    program: Program, target: Recorder, tab: Tab
) -> None:
    rule(program, channels=["log"])
    page = tab.page
    page.goto("/alerts")
    schedule_id = failing(program, target)
    alert = page.locator("[data-alert=dead_letter]")
    expect(alert).to_contain_text("broken", timeout=30_000)
    expect(alert).to_contain_text("Firing")
    expect(alert).to_contain_text("to log")
    assert_accessible(page)

    page.goto(f"/schedules/{schedule_id}?tab=alerts")
    expect(page.locator("[data-alert=dead_letter]")).to_have_count(1)
    expect(page.locator("[data-rule]")).to_have_count(2)
    assert_accessible(page)
    page.get_by_role("link", name="New rule for it").click()
    page.get_by_role("link", name="Slower than usual").click()
    page.get_by_role("button", name="Save").click()
    page.goto(f"/schedules/{schedule_id}?tab=alerts")
    expect(page.locator("[data-rule]", has_text="Slower than usual")).to_contain_text("broken")


def test_it_fits_a_phone(program: Program, target: Recorder, open_tab: OpenTab) -> None:
    rule(program, channels=["log"])
    failing(program, target)
    eventually(lambda: len(program.get("/api/alerts").body["items"]) == 1, 20, "the alert")
    page = open_tab(viewport=PHONE).page
    for address in ("/alerts", "/alerts/rules/new", "/alerts/rules/new?kind=failure_rate"):
        page.goto(address)
        assert_fits(page)
        assert_accessible(page)
