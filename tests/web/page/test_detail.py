"""A schedule's page, without a screen: what it says, and what its buttons do."""

from __future__ import annotations

import re

import pytest

from rez_agent.domain.policies import DEFAULT_POLICIES
from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.web.page.tab_settings import command_snippet, curl_snippet, policies_told
from tests.web.client import Server, definition
from tests.web.page.browsing import Browser
from tests.web.test_executions import final


def test_it_tells_how_the_schedule_stands(server: Server, browser: Browser) -> None:
    made = server.made("stands", tags=["golf & more"], description="<b>every</b> morning")
    assert browser.open(f"/schedules/{made['id']}").status == 200
    for text in (
        "<h1",
        "stands",
        "At 06:30 every day, in America/New_York",
        "cron(30 6 * * ? *)",
        "No runs yet",
    ):
        assert text in browser.shown
    assert "tag=golf%20%26%20more" in browser.shown
    assert "<b>every" not in browser.open(f"/schedules/{made['id']}").body.decode()


def test_a_schedule_that_is_not_there_is_not_found(browser: Browser) -> None:
    assert browser.open("/schedules/sch_0").status == 404
    assert browser.open("/schedules/sch_0/points").status == 404


def test_it_is_paused_with_a_reason_and_resumed(server: Server, browser: Browser) -> None:
    made = server.made("paused-here")
    browser.open(f"/schedules/{made['id']}")
    browser.send(f"/schedules/{made['id']}/pause", {"reason": "greens are being mown", "for": "4h"})
    assert "Paused paused-here." in browser.shown
    assert "greens are being mown" in browser.shown
    assert "it resumes" in browser.shown
    browser.send(f"/schedules/{made['id']}/resume")
    assert "Resumed paused-here." in browser.shown
    assert server("GET", f"/api/schedules/{made['id']}").document["status"] == "active"


def test_a_pause_may_end_at_a_time_on_the_schedules_own_clocks(server: Server, browser: Browser) -> None:
    made = server.made("paused-until")
    browser.open(f"/schedules/{made['id']}")
    browser.send(f"/schedules/{made['id']}/pause", {"reason": "", "for": "", "until": "2199-07-01T08:00"})
    found = server("GET", f"/api/schedules/{made['id']}").document
    assert found["pause"]["until"] == "2199-07-01T12:00:00Z"
    refused = browser.send(f"/schedules/{made['id']}/pause", {"until": "soon"})
    assert refused.status == 422
    assert "no date and time" in browser.shown


def test_a_run_leads_to_the_run(server: Server, browser: Browser) -> None:
    made = server.made("runs-now")
    browser.open(f"/schedules/{made['id']}")
    sent = browser.send(f"/schedules/{made['id']}/run", fragment=True)
    path = sent.headers["hx-redirect"]
    assert path.startswith(f"/executions/{made['id']}_")
    done = final(server, path.removeprefix("/executions/"))
    browser.open(f"/schedules/{made['id']}")
    assert done["id"] in browser.shown
    assert "1 succeeded" in browser.shown
    points = browser.open(f"/schedules/{made['id']}/points").document
    assert (points["id"], points["outcome"], points["lateness"]) == ([done["id"]], [0], [None])


def test_runs_are_filtered_by_the_address(server: Server, browser: Browser) -> None:
    made = server.made("filtered")
    browser.open(f"/schedules/{made['id']}")
    sent = browser.send(f"/schedules/{made['id']}/run", fragment=True)
    final(server, sent.headers["hx-redirect"].removeprefix("/executions/"))
    base = f"/schedules/{made['id']}?tab=runs"
    assert browser.open(f"{base}&status=succeeded", fragment=True).status == 200
    assert "It did what was asked" in browser.shown
    for nothing in ("status=failed", "reason=missed", "until=2020-01-01", "since=2199-01-01"):
        browser.open(f"{base}&{nothing}")
        assert "Nothing matches" in browser.shown
    for unfit in ("status=lost", "until=9999-12-31", "since=0001-01-01", "since=yesterday"):
        assert browser.open(f"{base}&{unfit}").status == 422


def test_a_backfill_is_counted_before_it_is_run(server: Server, browser: Browser) -> None:
    made = server.made("backfilled")
    browser.open(f"/schedules/{made['id']}")
    stretch = {"from": "2026-03-01T00:00", "to": "2026-03-07T23:59"}
    path = f"/schedules/{made['id']}/backfill"
    browser.send(path, {**stretch, "count": "1"}, fragment=True)
    assert "7 occurrences" in browser.shown
    assert "Sun 1 Mar 2026, 06:30:00" in browser.shown
    browser.open(f"/schedules/{made['id']}")
    browser.send(path, stretch)
    assert "Queued 7 runs." in browser.shown


def test_what_is_deleted_is_gone_from_the_list_and_its_history_stays(
    server: Server, browser: Browser
) -> None:
    made = server.made("deleted-here")
    browser.open(f"/schedules/{made['id']}")
    browser.send(f"/schedules/{made['id']}/delete", {"reason": "no longer used"})
    assert "Deleted deleted-here." in browser.shown
    assert browser.open(f"/schedules/{made['id']}").status == 200
    assert "This schedule was deleted" in browser.shown
    assert "/pause" not in browser.shown
    browser.open(f"/schedules/{made['id']}?tab=changes")
    assert "no longer used" in browser.shown


def test_the_changes_end_with_what_the_schedule_was_created_with(server: Server, browser: Browser) -> None:
    made = server.made("begun", tags=["golf"], description="at first")
    path = f"/schedules/{made['id']}?tab=changes"
    browser.open(path)
    first = browser.shown[browser.shown.index("Created with") :]
    assert first.index("begun") < first.index("golf")
    assert "Condition" not in first
    for number in range(25):
        patch = {"description": f"number {number}"}
        server("PATCH", f"/api/schedules/{made['id']}", patch, headers={"prefer": "wait=5"})
    browser.open(path)
    assert "Created with" not in browser.shown
    (following,) = re.findall(r'href="([^"]+)"[^>]*>Next page', browser.shown)
    browser.open(following)
    assert "at first" in browser.shown[browser.shown.index("Created with") :]


def test_a_form_without_its_token_changes_nothing(server: Server, browser: Browser) -> None:
    made = server.made("guarded")
    assert browser.send(f"/schedules/{made['id']}/pause").status == 403
    assert server("GET", f"/api/schedules/{made['id']}").document["status"] == "active"


@pytest.mark.parametrize("tab", ["runs", "upcoming", "settings", "nonsense"])
def test_every_tab_is_shown(server: Server, browser: Browser, tab: str) -> None:
    made = server.made(f"tab-{tab}")
    assert browser.open(f"/schedules/{made['id']}?tab={tab}").status == 200
    assert (
        'aria-current="page">' + {"upcoming": "Upcoming", "settings": "Settings"}.get(tab, "Runs")
        in browser.shown
    )


def test_what_is_to_come_is_told_in_its_zone_and_in_utc(server: Server, browser: Browser) -> None:
    made = server.made("to-come", start="2199-03-01T00:00:00Z")
    browser.open(f"/schedules/{made['id']}?tab=upcoming")
    assert "Fri 1 Mar 2199, 06:30:00" in browser.shown
    assert "Fri 1 Mar 2199, 11:30:00" in browser.shown


def test_the_settings_can_be_copied(server: Server, browser: Browser) -> None:
    made = server.made("to-copy")
    browser.open(f"/schedules/{made['id']}?tab=settings")
    for text in (
        f"http://localhost:8080/api/schedules/{made['id']}/pause",
        "rez-agent run to-copy --wait",
        '"schedule_expression": "cron(30 6 * * ? *)"',
        "is tried again up to 3 times",
    ):
        assert text in browser.shown


def test_a_name_that_the_shell_would_read_is_quoted() -> None:
    assert "rez-agent show 'two words; rm' " not in command_snippet("two words; rm", "sch_1")
    assert "rez-agent show 'two words; rm'" in command_snippet("two words; rm", "sch_1")
    assert "rez-agent show sch_1" in command_snippet("--all", "sch_1")
    assert "curl -X POST http://x/api/schedules/sch_1/run" in curl_snippet(
        "http://x", "sch_1", with_key=False
    )
    assert "$REZ_KEY" in curl_snippet("http://x", "sch_1", with_key=True)


@pytest.mark.parametrize(
    ("policies", "told"),
    [
        ({}, ("tried again up to 3 times", "the newest is run", "the next is skipped", "at once", "stays")),
        ({"retry": {"max_attempts": 0}}, ("is not tried again",)),
        ({"retry": {"max_attempts": 1}}, ("up to 1 time, after a random wait of up to 10 s", "than 1 h.")),
        (
            {"retry": {"min_backoff_seconds": 0, "max_backoff_seconds": 0}},
            ("up to 3 times, at once, as long as",),
        ),
        ({"catch_up": "all"}, ("All that an outage lets pass",)),
        ({"catch_up": "skip"}, ("is not run",)),
        ({"overlap": "queue"}, ("the next waits",)),
        ({"overlap": "allow"}, ("starts beside",)),
        ({"flexible_window_minutes": 15}, ("within 15 minutes",)),
        ({"on_completion": "delete"}, ("it is deleted",)),
    ],
    ids=str,
)
def test_every_policy_has_its_sentence(policies: dict[str, object], told: tuple[str, ...]) -> None:
    found = policies_told(ScheduleDefinition.model_validate(definition("told", policies=policies)))
    assert [name for name, _ in found] == ["Retry", "Catch-up", "Overlap", "Flexible window", "On completion"]
    assert len(found) == len(DEFAULT_POLICIES.model_fields_set | set(type(DEFAULT_POLICIES).model_fields))
    for text in told:
        assert any(text in sentence for _, sentence in found), text
