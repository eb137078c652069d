"""Routes of calendars."""

from __future__ import annotations

from typing import Any

from tests.web.client import Server, definition

CALENDARS = "/api/calendars"
WAIT = {"Prefer": "wait=5"}
ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//works//council//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20201224
DTEND;VALUE=DATE:20201227
SUMMARY:Works holiday
RRULE:FREQ=YEARLY
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART:20260101T100000Z
SUMMARY:A meeting
END:VEVENT
END:VCALENDAR
"""


def made(server: Server, name: str, **fields: Any) -> Any:
    answer = server("POST", CALENDARS, {"name": name, **fields})
    assert answer.status == 201, answer.document
    return answer.document


def closed(server: Server, name: str, first: str, last: str) -> dict[str, str]:
    items = server("GET", f"{CALENDARS}/{name}/days?from={first}&to={last}").document["items"]
    return {one["date"]: one["closed"] for one in items if one["closed"]}


def test_a_calendar_is_made_read_changed_and_deleted(server: Server) -> None:
    days = {"2030-12-24": "no releases"}
    answer = server("POST", CALENDARS, {"name": "freeze", "closed": days})
    assert answer.headers["location"] == f"{CALENDARS}/freeze"
    assert answer.headers["etag"] == '"1"'
    shown = server("GET", f"{CALENDARS}/freeze").document
    assert shown == {**answer.document, "used": False, "used_by": []}
    assert (shown["closed"], shown["named_days"], len(shown["open_weekdays"])) == (days, 1, 7)
    assert server("PUT", f"{CALENDARS}/freeze", {}).status == 428
    assert server("PUT", f"{CALENDARS}/freeze", {}, headers={"If-Match": '"7"'}).status == 412
    weekly = {"open_weekdays": ["mon"], "open": {"2030-01-01": ""}}
    changed = server("PUT", f"{CALENDARS}/freeze", weekly, headers={"If-Match": '"1"'}).document
    assert (changed["revision"], changed["open_weekdays"], changed["closed"]) == (2, ["mon"], {})
    assert closed(server, "freeze", "2029-12-31", "2030-01-02") == {"2030-01-02": "Wednesday"}
    assert "freeze" in [one["name"] for one in server("GET", CALENDARS).document["items"]]
    assert server("DELETE", f"{CALENDARS}/freeze").status == 204
    answer = server("GET", f"{CALENDARS}/freeze")
    assert (answer.status, answer.code) == (404, "calendar_not_found")


def test_a_name_is_taken_once(server: Server) -> None:
    made(server, "once")
    answer = server("POST", CALENDARS, {"name": "once"})
    assert (answer.status, answer.code) == (409, "calendar_exists")


def test_a_countrys_holidays_close_days_and_so_does_its_weekend(server: Server) -> None:
    source = {"kind": "holidays", "country": "AT", "subdivision": "9"}
    found = made(server, "austria", source=source, open={"2030-12-28": "stocktaking"})
    assert found["open_weekdays"] == ["mon", "tue", "wed", "thu", "fri"]
    assert found["source"]["categories"] == ["public"]
    assert closed(server, "austria", "2030-12-24", "2030-12-29") == {
        "2030-12-25": "Christmas Day",
        "2030-12-26": "Saint Stephen's Day",
        "2030-12-29": "Sunday",
    }


def test_what_a_country_does_not_have_is_refused_with_what_it_has(server: Server) -> None:
    def refused(**source: Any) -> tuple[int, str, str]:
        answer = server("POST", CALENDARS, {"name": "x", "source": {"kind": "holidays", **source}})
        return answer.status, answer.code, answer.document["errors"][0]["pointer"]

    assert refused(country="XX") == (422, "unknown_country", "/source/country")
    assert refused(country="AT", subdivision="99") == (422, "unknown_subdivision", "/source/subdivision")
    assert refused(country="AT", categories=["half"]) == (422, "unknown_category", "/source/categories")


def test_an_ics_file_closes_its_whole_days_each_year(server: Server) -> None:
    found = made(server, "works", source={"kind": "ics", "text": ICS})
    assert found["source"] == {"kind": "ics"}
    assert closed(server, "works", "2028-12-01", "2028-12-31") == {
        "2028-12-24": "Works holiday",
        "2028-12-25": "Works holiday",
        "2028-12-26": "Works holiday",
    }
    kept = {"source": {"kind": "ics"}, "closed": {"2028-12-31": ""}}
    changed = server("PUT", f"{CALENDARS}/works", kept, headers={"If-Match": '"1"'}).document
    assert changed["named_days"] == found["named_days"] + 1


def test_what_is_no_ics_file_is_refused(server: Server) -> None:
    for text in ("hello", ICS.replace("YEARLY", "SECONDLY"), ICS[:120], "BEGIN:VCALENDAR\nEND:VCALENDAR"):
        answer = server("POST", CALENDARS, {"name": "bad", "source": {"kind": "ics", "text": text}})
        assert (answer.status, answer.code) == (422, "invalid_ics"), text
    answer = server("POST", CALENDARS, {"name": "bad", "source": {"kind": "ics"}})
    assert (answer.status, answer.code) == (422, "missing_field")


def test_a_calendar_in_use_tells_who_and_stays(server: Server) -> None:
    made(server, "used", closed={"2030-06-03": ""})
    document = definition("heeds", calendar="used:next")
    answer = server("POST", "/api/schedules", document, headers=WAIT)
    assert answer.status == 201, answer.document
    assert answer.document["calendar"] == {"name": "used", "closed": "next"}
    shown = server("GET", f"{CALENDARS}/used").document
    assert (shown["used"], shown["used_by"]) == (True, [answer.document["id"]])
    refused = server("DELETE", f"{CALENDARS}/used")
    assert (refused.status, refused.code) == (409, "calendar_in_use")


def test_an_unknown_calendar_is_refused_beside_everything_else(server: Server) -> None:
    document = definition("unknown", calendar="nowhere", timezone="Mars")
    answer = server("POST", "/api/schedules", document)
    found = {one["pointer"]: one["code"] for one in answer.document["errors"]}
    assert found == {"/timezone": "invalid_timezone", "/calendar/name": "unknown_calendar"}


def test_a_preview_tells_what_is_skipped_and_what_is_moved(server: Server) -> None:
    made(server, "shown", closed={"2030-12-25": "Christmas Day", "2030-12-26": ""})
    asked = {
        "schedule_expression": "cron(0 9 25 12 ? *)",
        "after": "2030-01-01T00:00:00Z",
        "count": 1,
    }
    skipped = server("POST", "/api/schedules/preview", {**asked, "calendar": "shown"}).document
    assert skipped["occurrences"][0]["utc"] == "2030-12-25T09:00:00Z"
    assert skipped["occurrences"][0]["note"] == (
        "2030-12-25 is closed in calendar 'shown': Christmas Day; it is skipped"
    )
    assert (skipped["occurrences"][0]["closed"], skipped["occurrences"][0]["moved_from"]) == (True, None)
    moved = server("POST", "/api/schedules/preview", {**asked, "calendar": "shown:next"}).document
    assert moved["occurrences"][0]["utc"] == "2030-12-27T09:00:00Z"
    assert moved["occurrences"][0]["note"] == (
        "moved here: 2030-12-25 is closed in calendar 'shown': Christmas Day"
    )
    assert not moved["occurrences"][0]["closed"]
    assert moved["occurrences"][0]["moved_from"] == "2030-12-25T09:00:00+00:00"
    open_ = server("POST", "/api/schedules/preview", asked).document["occurrences"][0]
    assert (open_["closed"], open_["moved_from"]) == (False, None)
    unknown = server("POST", "/api/schedules/preview", {**asked, "calendar": "nowhere"}).document
    assert not unknown["valid"]
    assert [one["code"] for one in unknown["errors"]] == ["unknown_calendar"]


def test_only_a_stretch_of_days_is_listed(server: Server) -> None:
    made(server, "stretch")
    for asked in ("from=2030-02-01&to=2030-01-01", "from=2030-01-01&to=2032-01-01", "from=soon"):
        assert server("GET", f"{CALENDARS}/stretch/days?{asked}").status == 422
    assert len(server("GET", f"{CALENDARS}/stretch/days?from=2030-01-01").document["items"]) == 365
