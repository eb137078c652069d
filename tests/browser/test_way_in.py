"""Logging in, and being refused."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import PHONE, assert_accessible, assert_fits
from tests.browser.conftest import OpenTab
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


def key(program: Program, name: str, scope: str, admin: str | None = None) -> dict[str, str]:
    """A new key: its id and token."""
    headers = {"Authorization": f"Bearer {admin}"} if admin else {}
    made = program.post("/api/keys", {"name": name, "scope": scope}, headers)
    assert made.status == 201
    return {"id": made.body["id"], "token": made.body["token"]}


def test_whoever_has_a_key_comes_in_where_they_wanted_to_go_and_nobody_else(
    program: Program, open_tab: OpenTab
) -> None:
    admin = key(program, "root", "admin")
    tab = open_tab()
    page = tab.page
    page.goto("/schedules?status=paused")
    expect(page).to_have_url(f"http://127.0.0.1:{program.port}/login?next=%2Fschedules%3Fstatus%3Dpaused")
    assert_accessible(page)

    tab.expected = {401}
    page.get_by_label("API key").fill(admin["token"][:-1] + "x")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("This key is not valid.")).to_be_visible()
    assert_accessible(page)

    page.get_by_label("API key").fill(admin["token"])
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"http://127.0.0.1:{program.port}/schedules?status=paused")
    expect(page.get_by_role("heading", name="Schedules", exact=True)).to_be_visible()
    assert not any(admin["token"] in cookie["value"] for cookie in tab.context.cookies())

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    page.goto("/schedules")
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_revoked_key_takes_its_sessions_with_it(program: Program, open_tab: OpenTab) -> None:
    admin = key(program, "root", "admin")
    other = key(program, "ann", "write", admin["token"])
    page = open_tab().page
    page.goto("/login")
    page.get_by_label("API key").fill(other["token"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Schedules", exact=True)).to_be_visible()

    headers = {"Authorization": f"Bearer {admin['token']}"}
    assert program.ask("DELETE", f"/api/keys/{other['id']}", headers=headers).status == 204
    page.goto("/schedules")
    expect(page.get_by_label("API key")).to_be_visible()


def test_the_form_fits_a_phone_in_the_dark(program: Program, open_tab: OpenTab) -> None:
    key(program, "root", "admin")
    page = open_tab(viewport=PHONE, color_scheme="dark").page
    page.goto("/login")
    expect(page.get_by_label("API key")).to_be_visible()
    assert_fits(page)
    assert_accessible(page)
