"""Clock changes, by name. Each rule is EventBridge Scheduler's (User Guide, "Schedule types")."""

from __future__ import annotations

from datetime import datetime

import pytest

from rez_agent.domain.expression import Occurrences, parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def due(text: str, timezone: str, after: str, until: str) -> list[str]:
    found = Occurrences(parse(text, timezone)).between(at(after), at(until), limit=10_000)
    return [f"{instant:%Y-%m-%dT%H:%MZ}" for instant in found]


def test_a_time_in_the_spring_gap_is_skipped() -> None:
    assert due("cron(30 2 * * ? *)", "America/New_York", "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z") == [
        "2026-03-07T07:30Z",
        "2026-03-09T06:30Z",
    ]


def test_a_time_in_the_autumn_fold_is_due_once_at_its_first_pass() -> None:
    found = due("cron(30 1 * * ? *)", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z")
    assert found == ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]


def test_every_quarter_of_an_hour_pauses_for_the_repeated_hour() -> None:
    found = due("cron(0/15 * * * ? *)", "Europe/London", "2026-10-25T00:29:00Z", "2026-10-25T02:15:00Z")
    assert found == ["2026-10-25T00:30Z", "2026-10-25T00:45Z", "2026-10-25T02:00Z", "2026-10-25T02:15Z"]


def test_asked_in_the_second_pass_the_first_pass_is_never_answered() -> None:
    occurrences = Occurrences(parse("cron(30 1 * * ? *)", "Europe/London"))
    second_pass = at("2026-10-25T01:10:00Z")
    assert occurrences.next_after(second_pass) == at("2026-10-26T01:30:00Z")
    assert occurrences.previous_before(second_pass) == at("2026-10-25T00:30:00Z")


def test_the_first_minute_after_the_gap_is_due() -> None:
    found = due("cron(0 3 8 3 ? 2026)", "America/New_York", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
    assert found == ["2026-03-08T07:00Z"]


def test_the_first_minute_after_the_fold_is_due() -> None:
    found = due("cron(0 2 1 11 ? 2026)", "America/New_York", "2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert found == ["2026-11-01T07:00Z"]


def test_midnight_in_a_gap_at_midnight_is_skipped() -> None:
    found = due("cron(0 0 * * ? *)", "Africa/Cairo", "2026-04-22T23:00:00Z", "2026-04-25T23:00:00Z")
    assert found == ["2026-04-24T21:00Z", "2026-04-25T21:00Z"]


def test_lord_howe_changes_by_half_an_hour() -> None:
    zone = "Australia/Lord_Howe"
    gap = due("cron(0/10 2 4 10 ? 2026)", zone, "2026-10-03T00:00:00Z", "2026-10-05T00:00:00Z")
    assert gap == ["2026-10-03T15:30Z", "2026-10-03T15:40Z", "2026-10-03T15:50Z"]
    fold = due("cron(0/15 1 5 4 ? 2026)", zone, "2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z")
    assert fold == ["2026-04-04T14:00Z", "2026-04-04T14:15Z", "2026-04-04T14:30Z", "2026-04-04T14:45Z"]


def test_troll_changes_by_two_hours() -> None:
    zone = "Antarctica/Troll"
    gap = due("cron(30 * 29 3 ? 2026)", zone, "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z")
    assert gap == ["2026-03-29T00:30Z", "2026-03-29T01:30Z"]
    fold = due("cron(30 0-4 25 10 ? 2026)", zone, "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z")
    assert fold == [
        "2026-10-24T22:30Z",
        "2026-10-24T23:30Z",
        "2026-10-25T00:30Z",
        "2026-10-25T03:30Z",
        "2026-10-25T04:30Z",
    ]


def test_the_day_that_samoa_never_had_is_skipped() -> None:
    found = due("cron(0 12 * * ? *)", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-31T12:00:00Z")
    assert found == ["2011-12-29T22:00Z", "2011-12-30T22:00Z"]


def test_casablanca_turns_back_for_ramadan_and_forward_after_it() -> None:
    found = due("cron(30 2 * * ? *)", "Africa/Casablanca", "2025-02-22T12:00:00Z", "2025-02-24T12:00:00Z")
    assert found == ["2025-02-23T01:30Z", "2025-02-24T02:30Z"]
    assert due("cron(30 2 * * ? *)", "Africa/Casablanca", "2025-04-05T12:00:00Z", "2025-04-07T12:00:00Z") == [
        "2025-04-07T01:30Z"
    ]


def test_dublin_whose_winter_time_is_the_exception_behaves_as_london_does() -> None:
    window = "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z"
    assert due("cron(30 1 * * ? *)", "Europe/Dublin", *window) == due(
        "cron(30 1 * * ? *)", "Europe/London", *window
    )


def test_an_offset_with_seconds_makes_a_whole_minute_of_the_wall_a_broken_one_of_utc() -> None:
    liberia = Occurrences(parse("cron(0 12 * * ? *)", "Africa/Monrovia"))
    assert liberia.next_after(at("1971-06-01T00:00:00Z")) == at("1971-06-01T12:44:30Z")


def test_a_zone_west_of_greenwich_may_begin_1970_in_1970() -> None:
    first = Occurrences(parse("cron(0 0 1 1 ? 1970)", "America/New_York"))
    assert first.next_after(at("1969-01-01T00:00:00Z")) == at("1970-01-01T05:00:00Z")


def test_a_zone_east_of_greenwich_begins_1970_before_the_epoch() -> None:
    first = Occurrences(parse("cron(0 0 1 1 ? 1970)", "Pacific/Auckland"))
    assert first.next_after(at("1969-01-01T00:00:00Z")) == at("1969-12-31T12:00:00Z")
    assert first.previous_before(at("1970-01-01T00:00:00Z")) == at("1969-12-31T12:00:00Z")


def test_the_last_minute_of_2199_is_due_and_nothing_after_it() -> None:
    last = Occurrences(parse("cron(59 23 31 12 ? *)", "America/Los_Angeles"))
    end = at("2200-01-01T07:59:00Z")
    assert last.previous_before(at("2300-01-01T00:00:00Z")) == end
    assert last.next_after(end) is None


@pytest.mark.parametrize("timezone", ["UTC", "America/New_York", "Antarctica/Troll", "Pacific/Apia"])
def test_a_rate_heeds_no_clock(timezone: str) -> None:
    start = at("2026-03-08T06:30:00Z")
    occurrences = Occurrences(parse("rate(30 minutes)", timezone), start=start)
    assert occurrences.count_between(start, at("2026-03-09T06:30:00Z")) == 48


def test_an_at_in_a_gap_moves_forward_by_the_gap() -> None:
    occurrences = Occurrences(parse("at(2026-03-08T02:30:00)", "America/New_York"))
    assert occurrences.next_after(at("2026-01-01T00:00:00Z")) == at("2026-03-08T07:30:00Z")


def test_an_at_in_a_fold_is_due_at_its_first_pass() -> None:
    occurrences = Occurrences(parse("at(2026-11-01T01:30:00)", "America/New_York"))
    assert occurrences.next_after(at("2026-01-01T00:00:00Z")) == at("2026-11-01T05:30:00Z")


# --- what people are told ---


def test_a_skipped_time_is_named() -> None:
    skipped = parse("cron(30 2 * * ? *)", "America/New_York").skipped_between(
        at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z")
    )
    assert [entry.note for entry in skipped] == [
        "02:30 does not exist on 8 March 2026 in America/New_York: skipped"
    ]
    assert skipped[0].wall.isoformat() == "2026-03-08T02:30:00"


def test_skipped_times_are_counted_off_at_the_limit() -> None:
    expression = parse("cron(* * * * ? *)", "America/New_York")
    window = at("2026-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z")
    assert len(expression.skipped_between(*window, limit=1000)) == 120
    assert len(expression.skipped_between(*window, limit=7)) == 7


def test_only_a_gap_within_the_window_skips() -> None:
    expression = parse("cron(30 2 * * ? *)", "America/New_York")
    gap = at("2026-03-08T07:00:00Z")
    assert len(expression.skipped_between(at("2026-03-08T06:59:59Z"), gap)) == 1
    assert expression.skipped_between(gap, at("2026-06-01T00:00:00Z")) == []


@pytest.mark.parametrize("text", ["rate(5 minutes)", "at(2026-03-08T02:30:00)", "cron(30 3 * * ? *)"])
def test_nothing_else_skips(text: str) -> None:
    window = at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")
    assert parse(text, "America/New_York").skipped_between(*window) == []


def test_the_first_pass_of_a_repeated_time_says_that_it_runs_once() -> None:
    expression = parse("cron(30 1 * * ? *)", "America/New_York")
    note = "01:30 happens twice on 1 November 2026 in America/New_York: runs once, at the first"
    assert expression.note_at(at("2026-11-01T05:30:00Z")) == note
    assert expression.note_at(at("2026-11-02T06:30:00Z")) is None
    assert expression.note_at(at("2026-10-31T05:30:00Z")) is None


def test_a_time_right_before_or_after_the_repeated_hour_needs_no_note() -> None:
    expression = parse("cron(0/30 * * * ? *)", "America/New_York")
    assert expression.note_at(at("2026-11-01T04:30:00Z")) is None
    assert expression.note_at(at("2026-11-01T05:00:00Z")) is not None
    assert expression.note_at(at("2026-11-01T07:00:00Z")) is None


def test_a_rate_needs_no_note() -> None:
    assert parse("rate(30 minutes)", "America/New_York").note_at(at("2026-11-01T05:30:00Z")) is None


def test_an_at_in_a_gap_warns_where_it_goes() -> None:
    expression = parse("at(2026-03-08T02:30:00)", "America/New_York")
    text = "02:30 does not exist on 8 March 2026 in America/New_York: moves forward by the gap, to 03:30"
    assert [(problem.code, problem.message) for problem in expression.warnings()] == [("at_in_gap", text)]
    assert expression.note_at(at("2026-03-08T07:30:00Z")) == text


def test_an_at_on_the_day_that_samoa_never_had_names_the_day_it_moves_to() -> None:
    (warning,) = parse("at(2011-12-30T12:00:00)", "Pacific/Apia").warnings()
    assert warning.message.endswith("moves forward by the gap, to 12:00 on 31 December 2011")
