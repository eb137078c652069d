"""Rules of alerting: made, changed, listed, by their owners."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.alert_rules import STANDING, AlertKind, AlertRule, RuleDefinition
from rez_agent.domain.errors import Conflict, Invalid, NotFound
from rez_agent.usecases.alert_rules import (
    RULES_AT_MOST,
    create_rule,
    delete_rule,
    list_rules,
    replace_rule,
    rule_for,
    watch,
)
from rez_agent.usecases.callers import Caller
from tests.rig import ADMIN, ANN, BOB, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    host = Rig(tmp_path)
    yield host
    host.close()


def asked(kind: str = "consecutive_failures", **fields: Any) -> RuleDefinition:
    return RuleDefinition(**{"name": "r", "kind": kind, **fields})


def made(rig: Rig, caller: Caller = ANN, kind: str = "consecutive_failures", **fields: Any) -> AlertRule:
    return rig.do(lambda ports: create_rule(ports, caller, asked(kind, **fields)))


def listed(rig: Rig, caller: Caller = ANN) -> list[str]:
    return [rule.id for rule in rig.do(lambda ports: list_rules(ports, caller))]


def test_everyone_has_the_standing_rule_and_what_they_made(rig: Rig) -> None:
    rule = made(rig)
    other = made(rig, BOB)
    assert listed(rig) == [STANDING, rule.id]
    assert listed(rig, BOB) == [STANDING, other.id]
    assert listed(rig, ADMIN) == [STANDING, rule.id, other.id]


def test_a_rule_is_read_changed_and_deleted_by_its_owner_alone(rig: Rig) -> None:
    rule = made(rig)
    for move in (rule_for, delete_rule):
        with pytest.raises(NotFound):
            rig.do(lambda ports, move=move: move(ports, BOB, rule.id))  # type: ignore[misc]
    rig.clock.advance(minutes=1)
    after = rig.do(lambda ports: replace_rule(ports, ANN, rule.id, asked(failures=9)))
    assert (after.id, after.definition.failures, after.created_date) == (rule.id, 9, rule.created_date)
    assert rig.do(lambda ports: rule_for(ports, ANN, rule.id)) == after
    rig.do(lambda ports: delete_rule(ports, ANN, rule.id))
    assert listed(rig) == [STANDING]


def test_the_standing_rule_is_changed_for_its_owner_and_taken_back_by_deleting_the_change(rig: Rig) -> None:
    short = asked("missed", grace_seconds=10)
    rig.do(lambda ports: replace_rule(ports, ANN, STANDING, short))
    assert rig.do(lambda ports: rule_for(ports, ANN, STANDING)).definition.grace_seconds == 10
    assert rig.do(lambda ports: rule_for(ports, BOB, STANDING)).definition.grace_seconds == 300
    rig.do(lambda ports: delete_rule(ports, ANN, STANDING))
    assert rig.do(lambda ports: rule_for(ports, ANN, STANDING)).standing
    with pytest.raises(Conflict) as raised:
        rig.do(lambda ports: delete_rule(ports, ANN, STANDING))
    assert raised.value.code == "standing_rule"


def test_a_rules_kind_stays(rig: Rig) -> None:
    rule = made(rig)
    with pytest.raises(Invalid) as raised:
        rig.do(lambda ports: replace_rule(ports, ANN, rule.id, asked("dead_letter")))
    assert raised.value.problems[0].pointer == "/kind"


def test_a_rule_names_a_schedule_that_its_owner_has(rig: Rig) -> None:
    mine, bobs = rig.create("mine"), rig.create("bobs", BOB)
    made(rig, schedule_id=mine.id)
    with pytest.raises(Invalid) as raised:
        made(rig, schedule_id=bobs.id)
    assert [(one.code, one.pointer) for one in raised.value.problems] == [
        ("schedule_not_found", "/schedule_id")
    ]


def test_a_rule_for_anothers_schedule_is_that_owners(rig: Rig) -> None:
    bobs = rig.create("bobs", BOB)
    rule = made(rig, ADMIN, schedule_id=bobs.id)
    assert rule.owner == "bob"
    assert rule.watches("bob", bobs.id, ())
    mine = rig.create("mine")
    with pytest.raises(Invalid):
        rig.do(lambda ports: replace_rule(ports, ADMIN, rule.id, asked(schedule_id=mine.id)))


def test_an_owner_has_a_hundred_rules_at_most(rig: Rig) -> None:
    for _ in range(RULES_AT_MOST):
        made(rig)
    with pytest.raises(Conflict) as raised:
        made(rig)
    assert raised.value.code == "too_many_rules"
    made(rig, BOB)


def test_hosts_are_told_whose_durations_are_compared_and_the_shortest_grace(rig: Rig) -> None:
    def watched() -> tuple[set[str], set[str], timedelta]:
        found = rig.do(lambda ports: watch(ports, rig.clock.now()))
        return set(found.owners), set(found.schedules), found.grace

    assert watched() == (set(), set(), timedelta(seconds=300))
    mine = rig.create("mine")
    slow = made(rig, kind="too_slow", schedule_id=mine.id)
    fast = made(rig, BOB, "too_fast", tag="prod")
    made(rig, kind="missed", grace_seconds=30)
    made(rig, kind="missed", grace_seconds=3, enabled=False)
    assert watched() == ({"bob"}, {mine.id}, timedelta(seconds=30))
    rig.do(lambda ports: delete_rule(ports, ANN, slow.id))
    rig.do(lambda ports: replace_rule(ports, BOB, fast.id, asked("too_fast", tag="prod", enabled=False)))
    assert watched() == (set(), set(), timedelta(seconds=30))
    assert AlertKind.TOO_FAST.of_duration
