"""The list of schedules: found, sorted and paged by its address, alive, and usable by keys and on a phone."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, Tab, assert_accessible, assert_fits
from tests.browser.conftest import OpenTab
from tests.e2e.program import Program, at, web_action
from tests.e2e.recorder import Recorder

pytestmark = pytest.mark.e2e

WAITED = {"Prefer": "wait=10"}


def make(program: Program, name: str, expression: str = "cron(0 9 * * ? *)", **more: object) -> str:
    """A schedule that writes to the log, created and applied; its id."""
    document = {
        "name": name,
        "schedule_expression": expression,
        "target_type": "notification",
        "payload": {"channel": "log", "message": "hello"},
        **more,
    }
    made = program.post("/api/schedules", document, WAITED)
    assert made.status == 201, made.body
    return str(made.body["id"])


def names(page: Page) -> list[str]:
    """The names on the page, in its order."""
    return page.locator("[data-row] a[data-main]").all_inner_texts()


def test_filters_order_and_page_stand_in_the_address(program: Program, tab: Tab) -> None:
    for number in range(30):
        tags = ["even"] if number % 2 == 0 else ["odd"]
        make(program, f"report-{number:02}", tags=tags)
    page = tab.page
    page.goto("/schedules")
    assert names(page)[:2] == ["report-29", "report-28"]

    page.get_by_role("link", name="Name", exact=False).first.click()
    expect(page.locator("[data-row] a[data-main]").first).to_have_text("report-00")
    assert "order=name" in page.url
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("[data-row] a[data-main]").first).to_have_text("report-25")
    assert len(names(page)) == 5

    page.goto("/schedules?tag=even&order=name")
    assert names(page)[:3] == ["report-00", "report-02", "report-04"]
    page.reload()
    assert names(page)[:3] == ["report-00", "report-02", "report-04"]

    page.get_by_placeholder("Name begins with").fill("report-1")
    expect(page.locator("[data-row] a[data-main]")).to_have_count(5)
    assert "q=report-1" in page.url
    page.get_by_placeholder("Name begins with").fill("nothing")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    assert_accessible(page)


def test_a_run_appears_without_a_reload(program: Program, target: Recorder, tab: Tab) -> None:
    url = f"http://127.0.0.1:{target.port}/hook"
    page = tab.page
    page.goto("/schedules")
    made = program.post("/api/schedules", web_action("soon", at(time.time() + 3), url), WAITED)
    assert made.status == 201
    row = page.locator("[data-row]", has_text="soon")
    expect(row.locator("svg.bars .bar-succeeded")).to_have_count(1, timeout=40_000)


def test_keys_move_through_the_list(program: Program, tab: Tab) -> None:
    for name in ("one", "two"):
        make(program, name)
    page = tab.page
    page.goto("/schedules?order=name")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="two", exact=True)).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Name begins with")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_fits_a_phone_and_axe_finds_nothing_grave(
    program: Program, open_tab: OpenTab, scheme: str
) -> None:
    paused = make(program, "a-schedule-with-a-rather-long-name-of-its-own", tags=["golf", "spring"])
    program.post(f"/api/schedules/{paused}/pause", {"reason": "greens are being mown"}, WAITED)
    make(program, "daily")
    for options in ({}, {"viewport": PHONE}):
        page = open_tab(color_scheme=scheme, **options).page
        page.goto("/schedules")
        expect(page.get_by_text("greens are being mown")).to_be_visible()
        assert_fits(page)
        assert_accessible(page)


def state(page: Page, name: str) -> str:
    """What the row of ``name`` says of its state."""
    return page.locator("[data-row]", has_text=name).locator("td.state").inner_text()


def test_ticked_schedules_are_paused_together_and_undo_resumes_them(program: Program, tab: Tab) -> None:
    for name in ("one", "two", "three"):
        make(program, name)
    page = tab.page
    page.goto("/schedules?order=name")
    page.get_by_label("Select one").check()
    page.get_by_label("Select two").check()
    expect(page.get_by_text("2 ticked", exact=True)).to_be_visible()
    page.get_by_role("button", name="Pause…").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("the store moves")
    assert_accessible(page)
    page.get_by_role("dialog").get_by_label("Reason").press("Enter")
    expect(page.get_by_text("Paused 2 schedules.")).to_be_visible()
    assert "the store moves" in state(page, "one")
    assert "the store moves" in state(page, "two")
    assert "Active" in state(page, "three")
    assert "order=name" in page.url

    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone.")).to_be_visible()
    assert "Active" in state(page, "one")
    assert "Active" in state(page, "two")


def test_deleted_schedules_come_back_by_undo(program: Program, tab: Tab) -> None:
    ids = [make(program, "one", tags=["golf"]), make(program, "two")]
    page = tab.page
    page.goto("/schedules?order=name")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("the course is sold")
    assert_accessible(page)
    page.get_by_role("dialog").get_by_label("Reason").press("Enter")
    expect(page.get_by_text("Deleted 2 schedules.")).to_be_visible()
    for schedule_id in ids:
        newest, *_ = program.get(f"/api/schedules/{schedule_id}/changes").body["items"]
        assert (newest["action"], newest["reason"]) == ("delete", "the course is sold")
    expect(page.get_by_role("heading", name="No schedules yet")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone.")).to_be_visible()
    assert names(page) == ["one", "two"]
    expect(page.locator("a.tag", has_text="golf")).to_be_visible()


def test_what_fails_in_a_bulk_is_told_and_stops_nothing_else(program: Program, tab: Tab) -> None:
    paused = make(program, "one")
    make(program, "two")
    program.post(f"/api/schedules/{paused}/pause", {}, WAITED)
    page = tab.page
    page.goto("/schedules?order=name")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Resume…").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("the store has moved")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_text("Resumed one; not 1 schedule.")).to_be_visible()
    newest, *_ = program.get(f"/api/schedules/{paused}/changes").body["items"]
    assert (newest["action"], newest["reason"]) == ("resume", "the store has moved")
    expect(page.get_by_text("two: Schedule 'two' is not paused.")).to_be_visible()


def test_a_newcomer_is_helped_to_the_first_schedule(program: Program, tab: Tab) -> None:
    page = tab.page
    page.goto("/schedules")
    expect(page.get_by_text("curl -X POST")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Try one").click()
    expect(page.get_by_role("heading", name="heartbeat")).to_be_visible()
