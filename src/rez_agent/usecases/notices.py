"""What is told of alerts, sent: through the channels that the operator configured, at least once each.

A notice is leased for one attempt at a time and recorded when that has ended. A crash in between repeats it
when the lease has run out, so a message may come twice and is never lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rez_agent.domain.action import Outcome, Work
from rez_agent.domain.alert import Alert, Notice, NoticeStatus, Phase
from rez_agent.domain.alert_rules import AlertKind
from rez_agent.domain.alert_text import notices_for
from rez_agent.domain.errors import Invalid, NotFound
from rez_agent.domain.policies import RetryPolicy
from rez_agent.domain.retry import RetryIn, decide
from rez_agent.domain.schedule import TargetType
from rez_agent.ports import Actions, AlertQuery, Page, Ports
from rez_agent.usecases.alert_rules import rule_for
from rez_agent.usecases.callers import Caller, check_known

LEASE = timedelta(seconds=120)
"""An attempt may take 30 seconds; after so long nobody waits for its end."""

RETRY = RetryPolicy(
    max_attempts=15, max_event_age_seconds=86_400, min_backoff_seconds=5.0, max_backoff_seconds=900.0
)
"""How often a channel that fails is tried: for a day, or until it says that no attempt can help."""

USUAL_CHANNELS = ("alerts", "default")
"""Where a rule that names no channel sends to: the first of these that the operator has configured."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt to send a notice. ``kind``: the alert's; None: a test."""

    alert_id: str
    kind: AlertKind | None
    number: int
    work: Work


def default_channels(actions: Actions, named: str | None = None) -> tuple[str, ...]:
    """The channel of rules that name none: the one that the operator ``named`` for it, or a usual one, or
    none. Raises Invalid ``unknown_channel`` when there is none so named."""
    for name in USUAL_CHANNELS if named is None else (named,):
        problems = actions.check(TargetType.NOTIFICATION, {"channel": name, "message": "-"})
        if not problems:
            return (name,)
        if named is not None:
            raise Invalid.of(problems)
    return ()


def send_test(ports: Ports, caller: Caller, rule_id: str, named: str | None) -> Alert:
    """A test alert through the rule's channels, or through the server's own, which the operator ``named``.
    Its notices tell what becomes of it. Raises NotFound, and Invalid ``no_alert_channel``."""
    now = ports.clock.now()
    rule = rule_for(ports, caller, rule_id)
    channels = rule.definition.channels or default_channels(ports.actions, named)
    if not channels:
        text = (
            "The rule names no channel, and the server has none for alerts: name one in 'channels', or "
            "configure a channel 'alerts' in the actions file."
        )
        raise Invalid(text, code="no_alert_channel")
    alert = Alert(
        id=ports.random.new_id("alert", now),
        rule_key=rule.key,
        rule_id=rule.id,
        rule_name=rule.definition.name,
        owner=rule.owner,
        kind=None,
        subject="test",
        detail="Somebody asked for a test.",
        opened_at=now,
        updated_at=now,
        closed_at=now,
        told_at=now,
        channels=channels,
    )
    alert = notices_for(alert, Phase.TEST, channels, {}, now)
    ports.alerts.save(alert)
    return alert


def alert_for(ports: Ports, caller: Caller, alert_id: str) -> Alert:
    """The alert, if the caller may see it. Raises NotFound ``alert_not_found``."""
    alert = ports.alerts.get(alert_id)
    if alert is None or not caller.reaches(alert.owner):
        raise NotFound(f"There is no alert '{alert_id}'.", code="alert_not_found")
    return alert


def alerts_for(ports: Ports, caller: Caller, query: AlertQuery) -> Page[Alert]:
    """A page of the alerts that the caller may see."""
    if query.schedule_id is not None:
        check_known(ports, caller, query.schedule_id)
    asked = AlertQuery(
        caller.owner_filter, query.schedule_id, query.kind, query.open, query.cursor, query.limit
    )
    return ports.alerts.list(asked)


def lease_notices(ports: Ports, limit: int) -> list[Sending]:
    """Lease what is to be sent now, of at most ``limit`` alerts."""
    now = ports.clock.now()
    return [sending for alert in ports.alerts.to_send(now, limit) for sending in _lease(ports, alert, now)]


def lease_notices_of(ports: Ports, alert_id: str) -> list[Sending]:
    """Lease what of one alert is to be sent now."""
    alert = ports.alerts.get(alert_id)
    return [] if alert is None else _lease(ports, alert, ports.clock.now())


def record_notice(ports: Ports, sending: Sending, outcome: Outcome) -> NoticeStatus | None:
    """An attempt has ended: the notice is sent, or tried again (pending), or given up. None where the attempt
    does not matter any more: its alert is gone, or its lease has passed to another."""
    alert = ports.alerts.get(sending.alert_id)
    leased = next((one for one in alert.notices if one.number == sending.number), None) if alert else None
    if alert is None or leased is None or not _is_of(leased, sending):
        return None
    ended = _ended(leased, outcome, ports.clock.now(), ports.random.draw())
    ports.alerts.save(alert.with_notices(tuple(ended if one is leased else one for one in alert.notices)))
    return ended.status


def _lease(ports: Ports, alert: Alert, now: datetime) -> list[Sending]:
    due = {one.number for one in alert.notices if one.next_at is not None and one.next_at <= now}
    leased = tuple(
        one.model_copy(update={"attempts": one.attempts + 1, "next_at": now + LEASE})
        if one.number in due
        else one
        for one in alert.notices
    )
    if due:
        ports.alerts.save(alert.with_notices(leased))
    return [_sending(alert, one) for one in leased if one.number in due]


def _sending(alert: Alert, notice: Notice) -> Sending:
    identity = f"{alert.id}-{notice.number}"
    payload = {
        "action": "notify",
        "channel": notice.channel,
        "title": notice.title,
        "message": notice.message,
        "priority": notice.priority,
        "tags": [f"rez-{'test' if alert.kind is None else alert.kind.value}", notice.phase.value],
    }
    work = Work(
        execution_id=identity,
        schedule_id=alert.schedule_id or "",
        schedule_name=alert.rule_name,
        owner=alert.owner,
        target_type=TargetType.NOTIFICATION,
        payload=payload,
        scheduled_time=notice.created_at,
        attempt=notice.attempts,
        idempotency_key=identity,
    )
    return Sending(alert.id, alert.kind, notice.number, work)


def _is_of(notice: Notice, sending: Sending) -> bool:
    """Whether the attempt still counts: the notice is not final, and nobody has taken it since."""
    return notice.next_at is not None and notice.attempts == sending.work.attempt


def _ended(notice: Notice, outcome: Outcome, now: datetime, draw: float) -> Notice:
    """The notice after an attempt."""
    if outcome.ok:
        changes = {"status": NoticeStatus.SENT, "next_at": None, "ended_at": now, "code": None, "error": None}
        return notice.model_copy(update=changes)
    verdict = decide(
        RETRY,
        outcome,
        retries_made=notice.attempts - 1,
        now=now,
        expires_at=notice.created_at + timedelta(seconds=RETRY.max_event_age_seconds),
        draw=draw,
    )
    told = {"code": outcome.code, "error": outcome.error}
    if isinstance(verdict, RetryIn):
        return notice.model_copy(update={"next_at": now + verdict.delay, **told})
    return notice.model_copy(update={"status": NoticeStatus.FAILED, "next_at": None, "ended_at": now, **told})
