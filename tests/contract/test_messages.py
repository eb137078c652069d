"""The contract of Messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.errors import Problem
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON

SPAN = {"from": "2026-06-01T00:00:00.25Z", "to": "2026-06-02T00:00:00+02:00"}


def message_of(message_id: str = "msg_1", **request: Any) -> Message:
    read = ScheduleCreationRequest.model_validate({"action": "delete", "schedule_id": "sch_1", **request})
    return Message(message_id, read, "ann", NOON, NOON, schedule_id="sch_1")


def add(host: SteppedHost, message: Message) -> None:
    host.ask(lambda ports: ports.messages.add(message))


def get(host: SteppedHost, message_id: str) -> Message | None:
    return host.ask(lambda ports: ports.messages.get(message_id))


def test_a_message_is_given_back_as_it_was_kept(host: SteppedHost) -> None:
    plain = message_of()
    backfill = replace(message_of("msg_2", action="backfill", **SPAN), admin=True)
    create = message_of("msg_3", action="create", schedule={"name": "ünïcode ☃", "payload": {"a": [1, None]}})
    for message in (plain, backfill, create):
        add(host, message)
        assert get(host, message.id) == message


def test_there_is_no_message_that_was_never_added(host: SteppedHost) -> None:
    assert get(host, "msg_none") is None


def test_a_message_that_is_there_already_is_left_alone(host: SteppedHost) -> None:
    add(host, message_of(reason="the first"))
    add(host, message_of(reason="the second"))
    kept = get(host, "msg_1")
    assert kept is not None
    assert kept.request.reason == "the first"


def test_what_became_of_a_message_is_kept(host: SteppedHost) -> None:
    later = NOON + timedelta(seconds=3)
    done = message_of("msg_1").completed(later, {"revision": 2, "cancelled": 0})
    problems = (
        Problem("invalid_schedule_expression", "No.", "/schedule_expression", "day-of-week", 14),
        Problem("x", "☃"),
    )
    refused = message_of("msg_2").failed(later, "Invalid", problems)
    for message in (done, refused):
        add(host, message_of(message.id))
        host.ask(lambda ports, message=message: ports.messages.save(message))  # type: ignore[misc]
        assert get(host, message.id) == message


def test_a_create_is_pending_until_it_is_judged(host: SteppedHost) -> None:
    create = message_of("msg_1", action="create", schedule={})
    add(host, message_of("msg_0", action="pause"))
    add(host, create)
    assert host.ask(lambda ports: ports.messages.pending_create("sch_1")) == create
    assert host.ask(lambda ports: ports.messages.pending_create("sch_2")) is None
    host.ask(lambda ports: ports.messages.save(create.completed(NOON, {})))
    assert host.ask(lambda ports: ports.messages.pending_create("sch_1")) is None
