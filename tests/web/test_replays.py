"""Idempotency keys over REST."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.web.client import Answer, Server, ask, definition

WAIT = {"prefer": "wait=5"}


@pytest.mark.parametrize("preference", [{}, WAIT])
def test_the_same_request_gets_the_same_answer_and_is_done_once(
    server: Server, preference: dict[str, str]
) -> None:
    name = f"once {len(preference)}"
    headers = {"idempotency-key": name.replace(" ", "-"), **preference}
    first = server("POST", "/api/schedules", definition(name), headers=headers)
    second = server("POST", "/api/schedules", definition(name), headers=headers)

    assert (second.status, second.body) == (first.status, first.body)
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    listed = server("GET", f"/api/schedules?name={name.replace(' ', '+')}")
    assert listed.document["total"] == 1


def test_another_body_or_route_with_the_same_key_is_refused(server: Server) -> None:
    headers = {"idempotency-key": "shared"}
    created = server("POST", "/api/schedules", definition("first"), headers=headers)
    path = f"/api/schedules/{created.document['schedule_id']}"

    assert server("POST", "/api/schedules", definition("other"), headers=headers).status == 422
    assert server("POST", f"{path}/run", headers=headers).code == "idempotency_key_reused"
    batch = server("POST", "/api/schedules/batch", {"schedules": [definition("third")]}, headers=headers)
    assert batch.code == "idempotency_key_reused"


def test_the_key_of_a_batch_is_refused_on_another_route(server: Server) -> None:
    headers = {"idempotency-key": "of-a-batch"}
    server("POST", "/api/schedules/batch", {"schedules": [definition("batched")]}, headers=headers)

    assert server("POST", "/api/schedules", definition("single"), headers=headers).status == 422


def test_a_run_with_a_key_runs_once(server: Server) -> None:
    path = f"/api/schedules/{server.made('run once')['id']}"
    headers = {"idempotency-key": "run-once", **WAIT}
    executions = {server("POST", f"{path}/run", headers=headers).document["execution_id"] for _ in range(3)}

    assert len(executions) == 1
    assert server("GET", f"{path}/executions").document["total"] == 1


def test_what_was_refused_is_judged_again(server: Server) -> None:
    headers = {"idempotency-key": "refused"}

    assert server("POST", "/api/schedules", definition(""), headers=headers).status == 422
    assert server("POST", "/api/schedules", definition("refused"), headers=headers).status == 202


def test_what_was_judged_and_refused_later_is_replayed(server: Server) -> None:
    created = server.made("judged")
    path = f"/api/schedules/{created['id']}"
    execution = server("POST", f"{path}/run", headers=WAIT).document["execution_id"]
    headers = {"idempotency-key": "judged", **WAIT}
    first = server("POST", f"/api/executions/{execution}/retry", headers=headers)
    second = server("POST", f"/api/executions/{execution}/retry", headers=headers)

    assert first.status == second.status == 409
    assert (second.body, second.headers["content-type"]) == (first.body, "application/problem+json")


def test_requests_at_the_same_moment_are_done_once(server: Server) -> None:
    async def together() -> list[Answer]:
        body = json.dumps(definition("at once")).encode()
        headers = {
            "host": "localhost",
            "content-type": "application/json",
            "idempotency-key": "at-once",
        }
        asked = [ask(server.app, "POST", "/api/schedules", body, headers) for _ in range(20)]
        return [answer for answer, _ in await asyncio.gather(*asked)]

    answers = server.wait(together())
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "caf\xe9", "tab\there"])
def test_an_unfit_key_is_refused(server: Server, key: str) -> None:
    answer = server("POST", "/api/schedules", definition("unfit"), headers={"idempotency-key": key})

    assert (answer.status, answer.code) == (422, "invalid_idempotency_key")


def test_a_batch_that_is_repeated_gets_the_same_answers(server: Server) -> None:
    body: Any = {"schedules": [definition(f"batch once {n}") for n in range(150)] + [definition("")]}
    headers = {"idempotency-key": "batch-once"}
    first = server("POST", "/api/schedules/batch", body, headers=headers)
    second = server("POST", "/api/schedules/batch", body, headers=headers)

    assert (first.status, first.document["accepted"], first.document["refused"]) == (207, 150, 1)
    assert second.body == first.body
    assert second.headers["idempotency-replayed"] == "true"
    body["schedules"].pop()
    assert server("POST", "/api/schedules/batch", body, headers=headers).status == 422
