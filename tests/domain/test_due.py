"""What is owed, against a second opinion that looks at each occurrence by itself."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rez_agent.domain.due import (
    NOTHING_IN_FLIGHT,
    OWED_AT_ONCE,
    InFlight,
    Owed,
    Passed,
    Skip,
    owed,
    passed_in,
)
from rez_agent.domain.execution import Cause, Reason
from rez_agent.domain.expression import Occurrences, parse
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.policies import HELD_AT_MOST, CatchUp, CatchUpMode, Overlap
from tests.fakes import NOON

START = to_seconds(NOON)
HOUR, DAY = 3_600, 86_400

Verdict = tuple[str, bool]
"""A cause or a reason, and whether it is held."""


def every(minutes: int, end: int | None = None) -> Occurrences:
    unit = "minute" if minutes == 1 else "minutes"
    stop = None if end is None else from_seconds(end)
    return Occurrences(parse(f"rate({minutes} {unit})"), start=NOON, end=stop)


def ask(
    occurrences: Occurrences,
    now: int,
    *,
    cursor: int = START,
    mode: CatchUpMode = CatchUpMode.LATEST,
    window: int = DAY,
    overlap: Overlap = Overlap.ALLOW,
    in_flight: InFlight = NOTHING_IN_FLIGHT,
) -> Owed:
    catch_up = CatchUp(mode=mode, window_seconds=window)
    return owed(occurrences, cursor=cursor, now=now, catch_up=catch_up, overlap=overlap, in_flight=in_flight)


def fired(answer: Owed) -> list[int]:
    return [fire.scheduled - START for fire in answer.fires]


# --- the second opinion ---


def opinion(
    times: list[int], now: int, mode: CatchUpMode, window: int, overlap: Overlap, in_flight: InFlight
) -> dict[int, Verdict]:
    """Each occurrence's fate, decided one by one."""
    some_on_time = any(now - due < 60 for due in times)
    newest_missed = max((due for due in times if now - due >= 60), default=None)
    total, held = in_flight.total, in_flight.held
    fates: dict[int, Verdict] = {}
    promised = False
    for due in times:
        late, young = now - due >= 60, now - due <= window
        latest = mode is CatchUpMode.LATEST and due == newest_missed and not some_on_time
        if late and not (young and (mode is CatchUpMode.ALL or latest)):
            fates[due] = ("missed", False)
            continue
        waits = overlap is not Overlap.ALLOW and total > 0
        promised = promised or (late and mode is CatchUpMode.ALL)
        full = overlap is Overlap.SKIP or held >= HELD_AT_MOST
        if waits and full and not promised:
            fates[due] = ("overlap", False)
            continue
        fates[due] = ("catch_up" if late else "schedule", waits)
        total, held = total + 1, held + waits
    return fates


def all_times(occurrences: Occurrences, first: int, last: int) -> list[int]:
    found, due = [], occurrences.next_epoch(first - 1)
    while due is not None and due <= last:
        found.append(due)
        due = occurrences.next_epoch(due)
    return found


def told(occurrences: Occurrences, answer: Owed) -> list[tuple[int, Verdict]]:
    """Each occurrence that an answer speaks of, spans taken apart."""
    found = [(fire.scheduled, (fire.cause.value, fire.held)) for fire in answer.fires]
    for skip in answer.skips:
        times = all_times(occurrences, skip.passed.first, skip.passed.last)
        assert len(times) == skip.passed.count
        assert (times[0], times[-1]) == (skip.passed.first, skip.passed.last)
        found += [(due, (skip.reason.value, False)) for due in times]
    return found


expressions = st.one_of(
    st.integers(1, 180).map(lambda n: f"rate({n} minute{'s' if n > 1 else ''})"),
    st.sampled_from(
        ["cron(0/7 * * * ? *)", "cron(30 1 * * ? *)", "cron(0 0/2 ? * MON-WED *)", "at(2026-06-01T14:00:00)"]
    ),
)
in_flights = st.tuples(st.integers(0, 14), st.integers(0, 14)).map(lambda n: InFlight(max(n), min(n)))


@settings(max_examples=400, deadline=None)
@given(
    text=expressions,
    mode=st.sampled_from(CatchUpMode),
    overlap=st.sampled_from(Overlap),
    window=st.integers(60, 2 * DAY),
    elapsed=st.one_of(st.integers(0, 200), st.integers(0, 2 * DAY)),
    ends_after=st.none() | st.integers(0, DAY),
    in_flight=in_flights,
)
def test_every_occurrence_up_to_now_is_told_once_as_the_second_opinion_has_it(
    text: str,
    mode: CatchUpMode,
    overlap: Overlap,
    window: int,
    elapsed: int,
    ends_after: int | None,
    in_flight: InFlight,
) -> None:
    end = None if ends_after is None else NOON + timedelta(seconds=ends_after)
    occurrences = Occurrences(parse(text, "Europe/London"), start=NOON, end=end)
    cursor = occurrences.next_epoch(START - 1)
    if cursor is None:
        return
    now = cursor + elapsed
    times = all_times(occurrences, cursor, now)
    expected = opinion(times, now, mode, window, overlap, in_flight)
    found: list[tuple[int, Verdict]] = []
    following: int | None = cursor
    while following is not None and following <= now:
        answer = ask(
            occurrences,
            now,
            cursor=following,
            mode=mode,
            window=window,
            overlap=overlap,
            in_flight=in_flight,
        )
        assert len(answer.fires) <= OWED_AT_ONCE + 1
        assert answer.next_run is None or answer.next_run > following
        found += told(occurrences, answer)
        held = sum(fire.held for fire in answer.fires)
        in_flight = InFlight(in_flight.total + len(answer.fires), in_flight.held + held)
        following = answer.next_run
    assert Counter(due for due, _ in found) == Counter(times)
    assert dict(found) == expected
    assert following == occurrences.next_epoch(max(times))


# --- by name ---


def test_one_occurrence_on_time_fires_and_the_next_one_is_the_cursor() -> None:
    answer = ask(every(60), START + 1)
    assert fired(answer) == [0]
    assert answer.skips == []
    assert answer.next_run == START + HOUR


@pytest.mark.parametrize("late", [0, 1, 59])
def test_what_is_late_by_less_than_a_minute_is_not_missed(late: int) -> None:
    (fire,) = ask(every(60), START + late, mode=CatchUpMode.SKIP).fires
    assert fire.cause is Cause.SCHEDULE


def test_what_is_late_by_a_minute_was_missed() -> None:
    assert ask(every(60), START + 60, mode=CatchUpMode.SKIP).skips == [
        Skip(Passed(START, START, 1), Reason.MISSED)
    ]
    (fire,) = ask(every(60), START + 60).fires
    assert fire.cause is Cause.CATCH_UP


def test_latest_runs_the_newest_missed_one_and_tells_of_the_rest_in_one_entry() -> None:
    answer = ask(every(60), START + 5 * HOUR + 600)
    assert fired(answer) == [5 * HOUR]
    assert answer.skips == [Skip(Passed(START, START + 4 * HOUR, 5), Reason.MISSED)]
    assert answer.next_run == START + 6 * HOUR


def test_latest_runs_nothing_older_where_one_is_on_time() -> None:
    answer = ask(every(60), START + 5 * HOUR + 5)
    assert [(fire.scheduled - START, fire.cause) for fire in answer.fires] == [(5 * HOUR, Cause.SCHEDULE)]
    assert answer.skips == [Skip(Passed(START, START + 4 * HOUR, 5), Reason.MISSED)]


def test_all_runs_what_lies_in_the_window_and_tells_of_what_is_older() -> None:
    answer = ask(every(60), START + 5 * HOUR + 600, mode=CatchUpMode.ALL, window=2 * HOUR + 600)
    assert fired(answer) == [3 * HOUR, 4 * HOUR, 5 * HOUR]
    assert answer.skips == [Skip(Passed(START, START + 2 * HOUR, 3), Reason.MISSED)]


def test_a_year_of_minutes_is_one_entry_counted_exactly() -> None:
    answer = ask(every(1), START + 365 * DAY + 30, mode=CatchUpMode.SKIP)
    assert fired(answer) == [365 * DAY]
    (skip,) = answer.skips
    assert skip.passed == Passed(START, START + 365 * DAY - 60, 365 * 24 * 60)


def test_a_missed_at_within_its_window_runs_and_an_older_one_is_skipped() -> None:
    once = Occurrences(parse("at(2026-06-01T12:00:00)"))
    answer = ask(once, START + DAY)
    assert fired(answer) == [0]
    assert answer.next_run is None
    assert ask(once, START + DAY + 1).skips == [Skip(Passed(START, START, 1), Reason.MISSED)]


def test_after_the_last_occurrence_nothing_follows() -> None:
    assert ask(every(60, end=START + 90 * 60), START + 5 * HOUR).next_run is None


def test_a_long_catch_up_is_cut_and_goes_on_where_it_stopped() -> None:
    now = START + 1_100 * 60 + 5
    first = ask(every(1), now, mode=CatchUpMode.ALL)
    assert len(first.fires) == OWED_AT_ONCE
    assert first.next_run == START + OWED_AT_ONCE * 60
    second = ask(every(1), now, mode=CatchUpMode.ALL, cursor=first.next_run)
    third = ask(every(1), now, mode=CatchUpMode.ALL, cursor=second.next_run or 0)
    assert len(first.fires) + len(second.fires) + len(third.fires) == 1_101
    assert third.next_run is not None
    assert third.next_run > now


def test_under_skip_an_occurrence_yields_to_what_is_in_flight() -> None:
    answer = ask(every(60), START, overlap=Overlap.SKIP, in_flight=InFlight(1, 0))
    assert answer.fires == []
    assert answer.skips == [Skip(Passed(START, START, 1), Reason.OVERLAP)]


def test_under_queue_ten_are_held_and_the_eleventh_is_skipped() -> None:
    answer = ask(every(60), START, overlap=Overlap.QUEUE, in_flight=InFlight(10, 9))
    assert [fire.held for fire in answer.fires] == [True]
    full = ask(every(60), START, overlap=Overlap.QUEUE, in_flight=InFlight(11, 10))
    assert full.skips == [Skip(Passed(START, START, 1), Reason.OVERLAP)]


@pytest.mark.parametrize("missed", [1, 2, 501])
def test_what_all_makes_good_is_held_rather_than_skipped_for_overlap(missed: int) -> None:
    answers, cursor, in_flight = [], START, InFlight(1, 0)
    now = START + missed * 60 + 30
    occurrences = every(1, end=START + (missed - 1) * 60)
    while True:
        answer = ask(
            occurrences,
            now,
            cursor=cursor,
            mode=CatchUpMode.ALL,
            overlap=Overlap.SKIP,
            in_flight=in_flight,
        )
        answers.append(answer)
        in_flight = InFlight(in_flight.total + len(answer.fires), in_flight.held + len(answer.fires))
        if answer.next_run is None:
            break
        cursor = answer.next_run
    fires = [fire for answer in answers for fire in answer.fires]
    assert [skip for answer in answers for skip in answer.skips] == []
    assert len(fires) == missed
    assert all(fire.held for fire in fires)


def test_the_newest_is_not_skipped_because_older_ones_are_made_good_before_it() -> None:
    answer = ask(every(60), START + 3 * HOUR + 30, mode=CatchUpMode.ALL, overlap=Overlap.SKIP)
    assert [fire.cause for fire in answer.fires] == ["catch_up", "catch_up", "catch_up", "schedule"]
    assert [fire.held for fire in answer.fires] == [False, True, True, True]
    assert answer.skips == []


def test_the_first_of_all_that_is_made_good_does_not_wait_when_nothing_is_in_flight() -> None:
    answer = ask(every(60), START + 3 * HOUR + 600, mode=CatchUpMode.ALL, overlap=Overlap.SKIP)
    assert [fire.held for fire in answer.fires] == [False, True, True, True]


@pytest.mark.parametrize("late", [0, 61, 2 * DAY])
@pytest.mark.parametrize("mode", CatchUpMode)
def test_a_cursor_that_the_rules_of_its_zone_no_longer_know_stops_nothing(
    mode: CatchUpMode, late: int
) -> None:
    """A new edition of the tz database may move an occurrence after its instant was stored."""
    stale = START + 1_800
    answer = ask(every(60), stale + late, cursor=stale, mode=mode)
    spoken = [fire.scheduled for fire in answer.fires] + [skip.passed.first for skip in answer.skips]
    assert min(spoken) == (stale if late < HOUR / 2 else START + HOUR)
    assert answer.next_run is not None
    assert answer.next_run > stale + late


def test_occurrences_that_passed_are_counted_with_both_ends() -> None:
    assert passed_in(every(60), START, START + 2 * HOUR) == Passed(START, START + 2 * HOUR, 3)
    assert passed_in(every(60), START + 1, START + 2 * HOUR - 1) == Passed(START + HOUR, START + HOUR, 1)
    assert passed_in(every(60), START + 1, START + HOUR - 1) is None
    assert passed_in(every(60), START + 10, START + 5) is None
