"""From what a person pastes to the fields that it says."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.errors import Invalid
from rez_agent.domain.pasted import PASTED_AT_MOST, read_pasted

URL = "https://example.com/ping"


def test_a_command_over_several_lines_is_one_call() -> None:
    pasted = read_pasted(
        f"curl '{URL}?a=%41&b=2' \\\n  -X POST \\\n  -H 'X-One: 1' --data-raw '{{\"a\": 1}}'"
    )
    assert pasted.left_out == ()
    assert pasted.document["target_type"] == "web_action"
    assert pasted.document["payload"] == {
        "action": "http",
        "url": f"{URL}?a=%41&b=2",
        "method": "POST",
        "headers": {"X-One": "1", "Content-Type": "application/x-www-form-urlencoded"},
        "body": '{"a": 1}',
    }


def test_an_escaped_quote_does_not_end_the_quotes() -> None:
    pasted = read_pasted(rf'curl {URL}?a=1\&b=2 -d "{{\"a\": \"b; c\"}}"')
    assert pasted.document["payload"]["body"] == '{"a": "b; c"}'
    assert pasted.document["payload"]["url"] == f"{URL}?a=1&b=2"


def test_what_a_browser_quotes_with_escapes_is_read() -> None:
    pasted = read_pasted(rf"curl '{URL}' -e https://example.com/ --data-raw $'it\'s \u0021\na \\ b; c\x21'")
    assert pasted.document["payload"]["body"] == "it's !\na \\ b; c!"
    assert pasted.document["payload"]["headers"]["Referer"] == "https://example.com/"


def test_a_name_is_made_of_the_url() -> None:
    assert read_pasted(f"$ curl {URL}?q=1").document["name"] == "example-com-ping"
    assert read_pasted(f"  {URL}\n").document["name"] == "example-com-ping"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-u me:secret", "-u was left out"),
        ("-kL", "-k was left out: certificates are always verified"),
        ("-H 'Authorization: Bearer x'", "header Authorization was left out"),
        ("-H 'cookie: a=1' -b a=1", "header cookie was left out"),
        ("--compressed -sv", "-v was left out"),
    ],
)
def test_what_a_web_action_does_not_say_is_left_out_and_told(options: str, told: str) -> None:
    pasted = read_pasted(f"curl {options} {URL}")
    assert pasted.document["payload"]["url"] == URL
    assert told in pasted.left_out[0]
    assert "secret" not in str(pasted.document)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("*/15 9-17 * * 1-5", {"schedule_expression": "cron(0/15 9-17 ? * MON-FRI *)"}),
        ("@daily", {"schedule_expression": "cron(0 0 * * ? *)"}),
        (
            f"CRON_TZ=Europe/Paris\n0 9 * * * curl -fsS {URL} >/dev/null",
            {
                "schedule_expression": "cron(0 9 * * ? *)",
                "timezone": "Europe/Paris",
                "target_type": "web_action",
            },
        ),
        (rf"0 9 * * * curl '{URL}?day=\%41'", {"schedule_expression": "cron(0 9 * * ? *)"}),
    ],
)
def test_a_crontab_line_says_when_and_with_a_call_what(line: str, expected: dict[str, Any]) -> None:
    pasted = read_pasted(line)
    assert pasted.left_out == ()
    assert expected.items() <= pasted.document.items()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 9 1 * 1", "that takes a second schedule"),
        ("0 9 * * * /usr/local/bin/backup --all", "runs a program (/usr/local/bin/backup)"),
        (f"0 9 * * * curl {URL} | sh", "needs a shell"),
        ("MAILTO=me@example.com\n0 9 * * * true", "MAILTO was left out"),
        ("0 9 * * *\n0 10 * * *", "The other lines (1) were left out"),
    ],
)
def test_what_a_schedule_does_not_say_is_told(line: str, told: str) -> None:
    pasted = read_pasted(line)
    assert pasted.document["schedule_expression"].startswith("cron(0 9 ")
    assert any(told in text for text in pasted.left_out)


@pytest.mark.parametrize("text", ["", "hello", "60 * * * *", "curl", "@reboot x", "x" * (PASTED_AT_MOST + 1)])
def test_what_says_nothing_of_a_schedule_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_pasted(text)
    assert caught.value.message
