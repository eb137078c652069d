"""What the ledger says of a schedule: failures in a row, their share, unusual durations."""

from __future__ import annotations

from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rez_agent.domain.alert_facts import SPREAD, failing, failures_in_a_row, mended, spoken, unusual
from rez_agent.domain.alert_rules import RuleDefinition
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus
from tests.fakes import NOON

SECOND = timedelta(seconds=1)


def execution(minute: int, status: str = "succeeded", *, took: float = 1.0, **more: Any) -> Execution:
    """One that was due ``minute`` minutes after noon, began then and took so many seconds."""
    due = NOON + timedelta(minutes=minute)
    final = status not in ("queued", "running")
    fields: dict[str, Any] = {
        "id": f"sch_1_{minute:05d}",
        "schedule_id": "sch_1",
        "owner": "ann",
        "scheduled_time": due,
        "status": ExecutionStatus(status),
        "cause": Cause.SCHEDULE,
        "target_type": "web_action",
        "target": "target",
        "schedule_revision": 1,
        "created_date": due,
        "due_at": due,
        "expires_at": due + timedelta(hours=1),
        "started_at": due,
        "finished_at": due + timedelta(seconds=took) if final else None,
        "dead_letter": status == "failed",
        "error": "the target answered 503" if status == "failed" else None,
    }
    return Execution(**{**fields, **more})


def history(words: str) -> list[Execution]:
    """One a minute: F failed, . succeeded, s skipped, r running."""
    known = {"F": "failed", ".": "succeeded", "s": "skipped", "r": "running"}
    return [execution(minute, known[letter]) for minute, letter in enumerate(words)]


def rule(kind: str, **fields: Any) -> RuleDefinition:
    return RuleDefinition(name="r", kind=kind, **fields)


@pytest.mark.parametrize(
    ("words", "count"), [("", 0), (".", 0), ("F", 1), (".FF", 2), ("FF.", 0), ("FsFr", 2), ("F.Fss", 1)]
)
def test_failures_in_a_row_are_counted_past_what_did_not_run(words: str, count: int) -> None:
    assert failures_in_a_row(history(words)) == count


@given(st.text(alphabet="F.sr", max_size=40), st.randoms(use_true_random=False))
def test_the_order_in_which_executions_are_given_does_not_matter(words: str, chance: Any) -> None:
    told = history(words)
    shuffled = list(told)
    chance.shuffle(shuffled)
    assert failures_in_a_row(shuffled) == failures_in_a_row(told)


def test_a_rule_of_consecutive_failures_holds_from_the_nth_on() -> None:
    asked, later = rule("consecutive_failures", failures=3), NOON + timedelta(hours=1)
    assert failing(asked, history(".FF"), later) is None
    found = failing(asked, history(".FFF"), later)
    assert found is not None
    assert found.text == "3 failures in a row. the target answered 503"
    assert failing(asked, history("FFF."), later) is None


def test_what_ended_later_does_not_count_for_the_moment_that_is_asked_about() -> None:
    asked = rule("consecutive_failures", failures=2)
    told = history("FF.")
    assert failing(asked, told, NOON + timedelta(minutes=1, seconds=5)) is not None
    assert failing(asked, told, NOON + timedelta(minutes=5)) is None


def test_a_rule_of_failure_rate_asks_for_enough_executions_and_for_their_share_within_the_window() -> None:
    asked = rule("failure_rate", percent=50.0, window_seconds=600, minimum_executions=4)
    at = NOON + timedelta(minutes=4)
    assert failing(asked, history("F.F"), at) is None, "too few"
    assert failing(asked, history("..F.F"), at + SECOND) is None, "40 %"
    found = failing(asked, history(".F.F"), at)
    assert found is not None
    assert found.text.startswith("2 of 4 executions failed within 10 min.")
    assert failing(asked, history(".F.F"), NOON + timedelta(minutes=13)) is None, "the window has passed"


def test_a_failure_rate_is_mended_when_it_sinks_beneath_its_share() -> None:
    asked = rule("failure_rate", percent=50.0, window_seconds=3_600, minimum_executions=4)
    at = NOON + timedelta(minutes=30)
    assert not mended(asked, history("FFF."), at)
    assert mended(asked, history("FFF...." + "."), at)


def test_a_dead_letter_is_one_that_nobody_has_redriven() -> None:
    asked, later = rule("dead_letter"), NOON + timedelta(hours=1)
    assert failing(asked, history("F"), later) is not None
    assert failing(asked, [execution(0, "failed", dead_letter=False)], later) is None
    assert mended(asked, history("F."), later)


def usual(count: int = 20) -> list[int]:
    """From 0.9 to 1.1 s: median 1 s, median absolute deviation 0.05 s."""
    return [900 + 50 * (number % 5) for number in range(count)]


def test_one_that_takes_much_longer_than_the_ones_before_is_too_slow() -> None:
    asked = rule("too_slow", deviations=5.0, minimum_difference_ms=100)
    slow = execution(30, took=1.6)
    found = unusual(asked, slow, usual())
    assert found is not None
    assert found.text == "It took 1600 ms, much longer than usual: the median of the last 20 is 1000 ms."
    assert unusual(asked, execution(30, took=1.3), usual()) is None
    assert unusual(asked, execution(30, took=0.1), usual()) is None


def test_one_that_takes_much_less_is_too_fast() -> None:
    asked = rule("too_fast", deviations=5.0, minimum_difference_ms=100)
    assert unusual(asked, execution(30, took=0.1), usual()) is not None
    assert unusual(asked, execution(30, took=1.6), usual()) is None


def test_nothing_is_unusual_without_enough_to_compare_with_or_by_a_small_difference() -> None:
    slow = execution(30, took=60.0)
    assert unusual(rule("too_slow"), slow, usual(19)) is None
    steady = [1_000] * 20
    asked = rule("too_slow", minimum_difference_ms=500)
    assert unusual(asked, execution(30, took=1.4), steady) is None
    assert unusual(asked, execution(30, took=1.5), steady) is not None, "no spread at all"


def test_a_test_is_nobodys_concern() -> None:
    tests = [execution(minute, "failed", cause=Cause.TEST) for minute in range(3, 6)]
    assert failures_in_a_row([*history("..."), *tests]) == 0


def test_a_failure_is_never_unusual() -> None:
    assert unusual(rule("too_slow"), execution(30, "failed", took=60.0), usual()) is None


@given(st.lists(st.integers(1, 100_000), min_size=20, max_size=60), st.integers(1, 1_000_000))
def test_unusual_is_so_many_deviations_from_the_median(before: list[int], took: int) -> None:
    asked = rule("too_slow", deviations=4.0, minimum_difference_ms=10)
    middle = median(before)
    away = took - middle
    expected = away >= 10 and away >= 4.0 * SPREAD * median(abs(each - middle) for each in before)
    found = unusual(asked, execution(2_000, took=took / 1000), before)
    assert (found is not None) == (expected and away > 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "5 s"),
        (90, "90 s"),
        (60, "1 min"),
        (300, "5 min"),
        (3_600, "1 h"),
        (10_800, "3 h"),
        (86_400, "1 day"),
    ],
)
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
