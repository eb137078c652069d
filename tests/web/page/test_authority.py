"""Who may do what on the page: every route, every scope, and another owner's things, which are not there."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

import pytest

from rez_agent.usecases.keys import Scope
from rez_agent.web.page.routes import SCREENS
from rez_agent.web.page.visits import TOAST
from rez_agent.web.settings import WebSettings
from tests.web.client import Answer, Server, serving
from tests.web.page.test_way_in import Session, cookies, key, sent, token_in
from tests.web.test_executions import calling

NUMBERS = count(1)
Ids = dict[str, str]


@dataclass(frozen=True)
class Row:
    """What is asked of a route. ``{...}`` in its path and its fields stands for something of alice's.

    ``of``: "hers", what nobody else learns of; "shared", what all may read and she alone may change; "own",
    a screen that shows whoever asks their own things; "" for what is about nothing.
    """

    method: str
    path: str
    scope: Scope | None
    of: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


READ, WRITE = Scope.READ, Scope.WRITE
_HERS = {"id": "{schedule_id}"}
_RULE = {"name": "r", "kind": "missed", "channels": "log"}
_LISTED = {"title": "Listed", "kind": "list", "revision": "1"}
_FORM = {"schedule_id": "{schedule_id}", "name": "x", "frequency": "every", "condition": "true"}
_SPAN = {"from": "2026-01-01T00:00", "to": "2026-01-01T00:01"}

ROWS = (
    Row("GET", "/", None),
    Row("GET", "/schedules", READ, "own"),
    Row("GET", "/schedules", READ, "own", query="owner=alice"),
    Row("GET", "/schedules", READ, "own", query="q=hers&order=name"),
    Row("GET", "/schedules/new", WRITE),
    Row("GET", "/schedules/new", WRITE, "hers", query="copy={schedule_id}"),
    Row("POST", "/schedules/new", WRITE, "hers", _FORM),
    Row("GET", "/schedules/{schedule_id}/edit", WRITE, "hers"),
    Row("POST", "/schedules/{schedule_id}/edit", WRITE, "hers", {"name": "taken", "revision": "1"}),
    Row("POST", "/schedules/form/paste", WRITE, "hers", _FORM | {"pasted": "{{}}"}),
    Row("POST", "/schedules/form/refresh", WRITE, "hers", _FORM),
    Row("POST", "/schedules/form/outlook", WRITE, "hers", _FORM),
    Row("GET", "/schedules/form/calendars", WRITE),
    Row("POST", "/schedules/form/condition", WRITE, "hers", _FORM),
    Row("POST", "/schedules/form/test", WRITE, "hers", _FORM),
    Row("GET", "/schedules/form/test/{execution_id}", WRITE, "hers"),
    Row("POST", "/schedules/first", WRITE),
    *(
        Row("POST", "/schedules/bulk", WRITE, "hers", _HERS | {"do": do})
        for do in ("pause", "resume", "run", "delete")
    ),
    Row("POST", "/schedules/undo", WRITE, "hers", {"undo": "{undo}"}),
    *(
        Row("GET", "/schedules/{schedule_id}", READ, "hers", query=f"tab={tab}")
        for tab in ("runs", "upcoming", "settings", "changes", "alerts")
    ),
    Row("GET", "/schedules/{schedule_id}/points", READ, "hers"),
    Row("POST", "/schedules/{schedule_id}/pause", WRITE, "hers"),
    Row("POST", "/schedules/{schedule_id}/resume", WRITE, "hers"),
    Row("POST", "/schedules/{schedule_id}/run", WRITE, "hers"),
    Row("POST", "/schedules/{schedule_id}/backfill", WRITE, "hers", _SPAN),
    Row("POST", "/schedules/{schedule_id}/backfill", WRITE, "hers", _SPAN | {"count": "1"}),
    Row("POST", "/schedules/{schedule_id}/delete", WRITE, "hers"),
    Row("GET", "/schedules/{schedule_id}/why", READ, "hers", query="at=2026-06-01T12:00Z"),
    Row("GET", "/executions", READ, "own"),
    Row("GET", "/executions", READ, "hers", query="schedule={schedule_id}"),
    Row("GET", "/executions", READ, "hers", query="schedule={name}"),
    Row("GET", "/executions/{execution_id}", READ, "hers"),
    Row("POST", "/executions/{execution_id}/retry", WRITE, "hers"),
    Row("POST", "/executions/{execution_id}/cancel", WRITE, "hers"),
    Row("GET", "/executions/{execution_id}/replay", WRITE, "hers"),
    Row("POST", "/executions/{execution_id}/replay", WRITE, "hers", {"payload": "{{}}"}),
    Row("GET", "/week", READ, "own"),
    Row("GET", "/week", READ, "own", query="created_by=alice"),
    Row("GET", "/messages", READ, "own"),
    Row("GET", "/messages", READ, "hers", query="schedule={schedule_id}"),
    Row("POST", "/messages/redrive", WRITE, "hers", {"only": "{execution_id}"}),
    Row("POST", "/messages/redrive", WRITE, "hers", {"id": "{execution_id}"}),
    Row("POST", "/messages/redrive", WRITE, "hers", {"all": "{schedule_id}"}),
    Row("POST", "/messages/redrive", WRITE, "own", {"all": ""}),
    Row("POST", "/messages/progress", READ, "hers", {"id": "{execution_id}"}),
    Row("GET", "/templates", READ, "own"),
    Row("GET", "/templates/new", WRITE),
    Row("POST", "/templates/new", WRITE, "", {"document": "{{}}"}),
    Row("GET", "/templates/{template}", READ, "own"),
    Row("POST", "/templates/{template}/preview", READ, "own"),
    Row("POST", "/templates/{template}/schedules", WRITE, "own"),
    Row("GET", "/templates/{template}/edit", WRITE, "own"),
    Row("POST", "/templates/{template}/edit", WRITE, "shared", {"document": "{document}", "revision": "1"}),
    Row("POST", "/templates/{template}/delete", WRITE, "shared"),
    Row("GET", "/calendars", READ, "own"),
    Row("GET", "/calendars/new", WRITE),
    Row("POST", "/calendars", WRITE, "", {"name": "!"}),
    Row("GET", "/calendars/{calendar_name}", READ, "own"),
    Row("GET", "/calendars/{calendar_name}/edit", WRITE, "own"),
    Row("POST", "/calendars/{calendar_name}", WRITE, "shared", _LISTED),
    Row("POST", "/calendars/{calendar_name}/delete", WRITE, "shared"),
    Row("GET", "/alerts", READ, "own"),
    Row("GET", "/alerts/rules/new", WRITE),
    Row("POST", "/alerts/rules", WRITE, "hers", _RULE | {"schedule": "{schedule_id}"}),
    Row("GET", "/alerts/rules/{alert_rule_id}", READ, "hers"),
    Row("POST", "/alerts/rules/{alert_rule_id}", WRITE, "hers", _RULE),
    Row("POST", "/alerts/rules/{alert_rule_id}/switch", WRITE, "hers"),
    Row("POST", "/alerts/rules/{alert_rule_id}/delete", WRITE, "hers"),
    Row("POST", "/alerts/rules/{alert_rule_id}/test", WRITE, "hers"),
)


def _named(row: Row) -> str:
    return " ".join((row.method, row.path, row.query, *map("=".join, row.fields.items())))


rows = pytest.mark.parametrize("row", ROWS, ids=_named)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that needs keys; nothing answers where its web actions call."""
    with serving(tmp_path_factory.mktemp("authority"), allow_target=("127.0.0.1",)) as over:
        yield over(WebSettings(open_access=False, version="test"))


@pytest.fixture(scope="module")
def keys(locked: Server) -> dict[str, str]:
    """Keys of two owners, and an admin's."""
    return {
        "alice reads": key(locked, "alice", READ),
        "alice writes": key(locked, "alice", WRITE),
        "bob reads": key(locked, "bob", READ),
        "bob writes": key(locked, "bob", WRITE),
        "admin": key(locked, "root", Scope.ADMIN),
    }


@pytest.fixture(scope="module")
def sessions(locked: Server, keys: dict[str, str]) -> dict[str, Session]:
    """All of them, logged in."""
    return {name: Session(locked, token) for name, token in keys.items()}


@pytest.fixture
def hers(
    locked: Server, keys: dict[str, str], sessions: dict[str, Session], closed_port: int
) -> Iterator[Ids]:
    """One of each of alice's, whose names nothing else has: a schedule that keeps a calendar, a failed run
    of it, a rule with an alert, a template, and the way back from a pause."""
    name, alice = f"hers{next(NUMBERS):04}x", keys["alice writes"]
    document = {
        "name": name,
        "title": "Shared",
        "parameters": {"type": "object", "properties": {}},
        "definition": {
            "name": "made",
            "schedule_expression": "rate(1 day)",
            "target_type": "notification",
            "payload": {"message": "m"},
        },
    }
    assert locked("POST", "/api/templates", document, key=alice).status == 201
    assert locked("POST", "/api/calendars", {"name": name}, key=alice).status == 201
    changes = calling(closed_port) | {"calendar": {"name": name}, "tags": [f"template:{name}"]}
    schedule = locked.made(name, key=alice, **changes)
    path = f"/api/schedules/{schedule['id']}/run"
    ran = locked("POST", path, headers={"prefer": "wait=5"}, key=alice).document["execution_id"]
    _failed(locked, ran, alice)
    rule = {"name": name, "kind": "missed", "channels": ["log"], "schedule_id": schedule["id"]}
    rule_id = locked("POST", "/api/alert-rules", rule, key=alice).document["id"]
    assert locked("POST", f"/api/alert-rules/{rule_id}/test", key=alice).status < 300
    yield {
        "name": name,
        "schedule_id": schedule["id"],
        "execution_id": ran,
        "alert_rule_id": rule_id,
        "calendar_name": name,
        "template": name,
        "document": json.dumps(document),
        "undo": _undo(sessions["alice writes"], schedule["id"]),
    }
    made = (f"alert-rules/{rule_id}", f"schedules/{schedule['id']}", f"calendars/{name}", f"templates/{name}")
    for one in made:
        locked("DELETE", f"/api/{one}", headers={"prefer": "wait=5"}, key=alice)  # a test may have done so


def _failed(server: Server, execution_id: str, token: str) -> None:
    """Look until the run has failed: each look takes its turn behind the writes before it."""
    for _ in range(5_000):
        server.wait(server.host.write(lambda ports: ports.clock.now()))
        found = server("GET", f"/api/executions/{execution_id}", key=token).document
        if found["status"] not in {"queued", "running"}:
            assert found["status"] == "failed"
            return
    raise AssertionError(f"it is still {found['status']}")


def _undo(session: Session, schedule_id: str) -> str:
    """The way back from a pause, as the page offers it."""
    token = token_in(session.get("/schedules"))
    answer = session.post(f"/schedules/{schedule_id}/pause", {"csrf": token})
    undo = json.loads(urlsafe_b64decode(cookies(answer)[TOAST]))[2]
    assert undo
    return str(undo)


def _nobodys(hers: Ids) -> Ids:
    """Ids and names of the same form, that nothing has."""

    def other(text: str) -> str:
        return re.sub(r"(?<=_)[0-9a-z]{26}", "0" * 26, text)

    found = {name: other(text) for name, text in hers.items()}
    found |= dict.fromkeys(("name", "calendar_name", "template"), "nobodys00x")
    assert all(found[one] != hers[one] for one in found if one != "document")
    return found


def asked(session: Session, row: Row, ids: Ids) -> Answer:
    """The route's answer to a session, on things with these ids."""
    path = row.path.format(**ids) + (f"?{row.query.format(**ids)}" if row.query else "")
    if row.method == "GET":
        return session.get(path)
    fields = {name: text.format(**ids) for name, text in row.fields.items()}
    return session.post(path, {"csrf": token_in(session.get("/schedules")), **fields})


def _told(answer: Answer, ids: Ids) -> tuple[object, ...]:
    """All that an answer tells, without what was sent, and what no two answers have in common."""
    toast = urlsafe_b64decode(cookies(answer).get(TOAST, "")).decode()
    text = "\n".join((answer.headers.get("location", ""), toast, answer.body.decode()))
    for name in ("execution_id", "schedule_id", "alert_rule_id", "undo", "name"):
        text = text.replace(ids[name], name)
    text = re.sub(r'nonce="[^"]*"|datetime="[^"]*"|\b\d\d:\d\d(:\d\d)?\b|undo_[0-9a-z]{26}', "", text)
    return answer.status, text


def _state(server: Server, hers: Ids, token: str) -> list[object]:
    """Alice's things, as the API tells them."""
    one = hers["schedule_id"]
    return [
        server("GET", path, key=token).document
        for path in (
            f"/api/schedules/{one}",
            f"/api/schedules/{one}/executions",
            f"/api/schedules/{one}/changes",
            f"/api/executions/{hers['execution_id']}",
            f"/api/alert-rules/{hers['alert_rule_id']}",
            "/api/alerts",
            f"/api/calendars/{hers['calendar_name']}",
            f"/api/templates/{hers['template']}",
        )
    ]


def test_the_table_holds_every_route_with_its_scope() -> None:
    known = {(one.method, one.path, one.scope) for one in SCREENS}
    assert {(row.method, row.path, row.scope) for row in ROWS} == known
    of_something = {row.path for row in ROWS if row.of}
    assert {path for _, path, _ in known if "{" in path} <= of_something


@rows
def test_nobody_comes_in_without_a_session(locked: Server, hers: Ids, row: Row) -> None:
    if row.scope is None:
        return
    path, before = row.path.format(**hers), sent(locked, row.method, row.path.format(**hers))
    stale = sent(locked, row.method, path, None, cookie="rez_session=" + "A" * 43)
    for answer in (before, stale):
        assert answer.status == (303 if row.method == "GET" else 401), answer.body[-500:]
        if row.method == "GET":
            assert answer.headers["location"].startswith("/login?next=%2F")
        assert hers["name"] not in answer.body.decode().replace(path, "")


@rows
def test_to_read_is_not_enough_to_write(sessions: dict[str, Session], hers: Ids, row: Row) -> None:
    answer = asked(sessions["alice reads"], row, hers)
    assert (answer.status == 403) == (row.scope is WRITE), answer.body[-500:]


@rows
def test_the_owner_and_an_admin_reach_it(sessions: dict[str, Session], hers: Ids, row: Row) -> None:
    answer = asked(sessions["alice reads" if row.scope in (None, READ) else "alice writes"], row, hers)
    assert answer.status not in {401, 403, 404, 500}, answer.body[-500:]
    assert "/login" not in answer.headers.get("location", "")


@rows
def test_an_admin_reaches_it(sessions: dict[str, Session], hers: Ids, row: Row) -> None:
    if "undo" in row.fields or "{name}" in row.query:
        return  # undone by whoever did it alone; a name is looked for among one's own
    assert asked(sessions["admin"], row, hers).status not in {401, 403, 404, 500}


@rows
def test_what_is_anothers_is_as_if_it_were_not_there(
    locked: Server, keys: dict[str, str], sessions: dict[str, Session], hers: Ids, row: Row
) -> None:
    stranger = sessions["bob reads" if row.scope in (None, READ) else "bob writes"]
    before = _state(locked, hers, keys["alice reads"])
    answer = asked(stranger, row, hers)
    if row.of == "hers":
        nobodys = _nobodys(hers)
        assert _told(answer, hers) == _told(asked(stranger, row, nobodys), nobodys)
    if row.of == "shared":
        assert answer.status == 403, answer.body[-500:]
    said = " ".join((row.path, row.query, *row.fields.values())).format(**hers)
    for name in ("schedule_id", "execution_id", "alert_rule_id", "undo"):
        assert hers[name] in said or hers[name] not in answer.body.decode(), name
    assert _state(locked, hers, keys["alice reads"]) == before


def test_the_way_back_is_no_strangers(sessions: dict[str, Session], hers: Ids) -> None:
    """Nor is it used up when a stranger tries it."""
    row = Row("POST", "/schedules/undo", WRITE, "hers", {"undo": "{undo}"})
    assert asked(sessions["bob writes"], row, hers).status == 404
    assert asked(sessions["admin"], row, hers).status == 404
    assert asked(sessions["alice writes"], row, hers).status == 303
    assert asked(sessions["alice writes"], row, hers).status == 404


def test_a_session_ends_at_once_when_its_key_is_revoked_over_rest(
    locked: Server, keys: dict[str, str]
) -> None:
    made = locked("POST", "/api/keys", {"name": "carol", "scope": "write"}, key=keys["admin"])
    session = Session(locked, made.document["token"])
    csrf = token_in(session.get("/schedules"))
    assert locked("DELETE", made.headers["location"], key=keys["admin"]).status == 204
    assert session.get("/schedules").headers["location"].startswith("/login")
    assert session.post("/schedules/first", {"csrf": csrf}).status == 401


@pytest.mark.parametrize("row", [row for row in ROWS if row.method == "POST"], ids=_named)
def test_every_form_asks_for_its_token_and_for_its_own_site(
    locked: Server, keys: dict[str, str], sessions: dict[str, Session], hers: Ids, row: Row
) -> None:
    session, before = sessions["alice writes"], _state(locked, hers, keys["alice reads"])
    csrf, path = token_in(session.get("/schedules")), row.path.format(**hers)
    fields = {name: text.format(**hers) for name, text in row.fields.items()}
    for wrong in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
        answer = session.post(path, fields | wrong)
        assert answer.status == 403, answer.body[-500:]
        assert b"csrf_failed" in answer.body
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}):
        answer = session.post(path, {"csrf": csrf, **fields}, **headers)
        assert answer.status == 403, answer.body[-500:]
        assert b"cross_site" in answer.body
    assert _state(locked, hers, keys["alice reads"]) == before
