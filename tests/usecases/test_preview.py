"""Preview: what an expression means, before anything is created."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rez_agent.usecases.preview import preview, preview_for
from tests.fakes import NOON, ParticularEngine

NEW_YORK = "America/New_York"


def test_the_first_occurrences_are_those_of_a_schedule_created_now() -> None:
    found = preview("cron(0 12 * * ? *)", "UTC", now=NOON + timedelta(milliseconds=400), count=2)

    assert [due.at for due in found.occurrences] == [NOON, NOON + timedelta(days=1)]
    assert found.valid


def test_a_rate_counts_from_now_or_from_its_start() -> None:
    now = preview("rate(90 minutes)", "UTC", now=NOON, count=2)
    start = preview("rate(90 minutes)", "UTC", now=NOON, start=NOON - timedelta(minutes=30), count=1)

    assert [due.at for due in now.occurrences] == [NOON, NOON + timedelta(minutes=90)]
    assert start.occurrences[0].at == NOON + timedelta(hours=1)


def test_the_end_ends_it() -> None:
    found = preview("rate(1 hour)", "UTC", now=NOON, end=NOON + timedelta(hours=1), count=10)

    assert len(found.occurrences) == 2


def test_the_wall_clock_is_shown_with_the_offset_in_force() -> None:
    found = preview("cron(0 9 * * ? *)", NEW_YORK, now=datetime(2026, 3, 7, 15, tzinfo=UTC), count=2)

    assert [due.local.isoformat() for due in found.occurrences] == [
        "2026-03-08T09:00:00-04:00",
        "2026-03-09T09:00:00-04:00",
    ]


def test_a_time_in_the_spring_gap_is_told_as_skipped() -> None:
    found = preview("cron(30 2 * * ? *)", NEW_YORK, now=datetime(2026, 3, 7, 12, tzinfo=UTC), count=1)

    assert found.occurrences[0].at == datetime(2026, 3, 9, 6, 30, tzinfo=UTC)
    assert len(found.skipped) == 1
    assert "8 March 2026" in found.skipped[0]


def test_a_time_in_the_autumn_fold_is_told_to_run_once() -> None:
    found = preview("cron(30 1 * * ? *)", NEW_YORK, now=datetime(2026, 11, 1, 4, tzinfo=UTC), count=1)

    assert found.occurrences[0].at == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert "twice" in (found.occurrences[0].note or "")


def test_what_never_fires_is_valid_with_a_warning() -> None:
    found = preview("cron(0 0 30 2 ? *)", "UTC", now=NOON)

    assert found.valid
    assert found.occurrences == ()
    assert [warning.code for warning in found.warnings] == ["never_fires"]


def test_an_at_in_the_past_is_explained_and_not_valid() -> None:
    found = preview("at(2020-01-01T00:00:00)", "UTC", now=NOON)

    assert not found.valid
    assert found.explanation is not None
    assert [problem.code for problem in found.problems] == ["schedule_in_past"]


def test_expression_and_zone_are_both_told_wrong() -> None:
    found = preview("cron(0 9 * * MON-FRY *)", "Europe/Berln", now=NOON)

    assert {problem.pointer for problem in found.problems} == {"/schedule_expression", "/timezone"}
    assert found.explanation is None


def test_what_the_engine_can_not_keep_time_for_is_told_beside_what_it_would_come_to() -> None:
    engine = ParticularEngine("cron(0 9 * * ? *)")
    found = preview_for(engine, "cron(0 9 * * ? *)", "UTC", now=NOON, count=2)
    assert [problem.code for problem in found.problems] == ["unsupported_by_engine"]
    assert len(found.occurrences) == 2
    assert preview_for(engine, "cron(0 10 * * ? *)", "UTC", now=NOON).valid
    assert preview_for(engine, "cron(nonsense)", "UTC", now=NOON).occurrences == ()
