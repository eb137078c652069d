"""Who may do what: every route, every scope, every owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.errors import RateLimited
from rez_agent.ports import Ports
from rez_agent.usecases.keys import SECRET_BYTES, Scope, create_key, revoke_key
from rez_agent.web.auth import KEY_TRUSTED, Limiter, is_loopback
from rez_agent.web.settings import WebSettings
from tests.web.client import Answer, Server, definition, serving

WAIT = {"prefer": "wait=5"}
SECRETS = iter(range(1, 1_000))


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that needs keys, as on an address that others reach."""
    with serving(tmp_path_factory.mktemp("locked")) as over:
        yield over(WebSettings(open_access=False))


def key(server: Server, name: str, scope: Scope) -> str:
    """A new key's token."""
    secret = next(SECRETS).to_bytes(SECRET_BYTES, "big")

    def make(ports: Ports) -> str:
        return create_key(ports, name=name, scope=scope, secret=secret)[1]

    token: str = server.wait(server.host.write(make))
    return token


@pytest.fixture(scope="module")
def keys(locked: Server) -> dict[str, str]:
    """Keys of two owners, and an admin's."""
    return {
        "alice reads": key(locked, "alice", Scope.READ),
        "alice writes": key(locked, "alice", Scope.WRITE),
        "bob reads": key(locked, "bob", Scope.READ),
        "bob writes": key(locked, "bob", Scope.WRITE),
        "admin": key(locked, "root", Scope.ADMIN),
    }


ROUTES: list[tuple[str, str, Any, Scope, bool]] = [
    # method, path, body, the scope it needs, whether it is about alice's schedule
    ("POST", "/api/schedules", {}, Scope.WRITE, False),
    ("GET", "/api/schedules", None, Scope.READ, False),
    ("POST", "/api/schedules/preview", {"schedule_expression": "rate(1 day)"}, Scope.READ, False),
    ("GET", "/api/schedules/preview?schedule_expression=rate(1+day)", None, Scope.READ, False),
    ("POST", "/api/schedules/batch", {"schedules": []}, Scope.WRITE, False),
    ("GET", "/api/schedules/{schedule_id}", None, Scope.READ, True),
    ("PUT", "/api/schedules/{schedule_id}", definition("hers"), Scope.WRITE, True),
    ("PATCH", "/api/schedules/{schedule_id}", {}, Scope.WRITE, True),
    ("POST", "/api/schedules/{schedule_id}/consequences", {"patch": {}}, Scope.READ, True),
    ("POST", "/api/schedules/test", {}, Scope.WRITE, False),
    ("POST", "/api/conditions/check", {"condition": "true"}, Scope.READ, False),
    ("POST", "/api/schedules/{schedule_id}/pause", {}, Scope.WRITE, True),
    ("POST", "/api/schedules/{schedule_id}/resume", {}, Scope.WRITE, True),
    ("POST", "/api/schedules/{schedule_id}/run", {}, Scope.WRITE, True),
    (
        "POST",
        "/api/schedules/{schedule_id}/backfill",
        {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:01Z", "dry_run": True},
        Scope.WRITE,
        True,
    ),
    ("GET", "/api/schedules/{schedule_id}/executions", None, Scope.READ, True),
    ("GET", "/api/schedules/{schedule_id}/statistics", None, Scope.READ, True),
    ("GET", "/api/schedules/{schedule_id}/changes", None, Scope.READ, True),
    ("GET", "/api/schedules/{schedule_id}/why?at=2026-06-01T12:00:00Z", None, Scope.READ, True),
    ("GET", "/api/week", None, Scope.READ, False),
    ("GET", "/api/alerts", None, Scope.READ, False),
    ("GET", "/api/alerts/{alert_id}", None, Scope.READ, True),
    ("GET", "/api/alert-rules", None, Scope.READ, False),
    ("POST", "/api/alert-rules", {"name": "r", "kind": "missed"}, Scope.WRITE, False),
    ("GET", "/api/alert-rules/{alert_rule_id}", None, Scope.READ, True),
    (
        "PUT",
        "/api/alert-rules/{alert_rule_id}",
        {"name": "r", "kind": "missed", "channels": ["log"]},
        Scope.WRITE,
        True,
    ),
    ("PATCH", "/api/alert-rules/{alert_rule_id}", {"channels": ["log"]}, Scope.WRITE, True),
    ("POST", "/api/alert-rules/{alert_rule_id}/test", {}, Scope.WRITE, True),
    ("DELETE", "/api/alert-rules/{alert_rule_id}", None, Scope.WRITE, True),
    ("GET", "/api/schedules/{schedule_id}/occurrences", None, Scope.READ, True),
    ("GET", "/api/executions", None, Scope.READ, False),
    ("POST", "/api/executions/redrive", {}, Scope.WRITE, False),
    ("GET", "/api/executions/{execution_id}", None, Scope.READ, True),
    ("POST", "/api/executions/{execution_id}/retry", {}, Scope.WRITE, True),
    ("POST", "/api/executions/{execution_id}/replay", {}, Scope.WRITE, True),
    ("POST", "/api/executions/{execution_id}/cancel", {}, Scope.WRITE, True),
    ("GET", "/api/messages/{message_id}", None, Scope.READ, True),
    ("DELETE", "/api/schedules/{schedule_id}", None, Scope.WRITE, True),
    ("POST", "/api/keys", {"name": "!", "scope": "read"}, Scope.ADMIN, False),
    ("GET", "/api/keys", None, Scope.ADMIN, False),
    ("DELETE", "/api/keys/nothing", None, Scope.ADMIN, False),
    ("GET", "/api/templates", None, Scope.READ, False),
    ("POST", "/api/templates", {"name": "!"}, Scope.WRITE, False),
    ("GET", "/api/templates/{template}", None, Scope.READ, False),
    ("PUT", "/api/templates/{template}", {}, Scope.WRITE, False),
    ("DELETE", "/api/templates/{template}", None, Scope.WRITE, False),
    ("POST", "/api/templates/{template}/schedules", {}, Scope.WRITE, False),
    ("POST", "/api/templates/{template}/preview", {}, Scope.READ, False),
    ("GET", "/api/calendars", None, Scope.READ, False),
    ("POST", "/api/calendars", {"name": "!"}, Scope.WRITE, False),
    ("GET", "/api/calendars/{calendar_name}", None, Scope.READ, False),
    ("PUT", "/api/calendars/{calendar_name}", {}, Scope.WRITE, False),
    ("DELETE", "/api/calendars/{calendar_name}", None, Scope.WRITE, False),
    ("GET", "/api/calendars/{calendar_name}/days", None, Scope.READ, False),
    ("GET", "/metrics", None, Scope.READ, False),
]
PUBLIC = ["/healthz", "/readyz", "/openapi.json", "/docs", "/errors"]


@pytest.fixture(scope="module")
def hers(locked: Server, keys: dict[str, str]) -> dict[str, str]:
    """Alice's schedule, one of its executions, a message, an alert rule and an alert of hers."""
    created = locked.made("hers", key=keys["alice writes"])
    path = f"/api/schedules/{created['id']}/run"
    ran = locked("POST", path, headers=WAIT, key=keys["alice writes"])
    asked = {"name": "hers", "kind": "missed", "channels": ["log"]}
    rule = locked("POST", "/api/alert-rules", asked, key=keys["alice writes"]).document
    alert = locked("POST", f"/api/alert-rules/{rule['id']}/test", key=keys["alice writes"]).document
    return {
        "schedule_id": created["id"],
        "execution_id": ran.document["execution_id"],
        "message_id": created["message_id"],
        "alert_rule_id": rule["id"],
        "alert_id": alert["id"],
        "calendar_name": "none",
        "template": "none",
    }


def asked(
    server: Server, route: tuple[str, str, Any, Scope, bool], ids: dict[str, str], token: str
) -> Answer:
    """The route's answer to whoever has ``token``, on alice's things."""
    method, path, body, _, _ = route
    headers = {"if-match": "*"} if method == "PUT" else {}
    return server(method, path.format(**ids), body, key=token, headers=headers)


def test_the_table_holds_every_route(locked: Server) -> None:
    known = {
        (method.upper(), path)
        for path, operations in locked.schema["paths"].items()
        for method in operations
        if path not in PUBLIC
    }
    told = {(method, path.partition("?")[0].replace("/nothing", "/{key_id}")) for method, path, *_ in ROUTES}
    assert told == known


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
def test_a_route_needs_its_scope_and_shows_another_owner_nothing(
    locked: Server, keys: dict[str, str], hers: dict[str, str], route: tuple[str, str, Any, Scope, bool]
) -> None:
    _, _, _, needs, is_hers = route
    nobody = dict.fromkeys(hers, "nothing")

    for token in ("rez_" + "0" * 26 + "_" + "0" * 40, "rez_x", "", keys["admin"] + "0"):
        assert asked(locked, route, hers, token).status == 401
    if needs is not Scope.READ:
        assert asked(locked, route, hers, keys["alice reads"]).status == 403
    if needs is Scope.ADMIN:
        assert asked(locked, route, hers, keys["alice writes"]).status == 403
    if is_hers:
        stranger = keys["bob reads" if needs is Scope.READ else "bob writes"]
        other = asked(locked, route, hers, stranger)
        missing = asked(locked, route, nobody, stranger)
        assert other.status == missing.status == 404
        assert other.code == missing.code
    rightful = keys["admin" if needs is Scope.ADMIN else f"alice {needs}s"]
    for token in (rightful, keys["admin"]):
        if route[0] == "DELETE" and is_hers and token == rightful:
            continue  # the admin deletes it, once
        assert asked(locked, route, hers, token).status not in {401, 403}


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_route_needs_no_key(locked: Server, path: str) -> None:
    assert locked("GET", path).status == 200


def test_without_a_key_a_route_says_how_to_send_one(locked: Server) -> None:
    answer = locked("GET", "/api/schedules")

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="rez-agent"'
    assert "X-API-Key" in answer.document["detail"]
    assert locked("GET", "/api/schedules", headers={"authorization": "Basic eDp5"}).status == 401


def test_a_key_may_travel_in_a_header_of_its_own(locked: Server, keys: dict[str, str]) -> None:
    assert locked("GET", "/api/schedules", headers={"x-api-key": keys["alice reads"]}).status == 200


def test_a_list_holds_its_owners_things_alone(locked: Server, keys: dict[str, str]) -> None:
    for owner in ("alice", "bob"):
        locked.made("listed", key=keys[f"{owner} writes"])

    def owners(token: str, query: str = "") -> set[str]:
        listed = locked("GET", f"/api/schedules?name=listed{query}", key=keys[token]).document
        assert listed["total"] == len(listed["items"])
        return {item["created_by"] for item in listed["items"]}

    assert owners("alice reads") == {"alice"}
    assert owners("alice reads", "&created_by=bob") == set()
    assert owners("admin") == {"alice", "bob"}
    assert owners("admin", "&created_by=bob") == {"bob"}
    executions = locked("GET", "/api/executions", key=keys["bob reads"]).document
    assert {item["created_by"] for item in executions["items"]} <= {"bob"}


def test_a_revoked_key_holds_no_more(locked: Server) -> None:
    revoked = key(locked, "revoked", Scope.READ)
    locked.wait(locked.host.write(lambda ports: revoke_key(ports, revoked.split("_")[1])))

    assert locked("GET", "/api/schedules", key=revoked).status == 401


def test_keys_are_made_listed_and_revoked_over_rest(locked: Server, keys: dict[str, str]) -> None:
    made = locked("POST", "/api/keys", {"name": "carol", "scope": "write"}, key=keys["admin"])
    token = made.document["token"]
    assert made.status == 201
    assert locked.made("carols", key=token)["created_by"] == "carol"

    listed = locked("GET", "/api/keys", key=keys["admin"])
    assert made.document["id"] in {item["id"] for item in listed.document["items"]}
    assert token.split("_")[2].encode() not in listed.body
    assert locked("DELETE", made.headers["location"], key=keys["admin"]).status == 204
    assert locked("GET", "/api/schedules", key=token).status == 401
    assert locked("DELETE", made.headers["location"], key=keys["admin"]).code == "key_not_found"


@pytest.mark.parametrize(
    "name", ["localhost:8080", "127.0.0.1", "127.8.9.1:1", "[::1]:8080", "x.localhost", "LOCALHOST."]
)
def test_an_open_server_answers_to_this_machines_own_names(server: Server, name: str) -> None:
    assert server("GET", "/api/schedules", headers={"host": name}).status == 200


@pytest.mark.parametrize(
    "name",
    [
        "evil.example",
        "localhost.evil.example:8080",
        "127.0.0.1.evil.example",
        "",
        "10.0.0.1",
        "[::1",
        "a@localhost.x",
    ],
)
def test_an_open_server_refuses_a_name_that_was_bound_to_it_from_outside(server: Server, name: str) -> None:
    answer = server("GET", "/api/schedules", headers={"host": name})

    assert (answer.status, answer.code) == (403, "forbidden_host")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    ],
)
def test_an_open_server_refuses_what_a_browser_sends_for_another_site(
    server: Server, headers: dict[str, str]
) -> None:
    answer = server("POST", "/api/schedules", definition("cross"), headers=headers)

    assert (answer.status, answer.code) == (403, "cross_site")


@pytest.mark.parametrize("name", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"])
def test_an_open_server_refuses_what_a_proxy_hands_on(server: Server, name: str) -> None:
    answer = server("GET", "/api/schedules", headers={name: "192.0.2.1"})

    assert (answer.status, answer.code) == (403, "proxied")
    assert server("GET", "/healthz", headers={name: "192.0.2.1"}).status == 200


def test_an_open_server_answers_its_own_page_and_a_link_from_elsewhere(server: Server) -> None:
    own = {"origin": "http://localhost:8080", "sec-fetch-site": "same-origin"}
    assert server("GET", "/api/schedules", headers=own).status == 200
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert server("GET", "/api/schedules", headers=followed).status == 200


def test_the_first_key_closes_an_open_server(tmp_path: Path) -> None:
    with serving(tmp_path) as over:
        server = over(WebSettings(open_access=True))
        assert server.made("before")["created_by"] == "local"
        made = server("POST", "/api/keys", {"name": "root", "scope": "admin"})

        assert server("GET", "/api/schedules").status == 401
        seen = server("GET", "/api/schedules", key=made.document["token"])
        assert [item["created_by"] for item in seen.document["items"]] == ["local"]


def test_a_keyless_server_asks_nobody_for_a_key_whatever_keys_there_are(tmp_path: Path) -> None:
    told = {"host": "api.example.com", "origin": "https://elsewhere.example", "x-forwarded-for": "192.0.2.7"}
    with serving(tmp_path) as over:
        server = over(WebSettings(keyless=True))
        assert server("POST", "/api/keys", {"name": "ann", "scope": "read"}).status == 201
        assert server("GET", "/api/keys", headers=told).status == 200


def test_a_key_presented_to_an_open_server_must_be_good(server: Server) -> None:
    assert server("GET", "/api/schedules", key="rez_nonsense").status == 401


def test_a_key_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path) as over:
        server = over(WebSettings(requests_per_second=3))
        asking = key(server, "often", Scope.READ)
        answers = [server("GET", "/api/schedules", key=asking) for _ in range(10)]

        limited = [answer for answer in answers if answer.status == 429]
        assert len(limited) >= 5
        assert limited[0].code == "rate_limited"
        assert limited[0].headers["retry-after"] == "1"
        assert server("GET", "/healthz").status == 200


def test_an_open_server_refuses_a_request_that_names_two_hosts(server: Server) -> None:
    answer = server("GET", "/api/schedules", headers={"host": "localhost", "Host": "localhost"})

    assert (answer.status, answer.code) == (403, "forbidden_host")


def test_without_keys_there_is_no_limit(tmp_path: Path) -> None:
    with serving(tmp_path) as over:
        server = over(WebSettings(open_access=True, requests_per_second=3))

        assert {server("GET", "/api/schedules").status for _ in range(10)} == {200}


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ([("a", 0), ("a", 0), ("a", 0)], [2]),
        ([("a", 0), ("a", 0), ("b", 0), ("b", 0)], []),
        ([("a", 0), ("a", 0), ("a", 0.4), ("a", 0.6), ("a", 0.7)], [2, 4]),
        ([("a", 0), ("a", 0), ("a", 99), ("a", 99), ("a", 99)], [4]),
    ],
)
def test_a_bucket_fills_again_with_time_and_each_key_has_its_own(
    asked: list[tuple[str, float]], refused: list[int]
) -> None:
    limiter = Limiter(2)

    assert [n for n, (key_id, now) in enumerate(asked) if not admitted(limiter, key_id, now)] == refused


def admitted(limiter: Limiter, key_id: str, now: float) -> bool:
    """Whether the request was let through."""
    try:
        limiter.take(key_id, now)
    except RateLimited as error:
        return error.retry_after <= 0
    return True


def test_an_owner_has_as_many_schedules_as_the_quota_allows(tmp_path: Path) -> None:
    with serving(tmp_path) as over:
        server = over(WebSettings(open_access=True, quota=2))
        first = server.made("one")
        server.made("two")

        assert server("POST", "/api/schedules", definition("three")).code == "quota_exceeded"
        server("DELETE", f"/api/schedules/{first['id']}", headers=WAIT)
        server.made("three")


@pytest.mark.parametrize(
    ("name", "own"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("0.0.0.0", False), ("", False)],
)
def test_loopback_names(name: str, own: bool) -> None:
    assert is_loopback(name) is own


def test_a_key_is_trusted_for_a_second_at_most() -> None:
    assert KEY_TRUSTED <= 1
