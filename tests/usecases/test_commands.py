"""Submitting a command: what can be known to be wrong is refused now, and then nothing is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.command import BACKFILL_AT_MOST, ScheduleCreationRequest
from rez_agent.domain.errors import (
    Conflict,
    Invalid,
    NotFound,
    Problem,
    QuotaExceeded,
    RevisionConflict,
    RezError,
)
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from tests.fakes import NOON
from tests.rig import ADMIN, ANN, BOB, Rig, definition_of

HOUR = timedelta(hours=1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def refused(rig: Rig, kind: type[RezError], caller: Caller = ANN, **request: Any) -> list[tuple[str, str]]:
    """The problems with which a command is refused; it leaves no message."""
    before = rig.one("SELECT count(*) FROM messages")
    with pytest.raises(kind) as error:
        rig.submit(caller, **request)
    assert rig.one("SELECT count(*) FROM messages") == before
    return [(problem.code, problem.pointer) for problem in error.value.problems]


def test_an_accepted_create_is_stored_with_the_id_it_will_have(rig: Rig) -> None:
    message = rig.submit(action="create", schedule=definition_of())
    assert message.schedule_id == "sch_" + message.id.removeprefix("msg_")
    assert (message.created_by, message.created_date, message.admin) == ("ann", NOON, False)
    assert rig.schedule(message.schedule_id).definition.name == "report"


def test_a_create_may_bring_its_id(rig: Rig) -> None:
    for name, chosen in (("short", "sch_mine"), ("long", "sch_" + "a" * 60)):
        message = rig.submit(action="create", schedule=definition_of(name), schedule_id=chosen)
        assert message.schedule_id == chosen


@pytest.mark.parametrize("unfit", ["mine", "sch_", "sch_a_1", "sch_A", "sch_" + "a" * 61, "sch_a/b", "sch_ü"])
def test_an_id_that_could_be_taken_for_another_is_refused(rig: Rig, unfit: str) -> None:
    """Ids of executions begin with their schedule's: one must never be the beginning of another."""
    found = refused(rig, Invalid, action="create", schedule=definition_of(), schedule_id=unfit)
    assert found == [("invalid_value", "/schedule_id")]


def test_warnings_are_for_the_caller_and_refuse_nothing(rig: Rig) -> None:
    never = definition_of(schedule_expression="cron(0 12 30 2 ? *)")
    request = ScheduleCreationRequest.model_validate({"action": "create", "schedule": never})
    submitted = rig.do(lambda ports: submit(ports, ANN, request))
    assert [warning.code for warning in submitted.warnings] == ["never_fires"]


def test_an_unfit_definition_is_refused_with_every_problem(rig: Rig) -> None:
    bad = definition_of(name="", schedule_expression="rate(0 hours)", payload={"bad": 1})
    assert set(refused(rig, Invalid, action="create", schedule=bad)) == {
        ("invalid_value", "/name"),
        ("invalid_schedule_expression", "/schedule_expression"),
        ("invalid_payload", "/payload/bad"),
    }


def test_a_taken_name_is_refused_at_once_and_anothers_name_is_free(rig: Rig) -> None:
    rig.create("report")
    assert refused(rig, Conflict, action="create", schedule=definition_of("report")) == [
        ("name_taken", "/name")
    ]
    rig.create("report", BOB)


def test_an_owner_has_as_many_schedules_as_allowed(rig: Rig) -> None:
    first = rig.create("one")
    rig.create("two")
    with pytest.raises(QuotaExceeded):
        rig.submit(quota=2, action="create", schedule=definition_of("three"))
    rig.command(action="delete", schedule_id=first.id)
    rig.submit(quota=2, action="create", schedule=definition_of("three"))


def test_an_update_is_checked_as_it_would_be_applied(rig: Rig) -> None:
    schedule = rig.create()
    bad = {"policies": {"retry": {"max_attempts": 186}}, "payload": {"bad": 1}}
    assert set(refused(rig, Invalid, action="update", schedule_id=schedule.id, patch=bad)) == {
        ("invalid_value", "/policies/retry/max_attempts"),
        ("invalid_payload", "/payload/bad"),
    }


@pytest.mark.parametrize("action", ["update", "delete", "pause", "run"])
def test_a_command_at_another_revision_is_refused(rig: Rig, action: str) -> None:
    schedule = rig.create()
    request: dict[str, Any] = {"action": action, "schedule_id": schedule.id}
    if action == "update":
        request["patch"] = {}
    assert refused(rig, RevisionConflict, **request, revision=2) == [("revision_conflict", "")]
    rig.submit(**request, revision=1)


@pytest.mark.parametrize("action", ["update", "delete", "pause", "resume", "run", "backfill"])
@pytest.mark.parametrize("whose", ["nobodys", "anothers", "deleted"])
def test_a_schedule_out_of_reach_is_answered_as_if_it_did_not_exist(
    rig: Rig, action: str, whose: str
) -> None:
    schedule_id = "sch_never" if whose == "nobodys" else rig.create().id
    if whose == "deleted":
        rig.command(action="delete", schedule_id=schedule_id)
    request: dict[str, Any] = {"action": action, "schedule_id": schedule_id}
    if action == "update":
        request["patch"] = {}
    if action == "backfill":
        request |= {"from": "2026-06-01T00:00:00Z", "to": "2026-06-01T06:00:00Z"}
    caller = BOB if whose == "anothers" else ADMIN
    assert refused(rig, NotFound, caller, **request) == [("schedule_not_found", "")]


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_an_execution_out_of_reach_is_answered_as_if_it_did_not_exist(rig: Rig, action: str) -> None:
    schedule = rig.create()
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    for caller, execution_id in ((BOB, run), (ANN, "sch_never_20260601T120000Z")):
        found = refused(rig, NotFound, caller, action=action, execution_id=execution_id)
        assert found == [("execution_not_found", "")]


def test_a_command_about_an_execution_knows_its_schedule(rig: Rig) -> None:
    schedule = rig.create()
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    assert rig.submit(action="cancel", execution_id=run).schedule_id == schedule.id


def test_a_pause_until_the_past_is_refused(rig: Rig) -> None:
    schedule = rig.create()
    found = refused(rig, Invalid, action="pause", schedule_id=schedule.id, until="2026-06-01T12:00:00Z")
    assert found == [("invalid_value", "/until")]


def test_an_error_is_named_for_its_first_problem() -> None:
    assert Invalid("no", problems=[Problem("invalid_value", "no", "/until")]).code == "invalid_value"
    assert Invalid("no", code="naive_time", problems=[Problem("invalid_value", "no")]).code == "naive_time"
    assert Invalid("no").code == "invalid_request"


def test_what_is_not_paused_is_not_resumed(rig: Rig) -> None:
    schedule = rig.create()
    assert refused(rig, Conflict, action="resume", schedule_id=schedule.id) == [("not_paused", "")]


def test_the_payload_of_a_run_is_checked(rig: Rig) -> None:
    schedule = rig.create()
    found = refused(rig, Invalid, action="run", schedule_id=schedule.id, payload={"bad": 1})
    assert found == [("invalid_payload", "/payload/bad")]


def test_a_backfill_has_its_limit(rig: Rig) -> None:
    schedule = rig.create(schedule_expression="cron(* * * * ? *)")
    last = NOON - timedelta(days=1)
    first = last - timedelta(minutes=BACKFILL_AT_MOST - 1)
    span: dict[str, Any] = {"from": first.isoformat(), "to": last.isoformat()}
    rig.submit(action="backfill", schedule_id=schedule.id, **span)
    span["from"] = (first - timedelta(minutes=1)).isoformat()
    found = refused(rig, Invalid, action="backfill", schedule_id=schedule.id, **span)
    assert found == [("backfill_too_large", "")]


def test_a_redrive_of_a_schedule_out_of_reach_is_refused(rig: Rig) -> None:
    schedule = rig.create()
    assert refused(rig, NotFound, BOB, action="redrive", schedule_id=schedule.id) == [
        ("schedule_not_found", "")
    ]
