"""What a stage writes for CloudWatch: the table's names, each execution's end once, and how things stand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rez_agent.aws.items import UNARMED
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.standing import standing
from rez_agent.aws.tables import SCHEDULES as ROWS
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import ExecutionStatus
from rez_agent.metrics import (
    ATTEMPTS,
    DEAD_LETTERS,
    DURATION,
    ENGINE_LAG,
    EXECUTIONS,
    FIRINGS,
    HELD,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    LATENESS,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    RUNNING,
    SCHEDULES,
    TABLE,
    WAITING,
    Metric,
)
from rez_agent.ports import ExecutionQuery, Ports
from rez_agent.usecases.processing import conclude
from tests.aws.emf import Emitted, emitted
from tests.aws.stepped import AwsStepped
from tests.fakes import FAILED, NOON, REFUSED
from tests.rig import schedule_of

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture
def host() -> AwsStepped:
    return AwsStepped()


def written(host: AwsStepped, capsys: pytest.CaptureFixture[str]) -> Emitted:
    """What was counted so far, as it is written at the end of an invocation."""
    capsys.readouterr()
    host.metrics.flush()
    lines = capsys.readouterr().out.splitlines()
    return emitted(lines, host.stage.names.stage)


def endings(found: Emitted) -> dict[tuple[str, str], float]:
    """How many executions ended, by status and reason."""
    return {
        (dict(labels)["status"], dict(labels)["reason"]): sum(values)
        for (name, labels), values in found.items()
        if name == EXECUTIONS.name
    }


def add(host: AwsStepped, **changes: object) -> str:
    schedule = schedule_of(**changes)  # type: ignore[arg-type]
    host.do(lambda ports: ports.schedules.add(schedule))
    return schedule.id


def fire(host: AwsStepped, schedule_id: str, hours: int = 0) -> str:
    due = (NOON + hours * HOUR).isoformat()
    return host.take({"schedule_id": schedule_id, "scheduled_time": due, "revision": 1}).value


def test_each_end_of_an_execution_is_counted_once(
    host: AwsStepped, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule_id = add(host, policies={"retry": {"max_event_age_seconds": 60}})
    fire(host, schedule_id)
    assert endings(written(host, capsys)) == {}
    host.clock.advance(hours=1)
    assert fire(host, schedule_id, 1) == "skipped"  # by overlap: the first is still queued
    assert endings(written(host, capsys)) == {("skipped", "overlap"): 1}
    assert host.claim() == []  # it outlived its event age
    assert endings(written(host, capsys)) == {("skipped", "expired"): 1}
    host.clock.advance(hours=1)
    fire(host, schedule_id, 2)
    host.end(host.claim()[0])
    assert endings(written(host, capsys)) == {("succeeded", "none"): 1}
    fire(host, schedule_id, 2)  # it comes twice
    assert written(host, capsys) == {}


def test_a_failure_is_counted_when_it_is_for_good_and_a_cancellation_when_it_is_done(
    host: AwsStepped, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule_id = add(host)
    fire(host, schedule_id)
    (claimed,) = host.claim()
    host.end(claimed, FAILED)
    assert endings(written(host, capsys)) == {}
    host.clock.advance(minutes=1)
    host.end(host.claim()[0], REFUSED)
    assert endings(written(host, capsys)) == {("failed", "none"): 1}
    host.clock.advance(hours=1)
    fire(host, schedule_id, 1)
    host.do(lambda ports: ports.ledger.cancel_all(schedule_id, host.clock.now(), "no"))
    assert endings(written(host, capsys)) == {("cancelled", "cancelled"): 1}


def test_what_was_undone_is_not_counted(host: AwsStepped, capsys: pytest.CaptureFixture[str]) -> None:
    schedule_id = add(host)
    fire(host, schedule_id)

    def cancel_and_fail(ports: Ports) -> None:
        ports.ledger.cancel_all(schedule_id, NOON, "no")
        raise Invalid("no")

    with pytest.raises(Invalid):
        host.ask(cancel_and_fail)
    (one,) = host.ask(lambda ports: ports.ledger.list(ExecutionQuery(schedule_id=schedule_id)).items)
    assert one.status is ExecutionStatus.QUEUED
    assert written(host, capsys) == {}


def test_attempts_lateness_and_durations_are_written(
    host: AwsStepped, capsys: pytest.CaptureFixture[str]
) -> None:
    add(host)
    fire(host, "sch_report")
    host.clock.advance(seconds=7)
    (claimed,) = host.claim()
    host.metrics.began(claimed, host.clock.now())
    began, ended = host.clock.now(), host.clock.advance(milliseconds=1_250)
    host.metrics.ended(conclude(claimed, FAILED, started_at=began, finished_at=ended, draw=0.5))
    assert written(host, capsys) == {
        (LATENESS.name, frozenset()): [7.0],
        (DURATION.name, frozenset()): [1.25],
        (ATTEMPTS.name, frozenset({("outcome", "failed"), ("code", "status_5xx")})): [1.0],
    }


def test_how_things_stand_is_sampled_from_the_indexes(host: AwsStepped) -> None:
    def now() -> dict[Metric, float]:
        return host.do(lambda ports: standing(ports.unit, host.clock.now()))

    every = (QUEUE_DEPTH, QUEUE_OLDEST, WAITING, RUNNING, HELD, DEAD_LETTERS, ENGINE_LAG)
    assert now() == dict.fromkeys(every, 0.0)

    add(host, policies={"overlap": "queue"})
    fire(host, "sch_report")
    host.clock.advance(hours=1)
    fire(host, "sch_report", 1)
    host.clock.advance(seconds=-3_000)
    found = now()
    assert (found[QUEUE_DEPTH], found[HELD], found[QUEUE_OLDEST]) == (1, 1, 600)

    (claimed,) = host.claim()
    found = now()
    assert (found[QUEUE_DEPTH], found[RUNNING], found[QUEUE_OLDEST]) == (0, 1, 0)
    host.end(claimed, FAILED)
    found = now()
    assert (found[QUEUE_DEPTH], found[RUNNING], found[WAITING]) == (0, 0, 1)
    host.clock.advance(minutes=1)
    host.end(host.claim()[0], REFUSED)
    assert now()[DEAD_LETTERS] == 1


def test_the_engines_lag_is_that_of_the_schedule_that_waits_longest(host: AwsStepped) -> None:
    for number in range(2):
        add(host, name=f"s{number}", schedule_id=f"sch_{number}")
    for number in range(2):
        since = (NOON - (number + 1) * 10 * SECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        row = host.do(lambda ports, key=f"sch_{number}": ports.unit.get(ROWS, key))  # type: ignore[misc]
        marked = {**(row or {}), "unarmed": UNARMED, "unarmed_since": since}
        host.do(lambda ports, item=marked: ports.unit.put(ROWS, item))  # type: ignore[misc]
    assert host.do(lambda ports: standing(ports.unit, NOON))[ENGINE_LAG] == 20


def test_a_whole_reconcile_counts_the_schedules_by_status_even_if_it_was_cut(
    host: AwsStepped, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        add(host, name=f"s{number}", schedule_id=f"sch_{number}")
    row = host.do(lambda ports: ports.unit.get(ROWS, "sch_0"))
    host.do(lambda ports: ports.unit.put(ROWS, {**(row or {}), "status": "paused"}))
    name = SCHEDULES.name
    host.reconcile(page=2, time_left=lambda: 0.0)
    assert not [each for each in written(host, capsys) if each[0] == name]
    host.reconcile(page=2)
    found = {
        dict(labels)["status"]: values
        for (what, labels), values in written(host, capsys).items()
        if what == name
    }
    assert found == {"active": [4.0], "paused": [1.0], "deleted": [0.0], "error": [0.0]}
    host.reconcile(page=2)
    assert written(host, capsys)[name, frozenset({("status", "active")})] == [4.0]


def test_requests_are_counted_by_status_and_timed_by_route(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = AwsMetrics("dev")
    metrics.answered("GET", "/api/schedules", 200, 0.0123)
    metrics.answered("GET", "/api/schedules/{schedule_id}", 200, 0.02)
    metrics.flush()
    found = emitted(capsys.readouterr().out.splitlines(), "dev")
    assert found[HTTP_REQUESTS.name, frozenset({("status", "200")})] == [1.0, 1.0]
    route = frozenset({("method", "GET"), ("route", "/api/schedules")})
    assert found[HTTP_SECONDS.name, route] == [0.012]


def test_nothing_is_written_when_nothing_was_counted(capsys: pytest.CaptureFixture[str]) -> None:
    AwsMetrics("dev").flush()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("metric", TABLE, ids=lambda metric: metric.name)
def test_every_metric_has_the_dimensions_of_the_table(
    metric: Metric, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = AwsMetrics("dev")
    metrics.observe(metric, 1.5, **dict.fromkeys(metric.labels, "x"))
    metrics.flush()
    found = emitted(capsys.readouterr().out.splitlines(), "dev")
    assert found == {(metric.name, frozenset(dict.fromkeys(metric.on_aws, "x").items())): [1.5]}


def test_a_metric_without_one_of_its_labels_is_refused() -> None:
    with pytest.raises(KeyError):
        AwsMetrics("dev").count(FIRINGS)
