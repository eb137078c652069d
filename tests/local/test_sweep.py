"""The sweep: old history goes in slices, and what is still needed stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.execution import Cause
from rez_agent.local.keeping import Kept
from rez_agent.local.ledger import SqliteLedger
from rez_agent.local.signals import Signals
from rez_agent.local.sweep import MESSAGES_KEPT, SLICE, TOMBSTONES_KEPT, Sweep
from rez_agent.ports import Record
from rez_agent.usecases.entries import asked_execution
from tests.fakes import FAILED, NOON
from tests.rig import Rig, due_times, schedule_of

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def count(rig: Rig, table: str) -> int:
    return int(rig.one(f"SELECT count(*) FROM {table}"))


def runs(rig: Rig, number: int, name: str = "report") -> None:
    """So many executions of a schedule that have succeeded, an hour of scheduled time apart."""
    schedule = schedule_of(name, policies={"overlap": "allow"})
    if rig.ports.schedules.get(schedule.id) is None:
        rig.add(schedule)
    now = rig.clock.now()
    executions = [
        asked_execution(schedule, NOON + n * HOUR, Cause.RUN, f"{now:%d}{n}", now=now) for n in range(number)
    ]
    rig.do(lambda ports: ports.ledger.add(executions))
    rig.work()


# --- the ledger, by age ---


def test_executions_are_forgotten_with_their_attempts_after_their_age(rig: Rig) -> None:
    runs(rig, 3)
    rig.clock.advance(days=50)
    runs(rig, 2)
    rig.clock.advance(days=40)
    rig.sweep()
    assert (count(rig, "executions"), count(rig, "attempts")) == (5, 5)
    rig.clock.advance(milliseconds=1)
    rig.sweep()
    assert (count(rig, "executions"), count(rig, "attempts")) == (2, 2)


def test_what_is_in_flight_is_never_forgotten(rig: Rig) -> None:
    schedule = rig.create()
    rig.command(action="run", schedule_id=schedule.id)
    rig.clock.advance(days=200)
    rig.sweep()
    assert count(rig, "executions") == 1


def test_forgetting_is_done_in_slices(rig: Rig) -> None:
    runs(rig, 2 * SLICE + 10)
    rig.clock.advance(days=91)
    sweep, left = Sweep(Kept()), []
    more = True
    while more:
        more = rig.do(lambda ports: sweep.tick(ports, rig.clock.now()))
        left.append(count(rig, "executions"))
    assert left == [SLICE + 10, 10, 0]


# --- the ledger, by count ---


def test_of_each_schedule_the_newest_executions_are_kept(rig: Rig) -> None:
    runs(rig, 25, "busy")
    runs(rig, 3, "quiet")
    rig.sweep(Kept(per_schedule=10))
    assert len(rig.history("sch_quiet")) == 3
    kept = rig.history("sch_busy")
    assert len(kept) == 10
    assert kept[0].scheduled_time == NOON + 15 * HOUR
    assert count(rig, "attempts") == 13


def test_a_schedule_whose_id_begins_with_anothers_keeps_its_own(rig: Rig) -> None:
    runs(rig, 5, "a")
    runs(rig, 5, "ab")
    rig.sweep(Kept(per_schedule=5))
    assert (len(rig.history("sch_a")), len(rig.history("sch_ab"))) == (5, 5)


# --- messages, records, revisions ---


def test_final_messages_are_kept_for_a_week_and_pending_ones_as_long_as_they_wait(rig: Rig) -> None:
    schedule = rig.create()
    waiting = rig.ports.messages.get(rig.submit(action="pause", schedule_id=schedule.id).id)
    assert waiting is not None
    pending = replace(waiting, id="msg_pending", status=waiting.status.QUEUED)
    rig.do(lambda ports: ports.messages.add(pending))
    rig.clock.advance(seconds=MESSAGES_KEPT.total_seconds())
    rig.sweep()
    assert count(rig, "messages") == 3
    rig.clock.advance(milliseconds=1)
    rig.sweep()
    assert rig.connection.execute("SELECT id FROM messages").fetchall() == [("msg_pending",)]


def test_expired_records_go_and_the_others_stay(rig: Rig) -> None:
    rig.do(lambda ports: ports.records.put(Record("a", "ending", {}, NOON + HOUR)))
    rig.do(lambda ports: ports.records.put(Record("a", "lasting", {})))
    rig.clock.advance(hours=1)
    rig.sweep()
    assert rig.connection.execute("SELECT key FROM records").fetchall() == [("lasting",)]


def test_a_revision_is_kept_as_long_as_an_execution_may_need_it(rig: Rig) -> None:
    schedule = rig.create(payload={"target": "old"}, policies={"retry": {"max_event_age_seconds": 86_400}})
    run = rig.command(action="run", schedule_id=schedule.id).result["execution_id"]
    rig.command(action="update", schedule_id=schedule.id, patch={"payload": {"target": "new"}})
    rig.work(FAILED)
    rig.clock.advance(days=89)
    rig.sweep()
    rig.command(action="cancel", execution_id=run)
    rig.command(action="retry", execution_id=run)
    (claimed,) = rig.claim()
    assert claimed.work.payload == {"target": "old"}
    rig.end(claimed)
    rig.clock.advance(days=2)
    rig.sweep()
    assert count(rig, "revisions") == 0


# --- tombstones and blobs ---


def test_a_tombstone_goes_when_no_late_duplicate_can_come(rig: Rig) -> None:
    schedule = rig.create(tags=["a"])
    rig.command(action="delete", schedule_id=schedule.id)
    rig.clock.advance(seconds=TOMBSTONES_KEPT.total_seconds())
    rig.sweep()
    assert rig.ports.schedules.get(schedule.id) is not None
    rig.clock.advance(milliseconds=1)
    rig.sweep()
    assert rig.ports.schedules.get(schedule.id) is None
    assert (count(rig, "schedule_tags"), count(rig, "revisions"), count(rig, "changes")) == (0, 0, 0)


LARGE = {"target": "target", "text": "x" * 70_000}


def test_a_payload_over_64_kib_is_a_blob_and_is_given_to_the_action_whole(rig: Rig) -> None:
    schedule = rig.create(payload=LARGE)
    small = rig.create("small", payload={"text": "x" * 65_000})
    assert (count(rig, "blobs"), rig.schedule(schedule.id).definition.payload) == (1, LARGE)
    for one in (schedule, small):
        rig.command(action="run", schedule_id=one.id)
    assert [len(str(claimed.work.payload)) > 65_000 for claimed in rig.claim()] == [True, True]


def test_a_blob_dies_with_its_last_owner(rig: Rig) -> None:
    owners = [rig.create(name, payload=LARGE) for name in ("one", "two")]
    assert count(rig, "blobs") == 1
    for left, owner in zip((1, 0), owners, strict=True):
        rig.command(action="delete", schedule_id=owner.id)
        rig.clock.advance(days=91)
        rig.sweep()
        assert count(rig, "blobs") == left


def test_what_was_queued_before_its_schedule_was_deleted_still_has_its_large_payload(rig: Rig) -> None:
    schedule = rig.create(payload=LARGE)
    rig.command(action="run", schedule_id=schedule.id)
    rig.command(action="delete", schedule_id=schedule.id)
    (claimed,) = rig.claim()
    assert claimed.work.payload == LARGE


def test_a_refused_schedule_leaves_no_blob_behind(rig: Rig) -> None:
    rig.create("report")
    taken = schedule_of("report", schedule_id="sch_other", payload=LARGE)
    with pytest.raises(Exception, match="already"):
        rig.add(taken)
    assert count(rig, "blobs") == 0


# --- on_completion ---


def test_a_schedule_that_asked_for_it_is_deleted_once_it_has_finished_and_nothing_is_in_flight(
    rig: Rig,
) -> None:
    once: dict[str, Any] = {
        "schedule_expression": "at(2026-06-01T12:20:00)",
        "policies": {"on_completion": "delete"},
    }
    schedule = rig.create(**once)
    rig.clock.advance(minutes=20)
    rig.tick()
    rig.sweep()
    assert rig.schedule(schedule.id).living
    (claimed,) = rig.claim()
    rig.end(claimed, FAILED)
    rig.sweep()
    assert rig.schedule(schedule.id).living
    rig.clock.advance(seconds=10)
    rig.work()
    rig.sweep()
    assert not rig.schedule(schedule.id).living
    assert due_times(rig.history(schedule.id)) == ["12:20"]
    assert rig.ports.schedules.living("ann") == 0
    rig.create(**once | {"schedule_expression": "rate(1 hour)"})


def test_a_finished_schedule_is_kept_by_default_and_while_it_is_paused(rig: Rig) -> None:
    kept = rig.create("kept", schedule_expression="at(2026-06-01T12:20:00)")
    paused = rig.create("paused", end="2026-06-01T12:00:00Z", policies={"on_completion": "delete"})
    rig.clock.advance(minutes=20)
    rig.tick_all()
    rig.work()
    rig.command(action="pause", schedule_id=paused.id)
    rig.sweep()
    assert rig.schedule(kept.id).living
    assert rig.schedule(paused.id).living


def test_what_exceeds_a_schedules_share_is_told_as_not_kept(rig: Rig) -> None:
    schedule = schedule_of(policies={"catch_up": "all", "overlap": "allow"})
    rig.add(schedule)
    rig.clock.advance(hours=5)
    rig.tick_all()
    now = rig.clock.now()
    ledger = SqliteLedger(rig.connection, Signals(), Kept(per_schedule=3))
    assert ledger.kept_since(schedule, now) == NOON + timedelta(hours=3)
    assert rig.ports.ledger.kept_since(schedule, now) == now - timedelta(days=90)
