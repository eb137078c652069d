"""Health, metrics, unknown routes, and our own faults."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from rez_agent.domain.command import CommandAction, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import Unavailable
from rez_agent.ports import Ports
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from tests.web.client import Answer, Server, ask, definition


def test_health_and_readiness_are_told(server: Server) -> None:
    for path in ("/healthz", "/readyz"):
        answer = server("GET", path)
        assert (answer.status, answer.document["status"]) == (200, "ok")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/schedules/", "/api/schedule", "/api/schedules/a/b", "/%00"]
)
def test_an_unknown_route_is_a_problem_like_any_other(server: Server, path: str) -> None:
    answer = server("GET", path)

    assert (answer.status, answer.code) == (404, "route_not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/api/schedules", "GET, POST"),
        ("POST", "/api/schedules/x", "DELETE, GET, PATCH, PUT"),
        ("GET", "/api/schedules/x/pause", "POST"),
        ("TRACE", "/healthz", "GET"),
        ("BREW", "/api/executions", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(server: Server, method: str, path: str, allowed: str) -> None:
    answer = server(method, path)

    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


def test_metrics_count_requests_by_route_and_status(server: Server) -> None:
    server("GET", "/api/schedules/nothing")
    server("GET", "/api/schedules/nothing-else")
    server("GET", "/nowhere")
    text = server("GET", "/metrics").body.decode()

    line = 'rez_http_requests_total{method="GET",route="/api/schedules/{schedule_id}",status="404"}'
    assert f"{line} 2.0" in text
    assert 'rez_http_requests_total{method="any",route="unmatched",status="404"}' in text
    assert "rez_http_request_seconds_bucket" in text
    assert "nothing-else" not in text


def test_the_engines_metrics_stand_beside_them(server: Server) -> None:
    assert "rez_lateness_seconds" in server("GET", "/metrics").body.decode()


def test_our_own_fault_is_logged_under_an_id_and_tells_nothing(server: Server) -> None:
    class Secretive(Exception):
        """Says what no caller should read."""

    class Broken:
        """A host with a fault."""

        async def write(self, use_case: object) -> None:
            raise Secretive("the password is swordfish")

        read = write

        async def judged(self, message_id: str, seconds: float) -> None:
            raise Secretive

        def health(self) -> dict[str, object]:
            return {"status": "failing", "reasons": ["it is broken"]}

    broken = server.over(Broken())
    with capture_logs() as logged:
        answer = broken("POST", "/api/schedules", definition("broken"), headers={"host": "localhost"})

    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"swordfish" not in answer.body
    entry = next(entry for entry in logged if entry["event"] == "request_failed")
    assert entry["error_id"] in answer.document["detail"]
    assert broken("GET", "/healthz").status == 503
    assert broken("GET", "/readyz").document["reasons"] == ["it is broken"]


def test_a_host_that_can_not_write_says_when_to_come_back(server: Server) -> None:
    class Full:
        """A host whose disk is full."""

        async def write(self, use_case: object) -> None:
            raise Unavailable("The disk is full. Make room, then ask again.")

        async def read(self, use_case: object) -> bool:
            return False

    answer = server.over(Full())("POST", "/api/schedules", definition("full"))

    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "unavailable", "1")


def test_a_create_that_is_not_applied_yet_is_pending(server: Server) -> None:
    """On this host a command is applied as it is stored; where it is not, its schedule is pending."""

    class Quiet:
        """A topic that hands nothing on."""

        def publish_command(self, message: Any) -> None:
            """Keep it."""

        publish_work = publish_command

    def store(ports: Ports) -> str:
        quiet = replace_topic(ports, Quiet())
        request = ScheduleCreationRequest(action=CommandAction.CREATE, schedule=definition("pending"))
        message = submit(quiet, Caller("local", admin=True), request).message
        return f"{message.schedule_id} {message.id}"

    def replace_topic(ports: Ports, topic: Any) -> Ports:
        others = {each.name: getattr(ports, each.name) for each in fields(Ports) if each.name != "topic"}
        return Ports(**others, topic=topic)

    schedule_id, message_id = server.wait(server.host.write(store)).split()
    answer = server("GET", f"/api/schedules/{schedule_id}")

    assert (answer.status, answer.code) == (404, "schedule_pending")
    assert answer.headers["retry-after"] == "1"
    assert answer.document["message"] == f"/api/messages/{message_id}"
    assert answer.headers["link"] == f'</api/messages/{message_id}>; rel="monitor"'


def test_waiting_clients_hold_nothing_up(server: Server) -> None:
    host = Patient(server.host)
    patient = server.over(host)

    async def crowd() -> tuple[Answer, list[Answer]]:
        host.may_end = asyncio.Event()
        headers = {"host": "localhost", "content-type": "application/json", "prefer": "wait=20"}
        bodies = [json.dumps(definition(f"crowd {n}")).encode() for n in range(45)]
        waiting = [
            asyncio.create_task(ask(patient.app, "POST", "/api/schedules", body, headers)) for body in bodies
        ]
        while host.waiting < len(waiting):
            await asyncio.sleep(0)
        health, _ = await ask(patient.app, "GET", "/healthz", b"", headers)
        assert not any(task.done() for task in waiting)
        host.may_end.set()
        return health, [answer for answer, _ in await asyncio.gather(*waiting)]

    health, answers = server.wait(crowd())
    assert health.status == 200
    assert {answer.status for answer in answers} == {201}


class Patient:
    """A host whose commands take as long as a test likes."""

    may_end: asyncio.Event

    def __init__(self, host: Any) -> None:
        self.write, self.read, self.health = host.write, host.read, host.health
        self._judged = host.judged
        self.waiting = 0

    async def judged(self, message_id: str, seconds: float) -> Any:
        """The message, once it may end."""
        self.waiting += 1
        await self.may_end.wait()
        return await self._judged(message_id, seconds)


def test_a_command_that_takes_longer_than_the_wait_answers_as_without_one(server: Server) -> None:
    class Slow(Patient):
        """A host that has judged nothing yet."""

        async def judged(self, message_id: str, seconds: float) -> Any:
            message = await self._judged(message_id, seconds)
            return replace(message, status=MessageStatus.QUEUED)

    slow = server.over(Slow(server.host))
    headers = {"prefer": "wait=1", "idempotency-key": "slow"}
    first = slow("POST", "/api/schedules", definition("slow"), headers=headers)

    assert (first.status, first.headers["preference-applied"]) == (202, "wait=1")
    assert first.document["status"] == "queued"
    assert slow("POST", "/api/schedules", definition("slow"), headers=headers).body == first.body


def test_the_same_key_while_the_first_request_waits_is_in_flight(server: Server) -> None:
    class Lost(Patient):
        """A host whose first waiter never hears of its command: the server died meanwhile."""

        async def judged(self, message_id: str, seconds: float) -> Any:
            if seconds:
                raise Unavailable("The server is stopping. Ask again in a second.")
            return replace(await self._judged(message_id, 0), status=MessageStatus.PROCESSING)

    lost = server.over(Lost(server.host))
    headers = {"prefer": "wait=1", "idempotency-key": "lost"}
    assert lost("POST", "/api/schedules", definition("lost"), headers=headers).status == 503
    again = lost("POST", "/api/schedules", definition("lost"), headers=headers)
    assert (again.status, again.code) == (409, "idempotency_in_flight")
    assert again.headers["retry-after"] == "1"

    at_last = server("POST", "/api/schedules", definition("lost"), headers=headers)
    assert (at_last.status, at_last.headers["idempotency-replayed"]) == (201, "true")


@pytest.mark.parametrize("path", ["/healthz", "/api/schedules", "/api/schedules/nothing", "/nowhere"])
def test_head_is_answered_like_get(server: Server, path: str) -> None:
    asked, read = server("HEAD", path), server("GET", path)

    assert (asked.status, asked.headers["content-type"]) == (read.status, read.headers["content-type"])
