"""Rules of alerting: what they say, what they watch, and the one that is always there."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.domain.alert_rules import STANDING, AlertKind, AlertRule, RuleDefinition, standing_rule
from rez_agent.domain.errors import Invalid
from rez_agent.domain.reading import read


def rule_of(**fields: Any) -> AlertRule:
    asked = RuleDefinition(**{"name": "r", "kind": "consecutive_failures", **fields})
    return AlertRule("rule_1", "ann", asked)


def test_a_rule_watches_its_owners_schedules_and_no_others() -> None:
    assert rule_of().watches("ann", "sch_1", ())
    assert not rule_of().watches("bob", "sch_1", ())


def test_a_rule_may_be_narrowed_to_a_schedule_or_to_a_tag() -> None:
    assert rule_of(schedule_id="sch_1").watches("ann", "sch_1", ())
    assert not rule_of(schedule_id="sch_1").watches("ann", "sch_2", ())
    assert rule_of(tag="prod").watches("ann", "sch_1", ("x", "prod"))
    assert not rule_of(tag="prod").watches("ann", "sch_1", ("x",))


def test_a_rule_that_is_off_watches_nothing() -> None:
    assert not rule_of(enabled=False).watches("ann", "sch_1", ())


def test_the_standing_rule_watches_for_what_was_missed_of_all_that_an_owner_has() -> None:
    rule = standing_rule("ann")
    assert (rule.id, rule.kind, rule.standing) == (STANDING, AlertKind.MISSED, True)
    assert rule.watches("ann", "sch_1", ())
    assert rule.definition.grace_seconds == 300
    assert rule.key != standing_rule("bob").key


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "missed", "failures": 3}, "invalid_value"),
        ({"schedule_id": "sch_1", "tag": "prod"}, "invalid_value"),
        ({"channels": ["a", "a"]}, "invalid_value"),
        ({"channels": [str(n) for n in range(11)]}, "invalid_value"),
        ({"failures": 0}, "invalid_value"),
        ({"name": " "}, "invalid_value"),
        ({"kind": "consecutive"}, "invalid_value"),
        ({"channel": "ops"}, "unknown_field"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as raised:
        read(RuleDefinition, {"name": "r", "kind": "consecutive_failures", **fields})
    assert raised.value.problems[0].code == code


def test_a_rule_shows_the_parameters_of_its_kind_alone_and_reads_them_again() -> None:
    asked = RuleDefinition(name="r", kind=AlertKind.TOO_SLOW, deviations=3.0)
    shown = asked.document()
    assert shown["deviations"] == 3.0
    assert "failures" not in shown
    assert read(RuleDefinition, shown) == asked
