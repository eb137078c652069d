"""Sending what is told of alerts: leased, tried again, recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rez_agent.actions.build import make_actions
from rez_agent.domain.action import Outcome
from rez_agent.domain.alert import Alert, Notice, NoticeStatus
from rez_agent.domain.alert_rules import STANDING, AlertKind, RuleDefinition
from rez_agent.domain.errors import Invalid, NotFound
from rez_agent.local.secrets import FileSecrets
from rez_agent.usecases.alert_rules import create_rule
from rez_agent.usecases.notices import (
    LEASE,
    Sending,
    alert_for,
    default_channels,
    lease_notices,
    lease_notices_of,
    record_notice,
    send_test,
)
from tests.fakes import FAILED, NOON, OK, REFUSED
from tests.rig import ADMIN, ANN, BOB, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    host = Rig(tmp_path)
    yield host
    host.close()


def a_test_of(rig: Rig, *channels: str) -> Alert:
    asked = RuleDefinition(name="r", kind=AlertKind.DEAD_LETTER, channels=channels)
    rule = rig.do(lambda ports: create_rule(ports, ANN, asked))
    return rig.do(lambda ports: send_test(ports, ANN, rule.id, None))


def leased(rig: Rig) -> list[Sending]:
    return rig.do(lambda ports: lease_notices(ports, 10))


def ended(rig: Rig, sending: Sending, outcome: Outcome) -> None:
    rig.do(lambda ports: record_notice(ports, sending, outcome))


def notices(rig: Rig, alert: Alert) -> tuple[Notice, ...]:
    found = rig.ports.alerts.get(alert.id)
    assert found is not None
    return found.notices


def test_a_notice_is_leased_once_and_sent_is_final(rig: Rig) -> None:
    alert = a_test_of(rig, "ops")
    (sending,) = leased(rig)
    assert leased(rig) == []
    assert sending.work.payload["channel"] == "ops"
    assert sending.work.payload["title"] == "rez-agent: a test alert"
    ended(rig, sending, OK)
    (notice,) = notices(rig, alert)
    assert (notice.status, notice.attempts, notice.ended_at) == (NoticeStatus.SENT, 1, NOON)
    rig.clock.advance(days=2)
    assert leased(rig) == []


def test_each_channel_has_its_own_end(rig: Rig) -> None:
    alert = a_test_of(rig, "ops", "chat")
    first, second = leased(rig)
    ended(rig, first, OK)
    ended(rig, second, REFUSED)
    assert [one.status for one in notices(rig, alert)] == [NoticeStatus.SENT, NoticeStatus.FAILED]
    assert notices(rig, alert)[1].error == "the target answered 404"


def test_a_failure_is_tried_again_for_a_day(rig: Rig) -> None:
    alert = a_test_of(rig, "ops")
    tries = 0
    while notices(rig, alert)[0].status is NoticeStatus.PENDING:
        for sending in leased(rig):
            tries += 1
            assert sending.work.idempotency_key == f"{alert.id}-1"
            ended(rig, sending, FAILED)
        rig.clock.advance(seconds=60)
    (notice,) = notices(rig, alert)
    assert notice.status is NoticeStatus.FAILED
    assert tries == notice.attempts == 16
    assert notice.code == "status"


def test_a_crash_while_it_is_sent_repeats_it_when_the_lease_has_run_out(rig: Rig) -> None:
    alert = a_test_of(rig, "ops")
    (lost,) = leased(rig)
    rig.clock.advance(seconds=LEASE.total_seconds() - 1)
    assert leased(rig) == []
    rig.clock.advance(seconds=1)
    (again,) = leased(rig)
    assert (again.work.attempt, again.work.idempotency_key) == (2, lost.work.idempotency_key)
    ended(rig, lost, FAILED)
    assert notices(rig, alert)[0].code is None, "an older attempt has no say"
    ended(rig, again, OK)
    assert notices(rig, alert)[0].status is NoticeStatus.SENT


def test_what_of_one_alert_is_due_is_leased_by_its_id(rig: Rig) -> None:
    alert = a_test_of(rig, "ops")
    other = a_test_of(rig, "ops")
    (sending,) = rig.do(lambda ports: lease_notices_of(ports, alert.id))
    assert sending.alert_id == alert.id
    assert rig.do(lambda ports: lease_notices_of(ports, alert.id)) == []
    assert rig.do(lambda ports: lease_notices_of(ports, "alert_none")) == []
    assert [one.alert_id for one in leased(rig)] == [other.id]


def test_a_test_without_any_channel_says_how_to_have_one(rig: Rig) -> None:
    rig.actions.refused = {"alerts", "default"}
    with pytest.raises(Invalid) as raised:
        rig.do(lambda ports: send_test(ports, ANN, STANDING, None))
    assert raised.value.code == "no_alert_channel"
    alert = rig.do(lambda ports: send_test(ports, ANN, STANDING, "ops"))
    assert [one.channel for one in alert.notices] == ["ops"]
    assert not alert.open


def test_an_alert_is_its_owners_to_read(rig: Rig) -> None:
    alert = a_test_of(rig, "ops")
    assert rig.do(lambda ports: alert_for(ports, ADMIN, alert.id)) == alert
    with pytest.raises(NotFound):
        rig.do(lambda ports: alert_for(ports, BOB, alert.id))


def test_the_channel_of_alerts_is_the_one_that_is_named_or_a_usual_one(tmp_path: Path) -> None:
    def channels(text: str, named: str | None = None) -> tuple[str, ...]:
        file = tmp_path / "actions.yaml"
        file.write_text(f"channels: {{{text}}}")
        secrets = FileSecrets(tmp_path / "secrets", lambda: NOON)
        actions = make_actions(secrets=secrets, actions_file=file, now=lambda: NOON, monotonic=lambda: 0.0)
        return default_channels(actions, named)

    topic = "ntfy://127.0.0.1/x"
    assert channels("") == ()
    assert channels(f"default: '{topic}'") == ("default",)
    assert channels(f"default: '{topic}', alerts: '{topic}'") == ("alerts",)
    assert channels(f"default: '{topic}', ops: '{topic}'", "ops") == ("ops",)
    assert channels("", "log") == ("log",)
    with pytest.raises(Invalid) as raised:
        channels(f"default: '{topic}'", "opps")
    assert raised.value.problems[0].code == "unknown_channel"
