"""Alerting, end to end on a host that a test moves: what is seen, what is told, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.action import Outcome
from rez_agent.domain.alert import ENGINE, Alert, Phase
from rez_agent.domain.alert_rules import STANDING, AlertKind, AlertRule, RuleDefinition
from rez_agent.domain.execution import Cause, ExecutionStatus
from rez_agent.domain.schedule import Schedule
from rez_agent.usecases.alert_rules import create_rule, delete_rule, replace_rule
from rez_agent.usecases.entries import asked_execution
from tests.fakes import NOON, OK, REFUSED
from tests.rig import ANN, BOB, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    host = Rig(tmp_path)
    yield host
    host.close()


def rule(rig: Rig, kind: str, **fields: Any) -> AlertRule:
    asked = RuleDefinition(name=kind, kind=AlertKind(kind), **fields)
    return rig.do(lambda ports: create_rule(ports, ANN, asked))


def fire(rig: Rig, *outcomes: Outcome, minutes: float = 1, took: float = 0) -> None:
    """The schedules that are due each minute run, once for each outcome."""
    for outcome in outcomes:
        rig.clock.advance(minutes=minutes)
        rig.tick_all()
        claimed = rig.claim()
        rig.clock.advance(seconds=took)
        for one in claimed:
            rig.end(one, outcome)


def schedule(rig: Rig, name: str = "report", **changes: Any) -> Schedule:
    """Due each minute, first a minute from now."""
    return rig.create(name, schedule_expression="rate(1 minute)", start=_in_a_minute(rig), **changes)


def _in_a_minute(rig: Rig) -> str:
    return (rig.clock.now() + timedelta(minutes=1)).isoformat()


def phases(alert: Alert) -> list[str]:
    return [one.phase.value for one in alert.notices]


def of_kind(alerts: list[Alert], kind: str) -> list[Alert]:
    return [one for one in alerts if one.kind == kind]


def test_failures_in_a_row_are_told_once_and_their_end_once(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=3)
    made = schedule(rig)
    fire(rig, REFUSED, REFUSED)
    assert rig.look_for_alerts("ops") == []
    fire(rig, REFUSED, REFUSED, REFUSED)
    (alert,) = rig.look_for_alerts("ops")
    assert (alert.subject, alert.affected, phases(alert)) == ("target", (made.id,), ["fired"])
    fire(rig, REFUSED, OK)
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired", "recovered"]
    assert not alert.open
    fire(rig, OK, OK)
    assert rig.look_for_alerts("ops") == [alert]


def test_an_outage_that_ended_between_two_looks_is_told_with_its_end(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=2)
    schedule(rig)
    fire(rig, REFUSED, REFUSED, OK)
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired"]
    rig.clock.advance(seconds=2)
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired", "recovered"]


def test_many_schedules_at_one_target_are_one_alert_that_names_how_many(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=2)
    for number in range(12):
        schedule(rig, f"s{number}")
    schedule(rig, "other", payload={"target": "elsewhere"})
    fire(rig, REFUSED, REFUSED)
    alerts = rig.look_for_alerts("ops")
    assert {one.subject: len(one.affected) for one in alerts} == {"target": 12, "elsewhere": 1}
    (told,) = next(one for one in alerts if one.subject == "target").notices
    assert told.title == "12 schedules fail"
    assert "and 7 more" in told.message


def test_a_target_is_well_again_when_all_that_failed_at_it_are(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=1)
    schedule(rig, "bad")
    rig.create("good", schedule_expression="cron(0 13 * * ? *)")
    fire(rig, REFUSED)
    rig.look_for_alerts("ops")
    rig.command(action="run", schedule_id=rig.create("third").id)
    rig.work()
    rig.clock.advance(seconds=5)
    (alert,) = rig.look_for_alerts("ops")
    assert alert.open, "that another schedule succeeds there says nothing of this one"


def test_a_rule_by_tag_sees_only_what_has_the_tag(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=1, tag="prod")
    schedule(rig, "a")
    made = schedule(rig, "b", tags=["prod"])
    fire(rig, REFUSED)
    (alert,) = rig.look_for_alerts("ops")
    assert alert.affected == (made.id,)


def test_a_failure_rate_is_told_when_it_is_reached(rig: Rig) -> None:
    rule(rig, "failure_rate", percent=50.0, minimum_executions=4)
    schedule(rig)
    fire(rig, OK, REFUSED, OK)
    assert rig.look_for_alerts("ops") == []
    fire(rig, REFUSED)
    (alert,) = rig.look_for_alerts("ops")
    assert alert.detail.startswith("2 of 4 executions failed within 1 h.")
    fire(rig, OK, OK)
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired", "recovered"]


def test_a_dead_letter_is_told_and_one_of_a_schedule_that_is_done_ends_without_a_word(rig: Rig) -> None:
    rule(rig, "dead_letter", quiet_period_seconds=600)
    rig.create("once", schedule_expression="at(2026-06-01T12:01:00)")
    rig.create("twice", schedule_expression="at(2026-06-01T12:03:00)")
    fire(rig, REFUSED)
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired"]
    rig.clock.advance(seconds=5)
    (alert,) = rig.look_for_alerts("ops")
    assert (alert.open, phases(alert)) == (False, ["fired"])
    fire(rig, REFUSED, minutes=2)
    rig.look_for_alerts("ops")
    rig.clock.advance(seconds=5)
    (alert,) = rig.look_for_alerts("ops")
    assert (alert.held, phases(alert)) == (1, ["fired"]), "within the quiet period"
    rig.clock.advance(minutes=10)
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired", "again"]
    assert "It came back once more since the last message, and is over now." in alert.notices[-1].message


@pytest.mark.parametrize(("kind", "took"), [("too_slow", 9.0), ("too_fast", 0.1)])
def test_one_that_takes_unusually_long_or_short_is_told_and_its_end(rig: Rig, kind: str, took: float) -> None:
    schedule(rig)
    for n in range(25):
        fire(rig, OK, took=3 + 0.1 * (n % 3))
    rule(rig, kind)
    fire(rig, OK, took=3.1)
    assert rig.look_for_alerts("ops") == []
    fire(rig, OK, took=took)
    (alert,) = rig.look_for_alerts("ops")
    assert "than usual: the median of the last 26 is 3" in alert.detail
    fire(rig, OK, took=3.1)
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired", "recovered"]


# --- missed ---


def test_what_was_missed_while_nothing_could_fire_is_told_though_nobody_made_a_rule(rig: Rig) -> None:
    for number in range(3):
        schedule(rig, f"s{number}")
    fire(rig, OK)
    rig.clock.advance(minutes=20)
    rig.tick_all()
    rig.work()
    (alert,) = rig.look_for_alerts("ops")
    assert (alert.rule_id, alert.kind, alert.subject) == (STANDING, AlertKind.MISSED, ENGINE)
    assert len(alert.affected) == 3
    assert alert.notices[0].title == "3 schedules did not run in time"
    rig.clock.advance(seconds=70)
    rig.tick_all()
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired", "recovered"]


def test_a_missed_run_is_kept_though_no_channel_is_there_to_tell_it(rig: Rig) -> None:
    schedule(rig)
    rig.clock.advance(minutes=20)
    (alert,) = rig.look_for_alerts()
    assert (alert.kind, alert.notices) == (AlertKind.MISSED, ())


def test_what_the_engine_has_not_come_to_is_told_before_it_comes(rig: Rig) -> None:
    made = schedule(rig)
    rig.clock.advance(minutes=6)
    assert of_kind(rig.look_for_alerts("ops"), "missed") == []
    rig.clock.advance(minutes=1)
    (alert,) = rig.look_for_alerts("ops")
    assert (alert.subject, alert.affected) == (ENGINE, (made.id,))


def test_what_waits_too_long_in_its_targets_queue_is_told_of_the_target(rig: Rig) -> None:
    rig.create("once", schedule_expression="at(2026-06-01T12:01:00)")
    rig.clock.advance(minutes=1)
    rig.tick_all()
    rig.clock.advance(minutes=4)
    assert rig.look_for_alerts("ops") == []
    rig.clock.advance(minutes=2)
    (alert,) = rig.look_for_alerts("ops")
    assert (alert.kind, alert.subject) == (AlertKind.MISSED, "target")
    rig.work()
    rig.clock.advance(seconds=61)
    (alert,) = rig.look_for_alerts("ops")
    assert phases(alert) == ["fired", "recovered"]


def test_a_paused_or_finished_schedule_is_never_missed(rig: Rig) -> None:
    paused = schedule(rig)
    rig.command(action="pause", schedule_id=paused.id)
    rig.create("once", schedule_expression="at(2026-06-01T12:01:00)")
    fire(rig, OK)
    rig.clock.advance(hours=9)
    rig.tick_all()
    rig.command(action="resume", schedule_id=paused.id)
    rig.tick_all()
    assert rig.look_for_alerts("ops") == []


def test_a_delay_within_the_grace_is_not_missed(rig: Rig) -> None:
    schedule(rig)
    rig.clock.advance(minutes=4)
    rig.tick_all()
    rig.work()
    assert rig.look_for_alerts("ops") == []


def test_the_standing_rule_can_be_changed_and_turned_off(rig: Rig) -> None:
    short = RuleDefinition(name="short", kind=AlertKind.MISSED, grace_seconds=30, channels=("ops",))
    rig.do(lambda ports: replace_rule(ports, ANN, STANDING, short))
    schedule(rig)
    rig.clock.advance(minutes=1, seconds=31)
    (alert,) = rig.look_for_alerts()
    assert [one.channel for one in alert.notices] == ["ops"]
    off = short.model_copy(update={"enabled": False})
    rig.do(lambda ports: replace_rule(ports, ANN, STANDING, off))
    rig.clock.advance(hours=3)
    (alert,) = rig.look_for_alerts()
    assert (alert.open, phases(alert)) == (False, ["fired"])


# --- what else may happen ---


def test_an_alert_of_a_rule_that_is_deleted_ends_without_a_word(rig: Rig) -> None:
    made = rule(rig, "consecutive_failures", failures=1)
    schedule(rig)
    fire(rig, REFUSED)
    rig.look_for_alerts("ops")
    rig.do(lambda ports: delete_rule(ports, ANN, made.id))
    rig.clock.advance(seconds=5)
    (alert,) = rig.look_for_alerts("ops")
    assert (alert.open, phases(alert)) == (False, ["fired"])


def test_a_deleted_schedule_is_no_reason_to_wait_for_its_recovery(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=1)
    made = schedule(rig)
    fire(rig, REFUSED)
    rig.look_for_alerts("ops")
    rig.command(action="delete", schedule_id=made.id)
    rig.clock.advance(seconds=5)
    (alert,) = rig.look_for_alerts("ops")
    assert (alert.open, phases(alert)) == (False, ["fired"])


def test_a_test_run_that_fails_is_no_alert(rig: Rig) -> None:
    made = rig.create("report", schedule_expression="cron(0 13 * * ? *)")
    rig.command(action="run", schedule_id=made.id)
    rig.work(REFUSED)
    rig.look_for_alerts("ops")
    rule(rig, "consecutive_failures", failures=1)
    now = rig.clock.advance(minutes=1)
    tried = asked_execution(made, now, Cause.TEST, "msg_1", now=now)
    rig.do(lambda ports: ports.ledger.add([tried]))
    rig.work(REFUSED)
    assert rig.execution(tried.id).status is ExecutionStatus.FAILED
    assert rig.look_for_alerts("ops") == []


def test_an_owner_hears_nothing_of_anothers_schedules(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=1)
    rig.create("bobs", BOB, schedule_expression="rate(1 minute)")
    fire(rig, REFUSED)
    assert rig.look_for_alerts("ops") == []


def test_the_channels_of_a_rule_are_told_each(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=1, channels=("ops", "chat"))
    schedule(rig)
    fire(rig, REFUSED)
    (alert,) = rig.look_for_alerts("other")
    assert [(one.channel, one.phase) for one in alert.notices] == [
        ("ops", Phase.FIRED),
        ("chat", Phase.FIRED),
    ]


def test_an_alert_on_the_way_out_of_a_crash_is_neither_lost_nor_doubled(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rule(rig, "consecutive_failures", failures=1)
    schedule(rig)
    fire(rig, REFUSED)
    rig.close()  # the fact is noted, nobody has looked
    again = Rig(tmp_path, clock=rig.clock, random=rig.random)
    assert len(again.look_for_alerts("ops")) == 1
    again.close()
    third = Rig(tmp_path, clock=rig.clock, random=rig.random)
    (alert,) = third.look_for_alerts("ops")
    assert phases(alert) == ["fired"]
    third.close()


def test_alerts_that_were_over_long_ago_are_forgotten(rig: Rig) -> None:
    rule(rig, "consecutive_failures", failures=1)
    schedule(rig, end=(NOON + timedelta(minutes=2)).isoformat())
    fire(rig, REFUSED)
    rig.look_for_alerts("ops")
    fire(rig, OK, OK)
    rig.look_for_alerts("ops")
    rig.clock.advance(days=91)
    rig.sweep()
    assert rig.look_for_alerts("ops") == []


def test_what_no_rule_asks_about_leaves_nothing_to_look_at(rig: Rig) -> None:
    schedule(rig)
    fire(rig, OK, OK, OK)
    assert rig.one("SELECT count(*) FROM alert_facts") == 0
