"""The screens on which a schedule is written, as plain pages and forms: no script runs here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from rez_agent.domain.calendar_definition import NOTHING_FOUND, CalendarDefinition
from rez_agent.usecases.calendars import create_calendar
from rez_agent.web.settings import WebSettings
from tests.rig import ADMIN
from tests.web.client import Answer, Server, serving

FORM = "application/x-www-form-urlencoded"
NOTE: dict[str, Any] = {"target_type": "notification", "payload": {"message": "hello"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir: Path = tmp_path_factory.mktemp("data")
    with serving(data_dir) as over:
        yield over(WebSettings(open_access=True, version="test"))


class Browser:
    """A browser that runs no script: it keeps its cookie, and sends a form as it stands."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._cookie = ""
        self.fields: dict[str, str] = {}
        self.html = ""

    def get(self, path: str, **headers: str) -> Answer:
        answer = self._server("GET", path, headers={"cookie": self._cookie, **headers})
        return self._read(answer)

    def send(self, path: str, *, fragment: bool = False, **changes: str) -> Answer:
        """The form of the page, with ``changes`` typed into it."""
        fields = {name: value for name, value in {**self.fields, **changes}.items() if value != "(none)"}
        headers = {"cookie": self._cookie, "content-type": FORM, "host": "localhost:8080"}
        if fragment:
            headers["hx-request"] = "true"
        return self._read(self._server("POST", path, raw=urlencode(fields).encode(), headers=headers))

    def _read(self, answer: Answer) -> Answer:
        if "set-cookie" in answer.headers and "rez_visitor" in answer.headers["set-cookie"]:
            self._cookie = answer.headers["set-cookie"].partition(";")[0]
        self.html = answer.body.decode()
        if '<form id="form"' in self.html:
            self.fields = fields_of(self.html)
        return answer

    def errors(self) -> dict[str, str]:
        """What is told beside each field."""
        found = re.findall(r'<div class="problem" id="([\w-]+)-error"[^>]*>(.*?)</div>', self.html, re.DOTALL)
        return {name: unescape(re.sub(r"<[^>]+>", "", text)).strip() for name, text in found if text.strip()}


def fields_of(html: str) -> dict[str, str]:
    """The form's fields as a browser would send them."""
    html = html[html.index('<form id="form"') :]
    html = html[: html.index("</form>")]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", html):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") in ("checkbox", "radio") and " checked" not in tag:
            continue
        found[attributes["name"]] = unescape(attributes.get("value", ""))
    for attributes, text in re.findall(r"<textarea([^>]*)>\n?(.*?)</textarea>", html, re.DOTALL):
        found[re.findall(r'name="([^"]*)"', attributes)[0]] = unescape(text)
    for attributes, options in re.findall(r"<select([^>]*)>(.*?)</select>", html, re.DOTALL):
        values = re.findall(r'<option value="([^"]*)"( selected)?>', options)
        chosen = [value for value, selected in values if selected] or [values[0][0]]
        found[re.findall(r'name="([^"]*)"', attributes)[0]] = unescape(chosen[0])
    return found


@pytest.fixture
def browser(server: Server) -> Browser:
    return Browser(server)


def the(server: Server, name: str) -> dict[str, Any]:
    (found,) = server("GET", f"/api/schedules?name={name}").document["items"]
    return dict(found)


# --- new ---


def test_a_schedule_is_created_by_the_plain_form(server: Server, browser: Browser) -> None:
    assert browser.get("/schedules/new").status == 200
    answer = browser.send(
        "/schedules/new",
        name="by form",
        kind="notification",
        note_message="Close the books",
        frequency="monthly",
        month_day="LW",
        at_time="09:00",
        timezone="Europe/Paris",
        tags="books, month-end",
    )
    assert (answer.status, answer.headers["location"].split("/")[1]) == (303, "schedules")
    made = the(server, "by form")
    assert made["schedule_expression"] == "cron(0 9 LW * ? *)"
    assert (made["timezone"], made["tags"]) == ("Europe/Paris", ["books", "month-end"])
    assert made["payload"] == {"message": "Close the books"}


def test_all_that_is_wrong_is_told_at_once_and_what_was_typed_stays(server: Server, browser: Browser) -> None:
    browser.get("/schedules/new")
    answer = browser.send(
        "/schedules/new",
        http_url="ftp://nowhere",
        frequency="expression",
        expression="cron(61 9 * * ? *)",
        timezone="Europe/Pariss",
        retry_attempts="many",
        description="kept <script>",
    )
    assert answer.status == 422
    errors = browser.errors()
    assert set(errors) == {"name", "http_url", "expression", "timezone", "retry_attempts"}
    assert "Europe/Paris" in errors["timezone"]
    assert browser.html.count('aria-invalid="true"') == 5
    for field in errors:
        assert f'href="#{field}"' in browser.html
    assert browser.fields["expression"] == "cron(61 9 * * ? *)"
    assert browser.fields["description"] == "kept <script>"
    assert "kept <script>" not in browser.html


def test_a_condition_that_can_not_be_judged_is_told_beside_it(browser: Browser) -> None:
    browser.get("/schedules/new")
    changes: dict[str, Any] = {"name": "conditional", "kind": "notification", "note_message": "x"}
    assert browser.send("/schedules/new", **changes, condition="last.statuss == 'failed'").status == 422
    assert set(browser.errors()) == {"condition"}


def test_a_calendar_is_offered_and_one_that_is_not_there_is_told_beside_it(
    server: Server, browser: Browser
) -> None:
    mown = CalendarDefinition.model_validate({"closed": {"2030-01-01": "the greens are mown"}})
    server.wait(server.host.write(lambda ports: create_calendar(ports, ADMIN, "greens", mown, NOTHING_FOUND)))
    browser.get("/schedules/form/calendars")
    assert '<option value="greens">' in browser.html
    browser.get("/schedules/new")
    changes: dict[str, Any] = {"name": "closed", "kind": "notification", "note_message": "x"}
    assert browser.send("/schedules/new", **changes, calendar="reens").status == 422
    assert set(browser.errors()) == {"calendar"}
    answer = browser.send("/schedules/new", **changes, calendar="greens", calendar_closed="next")
    assert answer.status == 303
    assert the(server, "closed")["calendar"] == {"name": "greens", "closed": "next"}


def test_a_name_that_is_taken_is_told_beside_the_name(server: Server, browser: Browser) -> None:
    server.made("taken")
    browser.get("/schedules/new")
    answer = browser.send("/schedules/new", name="taken", kind="notification", note_message="x")
    assert answer.status == 409
    assert "named 'taken' already" in browser.errors()["name"]


def test_a_copy_has_everything_but_the_name(server: Server, browser: Browser) -> None:
    made = server.made("original", tags=["a"], policies={"overlap": "queue"})
    browser.get(f"/schedules/new?copy={made['id']}")
    assert browser.fields["name"] == "original copy"
    browser.send("/schedules/new")
    copy = the(server, "original copy")
    for field in ("schedule_expression", "timezone", "payload", "tags", "policies"):
        assert copy[field] == made[field]


def test_what_was_pasted_fills_the_fields_and_what_it_says_besides_is_told(browser: Browser) -> None:
    browser.get("/schedules/new")
    answer = browser.send(
        "/schedules/form/paste",
        pasted="*/15 9-17 * * 1-5 curl -u me:x -X PUT https://example.com/a",
        tags="kept",
    )
    assert answer.status == 200
    fields = browser.fields
    assert (fields["expression"], fields["frequency"]) == ("cron(0/15 9-17 ? * MON-FRI *)", "expression")
    assert (fields["http_method"], fields["http_url"]) == ("PUT", "https://example.com/a")
    assert (fields["name"], fields["tags"]) == ("example-com-a", "kept")
    assert "-u was left out" in browser.html


def test_what_can_not_be_read_is_told_beside_what_was_pasted(browser: Browser) -> None:
    browser.get("/schedules/new")
    assert browser.send("/schedules/form/paste", pasted="hello", name="kept").status == 422
    assert "no curl" in browser.errors()["pasted"]
    assert (browser.fields["pasted"], browser.fields["name"]) == ("hello", "kept")


def test_the_action_that_is_chosen_shows_its_parameters(browser: Browser) -> None:
    browser.get("/schedules/new")
    browser.send("/schedules/form/refresh", kind="catalogue", action_name="ping")
    assert "param_check" in browser.fields
    browser.send("/schedules/new", name="golf")
    assert "param_check" in browser.errors()


# --- while it is filled in ---


def test_the_outlook_tells_the_sentence_and_the_next_ten(browser: Browser) -> None:
    browser.get("/schedules/new")
    browser.send(
        "/schedules/form/outlook",
        fragment=True,
        frequency="daily",
        at_time="06:30",
        timezone="America/New_York",
        viewer_zone="Asia/Tokyo",
    )
    assert "At 06:30 every day, in America/New_York." in browser.html
    assert browser.html.count("<tr><td>") == 10
    assert "Your time" in browser.html
    assert browser.errors() == {}


def test_the_outlook_tells_what_is_wrong_beside_the_field(browser: Browser) -> None:
    browser.get("/schedules/new")
    browser.send(
        "/schedules/form/outlook", fragment=True, frequency="expression", expression="cron(0 25 * * ? *)"
    )
    assert "hour" in browser.errors()["expression"]
    assert 'id="expression-error" hx-swap-oob="true"' in browser.html
    browser.send("/schedules/form/outlook", fragment=True, timezone="Europe/Pariss", start="soon")
    assert set(browser.errors()) == {"timezone", "start"}


def test_the_outlook_notes_the_clock_changes(browser: Browser) -> None:
    browser.get("/schedules/new")
    browser.send(
        "/schedules/form/outlook",
        fragment=True,
        frequency="expression",
        expression="at(2031-03-30T02:30:00)",
        timezone="Europe/Berlin",
    )
    assert "note is-warn" in browser.html


def test_the_outlook_heeds_the_calendar(server: Server, browser: Browser) -> None:
    closed = {"2031-01-01": "New Year", "2031-01-02": ""}
    days = CalendarDefinition.model_validate({"closed": closed})
    server.wait(server.host.write(lambda ports: create_calendar(ports, ADMIN, "shop", days, NOTHING_FOUND)))
    browser.get("/schedules/new")
    asked: dict[str, Any] = {
        "frequency": "expression",
        "expression": "cron(0 9 1 1 ? 2031)",
        "calendar": "shop",
    }
    fields = dict(browser.fields)
    browser.send("/schedules/form/outlook", fragment=True, **asked, calendar_closed="next")
    assert "Fri 3 Jan 2031 09:00" in browser.html
    assert '<span class="from">Wed 1 Jan 2031 09:00</span>' in browser.html
    browser.fields = fields
    browser.send("/schedules/form/outlook", fragment=True, **asked, calendar_closed="skip")
    assert "New Year" in browser.html
    assert 'Wed 1 Jan 2031 09:00</span> <span class="tag">skipped' in browser.html
    browser.fields = fields
    browser.send("/schedules/form/outlook", fragment=True, calendar="shopp")
    assert set(browser.errors()) == {"calendar"}


def test_a_new_schedule_may_start_from_a_template(server: Server, browser: Browser) -> None:
    link = '<a class="button" href="/templates">Start from a template</a>'
    browser.get("/schedules/new")
    assert link in browser.html
    assert server("GET", "/templates").status == 200
    made = server.made("has-started", **NOTE)
    browser.get(f"/schedules/{made['id']}/edit")
    assert link not in browser.html


# --- edit ---


def test_an_edit_shows_what_saving_would_change_and_saves_it(server: Server, browser: Browser) -> None:
    made = server.made("edited", **NOTE)
    browser.get(f"/schedules/{made['id']}/edit")
    assert "Nothing yet." in browser.html
    before = dict(browser.fields)
    browser.send("/schedules/form/outlook", fragment=True, at_time="07:15")
    assert "cron(30 6 * * ? *)" in browser.html
    assert "gained" in browser.html
    browser.fields = before
    path = f"/schedules/{made['id']}/edit"
    assert browser.send(path, at_time="07:15", reason="later is better").status == 303
    after = server("GET", f"/api/schedules/{made['id']}").document
    assert (after["schedule_expression"], after["revision"]) == ("cron(15 7 * * ? *)", 2)
    (newest, *_) = server("GET", f"/api/schedules/{made['id']}/changes").document["items"]
    assert newest["reason"] == "later is better"


def test_a_schedule_that_is_saved_unchanged_is_the_same(server: Server, browser: Browser) -> None:
    strange = {
        "action": "http",
        "url": "https://example.com/",
        "headers": {"A": "one", "B": " two"},
        "query": {"a": [1, True]},
        "success": [204],
    }
    made = server.made(
        "unchanged",
        target_type="web_action",
        payload=strange,
        description="one\n\ntwo",
        start="2031-11-02T06:30:00Z",
        condition="true",
        tags=["a,b"],
    )
    browser.get(f"/schedules/{made['id']}/edit")
    assert browser.send(f"/schedules/{made['id']}/edit").status == 303
    after = server("GET", f"/api/schedules/{made['id']}").document
    left = {"revision", "updated_date", "message_id", "schedule_id", "warnings", "next_run"}
    assert {k: v for k, v in after.items() if k not in left} == {
        k: v for k, v in made.items() if k not in left
    }


def test_a_conflict_tells_what_changed_and_keeps_what_was_typed(server: Server, browser: Browser) -> None:
    made = server.made("contested", **NOTE)
    path = f"/schedules/{made['id']}/edit"
    browser.get(path)
    patch = {"tags": ["theirs"], "timezone": "Europe/Paris"}
    server("PATCH", f"/api/schedules/{made['id']}?reason=moved", patch, headers={"prefer": "wait=5"})
    answer = browser.send(path, tags="mine", note_message="mine too")
    assert answer.status == 412
    assert "Somebody changed this schedule" in browser.html
    assert "(“moved”)" in browser.html
    assert "yours would win" in browser.html
    assert (browser.fields["tags"], browser.fields["note_message"]) == ("mine", "mine too")
    assert browser.fields["timezone"] == "Europe/Paris"
    assert browser.send(path).status == 303
    after = server("GET", f"/api/schedules/{made['id']}").document
    assert (after["tags"], after["timezone"], after["payload"]) == (
        ["mine"],
        "Europe/Paris",
        {"message": "mine too"},
    )


def test_a_payload_too_large_to_be_kept_in_the_changes_is_not_overwritten(
    server: Server, browser: Browser
) -> None:
    made = server.made("large", target_type="notification", payload={"message": "x" * 9_000})
    path = f"/schedules/{made['id']}/edit"
    browser.get(path)
    theirs = {"payload": {"message": "y" * 9_000}}
    server("PATCH", f"/api/schedules/{made['id']}", theirs, headers={"prefer": "wait=5"})
    opened = dict(browser.fields)
    assert browser.send(path, tags="mine").status == 412
    assert browser.fields["note_message"] == "y" * 9_000
    assert "yours would win" not in browser.html
    browser.fields = opened
    assert browser.send(path, note_message="z" * 9_000).status == 412
    assert browser.fields["note_message"] == "z" * 9_000
    assert "yours would win" in browser.html
    assert "too large to be shown" in browser.html


def test_a_pause_meanwhile_is_no_conflict(server: Server, browser: Browser) -> None:
    made = server.made("paused meanwhile", **NOTE)
    browser.get(f"/schedules/{made['id']}/edit")
    server("POST", f"/api/schedules/{made['id']}/pause", headers={"prefer": "wait=5"})
    assert browser.send(f"/schedules/{made['id']}/edit", tags="a").status == 303
    after = server("GET", f"/api/schedules/{made['id']}").document
    assert (after["status"], after["tags"]) == ("paused", ["a"])


# --- test runs ---


def test_a_test_run_runs_what_stands_in_the_fields(server: Server, browser: Browser) -> None:
    made = server.made("tried", **NOTE)
    browser.get(f"/schedules/{made['id']}/edit")
    answer = browser.send("/schedules/form/test", fragment=True, note_message="unsaved")
    assert answer.status == 200
    executions = server("GET", "/api/executions").document["items"]
    (ran,) = [one for one in executions if one["cause"] == "test"]
    while server("GET", f"/api/executions/{ran['id']}").document["status"] in ("queued", "running"):
        pass
    browser.get(f"/schedules/form/test/{ran['id']}", **{"hx-request": "true"})
    assert "Succeeded" in browser.html
    assert "hx-get" not in browser.html
    assert "Written to the log." in browser.html
    assert server("GET", f"/api/schedules/{made['id']}").document["payload"] == {"message": "hello"}


def test_a_test_run_without_a_script_shows_the_form_again(browser: Browser) -> None:
    browser.get("/schedules/new")
    answer = browser.send("/schedules/form/test", kind="notification", note_message="x", name="kept")
    assert answer.status == 200
    assert 'id="tested"' in browser.html
    assert browser.fields["name"] == "kept"


def test_what_can_not_be_called_is_told_and_nothing_is_sent(browser: Browser) -> None:
    browser.get("/schedules/new")
    browser.send("/schedules/form/test", fragment=True, http_url="")
    assert "Nothing was sent" in browser.html
    assert 'href="#http_url"' in browser.html
    assert browser.send("/schedules/form/test", http_url="").status == 422
    assert set(browser.errors()) == {"http_url"}


# --- trying a condition ---


def tried(browser: Browser, condition: str, **more: str) -> str:
    """What the page tells of a condition that is tried."""
    fields = dict(browser.fields)
    answer = browser.send("/schedules/form/condition", fragment=True, condition=condition, **more)
    assert answer.status == 200
    browser.fields = fields
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", browser.html)).split())


def test_a_condition_is_tried_with_what_stands_in_the_fields(browser: Browser) -> None:
    browser.get("/schedules/new")
    note = {
        "kind": "notification",
        "note_message": "hi",
        "timezone": "Asia/Tokyo",
        "tags": "a, b",
        "name": "n",
    }
    condition = "payload.message == 'hi' && schedule.timezone == 'Asia/Tokyo' && 'b' in schedule.tags"
    assert tried(browser, condition, **note).startswith("True: it would run.")
    assert "payload.message" in browser.html
    assert tried(browser, "last.exists", **note) == "False: it would be skipped. last.exists false"


def test_a_condition_is_tried_against_a_run_that_one_thinks_up(browser: Browser) -> None:
    browser.get("/schedules/new")
    condition = "last.status == 'failed' && last.response_status == 503 && last.body.free"
    sample = {"try_status": "failed", "try_response": "503", "try_body": '{"free": true}'}
    assert tried(browser, condition, **sample).startswith("True:")
    assert tried(browser, condition, **sample | {"try_response": ""}).startswith("False:")
    assert "no field" in tried(browser, "last.body.free", **sample | {"try_body": "{}"})


def test_a_condition_is_tried_against_the_run_before_or_none(server: Server, browser: Browser) -> None:
    made = server.made("ran before", **NOTE)
    started = server("POST", f"/api/schedules/{made['id']}/run", headers={"prefer": "wait=5"})
    path = f"/api/executions/{started.document['execution_id']}"
    while server("GET", path).document["status"] in ("queued", "running"):
        pass
    browser.get(f"/schedules/{made['id']}/edit")
    assert tried(browser, "last.status == 'succeeded'").startswith("True:")
    assert tried(browser, "last.status == 'succeeded'", try_status="none").startswith("False:")


def test_what_is_wrong_with_a_condition_is_told_with_its_place(browser: Browser) -> None:
    browser.get("/schedules/new")
    told = tried(browser, "runs_today < 3 && last.stauts == 'x'")
    assert told.startswith("This is no condition:")
    assert "<mark>.stauts</mark>" in browser.html
    assert "It was not tried: Write a condition to try." in tried(browser, "")
    wrong = tried(browser, "true", try_status="failed", try_response="many", try_body="{")
    assert "three digits" in wrong
    assert 'href="#try_body"' in browser.html


def test_a_condition_is_tried_without_a_script(browser: Browser) -> None:
    browser.get("/schedules/new")
    assert browser.send("/schedules/form/condition", condition="runs_today == 0", name="kept").status == 200
    assert "it would run" in browser.html
    assert (browser.fields["condition"], browser.fields["name"]) == ("runs_today == 0", "kept")


# --- who may ---


def test_a_form_without_its_token_is_refused(browser: Browser) -> None:
    browser.get("/schedules/new")
    assert browser.send("/schedules/new", csrf="", name="x").status == 403


def test_a_key_that_only_reads_is_shown_no_form(tmp_path: Path) -> None:
    with serving(tmp_path) as over:
        server = over(WebSettings(version="test"))
        assert server("GET", "/schedules/new").status == 303  # to the login


def test_a_schedule_that_is_not_there_has_no_form(browser: Browser) -> None:
    assert browser.get("/schedules/sch_nothing/edit").status == 404
    assert browser.get("/schedules/new?copy=sch_nothing").status == 404
