"""Payloads as a page shows them."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.web.page.masking import HIDDEN, masked, shown_payload


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "X-API-Key",
        "api_key",
        "access_token",
        "password",
        "client_secret",
    ],
)
def test_what_looks_like_a_secret_is_hidden(name: str) -> None:
    assert masked({"headers": [{name: "s3cr3t"}]}) == {"headers": [{name: HIDDEN}]}


@pytest.mark.parametrize(
    "payload",
    [
        {
            "url": "https://example.org/token?x=1",
            "method": "GET",
            "timeout": 10,
            "follow": True,
            "body": None,
        },
        {"auth": {"kind": "bearer", "token": {"secret": "REPORTS"}}},
        {"secret": "REPORTS"},
        {"password": "", "tokens": 3, "keyboard": "qwerty"},
        {"text": "write to ann@example.org, or see https://example.org/@ann"},
    ],
    ids=str,
)
def test_everything_else_stays_as_it_is(payload: dict[str, Any]) -> None:
    assert masked(payload) == payload


def test_who_logs_in_by_a_url_is_hidden() -> None:
    assert masked({"url": "https://ann:s3cr3t@example.org/x"}) == {"url": f"https://{HIDDEN}@example.org/x"}
    assert masked({"url": "https://[bad@x"}) == {"url": "https://[bad@x"}


def test_it_is_shown_as_json_with_all_its_letters() -> None:
    assert shown_payload({"text": "ünder ☃"}) == '{\n  "text": "ünder ☃"\n}'
