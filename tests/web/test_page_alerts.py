"""Alerts and their rules in words, as the page shows them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rez_agent.domain.alert import ENGINE, Alert, NoticeStatus, Phase
from rez_agent.domain.alert_rules import PARAMETERS, AlertKind, AlertRule, RuleDefinition
from rez_agent.domain.alert_text import notices_for
from rez_agent.web.page.alerts_told import KINDS, LABELS, alert_row, condition, watched
from tests.fakes import NOON


def alert_of(**fields: Any) -> Alert:
    known: dict[str, Any] = {
        "id": "alert_1",
        "rule_key": "rule_1",
        "rule_id": "rule_1",
        "rule_name": "r",
        "owner": "ann",
        "kind": AlertKind.DEAD_LETTER,
        "subject": "example.org",
        "detail": "It failed.",
        "opened_at": NOON,
        "updated_at": NOON,
        "affected": ("sch_1",),
    }
    return Alert(**{**known, **fields})


def told(alert: Alert, *statuses: NoticeStatus) -> Alert:
    """The alert, told to ``ops`` and ``chat`` with those ends."""
    alert = notices_for(alert, Phase.FIRED, ["ops", "chat"][: len(statuses)], {}, NOON)
    ended = zip(alert.notices, statuses, strict=True)
    return alert.with_notices(tuple(one.model_copy(update={"status": status}) for one, status in ended))


def test_every_kind_has_a_name_and_every_parameter_a_label() -> None:
    assert set(KINDS) == set(AlertKind)
    assert set(LABELS) == {name for names in PARAMETERS.values() for name in names}


def test_an_open_alert_says_what_it_is_about_and_of_whom() -> None:
    row = alert_row(alert_of(), {"sch_1": "report"})
    assert (row.title, row.about, row.schedules, row.state) == (
        "Dead letter",
        "example.org",
        "report",
        "firing",
    )
    assert row.lasted == ""
    many = alert_row(alert_of(affected=("sch_1", "sch_2", "sch_3"), subject=ENGINE), {"sch_1": "report"})
    assert (many.about, many.schedules) == ("the engine", "report, sch_2 and 1 more")


def test_one_that_is_over_says_how_long_it_took() -> None:
    row = alert_row(alert_of(closed_at=NOON + timedelta(minutes=4, seconds=5)), {})
    assert (row.state, row.lasted) == ("resolved", "4 min 5 s")


def test_a_test_is_about_nothing() -> None:
    row = alert_row(alert_of(kind=None, subject="test", affected=(), closed_at=NOON), {})
    assert (row.title, row.about, row.state) == ("Test", "", "test")


@pytest.mark.parametrize(
    ("statuses", "text", "badly"),
    [
        ((), "to nobody: no channel", True),
        ((NoticeStatus.SENT, NoticeStatus.SENT), "to chat, ops", False),
        ((NoticeStatus.SENT, NoticeStatus.FAILED), "not to chat", True),
        ((NoticeStatus.PENDING, NoticeStatus.SENT), "on its way to ops", False),
    ],
)
def test_whom_it_was_told_and_whether_it_arrived(
    statuses: tuple[NoticeStatus, ...], text: str, badly: bool
) -> None:
    row = alert_row(told(alert_of(), *statuses), {})
    assert (row.told, row.told_badly) == (text, badly)


def test_a_rule_in_a_few_words() -> None:
    def words(kind: str, **fields: Any) -> str:
        return condition(AlertRule("rule_1", "ann", RuleDefinition(name="r", kind=AlertKind(kind), **fields)))

    assert words("consecutive_failures", failures=1) == "1 failure in a row"
    assert words("failure_rate", percent=12.5) == "12.5 % fail within 1 h"
    assert words("missed") == "no start within 5 min"
    assert words("too_slow", deviations=3.0) == "3 deviations slower than usual"
    named = RuleDefinition(name="r", kind=AlertKind.MISSED, schedule_id="sch_1")
    assert watched(named, {"sch_1": "report"}) == "report"
    assert watched(RuleDefinition(name="r", kind=AlertKind.MISSED, tag="prod"), {}) == "tag prod"
