"""``rez-agent next``: one expression for people and programs, and a stream of questions."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from rez_agent.cli.next import LONGEST_LINE, answer_line, answer_lines, next_command
from rez_agent.domain.instants import rfc3339

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VECTORS = Path(__file__).parent.parent / "vectors" / "vectors.jsonl"

app = typer.Typer()
app.command()(next_command)


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def ask(**question: Any) -> dict[str, Any]:
    return answer_line(json.dumps(question).encode(), NOW)


# --- a stream of questions ---


def test_every_vector_is_answered_rightly_line_by_line() -> None:
    lines = VECTORS.read_bytes()
    answers = [json.loads(line) for line in run("--stdin", stdin=lines).stdout.splitlines()]
    vectors = [json.loads(line) for line in lines.splitlines()]
    assert len(answers) == len(vectors)
    for vector, answer in zip(vectors, answers, strict=True):
        if vector.get("valid", True):
            assert answer == {"next": vector["next"]}, vector
        else:
            assert set(answer["error"]) == {"code", "message", "field", "position"}, vector


def test_a_question_has_five_answers_in_utc_after_now_by_default() -> None:
    assert ask(expression="cron(0 12 * * ? *)") == {
        "next": [f"2026-01-0{day}T12:00:00Z" for day in range(1, 6)]
    }


def test_after_is_exclusive_and_may_have_any_offset() -> None:
    found = ask(expression="cron(0 12 * * ? *)", after="2026-01-01T13:00:00+01:00", count=1)
    assert found == {"next": ["2026-01-02T12:00:00Z"]}


def test_fewer_answers_mean_that_no_more_follow() -> None:
    assert ask(expression="cron(0 0 1 1 ? 2027-2028)") == {
        "next": ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]
    }
    assert ask(expression="cron(0 0 30 2 ? *)") == {"next": []}


def test_a_rate_is_counted_from_its_start_else_from_after_with_the_first_one_interval_later() -> None:
    anchored = ask(expression="rate(1 hour)", start="2025-01-01T00:17:00Z", count=1)
    assert anchored == {"next": ["2026-01-01T00:17:00Z"]}
    assert ask(expression="rate(1 hour)", count=1) == {"next": ["2026-01-01T01:00:00Z"]}


def test_start_holds_back_a_cron() -> None:
    found = ask(expression="cron(0 12 * * ? *)", start="2026-06-01T12:00:00Z", count=1)
    assert found == {"next": ["2026-06-01T12:00:00Z"]}


def test_members_that_mean_nothing_here_are_left_alone() -> None:
    assert ask(expression="rate(1 hour)", count=1, id="v1", tags=[], timezone=None, start=None) == {
        "next": ["2026-01-01T01:00:00Z"]
    }


def test_an_error_names_code_field_and_position() -> None:
    assert ask(expression="cron(0 9 ? * MON-FRY *)") == {
        "error": {
            "code": "invalid_schedule_expression",
            "message": "`FRY` is not a value of day-of-week: did you mean `FRI`?",
            "field": "day-of-week",
            "position": 17,
        }
    }


BAD_LINES = [
    (b"", "malformed_request", None),
    (b"not json", "malformed_request", None),
    (b"null", "malformed_request", None),
    (b"[]", "malformed_request", None),
    (b'"cron(0 9 * * ? *)"', "malformed_request", None),
    (b"\xff\xfe", "malformed_request", None),
    (b"\0", "malformed_request", None),
    (b"[" * 60_000, "malformed_request", None),
    (b'{"a":' * 12_000, "malformed_request", None),
    (b'{"count": ' + b"9" * 5_000 + b"}", "malformed_request", None),
    (b" " * (LONGEST_LINE + 1), "malformed_request", None),
    (b"{}", "missing_field", "expression"),
    (b'{"expression": null}', "missing_field", "expression"),
    (b'{"expression": 5}', "wrong_type", "expression"),
    (b'{"expression": "rate(1 hour)", "timezone": 5}', "wrong_type", "timezone"),
    (b'{"expression": "rate(1 hour)", "timezone": "Mars"}', "invalid_timezone", "timezone"),
    (b'{"expression": "rate(1 hour)", "timezone": "\\ud800"}', "invalid_timezone", "timezone"),
    (b'{"expression": "rate(1 hour)", "timezone": "UTC\\u0000"}', "invalid_timezone", "timezone"),
    (b'{"expression": "cron(\\u0000 * * * ? *)"}', "invalid_schedule_expression", "minutes"),
    (b'{"expression": "\\udfff"}', "invalid_schedule_expression", None),
    (b'{"expression": "rate(1 hour)", "after": 5}', "wrong_type", "after"),
    (b'{"expression": "rate(1 hour)", "after": "soon"}', "invalid_value", "after"),
    (b'{"expression": "rate(1 hour)", "after": "2026-01-01T00:00:00"}', "naive_time", "after"),
    (b'{"expression": "rate(1 hour)", "start": "2026-01-01"}', "naive_time", "start"),
    (b'{"expression": "rate(1 hour)", "count": "5"}', "wrong_type", "count"),
    (b'{"expression": "rate(1 hour)", "count": true}', "wrong_type", "count"),
    (b'{"expression": "rate(1 hour)", "count": 1.5}', "wrong_type", "count"),
    (b'{"expression": "rate(1 hour)", "count": NaN}', "wrong_type", "count"),
    (b'{"expression": "rate(1 hour)", "count": 0}', "invalid_value", "count"),
    (b'{"expression": "rate(1 hour)", "count": 1' + b"0" * 400 + b"}", "invalid_value", "count"),
]


@pytest.mark.parametrize(("line", "code", "field"), BAD_LINES, ids=[repr(row[0][:60]) for row in BAD_LINES])
def test_a_bad_line_gets_its_error_and_stops_nothing(line: bytes, code: str, field: str | None) -> None:
    good = b'{"expression": "rate(1 hour)", "count": 1}\n'
    answers = io.StringIO()
    answer_lines(io.BytesIO(good + line + b"\n" + good), answers, NOW)
    first, error, last = [json.loads(answer) for answer in answers.getvalue().splitlines()]
    assert first == last == {"next": ["2026-01-01T01:00:00Z"]}
    assert (error["error"]["code"], error["error"]["field"]) == (code, field)


@pytest.mark.parametrize("after", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("expression", ["cron(* * * * ? *)", "rate(1 day)", "at(2026-01-01T00:00:00)"])
def test_the_ends_of_time_are_asked_about_without_harm(after: str, expression: str) -> None:
    assert "next" in ask(expression=expression, after=after, timezone="Asia/Tokyo")


def test_a_last_line_without_its_end_is_answered() -> None:
    answers = io.StringIO()
    answer_lines(io.BytesIO(b'{"expression": "rate(1 hour)", "count": 1}'), answers, NOW)
    assert json.loads(answers.getvalue()) == {"next": ["2026-01-01T01:00:00Z"]}


def test_each_answer_comes_before_the_next_question_is_asked() -> None:
    code = "import typer; from rez_agent.cli.next import next_command; typer.run(next_command)"
    with subprocess.Popen(
        [sys.executable, "-c", code, "--stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for count in (1, 2, 3):
            process.stdin.write(f'{{"expression": "rate(1 hour)", "count": {count}}}\n'.encode())
            process.stdin.flush()
            assert len(json.loads(process.stdout.readline())["next"]) == count
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, rez_agent.cli.next; "
        "print([m for m in ('pydantic', 'fastapi', 'rich', 'aiohttp', 'apsw') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_ten_thousand_questions_get_ten_thousand_answers_in_their_order() -> None:
    lines = [b'{"expression": "rate(%d minutes)", "count": 1}\n' % (number + 2) for number in range(10_000)]
    answers = io.StringIO()
    answer_lines(io.BytesIO(b"".join(lines)), answers, NOW)
    told = [json.loads(line)["next"][0] for line in answers.getvalue().splitlines()]
    assert told == [rfc3339(NOW + timedelta(minutes=number + 2)) for number in range(10_000)]


# --- one expression ---


def test_people_get_the_sentence_and_each_time_in_the_zone_and_in_utc() -> None:
    shown = run(
        "cron(0 9 ? * MON-FRI *)",
        "--timezone",
        "America/New_York",
        "--after",
        "2026-03-06T15:00:00Z",
        "--count",
        "2",
    )
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == "At 09:00, Monday to Friday, in America/New_York."
    assert "Mon 2026-03-09 09:00:00 EDT" in lines[2]
    assert "2026-03-09T13:00:00Z" in lines[2]
    assert len(lines) == 4


def test_people_are_told_what_clock_changes_do() -> None:
    zone = ("--timezone", "America/New_York")
    skipped = run("cron(30 2 * * ? *)", *zone, "--after", "2026-03-07T00:00:00Z")
    assert "note: 02:30 does not exist on 8 March 2026 in America/New_York: skipped" in skipped.stdout
    once = run("cron(30 1 * * ? *)", *zone, "--after", "2026-10-31T12:00:00Z")
    assert "note: 01:30 happens twice on 1 November 2026" in once.stdout


def test_people_are_told_when_nothing_more_follows() -> None:
    assert "none follow" in run("at(2020-01-01T00:00:00)").stdout
    assert "no more follow" in run("cron(0 0 1 1 ? 2027)", "--after", "2026-01-01T00:00:00Z").stdout
    assert "never fires" in run("cron(0 0 30 2 ? *)").stdout


def test_programs_get_json() -> None:
    shown = run(
        "cron(30 2 * * ? *)",
        "--timezone=America/New_York",
        "--after=2026-03-07T00:00:00Z",
        "--count=2",
        "--json",
    )
    document = json.loads(shown.stdout)
    assert document["explanation"] == "At 02:30 every day, in America/New_York."
    assert document["next"] == [
        {"utc": "2026-03-07T07:30:00Z", "local": "2026-03-07T02:30:00-05:00", "note": None},
        {"utc": "2026-03-09T06:30:00Z", "local": "2026-03-09T02:30:00-04:00", "note": None},
    ]
    assert [entry["local"] for entry in document["skipped"]] == ["2026-03-08T02:30:00"]
    assert document["warnings"] == []


def test_a_refusal_points_at_its_place_and_exits_with_2() -> None:
    refused = run("cron(0 24 ? * MON-FRY *)", "--timezone", "Europe/Berln")
    assert refused.exit_code == 2
    assert refused.stdout == ""
    lines = refused.stderr.splitlines()
    assert lines[0] == "error: hours 24 is out of range: 0-23 (midnight is 0)"
    assert lines[1].index("24") == lines[2].index("^")
    assert lines[4].index("FRY") == lines[5].index("^")
    assert "did you mean `Europe/Berlin`?" in lines[6]


def test_a_refusal_of_a_long_text_still_points_at_its_place() -> None:
    refused = run("cron(" + "5," * 100 + "x * * * ? *)")
    _, shown, caret = refused.stderr.splitlines()
    assert shown[caret.index("^")] == "x"
    assert len(shown) < 100


def test_a_refusal_in_json_is_json() -> None:
    refused = run("cron(0 24 * * ? *)", "--json")
    assert refused.exit_code == 2
    assert json.loads(refused.stdout)["error"]["field"] == "hours"


@pytest.mark.parametrize(
    "arguments", [(), ("rate(1 hour)", "--count", "0"), ("rate(1 hour)", "--after", "soon")]
)
def test_wrong_arguments_exit_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
