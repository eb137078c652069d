"""A schedule's page, its runs, the week and the messages, as a reader uses them."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from rez_agent.domain.execution import Cause, ExecutionStatus, Reason, execution_id
from rez_agent.usecases.entries import asked_execution
from tests.browser.chromium import PHONE, Tab, assert_accessible, assert_fits
from tests.browser.conftest import OpenTab
from tests.e2e.program import Program, at
from tests.e2e.recorder import Recorder
from tests.rig import Rig, schedule_of

pytestmark = pytest.mark.e2e

WAITED = {"Prefer": "wait=10"}
ONCE = {"retry": {"max_attempts": 0}}


def made(
    program: Program, target: Recorder, name: str, expression: str, path: str = "/", **more: object
) -> str:
    """A schedule that calls the target; the address of its page."""
    document = {
        "name": name,
        "schedule_expression": expression,
        "target_type": "web_action",
        "payload": {
            "action": "http",
            "method": "POST",
            "url": f"http://127.0.0.1:{target.port}{path}",
            "body": {"source": name},
        },
        **more,
    }
    answer = program.post("/api/schedules", document, WAITED)
    assert answer.status == 201, answer.body
    return f"/schedules/{answer.body['id']}"


def test_a_schedule_fires_and_its_run_can_be_read(program: Program, target: Recorder, tab: Tab) -> None:
    page = tab.page
    page.goto(made(program, target, "fires", at(time.time() + 3)))
    expect(page.get_by_text("No runs yet").first).to_be_visible()
    row = page.locator("#runs [data-row]")
    expect(row).to_have_count(1)  # the page keeps itself fresh
    expect(row).to_contain_text("Succeeded")
    assert len(target.received()) == 1

    row.get_by_role("link").first.click()
    expect(page.locator(".verdict")).to_contain_text("It did what was asked.")
    expect(page.get_by_role("img", name=re.compile("^Attempt 1: .*first byte"))).to_be_visible()
    expect(page.get_by_role("heading", name="Request")).to_be_visible()
    assert_accessible(page)


def test_the_charts_draw_a_point_for_each_run(program: Program, target: Recorder, tab: Tab) -> None:
    page = tab.page
    path = made(program, target, "charted", "cron(0 9 * * ? *)", "/fail/1/", policies=ONCE)
    for _ in range(3):
        program.post(f"/api{path}/run", {}, WAITED)
    page.goto(path)
    expect(page.locator("#runs [data-row]")).to_have_count(3)
    page.reload()
    expect(page.locator(".chart canvas")).to_have_count(2)
    expect(page.locator(".chart-legend").first).to_contain_text("failed")
    assert_accessible(page)


def test_it_is_paused_with_a_reason_and_resumed(program: Program, target: Recorder, tab: Tab) -> None:
    page = tab.page
    page.goto(made(program, target, "pausable", "rate(1 hour)"))
    page.get_by_role("button", name="Pause…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    assert_accessible(page)
    dialog.get_by_label("Reason").fill("the disk is being replaced")
    dialog.get_by_label("How long").select_option("4h")
    dialog.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".state-note")).to_contain_text("by local: the disk is being replaced")
    expect(page.locator(".state-note")).to_contain_text(re.compile("it resumes in [34] h"))
    assert_accessible(page)

    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#toasts")).to_contain_text("Resumed pausable.")
    expect(page.locator(".state-note")).to_have_count(0)


def test_a_stretch_is_counted_then_run(program: Program, target: Recorder, tab: Tab) -> None:
    page = tab.page
    page.goto(made(program, target, "backfilled", "cron(0 9 * * ? *)"))
    page.get_by_role("button", name="Backfill…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("From").fill("2026-03-01T00:00")
    dialog.get_by_label("To").fill("2026-03-03T23:00")
    dialog.get_by_role("button", name="Count them first").click()
    expect(dialog.locator("#backfill-plan")).to_contain_text("3 occurrences")
    dialog.get_by_role("button", name="Run them").click()
    expect(page.locator("#toasts")).to_contain_text("Queued 3 runs.")
    expect(page.locator("#runs [data-row]").filter(has_text="Succeeded")).to_have_count(3)


def test_a_run_is_replayed_as_it_was_and_edited(program: Program, target: Recorder, tab: Tab) -> None:
    page = tab.page
    page.goto(made(program, target, "replayed", "cron(0 9 * * ? *)"))
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".verdict")).to_contain_text("It did what was asked.")
    original = page.url
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_text("A replay of")).to_be_visible()
    expect(page.locator(".verdict")).to_contain_text("It did what was asked.")
    page.get_by_role("link", name="this run").click()
    assert page.url == original

    page.get_by_role("link", name="Edit and replay").click()
    assert_accessible(page)
    tab.expected = {422}
    page.get_by_label("Payload").fill("{")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("This is not JSON")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Payload").fill(
        f'{{"action": "http", "method": "POST", "url": "http://127.0.0.1:{target.port}/edited"}}'
    )
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".verdict")).to_contain_text("It did what was asked.")
    assert target.received()[-1].path == "/edited"


def test_a_dead_letter_is_redriven_and_then_succeeds(program: Program, target: Recorder, tab: Tab) -> None:
    page = tab.page
    for number in range(3):
        path = made(
            program, target, f"fails-{number}", "cron(0 9 * * ? *)", f"/fail/1/{number}", policies=ONCE
        )
        program.post(f"/api{path}/run", {}, WAITED)
    page.goto("/messages")
    rows = page.locator("#rows [data-row]")
    expect(rows).to_have_count(3, timeout=25_000)
    expect(rows.first).to_contain_text("503")
    assert_accessible(page)

    rows.filter(has_text="fails-0").get_by_role("button", name="Redrive").click()
    expect(page.locator("#progress")).to_contain_text("All have ended")
    expect(page.locator("#progress")).to_contain_text("1 succeeded")
    expect(rows).to_have_count(2)

    page.get_by_label("Tick all on this page").check()
    page.get_by_role("button", name="Redrive 2 ticked").click()
    expect(page.locator("#progress")).to_contain_text("2 succeeded")
    expect(page.get_by_text("No dead letters")).to_be_visible()
    assert_accessible(page)


def test_the_tabs_are_reached_by_keys(program: Program, target: Recorder, tab: Tab) -> None:
    page = tab.page
    page.goto(made(program, target, "tabbed", "cron(0 9 * * ? *)", timezone="Europe/Berlin"))
    tabs = page.get_by_role("navigation", name="Sections")
    tabs.get_by_role("link", name="Runs").focus()
    page.keyboard.press("Tab")
    expect(tabs.get_by_role("link", name="Upcoming")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="In Europe/Berlin")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(25)
    assert_accessible(page)
    tabs.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="By command line")).to_be_visible()
    expect(page.locator("#commands")).to_contain_text("rez-agent run tabbed --wait")
    assert_accessible(page)


def test_a_deleted_schedule_is_gone_and_its_history_stays(
    program: Program, target: Recorder, tab: Tab
) -> None:
    page = tab.page
    path = made(program, target, "short-lived", "cron(0 9 * * ? *)")
    page.goto(path)
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("Deleted short-lived.")
    page.goto(path)
    expect(page.get_by_text("This schedule was deleted.")).to_be_visible()
    expect(page.get_by_role("button", name="Run now")).to_have_count(0)


@pytest.fixture
def lived(browser: Browser, tmp_path: Path) -> tuple[Path, datetime]:
    """The data of a server where a schedule ran, failed once and missed one, in the last day."""
    del browser  # without one nothing is made
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    schedule = schedule_of(
        "hourly",
        schedule_id="sch_hourly",
        created_by="local",
        now=now - timedelta(days=5),
        payload={"channel": "log", "message": "x"},
        target_type="notification",
        schedule_expression="cron(0 0/4 * * ? *)",
    )
    last = schedule.occurrences.previous_before(now)
    assert last is not None
    times = [last - timedelta(hours=4 * number) for number in range(7)]
    fates = (
        (ExecutionStatus.SUCCEEDED, None),
        (ExecutionStatus.SKIPPED, Reason.MISSED),
        (ExecutionStatus.FAILED, None),
        *[(ExecutionStatus.SUCCEEDED, None)] * 4,
    )
    (tmp_path / "lived").mkdir()
    rig = Rig(tmp_path / "lived")
    rig.add(replace(schedule, next_run=schedule.occurrences.next_after(last)))
    for when, (status, reason) in zip(times, fates, strict=True):
        entry = replace(
            asked_execution(schedule, when, Cause.SCHEDULE, "msg_1", now=when),
            id=execution_id(schedule.id, when),
            status=status,
            reason=reason,
            next_attempt_at=None,
            finished_at=when,
        )
        rig.do(lambda ports, one=entry: ports.ledger.add([one]))  # type: ignore[misc]
    rig.close()
    return tmp_path / "lived", times[-1]


def test_the_week_is_hollow_until_it_ran_and_shows_what_was_missed(
    browser: Browser, lived: tuple[Path, datetime]
) -> None:
    data, earliest = lived
    with Program(data) as program:
        for options in ({}, {"color_scheme": "dark"}, {"viewport": PHONE}):
            tab = Tab(browser, f"http://127.0.0.1:{program.port}", **options)
            page = tab.page
            page.goto(f"/week?from={earliest.date().isoformat()}")
            line = page.get_by_role("row", name=re.compile("^hourly"))
            for kind, count in (("succeeded", 5), ("failed", 1), ("missed", 1)):
                expect(line.locator(f".mark-{kind}")).to_have_count(count)
            assert line.locator(".mark-expected").count() > 10
            expect(line).to_contain_text("1 failed, 1 missed, 5 succeeded")
            assert_accessible(page)
            assert_fits(page)
            if not options:
                line.locator(".mark-missed").click()
                expect(page.locator(".verdict")).to_contain_text("Nothing could fire when it was due")
                page.get_by_role("link", name="The run before").click()
                expect(page.get_by_text("Failed").first).to_be_visible()
            assert tab.faults == []
            tab.close()


def test_every_screen_fits_a_phone(program: Program, target: Recorder, open_tab: OpenTab) -> None:
    page = open_tab(viewport=PHONE, color_scheme="dark").page
    path = made(program, target, "on-a-phone", "cron(0 9 * * ? *)", "/fail/1/", policies=ONCE)
    program.post(f"/api{path}/run", {}, WAITED)
    page.goto(path)
    expect(page.locator("#runs [data-row]").filter(has_text="Failed")).to_have_count(1)
    addresses = [path, f"{path}?tab=upcoming", f"{path}?tab=settings", "/executions", "/messages", "/week"]
    addresses.append(page.locator("#runs [data-row] a").first.get_attribute("href") or "")
    for address in addresses:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert_fits(page)
        assert_accessible(page)
