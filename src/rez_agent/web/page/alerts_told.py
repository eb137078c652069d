"""Alerts and their rules in words, as the page shows them: pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rez_agent.domain.alert import ENGINE, Alert, NoticeStatus, Phase
from rez_agent.domain.alert_facts import spoken
from rez_agent.domain.alert_rules import AlertKind, AlertRule, RuleDefinition
from rez_agent.web.page.telling import counted, duration, milliseconds

KINDS: dict[AlertKind, tuple[str, str]] = {
    AlertKind.CONSECUTIVE_FAILURES: ("Failures in a row", "A schedule's last runs all failed."),
    AlertKind.FAILURE_RATE: ("Failure rate", "Too large a share of a schedule's runs fails."),
    AlertKind.DEAD_LETTER: ("Dead letter", "A run has failed for good."),
    AlertKind.MISSED: ("Missed run", "A run did not start when it should have."),
    AlertKind.TOO_SLOW: ("Slower than usual", "A run took much longer than those before it."),
    AlertKind.TOO_FAST: ("Faster than usual", "A run took much less than those before it."),
}
"""Each kind's name, and what it watches for."""

LABELS = {
    "failures": ("Failures in a row", "From so many on."),
    "percent": ("Percent that fail", "Of a schedule's runs within the window."),
    "window_seconds": ("Window, in seconds", "Looked back so far, 120 runs at most."),
    "minimum_executions": ("Runs at least", "Fewer within the window say nothing."),
    "grace_seconds": ("Grace, in seconds", "From when a run should have started."),
    "deviations": ("Deviations", "Times the usual spread, from the median of up to 100 runs before."),
    "minimum_samples": ("Runs to compare with", "Fewer before it say nothing."),
    "minimum_difference_ms": ("Difference at least, in ms", "Smaller ones are never told."),
}
"""Each parameter's label and hint."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert in a list: its name, what it is about, whether it is over and how long it took, and whether it
    was told."""

    alert: Alert
    title: str
    about: str
    schedules: str
    state: str
    lasted: str
    told: str
    told_badly: bool


def alert_row(alert: Alert, names: Mapping[str, str]) -> AlertRow:
    """An alert in words. ``names``: schedules' names by id, as far as they are known."""
    title = "Test" if alert.kind is None else KINDS[alert.kind][0]
    named = ", ".join(names.get(one, one) for one in alert.affected[:2])
    more = len(alert.affected) - 2
    if more > 0:
        named += f" and {'more than ' if alert.beyond else ''}{more} more"
    about = "the engine" if alert.subject == ENGINE else alert.subject
    told, badly = _told(alert)
    return AlertRow(
        alert=alert,
        title=title,
        about="" if alert.kind is None or alert.subject in alert.affected else about,
        schedules=named,
        state="test" if alert.kind is None else "firing" if alert.open else "resolved",
        lasted="" if alert.closed_at is None else duration(milliseconds(alert.closed_at - alert.opened_at)),
        told=told,
        told_badly=badly,
    )


def watched(definition: RuleDefinition, names: Mapping[str, str]) -> str:
    """What a rule watches."""
    if definition.schedule_id is not None:
        return names.get(definition.schedule_id, definition.schedule_id)
    return f"tag {definition.tag}" if definition.tag is not None else "all schedules"


def condition(rule: AlertRule) -> str:
    """A rule's condition in a few words."""
    asked = rule.definition
    return {
        AlertKind.CONSECUTIVE_FAILURES: f"{counted(asked.failures, 'failure')} in a row",
        AlertKind.FAILURE_RATE: f"{asked.percent:g} % fail within {spoken(asked.window_seconds)}",
        AlertKind.DEAD_LETTER: "a run failed for good",
        AlertKind.MISSED: f"no start within {spoken(asked.grace_seconds)}",
        AlertKind.TOO_SLOW: f"{asked.deviations:g} deviations slower than usual",
        AlertKind.TOO_FAST: f"{asked.deviations:g} deviations faster than usual",
    }[rule.kind]


def _told(alert: Alert) -> tuple[str, bool]:
    """To whom it was told, and whether something did not arrive."""
    begun = [one for one in alert.notices if one.phase is not Phase.RECOVERED]
    failed = sorted({one.channel for one in begun if one.status is NoticeStatus.FAILED})
    if failed:
        return f"not to {', '.join(failed)}", True
    waiting = sorted({one.channel for one in begun if one.status is NoticeStatus.PENDING})
    if waiting:
        return f"on its way to {', '.join(waiting)}", False
    sent = sorted({one.channel for one in begun})
    return (f"to {', '.join(sent)}", False) if sent else ("to nobody: no channel", True)
