"""`rez-agent forecast`: what it asks of the server, and what it tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from rez_agent.cli.forecast import amount, bar, busiest, load_of
from rez_agent.cli.main import main
from rez_agent.domain.instants import to_seconds
from tests.cli.loopback import Asked, Reply, loopback

CREATED = "2026-03-01T08:00:07Z"


def schedule(**changed: Any) -> dict[str, Any]:
    """A schedule as the API shows it."""
    return {
        "name": "n",
        "status": "active",
        "schedule_expression": "cron(0 * * * ? *)",
        "timezone": "UTC",
        "start": None,
        "end": None,
        "created_date": CREATED,
        "finished_at": None,
        "pause": None,
        "policies": {"flexible_window_minutes": 0},
        **changed,
    }


def listing(*pages: list[dict[str, Any]]) -> Any:
    """A server with these pages of schedules."""

    def answer(asked: Asked) -> Reply:
        query = parse_qs(urlsplit(asked.path).query)
        at = int(query.get("cursor", ["0"])[0])
        following = str(at + 1) if at + 1 < len(pages) else None
        return Reply(200, {"items": pages[at], "next_cursor": following, "total": 1})

    return answer


def told(capsys: pytest.CaptureFixture[str], *pages: list[dict[str, Any]], more: tuple[str, ...] = ()) -> str:
    with loopback(listing(*pages)) as server:
        assert main(["forecast", "--url", server.url, *more]) == 0
    return capsys.readouterr().out


# --- what counts ---


def test_a_schedule_counts_from_its_creation_on() -> None:
    load = load_of(schedule(start="2026-04-01T00:00:00Z", policies={"flexible_window_minutes": 15}))
    assert load is not None
    assert load.created == load.since == to_seconds(datetime(2026, 3, 1, 8, 0, 7, tzinfo=UTC))
    assert load.start == to_seconds(datetime(2026, 4, 1, tzinfo=UTC))
    assert load.end is None
    assert load.window_minutes == 15


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "paused", "pause": {"since": CREATED, "by": "me", "reason": "", "until": None}},
        {"status": "error"},
        {"finished_at": CREATED},
        {"timezone": "Mars/Olympus"},
    ],
)
def test_what_can_not_fire_does_not_count(changed: dict[str, Any]) -> None:
    assert load_of(schedule(**changed)) is None


def test_a_pause_with_an_end_counts_from_its_end_on() -> None:
    until = "2026-03-09T00:00:00Z"
    load = load_of(schedule(status="paused", pause={"since": CREATED, "by": "me", "until": until}))
    assert load is not None
    assert load.since == to_seconds(datetime(2026, 3, 9, tzinfo=UTC))


# --- what is told ---


def test_every_page_is_counted_and_programs_get_every_minute(capsys: pytest.CaptureFixture[str]) -> None:
    pages = [schedule()] * 3, [schedule(status="error"), schedule()]
    document = json.loads(told(capsys, *pages, more=("--json", "--hours", "2", "--window", "4")))
    assert (document["schedules"], document["idle"], document["minutes"]) == (4, 1, 120)
    assert document["total"] == 8
    assert len(document["per_minute"]) == 120
    assert max(document["per_minute"]) == 4
    assert document["busiest"][0]["executions"] == 4
    assert document["window"]["minutes"] == 4
    assert document["window"]["peak"] == 1
    assert document["halving_window"] == {"minutes": 2, "peak": 2}


def test_people_get_the_course_the_busiest_minutes_and_a_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, [schedule()] * 3000, more=("--window", "15"))
    assert "3000 schedules that can fire: 72,000 executions" in text
    assert "in 24 hours from" in text
    assert "█" in text
    course = text.split("minute by minute")[1].split("\n\n")[0].splitlines()[1:]
    assert {line.split()[1][3:] for line in course[1:]} == {"00:00"}
    assert "Peak: 3,000 in a minute." in text
    assert "Under a window of 15 minutes: 200." in text
    assert "The shortest window that halves it: 2 minutes (1,500)." in text


def test_an_empty_store_has_no_load(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, []).splitlines()[0] == "0 schedules that can fire: 0 executions"


def test_an_even_load_gets_no_window(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, [schedule(schedule_expression="rate(1 minute)")], more=("--hours", "1"))
    assert "No window halves it" in text


def test_a_window_is_at_most_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "--window", "1441"]) == 2


# --- how it is written ---


def test_the_busiest_minutes_are_in_order_and_none_is_empty() -> None:
    assert busiest([0, 2, 5, 2, 0]) == [2, 1, 3]
    assert busiest([0] * 10) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (1234567, "1,234,567"), (12.4, "12"), (2.5, "2.5"), (0.066, "0.066"), (7, "7")],
)
def test_amounts_are_short(number: float, text: str) -> None:
    assert amount(number) == text


def test_a_bar_shows_the_most_of_each_cell_and_any_load_at_all() -> None:
    assert bar([0, 0.001, 4, 8], 8) == " ▁▄█"
    assert bar([0, 8, *[0] * 59], 8, step=2) == "█" + " " * 30
