"""Changes and verdicts as a page shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rez_agent.domain.changes import ABSENT, Change, ChangeAction, Difference
from rez_agent.domain.verdicts import Verdict
from rez_agent.web.page.changes_told import LONGEST, Line, Side, label_of, told, verdict_badge
from rez_agent.web.page.environment import environment
from tests.fakes import NOON

PAUSE = {"since": "2026-06-01T12:00:00Z", "by": "bob", "reason": "mown", "until": "2026-06-02T16:00:00Z"}


def change(action: str = "update", *diff: Difference, by: str | None = "ann") -> Change:
    return Change("sch_1", 2, ChangeAction(action), NOON, by=by, diff=diff)


def line(path: str, before: Any = ABSENT, after: Any = ABSENT) -> Line:
    made = change("update", Difference(path, before, after))
    ((shown,),) = (one.lines for one in told([made], "Europe/Paris"))
    return shown


def test_a_field_is_shown_with_its_name_and_both_sides() -> None:
    shown = line("/schedule_expression", "rate(1 day)", "rate(2 days)")
    assert shown == Line("Expression", Side("rate(1 day)", True), Side("rate(2 days)", True))


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/policies/retry/max_attempts", "Policies: retry: max_attempts"),
        ("/payload/url~1x/~0y", "Payload: url/x: ~y"),
        ("/shape", "shape"),
    ],
)
def test_a_place_is_told_in_words(path: str, label: str) -> None:
    assert label_of(path) == label


@pytest.mark.parametrize("nothing", [ABSENT, None, "", []])
def test_nothing_is_shown_as_nothing(nothing: Any) -> None:
    assert not line("/tags", nothing, ["a"]).before.there
    assert line("/tags", nothing, ["a", "b"]).after.text == "a, b"


def test_false_and_nought_are_something() -> None:
    assert [line("/payload/x", value).before.text for value in (False, 0)] == ["false", "0"]


def test_instants_are_on_the_clocks_of_the_schedule_s_zone() -> None:
    assert line("/start", None, "2026-06-01T12:00:00Z").after.text == "Mon 1 Jun 2026, 14:00:00"


def test_what_is_long_is_cut() -> None:
    shown = line("/description", "", "x" * (LONGEST + 1)).after
    assert (len(shown.text), shown.cut) == (LONGEST, True)


def test_a_pause_is_told_in_its_head() -> None:
    diff = (Difference("/status", "active", "paused"), Difference("/pause", None, PAUSE))
    (shown,) = told([change("pause", *diff)], "UTC")
    assert (shown.word, shown.until, shown.lines) == ("Paused", "until Tue 2 Jun 2026, 16:00:00", ())
    forever = Difference("/pause", None, {**PAUSE, "until": None})
    assert told([change("pause", forever)], "UTC")[0].until == "until somebody resumes it"
    assert told([change("pause")], "UTC")[0].until == ""
    assert told([change("resume", replace(forever, before=PAUSE, after=None))], "UTC")[0].until == ""


def test_what_nobody_asked_for_was_the_engine() -> None:
    assert told([change("resume", by=None)], "UTC")[0].by == "the engine"


def test_every_action_and_every_verdict_has_a_sign_of_its_own() -> None:
    signs = environment().get_template("ui.html").module.badge  # type: ignore[attr-defined]
    badges = [verdict_badge(verdict) for verdict in Verdict]
    badges += [(one.badge, one.word) for one in told(map(change, ChangeAction), "UTC")]
    for badge, words in badges:
        drawn = str(signs(badge, words))
        assert words in drawn
        assert "•" not in drawn, badge
