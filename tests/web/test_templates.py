"""Templates over REST: kept, changed, tried, made into schedules."""

from __future__ import annotations

from typing import Any

from tests.web.client import Answer, Server

WAIT = {"prefer": "wait=5"}


def ping(name: str, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": name,
        "title": "Ping",
        "parameters": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "examples": ["hello"]},
                "minute": {"type": "integer", "minimum": 0, "default": 5},
                "zone": {"type": "string", "default": "UTC"},
            },
            "required": ["message"],
        },
        "definition": {
            "name": f"{name}-{{{{ minute }}}}",
            "schedule_expression": "cron({{ minute }} 6 * * ? *)",
            "timezone": "{{ zone }}",
            "target_type": "notification",
            "payload": {"message": "{{ message }}"},
        },
    }
    return document | changes


def create(server: Server, name: str) -> Answer:
    answer = server("POST", "/api/templates", ping(name))
    assert answer.status == 201, answer.document
    return answer


def use(server: Server, template: str, parameters: dict[str, Any], **asked: Any) -> Answer:
    body = {"parameters": parameters, **asked}
    return server("POST", f"/api/templates/{template}/schedules", body, headers=WAIT)


def told(answer: Answer) -> list[tuple[str, str]]:
    return [(error["code"], error["pointer"]) for error in answer.document["errors"]]


def test_what_ships_is_listed_first_and_can_be_used_at_once(server: Server) -> None:
    listed = server("GET", "/api/templates").document["items"]
    assert [one["name"] for one in listed[:6]] == [
        "daily-http-check",
        "weekday-reminder",
        "month-end-report",
        "reminder-before",
        "heartbeat",
        "tee-time-watch",
    ]
    assert all(one["shipped"] and one["created_by"] is None for one in listed[:6])
    answer = use(server, "weekday-reminder", {"message": "go home", "hour": 17}, name="home")
    assert answer.status == 201
    assert answer.document["schedule_expression"] == "cron(0 17 ? * MON-FRI *)"
    assert answer.document["template"]["name"] == "weekday-reminder"


def test_a_template_lives_from_its_creation_to_its_deletion(server: Server) -> None:
    made = create(server, "life")
    assert (made.headers["location"], made.headers["etag"]) == ("/api/templates/life", '"1"')
    path = "/api/templates/life"
    assert server("PUT", path, ping("life")).status == 428
    changed = server("PUT", path, ping("life", title="New"), headers={"if-match": '"1"'})
    assert (changed.status, changed.headers["etag"], changed.document["title"]) == (200, '"2"', "New")
    assert server("PUT", path, ping("life"), headers={"if-match": '"1"'}).status == 412
    assert server("DELETE", path).status == 204
    assert server("GET", path).document["code"] == "template_not_found"


def test_a_change_shows_which_schedules_came_from_it_and_from_which_revision(server: Server) -> None:
    create(server, "shown")
    first = use(server, "shown", {"message": "a"}, name="shown-a").document
    server("PUT", "/api/templates/shown", ping("shown"), headers={"if-match": "*"})
    use(server, "shown", {"message": "b"}, name="shown-b")
    answer = server("PUT", "/api/templates/shown", ping("shown"), headers={"if-match": '"2"'})
    schedules = answer.document["schedules"]
    assert schedules["total"] == 2
    assert [(one["name"], one["revision"], one["current"]) for one in schedules["items"]] == [
        ("shown-b", 2, False),
        ("shown-a", 1, False),
    ]
    assert schedules["items"][1]["id"] == first["id"]
    assert server("GET", f"/api/schedules/{first['id']}").document["revision"] == 1


def test_problems_point_at_the_parameter_that_they_come_from(server: Server) -> None:
    create(server, "blamed")
    assert told(use(server, "blamed", {})) == [("missing_parameter", "/parameters/message")]
    assert told(use(server, "blamed", {"message": "x", "minute": 77})) == [
        ("invalid_schedule_expression", "/parameters/minute")
    ]
    assert told(use(server, "blamed", {"message": "x", "zone": "Mars/Base"})) == [
        ("invalid_timezone", "/parameters/zone")
    ]
    assert told(use(server, "blamed", {"message": "x"}, overrides={"policies": {"overlap": "x"}})) == [
        ("invalid_value", "/overrides/policies/overlap")
    ]


def test_a_preview_heeds_the_calendar_that_the_template_names(server: Server) -> None:
    days = {"name": "tried-days", "closed": {f"{year}-12-25": "" for year in range(2020, 2100)}}
    assert server("POST", "/api/calendars", days).status == 201
    yearly = {
        **ping("yearly")["definition"],
        "schedule_expression": "cron({{ minute }} 6 25 12 ? *)",
        "calendar": {"name": "{{ days }}", "closed": "next"},
    }
    kinds = {"days": "string", "message": "string", "zone": "string", "minute": "integer"}
    shape = {"type": "object", "properties": {name: {"type": kind} for name, kind in kinds.items()}}
    made = server("POST", "/api/templates", ping("yearly", definition=yearly, parameters=shape))
    assert made.status == 201, made.document
    given = {"days": "tried-days", "minute": 5, "message": "hi", "zone": "UTC"}
    path = "/api/templates/yearly/preview"
    told = server("POST", path, {"parameters": given}).document
    assert told["valid"]
    first = told["occurrences"][0]
    assert (first["utc"][4:], first["moved_from"][4:]) == ("-12-26T06:05:00Z", "-12-25T06:05:00+00:00")
    unknown = server("POST", path, {"parameters": given | {"days": "nowhere"}}).document
    assert [error["code"] for error in unknown["errors"]] == ["unknown_calendar"]


def test_a_preview_shows_the_definition_and_when_it_is_due(server: Server) -> None:
    create(server, "tried")
    path = "/api/templates/tried/preview"
    found = server("POST", path, {"parameters": {"message": "x", "minute": 30}}).document
    assert found["valid"]
    assert found["definition"]["schedule_expression"] == "cron(30 6 * * ? *)"
    assert found["definition"]["template"]["parameters"] == {"message": "x", "minute": 30, "zone": "UTC"}
    assert len(found["occurrences"]) == 10
    wrong = server("POST", path, {"parameters": {"message": "x", "minute": 77}})
    assert not wrong.document["valid"]
    assert told(wrong) == [("invalid_schedule_expression", "/parameters/minute")]
    assert told(server("POST", path, {"parameters": {}})) == [("missing_parameter", "/parameters/message")]


def test_the_same_request_under_one_key_makes_one_schedule(server: Server) -> None:
    create(server, "once")
    body = {"parameters": {"message": "x"}}
    headers = {**WAIT, "idempotency-key": "template-once"}
    first = server("POST", "/api/templates/once/schedules", body, headers=headers)
    again = server("POST", "/api/templates/once/schedules", body, headers=headers)
    assert first.document["schedule_id"] == again.document["schedule_id"]
    assert again.headers["idempotency-replayed"] == "true"


def test_a_wrong_template_is_refused_with_all_its_problems(server: Server) -> None:
    bad = ping("bad", definition={"name": "{{ nobody }}", "nme": 1})
    answer = server("POST", "/api/templates", bad)
    assert answer.status == 422
    assert told(answer) == [("unknown_field", "/definition/nme"), ("invalid_placeholder", "/definition/name")]
