"""The shell around every screen: its files, errors in a part of a page, and who is sent where."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from rez_agent.ports import Ports
from rez_agent.usecases.keys import SECRET_BYTES, Scope, create_key
from rez_agent.web import page
from rez_agent.web.page.statics import url
from rez_agent.web.settings import WebSettings
from tests.web.client import Answer, Server, ask, serving
from tests.web.page.browsing import FORM

STATIC = Path(page.__file__ or "").parent / "static"
PART = {"hx-request": "true"}


def sent(server: Server, method: str, path: str, **headers: str) -> Answer:
    """One request, without anything that a browser would keep."""
    told = {"host": "localhost:8080", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return server.wait(ask(server.app, method, path, b"", told))[0]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Server]:
    """A server that needs keys."""
    with serving(tmp_path / "data") as over:
        yield over(WebSettings())


@pytest.fixture
def token(locked: Server) -> str:
    """A key of that server."""

    def make(ports: Ports) -> str:
        return create_key(ports, name="ann", scope=Scope.WRITE, secret=bytes(SECRET_BYTES))[1]

    made: str = locked.wait(locked.host.write(make))
    return made


# --- files ---


def test_a_file_that_is_known_is_not_sent_again(server: Server) -> None:
    answer = sent(server, "GET", url("page.css"))
    again = sent(server, "GET", url("page.css"), if_none_match=answer.headers["etag"])

    assert (answer.status, again.status, again.body) == (200, 304, b"")
    assert again.headers["cache-control"] == answer.headers["cache-control"]


@pytest.mark.parametrize("offer", ["gzip", "br, GZIP;q=0.5", "deflate, gzip, br"])
def test_whoever_takes_gzip_is_sent_a_file_packed(server: Server, offer: str) -> None:
    plain = sent(server, "GET", url("page.css"))
    packed = sent(server, "GET", url("page.css"), accept_encoding=offer)
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == (STATIC / "page.css").read_bytes()
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] != plain.headers["etag"]
    tag = packed.headers["etag"]
    again = sent(server, "GET", url("page.css"), accept_encoding=offer, if_none_match=tag)
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("offer", ["", "br", "gzip;q=0", "gzip; q=0.00", "xgzip"])
def test_nobody_else_is(server: Server, offer: str) -> None:
    answer = sent(server, "GET", url("page.css"), accept_encoding=offer)
    assert "content-encoding" not in answer.headers
    assert answer.body == (STATIC / "page.css").read_bytes()


def test_an_older_address_gives_the_present_file_to_be_kept_for_nothing(server: Server) -> None:
    answer = sent(server, "GET", f"/static/{'0' * 16}/page.css")

    assert (answer.status, answer.headers["cache-control"]) == (200, "no-cache")
    assert answer.body == (STATIC / "page.css").read_bytes()


def test_what_is_vendored_has_its_licence_beside_it_and_is_listed() -> None:
    listed = (STATIC / "vendor/README.md").read_text()
    vendored = [file.name for file in (STATIC / "vendor").glob("*.min.*")]

    assert vendored
    for name in vendored:
        assert f"`{name}`" in listed
        assert (STATIC / "vendor" / f"{name.partition('.')[0]}.LICENSE").is_file()


@pytest.mark.parametrize("path", ["/docs", "/errors"])
def test_the_pages_of_the_api_allow_no_styles_in_their_text(server: Server, path: str) -> None:
    answer = sent(server, "GET", path)

    assert "unsafe" not in answer.headers["content-security-policy"]
    assert not re.search(r"<style|\sstyle\s*=", answer.body.decode())


# --- parts of a page ---


def test_an_error_in_a_part_of_a_page_is_a_toast_in_the_open_one(server: Server) -> None:
    answer = sent(server, "GET", "/schedules?status=none", **PART)

    assert (answer.status, answer.headers["hx-retarget"]) == (422, "#toasts")
    assert answer.headers["hx-reswap"] == "beforeend"
    assert b"<html" not in answer.body


@pytest.mark.parametrize(
    ("shown", "led"),
    [
        ("http://localhost:8080/week?x=1", "/week?x=1"),
        ("https://evil.example//evil.example", "/schedules"),
        ("http://[", "/schedules"),
        ("", "/schedules"),
    ],
)
def test_a_part_of_a_page_leads_the_whole_page_to_the_login_and_back(
    locked: Server, shown: str, led: str
) -> None:
    answer = sent(locked, "GET", "/schedules", hx_request="true", hx_current_url=shown)

    assert answer.headers["hx-redirect"] == f"/login?next={quote(led, safe='')}"


# --- who ---


def test_a_key_in_a_header_opens_no_page(locked: Server, token: str) -> None:
    assert sent(locked, "GET", "/api/schedules", authorization=f"Bearer {token}").status == 200
    assert sent(locked, "GET", "/schedules", authorization=f"Bearer {token}").status == 303


def test_whoever_plants_a_cookie_before_the_login_has_nothing_of_it(locked: Server, token: str) -> None:
    first = sent(locked, "GET", "/login")
    planted = dict(first.cookies)["rez_visitor"]
    found = re.search(rb'name="csrf" value="([0-9a-f]+)"', first.body)
    assert found
    body = b"csrf=" + found[1] + b"&key=" + token.encode()
    headers = {"host": "localhost:8080", **FORM, "cookie": f"rez_visitor={planted}; rez_session={planted}"}

    entered = locked.wait(ask(locked.app, "POST", "/login", body, headers))[0]
    assert entered.status == 303
    assert dict(entered.cookies)["rez_session"] != planted
    assert sent(locked, "GET", "/schedules", cookie=f"rez_session={planted}").status == 303
