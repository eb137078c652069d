"""What the doctor finds, one check at a time, and what it says to do."""

from __future__ import annotations

import fcntl
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.cli import machine_checks, server_checks
from rez_agent.cli.client import Client, Unreachable
from rez_agent.cli.finding import Finding, Verdict, ok, problem, warning, worst
from rez_agent.cli.main import main
from rez_agent.cli.remedies import REMEDIES, remedy_for
from rez_agent.local.build import open_store
from rez_agent.local.database import DATABASE_FILE
from tests.cli.loopback import Asked, Reply, loopback

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


def verdicts(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.check, finding.verdict.value) for finding in findings]


def test_the_gravest_verdict_counts() -> None:
    assert worst([]) is Verdict.OK
    assert worst([ok("a", ""), warning("b", "", "")]) is Verdict.WARNING
    assert worst([problem("a", "", ""), ok("b", "")]) is Verdict.PROBLEM


# --- the machine ---


def test_a_directory_that_is_not_there_yet_is_no_problem(tmp_path: Path) -> None:
    findings = list(machine_checks.data_directory(tmp_path / "none", thorough=False))
    assert verdicts(iter(findings)) == [("data directory", "warning")]
    assert "rez-agent serve" in findings[0].remedy


def test_a_sound_directory_passes_every_check(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with open_store(data_dir):
        pass
    found = dict(verdicts(machine_checks.data_directory(data_dir, thorough=True)))
    assert found.pop("disk speed") in ("ok", "warning")
    assert found == {"permissions": "ok", "lock": "ok", "disk": "ok", "database": "ok"}


def test_a_directory_that_others_can_read_is_told(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o755)
    (data_dir / "secrets").mkdir(mode=0o700)
    found = {finding.check: finding for finding in machine_checks.data_directory(data_dir, thorough=False)}
    assert found["permissions"].verdict is Verdict.WARNING
    assert found["permissions"].remedy == f"chmod -R go= {data_dir}"


def test_the_process_that_owns_the_directory_is_named(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    with (data_dir / "rez.lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = {
            finding.check: finding for finding in machine_checks.data_directory(data_dir, thorough=False)
        }
    assert found["lock"].text == f"Process 4711 serves {data_dir}."


def test_a_damaged_database_is_a_problem_with_the_way_back(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with open_store(data_dir):
        pass
    (data_dir / DATABASE_FILE).write_bytes(b"this is no database at all, whatever its name says" * 100)
    found = {finding.check: finding for finding in machine_checks.data_directory(data_dir, thorough=False)}
    assert found["database"].verdict is Verdict.PROBLEM
    assert "rez-agent restore" in found["database"].remedy


@pytest.mark.parametrize(
    ("step", "verdict"), [(0.0, Verdict.OK), (0.04, Verdict.OK), (-3600.0, Verdict.WARNING)]
)
def test_a_clock_that_is_stepped_is_noticed(step: float, verdict: Verdict) -> None:
    elapsed = [0.0]
    finding = machine_checks.clock(
        wall=lambda: 1e9 + elapsed[0] + (step if elapsed[0] else 0),
        monotonic=lambda: elapsed[0],
        sleep=lambda seconds: elapsed.__setitem__(0, seconds),
    )
    assert finding.verdict is verdict


def test_the_server_s_clock_is_compared_with_this_one() -> None:
    assert verdicts(machine_checks.clock_against(NOW + timedelta(seconds=2), NOW)) == [
        ("server's clock", "ok")
    ]
    assert verdicts(machine_checks.clock_against(NOW - timedelta(minutes=9), NOW)) == [
        ("server's clock", "warning")
    ]
    assert verdicts(machine_checks.clock_against(None, NOW)) == []


def test_old_rules_of_time_zones_are_told() -> None:
    assert machine_checks.time_zones(NOW).verdict is Verdict.OK
    assert machine_checks.time_zones(NOW.replace(year=2040)).verdict is Verdict.WARNING


def test_every_fault_of_the_catalogue_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "actions.yaml"
    file.write_text("actions:\n  a: {url: 'ftp://x'}\n  b: 3\nbeside: 1\n", encoding="utf-8")
    found = list(machine_checks.action_catalogue(file))
    assert len(found) >= 2
    assert {finding.verdict for finding in found} == {Verdict.PROBLEM}
    file.write_text("actions: {}\n", encoding="utf-8")
    assert verdicts(machine_checks.action_catalogue(file)) == [("actions", "ok")]
    assert list(machine_checks.action_catalogue(None)) == []


def test_secrets_that_payloads_refer_to_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "kept").touch()
    schedules = [
        {"name": "a", "payload": {"auth": {"token": {"secret": "kept"}}}},
        {"name": "b", "payload": {"signing_secret": [{"secret": "gone"}]}},
    ]
    assert verdicts(machine_checks.missing_secrets(tmp_path, schedules[:1])) == [("secrets", "ok")]
    findings = list(machine_checks.missing_secrets(tmp_path, schedules))
    assert [finding.text for finding in findings] == ["The secret 'gone' is missing; 'b' needs it."]
    assert "rez-agent secrets set gone" in findings[0].remedy


def test_another_program_on_the_port_is_told() -> None:
    with loopback(lambda _: Reply(200, raw=b"<html>")) as server:
        with pytest.raises(Unreachable) as caught:
            list(server_checks.health(Client(server.url)))
        finding = machine_checks.port(server.url, caught.value)
    assert finding.verdict is Verdict.PROBLEM
    assert "is in use" in finding.text


def test_nobody_on_the_port_is_told_apart_from_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    finding = machine_checks.port(url, Unreachable("No server answers."))
    assert finding.remedy == "Start it: rez-agent serve."


# --- the server ---


def schedule(**facts: Any) -> dict[str, Any]:
    plain = {"id": "sch_1", "name": "n", "status": "active", "schedule_expression": "rate(1 hour)"}
    return plain | {"timezone": "UTC", "next_run": "2026-03-08T13:00:00Z", "finished_at": None} | facts


@pytest.mark.parametrize(
    ("facts", "verdict", "told"),
    [
        ({}, "ok", "none is overdue"),
        ({"status": "error", "error_message": "no such zone"}, "problem", "no such zone"),
        (
            {
                "schedule_expression": "cron(0 0 30 2 ? *)",
                "next_run": None,
                "finished_at": "2026-03-08T11:00:00Z",
            },
            "warning",
            "never fires",
        ),
        ({"next_run": None, "finished_at": "2026-03-08T11:00:00Z"}, "ok", "none is overdue"),
        ({"next_run": "2026-03-08T11:58:00Z"}, "problem", "was due 2 min ago"),
        ({"next_run": "2026-03-08T11:59:50Z"}, "ok", "none is overdue"),
        ({"status": "paused", "next_run": None}, "ok", "none is overdue"),
    ],
)
def test_a_schedule_that_can_not_do_its_work_is_told(facts: dict[str, Any], verdict: str, told: str) -> None:
    findings = list(server_checks.schedules([schedule(**facts)], NOW))
    assert verdicts(iter(findings)) == [("schedules", verdict)]
    assert told in findings[0].text


def test_failures_are_counted_by_cause_the_most_frequent_first() -> None:
    failed = [{"id": "x", "code": "status", "error": "answered 500"}] * 3
    failed += [{"id": "y", "code": "forbidden_target", "error": "10.0.0.1 is private"}]
    findings = list(server_checks.causes(failed))
    assert verdicts(iter(findings)) == [("executions", "warning"), ("executions", "problem")]
    assert findings[0].text == "3 failed with status within a day. answered 500"
    assert "--allow-target" in findings[1].remedy
    assert "y" in findings[1].remedy
    assert verdicts(server_checks.causes([])) == [("executions", "ok")]


def test_what_was_skipped_is_counted_with_its_spans() -> None:
    skipped: list[dict[str, Any]] = [
        {"reason": "missed", "span": {"count": 12}},
        {"reason": "missed"},
        {"reason": "overlap"},
    ]
    texts = [finding.text for finding in server_checks.skips(skipped)]
    assert texts[0].startswith("13 occurrences passed")
    assert texts[1].startswith("1 occurrence within a day came")
    assert list(server_checks.skips([{"reason": "paused"}])) == []


def test_executions_that_wait_for_a_place_are_told_apart_from_retries() -> None:
    queued = [{"next_attempt_at": "2026-03-08T11:00:00Z"}, {"next_attempt_at": "2026-03-08T12:05:00Z"}, {}]
    findings = list(server_checks.waiting(queued, NOW))
    assert [finding.text for finding in findings] == ["1 execution waiting for a free place."]


def test_every_remedy_says_what_to_do_and_an_unknown_code_has_one_too() -> None:
    assert all(remedy.text.endswith(".") for remedy in REMEDIES.values())
    assert "rez-agent show" in remedy_for("something_new").text


def test_a_failing_server_gives_its_reasons_and_a_foreign_version_is_told() -> None:
    def reply(asked: Asked) -> Reply:
        if asked.path == "/healthz":
            return Reply(503, {"status": "failing", "reasons": ["the engine last looked 12 s ago"]})
        return Reply(document={"info": {"version": "9.9"}})

    with loopback(reply) as server:
        client = Client(server.url)
        assert [f.text for f in server_checks.health(client)] == ["the engine last looked 12 s ago."]
        assert server_checks.version(client, "0.1.0").verdict is Verdict.WARNING


def test_without_a_key_the_doctor_says_how_to_get_one() -> None:
    with loopback(
        lambda _: Reply(401, {"status": 401, "code": "unauthenticated", "detail": "A key."})
    ) as server:
        finding = server_checks.access(Client(server.url))
    assert finding.verdict is Verdict.PROBLEM
    assert "rez-agent keys create" in finding.remedy


def test_without_a_server_the_machine_is_examined_and_the_exit_code_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert main(["doctor", "--url", url, "--data-dir", str(tmp_path / "none"), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "problem"
    assert {"server", "data directory", "clock", "time zones"} <= {f["check"] for f in document["findings"]}
