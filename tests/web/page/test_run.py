"""A run's page and the list of all, without a screen."""

from __future__ import annotations

import json
from typing import Any

from tests.web.client import Server
from tests.web.page.browsing import Browser
from tests.web.test_executions import WAIT, calling, final, run_to_the_end


def led_to(browser: Browser, path: str, fields: dict[str, str] | None = None) -> str:
    """Where sending a form leads to."""
    return browser.send(path, fields, fragment=True).headers["hx-redirect"]


def test_a_run_that_went_well_says_so(server: Server, browser: Browser) -> None:
    done = run_to_the_end(server, "went-well")
    browser.open(f"/executions/{done['id']}")
    for text in (
        "It did what was asked.",
        "went-well",
        "Somebody asked for it",
        "Attempt 1",
        '"message": "hello"',
    ):
        assert text in browser.shown, text
    assert "hx-trigger" not in browser.shown.partition("<main")[2].partition("</main>")[0]


def test_a_run_that_failed_says_why_and_what_to_do(
    server: Server, browser: Browser, closed_port: int
) -> None:
    failed = run_to_the_end(server, "went-wrong", **calling(closed_port))
    browser.open(f"/executions/{failed['id']}")
    for text in (
        "The server refused the connection.",
        "See whether it runs, and listens on this port.",
        f"127.0.0.1:{closed_port} refused the connection.",
        "The failure is permanent."
        if failed["detail"] == "the failure is permanent"
        else "No attempts are left.",
        'role="img" aria-label="Attempt 1: ',
    ):
        assert text in browser.shown, text
    path = led_to(browser, f"/executions/{failed['id']}/retry")
    assert path == f"/executions/{failed['id']}"
    again = final(server, failed["id"])
    assert again["attempt_count"] == 2


def test_a_replay_leads_to_its_own_page_which_links_the_original(server: Server, browser: Browser) -> None:
    done = run_to_the_end(server, "replayed-here")
    browser.open(f"/executions/{done['id']}")
    path = led_to(browser, f"/executions/{done['id']}/replay")
    again = final(server, path.removeprefix("/executions/"))
    assert (again["cause"], again["replay_of"]) == ("replay", done["id"])
    browser.open(path)
    assert 'A replay of <a href="/executions/' + done["id"] in browser.shown


def test_a_payload_is_edited_before_it_is_replayed(server: Server, browser: Browser) -> None:
    done = run_to_the_end(server, "edited-here")
    browser.open(f"/executions/{done['id']}/replay")
    assert '"message": "hello"' in browser.shown
    for wrong, told in (("{", "This is not JSON"), ("[]", "Write a JSON object"), ("{}", "message")):
        refused = browser.send(f"/executions/{done['id']}/replay", {"payload": wrong})
        assert refused.status == 422
        assert told in browser.shown
        assert 'aria-invalid="true"' in browser.shown
    path = led_to(browser, f"/executions/{done['id']}/replay", {"payload": json.dumps({"message": "again"})})
    assert final(server, path.removeprefix("/executions/"))["status"] == "succeeded"
    browser.open(path)
    assert '"message": "again"' in browser.shown


def test_the_runs_before_and_after_are_a_step_away(server: Server, browser: Browser) -> None:
    made = server.made("in-a-row")
    body = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-04T00:00:00Z"}
    server("POST", f"/api/schedules/{made['id']}/backfill", body, headers=WAIT)
    items: list[dict[str, Any]] = server("GET", f"/api/schedules/{made['id']}/executions").document["items"]
    newest, middle, oldest = (item["id"] for item in items)
    browser.open(f"/executions/{middle}")
    assert f'href="/executions/{oldest}" rel="prev"' in browser.shown
    assert f'href="/executions/{newest}" rel="next"' in browser.shown
    assert 'rel="prev"' not in (browser.open(f"/executions/{oldest}"), browser.shown)[1]
    assert 'rel="next"' not in (browser.open(f"/executions/{newest}"), browser.shown)[1]


def test_a_run_that_is_not_there_is_not_found(browser: Browser) -> None:
    assert browser.open("/executions/sch_0_20260101T000000Z").status == 404


def test_all_runs_are_listed_with_their_schedules_and_filtered(server: Server, browser: Browser) -> None:
    done = run_to_the_end(server, "among-all")
    browser.open("/executions")
    assert f"/executions/{done['id']}" in browser.shown
    assert ">among-all</a>" in browser.shown
    browser.open("/executions?schedule=among-all&status=succeeded", fragment=True)
    assert "1 run" in browser.shown
    browser.open("/executions?schedule=among-all&status=failed")
    assert "Nothing matches" in browser.shown
    assert browser.open("/executions?schedule=never-made").status == 404
