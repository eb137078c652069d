"""Batches over REST."""

from __future__ import annotations

import json
from pathlib import Path

from rez_agent.web.settings import WebSettings
from tests.web.client import Server, definition, serving

LINES = {"content-type": "application/x-ndjson"}


def test_each_schedule_of_a_batch_has_its_own_answer(server: Server) -> None:
    server.made("taken")
    body = {"schedules": [definition("one"), definition("taken"), 7, definition("two", timezone="Mars")]}
    answer = server("POST", "/api/schedules/batch", body)

    assert answer.status == 207
    assert (answer.document["accepted"], answer.document["refused"]) == (1, 3)
    items = answer.document["items"]
    assert [item["index"] for item in items] == [0, 1, 2, 3]
    assert [item["status"] for item in items] == [202, 409, 422, 422]
    assert [item["problem"]["code"] for item in items[1:]] == ["name_taken", "wrong_type", "invalid_timezone"]
    assert server("GET", f"/api/schedules/{items[0]['schedule_id']}").document["name"] == "one"


def test_lines_are_read_one_by_one_and_a_bad_one_stops_nothing(server: Server) -> None:
    good = json.dumps(definition("line one")).encode()
    other = json.dumps(definition("line two")).encode()
    answer = server(
        "POST", "/api/schedules/batch", raw=good + b"\n{oops\n\n" + other + b"\r\n", headers=LINES
    )

    assert [item["status"] for item in answer.document["items"]] == [202, 400, 202]


def test_two_of_one_name_in_a_batch_are_not_both_created(server: Server) -> None:
    body = {"schedules": [definition("same"), definition("same")]}
    answer = server("POST", "/api/schedules/batch", body, headers={"prefer": "wait=5"})

    assert sorted(item["status"] for item in answer.document["items"]) == [201, 409]
    assert (answer.document["accepted"], answer.document["refused"]) == (1, 1)


def test_a_thousand_are_created_and_one_more_is_refused(server: Server) -> None:
    body = {"schedules": [definition(f"k{n}") for n in range(1_001)]}

    assert server("POST", "/api/schedules/batch", body).code == "too_many_items"
    body["schedules"].pop()
    answer = server("POST", "/api/schedules/batch", body, headers={"prefer": "wait=10"})
    assert {item["status"] for item in answer.document["items"]} == {201}
    listed = server("GET", "/api/schedules?name_prefix=k&limit=500&order=name")
    assert listed.document["total"] == 1000


def test_an_empty_batch_creates_nothing(server: Server) -> None:
    assert server("POST", "/api/schedules/batch", {"schedules": []}).document["items"] == []
    assert server("POST", "/api/schedules/batch", {}).code == "missing_field"
    assert server("POST", "/api/schedules/batch", {"schedules": {}}).status == 422


def test_a_batch_that_is_accepted_in_parts_is_still_one_answer_and_one_key(tmp_path: Path) -> None:
    body = {"schedules": [definition(f"part{n}") for n in range(8)]}
    headers = {"idempotency-key": "parts"}
    with serving(tmp_path) as over:
        server = over(WebSettings(open_access=True, created_at_once=3))
        first = server("POST", "/api/schedules/batch", body, headers=headers)
        assert [item["index"] for item in first.document["items"]] == list(range(8))
        again = server("POST", "/api/schedules/batch", body, headers=headers)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.document == first.document
