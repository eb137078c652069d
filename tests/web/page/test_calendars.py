"""Calendars on the page, without a screen."""

from __future__ import annotations

from datetime import date

from rez_agent.web.page.calendars import months_of
from tests.domain.calendars import WORKING_WEEK, calendar_of
from tests.web.client import Server, definition
from tests.web.page.browsing import Browser


def test_a_year_shows_what_closes_its_days() -> None:
    calendar = calendar_of(
        "2026-12-25 Christmas Day", weekdays=WORKING_WEEK, opened=["2026-12-26 stocktaking"]
    )
    december = months_of(calendar, 2026)[-1]
    days = {day.number: day for week in december.weeks for day in week if day.number is not None}
    assert (december.name, len(days)) == ("December", 31)
    assert (days[24].label, days[25].label, days[25].weekend) == (None, "Christmas Day", False)
    assert (days[26].label, days[27].label, days[27].weekend) == (None, "Sunday", True)
    assert december.named == (
        (date(2026, 12, 25), "Christmas Day"),
        (date(2026, 12, 26), "open: stocktaking"),
    )


def test_a_calendar_is_made_looked_at_changed_and_deleted(browser: Browser) -> None:
    browser.open("/calendars")
    assert "No calendars yet" in browser.shown
    browser.open("/calendars/new")
    assert "Austria (AT)" in browser.shown
    fields = {"name": "at", "title": "Working days", "kind": "holidays", "country": "AT", "subdivision": "9"}
    browser.send("/calendars", {**fields, "closed": "2030-12-24 closed early\n"})
    assert "Saved calendar at" in browser.shown
    browser.open("/calendars/at?year=2030")
    for text in ("Working days", "closed early", "Christmas Day", "No schedule yet", "December"):
        assert text in browser.shown, text
    browser.open("/calendars/at/edit")
    assert "2030-12-24 closed early" in browser.shown
    browser.send("/calendars/at", {"kind": "list", "closed": "2031-05-05", "revision": "1"})
    browser.open("/calendars")
    assert "a list of days" in browser.shown
    browser.send("/calendars/at/delete")
    assert "Deleted calendar at" in browser.shown


def test_what_is_wrong_stands_beside_its_field(browser: Browser) -> None:
    browser.open("/calendars/new")
    answer = browser.send("/calendars", {"name": "b d", "kind": "ics", "closed": "tomorrow off"})
    assert answer.status == 422
    for place in ('id="name-error"', 'id="closed-error"'):
        assert place in browser.shown, place
    assert browser.send("/calendars", {"name": "bad", "kind": "ics", "ics": "hello"}).status == 422
    assert 'id="ics-error"' in browser.shown


def test_who_uses_it_is_told_and_keeps_it(server: Server, browser: Browser) -> None:
    assert server("POST", "/api/calendars", {"name": "kept"}).status == 201
    made = server(
        "POST", "/api/schedules", definition("keeper", calendar="kept"), headers={"Prefer": "wait=5"}
    )
    assert made.status == 201, made.document
    browser.open("/calendars/kept")
    assert f'href="/schedules/{made.document["id"]}">keeper' in browser.shown
    assert "/calendars/kept/delete" not in browser.shown
    assert browser.send("/calendars/kept/delete").status == 409
