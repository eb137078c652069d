"""Why did it (not) run, over REST."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.web.client import Answer, Server

WAIT = {"prefer": "wait=5"}


def why(server: Server, schedule_id: str, at: str) -> Answer:
    return server("GET", f"/api/schedules/{schedule_id}/why?at={quote(at)}")


def test_the_answer_has_a_verdict_a_sentence_and_what_it_rests_on(server: Server) -> None:
    made = server.made("why", start="2020-01-01T00:00:00Z")
    path = f"/api/schedules/{made['id']}"
    patch = {"schedule_expression": "cron(30 7 * * ? *)"}
    assert server("PATCH", f"{path}?reason=later", patch, headers=WAIT).status == 200
    answer = why(server, made["id"], "tomorrow 06:30").document
    assert answer["verdict"] == "edited"
    assert (answer["change"]["reason"], answer["change"]["by"]) == ("later", "local")
    assert "local changed it at" in answer["sentence"]
    assert answer["asked"]["from"]["local"][11:16] == "06:30"
    assert answer["after"]["local"][11:16] == "07:30"
    assert (answer["then"]["revision"], answer["then"]["timezone"]) == (2, "America/New_York")
    assert (answer["execution"], answer["near"], answer["namesakes"]) == (None, [], [])


def test_a_run_that_was_asked_for_is_found_where_it_was_scheduled(server: Server) -> None:
    made = server.made("ran")
    ran = server("POST", f"/api/schedules/{made['id']}/run", headers=WAIT).document
    found = server("GET", f"/api/executions/{ran['execution_id']}").document
    answer = why(server, made["id"], found["scheduled_time"]).document
    assert answer["execution"]["id"] == ran["execution_id"]
    assert answer["execution"]["cause"] == "run"
    assert answer["sentence"].startswith("It was not due: somebody asked for a run then.")


def test_a_deleted_schedule_answers_still(server: Server) -> None:
    made = server.made("gone")
    server("DELETE", f"/api/schedules/{made['id']}?reason=over", headers=WAIT)
    answer = why(server, made["id"], "tomorrow 06:30").document
    assert (answer["verdict"], answer["change"]["reason"]) == ("deleted", "over")


@pytest.mark.parametrize(
    "query", ["", "?at=", "?at=soon", "?at=2026-03-08", f"?at={'9' * 65}", "?at=09:30&x=1"]
)
def test_what_is_no_time_is_refused(server: Server, query: str) -> None:
    made = server.made(f"refused {query[:20]}")
    answer = server("GET", f"/api/schedules/{made['id']}/why{query}")
    assert answer.status == 422
    assert server("GET", "/api/schedules/sch_nobody/why?at=09:30").code == "schedule_not_found"
