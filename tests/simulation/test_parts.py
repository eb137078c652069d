"""The simulation's own parts: a judge is judged first."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.domain.oracle import due_minutes
from tests.simulation.campaign import RESULTS, campaign
from tests.simulation.clocks import Stretches
from tests.simulation.matching import Target, matched
from tests.simulation.oracle import Days, due
from tests.simulation.story import SPANS, ZONES, transitions, written
from tests.simulation.support import program

CRONS = (
    "cron(0,20,40 0-3 * * ? *)",
    "cron(30 2 ? * SAT-SUN *)",
    "cron(15/30 * LW * ? *)",
    "cron(59 23 ? * FRIL *)",
    "cron(0 */6 L-2 * ? 2026)",
)


@pytest.mark.parametrize("zone", ZONES)
def test_the_oracle_by_days_agrees_with_the_one_by_minutes(zone: str) -> None:
    chance = Random(zone)
    for change in (*transitions(zone), datetime(2026, 5, 30, 11, tzinfo=UTC)):
        for text in CRONS:
            after = change - timedelta(minutes=chance.randrange(4_000))
            until = after + timedelta(days=3)
            definition = {"schedule_expression": text, "timezone": zone}
            found = due(definition, after, after + timedelta(microseconds=1), until, None)
            assert found == due_minutes(text, zone, after, until)


def test_the_oracle_moves_what_a_calendar_closes() -> None:
    days = Days("days", frozenset(range(5)))
    definition = {"schedule_expression": "cron(0 9 * * ? *)", "calendar": {"name": "days", "closed": "next"}}
    friday, tuesday = datetime(2026, 6, 5, tzinfo=UTC), datetime(2026, 6, 9, 12, tzinfo=UTC)
    assert [f"{each:%a}" for each in due(definition, friday, friday, tuesday, days)] == ["Fri", "Mon", "Tue"]


def test_a_matching_finds_what_is_missed_extra_and_early() -> None:
    targets = [Target(name, first, first + 1, must) for name, first, must in _TARGETS]
    assert matched(targets, [10.5, 20.2, 30.0]) == matched(targets, [30.0, 10.5, 20.2])
    found = matched(targets, [10.5, 18.0, 30.0, 500.0])
    assert (found.missed, found.early, found.extra) == (["twenty"], [18.0], [500.0])
    crowded = [Target("wide", 0, 10, must=True), Target("narrow", 0, 2, must=True)]
    assert matched(crowded, [1.0, 9.0]).missed == []
    assert matched(crowded, [8.0, 9.0]).missed == ["narrow"]


_TARGETS = (("ten", 10, True), ("twenty", 20, True), ("thirty", 30, False))


def test_stretches_leave_out_what_lies_in_them() -> None:
    stretches = Stretches([(10, 20), (15, 30), (40, 50)])
    assert stretches.joined == [(10, 30), (40, 50)]
    assert stretches.free(5, 45) == 15
    assert stretches.after(5, 6) == 31
    assert stretches.after(5, 5) == 10 or stretches.after(5, 5) == 30


def test_stories_are_of_every_kind() -> None:
    plans = [written(seed) for seed in range(200)]
    told = "\n".join(line for plan in plans for line in plan.told())
    for word in ("Crash(", "power=True", "Restart(", "Jump(", "Stall(", "Refusal(", "late=30", "again=5.0"):
        assert word in told, word
    for kind, shortest, longest in SPANS:
        assert any(shortest <= plan.seconds <= longest for plan in plans), kind


@pytest.mark.parametrize("seed", [4, 12])
def test_a_seed_is_the_same_story_wherever_it_is_played(seed: int) -> None:
    one, other = (program("--seed", str(seed), hash_seed=each) for each in ("1", "2"))
    assert one.returncode == 0, one.stdout
    assert len(one.stdout.splitlines()) > 50
    assert one.stdout == other.stdout


def test_seeds_add_up_over_several_runs(tmp_path: Path) -> None:
    for upto in (3, 3, 5):
        for results in campaign(upto, directory=tmp_path, workers=1):
            assert results.failed == {}
    document = json.loads((tmp_path / RESULTS).read_text())
    assert document["seeds"] == 5
    assert document["years"] > 0
