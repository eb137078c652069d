"""The way into the page: sessions, their cookies, the token in every form, and what every answer carries."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from rez_agent.domain.errors import Unauthenticated
from rez_agent.ports import Ports
from rez_agent.usecases.keys import SECRET_BYTES, Scope, create_key, revoke_key
from rez_agent.usecases.sessions import KIND, close_session, digest, open_session, session_key
from rez_agent.web import page
from rez_agent.web.page.login import LOGINS_PER_SECOND
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.routes import SCREENS
from rez_agent.web.page.visits import SESSION, VISITOR, local_path
from rez_agent.web.settings import WebSettings
from tests.rig import Rig
from tests.web.client import Answer, Server, ask, serving
from tests.web.page.browsing import FORM, Browser

HOST = {"host": "localhost:8080"}
SECRETS = iter(range(1, 1_000))
TEMPLATES = Path(page.__file__ or "").parent / "templates"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that needs keys."""
    with serving(tmp_path_factory.mktemp("locked")) as over:
        yield over(WebSettings(open_access=True, version="test"))


def key(server: Server, name: str = "ann", scope: Scope = Scope.WRITE) -> str:
    """A new key's token."""
    secret = next(SECRETS).to_bytes(SECRET_BYTES, "big")

    def make(ports: Ports) -> str:
        return create_key(ports, name=name, scope=scope, secret=secret)[1]

    token: str = server.wait(server.host.write(make))
    return token


def sent(
    server: Server, method: str, path: str, fields: Mapping[str, str] | None = None, **headers: str
) -> Answer:
    """One request, as it is."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = urlencode(fields or {}).encode()
    answer, _ = server.wait(ask(server.app, method, path, body, {**HOST, **(FORM if body else {}), **named}))
    return answer


def token_in(answer: Answer) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', answer.body.decode())
    assert found
    return found[1]


def cookies(answer: Answer) -> dict[str, str]:
    return dict(answer.cookies)


def log_in(server: Server, token: str, beyond: str = "") -> tuple[Answer, str]:
    """The answer to the form with a key in it; and the token that the form had."""
    form = sent(server, "GET", "/login")
    csrf = token_in(form)
    fields = {"csrf": csrf, "key": token, "next": beyond}
    cookie = f"{VISITOR}={cookies(form)[VISITOR]}"
    return sent(server, "POST", "/login", fields, cookie=cookie), csrf


class Session:
    """Somebody who has logged in, by hand: each request shows what it carries."""

    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        secret = next(SECRETS).to_bytes(32, "big")
        server.wait(server.host.write(lambda ports: open_session(ports, token, secret)))
        self.cookie = f"{SESSION}={urlsafe_b64encode(secret).decode().rstrip('=')}"

    def get(self, path: str, **headers: str) -> Answer:
        return sent(self._server, "GET", path, None, cookie=self.cookie, **headers)

    def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        return sent(self._server, "POST", path, fields, cookie=self.cookie, **headers)


# --- coming in ---


def test_a_key_opens_a_session_and_leads_to_where_one_wanted_to_go(locked: Server) -> None:
    token = key(locked)
    refused = sent(locked, "GET", "/schedules?tag=a")
    assert (refused.status, refused.headers["location"]) == (303, "/login?next=%2Fschedules%3Ftag%3Da")
    entered, _ = log_in(locked, token, "/schedules?tag=a")
    assert (entered.status, entered.headers["location"]) == (303, "/schedules?tag=a")
    cookie = f"{SESSION}={cookies(entered)[SESSION]}"
    assert sent(locked, "GET", "/schedules", None, cookie=cookie).status == 200
    evil, _ = log_in(locked, token, "https://evil.example/")
    assert evil.headers["location"] == "/schedules"


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(locked: Server) -> None:
    token = key(locked)
    plain = log_in(locked, token)[0].headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert part in plain
    assert "domain" not in plain


def test_of_a_session_only_the_hash_of_its_secret_is_kept(locked: Server) -> None:
    token = key(locked)
    entered, _ = log_in(locked, token)
    records = locked.wait(locked.host.read(lambda ports: ports.records.list(KIND, ports.clock.now())))
    kept = " ".join(f"{record.key} {record.value}" for record in records)
    assert cookies(entered)[SESSION] not in kept
    assert token not in kept
    assert token.split("_")[2] not in kept


def test_a_wrong_key_is_refused_in_words_that_tell_nothing(locked: Server) -> None:
    token = key(locked)
    never = "rez_" + "0" * 26 + "_" + "0" * 40
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    told = set()
    for bad in (never, wrong, "", "nonsense", "ключ"):
        answer, _ = log_in(Server.over(locked, locked.host), bad)
        assert answer.status == 401
        assert SESSION not in cookies(answer)
        told.update(re.findall(r"This key is not valid[^<]*", answer.body.decode()))
    assert len(told) == 1


def test_logging_in_too_often_has_to_wait(tmp_path: Path) -> None:
    with serving(tmp_path) as over:
        server = over(WebSettings(open_access=True, version="test"))
        key(server)
        statuses = [log_in(server, "nonsense")[0].status for _ in range(3 * LOGINS_PER_SECOND)]
    assert statuses[0] == 401
    assert 429 in statuses


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
        "evil",
        "",
        "///evil.example",
        "/\t/evil.example",
    ],
)
def test_the_way_on_stays_on_this_server(path: str) -> None:
    assert local_path(path) == "/schedules"


@pytest.mark.parametrize("path", ["/", "/schedules?tag=a&order=name", "/executions/sch_1_20260101T000000Z"])
def test_the_way_on_may_be_any_path_of_this_server(path: str) -> None:
    assert local_path(path) == path


# --- how long it lasts ---


def test_a_session_ends_after_twelve_hours_and_with_its_key(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    made, token = rig.do(
        lambda ports: create_key(ports, name="ann", scope=Scope.READ, secret=b"k" * SECRET_BYTES)
    )
    secret = b"s" * 32
    rig.do(lambda ports: open_session(ports, token, secret))

    def holds() -> bool:
        return rig.do(lambda ports: session_key(ports, secret)) == made

    assert holds()
    rig.clock.advance(hours=11, minutes=59)
    assert holds()
    rig.clock.advance(minutes=1)
    assert not holds()

    rig.do(lambda ports: open_session(ports, token, secret))
    assert holds()
    rig.do(lambda ports: revoke_key(ports, made.id))
    assert not holds()
    with pytest.raises(Unauthenticated):
        rig.do(lambda ports: open_session(ports, token, secret))
    rig.close()


def test_a_session_ends_when_its_key_runs_out(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    ends = rig.clock.now() + timedelta(hours=1)
    _, token = rig.do(
        lambda ports: create_key(
            ports, name="ann", scope=Scope.READ, secret=b"k" * SECRET_BYTES, expires_at=ends
        )
    )
    rig.do(lambda ports: open_session(ports, token, b"s" * 32))
    rig.clock.advance(hours=1)
    assert rig.do(lambda ports: session_key(ports, b"s" * 32)) is None
    rig.close()


def test_logging_out_ends_the_session_for_whoever_holds_its_cookie(locked: Server) -> None:
    session = Session(locked, key(locked))
    listed = session.get("/schedules")
    answer = session.post("/logout", {"csrf": token_in(listed)})
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert session.get("/schedules").status == 303
    secret = digest(b"")  # any other: closing what is not there is no error
    assert not locked.wait(locked.host.write(lambda ports: close_session(ports, secret.encode())))


def test_the_api_knows_no_sessions(locked: Server) -> None:
    session = Session(locked, key(locked))
    assert session.get("/api/schedules").status == 401


# --- forms ---


def test_a_form_without_the_sessions_own_token_is_refused(locked: Server) -> None:
    ann, bob = Session(locked, key(locked)), Session(locked, key(locked, "bob"))
    right, foreign = token_in(ann.get("/schedules")), token_in(bob.get("/schedules"))
    _, before = log_in(Server.over(locked, locked.host), "nonsense")
    for wrong in ("", "0" * 64, foreign, before, "ключ"):
        answer = ann.post("/schedules/first", {"csrf": wrong})
        assert answer.status == 403
        assert b"csrf_failed" in answer.body
    assert ann.post("/schedules/first", {"csrf": right}).status == 303
    assert ann.post("/schedules/first", {"csrf": right, "x": "1"}).status != 403


def test_the_token_may_travel_in_a_header(locked: Server) -> None:
    session = Session(locked, key(locked, "header"))
    token = token_in(session.get("/schedules"))
    assert session.post("/schedules/first", x_csrf_token=token).status == 303
    assert session.post("/schedules/first", x_csrf_token="0" * 64).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused_though_it_has_the_token(
    locked: Server, headers: dict[str, str]
) -> None:
    session = Session(locked, key(locked, "cross"))
    token = token_in(session.get("/schedules"))
    answer = session.post("/schedules/first", {"csrf": token}, **headers)
    assert answer.status == 403
    assert b"cross_site" in answer.body


def test_an_open_server_asks_for_the_token_too(server: Server) -> None:
    browser = Browser(server)
    assert sent(server, "POST", "/schedules/first", {"csrf": ""}).status == 403
    browser.open("/schedules")
    assert browser.send("/schedules/first").status == 200


def test_what_is_sent_as_anything_but_a_form_is_refused(locked: Server) -> None:
    session = Session(locked, key(locked, "media"))
    token = token_in(session.get("/schedules"))
    answer = session.post("/schedules/bulk", {"a": "b"}, x_csrf_token=token, content_type="text/plain")
    assert answer.status == 415


# --- scopes ---


def pages(method: str) -> list[PageOperation]:
    return [operation for operation in SCREENS if operation.method == method and operation.scope is not None]


def filled(operation: PageOperation) -> str:
    """The operation's address, of something that is not there."""
    return re.sub(r"{[^}]+}", "nothing", operation.path)


@pytest.mark.parametrize("operation", pages("GET") + pages("POST"), ids=lambda one: f"{one.method}{one.path}")
def test_a_page_is_for_those_who_have_logged_in_with_its_scope(
    locked: Server, operation: PageOperation
) -> None:
    reader = Session(locked, key(locked, "reads", Scope.READ))
    path = filled(operation)
    if operation.method == "GET":
        assert sent(locked, "GET", path).status == 303
        assert reader.get(path).status in (200, 403, 404)
        assert (reader.get(path).status == 403) == (operation.scope is not Scope.READ)
        return
    token = token_in(reader.get("/schedules"))
    answer = reader.post(path, {"csrf": token})
    assert (answer.status == 403) == (operation.scope is not Scope.READ), answer.body[:500]


def test_only_reading_is_offered_to_a_key_that_may_only_read(locked: Server) -> None:
    reader = Session(locked, key(locked, "reads", Scope.READ))
    shown = reader.get("/schedules").body.decode()
    assert "/schedules/new" not in shown
    assert "/schedules/bulk" not in shown


# --- what every answer carries ---


@pytest.mark.parametrize("operation", pages("GET"), ids=lambda one: str(one.path))
def test_every_page_forbids_what_it_does_not_need(server: Server, operation: PageOperation) -> None:
    for path in (filled(operation), "/login", "/nothing-here"):
        answer = sent(server, "GET", path, accept="text/html")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src 'self' 'nonce-" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"


def test_no_nonce_is_used_twice(server: Server) -> None:
    policies = {sent(server, "GET", "/schedules").headers["content-security-policy"] for _ in range(5)}
    assert len(policies) == 5


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.name))
def test_a_template_holds_neither_styles_nor_scripts_of_its_own(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"""\sstyle\s*=|<style|\son[a-z]+\s*=\s*["']|hx-on|javascript:|\|\s*safe\b""", text)
    for script in re.findall(r"<script[^>]*>", text):
        assert " src=" in script


def test_a_refusal_is_a_page_for_a_browser_and_a_problem_for_a_program(server: Server) -> None:
    browser = sent(server, "GET", "/nothing-here", accept="text/html,*/*")
    program = sent(server, "GET", "/nothing-here", accept="*/*")
    assert (browser.status, browser.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (program.status, program.code) == (404, "route_not_found")
    api = sent(server, "GET", "/api/nothing", accept="text/html")
    assert api.code == "route_not_found"


def test_a_static_file_is_kept_for_long_under_the_name_of_what_it_holds(server: Server) -> None:
    shown = sent(server, "GET", "/schedules").body.decode()
    found = re.search(r'href="(/static/[^"]+/page\.css)"', shown)
    assert found
    answer = sent(server, "GET", found[1])
    assert answer.status == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in (
        "/static/x/page.css",
        "/static/x/../routes.py",
        "/static/x/%2e%2e/routes.py",
        "/static/x/none",
    ):
        assert b"PageOperation" not in sent(server, "GET", path).body
    assert sent(server, "GET", "/static/x/none.css").status == 404
