"""Alerting: the sweep looks at what has become true since, and at what should be over by now.

Executions are never looked at while they end: whoever ends one notes a fact, and only of those that a rule
may ask about. :func:`look` takes some facts, in order, and some alerts whose time to be looked at has come;
it decides by the rules, and keeps what it decided in the transaction that took the facts. A slice is small,
so it may be called again at once while there is more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rez_agent.domain import alert as alerts
from rez_agent.domain.alert import ENGINE, Alert, Phase, Sighting, Step
from rez_agent.domain.alert_facts import COMPARED, RECENT, ended, failing, mended, spoken, unusual
from rez_agent.domain.alert_rules import AlertKind, AlertRule
from rez_agent.domain.alert_text import NAMED, notices_for
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Fact, Overdue, Ports
from rez_agent.usecases.alert_rules import rules_by_owner, watch, with_standing

FACTS_AT_ONCE = 100
OVERDUE_AT_ONCE = 200
LOOKED_AT_ONCE = 20
FAILING_AT_ONCE = 100
"""Of an open alert's schedules so many are looked at each time, in turn."""

SEEN_AGAIN = alerts.SETTLED / 4
"""What is overdue still is noted again after so long: often enough for the alert to stay open."""

SPARE = 20
"""Executions that are looked at beyond those that a rule counts."""

_FAILURES = (AlertKind.CONSECUTIVE_FAILURES, AlertKind.FAILURE_RATE, AlertKind.DEAD_LETTER)
_DURATIONS = (AlertKind.TOO_SLOW, AlertKind.TOO_FAST)


def look(ports: Ports, fallback: Sequence[str]) -> bool:
    """Take a slice of what there is to be looked at; whether there may be more at once. ``fallback``: the
    channels of rules that name none."""
    now = ports.clock.now()
    facts = ports.alerts.take_facts(FACTS_AT_ONCE)
    overdue = ports.alerts.overdue(now - watch(ports, now).grace, OVERDUE_AT_ONCE)
    due = ports.alerts.to_look_at(now, LOOKED_AT_ONCE)
    if facts or overdue or due:
        looking = _Look(ports, now, fallback)
        looking.at_facts(facts)
        looking.at_overdue(overdue)
        looking.tell()
        looking.at_alerts(due)
        looking.tell()
        looking.keep()
    return len(facts) == FACTS_AT_ONCE or len(due) == LOOKED_AT_ONCE


class _Look:
    """One look: what it reads it remembers, and what it decided it keeps at its end."""

    def __init__(self, ports: Ports, now: datetime, fallback: Sequence[str]) -> None:
        self._ports = ports
        self._now = now
        self._fallback = fallback
        self._made = rules_by_owner(ports, now)
        self._rules: dict[str, list[AlertRule]] = {}
        self._schedules: dict[str, Schedule | None] = {}
        self._alerts: dict[tuple[str, str], Alert] = {}
        self._read: dict[tuple[str, str], Alert | None] = {}
        self._durations: dict[str, tuple[int, ...]] = {}
        self._owed: list[tuple[tuple[str, str], Phase, int]] = []

    # --- what became true ---

    def at_facts(self, facts: Sequence[Fact]) -> None:
        """Facts, in order."""
        asked = [(fact, rules) for fact in facts if (rules := self._rules_about(fact))]
        depth = max((_depth(rule) for _, rules in asked for rule in rules), default=0)
        failed = [one for fact, _ in asked if (one := fact.execution).status is ExecutionStatus.FAILED]
        recent = self._recent(failed, depth)
        for fact, rules in asked:
            one = fact.execution
            for rule in rules:
                if fact.late:
                    sighting = self._missed(rule, one)
                elif rule.kind.of_duration:
                    sighting = self._unusual(rule, one)
                else:
                    sighting = _failing(rule, one, recent.get(one.schedule_id, ()))
                if sighting is not None:
                    self._see(rule, sighting)

    def at_overdue(self, overdue: Sequence[Overdue]) -> None:
        """What should have started and has not."""
        for one in overdue:
            waited = self._now - one.due_at
            for rule in self._watching(one.owner, one.schedule_id, (AlertKind.MISSED,)):
                late = waited >= timedelta(seconds=rule.definition.grace_seconds)
                if late and not self._knows(rule, one):
                    text = f"It was due {spoken(waited.total_seconds())} ago and has not started."
                    self._see(rule, Sighting(one.subject, one.schedule_id, None, text))

    def _knows(self, rule: AlertRule, one: Overdue) -> bool:
        """Whether that was seen a moment ago: what waits long is seen at every look."""
        alert = self._last((rule.key, one.subject))
        if alert is None or not alert.open or one.schedule_id not in alert.failing:
            return False
        return self._now - alert.updated_at < SEEN_AGAIN

    def _rules_about(self, fact: Fact) -> list[AlertRule]:
        one = fact.execution
        if one.cause is Cause.TEST:
            return []
        kinds: tuple[AlertKind, ...] = _FAILURES
        if fact.late:
            kinds = (AlertKind.MISSED,)
        elif one.status is ExecutionStatus.SUCCEEDED:
            kinds = _DURATIONS
        return self._watching(one.owner, one.schedule_id, kinds)

    def _missed(self, rule: AlertRule, one: Execution) -> Sighting | None:
        """What was missed, or came so late that its grace was over."""
        if one.reason is Reason.EXPIRED:
            return Sighting(one.target, one.schedule_id, one.id, "It could not start before it expired.")
        late = one.created_date - one.scheduled_time
        schedule = self._schedule(one.schedule_id)
        window = 0 if schedule is None else 60 * schedule.definition.policies.flexible_window_minutes
        if late < timedelta(seconds=rule.definition.grace_seconds + window):
            return None
        if one.reason is Reason.MISSED:
            count = 1 if one.span is None else one.span.count
            text = "It was missed, and is not made good." if count == 1 else f"{count} runs were missed."
        else:
            text = f"It ran {spoken(late.total_seconds())} late: nothing could fire when it was due."
        return Sighting(ENGINE, one.schedule_id, one.id, text)

    def _unusual(self, rule: AlertRule, one: Execution) -> Sighting | None:
        """Whether it took unusually long, or short."""
        if one.id not in self._durations:
            self._durations[one.id] = self._ports.alerts.durations_before(one, COMPARED)
        found = unusual(rule.definition, one, self._durations[one.id])
        return None if found is None else Sighting(one.schedule_id, one.schedule_id, one.id, found.text)

    # --- what may be over ---

    def at_alerts(self, due: Sequence[Alert]) -> None:
        """Alerts whose time to be looked at has come."""
        for alert in due:
            place = (alert.rule_key, alert.subject)
            present = self._alerts.setdefault(place, alert)
            if present.id != alert.id:
                continue  # it was opened anew in this very look
            step = self._again(present) if present.open else Step(present)
            self._take(place, step)
            self._take(place, alerts.looked(step.alert, self._now))

    def _again(self, alert: Alert) -> Step:
        rule = next((one for one in self._of(alert.owner) if one.key == alert.rule_key), None)
        if rule is None or not rule.definition.enabled or rule.kind is not alert.kind:
            return alerts.over(alert, self._now, silently=True)
        if rule.kind is AlertKind.MISSED:
            return alerts.over(alert, self._now) if alerts.settled(alert, self._now) else Step(alert)
        return self._well_again(rule, alert)

    def _well_again(self, rule: AlertRule, alert: Alert) -> Step:
        asked, later = alert.failing[:FAILING_AT_ONCE], alert.failing[FAILING_AT_ONCE:]
        gone = {one for one in asked if _is_done(self._schedule(one))}
        recent = self._ports.ledger.latest(asked, _depth(rule))
        well = {one for one in asked if self._is_well(rule, recent[one])}
        turned = alert.model_copy(update={"failing": (*later, *asked)})
        if well:
            return alerts.mended(turned, well | gone, self._now)
        if gone and not set(turned.failing) - gone:
            return alerts.over(turned, self._now, silently=True)
        return alerts.mended(turned, gone, self._now) if gone else Step(turned)

    def _is_well(self, rule: AlertRule, recent: Sequence[Execution]) -> bool:
        if not rule.kind.of_duration:
            return mended(rule.definition, recent, self._now)
        last = next(iter(ended(recent, self._now)), None)
        done = last is not None and last.status is ExecutionStatus.SUCCEEDED
        return last is not None and done and self._unusual(rule, last) is None

    # --- what follows ---

    def tell(self) -> None:
        """Write what is owed to the channels, in the words of now."""
        for place, phase, held in self._owed:
            alert = self._alerts[place]
            named = {one: self._schedule(one) for one in alert.affected[:NAMED]}
            names = {one: found.definition.name for one, found in named.items() if found is not None}
            channels = alert.channels or tuple(self._fallback)
            self._alerts[place] = notices_for(alert, phase, channels, names, self._now, held=held)
        self._owed = []

    def keep(self) -> None:
        """Keep all that was looked at."""
        for alert in self._alerts.values():
            self._ports.alerts.save(alert)

    def _see(self, rule: AlertRule, sighting: Sighting) -> None:
        place = (rule.key, sighting.subject)
        before = self._last(place)
        if before is not None:
            self._alerts[place] = before
        self._take(place, alerts.sighted(rule, before, sighting, self._now, self._new_id))

    def _last(self, place: tuple[str, str]) -> Alert | None:
        """The last alert of a rule about a subject, as this look has it."""
        if place in self._alerts:
            return self._alerts[place]
        if place not in self._read:
            self._read[place] = self._ports.alerts.last(*place)
        return self._read[place]

    def _take(self, place: tuple[str, str], step: Step) -> None:
        before = self._alerts.get(place)
        if step.tell is not None:
            self._owed.append((place, step.tell, 0 if before is None else before.held))
        if before is not None and before.id != step.alert.id:
            self._ports.alerts.save(before)
        self._alerts[place] = step.alert

    def _new_id(self) -> str:
        return self._ports.random.new_id("alert", self._now)

    # --- reading ---

    def _of(self, owner: str) -> list[AlertRule]:
        if owner not in self._rules:
            self._rules[owner] = with_standing(self._made.get(owner, ()), owner)
        return self._rules[owner]

    def _watching(self, owner: str, schedule_id: str, kinds: Iterable[AlertKind]) -> list[AlertRule]:
        """The rules of these kinds that watch a schedule; its tags are read only where a rule asks."""
        rules = [one for one in self._of(owner) if one.kind in kinds and one.definition.enabled]
        tags: Sequence[str] = ()
        if any(one.definition.tag is not None for one in rules):
            schedule = self._schedule(schedule_id)
            tags = () if schedule is None else schedule.definition.tags
        return [one for one in rules if one.watches(owner, schedule_id, tags)]

    def _schedule(self, schedule_id: str) -> Schedule | None:
        if schedule_id not in self._schedules:
            self._schedules[schedule_id] = self._ports.schedules.get(schedule_id)
        return self._schedules[schedule_id]

    def _recent(self, executions: Sequence[Execution], each: int) -> dict[str, tuple[Execution, ...]]:
        ids = list(dict.fromkeys(one.schedule_id for one in executions))
        return self._ports.ledger.latest(ids, each) if ids else {}


def _failing(rule: AlertRule, one: Execution, recent: Sequence[Execution]) -> Sighting | None:
    """Whether the rule's condition held when an execution failed."""
    if one.finished_at is None:
        return None  # somebody has redriven it since
    found = failing(rule.definition, recent, one.finished_at)
    return None if found is None else Sighting(one.target, one.schedule_id, one.id, found.text)


def _depth(rule: AlertRule) -> int:
    """How many of a schedule's executions a rule looks at, with some that did not run or ended later."""
    if rule.kind is AlertKind.CONSECUTIVE_FAILURES:
        return rule.definition.failures + SPARE
    return RECENT if rule.kind is AlertKind.FAILURE_RATE else SPARE


def _is_done(schedule: Schedule | None) -> bool:
    """Whether nobody will see it well again: it is deleted, or nothing is left of it to fire."""
    return schedule is None or not schedule.living or schedule.finished_at is not None
