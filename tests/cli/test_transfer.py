"""Import and export: what goes out comes back, and every line is accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rez_agent.cli.main import main
from rez_agent.cli.transfer import BATCH, definition_of
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import ScheduleDefinition
from tests.cli.loopback import Asked, Reply, loopback

DEFINITION: dict[str, Any] = {
    "name": "n",
    "schedule_expression": "rate(1 hour)",
    "timezone": "UTC",
    "target_type": "web_action",
    "payload": {"action": "http", "url": "https://example.com/"},
}
SCHEDULE: dict[str, Any] = DEFINITION | {
    "id": "sch_1",
    "description": "",
    "tags": [],
    "start": None,
    "end": None,
    "policies": {"overlap": None, "flexible_window_minutes": 5},
    "status": "paused",
    "created_by": "local",
    "revision": 3,
    "next_run": None,
}
TAKEN = {
    "status": 409,
    "code": "name_taken",
    "detail": "Taken.",
    "errors": [{"code": "name_taken", "detail": "Taken."}],
}


def batch(asked: Asked) -> Reply:
    """Accepts every definition whose name is not ``taken``."""
    items = [
        {"index": at, "status": 409, "problem": TAKEN}
        if one["name"] == "taken"
        else {"index": at, "status": 201}
        for at, one in enumerate(asked.document["schedules"])
    ]
    return Reply(207, {"items": items, "accepted": 0, "refused": 0})


def lines(*definitions: Any) -> str:
    return "".join(json.dumps(definition) + "\n" for definition in definitions)


def test_a_definition_is_what_somebody_would_say_to_get_the_schedule() -> None:
    definition = definition_of(SCHEDULE)
    assert definition == DEFINITION | {"policies": {"overlap": None, "flexible_window_minutes": 5}}
    read(ScheduleDefinition, definition)


def test_every_line_is_accounted_for_and_one_bad_line_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(
        lines(DEFINITION) + "\nnonsense\n" + lines(DEFINITION | {"name": "taken"}), encoding="utf-8"
    )
    with loopback(batch) as server:
        assert main(["import", str(file), "--url", server.url]) == 1
    told = capsys.readouterr().err
    assert "line 3: It is not JSON" in told
    assert "line 4 (taken): Taken." in told
    assert "1 created, 2 failed" in told


def test_programs_get_a_line_of_json_for_each_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.json"
    file.write_text(json.dumps([DEFINITION, DEFINITION | {"name": "taken"}]), encoding="utf-8")
    with loopback(batch) as server:
        assert main(["import", str(file), "--json", "--url", server.url]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(item["line"], item["name"], item["result"]) for item in told] == [
        (1, "n", "created"),
        (2, "taken", "failed"),
    ]


def test_taken_names_can_be_skipped(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(DEFINITION | {"name": "taken"}), encoding="utf-8")
    with loopback(batch) as server:
        assert main(["import", str(file), "--existing", "skip", "--url", server.url]) == 0


def test_many_are_sent_in_requests_that_the_api_takes(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(
        lines(*[DEFINITION] * (BATCH + 1), DEFINITION | {"description": "x" * 3_500_000}), encoding="utf-8"
    )
    with loopback(batch) as server:
        assert main(["import", str(file), "--url", server.url]) == 0
    assert [len(asked.document["schedules"]) for asked in server.asked] == [BATCH, 1, 1]
    assert all(len(asked.body) < 4 * 1024 * 1024 for asked in server.asked)


def test_one_item_that_spoils_its_request_is_found_and_the_others_are_created(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def reply(asked: Asked) -> Reply:
        if any(one["name"] == "deep" for one in asked.document["schedules"]):
            return Reply(400, {"status": 400, "code": "too_deep", "detail": "Nested too deep."})
        return batch(asked)

    names = ["a", "b", "deep", "c", "d"]
    file = tmp_path / "in.jsonl"
    file.write_text(lines(*(DEFINITION | {"name": name} for name in names)), encoding="utf-8")
    with loopback(reply) as server:
        assert main(["import", str(file), "--url", server.url]) == 1
    told = capsys.readouterr().err
    assert "line 3 (deep): Nested too deep." in told
    assert "4 created, 1 failed" in told


@pytest.mark.parametrize("line", ['{"name": "\\ud800"}', '{"name": NaN}', "[" * 100_000])
def test_what_the_api_could_not_read_spoils_only_its_line(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(DEFINITION) + line + "\n", encoding="utf-8")
    with loopback(batch) as server:
        assert main(["import", str(file), "--url", server.url]) == 1
    told = capsys.readouterr().err
    assert "line 2: It is not JSON" in told
    assert "1 created, 1 failed" in told


def test_a_dry_run_sends_nothing_and_prints_what_would_be_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "crontab"
    file.write_text("@daily https://example.com/a\n@reboot https://example.com/b\n", encoding="utf-8")
    assert main(["import", str(file), "--crontab", "--dry-run"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["schedule_expression"] == "cron(0 0 * * ? *)"
    assert "line 2: @reboot is no time" in told.err


def test_an_unreadable_file_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "/no/such/file"]) == 2
    assert "/no/such/file" in capsys.readouterr().err


def test_an_export_follows_every_page_and_says_what_is_paused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def reply(asked: Asked) -> Reply:
        last = "cursor" in asked.path
        return Reply(document={"items": [SCHEDULE], "next_cursor": None if last else "two", "total": 2})

    file = tmp_path / "out.jsonl"
    with loopback(reply) as server:
        assert main(["export", str(file), "--url", server.url]) == 0
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == ["n", "n"]
    assert "2 of them are paused" in capsys.readouterr().err


def test_an_export_that_fails_leaves_the_file_before_as_it_was(tmp_path: Path) -> None:
    def reply(asked: Asked) -> Reply:
        if "cursor" in asked.path:
            return Reply(503, {"status": 503, "code": "unavailable", "detail": "Stopping."})
        return Reply(document={"items": [SCHEDULE], "next_cursor": "two", "total": 2})

    file = tmp_path / "out.jsonl"
    file.write_text("before", encoding="utf-8")
    with loopback(reply) as server:
        assert main(["export", str(file), "--url", server.url]) == 1
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
