"""Trying a condition over REST, and what is refused when a schedule is made with one."""

from __future__ import annotations

from typing import Any

from tests.web.client import Answer, Server, definition
from tests.web.test_executions import final

WAIT = {"prefer": "wait=5"}


def check(server: Server, condition: str, **asked: Any) -> Answer:
    return server("POST", "/api/conditions/check", {"condition": condition, **asked})


def test_a_condition_is_tried_against_values(server: Server) -> None:
    last = {"status": "succeeded", "body": {"free": True}}
    found = check(server, "last.body.free && runs_today < 3", last=last, runs_today=2).document
    assert (found["valid"], found["value"], found["error"]) == (True, True, None)
    assert found["read"] == [
        {"name": "last.body.free", "value": "true"},
        {"name": "runs_today", "value": "2"},
    ]


def test_the_time_and_the_zone_can_be_given(server: Server) -> None:
    asked = {"timezone": "Asia/Tokyo", "scheduled_time": "2027-01-01T20:30:00Z"}
    condition = "local.date == '2027-01-02' && local.weekday == 6 && local.hour == 5 && local.minute == 30"
    assert check(server, condition, **asked).document["value"] is True


def test_it_is_tried_against_the_latest_facts_of_a_schedule(server: Server) -> None:
    made = server.made("tried", tags=["golf"])
    told = check(server, "'golf' in schedule.tags && !last.exists", schedule_id=made["id"]).document
    assert told["value"] is True
    started = server("POST", f"/api/schedules/{made['id']}/run", headers=WAIT)
    final(server, started.document["execution_id"])
    told = check(server, "last.exists && last.code != ''", schedule_id=made["id"]).document
    assert told["value"] is True
    told = check(server, "last.exists", schedule_id=made["id"], last=None).document
    assert told["value"] is False


def test_what_can_not_be_judged_says_why(server: Server) -> None:
    found = check(server, "payload.missing == 1").document
    assert (found["valid"], found["value"]) == (True, None)
    assert found["error"] == 'there is no field "missing"; ask has() first'


def test_what_is_wrong_is_told_with_its_place(server: Server) -> None:
    found = check(server, "last.stauts == 'x'").document
    assert (found["valid"], found["value"]) == (False, None)
    (problem,) = found["errors"]
    assert (problem["code"], problem["pointer"], problem["position"]) == (
        "invalid_condition",
        "/condition",
        4,
    )


def test_a_zone_or_a_schedule_that_is_not_there_is_refused(server: Server) -> None:
    assert check(server, "true", timezone="Mars/Base").document["code"] == "invalid_timezone"
    assert check(server, "true", schedule_id="sch_none").status == 404


def test_a_schedule_with_a_wrong_condition_is_refused_with_all_problems_at_once(server: Server) -> None:
    bad = definition("bad", condition="runs_today < '3' && nope", schedule_expression="cron(x)")
    answer = server("POST", "/api/schedules", bad)
    assert answer.status == 422
    pointers = [(error["code"], error["pointer"]) for error in answer.document["errors"]]
    assert pointers.count(("invalid_condition", "/condition")) == 2
    assert ("invalid_schedule_expression", "/schedule_expression") in pointers


def test_a_condition_is_kept_changed_and_taken_away(server: Server) -> None:
    made = server.made("kept", condition="runs_today < 3")
    path = f"/api/schedules/{made['id']}"
    assert server("GET", path).document["condition"] == "runs_today < 3"
    assert server("PATCH", path, {"condition": "1 + 1"}).status == 422
    assert server("PATCH", path, {"condition": None}, headers=WAIT).status == 200
    assert server("GET", path).document["condition"] is None
