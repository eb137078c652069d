"""Why did it (not) run, and who changed it: asked and read on a schedule's page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, Tab, assert_accessible, assert_fits
from tests.browser.conftest import OpenTab
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e

WAITED = {"Prefer": "wait=10"}
REASON = "the greens are being mown"


def made(program: Program) -> str:
    """The address of a schedule that was edited, then paused."""
    document = {
        "name": "tee-times",
        "schedule_expression": "cron(30 6 * * ? *)",
        "timezone": "America/New_York",
        "target_type": "notification",
        "payload": {"channel": "log", "message": "hello"},
    }
    answer = program.post("/api/schedules", document, WAITED)
    assert answer.status == 201, answer.body
    path = f"/schedules/{answer.body['id']}"
    later = {"schedule_expression": "cron(0 9 * * ? *)", "payload": {"priority": "high"}}
    edited = program.ask("PATCH", f"/api{path}?reason=it%20opens%20later", later, WAITED)
    assert edited.status == 200, edited.body
    paused = program.post(f"/api{path}/pause", {"reason": REASON}, WAITED)
    assert paused.status == 200, paused.body
    return path


def ask(page: Page, local: str) -> None:
    page.get_by_label("Time in America/New_York").fill(local)
    page.get_by_role("button", name="Ask").click()


def test_a_paused_stretch_is_explained_and_its_change_can_be_read(program: Program, tab: Tab) -> None:
    page = tab.page
    page.goto(made(program))
    ask(page, "2099-06-01T09:00")
    answer = page.locator("#why-answer")
    expect(answer).to_contain_text("It will not run, for the schedule is paused. local paused it at")
    expect(answer.locator(".verdict")).to_contain_text(REASON)
    expect(answer.locator(".badge").first).to_contain_text("Paused")
    assert_accessible(page)

    answer.get_by_role("link", name="2 Jun 2099").click()
    expect(answer).to_contain_text("for the schedule is paused")
    ask(page, "2099-06-01T06:30")
    expect(answer).to_contain_text("cron(30 6 * * ? *) in America/New_York, which covers it, became")

    answer.get_by_role("link", name="All changes").click()
    expect(page.get_by_role("link", name="Changes", exact=True)).to_have_attribute("aria-current", "page")
    cards = page.locator("[data-change]")
    expect(cards).to_have_count(3)
    expect(cards.nth(0)).to_contain_text(REASON)
    expect(cards.nth(1)).to_contain_text("it opens later")
    expect(cards.nth(1).locator("del").first).to_contain_text("cron(30 6 * * ? *)")
    expect(cards.nth(1).locator("ins").first).to_contain_text("cron(0 9 * * ? *)")
    expect(cards.nth(2)).to_contain_text("Created by local")
    assert_accessible(page)


def test_the_answer_is_a_page_of_its_own_too_and_an_unfit_time_is_told(program: Program, tab: Tab) -> None:
    page, path = tab.page, made(program)
    page.goto(f"{path}/why?at=2099-03-08T02:30")
    expect(page.locator("#why-answer")).to_contain_text("It is not due: cron(0 9 * * ? *) does not cover")
    expect(page.get_by_label("Time in America/New_York")).to_have_value("2099-03-08T02:30")
    tab.expected = {422, 404}
    page.goto(f"{path}/why?at=soon")
    expect(page.get_by_text("'soon' is no time.")).to_be_visible()
    page.goto("/schedules/sch_none/why?at=09:30")
    expect(page.get_by_text("There is no schedule")).to_be_visible()


def test_changes_are_paged_and_fit_a_phone(program: Program, open_tab: OpenTab) -> None:
    page, path = open_tab(viewport=PHONE).page, made(program)
    for number in range(25):
        patch = {"description": f"the {number}. description, {'long ' * 20}"}
        assert program.ask("PATCH", f"/api{path}", patch, WAITED).status == 200
    page.goto(f"{path}?tab=changes")
    expect(page.locator("[data-change]")).to_have_count(25)
    ask(page, "2099-06-01T09:00")
    expect(page.locator("#why-answer")).to_contain_text(REASON)
    assert_fits(page)
    assert_accessible(page)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("[data-change]")).to_have_count(3)
    expect(page.locator("[data-change]").last).to_contain_text("Created")
    assert_fits(page)
