"""An alert: one outage, from the moment it is seen until it is over, and what was told of it.

There is one alert at a time for a rule and its subject: the target that fails, the schedule that takes too
long, the engine that comes too late. However many schedules are affected, in whatever order and however often
that is seen, it is told once. When it comes again within the quiet period it is held: the same alert opens
again, and when the period is over it is told how often. An end is told if the rule asks, and only if the
beginning was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rez_agent.domain.alert_rules import AlertKind, AlertRule
from rez_agent.domain.instants import Instant
from rez_agent.domain.policies import Frozen

AFFECTED_AT_MOST = 1_000
"""Schedules that an alert knows by name; beyond it, "more than"."""

LOOKED_AGAIN = timedelta(seconds=2)
"""After so long an open alert is looked at again, whether it is over; longer the more schedules it has."""

SETTLED = timedelta(seconds=60)
"""What came too late is over when nothing more has for so long."""

ENGINE = "engine"
"""The subject of what was missed because the engine itself came too late."""


class Phase(StrEnum):
    """What is told: that it began, that it came again while it was to be quiet, that it is over; a test."""

    FIRED = "fired"
    AGAIN = "again"
    RECOVERED = "recovered"
    TEST = "test"


class NoticeStatus(StrEnum):
    """The states of a notice. ``failed``: no further attempt is made."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Notice(Frozen):
    """A message of an alert to one channel.

    ``next_at``: when it is sent (again) unless it is heard of before; None once it is final. ``attempts``
    counts those begun; ``code`` and ``error`` tell of the last that failed.
    """

    number: int
    phase: Phase
    channel: str
    title: str
    message: str
    priority: str
    created_at: Instant
    status: NoticeStatus = NoticeStatus.PENDING
    attempts: int = 0
    next_at: Instant | None = None
    ended_at: Instant | None = None
    code: str | None = None
    error: str | None = None


class Alert(Frozen):
    """An outage. ``kind`` None: a test.

    ``affected``: the schedules that it ever concerned, in order; ``failing``: those that it concerns still;
    ``beyond``: there were more. ``sightings`` counts how often it was seen; ``held`` how often it began since
    it was last told (``told_at``). ``look_at``: when it must be looked at, None: never again.
    """

    id: str
    rule_key: str
    rule_id: str
    rule_name: str
    owner: str
    kind: AlertKind | None
    subject: str
    detail: str
    opened_at: Instant
    updated_at: Instant
    schedule_id: str | None = None
    execution_id: str | None = None
    closed_at: Instant | None = None
    told_at: Instant | None = None
    affected: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    beyond: bool = False
    sightings: int = 1
    held: int = 0
    recovery: bool = False
    quiet_period_seconds: int = 0
    channels: tuple[str, ...] = ()
    look_at: Instant | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it is not over."""
        return self.closed_at is None

    @property
    def quiet_until(self) -> datetime | None:
        """Until when nothing more is told of it but its end."""
        return None if self.told_at is None else self.told_at + timedelta(seconds=self.quiet_period_seconds)

    @property
    def pending_at(self) -> datetime | None:
        """When a notice is to be sent next, or None."""
        return min((one.next_at for one in self.notices if one.next_at is not None), default=None)

    def with_notices(self, notices: tuple[Notice, ...]) -> Alert:
        """The alert with these, in place of those that it has."""
        return self.model_copy(update={"notices": notices})


@dataclass(frozen=True, slots=True)
class Sighting:
    """That a rule's condition holds: of which schedule, of what, and a sentence that says so."""

    subject: str
    schedule_id: str
    execution_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """An alert's next state, and what is to be told now, if anything."""

    alert: Alert
    tell: Phase | None = None


def sighted(
    rule: AlertRule, alert: Alert | None, sighting: Sighting, now: datetime, new_id: Callable[[], str]
) -> Step:
    """``sighting`` was made; ``alert`` is the last of this rule and subject, or None."""
    if alert is None or _may_be_told_anew(alert, now):
        return Step(_opened(rule, sighting, now, new_id()), Phase.FIRED)
    reopened = not alert.open
    known = sighting.schedule_id in alert.affected
    failing = () if reopened else alert.failing
    full = len(alert.affected) >= AFFECTED_AT_MOST and not known
    if not full and sighting.schedule_id not in failing:
        failing = (*failing, sighting.schedule_id)
    changes = {
        "affected": alert.affected if known or full else (*alert.affected, sighting.schedule_id),
        "failing": failing,
        "beyond": alert.beyond or full,
        "sightings": alert.sightings + 1,
        "updated_at": now,
        "closed_at": None,
        "held": alert.held + reopened,
        **_as_the_rule_asks(rule),
    }
    if reopened:
        changes |= {"detail": sighting.text, "execution_id": sighting.execution_id}
    return Step(_timed(alert.model_copy(update=changes), now))


def mended(alert: Alert, schedule_ids: set[str], now: datetime) -> Step:
    """These schedules are well again. With the last of them the outage is over."""
    left = tuple(one for one in alert.failing if one not in schedule_ids)
    after = alert.model_copy(update={"failing": left, "updated_at": now})
    return Step(_timed(after, now)) if left else over(after, now)


def over(alert: Alert, now: datetime, *, silently: bool = False) -> Step:
    """The outage is over. That is told if the rule asks for it and the beginning was told; not ``silently``,
    when all that can be said is that nobody will see it again."""
    after = alert.model_copy(update={"closed_at": now, "failing": (), "updated_at": now})
    tell = alert.recovery and not alert.held and alert.told_at is not None and not silently
    return Step(_timed(after, now), Phase.RECOVERED if tell else None)


def looked(alert: Alert, now: datetime) -> Step:
    """It is time to look. What was held is told once the quiet period is over, though it may be past."""
    until = alert.quiet_until
    if not alert.held or (until is not None and now < until):
        return Step(_timed(alert, now))
    return Step(_timed(alert.model_copy(update={"held": 0, "told_at": now}), now), Phase.AGAIN)


def settled(alert: Alert, now: datetime) -> bool:
    """Whether what was too late is so no more."""
    return now - alert.updated_at >= SETTLED


def _may_be_told_anew(alert: Alert, now: datetime) -> bool:
    until = alert.quiet_until
    return not alert.open and not alert.held and (until is None or now >= until)


def _opened(rule: AlertRule, sighting: Sighting, now: datetime, alert_id: str) -> Alert:
    alert = Alert(
        id=alert_id,
        rule_key=rule.key,
        rule_id=rule.id,
        rule_name=rule.definition.name,
        owner=rule.owner,
        kind=rule.kind,
        subject=sighting.subject,
        detail=sighting.text,
        opened_at=now,
        updated_at=now,
        schedule_id=sighting.schedule_id,
        execution_id=sighting.execution_id,
        told_at=now,
        affected=(sighting.schedule_id,),
        failing=(sighting.schedule_id,),
        **_as_the_rule_asks(rule),
    )
    return _timed(alert, now)


def _as_the_rule_asks(rule: AlertRule) -> dict[str, object]:
    asked = rule.definition
    return {
        "recovery": asked.recovery,
        "quiet_period_seconds": asked.quiet_period_seconds,
        "channels": asked.channels,
    }


def _timed(alert: Alert, now: datetime) -> Alert:
    """With the moment at which it must be looked at next."""
    look: datetime | None = None
    if alert.open:
        look = now + max(LOOKED_AGAIN, timedelta(milliseconds=50 * len(alert.failing)))
    elif alert.held:
        look = alert.quiet_until
    return alert if look == alert.look_at else alert.model_copy(update={"look_at": look})
