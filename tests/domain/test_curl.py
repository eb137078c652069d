"""From a curl or wget command to a web action's payload."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.curl import request_of
from rez_agent.domain.errors import Invalid

URL = "https://example.com/ping"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (URL, {"method": "GET"}),
        (f"curl {URL}", {"method": "GET"}),
        (f"/usr/bin/curl -fsS {URL} >/dev/null 2>&1", {"method": "GET"}),
        (f"curl -fsSL -o /dev/null {URL} || true", {"method": "GET", "follow_redirects": True}),
        (f"curl -XPOST {URL}", {"method": "POST"}),
        (f"curl --request=put {URL}", {"method": "PUT"}),
        (f"curl -I {URL}", {"method": "HEAD"}),
        (
            f"curl -d a=1 -d b=2 {URL}",
            {
                "method": "POST",
                "body": "a=1&b=2",
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            },
        ),
        (
            f"""curl -H 'Content-Type: application/json' -d '{{"a": "b;c"}}' {URL}""",
            {"method": "POST", "body": '{"a": "b;c"}', "headers": {"Content-Type": "application/json"}},
        ),
        (f"curl -m 10 --retry 3 {URL}", {"method": "GET", "timeout": 10.0}),
        (f"curl -A robot {URL}", {"method": "GET", "headers": {"User-Agent": "robot"}}),
        (f"wget -q -O /dev/null {URL}", {"method": "GET", "follow_redirects": True}),
        (f"wget -qO- {URL} &> /dev/null", {"method": "GET", "follow_redirects": True}),
        (f"wget --post-data=x --spider {URL}", {"method": "POST", "body": "x"}),
    ],
)
def test_a_call_becomes_the_payload_that_makes_it(command: str, expected: dict[str, Any]) -> None:
    payload = request_of(command)
    assert payload is not None
    assert {"action": "http", "url": URL}.items() <= payload.items()
    assert expected.items() <= payload.items()


def test_what_is_no_call_is_left_to_others() -> None:
    assert request_of("/usr/local/bin/backup --all") is None
    assert request_of("") is None


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("curl", "names no http"),
        (f"curl {URL} {URL}", "one URL too many"),
        (f"curl {URL} && curl {URL}", "needs a shell"),
        (f"curl {URL}?at=$(date)", "needs a shell"),
        (f'curl "{URL}?at=$(date)"', "needs a shell"),
        (f"curl {URL}?day=%d", "A % in a crontab's command"),
        (f"curl -u me:secret {URL}", "option -u has no counterpart"),
        (f"curl -H 'Authorization: Bearer x' {URL}", "credential in the open"),
        (f"curl -d @data.json {URL}", "sends the file data.json"),
        ("curl -X", "-X lacks its value"),
        (f"curl -H nonsense {URL}", "is no header"),
        (f"curl -m soon {URL}", "no number of seconds"),
        ("curl 'https://example.com", "can't be split"),
    ],
)
def test_what_a_web_action_can_not_say_is_refused_by_name(command: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        request_of(command)
    assert told in caught.value.message


def test_a_quoted_ampersand_belongs_to_the_url() -> None:
    payload = request_of(f"curl '{URL}?a=1&b=2'")
    assert payload is not None
    assert payload["url"] == f"{URL}?a=1&b=2"


def test_an_escaped_percent_sign_is_one() -> None:
    payload = request_of(rf"curl {URL}?day=\%41")
    assert payload is not None
    assert payload["url"] == f"{URL}?day=%41"
