"""The command line against the real server: both run as processes, as on anyone's machine."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.e2e.program import Program, eventually

DEADLINE = 20.0
PROGRAM = str(Path(sys.executable).with_name("rez-agent"))

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Done:
    """How an invocation ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class Cli:
    """The program, speaking to one server."""

    url: str
    data_dir: Path

    def __call__(self, *arguments: str, stdin: str = "") -> Done:
        ended = subprocess.run(
            [PROGRAM, *arguments],
            env=environment(REZ_URL=self.url),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in ended.stderr
        return Done(ended.returncode, ended.stdout, ended.stderr)

    def ok(self, *arguments: str, stdin: str = "") -> Done:
        done = self(*arguments, stdin=stdin)
        assert done.code == 0, done
        return done


def environment(**more: str) -> dict[str, str]:
    """Ours without what would reach the program by accident, or keep it from caching its bytecode."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REZ_", "PYTHON"))}
    return kept | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"} | more


@contextmanager
def served(data_dir: Path, *options: str) -> Iterator[Cli]:
    """A server of its own on a free port; it must end with 0 when it is asked to."""
    with Program(data_dir, "--log-level", "error", *options) as program:
        yield Cli(f"http://127.0.0.1:{program.port}", data_dir)
        assert program.terminate() == 0


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    data_dir = tmp_path_factory.mktemp("server") / "data"
    with served(data_dir, "--allow-target", "127.0.0.1") as cli:
        yield cli


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A target that answers 200, and 500 below ``/broken``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500 if self.path.startswith("/broken") else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(5)


def becomes(cli: Cli, execution_id: str, status: str, *, attempts: int) -> None:
    """Wait until the execution has so many attempts and this status."""

    def holds() -> bool:
        found = cli.ok("show", execution_id, "--json").document
        return (found["status"], found["attempt_count"]) == (status, attempts)

    eventually(holds, DEADLINE, f"{status} after {attempts}", every=0.2)


FAR = "cron(0 9 1 1 ? 2150)"
"""An expression that does not come due while a test runs."""


def test_a_schedule_s_whole_life_by_its_name(cli: Cli, target: str) -> None:
    created = cli.ok(
        "create", "life", FAR, "--http", f"{target}/life", "--timezone", "Europe/Berlin", "--tag", "t"
    )
    assert "Created life" in created.out
    assert "2150-01-01 09:00:00 Europe/Berlin" in created.out
    shown = cli.ok("show", "life").out
    assert "Next run: 2150-01-01 08:00:00 UTC" in shown
    listed = cli.ok("list", "--tag", "t", "--json").document
    assert [item["name"] for item in listed["items"]] == ["life"]
    assert cli.ok("list", "--tag", "t").out.splitlines()[1].startswith("life")
    assert "answer 200" in cli.ok("run", "life", "--wait").out
    planned = cli.ok("update", "life", "--expression", "cron(0 10 1 1 ? 2150)", "--dry-run").out
    assert '/schedule_expression: "cron(0 9 1 1 ? 2150)" -> "cron(0 10 1 1 ? 2150)"' in planned
    assert cli.ok("show", "life", "--json").document["revision"] == 1
    assert "Updated" in cli.ok("update", "life", "--retry", "7", "--rename", "second life").out
    assert "Paused" in cli.ok("pause", "second life", "--reason", "rest", "--until", "2h").out
    paused = cli.ok("show", "second life", "--json").document
    assert (paused["status"], paused["pause"]["reason"], paused["revision"]) == ("paused", "rest", 3)
    assert paused["policies"]["retry"]["max_attempts"] == 7
    assert "Resumed" in cli.ok("resume", "second life", "--reason", "rested").out
    assert cli("resume", "second life").code == 1
    assert cli.ok("delete", "second life", "--reason", "over").out == "Deleted second life.\n"
    assert cli("show", "second life").code == 1
    why = cli.ok("why", "second life", "2100-01-01", "09:30").out
    assert "did not exist any more: local deleted it" in why
    assert "verdict  deleted" in why
    assert cli.ok("why", "second life", "now", "--json").document["verdict"] == "succeeded"
    assert cli("why", "second life", "soon").code == 2
    changes = cli.ok("changes", "second life").out
    assert "delete by local: over" in changes
    assert "resume by local: rested" in changes
    assert '/name: "life" -> "second life"' in changes
    assert "create by local" in changes
    assert cli.ok("history", paused["id"], "--json").document["items"][0]["status"] == "succeeded"


def test_a_run_that_is_waited_for_tells_what_became_of_it(cli: Cli, target: str) -> None:
    cli.ok("create", "runs", FAR, "--http", f"{target}/ok", "--retry", "0")
    done = cli.ok("run", "runs", "--wait", "--json").document
    assert (done["status"], done["response_status"], done["cause"]) == ("succeeded", 200, "run")
    assert "attempt 1" in cli.ok("show", done["id"]).out
    cli.ok("update", "runs", "--http", f"{target}/broken")
    failed = cli("run", "runs", "--wait")
    assert failed.code == 1
    assert "answer 500" in failed.out
    assert "failed" in cli.ok("history", "runs", "--status", "failed").out


def test_dead_letters_are_retried_one_by_one_or_all_at_once(cli: Cli, target: str) -> None:
    cli.ok("create", "dead", FAR, "--http", f"{target}/broken", "--retry", "0")
    first = json.loads(cli("run", "dead", "--wait", "--json").out)
    assert first["dead_letter"] is True
    cli.ok("update", "dead", "--http", f"{target}/ok")
    assert cli.ok("redrive", "dead").out == "Queued again: 1 dead letter.\n"
    # it is tried again as the revision that fired says, so it fails again
    becomes(cli, first["id"], "failed", attempts=2)
    assert cli.ok("retry", first["id"]).out == f"Queued again: {first['id']}\n"
    becomes(cli, first["id"], "failed", attempts=3)
    missing = cli("retry", "nonsense")
    assert missing.code == 2
    assert "rez-agent history" in missing.err


def test_a_queued_execution_can_be_cancelled(cli: Cli, target: str) -> None:
    cli.ok("create", "slow", FAR, "--http", f"{target}/broken", "--retry", "5", "--backoff", "600-600")
    queued = cli.ok("run", "slow", "--json").document["execution_id"]
    becomes(cli, queued, "queued", attempts=1)
    assert cli.ok("cancel", queued, "--reason", "enough").out == f"Cancelled: {queued}\n"
    becomes(cli, queued, "cancelled", attempts=1)
    assert cli("cancel", queued).code == 1


def test_a_backfill_says_how_many_and_waits_for_all(cli: Cli, target: str) -> None:
    cli.ok("create", "past", "cron(0 9 * * ? *)", "--http", f"{target}/past", "--overlap", "allow")
    stretch = ("--from", "2026-03-01", "--to", "2026-03-08")
    assert cli.ok("backfill", "past", *stretch, "--dry-run").out == "past: 7 occurrences would be executed.\n"
    assert cli.ok("backfill", "past", *stretch, "--wait").out == "7 succeeded\n"
    assert cli.ok("history", "past", "--until", "2026-03-09", "--json").document["total"] == 7


def test_everything_that_is_wrong_with_a_definition_is_told_at_once(cli: Cli) -> None:
    done = cli("create", "bad", "cron(0 9 ? * MON-FRY *)", "--http", "foo", "--timezone", "Mars")
    assert done.code == 2
    assert "3 things are wrong" in done.err
    assert "did you mean `FRI`?" in done.err
    problem = cli("create", "bad", "cron(0 9 ? * MON-FRY *)", "--notify", "log", "--message", "x", "--json")
    assert json.loads(problem.err)["code"] == "invalid_schedule_expression"
    assert (problem.code, problem.out) == (2, "")


def test_what_is_allowed_but_not_meant_is_warned_of(cli: Cli) -> None:
    done = cli.ok("create", "never", "cron(0 0 30 2 ? *)", "--notify", "log", "--message", "hi")
    assert "Warning: " in done.out
    assert "never fires" in done.out


def test_a_taken_name_is_a_conflict_and_not_wrong_usage(cli: Cli) -> None:
    cli.ok("create", "taken", FAR, "--notify", "log", "--message", "hi")
    assert cli("create", "taken", FAR, "--notify", "log", "--message", "hi").code == 1


def test_an_update_can_turn_a_call_into_a_notification(cli: Cli, target: str) -> None:
    cli.ok("create", "turns", FAR, "--http", target)
    cli.ok("update", "turns", "--notify", "log", "--message", "hi")
    assert cli.ok("show", "turns", "--json").document["payload"] == {"channel": "log", "message": "hi"}


def test_an_export_comes_back_unchanged(cli: Cli, target: str, tmp_path: Path) -> None:
    policies = (
        "--retry",
        "2",
        "--backoff",
        "1-9",
        "--catch-up",
        "all",
        "--overlap",
        "queue",
        "--window",
        "3",
    )
    cli.ok("create", "ex one", FAR, "--http", target, "--tag", "ex", *policies, "--description", "Ünïcode ✓")
    cli.ok(
        "create",
        "ex two",
        "rate(3 days)",
        "--notify",
        "log",
        "--message",
        "x",
        "--tag",
        "ex",
        "--start",
        "1d",
    )
    file = tmp_path / "out.jsonl"
    assert "2 schedules written" in cli.ok("export", str(file), "--tag", "ex").err
    cli.ok("delete", "ex one", "ex two", "--yes")
    assert "2 created, 0 failed" in cli.ok("import", str(file)).err
    assert cli.ok("export", "--tag", "ex").out == file.read_text(encoding="utf-8")
    assert cli("import", str(file)).code == 1
    assert "2 skipped" in cli.ok("import", str(file), "--existing", "skip").err
    assert "2 updated" in cli.ok("import", str(file), "--existing", "update").err


def test_a_crontab_becomes_schedules_and_says_what_does_not(cli: Cli, target: str) -> None:
    crontab = (
        f"CRON_TZ=Europe/Berlin\n0 0 13 * 5 curl -fsS {target}/tab >/dev/null 2>&1\n@reboot curl {target}\n"
    )
    done = cli("import", "-", "--crontab", stdin=crontab)
    assert done.code == 1
    assert "line 2: '13' of the month or '5' of the week: became two schedules." in done.err
    assert "line 3: @reboot is no time" in done.err
    assert "2 created, 1 failed" in done.err
    (item, _) = cli.ok("list", "--name", "127-0-0-1", "--order", "name", "--json").document["items"]
    assert (item["schedule_expression"], item["timezone"]) == ("cron(0 0 13 * ? *)", "Europe/Berlin")


def test_history_follows_until_it_is_interrupted(cli: Cli, target: str) -> None:
    cli.ok("create", "followed", FAR, "--http", f"{target}/ok")
    command = [PROGRAM, "history", "followed", "--follow", "--json"]
    with subprocess.Popen(
        command, env=environment(REZ_URL=cli.url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        cli.ok("run", "followed", "--wait")
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["status"] != "succeeded":
            pass
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "")


def test_the_shell_completes_commands_and_the_names_of_schedules(cli: Cli) -> None:
    cli.ok("create", "tabbed", FAR, "--notify", "log", "--message", "hi")
    assert completed(cli.url, "rez-agent redr") == ["redrive"]
    assert completed(cli.url, "rez-agent show tabb") == ["tabbed"]
    assert completed("http://127.0.0.1:1", "rez-agent show tabb") == []


def completed(url: str, line: str) -> list[str]:
    """What bash offers at the end of ``line``."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    asked = environment(REZ_URL=url, _REZ_AGENT_COMPLETE="complete_bash", **words)
    ended = subprocess.run([PROGRAM], env=asked, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.parametrize(("variable", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_on_a_narrow_terminal_ids_stay_whole(cli: Cli, variable: dict[str, str], *, coloured: bool) -> None:
    name = "narrow" if coloured else "narrow and grey"
    created = cli.ok("create", name, FAR, "--notify", "log", "--message", "hi", "--json").document
    ours, theirs = pty.openpty()
    asked = environment(REZ_URL=cli.url, COLUMNS="80", TERM="xterm-256color", **variable)
    with subprocess.Popen([PROGRAM, "list", "--name", name], env=asked, stdout=theirs) as process:
        process.wait(30)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert created["id"] in shown
    assert ("\x1b[32mactive" in shown) is coloured


def test_definitions_come_from_files_too(cli: Cli, target: str, tmp_path: Path) -> None:
    file = tmp_path / "definition.json"
    definition = {
        "name": "filed",
        "schedule_expression": FAR,
        "target_type": "web_action",
        "payload": {"action": "http", "url": target},
    }
    file.write_text(json.dumps(definition), encoding="utf-8")
    cli.ok("create", "--file", str(file), "--tag", "over")
    cli.ok("create", "other", "--file", "-", stdin=json.dumps(definition))
    assert cli.ok("show", "filed", "--json").document["tags"] == ["over"]
    cli.ok("update", "filed", "--file", str(file))
    assert cli.ok("show", "filed", "--json").document["tags"] == []
    cli.ok("update", "filed", "--patch", '{"description": "patched"}')
    assert cli.ok("show", "filed", "--json").document["description"] == "patched"


def test_a_definition_is_tried_without_being_saved(cli: Cli, target: str, tmp_path: Path) -> None:
    tried = cli.ok("test", "--http", f"{target}/ok", "--json").document
    assert (tried["status"], tried["cause"], tried["response_status"]) == ("succeeded", "test", 200)
    failed = cli("test", "--http", f"{target}/broken")
    assert failed.code == 1
    assert "The server failed inside (500)." in failed.out
    file = tmp_path / "definition.yaml"
    file.write_text(
        f"name: filed\ntarget_type: web_action\npayload: {{action: http, url: {target}/broken}}\n"
    )
    assert cli("test", "--file", str(file)).code == 1
    assert "answer 200" in cli.ok("test", "--file", str(file), "--http", f"{target}/ok").out
    assert cli.ok("list", "--name", "Test", "--json").document["items"] == []


def test_a_schedule_is_tried_with_changes_and_stays_as_it_is(cli: Cli, target: str) -> None:
    cli.ok("create", "tried", FAR, "--http", f"{target}/broken", "--header", "A: b")
    assert cli("test", "tried").code == 1
    assert "answer 200" in cli.ok("test", "tried", "--http", f"{target}/ok").out
    assert "notification:log" in cli.ok("test", "tried", "--notify", "log", "--message", "hi").out
    shown = cli.ok("show", "tried", "--json").document
    assert (shown["revision"], shown["payload"]["url"]) == (1, f"{target}/broken")
    assert cli.ok("history", "tried", "--json").document["items"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "Say what to try: a SCHEDULE, --file FILE"),
        (("nobody",), 1, "There is no schedule named 'nobody'"),
        (("nobody", "--file", "x.json"), 2, "Give a SCHEDULE or --file"),
        (("--file", "nothing.yaml"), 2, "No such file"),
        (("--http", "foo", "--timeout", "-3"), 2, "2 things are wrong"),
        (("--http", "http://e.com", "--notify", "log"), 2, "exclude each other"),
        (("--retry", "1"), 2, "No such option"),
    ],
)
def test_what_can_not_be_tried_is_told(cli: Cli, arguments: tuple[str, ...], code: int, told: str) -> None:
    done = cli("test", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_next_heeds_the_calendar_that_it_is_given_and_the_schedule_its_own(cli: Cli) -> None:
    cli.ok(
        "calendars", "create", "works", "--weekdays", "mon,tue,wed,thu,fri", "--day", "2150-01-01=New Year"
    )
    daily = ("cron(0 9 * * ? *)", "--timezone", "Europe/Berlin", "--after", "2149-12-31T12:00:00Z")
    moved = cli.ok("next", *daily, "--calendar", "works:next", "--count", "2", "--json").document
    assert [due["utc"] for due in moved["next"]] == ["2150-01-02T08:00:00Z", "2150-01-05T08:00:00Z"]
    assert (moved["timezone"], moved["calendar"]) == ("Europe/Berlin", "works:next")
    assert "2150-01-02" in cli.ok("next", *daily, "--calendar", "works:next").out
    many = cli.ok("next", *daily, "--calendar", "works:next", "--count", "250", "--json").document["next"]
    assert len({due["utc"] for due in many}) == 250
    cli.ok("create", "working", FAR, "--calendar", "works:next", "--notify", "log", "--message", "hi")
    own = cli.ok("next", "working", "--json").document
    assert [due["utc"] for due in own["next"]] == ["2150-01-02T09:00:00Z"]
    assert own["calendar"] == {"name": "works", "closed": "next"}
    cli.ok("pause", "working")
    assert "It is paused" in cli.ok("next", "working").out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("nobody",), 1, "There is no schedule named 'nobody'"),
        (("nobody", "--timezone", "UTC"), 2, "leave --timezone and --start out"),
        (("rate(1 hour)", "--calendar", "nowhere"), 2, "nowhere"),
        (("rate(1 hour)", "--calendar", "a b"), 2, "calendar"),
        (("rat(1 hour)", "--calendar", "x"), 2, "rat"),
        (("rate(1 hour)", "--calendar", "x", "--timezone", "Mars"), 2, "Mars"),
        (("nobody", "--after", "soon"), 2, "after is not a time"),
        ((FAR, "--calendar", "x", "--after", "9999-12-31T23:59:59Z"), 2, "1970 and 2199"),
        (("0 9 * * *",), 2, "cron("),
    ],
)
def test_next_says_what_is_wrong(cli: Cli, arguments: tuple[str, ...], code: int, told: str) -> None:
    done = cli("next", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_nothing_comes_after_the_last_second(cli: Cli) -> None:
    cli.ok("create", "last", FAR, "--notify", "log", "--message", "hi")
    done = cli("next", "last", "--after", "9999-12-31T23:59:59Z")
    assert (done.code, done.out) == (2, "")
    assert "nothing comes after it" in done.err


def test_a_rules_channels_are_tried(cli: Cli) -> None:
    made = cli.ok("alerts", "create", "Tried", "missed", "--channel", "log", "--json").document
    assert "sent" in cli.ok("alerts", "test", made["id"]).out
    assert "There is no alert rule" in cli("alerts", "test", "rule_nothing").err
    cli.ok("alerts", "delete", made["id"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("calendars", "create", "x", "--day", "2026-13-40"), "write a day as 2026-12-24"),
        (("calendars", "create", "x", "--open-day", ""), "write a day as 2026-12-24"),
        (("calendars", "days", "x", "--from", "soon"), "write a day as 2026-12-24"),
        (("calendars", "show", ""), "A name or an id is empty"),
        (("alerts", "delete", ""), "A name or an id is empty"),
        (("templates", "show", " "), "A name or an id is empty"),
        (("why", "x", ""), "TIME '' can't be read"),
        (("condition", "last."), "Syntax error"),
    ],
)
def test_what_is_asked_wrongly_ends_with_two(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    if arguments[0] == "why":
        cli("create", "x", FAR, "--notify", "log", "--message", "hi")
    done = cli(*arguments)
    assert done.code == 2
    assert told in done.err + done.out


def test_an_alert_rule_is_changed_in_part(cli: Cli) -> None:
    made = cli.ok("alerts", "create", "Fails", "consecutive_failures", "--tag", "prod", "--json").document
    edit = ("alerts", "edit", made["id"])
    changed = cli.ok(*edit, "--set", "failures=5", "--quiet", "60", "--all", "--off", "--json").document
    expected = {"failures": 5, "quiet_period_seconds": 60, "tag": None, "enabled": False, "name": "Fails"}
    assert {name: changed[name] for name in expected} == expected
    assert "log" in cli.ok(*edit, "--channel", "log", "--name", "Still fails").out
    assert cli.ok(*edit, "--channel", "none", "--json").document["channels"] == []
    for wrong, told in (
        ((), "Nothing to change"),
        (("--tag", "a", "--all"), "--schedule, --tag or --all"),
        (("--set", "percent=3"), "'percent' is not a parameter of the kind"),
        (("--set", "failures=x"), "Parameters of 'consecutive_failures': failures=..."),
        (("--channel", "nowhere"), "nowhere"),
    ):
        done = cli(*edit, *wrong)
        assert (done.code, done.out) == (2, "")
        assert told in done.err
    assert cli("alerts", "edit", "rule_nothing", "--off").code == 1
    cli.ok("alerts", "delete", made["id"])


def test_a_template_is_updated_at_the_revision_that_was_read(cli: Cli, target: str, tmp_path: Path) -> None:
    template = {
        "name": "ping",
        "title": "Ping",
        "parameters": {"type": "object", "properties": {}},
        "definition": {
            "name": "ping",
            "schedule_expression": FAR,
            "target_type": "web_action",
            "payload": {"action": "http", "url": target},
        },
    }
    file = tmp_path / "ping.json"
    file.write_text(json.dumps(template), encoding="utf-8")
    cli.ok("templates", "create", str(file))
    file.write_text(json.dumps({**template, "title": "Ping it"}), encoding="utf-8")
    assert "is at revision 2" in cli.ok("templates", "update", "ping", str(file)).out
    cli.ok("templates", "delete", "ping")


def test_secrets_are_kept_listed_and_deleted_and_never_shown(cli: Cli) -> None:
    here = ("--data-dir", str(cli.data_dir))
    kept = cli.ok("secrets", "set", "weather", "--host", "api.example.org", *here, stdin="s3cret-value\n")
    assert str(cli.data_dir) in kept.err
    listed = cli.ok("secrets", "list", *here, "--json")
    assert [(item["name"], item["hosts"]) for item in listed.document["items"]] == [
        ("weather", ["api.example.org"])
    ]
    assert "s3cret-value" not in listed.out
    file = cli.data_dir / "secrets" / "weather"
    assert file.stat().st_mode & 0o777 == 0o600
    cli.ok("secrets", "delete", "weather", *here)
    assert cli("secrets", "delete", "weather", *here).code == 1
    assert cli("secrets", "set", "x", "--host", "api.example.org", *here, stdin="abc").code == 2


def test_a_backup_of_a_running_server_can_be_restored_and_served(cli: Cli, tmp_path: Path) -> None:
    cli.ok("create", "backed up", FAR, "--notify", "log", "--message", "hi")
    file, elsewhere = tmp_path / "backup.sqlite", tmp_path / "restored"
    cli.ok("backup", str(file), "--data-dir", str(cli.data_dir))
    assert cli("backup", str(file), "--data-dir", str(cli.data_dir)).code == 1
    assert "in use by process" in cli("restore", str(file), "--data-dir", str(cli.data_dir)).err
    cli.ok("restore", str(file), "--data-dir", str(elsewhere))
    assert "--force" in cli("restore", str(file), "--data-dir", str(elsewhere)).err
    with served(elsewhere) as second:
        assert second.ok("show", "backed up", "--json").document["name"] == "backed up"


def test_keys_close_the_server_and_open_it_to_those_who_have_one(tmp_path: Path) -> None:
    here = ("--data-dir", str(tmp_path / "data"))
    with served(tmp_path / "data") as cli:
        token = cli.ok("keys", "create", "me", "--scope", "read", *here).out.strip()
        eventually(lambda: cli("list").code == 1, DEADLINE, "the server asks for a key", every=0.2)
        assert "REZ_KEY" in cli("list").err
        assert cli.ok("--key", token, "list", "--json").document["items"] == []
        write = cli("create", "x", FAR, "--notify", "log", "--message", "hi", "--key", token)
        assert write.code == 1
        listed = cli.ok("keys", "list", *here)
        assert "read" in listed.out
        assert token not in listed.out
        cli.ok("keys", "revoke", "me", *here)
        assert cli("keys", "revoke", "me", *here).code == 1


def test_the_doctor_examines_the_running_server(cli: Cli) -> None:
    done = cli("doctor", "--data-dir", str(cli.data_dir), "--json")
    findings = {finding["check"]: finding["verdict"] for finding in done.document["findings"]}
    for check in ("health", "version", "server's clock", "access", "lock", "database", "clock", "time zones"):
        assert findings[check] == "ok", check
    assert done.code == (1 if "problem" in findings.values() else 0)


def test_a_server_that_can_not_start_says_why(cli: Cli, tmp_path: Path) -> None:
    port = cli.url.rpartition(":")[2]
    taken = cli("serve", "--port", port, "--data-dir", str(tmp_path / "other"))
    assert (taken.code, "Choose another --host or --port" in taken.err) == (1, True)
    locked = cli("serve", "--port", "0", "--data-dir", str(cli.data_dir))
    assert (locked.code, "in use by process" in locked.err) == (1, True)
    open_to_all = cli("serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path / "third"))
    assert open_to_all.code == 2
    assert "rez-agent keys create" in open_to_all.err
    unfit = cli("serve", "--port", "70000", "--concurrency", "0", "--data-dir", str(tmp_path / "fourth"))
    assert (unfit.code, "2 things are wrong" in unfit.err) == (2, True)


def test_options_of_the_server_can_stand_in_the_environment(tmp_path: Path, target: str) -> None:
    settings = {
        "REZ_PORT": "0",
        "REZ_DATA_DIR": str(tmp_path / "data"),
        "REZ_ALLOW_TARGET": "10.0.0.0/8, 127.0.0.1",
    }
    with subprocess.Popen(
        [PROGRAM, "serve", "--json"],
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            cli = Cli(json.loads(process.stdout.readline())["url"], tmp_path / "data")
            cli.ok("create", "allowed", FAR, "--http", f"{target}/ok")
            assert cli.ok("run", "allowed", "--wait", "--json").document["response_status"] == 200
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert process.returncode == 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_shows_real_calls_retries_and_an_end(tmp_path: Path, stop: signal.Signals) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [PROGRAM, "demo", "--json", "--port", str(port), "--data-dir", str(tmp_path / "data")]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told: list[str] = []
        while not story_is_told(told):
            told.append(json.loads(process.stdout.readline())["text"])
        process.send_signal(stop)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    text = "\n".join(told)
    assert "created flaky, rate(1 minute)" in text
    assert text.count("the target received POST /flaky and answers 503") >= 2
    assert "flaky: attempt 1 failed (503); tried again in" in text


def story_is_told(told: list[str]) -> bool:
    """Whether both that fire within seconds have come to their end."""
    return all(
        any(line.startswith(f"{name}: attempt") and "succeeded" in line for line in told)
        for name in ("hello", "flaky")
    )


def test_the_demo_ends_by_itself_when_it_is_told_to(tmp_path: Path) -> None:
    command = [PROGRAM, "demo", "--seconds", "1", "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "That was the demo" in ended.stdout
