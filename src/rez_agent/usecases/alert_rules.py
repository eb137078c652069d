"""The rules of alerting: made, changed, listed. Each is a record; every owner has one without making it.

Beside the rules stands what hosts must know of all of them where executions end: whose durations are
compared, and the shortest grace that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.alert_rules import STANDING, AlertKind, AlertRule, RuleDefinition, standing_rule
from rez_agent.domain.errors import Conflict, Invalid, NotFound, Problem, RevisionConflict
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.reading import read
from rez_agent.ports import Ports, Record
from rez_agent.usecases.callers import Caller, schedule_for
from rez_agent.usecases.changes import merge_patch

KIND = "alert_rule"
WATCH, WATCH_KEY = "alert_watch", "all"
RULES_AT_MOST = 100
"""Rules of one owner."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What hosts must know of all rules: the owners and the schedules whose durations are compared, and the
    shortest grace."""

    owners: frozenset[str] = frozenset()
    schedules: frozenset[str] = frozenset()
    grace: timedelta = timedelta(seconds=standing_rule("").definition.grace_seconds)

    def compares(self, owner: str, schedule_id: str) -> bool:
        """Whether a rule may compare the durations of the schedule."""
        return owner in self.owners or schedule_id in self.schedules


def watch(ports: Ports, now: datetime) -> Watch:
    """What all rules ask for."""
    record = ports.records.get(WATCH, WATCH_KEY, now)
    if record is None:
        return Watch()
    value = record.value
    return Watch(frozenset(value["owners"]), frozenset(value["schedules"]), timedelta(seconds=value["grace"]))


def rules_by_owner(ports: Ports, now: datetime) -> dict[str, list[AlertRule]]:
    """Every rule that was made or changed."""
    found: dict[str, list[AlertRule]] = {}
    for record in ports.records.list(KIND, now):
        rule = _rule(record)
        found.setdefault(rule.owner, []).append(rule)
    return found


def with_standing(rules: Iterable[AlertRule], owner: str) -> list[AlertRule]:
    """An owner's rules, the standing one among them, first."""
    found = sorted(rules, key=lambda rule: rule.id != STANDING)
    return found if found and found[0].id == STANDING else [standing_rule(owner), *found]


def list_rules(ports: Ports, caller: Caller) -> list[AlertRule]:
    """The rules that the caller may see; the caller's standing rule always."""
    rules = rules_by_owner(ports, ports.clock.now())
    own = with_standing(rules.pop(caller.name, ()), caller.name)
    return own + [rule for _, others in sorted(rules.items()) for rule in others] if caller.admin else own


def rule_for(ports: Ports, caller: Caller, rule_id: str) -> AlertRule:
    """The rule. Raises NotFound ``alert_rule_not_found``."""
    key = standing_rule(caller.name).key if rule_id == STANDING else rule_id
    record = ports.records.get(KIND, key, ports.clock.now())
    if record is not None:
        rule = _rule(record)
        if caller.reaches(rule.owner):
            return rule
    elif rule_id == STANDING:
        return standing_rule(caller.name)
    raise NotFound(f"There is no alert rule '{rule_id}'.", code="alert_rule_not_found")


def create_rule(ports: Ports, caller: Caller, definition: RuleDefinition) -> AlertRule:
    """A new rule of the caller's, or of whoever owns the schedule that it names. Raises Invalid with all that
    is wrong, and Conflict ``too_many_rules``."""
    now = ports.clock.now()
    owner = _checked_owner(ports, caller, definition)
    if len(rules_by_owner(ports, now).get(owner, ())) >= RULES_AT_MOST:
        text = f"There are {RULES_AT_MOST} alert rules already. Delete one, or watch schedules by a tag."
        raise Conflict(text, code="too_many_rules")
    rule = AlertRule(ports.random.new_id("rule", now), owner, definition, now, now)
    _keep(ports, rule, now)
    return rule


def patch_rule(
    ports: Ports, caller: Caller, rule_id: str, patch: Mapping[str, Any], *, revision: int | None = None
) -> AlertRule:
    """The rule, changed by a merge patch of its definition: null takes a field back to its default. Raises
    what :func:`replace_rule` does."""
    before = rule_for(ports, caller, rule_id)
    if patch.get("kind", before.kind.value) != before.kind.value:
        raise Invalid.of([_other_kind(before)])
    definition = read(RuleDefinition, merge_patch(before.definition.document(), dict(patch)))
    return replace_rule(ports, caller, rule_id, definition, revision=revision)


def replace_rule(
    ports: Ports, caller: Caller, rule_id: str, definition: RuleDefinition, *, revision: int | None = None
) -> AlertRule:
    """The rule, changed as a whole, if it is at ``revision`` or that is None. Its kind stays. Raises
    NotFound, RevisionConflict, and Invalid with all that is wrong."""
    now = ports.clock.now()
    before = rule_for(ports, caller, rule_id)
    _check_revision(before, revision)
    kept = [] if definition.kind is before.kind else [_other_kind(before)]
    _checked_owner(ports, Caller(before.owner), definition, kept)
    made = before.created_date or now
    rule = AlertRule(before.id, before.owner, definition, made, now, revision=before.revision + 1)
    _keep(ports, rule, now)
    return rule


def delete_rule(ports: Ports, caller: Caller, rule_id: str, *, revision: int | None = None) -> None:
    """The rule is gone; of the standing rule, what was changed. Raises NotFound ``alert_rule_not_found`` and
    RevisionConflict."""
    now = ports.clock.now()
    rule = rule_for(ports, caller, rule_id)
    _check_revision(rule, revision)
    if rule.standing:
        text = "The standing rule can't be deleted: change it, with 'enabled': false, to turn it off."
        raise Conflict(text, code="standing_rule")
    ports.records.delete(KIND, rule.key)
    _sum_up(ports, [one for one in _all(ports, now) if one.key != rule.key])


def _check_revision(rule: AlertRule, revision: int | None) -> None:
    if revision is not None and revision != rule.revision:
        raise RevisionConflict(
            f"The alert rule is at revision {rule.revision}, not {revision}. "
            "Read it again and repeat the change."
        )


def _checked_owner(
    ports: Ports, caller: Caller, definition: RuleDefinition, problems: Iterable[Problem] = ()
) -> str:
    """Whose the rule is: the schedule's that it names, else the caller's. Raises Invalid."""
    found, owner = list(problems), caller.name
    for place, channel in enumerate(definition.channels):
        wrong = ports.actions.check("notification", {"channel": channel, "message": "-"})
        found += [Problem(one.code, one.message, f"/channels/{place}") for one in wrong[:1]]
    if definition.schedule_id is not None:
        try:
            owner = schedule_for(ports, caller, definition.schedule_id).created_by
        except NotFound as error:
            found.append(Problem(error.code, error.message, "/schedule_id"))
    if found:
        raise Invalid.of(found)
    return owner


def _other_kind(rule: AlertRule) -> Problem:
    text = f"The kind of a rule stays what it is, '{rule.kind.value}'. Make a new rule for another."
    return Problem("invalid_value", text, "/kind")


def _keep(ports: Ports, rule: AlertRule, now: datetime) -> None:
    others = [one for one in _all(ports, now) if one.key != rule.key]
    ports.records.put(Record(KIND, rule.key, _value(rule)))
    _sum_up(ports, [*others, rule])


def _all(ports: Ports, now: datetime) -> list[AlertRule]:
    return [rule for rules in rules_by_owner(ports, now).values() for rule in rules]


def _sum_up(ports: Ports, rules: Iterable[AlertRule]) -> None:
    owners, schedules, grace = set[str](), set[str](), int(Watch().grace.total_seconds())
    for rule in rules:
        asked = rule.definition
        if not asked.enabled:
            continue
        if asked.kind is AlertKind.MISSED:
            grace = min(grace, asked.grace_seconds)
        elif asked.kind.of_duration and asked.schedule_id is not None:
            schedules.add(asked.schedule_id)
        elif asked.kind.of_duration:
            owners.add(rule.owner)
    value = {"owners": sorted(owners), "schedules": sorted(schedules), "grace": grace}
    ports.records.put(Record(WATCH, WATCH_KEY, value))


def _value(rule: AlertRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "owner": rule.owner,
        "created_date": None if rule.created_date is None else rfc3339(rule.created_date),
        "updated_date": None if rule.updated_date is None else rfc3339(rule.updated_date),
        "revision": rule.revision,
        "definition": rule.definition.document(),
    }


def _rule(record: Record) -> AlertRule:
    value = record.value
    made, changed = value["created_date"], value["updated_date"]
    return AlertRule(
        id=value["id"],
        owner=value["owner"],
        definition=RuleDefinition.model_validate(value["definition"]),
        created_date=None if made is None else datetime.fromisoformat(made),
        updated_date=None if changed is None else datetime.fromisoformat(changed),
        revision=value.get("revision", 1),
    )
