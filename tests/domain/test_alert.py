"""An alert's life: one for an outage, quiet for a while, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.alert import (
    AFFECTED_AT_MOST,
    Alert,
    Phase,
    Sighting,
    looked,
    mended,
    over,
    sighted,
)
from rez_agent.domain.alert_rules import AlertRule, RuleDefinition
from rez_agent.domain.alert_text import NOTICES_KEPT, notices_for, wording
from tests.fakes import NOON

QUIET = 3_600


def rule_of(**fields: Any) -> AlertRule:
    asked = RuleDefinition(**{"name": "r", "kind": "consecutive_failures", **fields})
    return AlertRule("rule_1", "ann", asked)


def sighting(schedule_id: str = "sch_1") -> Sighting:
    return Sighting("example.org", schedule_id, f"{schedule_id}_x", "3 failures in a row.")


@dataclass
class Story:
    """One rule and one subject, with what was told of it."""

    rule: AlertRule = field(default_factory=rule_of)
    alert: Alert | None = None
    told: list[tuple[datetime, Phase, int]] = field(default_factory=list)
    openings: int = 0
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def see(self, now: datetime, schedule_id: str = "sch_1") -> None:
        self.openings += self.alert is None or not self.alert.open
        self._take(
            sighted(self.rule, self.alert, sighting(schedule_id), now, lambda: f"a{next(self.ids)}"), now
        )

    def mend(self, now: datetime, *schedule_ids: str) -> None:
        if self.alert is not None and self.alert.open:
            self._take(mended(self.alert, set(schedule_ids), now), now)

    def look(self, now: datetime) -> None:
        if self.alert is not None and self.alert.look_at is not None and self.alert.look_at <= now:
            self._take(looked(self.alert, now), now)

    def _take(self, step: Any, now: datetime) -> None:
        held = 0 if self.alert is None else self.alert.held
        if step.tell is not None:
            self.told.append((now, step.tell, held))
        self.alert = step.alert

    @property
    def phases(self) -> list[Phase]:
        return [phase for _, phase, _ in self.told]


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_many_schedules_that_fail_at_one_target_are_one_alert() -> None:
    story = Story()
    for number in range(10):
        story.see(after(number), f"sch_{number}")
        story.see(after(number), f"sch_{number}")
    assert story.phases == [Phase.FIRED]
    assert story.alert is not None
    assert len(story.alert.affected) == 10


def test_it_is_over_when_the_last_of_them_is_well_again() -> None:
    story = Story()
    story.see(NOON, "sch_1")
    story.see(NOON, "sch_2")
    story.mend(after(10), "sch_1")
    assert story.phases == [Phase.FIRED]
    story.mend(after(20), "sch_2")
    assert story.phases == [Phase.FIRED, Phase.RECOVERED]
    assert story.alert is not None
    assert story.alert.closed_at == after(20)
    assert story.alert.look_at is None


def test_an_end_is_not_told_where_the_rule_does_not_ask_or_nobody_can_see_it() -> None:
    story = Story(rule_of(recovery=False))
    story.see(NOON)
    story.mend(after(5), "sch_1")
    assert story.phases == [Phase.FIRED]
    other = Story()
    other.see(NOON)
    assert other.alert is not None
    assert over(other.alert, after(5), silently=True).tell is None


def test_what_comes_again_within_the_quiet_period_is_held_and_told_when_it_is_over() -> None:
    story = Story()
    for start in (0, 100, 200):
        story.see(after(start))
        story.mend(after(start + 50), "sch_1")
    assert story.phases == [Phase.FIRED, Phase.RECOVERED]
    story.look(after(QUIET - 1))
    assert story.phases == [Phase.FIRED, Phase.RECOVERED]
    story.look(after(QUIET))
    assert story.told[-1] == (after(QUIET), Phase.AGAIN, 2)
    assert story.alert is not None
    assert not story.alert.open


def test_what_comes_again_after_the_quiet_period_is_a_new_alert() -> None:
    story = Story()
    story.see(NOON)
    story.mend(after(1), "sch_1")
    story.see(after(QUIET))
    assert story.phases == [Phase.FIRED, Phase.RECOVERED, Phase.FIRED]
    assert story.alert is not None
    assert story.alert.id == "a2"


def test_without_a_quiet_period_each_outage_is_told() -> None:
    story = Story(rule_of(quiet_period_seconds=0))
    for start in (0, 10, 20):
        story.see(after(start))
        story.mend(after(start + 5), "sch_1")
    assert story.phases == [Phase.FIRED, Phase.RECOVERED] * 3


def test_an_alert_knows_a_thousand_schedules_by_name_and_that_there_are_more() -> None:
    story = Story()
    for number in range(AFFECTED_AT_MOST + 5):
        story.see(NOON, f"sch_{number}")
    assert story.alert is not None
    assert len(story.alert.affected) == AFFECTED_AT_MOST
    assert story.alert.beyond
    assert wording(story.alert, Phase.FIRED, {}, NOON).title == "More than 1000 schedules fail"


_moves = st.lists(
    st.tuples(
        st.sampled_from(["see", "mend", "look"]),
        st.integers(0, 4),
        st.sampled_from([0.0, 0.5, 7.0, 90.0, 1_000.0, 4_000.0]),
    ),
    max_size=60,
)


@given(_moves, st.sampled_from([0, 60, QUIET]), st.booleans())
def test_whatever_the_order_and_however_often_it_is_seen(
    moves: list[tuple[str, int, float]], quiet: int, recovery: bool
) -> None:
    story, at = Story(rule_of(quiet_period_seconds=quiet, recovery=recovery)), 0.0
    for move, number, wait in moves:
        at += wait
        story.look(after(at))
        if move == "see":
            story.see(after(at), f"sch_{number}")
        elif move == "mend":
            story.mend(after(at), f"sch_{number}")
    at += 2 * QUIET
    story.look(after(at))

    begun = [moment for moment, phase, _ in story.told if phase in (Phase.FIRED, Phase.AGAIN)]
    assert all(later - earlier >= timedelta(seconds=quiet) for earlier, later in pairwise(begun))
    fired = story.phases.count(Phase.FIRED)
    held = sum(number for _, phase, number in story.told if phase is Phase.AGAIN)
    assert fired + held == story.openings, "each outage was told, at once or later, and none twice"
    for place, phase in enumerate(story.phases):
        if phase is Phase.RECOVERED:
            assert recovery
            assert story.phases[place - 1] in (Phase.FIRED, Phase.AGAIN), "only after an alert"


# --- what it says ---


def test_a_message_names_the_schedules_the_target_and_the_rule() -> None:
    story = Story()
    story.see(NOON, "sch_1")
    story.see(NOON, "sch_2")
    assert story.alert is not None
    said = wording(story.alert, Phase.FIRED, {"sch_1": "report", "sch_2": "backup"}, NOON)
    assert said.title == "2 schedules fail"
    assert said.message == (
        "3 failures in a row.\nSince 2026-06-01T12:00:00Z.\nSchedules: report, backup.\n"
        "Target: example.org.\nRule: r."
    )
    assert said.priority == "high"


def test_a_recovery_says_how_long_it_took() -> None:
    story = Story()
    story.see(NOON)
    story.mend(after(300), "sch_1")
    assert story.alert is not None
    said = wording(story.alert, Phase.RECOVERED, {"sch_1": "report"}, after(300))
    assert said.title == "Recovered: report is well again"
    assert "for 5 min" in said.message


def test_an_alert_keeps_its_newest_notices_and_all_that_are_not_sent() -> None:
    story = Story()
    story.see(NOON)
    assert story.alert is not None
    alert = notices_for(story.alert, Phase.FIRED, ["waits"], {}, NOON)
    for _ in range(NOTICES_KEPT):
        alert = notices_for(alert, Phase.AGAIN, ["ops"], {}, NOON, held=1)
        *before, last = alert.notices
        alert = alert.with_notices((*before, last.model_copy(update={"next_at": None})))
    assert len(alert.notices) == NOTICES_KEPT
    assert alert.notices[0].channel == "waits"
    assert [one.number for one in alert.notices[1:3]] == [3, 4]
