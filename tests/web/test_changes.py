"""The changes of a schedule over REST: who, when, why, and what differs."""

from __future__ import annotations

from typing import Any

from tests.web.client import Answer, Server, definition

WAIT = {"prefer": "wait=5"}


def of(server: Server, schedule_id: str, query: str = "", **asked: Any) -> Answer:
    return server("GET", f"/api/schedules/{schedule_id}/changes{query}", **asked)


def told(answer: Answer) -> list[tuple[str, int, str]]:
    return [(item["action"], item["revision"], item["reason"]) for item in answer.document["items"]]


def test_every_change_is_told_with_its_author_reason_message_and_difference(server: Server) -> None:
    made = server.made("changed")
    path = f"/api/schedules/{made['id']}"
    moved = server(
        "PATCH",
        f"{path}?reason=too%20early",
        {"schedule_expression": "cron(30 7 * * ? *)", "payload": {"title": "x"}},
        headers=WAIT,
    )
    whole = definition("changed", description="new")
    assert server("PUT", f"{path}?reason=whole", whole, headers={**WAIT, "if-match": "*"}).status == 200
    assert server("POST", f"{path}/pause", {"reason": "mown"}, headers=WAIT).status == 200
    assert server("POST", f"{path}/resume", {"reason": "done"}, headers=WAIT).status == 200
    assert server("DELETE", f"{path}?reason=enough&cancel=true", headers=WAIT).status == 204

    answer = of(server, made["id"])
    assert told(answer) == [
        ("delete", 6, "enough"),
        ("resume", 5, "done"),
        ("pause", 4, "mown"),
        ("update", 3, "whole"),
        ("update", 2, "too early"),
        ("create", 1, ""),
    ]
    assert answer.document["total"] == 6
    first = answer.document["items"][4]
    assert (first["by"], first["message_id"]) == ("local", moved.document["message_id"])
    assert first["diff"] == [
        {"path": "/schedule_expression", "before": "cron(30 6 * * ? *)", "after": "cron(30 7 * * ? *)"},
        {"path": "/payload/title", "after": "x"},
    ]
    creation = answer.document["items"][-1]
    assert (creation["at"], creation["by"], creation["diff"]) == (made["created_date"], "local", [])


def test_the_creation_is_the_last_of_all_pages(server: Server) -> None:
    made = server.made("paged")
    for number in range(4):
        patch = {"description": str(number)}
        server("PATCH", f"/api/schedules/{made['id']}", patch, headers=WAIT)
    for limit in (1, 2, 3, 4, 5, 9):
        revisions: list[int] = []
        query = f"?limit={limit}"
        while True:
            page = of(server, made["id"], query).document
            assert len(page["items"]) <= limit
            assert page["total"] == 5
            revisions += [item["revision"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            query = f"?limit={limit}&cursor={page['next_cursor']}"
        assert revisions == [5, 4, 3, 2, 1]


def test_what_cannot_be_read_is_refused(server: Server) -> None:
    made = server.made("refused")
    assert of(server, made["id"], "?cursor=nonsense").code == "invalid_cursor"
    assert of(server, made["id"], "?since=now").code == "unknown_parameter"
    assert of(server, "sch_nobody").code == "schedule_not_found"
    long = "x" * 501
    path = f"/api/schedules/{made['id']}"
    assert server("DELETE", f"{path}?reason={long}").status == 422
    assert server("PATCH", f"{path}?why=x", {"tags": []}).code == "unknown_parameter"
