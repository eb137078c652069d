"""What the local host counts: each execution that ends, once, however it does, and nothing undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import CRASHES_AT_MOST, Cause, ExecutionStatus, Reason
from rez_agent.local.metrics import LocalMetrics
from rez_agent.metrics import TABLE, Kind, On
from rez_agent.ports import Ports
from rez_agent.usecases.entries import asked_execution
from rez_agent.web.metrics import Exposition
from tests.fakes import FAILED, NOON, OK, REFUSED
from tests.local.test_host import running, tell
from tests.rig import Rig, schedule_of

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def endings(rig: Rig) -> Counter[tuple[str, str | None]]:
    """What the transactions so far told of as final."""
    return Counter(ending for signals in rig.signals for ending in signals.endings)


def samples(text: bytes) -> Samples:
    """Every sample of a page of metrics."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


# --- what is final without an attempt is told once ---


def test_what_the_engine_skips_is_told_with_its_reason(rig: Rig) -> None:
    rig.create()
    rig.tick()
    assert endings(rig) == {}
    rig.clock.advance(hours=1)
    rig.tick()
    assert endings(rig) == {("skipped", "overlap"): 1}
    rig.work()
    rig.clock.advance(days=3)
    rig.tick_all()
    assert endings(rig) == {("skipped", "overlap"): 1, ("skipped", "missed"): 1}


def test_what_outlives_its_event_age_is_told_as_skipped_or_failed(rig: Rig) -> None:
    rig.create(policies={"retry": {"max_event_age_seconds": 60}})
    rig.tick()
    rig.clock.advance(minutes=2)
    expired = rig.look()
    assert (expired.claimed, expired.endings) == ([], (("skipped", "expired"),))

    rig.clock.advance(hours=1)
    rig.tick()
    (claimed,) = rig.claim()
    rig.end(claimed, FAILED)
    rig.clock.advance(minutes=2)
    assert rig.look().endings == (("failed", None),)


def test_what_is_cancelled_while_it_is_queued_is_told(rig: Rig) -> None:
    schedule = rig.create(policies={"overlap": "queue"})
    rig.tick()
    rig.clock.advance(hours=1)
    rig.tick()
    queued, held = rig.history(schedule.id)
    rig.command(action="cancel", execution_id=queued.id)
    assert endings(rig) == {("cancelled", "cancelled"): 1}
    rig.command(action="cancel", execution_id=held.id)
    assert endings(rig) == {("cancelled", "cancelled"): 2}


def test_a_pause_is_told_once_however_many_occurrences_it_stands_for(rig: Rig) -> None:
    schedule = rig.create()
    rig.tick()
    rig.work()
    rig.command(action="pause", schedule_id=schedule.id)
    rig.clock.advance(hours=50)
    rig.command(action="resume", schedule_id=schedule.id)
    assert endings(rig) == {("skipped", "paused"): 1}


def test_an_execution_that_the_server_never_survives_is_told_as_failed(rig: Rig) -> None:
    rig.create()
    rig.tick()
    for _ in range(CRASHES_AT_MOST):
        assert endings(rig) == {}
        rig.claim()
        rig.recover()
    assert endings(rig) == {("failed", None): 1}


def test_an_entry_that_is_there_already_is_not_told_again(rig: Rig) -> None:
    schedule = schedule_of()
    rig.add(schedule)
    skipped = replace(
        asked_execution(schedule, NOON, Cause.RUN, "m", now=NOON),
        status=ExecutionStatus.SKIPPED,
        reason=Reason.CONDITION,
        next_attempt_at=None,
    )
    for _ in range(2):
        rig.do(lambda ports: ports.ledger.add([skipped]))
    assert endings(rig) == {("skipped", "condition"): 1}


def test_what_was_undone_is_not_told(rig: Rig) -> None:
    schedule = rig.create()
    rig.tick()
    (queued,) = rig.history(schedule.id)

    def cancel_and_fail(ports: Ports) -> None:
        assert ports.ledger.cancel(queued.id, NOON, "no")
        raise Invalid("no")

    with pytest.raises(Invalid):
        rig.do(cancel_and_fail)
    assert rig.execution(queued.id).status == "queued"
    assert endings(rig) == {}


def test_what_a_refused_command_wrote_before_it_was_refused_is_not_told(rig: Rig) -> None:
    rig.create("taken")
    schedule = rig.create()
    rig.tick()
    rig.clock.advance(hours=1)  # an update settles first, which skips this one; then the name is found taken
    document = {"action": "update", "schedule_id": schedule.id, "patch": {"name": "taken"}}
    request = ScheduleCreationRequest.model_validate(document)
    message = Message("msg_1", request, "ann", NOON, NOON, schedule_id=schedule.id)

    def publish(ports: Ports) -> None:
        ports.messages.add(message)
        ports.topic.publish_command(message)

    rig.do(publish)
    judged = rig.ports.messages.get(message.id)
    assert judged is not None
    assert [problem.code for problem in judged.problems] == ["name_taken"]
    assert len(rig.history(schedule.id)) == 1
    assert endings(rig) == {}


# --- what is shown ---


def test_metrics_tell_of_attempts_executions_commands_and_what_stands(tmp_path: Path) -> None:
    def failing_once(rig: Rig) -> None:
        rig.actions.script["target"] += [FAILED, OK, REFUSED]

    async def story() -> None:
        async with running(tmp_path, failing_once) as one:
            exposition = Exposition(one.registry, one.host.refresh_metrics)
            schedule_id = await one.create()
            await one.comes_to(schedule_id, "queued")
            assert samples(await exposition.text())["rez_waiting", ()] == 1
            one.rig.clock.advance(seconds=10)
            done = await one.comes_to(schedule_id, "succeeded")
            assert (await one.command(action="retry", execution_id=done.id)).status == "failed"
            await one.command(action="run", schedule_id=schedule_id)
            await one.comes_to(schedule_id, "failed")
            found = samples(await exposition.text())

        def value(name: str, **labels: str) -> float:
            return found[name, tuple(sorted(labels.items()))]

        assert value("rez_attempts_total", outcome="failed", code="status_5xx") == 1
        assert value("rez_attempts_total", outcome="failed", code="other") == 1
        assert value("rez_attempts_total", outcome="succeeded", code="ok") == 1
        assert value("rez_executions_total", status="succeeded", reason="none") == 1
        assert value("rez_executions_total", status="failed", reason="none") == 1
        assert value("rez_executions_total", status="skipped", reason="overlap") == 0
        assert value("rez_commands_total", action="create", status="completed") == 1
        assert value("rez_commands_total", action="retry", status="failed") == 1
        assert value("rez_schedules", status="active") == 1
        assert value("rez_dead_letters") == 1
        assert value("rez_lateness_seconds_count") == 2
        assert value("rez_attempt_seconds_count") == 3
        assert value("rez_running") == value("rez_waiting") == value("rez_held") == 0
        assert value("rez_schedules_fired_total") == 1
        assert value("rez_writer_transactions_total") > 5
        assert value("rez_database_bytes") > 100_000

    tell(story)


def test_what_is_shown_is_the_table_of_the_local_host(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as one:
            await one.comes_to(await one.create(), "succeeded")
            text = await Exposition(one.registry, one.host.refresh_metrics).text()
        families = {family.name: family for family in text_string_to_metric_families(text.decode())}
        table = {metric.name: metric for metric in TABLE if metric.on is not On.AWS}
        http = {name for name in table if name.startswith("rez_http_")}
        assert families.keys() == table.keys() - http
        for name, family in families.items():
            assert family.type == table[name].kind.value
            assert family.documentation == table[name].help
            own = {"le"} if table[name].kind is Kind.HISTOGRAM else set()
            assert {label for one in family.samples for label in one.labels} - own == set(table[name].labels)

    tell(story)


def test_without_a_database_the_rest_is_still_shown(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path) as one:
            one.rig.connection.execute("DROP TABLE schedule_counts")
            found = samples(await Exposition(one.registry, one.host.refresh_metrics).text())
        assert ("rez_schedules_fired_total", ()) in found
        assert ("rez_queue_depth", (("lateness", "late"),)) not in found

    tell(story)


def test_lateness_is_that_of_the_first_attempt(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    metrics = LocalMetrics(CollectorRegistry())
    rig.create()
    rig.tick()
    rig.clock.advance(seconds=3)
    (claimed,) = rig.claim()
    metrics.began(claimed, rig.clock.now())
    again = replace(claimed, work=replace(claimed.work, attempt=2))
    metrics.began(again, rig.clock.now() + timedelta(hours=1))
    family = {each.name: each for each in metrics.collect()}["rez_lateness_seconds"]
    assert {s.name: s.value for s in family.samples if s.name.endswith(("_sum", "_count"))} == {
        "rez_lateness_seconds_sum": 3.0,
        "rez_lateness_seconds_count": 1.0,
    }
    rig.close()
