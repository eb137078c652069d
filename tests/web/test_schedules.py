"""Schedules over REST: create, read, change, delete."""

from __future__ import annotations

import pytest

from rez_agent.web.models import ScheduleDetail
from tests.web.client import Server, definition

WAIT = {"prefer": "wait=5"}


def test_a_create_is_accepted_with_its_ids_and_its_location(server: Server) -> None:
    answer = server("POST", "/api/schedules", definition("accepted"))

    assert answer.status == 202
    assert answer.headers["location"] == f"/api/schedules/{answer.document['schedule_id']}"
    assert answer.document["status"] == "queued"
    assert answer.document["warnings"] == []
    message = server("GET", f"/api/messages/{answer.document['message_id']}")
    assert message.document["status"] == "completed"
    assert message.document["result"] == {"revision": 1}


def test_a_create_that_is_waited_for_answers_the_schedule(server: Server) -> None:
    answer = server("POST", "/api/schedules", definition("waited", tags=["a", "b"]), headers=WAIT)

    assert answer.status == 201
    assert answer.headers["preference-applied"] == "wait=5"
    assert answer.headers["etag"] == '"1"'
    assert answer.document["id"] == answer.document["schedule_id"]
    assert answer.document["tags"] == ["a", "b"]
    shown = server("GET", answer.headers["location"])
    assert (
        ScheduleDetail.model_validate(shown.document).explanation
        == "At 06:30 every day, in America/New_York."
    )


@pytest.mark.parametrize(
    ("preference", "applied"),
    [
        ("wait=99", "wait=20"),
        ("respond-async, wait=3", "wait=3"),
        ("wait=3; x=y", "wait=3"),
        ("wait=0", None),
        ("wait=soon", None),
        ("await=3", None),
    ],
)
def test_a_preference_is_cut_to_what_is_served_and_an_unfit_one_is_passed_over(
    server: Server, preference: str, applied: str | None
) -> None:
    name = f"preference {preference}"
    answer = server("POST", "/api/schedules", definition(name), headers={"prefer": preference})

    assert answer.headers.get("preference-applied") == applied
    assert answer.status == (202 if applied is None else 201)


def test_all_that_is_wrong_is_told_at_once_with_pointers(server: Server) -> None:
    body = definition("", schedule_expression="cron(0 9 ? * MON-FRY *)", timezone="Europe/Berln", tagz=[])
    answer = server("POST", "/api/schedules", {**body, "policies": {"retry": {"max_attempts": 999}}})

    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["pointer"] for error in answer.document["errors"]} >= {
        "/name",
        "/schedule_expression",
        "/timezone",
        "/tagz",
        "/policies/retry/max_attempts",
    }
    expression = next(e for e in answer.document["errors"] if e["pointer"] == "/schedule_expression")
    assert expression["field"] == "day-of-week"
    assert "FRI" in expression["detail"]
    assert isinstance(expression["position"], int)


def test_an_at_in_the_past_is_refused_with_a_code_of_its_own(server: Server) -> None:
    answer = server(
        "POST", "/api/schedules", definition("past", schedule_expression="at(2020-01-01T00:00:00)")
    )

    assert (answer.status, answer.code) == (422, "schedule_in_past")


def test_a_schedule_that_never_fires_is_accepted_with_a_warning(server: Server) -> None:
    answer = server("POST", "/api/schedules", definition("never", schedule_expression="cron(0 0 30 2 ? *)"))

    assert answer.status == 202
    assert [warning["code"] for warning in answer.document["warnings"]] == ["never_fires"]


def test_a_second_living_schedule_of_one_name_is_a_conflict(server: Server) -> None:
    server.made("twice")
    answer = server("POST", "/api/schedules", definition("twice"))

    assert (answer.status, answer.code) == (409, "name_taken")
    assert answer.document["errors"][0]["pointer"] == "/name"


def test_a_name_is_free_again_after_a_delete(server: Server) -> None:
    first = server.made("again")
    assert server("DELETE", f"/api/schedules/{first['id']}", headers=WAIT).status == 204
    assert server("GET", f"/api/schedules/{first['id']}").code == "schedule_not_found"
    assert server.made("again")["id"] != first["id"]


def test_a_replacement_must_name_the_revision_that_it_replaces(server: Server) -> None:
    path = f"/api/schedules/{server.made('put')['id']}"
    body = definition("put", description="new")

    assert server("PUT", path, body).code == "revision_required"
    assert server("PUT", path, body, headers={"if-match": '"7"'}).status == 412
    assert server("PUT", path, body, headers={"if-match": 'W/"1"'}).code == "revision_conflict"
    done = server("PUT", path, body, headers={"if-match": '"1"', **WAIT})
    assert (done.status, done.headers["etag"], done.document["description"]) == (200, '"2"', "new")
    assert server("PUT", path, body, headers={"if-match": '"1"'}).code == "revision_conflict"
    assert server("PUT", path, body, headers={"if-match": "*"}).status == 202


def test_a_patch_changes_what_it_names_and_null_takes_a_field_back(server: Server) -> None:
    path = f"/api/schedules/{server.made('patch', description='old', tags=['x'])['id']}"
    kind = {"content-type": "application/merge-patch+json", **WAIT}
    done = server(
        "PATCH", path, {"description": None, "policies": {"retry": {"max_attempts": 1}}}, headers=kind
    )

    assert done.status == 200
    assert done.document["description"] == ""
    assert done.document["tags"] == ["x"]
    assert done.document["policies"]["retry"]["max_attempts"] == 1
    assert done.document["policies"]["retry"]["max_event_age_seconds"] == 3600
    assert server("PATCH", path, {"name": None}).status == 422
    assert server("PATCH", path, {"description": "x"}, headers={"if-match": '"1"'}).status == 412


def test_a_reader_who_has_the_revision_is_told_so(server: Server) -> None:
    path = f"/api/schedules/{server.made('etag')['id']}"

    assert server("GET", path, headers={"if-none-match": '"1"'}).status == 304
    assert server("GET", path, headers={"if-none-match": 'W/"5", "1"'}).status == 304
    assert server("GET", path, headers={"if-none-match": '"2"'}).status == 200


def test_a_pause_tells_who_why_and_until_when_and_a_resume_ends_it(server: Server) -> None:
    path = f"/api/schedules/{server.made('pause')['id']}"
    paused = server(
        "POST", f"{path}/pause", {"reason": "mowing", "until": "2099-01-01T00:00:00+01:00"}, headers=WAIT
    )

    assert paused.document["status"] == "paused"
    assert paused.document["next_run"] is None
    assert paused.document["pause"]["by"] == "local"
    assert paused.document["pause"]["until"] == "2098-12-31T23:00:00Z"
    resumed = server("POST", f"{path}/resume", headers=WAIT)
    assert (resumed.document["status"], resumed.document["pause"]) == ("active", None)
    assert server("POST", f"{path}/resume").code == "not_paused"
    assert server("POST", f"{path}/pause", {"until": "2020-01-01T00:00:00Z"}).status == 422


def test_a_run_answers_where_its_execution_is(server: Server) -> None:
    path = f"/api/schedules/{server.made('run')['id']}"

    started = server("POST", f"{path}/run", headers=WAIT)
    assert started.status == 200
    assert started.headers["location"] == f"/api/executions/{started.document['execution_id']}"
    execution = server("GET", started.headers["location"])
    assert execution.document["cause"] == "run"
    assert execution.document["message_id"] == started.document["message_id"]
    asked = server("POST", f"{path}/run", {"payload": {"message": "else"}})
    assert asked.headers["location"] == f"/api/messages/{asked.document['message_id']}"
    assert (
        server("POST", f"{path}/run", {"payload": {"massage": 1}})
        .document["errors"][0]["pointer"]
        .startswith("/payload")
    )


def test_a_dry_run_of_a_backfill_lists_what_it_would_run(server: Server) -> None:
    created = server.made("backfill", start="2026-01-01T00:00:00Z")
    path = f"/api/schedules/{created['id']}/backfill"
    stretch = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-04T00:00:00Z"}

    plan = server("POST", path, {**stretch, "dry_run": True})
    assert plan.status == 200
    assert plan.document["count"] == 3
    assert plan.document["items"][0]["local"] == "2026-03-01T06:30:00-05:00"
    done = server("POST", path, stretch, headers=WAIT)
    assert (done.status, done.document["count"]) == (200, 3)
    listed = server("GET", f"/api/schedules/{created['id']}/executions")
    assert [item["cause"] for item in listed.document["items"]] == ["backfill"] * 3
    assert listed.document["items"][0]["scheduled_time"] == "2026-03-03T11:30:00Z"


def test_a_backfill_that_ends_before_it_begins_is_refused(server: Server) -> None:
    path = f"/api/schedules/{server.made('backwards')['id']}/backfill"

    assert server("POST", path, {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}).status == 422
    assert server("POST", path, {"from": "2026-03-02T00:00:00Z"}).code == "missing_field"


def test_occurrences_come_in_pages_both_ends_included(server: Server) -> None:
    path = f"/api/schedules/{server.made('dues')['id']}/occurrences"
    query = "from=2027-03-13T11:30:00Z&to=2027-03-16T10:30:00Z"
    first = server("GET", f"{path}?{query}&limit=3")
    second = server("GET", f"{path}?{query}&limit=3&cursor={first.document['next_cursor']}")

    assert first.document["total"] == 4
    times = [item["utc"] for page in (first, second) for item in page.document["items"]]
    assert times == [
        "2027-03-13T11:30:00Z",
        "2027-03-14T10:30:00Z",
        "2027-03-15T10:30:00Z",
        "2027-03-16T10:30:00Z",
    ]
    assert second.document["next_cursor"] is None
    assert server("GET", path).document["total"] == {"at_least": 1000}
    assert server("GET", f"{path}?cursor=tomorrow").code == "invalid_cursor"


def test_a_preview_says_what_an_expression_means_and_where_the_clock_matters(server: Server) -> None:
    body = {
        "schedule_expression": "cron(30 2 * * ? *)",
        "timezone": "America/New_York",
        "after": "2026-03-07T12:00:00Z",
        "count": 1,
    }
    answer = server("POST", "/api/schedules/preview", body)

    assert answer.document["valid"] is True
    assert answer.document["explanation"] == "At 02:30 every day, in America/New_York."
    assert answer.document["occurrences"][0]["utc"] == "2026-03-09T06:30:00Z"
    assert "8 March 2026" in answer.document["skipped"][0]


def test_a_preview_of_what_is_not_valid_says_why(server: Server) -> None:
    answer = server("GET", "/api/schedules/preview?schedule_expression=rate(0+hours)")

    assert answer.status == 200
    assert answer.document["valid"] is False
    assert answer.document["errors"][0]["code"] == "invalid_schedule_expression"
    past = server("GET", "/api/schedules/preview?schedule_expression=at(2020-01-01T00:00:00)")
    assert past.document["errors"][0]["code"] == "schedule_in_past"
    assert server("GET", "/api/schedules/preview").code == "missing_field"


@pytest.mark.parametrize("word", ["nothing", "sch_" + "0" * 26, "a%00b", "..", "%E2%80%AE", "x" * 300])
def test_what_is_not_there_is_not_found(server: Server, word: str) -> None:
    assert server("GET", f"/api/schedules/{word}").status == 404
    assert server("GET", f"/api/executions/{word}").status == 404
    assert server("GET", f"/api/messages/{word}").status == 404
    assert server("DELETE", f"/api/schedules/{word}").status == 404
