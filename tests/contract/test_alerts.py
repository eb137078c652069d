"""The contract of Alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rez_agent.domain.alert import ENGINE, Alert, Phase
from rez_agent.domain.alert_rules import AlertKind
from rez_agent.domain.alert_text import notices_for
from rez_agent.domain.errors import Invalid
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import AlertQuery, Fact, Page, Record
from rez_agent.usecases.alert_rules import WATCH, WATCH_KEY
from rez_agent.usecases.entries import asked_execution
from tests.contract.hosts import SteppedHost
from tests.fakes import FAILED, NOON, OK, REFUSED
from tests.rig import schedule_of

MINUTE = timedelta(minutes=1)


def alert_of(number: int = 1, **fields: Any) -> Alert:
    opened = NOON + number * MINUTE
    return Alert(
        **{
            "id": f"alert_{number:026d}",
            "rule_key": "rule_1",
            "rule_id": "rule_1",
            "rule_name": "r",
            "owner": "ann",
            "kind": AlertKind.DEAD_LETTER,
            "subject": "example.org",
            "detail": "It failed.",
            "opened_at": opened,
            "updated_at": opened,
            "affected": ("sch_report",),
            "failing": ("sch_report",),
            **fields,
        }
    )


def save(host: SteppedHost, *alerts: Alert) -> None:
    def keep(alert: Alert) -> None:
        host.ask(lambda ports: ports.alerts.save(alert))

    for alert in alerts:
        keep(alert)


def ids(alerts: Any) -> list[int]:
    return [int(one.id.removeprefix("alert_")) for one in alerts]


def listed(host: SteppedHost, **query: Any) -> Page[Alert]:
    return host.ask(lambda ports: ports.alerts.list(AlertQuery(**query)))


def test_an_alert_is_given_back_as_it_was_kept_and_replaced(host: SteppedHost) -> None:
    alert = notices_for(alert_of(), Phase.FIRED, ["ops"], {}, NOON)
    save(host, alert)
    assert host.ask(lambda ports: ports.alerts.get(alert.id)) == alert
    closed = alert.model_copy(update={"closed_at": NOON + MINUTE, "failing": ()})
    save(host, closed)
    assert host.ask(lambda ports: ports.alerts.get(alert.id)) == closed
    assert host.ask(lambda ports: ports.alerts.get("alert_none")) is None


def test_the_last_of_a_rule_and_a_subject_is_found(host: SteppedHost) -> None:
    long = "x" * 1_500
    save(host, alert_of(1), alert_of(2), alert_of(3, subject="other.org"), alert_of(4, rule_key="rule_2"))
    save(host, alert_of(5, subject=long))
    assert host.ask(lambda ports: ports.alerts.last("rule_1", "example.org")) == alert_of(2)
    assert host.ask(lambda ports: ports.alerts.last("rule_1", long)) == alert_of(5, subject=long)
    assert host.ask(lambda ports: ports.alerts.last("rule_2", "other.org")) is None


def test_a_test_is_never_the_last_of_its_rule(host: SteppedHost) -> None:
    save(host, alert_of(1), alert_of(2, kind=None, subject="test"))
    assert host.ask(lambda ports: ports.alerts.last("rule_1", "example.org")) == alert_of(1)


def test_alerts_are_looked_at_when_their_time_has_come_the_longest_waiting_first(host: SteppedHost) -> None:
    at = NOON + timedelta(hours=1)
    save(
        host, alert_of(1, look_at=at + MINUTE), alert_of(2, look_at=at), alert_of(3), alert_of(4, look_at=at)
    )
    save(host, alert_of(4, look_at=at + 9 * MINUTE))

    def due(now: datetime, limit: int = 10) -> list[int]:
        return ids(host.ask(lambda ports: ports.alerts.to_look_at(now, limit)))

    assert due(at - MINUTE) == []
    assert due(at) == [2]
    assert due(at + MINUTE) == [2, 1]
    assert due(at + MINUTE, limit=1) == [2]
    save(host, alert_of(2, look_at=None))
    assert due(at + 9 * MINUTE) == [1, 4]


def test_alerts_are_sent_when_a_notice_is_due(host: SteppedHost) -> None:
    alert = notices_for(alert_of(), Phase.FIRED, ["ops", "chat"], {}, NOON)
    save(host, alert, alert_of(2))
    assert host.ask(lambda ports: ports.alerts.to_send(NOON - MINUTE, 10)) == ()
    assert host.ask(lambda ports: ports.alerts.to_send(NOON, 10)) == (alert,)
    sent = tuple(one.model_copy(update={"next_at": None}) for one in alert.notices)
    save(host, alert.with_notices(sent))
    assert host.ask(lambda ports: ports.alerts.to_send(NOON, 10)) == ()


def test_a_list_is_newest_first_and_filtered(host: SteppedHost) -> None:
    save(
        host,
        alert_of(1, closed_at=NOON + timedelta(hours=1)),
        alert_of(2, owner="bob"),
        alert_of(3, kind=AlertKind.MISSED, subject=ENGINE, affected=("sch_a", "sch_b")),
        alert_of(4, kind=None, subject="test", affected=()),
    )
    assert ids(listed(host).items) == [4, 3, 2, 1]
    assert ids(listed(host, owner="ann").items) == [4, 3, 1]
    assert ids(listed(host, open=True).items) == [4, 3, 2]
    assert ids(listed(host, owner="ann", open=False).items) == [1]
    assert ids(listed(host, kind=AlertKind.MISSED).items) == [3]
    assert ids(listed(host, schedule_id="sch_b").items) == [3]
    assert ids(listed(host, schedule_id="sch_report", owner="bob").items) == [2]


def test_a_list_goes_on_where_its_page_ended(host: SteppedHost) -> None:
    save(host, *[alert_of(number) for number in range(1, 6)])
    first = listed(host, limit=2)
    assert ids(first.items) == [5, 4]
    second = listed(host, limit=2, cursor=first.next_cursor)
    assert ids(second.items) == [3, 2]
    last = listed(host, limit=2, cursor=second.next_cursor)
    assert (ids(last.items), last.next_cursor) == ([1], None)
    with pytest.raises(Invalid) as raised:
        listed(host, owner="bob", cursor=first.next_cursor)
    assert raised.value.code == "invalid_cursor"


# --- facts ---


def facts(host: SteppedHost, limit: int = 100) -> tuple[Fact, ...]:
    return host.ask(lambda ports: ports.alerts.take_facts(limit))


def added(host: SteppedHost, schedule: Schedule) -> Schedule:
    host.ask(lambda ports: ports.schedules.add(schedule))
    return schedule


def ran(host: SteppedHost, schedule: Schedule, outcome: Any, number: int = 1) -> Execution:
    """An execution that is asked for now, and ends with ``outcome``."""
    now = host.clock.now()
    asked = asked_execution(schedule, now, Cause.RUN, f"msg_{number}", now=now)
    host.ask(lambda ports: ports.ledger.add([asked]))
    for claimed in host.claim():
        host.end(claimed, outcome)
    found = host.ask(lambda ports: ports.ledger.get(asked.id))
    assert found is not None
    return found


def test_what_fails_is_a_fact_that_is_taken_once(host: SteppedHost) -> None:
    schedule = added(host, schedule_of())
    failed = ran(host, schedule, REFUSED)
    assert failed.status is ExecutionStatus.FAILED
    assert facts(host) == (Fact(failed),)
    assert facts(host) == ()


def test_what_succeeds_or_is_tried_again_is_none(host: SteppedHost) -> None:
    schedule = added(host, schedule_of())
    ran(host, schedule, OK, 1)
    host.clock.advance(seconds=1)
    ran(host, schedule, FAILED, 2)
    assert facts(host) == ()


@pytest.mark.parametrize(
    "watch", [{"owners": ["ann"], "schedules": []}, {"owners": [], "schedules": ["sch_report"]}]
)
def test_what_succeeds_is_a_fact_where_a_rule_compares_durations(
    host: SteppedHost, watch: dict[str, Any]
) -> None:
    schedule = added(host, schedule_of())
    host.ask(lambda ports: ports.records.put(Record(WATCH, WATCH_KEY, {**watch, "grace": 300})))
    host.clock.advance(seconds=61)
    done = ran(host, schedule, OK)
    assert facts(host) == (Fact(done),)
    other = added(host, schedule_of("other", created_by="bob"))
    ran(host, other, OK)
    assert facts(host) == ()


def test_what_was_missed_or_is_caught_up_is_late(host: SteppedHost) -> None:
    schedule = added(host, schedule_of())
    now = host.clock.now()
    plain = asked_execution(schedule, now, Cause.RUN, "msg_1", now=now)
    fields: dict[str, Any] = {"message_id": None, "id": "sch_report_20260601T110000Z"}
    missed = _like(
        plain, **fields, status=ExecutionStatus.SKIPPED, reason=Reason.MISSED, next_attempt_at=None
    )
    fields = {"message_id": None, "id": "sch_report_20260601T113000Z", "cause": Cause.CATCH_UP}
    caught_up = _like(plain, **fields)
    host.ask(lambda ports: ports.ledger.add([plain, missed, caught_up]))
    found = facts(host)
    assert {(one.execution.id, one.late) for one in found} == {(missed.id, True), (caught_up.id, True)}


def test_what_expired_before_it_could_start_is_late(host: SteppedHost) -> None:
    schedule = added(host, schedule_of())
    now = host.clock.now()
    asked = asked_execution(schedule, now, Cause.RUN, "msg_1", now=now)
    host.ask(lambda ports: ports.ledger.add([asked]))
    host.clock.advance(hours=2)
    assert host.claim() == []
    (fact,) = facts(host)
    assert (fact.late, fact.execution.reason) == (True, Reason.EXPIRED)


def test_what_waits_in_a_queue_beyond_its_time_is_overdue(host: SteppedHost) -> None:
    schedule = added(host, schedule_of())
    now = host.clock.now()
    asked = asked_execution(schedule, now, Cause.RUN, "msg_1", now=now)
    later = _like(asked, id="sch_report_20260601T120000Z_backfill_msg_2", cause=Cause.BACKFILL)
    host.ask(lambda ports: ports.ledger.add([asked, later]))
    overdue = host.ask(lambda ports: ports.alerts.overdue(now + MINUTE, 10))
    (found,) = [one for one in overdue if one.subject != ENGINE]
    assert (found.schedule_id, found.owner, found.subject, found.due_at) == (
        schedule.id,
        "ann",
        "target",
        now,
    )
    for claimed in host.claim():
        host.end(claimed, FAILED)
    overdue = host.ask(lambda ports: ports.alerts.overdue(now + timedelta(days=1), 10))
    assert [one for one in overdue if one.subject != ENGINE] == [], "it has started"


def _like(execution: Execution, **changes: Any) -> Execution:
    return replace(execution, **changes)


def test_durations_are_of_those_that_succeeded_before(host: SteppedHost) -> None:
    schedule = added(host, schedule_of())
    for number, (seconds, outcome) in enumerate([(1, OK), (2, OK), (3, REFUSED), (4, OK), (5, OK), (6, OK)]):
        now = host.clock.advance(seconds=60)
        asked = asked_execution(schedule, now, Cause.RUN, f"msg_{number}", now=now)
        host.ask(lambda ports, asked=asked: ports.ledger.add([asked]))  # type: ignore[misc]
        (claimed,) = host.claim()
        host.clock.advance(seconds=seconds)
        host.end(claimed, outcome)
    last = host.ask(lambda ports: ports.ledger.get(claimed.work.execution_id))
    assert last is not None
    assert host.ask(lambda ports: ports.alerts.durations_before(last, 10)) == (5_000, 4_000, 2_000, 1_000)
    assert host.ask(lambda ports: ports.alerts.durations_before(last, 3)) == (5_000, 4_000, 2_000)
