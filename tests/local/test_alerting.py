"""Alerting on the local host: the loop that looks and sends, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from rez_agent.domain.alert import Alert, NoticeStatus
from rez_agent.domain.alert_rules import STANDING, AlertKind, RuleDefinition
from rez_agent.local.alerting import Alerting
from rez_agent.local.metrics import LocalMetrics
from rez_agent.ports import AlertQuery
from rez_agent.usecases.alert_rules import create_rule
from rez_agent.usecases.notices import send_test
from tests.fakes import FAILED, REFUSED
from tests.rig import ANN, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    host = Rig(tmp_path)
    yield host
    host.close()


def failing(rig: Rig, *channels: str) -> None:
    """A dead letter that a rule tells to ``channels``."""
    asked = RuleDefinition(name="r", kind=AlertKind.DEAD_LETTER, channels=channels)
    rig.do(lambda ports: create_rule(ports, ANN, asked))
    rig.create("once", schedule_expression="at(2026-06-01T12:01:00)")
    rig.clock.advance(minutes=1)
    rig.tick()
    rig.work(REFUSED)


def counted(metrics: LocalMetrics) -> dict[tuple[str, ...], int]:
    """The messages that were counted, by kind and status."""
    return {labels: count for labels, count in metrics.notices.items() if count}


def alerting(rig: Rig, *fallback: str, metrics: LocalMetrics | None = None) -> Alerting:
    counting = metrics or LocalMetrics(CollectorRegistry())
    return Alerting(rig.write, actions=rig.actions, fallback=fallback, metrics=counting)


def the_alert(rig: Rig) -> Alert:
    (alert,) = rig.ports.alerts.list(AlertQuery()).items
    return alert


def test_a_look_sends_what_it_led_to(rig: Rig) -> None:
    async def story() -> None:
        failing(rig, "ops", "chat")
        looking = alerting(rig)
        await looking.tick()
        await looking.stop()
        assert [work.payload["channel"] for work in rig.actions.works] == ["ops", "chat"]
        assert [one.status for one in the_alert(rig).notices] == [NoticeStatus.SENT] * 2
        await looking.tick()
        assert len(rig.actions.works) == 2

    asyncio.run(story())


def test_rules_without_a_channel_send_to_the_servers_own(rig: Rig) -> None:
    async def story() -> None:
        failing(rig)
        looking = alerting(rig, "alerts")
        await looking.tick()
        await looking.stop()
        assert [work.payload["channel"] for work in rig.actions.works] == ["alerts"]

    asyncio.run(story())


def test_what_fails_is_sent_again_later(rig: Rig) -> None:
    async def story() -> None:
        failing(rig, "ops")
        rig.actions.script["target"].append(FAILED)
        metrics = LocalMetrics(CollectorRegistry())
        looking = alerting(rig, metrics=metrics)
        await looking.tick()
        await looking.stop()
        assert the_alert(rig).notices[0].status is NoticeStatus.PENDING
        assert counted(metrics) == {("dead_letter", "retried"): 1}
        rig.clock.advance(minutes=20)
        again = alerting(rig, metrics=metrics)
        await again.tick()
        await again.stop()
        assert the_alert(rig).notices[0].status is NoticeStatus.SENT
        assert counted(metrics) == {("dead_letter", "retried"): 1, ("dead_letter", "sent"): 1}
        assert len({work.idempotency_key for work in rig.actions.works}) == 1

    asyncio.run(story())


def test_a_slow_channel_holds_up_no_look(rig: Rig) -> None:
    async def story() -> None:
        failing(rig, "ops")
        rig.actions.gates["target"] = gate = asyncio.Event()
        looking = alerting(rig)
        await looking.tick()
        await rig.actions.next_begun()
        assert not await looking.tick()
        gate.set()
        await looking.stop()
        assert the_alert(rig).notices[0].status is NoticeStatus.SENT

    asyncio.run(story())


def test_the_loop_looks_by_itself_and_when_it_is_woken(rig: Rig) -> None:
    async def story() -> None:
        looking = alerting(rig)
        looking.start()
        failing(rig, "ops")
        looking.wake()
        await rig.actions.next_begun()
        await looking.stop()
        assert the_alert(rig).notices[0].status is NoticeStatus.SENT

    asyncio.run(story())


def test_a_message_that_is_given_up_and_a_test_are_counted_as_such(rig: Rig) -> None:
    async def story() -> None:
        metrics = LocalMetrics(CollectorRegistry())
        rig.do(lambda ports: send_test(ports, ANN, STANDING, "ops"))
        rig.actions.script["target"].append(REFUSED)
        looking = alerting(rig, metrics=metrics)
        await looking.tick()
        await looking.stop()
        assert counted(metrics) == {("test", "failed"): 1}

    asyncio.run(story())
