"""What is another's is to every page as if it were not there, whoever names it and however."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.routes import SCREENS
from rez_agent.web.settings import WebSettings
from tests.web.client import Server, serving
from tests.web.page.browsing import Browser
from tests.web.page.test_way_in import Session, key, sent, token_in

WAIT = {"prefer": "wait=5"}
HERS = ("anns-report", "anns-message", "anns-tag", "anns-rule", "anns-words")


@dataclass(frozen=True, slots=True)
class House:
    """Ann's things, by the names that paths have for them; and Bob, who has none."""

    server: Server
    ann: str
    bob: Session
    ids: dict[str, str]

    def path(self, operation: PageOperation) -> str:
        return re.sub(r"{(\w+)}", lambda found: self.ids.get(found[1], "none"), operation.path)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server with keys for both."""
    with serving(tmp_path_factory.mktemp("owners")) as over:
        server = over(WebSettings(version="test"))
        ann, bob = key(server, "ann"), key(server, "bob")
        schedule = server.made(
            "anns-report",
            key=ann,
            tags=["anns-tag"],
            description="anns-words",
            target_type="notification",
            payload={"channel": "log", "message": "anns-message"},
        )
        run = server("POST", f"/api/schedules/{schedule['id']}/run", headers=WAIT, key=ann)
        rule = {"name": "anns-rule", "kind": "dead_letter"}
        made = server("POST", "/api/alert-rules", rule, key=ann)
        assert made.status == 201, made.document
        ids = {
            "schedule_id": schedule["id"],
            "execution_id": run.document["execution_id"],
            "alert_rule_id": made.document["id"],
        }
        yield House(server, ann, Session(server, bob), ids)


def _operations(method: str) -> list[PageOperation]:
    return [one for one in SCREENS if one.method == method]


@pytest.mark.parametrize("operation", _operations("GET"), ids=lambda one: str(one.path))
def test_no_page_shows_what_is_anothers(house: House, operation: PageOperation) -> None:
    path, schedule_id = house.path(operation), house.ids["schedule_id"]
    named = ("owner=ann", "created_by=ann", f"schedule={schedule_id}", f"copy={schedule_id}", "tab=settings")
    for query in ("", *named):
        answer = house.bob.get(f"{path}?{query}")
        if any(f"{{{name}}}" in operation.path for name in house.ids):
            assert answer.status == 404, (path, query)
        shown = answer.body.decode()
        assert not [one for one in HERS if one in shown], (path, query)


@pytest.mark.parametrize("operation", _operations("POST"), ids=lambda one: str(one.path))
def test_no_form_reaches_what_is_anothers(house: House, operation: PageOperation) -> None:
    path, schedule_id, run = house.path(operation), house.ids["schedule_id"], house.ids["execution_id"]
    token = token_in(house.bob.get("/schedules"))
    forms: tuple[dict[str, str], ...] = (
        {"payload": "{}"},
        {"id": schedule_id, "do": "pause"},
        {"id": schedule_id, "do": "delete"},
        {"only": run},
        {"id": run},
        {"all": schedule_id},
        {"schedule_id": schedule_id, "frequency": "every", "every_count": "1", "kind": "notification"},
        {"name": "b", "kind": "dead_letter", "schedule": schedule_id},
    )
    for form in forms:
        answer = house.bob.post(path, {"csrf": token, **form})
        if any(f"{{{name}}}" in operation.path for name in house.ids):
            assert answer.status in (404, 422), (path, form)  # what is wrong in itself, before whose it is
        shown = answer.body.decode()
        assert not [one for one in HERS if one in shown], (path, form)
    schedule = house.server("GET", f"/api/schedules/{schedule_id}", key=house.ann).document
    assert (schedule["status"], schedule["revision"]) == ("active", 1)
    rule = house.server("GET", f"/api/alert-rules/{house.ids['alert_rule_id']}", key=house.ann).document
    assert (rule["name"], rule["revision"]) == ("anns-rule", 1)


def test_nobody_undoes_what_another_did(house: House) -> None:
    ann = Session(house.server, house.ann)
    path = f"/schedules/{house.ids['schedule_id']}"
    paused = ann.post(f"{path}/pause", {"csrf": token_in(ann.get(path)), "for": "1h"})
    toast = dict(paused.cookies)["rez_toast"]
    shown = sent(house.server, "GET", path, cookie=f"{ann.cookie}; rez_toast={toast}").body.decode()
    found = re.search(r'name="undo" value="([^"]+)"', shown)
    assert found
    token = token_in(house.bob.get("/schedules"))
    undone = house.bob.post("/schedules/undo", {"csrf": token, "undo": found[1]})
    assert (undone.status, b"undo_over" in undone.body) == (404, True)
    ann.post("/schedules/undo", {"csrf": token_in(ann.get(path)), "undo": found[1]})
    schedule = house.server("GET", f"/api{path}", key=house.ann).document
    assert schedule["status"] == "active"


def test_a_rule_that_changed_meanwhile_is_not_overwritten(server: Server, browser: Browser) -> None:
    rule = {"name": "first", "kind": "dead_letter"}
    rule_id = server("POST", "/api/alert-rules", rule).document["id"]
    browser.open(f"/alerts/rules/{rule_id}")
    found = re.search(r'name="revision" value="(\d+)"', browser.shown)
    assert found
    assert server("PUT", f"/api/alert-rules/{rule_id}", {**rule, "name": "second"}).status == 200
    answer = browser.send(f"/alerts/rules/{rule_id}", {**rule, "name": "third", "revision": found[1]})
    assert answer.status in (409, 412)
    assert server("GET", f"/api/alert-rules/{rule_id}").document["name"] == "second"
