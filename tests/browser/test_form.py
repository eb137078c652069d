"""Create and edit, as people do it: fields that answer while one types, a schedule that fires, an edit with
what it comes to, a test run, somebody who was quicker."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import PHONE, Tab, assert_accessible, assert_fits
from tests.browser.conftest import OpenTab
from tests.e2e.program import Program
from tests.e2e.recorder import Recorder

pytestmark = pytest.mark.e2e

WAITED = {"Prefer": "wait=10"}


def make(program: Program, target: Recorder, name: str, **more: object) -> str:
    """A schedule that calls the target every day, created and applied; its id."""
    document = {
        "name": name,
        "schedule_expression": "cron(0 9 * * ? *)",
        "timezone": "America/New_York",
        "target_type": "web_action",
        "payload": {"action": "http", "url": f"http://127.0.0.1:{target.port}/hook"},
        **more,
    }
    made = program.post("/api/schedules", document, WAITED)
    assert made.status == 201, made.body
    return str(made.body["id"])


def sentence(page: Page) -> str:
    return page.locator("#outlook .sentence").inner_text()


def test_the_next_runs_and_what_is_wrong_appear_while_one_types(open_tab: OpenTab) -> None:
    page = open_tab(timezone_id="Europe/Berlin").page
    page.goto("/schedules/new")
    expect(page.locator("#timezone")).to_have_value("Europe/Berlin")
    expect(page.locator("#outlook .sentence")).to_have_text("At 09:00 every day, in Europe/Berlin.")
    assert page.locator("#outlook tbody tr").count() == 10

    page.get_by_label("How often").select_option("weekly")
    page.get_by_label("Mon", exact=True).check()
    page.get_by_label("Time zone").fill("America/New_York")
    expect(page.locator("#outlook .sentence")).to_have_text("At 09:00 every Monday, in America/New_York.")
    expect(page.locator("#outlook thead")).to_contain_text("Your time")
    expect(page.locator("#outlook tbody tr").first).to_contain_text("15:00")

    page.get_by_label("How often").select_option("expression")
    field = page.get_by_role("textbox", name="Expression", exact=True)
    field.fill("cron(0 25 * * ? *)")
    expect(page.locator("#expression-error")).to_contain_text("hour")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert "expression-error" in str(field.get_attribute("aria-describedby"))
    assert_accessible(page)
    field.fill("at(2031-03-30T02:30:00)")
    expect(page.locator("#expression-error")).to_be_empty()
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_a_clock_change_is_told_beside_the_run_that_it_touches(open_tab: OpenTab) -> None:
    page = open_tab().page
    page.goto("/schedules/new")
    page.get_by_label("How often").select_option("expression")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_role("textbox", name="Expression", exact=True).fill("cron(30 2 30 3 ? 2031)")
    expect(page.locator("#outlook .note.is-warn")).to_be_visible()


def test_what_was_pasted_fills_the_fields(open_tab: OpenTab) -> None:
    tab = open_tab(timezone_id="UTC")
    tab.expected = {422}
    page = tab.page
    page.goto("/schedules/new")
    page.get_by_text("Start from a cURL command").click()
    page.get_by_label("Paste it here").fill(
        "30 6 * * 1-5 curl -k -X PUT -H 'X-Course: north' https://example.com/tee-times"
    )
    page.get_by_role("button", name="Fill in").click()
    expect(page.locator("#pasted-note")).to_contain_text("certificates are always verified")
    expect(page.locator("#pasted-note")).to_be_focused()
    expect(page.get_by_label("URL", exact=True)).to_have_value("https://example.com/tee-times")
    expect(page.get_by_label("Headers, one a line")).to_have_value("X-Course: north")
    expect(page.get_by_label("How often")).to_have_value("weekdays")
    expect(page.locator("#outlook .sentence")).to_contain_text("06:30")
    page.get_by_label("Paste it here").fill("hello")
    page.get_by_role("button", name="Fill in").click()
    expect(page.locator("#pasted-error")).to_contain_text("no curl")
    expect(page.get_by_label("URL", exact=True)).to_have_value("https://example.com/tee-times")


def test_a_schedule_is_created_and_fires(program: Program, target: Recorder, tab: Tab) -> None:
    page = tab.page
    page.goto("/schedules")
    page.get_by_role("link", name="New schedule").first.click()
    page.get_by_label("Name", exact=True).fill("soon")
    page.get_by_label("URL", exact=True).fill(f"http://127.0.0.1:{target.port}/hook")
    page.get_by_label("Time zone").fill("UTC")
    page.get_by_label("How often").select_option("once")
    due = datetime.fromtimestamp(time.time() + 4, UTC)
    page.locator("#once_at").fill(f"{due:%Y-%m-%dT%H:%M:%S}")
    page.get_by_role("button", name="Create schedule").click()
    expect(page.locator("#toasts")).to_contain_text("Created soon.")
    page.goto("/schedules")
    row = page.locator("[data-row]", has_text="soon")
    expect(row.locator("svg.bars .bar-succeeded")).to_have_count(1, timeout=40_000)


def test_errors_are_told_together_and_lead_to_their_fields(tab: Tab) -> None:
    tab.expected = {422}
    page = tab.page
    page.goto("/schedules/new")
    page.get_by_label("Tries after a failed one").fill("many")
    page.get_by_role("button", name="Create schedule").click()
    summary = page.locator("#summary")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("3 things to mend")
    expect(page.get_by_label("Tries after a failed one")).to_have_value("many")
    summary.get_by_role("link", name="URL is required.").click()
    expect(page.get_by_label("URL", exact=True)).to_be_focused()
    assert_accessible(page)


def test_an_edit_shows_what_it_comes_to_before_it_is_saved(
    program: Program, target: Recorder, tab: Tab
) -> None:
    schedule_id = make(program, target, "edited")
    page = tab.page
    page.goto(f"/schedules/{schedule_id}/edit")
    told = page.locator("#consequences")
    expect(told).to_contain_text("Nothing yet.")
    page.get_by_label("How often").select_option("weekdays")
    expect(told).to_contain_text("cron(0 9 ? * MON-FRI *)")
    expect(told.locator("tr.is-lost").first).to_be_visible()
    assert told.locator("tr.is-gained").count() == 0
    assert_accessible(page)
    page.get_by_label("Why this change").fill("nobody plays on weekends")
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator("#toasts")).to_contain_text("Saved edited.")
    after = program.get(f"/api/schedules/{schedule_id}").body
    assert (after["schedule_expression"], after["revision"]) == ("cron(0 9 ? * MON-FRI *)", 2)


def test_a_test_run_calls_what_stands_there_and_shows_the_answer(
    program: Program, target: Recorder, tab: Tab
) -> None:
    schedule_id = make(program, target, "tried")
    page = tab.page
    page.goto(f"/schedules/{schedule_id}/edit")
    page.get_by_label("URL", exact=True).fill(f"http://127.0.0.1:{target.port}/slow/1/unsaved")
    page.get_by_role("button", name="Test run").click()
    tested = page.locator("#tested")
    expect(tested).to_contain_text("Succeeded")
    expect(tested).to_contain_text("First byte")
    expect(tested).to_contain_text("Status 200")
    assert_accessible(page)
    assert program.get(f"/api/schedules/{schedule_id}").body["revision"] == 1
    page.get_by_label("URL", exact=True).fill("")
    page.get_by_role("button", name="Test run").click()
    expect(page.locator("#test-run")).to_contain_text("Nothing was sent")


def test_a_condition_is_tried_before_it_is_saved(open_tab: OpenTab) -> None:
    page = open_tab(viewport=PHONE).page
    page.goto("/schedules/new")
    page.get_by_text("Condition and calendar").click()
    page.get_by_label("Only if").fill("last.body.free")
    page.get_by_text("Try it", exact=True).click()
    page.get_by_label("The run before").select_option("succeeded")
    page.get_by_label("Its answer, as JSON").fill('{"free": false}')
    page.get_by_role("button", name="Try the condition").click()
    told = page.locator("#condition-tried")
    expect(told).to_contain_text("False: it would be skipped.")
    expect(told.locator("dd")).to_have_text("false")
    assert_accessible(page)
    assert_fits(page)
    page.get_by_label("Only if").fill("last.stauts == 'x'")
    page.get_by_role("button", name="Try the condition").click()
    expect(told.locator("mark")).to_have_text(".stauts")
    assert_accessible(page)
    assert_fits(page)


def test_somebody_who_was_quicker_is_told_and_nothing_typed_is_lost(
    program: Program, target: Recorder, tab: Tab
) -> None:
    tab.expected = {412}
    schedule_id = make(program, target, "contested")
    page = tab.page
    page.goto(f"/schedules/{schedule_id}/edit")
    page.get_by_label("Tags").fill("mine")
    path = f"/api/schedules/{schedule_id}?reason=moved"
    theirs = {"timezone": "Europe/Paris", "tags": ["theirs"]}
    assert program.ask("PATCH", path, theirs, WAITED).status == 200
    page.get_by_role("button", name="Save changes").click()
    summary = page.locator("#summary")
    expect(summary).to_contain_text("Somebody changed this schedule")
    expect(summary).to_contain_text("America/New_York → Europe/Paris")
    expect(page.get_by_label("Tags")).to_have_value("mine")
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Paris")
    assert_accessible(page)
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator("#toasts")).to_contain_text("Saved contested.")
    after = program.get(f"/api/schedules/{schedule_id}").body
    assert (after["tags"], after["timezone"]) == (["mine"], "Europe/Paris")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_target_is_accessible_and_fits_a_phone(open_tab: OpenTab, scheme: str) -> None:
    page = open_tab(viewport=PHONE, color_scheme=scheme).page
    page.goto("/schedules/new")
    for kind in ("HTTP request", "Catalogue action", "Notification", "Custom action", "Raw payload"):
        page.get_by_role("radio", name=kind).check(force=True)
        if kind == "Catalogue action":
            page.get_by_label("Action", exact=True).first.select_option("ping")
            expect(page.get_by_label("check", exact=True)).to_be_visible()
        assert_fits(page)
        assert_accessible(page)


def test_without_a_script_the_form_is_sent_and_shown_again(program: Program, open_tab: OpenTab) -> None:
    tab = open_tab(java_script_enabled=False)
    tab.expected = {422}
    page = tab.page
    page.goto("/schedules/new")
    page.get_by_label("Name", exact=True).fill("plain")
    page.get_by_role("button", name="Create schedule").click()
    assert page.locator("#http_url-error").inner_text().endswith("URL is required.")
    assert page.get_by_label("Name", exact=True).input_value() == "plain"
    page.get_by_role("radio", name="Notification").check(force=True)
    page.get_by_label("Message").fill("hello")
    page.get_by_role("button", name="Create schedule").click()
    (made,) = program.get("/api/schedules?name=plain").body["items"]
    assert made["payload"] == {"message": "hello"}
