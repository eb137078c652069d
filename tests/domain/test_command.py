"""Commands, and the messages that carry them."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.command import Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.reading import read
from tests.fakes import NOON

SPAN = {"from": "2026-06-01T00:00:00Z", "to": "2026-06-02T00:00:00Z"}

COMPLETE: list[dict[str, Any]] = [
    {"action": "create", "schedule": {}},
    {"action": "update", "schedule_id": "sch_1", "schedule": {}},
    {"action": "update", "schedule_id": "sch_1", "patch": {}},
    {"action": "delete", "schedule_id": "sch_1", "cancel": True},
    {"action": "pause", "schedule_id": "sch_1", "reason": "holidays", "until": "2026-07-01T00:00:00Z"},
    {"action": "resume", "schedule_id": "sch_1", "revision": 3},
    {"action": "run", "schedule_id": "sch_1", "payload": {"a": 1}},
    {"action": "backfill", "schedule_id": "sch_1", **SPAN},
    {"action": "retry", "execution_id": "sch_1_20260601T120000Z"},
    {"action": "cancel", "execution_id": "sch_1_20260601T120000Z"},
    {"action": "redrive"},
    {"action": "redrive", "schedule_id": "sch_1", "limit": 10_000},
]


@pytest.mark.parametrize("document", COMPLETE, ids=lambda document: str(document["action"]))
def test_a_complete_command_survives_the_way_over_a_topic(document: dict[str, Any]) -> None:
    request = read(ScheduleCreationRequest, document)
    carried = request.model_dump_json(exclude_defaults=True, by_alias=True)
    assert ScheduleCreationRequest.model_validate_json(carried) == request


@pytest.mark.parametrize(
    ("document", "missing"),
    [
        ({"action": "create"}, "'schedule'"),
        ({"action": "update", "schedule_id": "sch_1"}, "either 'schedule'"),
        ({"action": "update", "schedule_id": "sch_1", "schedule": {}, "patch": {}}, "either 'schedule'"),
        ({"action": "update", "schedule": {}}, "'schedule_id'"),
        ({"action": "delete"}, "'schedule_id'"),
        ({"action": "pause", "schedule_id": ""}, "'schedule_id'"),
        ({"action": "resume"}, "'schedule_id'"),
        ({"action": "run"}, "'schedule_id'"),
        ({"action": "backfill", "schedule_id": "sch_1", "from": SPAN["from"]}, "'from' and 'to'"),
        ({"action": "backfill", "schedule_id": "s", "from": SPAN["to"], "to": SPAN["from"]}, "before 'from'"),
        ({"action": "retry"}, "'execution_id'"),
        ({"action": "cancel"}, "'execution_id'"),
        ({"action": "redrive", "limit": 10_001}, "10000"),
        ({"action": "explode"}, "'create'"),
        ({"action": "resume", "schedule_id": "sch_1", "revision": 0}, "at least 1"),
    ],
)
def test_an_incomplete_command_is_refused_and_told_what_it_needs(
    document: dict[str, Any], missing: str
) -> None:
    with pytest.raises(Invalid) as refused:
        read(ScheduleCreationRequest, document)
    assert any(missing in problem.message for problem in refused.value.problems)


def test_a_message_is_final_once_its_command_is_judged() -> None:
    assert {status for status in MessageStatus if status.final} == {"completed", "failed"}


def test_a_message_tells_what_became_of_its_command() -> None:
    request = read(ScheduleCreationRequest, {"action": "redrive"})
    message = Message("msg_1", request, "ann", NOON, NOON)
    done = message.completed(NOON, {"count": 3})
    assert (done.status, done.result, done.problems) == (MessageStatus.COMPLETED, {"count": 3}, ())
    problem = Problem("not_found", "There is none.")
    refused = message.failed(NOON, "NotFound", (problem,))
    assert (refused.status, refused.error_kind, refused.problems) == (
        MessageStatus.FAILED,
        "NotFound",
        (problem,),
    )
