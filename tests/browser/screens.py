"""Pictures of every screen, light, dark and on a phone: ``python -m tests.browser.screens DIRECTORY``.

They are of the real server with schedules that fire, fail, are skipped and paused. Look at them after a
change of the page.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser

from tests.browser.chromium import PHONE, Tab, chromium
from tests.e2e.program import Program, at, eventually
from tests.e2e.recorder import Recorder

Document = dict[str, Any]

FINAL = ("succeeded", "failed", "skipped", "cancelled")
WAITED = {"Prefer": "wait=10"}
LOOKS: dict[str, Document] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": PHONE},
}


class House:
    """A server with something in it, and the ids of what the screens show."""

    def __init__(self, program: Program, target: str) -> None:
        self.program = program
        self.target = target
        self.ids: dict[str, str] = {}

    def make(self, name: str, expression: str, path: str = "/", **more: Any) -> str:
        """A schedule that calls the target."""
        payload = {"action": "http", "method": "POST", "url": self.target + path, "body": {"source": name}}
        return self.add(
            {
                "name": name,
                "schedule_expression": expression,
                "target_type": "web_action",
                "payload": payload,
                **more,
            }
        )

    def add(self, document: Document) -> str:
        """Create a schedule; its id."""
        made = self.program.post("/api/schedules", document, WAITED)
        assert made.status == 201, made.body
        self.ids[document["name"]] = str(made.body["id"])
        return self.ids[document["name"]]

    def change(self, name: str, what: str, body: Document | None = None) -> None:
        """Pause, run and the like."""
        answer = self.program.post(f"/api/schedules/{self.ids[name]}/{what}", body or {}, WAITED)
        assert answer.status == 200, answer.body

    def runs(self, name: str) -> list[Document]:
        """A schedule's executions, newest first."""
        found: list[Document] = self.program.get(f"/api/schedules/{self.ids[name]}/executions").body["items"]
        return found


def furnish(house: House) -> None:
    """Schedules as a small company has them."""
    quick = {"retry": {"max_attempts": 1, "min_backoff_seconds": 0, "max_backoff_seconds": 0}}
    office = {"timezone": "Europe/Berlin"}
    house.make("invoices-export", "cron(0 7 ? * MON-FRI *)", tags=["billing"], **office)
    house.make("stock-sync", "rate(15 minutes)", "/slow/0.2/", tags=["shop"])
    house.make("price-feed", "rate(5 minutes)", tags=["shop"])
    house.make(
        "tee-time-watch", "cron(0/10 6-9 * * ? *)", "/slow/0.05/", tags=["golf"], timezone="America/New_York"
    )
    house.make("crm-push", "rate(30 minutes)", "/fail/9/", tags=["sales"], policies=quick)
    house.make("nightly-backup", "cron(30 2 * * ? *)", tags=["ops"], **office)
    germany = {"name": "germany", "title": "Public holidays in Germany"}
    days = {"source": {"kind": "holidays", "country": "DE"}}
    made = house.program.post("/api/calendars", {**germany, **days})
    assert made.status == 201, made.body
    early: Document = {"calendar": {"name": "germany", "closed": "previous"}}
    house.make("quarter-close", "cron(0 18 LW 3,6,9,12 ? *)", tags=["billing"], **office, **early)
    house.make("one-reminder", at(time.time() + 86_400))
    notify = {
        "target_type": "notification",
        "payload": {"channel": "log", "message": "Stand-up in ten minutes"},
    }
    house.add({"name": "stand-up", "schedule_expression": "cron(50 9 ? * MON-FRI *)", **office, **notify})
    house.add({"name": "heartbeat", "schedule_expression": "rate(1 minute)", "tags": ["ops"], **notify})
    rules = (
        {"name": "Sales fails", "kind": "consecutive_failures", "tag": "sales", "channels": ["log"]},
        {"name": "Failed for good", "kind": "dead_letter", "channels": ["log"], "quiet_period_seconds": 600},
        {"name": "Shop is slow", "kind": "too_slow", "tag": "shop", "enabled": False},
        {"name": "The team hears of it", "kind": "failure_rate", "tag": "shop", "channels": ["log"]},
    )
    for rule in rules:
        made = house.program.post("/api/alert-rules", rule)
        assert made.status == 201, made.body
    house.program.post(f"/api/alert-rules/{made.body['id']}/test", {})
    runs = {
        "stock-sync": 9,
        "price-feed": 10,
        "tee-time-watch": 6,
        "crm-push": 5,
        "heartbeat": 3,
        "stand-up": 4,
    }
    for name, count in runs.items():
        for _ in range(count):
            house.change(name, "run")
    later = {"schedule_expression": "cron(20 10 ? * MON-FRI *)", "tags": ["team"]}
    path = f"/api/schedules/{house.ids['stand-up']}?reason=everybody+sleeps+longer"
    assert house.program.ask("PATCH", path, later, WAITED).status == 200
    house.change(
        "nightly-backup",
        "pause",
        {"reason": "the store moves to a new disk", "until": f"{_in_days(9):%Y-%m-%dT06:00:00Z}"},
    )
    for name in runs:
        eventually(partial(_all_over, house, name), 60, name)


def _in_days(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def _all_over(house: House, name: str) -> bool:
    return all(run["status"] in FINAL for run in house.runs(name))


def screens(house: House) -> list[tuple[str, str]]:
    """Every screen, as (name, address)."""
    return [
        ("schedules", "/schedules"),
        ("schedules-none", "/schedules?q=nothing"),
        ("new", "/schedules/new"),
        ("edit", f"/schedules/{house.ids['tee-time-watch']}/edit"),
        *_of_runs(house),
        ("calendars", "/calendars"),
        ("calendar", "/calendars/germany"),
        ("calendar-new", "/calendars/new"),
        ("alerts", "/alerts"),
        ("templates", "/templates"),
        ("template", "/templates/tee-time-watch"),
        ("template-new", "/templates/new"),
        ("alert-kinds", "/alerts/rules/new"),
        ("alert-rule", "/alerts/rules/new?kind=too_slow"),
        ("schedule-alerts", f"/schedules/{house.ids['crm-push']}?tab=alerts"),
        ("not-found", "/schedules/sch_none"),
    ]


def _of_runs(house: House) -> list[tuple[str, str]]:
    """A schedule's page and its tabs, a run that failed, all runs, the week, the dead letters."""
    page = f"/schedules/{house.ids['crm-push']}"
    return [
        ("detail", page),
        ("detail-paused", f"/schedules/{house.ids['nightly-backup']}"),
        ("detail-upcoming", f"{page}?tab=upcoming"),
        ("detail-settings", f"{page}?tab=settings"),
        ("detail-changes", f"/schedules/{house.ids['stand-up']}?tab=changes"),
        ("why", f"/schedules/{house.ids['nightly-backup']}/why?at={_in_days(4):%Y-%m-%d}T02:30"),
        ("run", f"/executions/{house.runs('crm-push')[0]['id']}"),
        ("runs", "/executions"),
        ("week", "/week?timezone=Europe/Berlin"),
        ("messages", "/messages"),
    ]


@contextmanager
def furnished() -> Iterator[House]:
    """A server with something in it."""
    with TemporaryDirectory() as place, Recorder() as target:
        data = Path(place) / "data"
        with Program(data, "--allow-target", "127.0.0.1") as program:
            house = House(program, f"http://127.0.0.1:{target.port}")
            furnish(house)
            yield house


def shoot(browser: Browser, house: House, out: Path, say: Callable[[str], None] = print) -> None:
    """A picture of each screen in each look."""
    for look, options in LOOKS.items():
        tab = Tab(browser, f"http://127.0.0.1:{house.program.port}", **options)
        tab.expected = {404}  # one of the screens says so
        for name, address in screens(house):
            tab.page.goto(address)
            tab.page.wait_for_load_state("networkidle")
            tab.page.screenshot(path=out / f"{name}-{look}.png", full_page=True)
        for fault in tab.faults:
            say(f"{look}: {fault}")
        tab.close()


def main(out: Path) -> None:
    """Shoot them all."""
    out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, furnished() as house:
        shoot(browser, house, out)
    print(f"the pictures stand in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
