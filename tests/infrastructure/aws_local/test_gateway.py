"""Who reaches the emulated AWS: programs and its own pages, not another site's scripts in a browser."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from infrastructure.aws_local.gateway import refusal

from tests.infrastructure.aws_local.rig import Rig


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:4566"},
        {"host": "localhost:4566"},
        {"host": "0a1b2c3d.execute-api.127.0.0.1:4566"},
        {"host": "127.0.0.1:4567", "origin": "http://127.0.0.1:4567", "sec-fetch-site": "same-origin"},
        {"host": "127.0.0.1:4567", "sec-fetch-site": "none"},
    ],
)
def test_programs_and_its_own_pages_come_in(headers: dict[str, str]) -> None:
    assert refusal(headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "rebound.example:4566"},
        {"host": "127.0.0.1.rebound.example:4566"},
        {"host": "127.0.0.1:4566", "origin": "https://elsewhere.example"},
        {"host": "127.0.0.1:4566", "origin": "http://127.0.0.1:8000"},
        {"host": "127.0.0.1:4566", "origin": "null"},
        {"host": "127.0.0.1:4566", "sec-fetch-site": "cross-site"},
        {"host": "127.0.0.1:4566", "sec-fetch-site": "same-site"},
    ],
)
def test_another_sites_pages_and_another_hosts_name_stay_out(headers: dict[str, str]) -> None:
    assert refusal(headers)


@pytest.mark.e2e
def test_the_emulator_refuses_another_sites_pages_at_both_of_its_ports(aws: Rig) -> None:
    for url in (aws.endpoint.url, aws.endpoint.api):
        request = urllib.request.Request(f"{url}/", headers={"Origin": "https://elsewhere.example"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == 403
