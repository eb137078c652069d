"""The screens of templates: the gallery, a form with what comes of it, an own template and its change."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import PHONE, Tab, assert_accessible, assert_fits
from tests.browser.conftest import OpenTab
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e

WAITED = {"Prefer": "wait=10"}


def own(program: Program, name: str) -> dict[str, Any]:
    """A template of one's own, with a schedule that came from it."""
    document = {
        "name": name,
        "title": "Daily word",
        "parameters": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "title": "Message", "examples": ["hello"]},
                "loud": {"type": "boolean", "title": "Loud", "default": False},
            },
            "required": ["message"],
        },
        "definition": {
            "name": f"{name}-word",
            "schedule_expression": "cron(0 6 * * ? *)",
            "target_type": "notification",
            "payload": {"message": "{{ message }} {{ loud }}"},
        },
    }
    assert program.post("/api/templates", document).status == 201
    path = f"/api/templates/{name}/schedules"
    assert program.post(path, {"parameters": {"message": "hi"}}, WAITED).status == 201
    return document


def test_a_schedule_is_made_from_the_gallery_with_a_preview_while_one_types(tab: Tab) -> None:
    page = tab.page
    tab.expected = {422}  # what is wrong with a form is answered so
    page.goto("/templates")
    expect(page.locator(".gallery li")).to_have_count(6)
    assert_accessible(page)
    page.get_by_role("link", name="Weekday reminder").click()
    expect(page).to_have_url(re.compile("/templates/weekday-reminder$"))
    page.goto("/schedules/new?template=weekday-reminder")
    expect(page).to_have_url(re.compile("/templates/weekday-reminder$"))
    expect(page.locator("#outlook .sentence")).to_have_text("At 09:00, Monday to Friday, in UTC.")

    page.get_by_label("Hour").fill("17")
    page.get_by_label("Time zone").fill("Europe/Paris")
    expect(page.locator("#outlook .sentence")).to_have_text("At 17:00, Monday to Friday, in Europe/Paris.")
    page.get_by_label("Hour").fill("99")
    page.get_by_role("button", name="Create schedule").click()
    expect(page.locator("#p-hour-error")).to_contain_text("maximum of 23")
    expect(page.locator("#p-message-error")).to_contain_text("required")
    assert_accessible(page)

    page.get_by_label("Hour").fill("17")
    page.get_by_label("Message").fill("Go home")
    page.get_by_label("Name").fill("go-home")
    page.get_by_role("button", name="Create schedule").click()
    expect(page).to_have_url(re.compile(r"/schedules/sch_"))
    expect(page.locator("#toasts")).to_contain_text("Created go-home from the template weekday-reminder")
    page.goto("/templates/weekday-reminder")
    expect(page.locator("#came")).to_contain_text("go-home")
    expect(page.locator("#came")).to_contain_text("present")


def test_an_own_template_is_changed_and_says_what_came_from_it(program: Program, tab: Tab) -> None:
    page = tab.page
    tab.expected = {422}
    document = own(program, "word")
    page.goto("/templates/word")
    expect(page.get_by_label("Loud")).to_have_value("false")
    page.get_by_role("link", name="Edit").click()
    expect(page.locator("#came")).to_contain_text("word-word")
    assert_accessible(page)
    page.get_by_label("Template", exact=True).fill(
        json.dumps(document | {"definition": {"name": "{{ no }}"}})
    )
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no parameter 'no'")
    page.get_by_label("Template", exact=True).fill(json.dumps(document | {"title": "Another word"}))
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("Another word")
    expect(page.locator("#toasts")).to_contain_text("revision 2")
    expect(page.locator("#came")).to_contain_text("the template changed since")
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/templates$"))
    expect(page.locator(".gallery li")).to_have_count(6)


def test_what_ships_is_copied_to_be_changed(tab: Tab) -> None:
    page = tab.page
    page.goto("/templates/heartbeat")
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    page.get_by_role("link", name="Copy").click()
    expect(page.get_by_label("Template", exact=True)).to_have_value(re.compile('"name": "my-heartbeat"'))
    page.get_by_role("button", name="Create template").click()
    expect(page).to_have_url(re.compile("/templates/my-heartbeat$"))
    expect(page.get_by_role("link", name="Edit")).to_be_visible()


@pytest.mark.parametrize("path", ["/templates", "/templates/tee-time-watch", "/templates/new"])
def test_the_screens_fit_a_phone_and_a_reader_in_the_dark(open_tab: OpenTab, path: str) -> None:
    phone = open_tab(viewport=PHONE).page
    phone.goto(path)
    assert_fits(phone)
    dark = open_tab(color_scheme="dark").page
    dark.goto(path)
    assert_accessible(dark)
