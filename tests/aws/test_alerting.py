"""Alerting on AWS: the processor notes what failed, the sweep decides each minute, the processor sends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rez_agent.aws.processor import WATCH_SECONDS, Processor
from rez_agent.aws.store import Store
from rez_agent.domain.alert import ENGINE, Alert, NoticeStatus
from rez_agent.domain.alert_rules import AlertKind, RuleDefinition
from rez_agent.domain.execution import Cause
from rez_agent.domain.schedule import Schedule
from rez_agent.metrics import ALERT_NOTICES
from rez_agent.ports import AlertQuery
from rez_agent.usecases.alert_rules import create_rule
from rez_agent.usecases.entries import asked_execution
from tests.aws.driven import Driven
from tests.aws.emf import emitted
from tests.aws.events import record
from tests.fakes import FAILED, REFUSED, FakeRandom
from tests.rig import ANN, schedule_of


class Stage(Driven):
    """The host, with a processor that is given what the queue of notifications holds."""

    def __init__(self) -> None:
        super().__init__()
        self.stage.sns()
        self.processor = Processor(
            Store(self.unit, self.shared),
            actions=self.actions,
            publisher=self.publisher,
            clock=self.clock,
            random=FakeRandom(),
            metrics=self.metrics,
        )

    def rule(self, kind: AlertKind, **fields: Any) -> None:
        asked = RuleDefinition(name="r", kind=kind, **fields)
        self.do(lambda ports: create_rule(ports, ANN, asked))

    def run(self, schedule: Schedule, number: int, took: float = 0) -> None:
        """An execution that the processor takes from its queue."""
        now = self.clock.now()
        asked = asked_execution(schedule, now, Cause.RUN, f"msg_{number}", now=now)
        self.do(lambda ports: ports.ledger.add([asked]))
        self.process(json.dumps({"schedule_id": schedule.id, "execution_id": asked.id}))

    def process(self, *bodies: str) -> None:
        """The processor works on messages."""
        assert asyncio.run(self.processor.process([record(body) for body in bodies], lambda: 600)) == []

    def knocked(self) -> list[str]:
        """What the queue of notifications holds."""
        return self.stage.received("notifications")

    def alert(self) -> Alert:
        (alert,) = self.do(lambda ports: ports.alerts.list(AlertQuery())).items
        return alert

    def sent(self) -> list[str]:
        """Titles of what was sent to channels."""
        return [str(work.payload["title"]) for work in self.actions.works if "channel" in work.payload]


@pytest.fixture
def host() -> Stage:
    return Stage()


@pytest.fixture
def schedule(host: Stage) -> Schedule:
    made = schedule_of(schedule_expression="cron(0 0 1 1 ? *)")
    host.do(lambda ports: ports.schedules.add(made))
    return made


def test_what_fails_is_told_by_the_sweep_and_sent_by_the_processor_once(
    host: Stage, schedule: Schedule
) -> None:
    host.rule(AlertKind.DEAD_LETTER, channels=("ops",))
    host.actions.script["target"].append(REFUSED)
    host.run(schedule, 1)
    host.clock.advance(seconds=30)
    host.sweep()
    bodies = host.knocked()
    assert [json.loads(body) for body in bodies] == [{"alert_id": host.alert().id}]
    host.process(*bodies, *bodies)  # the queue delivers twice
    assert host.sent() == ["report has failed for good"]
    assert host.alert().notices[0].status is NoticeStatus.SENT
    host.clock.advance(minutes=5)
    host.sweep()
    assert host.knocked() == []


def test_what_a_channel_refuses_for_now_is_handed_over_again_by_the_sweep(
    host: Stage, schedule: Schedule, capsys: pytest.CaptureFixture[str]
) -> None:
    host.rule(AlertKind.DEAD_LETTER, channels=("ops",))
    host.actions.script["target"] += [REFUSED, FAILED]
    host.run(schedule, 1)
    host.sweep()
    host.process(*host.knocked())
    assert host.alert().notices[0].status is NoticeStatus.PENDING
    host.clock.advance(minutes=20)
    assert host.sweep()["alerts"] == 1
    host.process(*host.knocked())
    assert host.alert().notices[0].status is NoticeStatus.SENT
    assert host.sent() == ["report has failed for good"] * 2
    capsys.readouterr()
    host.metrics.flush()
    found = emitted(capsys.readouterr().out.splitlines(), host.stage.names.stage)
    for status in ("retried", "sent"):
        labels = frozenset({("kind", "dead_letter"), ("status", status)})
        assert found[ALERT_NOTICES.name, labels] == [1.0]


def test_what_is_lost_on_the_way_is_handed_over_again(host: Stage, schedule: Schedule) -> None:
    host.rule(AlertKind.DEAD_LETTER, channels=("ops",))
    host.actions.script["target"].append(REFUSED)
    host.run(schedule, 1)
    host.sweep()
    host.knocked()  # and nobody heard
    host.clock.advance(minutes=1)
    assert host.sweep()["alerts"] == 1
    host.process(*host.knocked())
    assert len(host.sent()) == 1


def test_durations_are_compared_from_a_minute_after_the_rule_was_made(
    host: Stage, schedule: Schedule
) -> None:
    def facts() -> int:
        return len(host.do(lambda ports: ports.alerts.take_facts(10)))

    host.run(schedule, 1)
    host.rule(AlertKind.TOO_SLOW, schedule_id=schedule.id)
    host.clock.advance(seconds=1)
    host.run(schedule, 2)
    assert facts() == 0
    host.clock.advance(seconds=WATCH_SECONDS)
    host.run(schedule, 3)
    assert facts() == 1


def test_missed_runs_that_the_sweep_makes_good_are_told_though_nobody_made_a_rule(host: Stage) -> None:
    made = host.create(schedule_expression="cron(0 * * * ? *)")
    host.clock.advance(hours=3, minutes=20)
    host.keep_time()
    host.sweep()
    alerts = host.do(lambda ports: ports.alerts.list(AlertQuery())).items
    (missed,) = [one for one in alerts if one.subject == ENGINE]
    assert (missed.kind, missed.affected) == (AlertKind.MISSED, (made.id,))
