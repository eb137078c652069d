"""What an alert says: its title, its message, how urgent it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rez_agent.domain.alert import ENGINE, Alert, Notice, Phase
from rez_agent.domain.alert_facts import spoken
from rez_agent.domain.alert_rules import AlertKind
from rez_agent.domain.instants import rfc3339

NAMED = 5
"""Schedules that a message names."""

TITLE_AT_MOST, MESSAGE_AT_MOST = 200, 2_000

NOTICES_KEPT = 60
"""Of an alert's notices the newest so many; those not sent yet in any case."""

_HAPPENED = {
    AlertKind.CONSECUTIVE_FAILURES: "fails",
    AlertKind.FAILURE_RATE: "fails often",
    AlertKind.DEAD_LETTER: "has failed for good",
    AlertKind.MISSED: "did not run in time",
    AlertKind.TOO_SLOW: "is slower than usual",
    AlertKind.TOO_FAST: "is faster than usual",
}
_HAPPENED_TO_MANY = {
    AlertKind.CONSECUTIVE_FAILURES: "fail",
    AlertKind.FAILURE_RATE: "fail often",
    AlertKind.DEAD_LETTER: "have failed for good",
    AlertKind.MISSED: "did not run in time",
    AlertKind.TOO_SLOW: "are slower than usual",
    AlertKind.TOO_FAST: "are faster than usual",
}
_OVER = {
    AlertKind.MISSED: "on time again",
    AlertKind.TOO_SLOW: "as fast as usual again",
    AlertKind.TOO_FAST: "as slow as usual again",
}
_PRIORITIES = {Phase.FIRED: "high", Phase.AGAIN: "high", Phase.RECOVERED: "default", Phase.TEST: "default"}


@dataclass(frozen=True, slots=True)
class Wording:
    """A message, ready to be sent."""

    title: str
    message: str
    priority: str


def notices_for(
    alert: Alert,
    phase: Phase,
    channels: Sequence[str],
    names: Mapping[str, str],
    now: datetime,
    *,
    held: int = 0,
) -> Alert:
    """The alert with what is to be told now, to each of ``channels``. ``names``: the schedules' names by id,
    as far as they are known; ``held``: how often it came again while it was to be quiet."""
    said = wording(alert, phase, names, now, held)
    first = max((one.number for one in alert.notices), default=0) + 1
    new = tuple(
        Notice(
            number=first + place,
            phase=phase,
            channel=channel,
            title=said.title,
            message=said.message,
            priority=said.priority,
            created_at=now,
            next_at=now,
        )
        for place, channel in enumerate(channels)
    )
    final = [one.number for one in alert.notices if one.next_at is None]
    gone = set(final[: max(0, len(alert.notices) + len(new) - NOTICES_KEPT)])
    kept = [one for one in alert.notices if one.number not in gone]
    return alert.with_notices((*kept, *new))


def wording(alert: Alert, phase: Phase, names: Mapping[str, str], now: datetime, held: int = 0) -> Wording:
    """What is said of ``alert`` in ``phase``."""
    if alert.kind is None:
        return Wording(
            "rez-agent: a test alert", f"The rule '{alert.rule_name}' reaches you here.", _PRIORITIES[phase]
        )
    who = _who(alert, names)
    many = len(alert.affected) > 1
    if phase is Phase.RECOVERED:
        title = f"Recovered: {who} {'are' if many else 'is'} {_OVER.get(alert.kind, 'well again')}"
        lines = [f"It was so for {spoken((now - alert.opened_at).total_seconds())}, since {_at(alert)}."]
    else:
        title = f"{who} {(_HAPPENED_TO_MANY if many else _HAPPENED)[alert.kind]}"
        lines = [alert.detail, *_again(alert, phase, held), f"Since {_at(alert)}."]
    if many:
        lines.append(f"Schedules: {_list(alert, names)}.")
    if alert.subject not in (ENGINE, alert.schedule_id):
        lines.append(f"Target: {alert.subject}.")
    lines.append(f"Rule: {alert.rule_name}.")
    return Wording(title[:TITLE_AT_MOST], "\n".join(lines)[:MESSAGE_AT_MOST], _PRIORITIES[phase])


def _again(alert: Alert, phase: Phase, held: int) -> list[str]:
    if phase is not Phase.AGAIN:
        return []
    times = "once more" if held == 1 else f"{held} more times"
    return [f"It came back {times} since the last message{'' if alert.open else ', and is over now'}."]


def _who(alert: Alert, names: Mapping[str, str]) -> str:
    if alert.beyond:
        return f"More than {len(alert.affected)} schedules"
    if len(alert.affected) > 1:
        return f"{len(alert.affected)} schedules"
    schedule_id = next(iter(alert.affected), "")
    return names.get(schedule_id, schedule_id)


def _list(alert: Alert, names: Mapping[str, str]) -> str:
    named = ", ".join(names.get(one, one) for one in alert.affected[:NAMED])
    more = len(alert.affected) - NAMED
    if alert.beyond:
        return f"{named} and more than {more} more"
    return f"{named} and {more} more" if more > 0 else named


def _at(alert: Alert) -> str:
    return rfc3339(alert.opened_at)
