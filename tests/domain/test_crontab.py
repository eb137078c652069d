"""From crontab lines to definitions: what is said stays the same, what can't be said is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rez_agent.domain.crontab import (
    DAY,
    FIELDS,
    HOUR,
    MINUTE,
    MONTH,
    WEEKDAY,
    Line,
    convert,
    expressions_of,
    read_field,
)
from rez_agent.domain.errors import Invalid
from rez_agent.domain.expression import Occurrences, parse

URL = "https://example.com/ping"


def one(line: str, **options: str | None) -> Line:
    lines = list(convert([line], **options))
    assert len(lines) == 1
    return lines[0]


def expression(fields: str) -> str:
    return expressions_of(tuple(fields.split()))[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("* * * * *", "cron(* * * * ? *)"),
        ("*/15 * * * *", "cron(0/15 * * * ? *)"),
        ("0 9 * * 1-5", "cron(0 9 ? * MON-FRI *)"),
        ("0 9 * * mon-fri", "cron(0 9 ? * MON-FRI *)"),
        ("0 0 1 1 *", "cron(0 0 1 1 ? *)"),
        ("0 0 1 JAN,JUL *", "cron(0 0 1 1,7 ? *)"),
        ("30 2 * * 0", "cron(30 2 ? * SUN *)"),
        ("30 2 * * 7", "cron(30 2 ? * SUN *)"),
        ("30 2 * * 5-7", "cron(30 2 ? * SUN,FRI,SAT *)"),
        ("30 2 * * 0-7", "cron(30 2 * * ? *)"),
        ("0 0 * * fri-sun", "cron(0 0 ? * SUN,FRI,SAT *)"),
        ("0,30 8-18 * * *", "cron(0,30 8-18 * * ? *)"),
        ("5-59/10 * * * *", "cron(5/10 * * * ? *)"),
        ("0 0-12/4 * * *", "cron(0 0,4,8,12 * * ? *)"),
        ("0 0 */2 * *", "cron(0 0 1/2 * ? *)"),
        ("0 0 1-7,15 * *", "cron(0 0 1-7,15 * ? *)"),
        ("0 0 * * */2", "cron(0 0 ? * SUN,TUE,THU,SAT *)"),
        ("*/7 * * * *", "cron(0/7 * * * ? *)"),
        ("0 0 1 * 0-6", "cron(0 0 * * ? *)"),
        ("0 0 1-31 * 1", "cron(0 0 * * ? *)"),
        ("0 0 */1 * 1", "cron(0 0 ? * MON *)"),
    ],
)
def test_five_fields_become_an_expression_that_means_the_same(fields: str, expected: str) -> None:
    assert expression(fields) == expected
    parse(expected)


@pytest.mark.parametrize(
    ("nickname", "expected"),
    [
        ("@hourly", "cron(0 * * * ? *)"),
        ("@daily", "cron(0 0 * * ? *)"),
        ("@midnight", "cron(0 0 * * ? *)"),
        ("@weekly", "cron(0 0 ? * SUN *)"),
        ("@monthly", "cron(0 0 1 * ? *)"),
        ("@yearly", "cron(0 0 1 1 ? *)"),
        ("@Annually", "cron(0 0 1 1 ? *)"),
    ],
)
def test_nicknames_are_spelled_out(nickname: str, expected: str) -> None:
    assert one(f"{nickname} {URL}").definitions[0]["schedule_expression"] == expected


def test_both_day_fields_mean_either_and_become_two_schedules_with_a_note() -> None:
    line = one(f"0 0 13 * 5 {URL}")
    assert [d["schedule_expression"] for d in line.definitions] == [
        "cron(0 0 13 * ? *)",
        "cron(0 0 ? * FRI *)",
    ]
    assert [d["name"] for d in line.definitions] == ["example-com-ping", "example-com-ping-2"]
    assert line.note is not None
    assert "became two schedules" in line.note
    assert "both fire" in line.note


@pytest.mark.parametrize("fields", ["0 0 */2 * 1", "0 0 13 * */2"])
def test_days_that_must_match_both_are_refused_because_cron_can_not_say_it(fields: str) -> None:
    error = one(f"{fields} {URL}").error
    assert error is not None
    assert "match both" in error


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"@reboot {URL}", "@reboot is no time"),
        (f"@fortnightly {URL}", "Known: @yearly"),
        (f"60 * * * * {URL}", "60 in the minute lies outside 0-59"),
        (f"* 24 * * * {URL}", "24 in the hour lies outside 0-23"),
        (f"* * 0 * * {URL}", "0 in the day of month lies outside 1-31"),
        (f"* * * 13 * {URL}", "13 in the month lies outside 1-12"),
        (f"* * * * 8 {URL}", "8 in the day of week lies outside 0-7"),
        (f"* * * * FRY {URL}", "'FRY' in the day of week is not known"),
        (f"5/10 * * * * {URL}", "write 5-59/10"),
        (f"0~30 * * * * {URL}", "random"),
        (f"1,,2 * * * * {URL}", "missing at a comma"),
        (f"30-10 * * * * {URL}", "runs backwards"),
        (f"*/0 * * * * {URL}", "step of 0"),
        (f"*-5 * * * * {URL}", "* stands for the whole range"),
        ("* * * * *", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * /usr/bin/backup --all", "It runs a program (/usr/bin/backup)"),
        (f"* * * * * curl {URL} | mail me", "needs a shell"),
        ("* * * * * curl example.com", "no URL"),
    ],
)
def test_what_can_not_be_kept_is_refused_with_the_reason(line: str, told: str) -> None:
    converted = one(line)
    assert converted.definitions == ()
    assert converted.error is not None
    assert told in converted.error


def test_comments_blanks_and_settings_are_no_work() -> None:
    assert list(convert(["# a comment", "", "   ", "MAILTO=me@example.com", "PATH = /bin"])) == []


def test_line_numbers_count_every_line_of_the_file() -> None:
    assert [line.number for line in convert(["# first", "", f"@daily {URL}", "bad"])] == [3, 4]


def test_cron_tz_is_the_zone_of_the_lines_below_it() -> None:
    lines = list(convert([f"@daily {URL}", 'CRON_TZ="Europe/Berlin"', f"@daily {URL}"]))
    assert [line.definitions[0]["timezone"] for line in lines] == ["UTC", "Europe/Berlin"]


def test_a_zone_that_is_said_counts_for_all_lines() -> None:
    lines = list(convert(["CRON_TZ=Europe/Berlin", f"@daily {URL}"], timezone="Asia/Tokyo"))
    assert lines[0].definitions[0]["timezone"] == "Asia/Tokyo"


def test_other_commands_go_to_the_custom_action_that_is_named() -> None:
    definition = one("* * * * * /usr/bin/backup --all", custom="shell").definitions[0]
    assert definition["target_type"] == "custom"
    assert definition["payload"] == {"action": "shell", "command": "/usr/bin/backup --all"}
    assert definition["name"] == "backup"


def test_a_web_call_stays_a_web_action_beside_a_custom_one() -> None:
    assert one(f"* * * * * curl -s {URL}", custom="shell").definitions[0]["target_type"] == "web_action"


def test_names_are_unique_within_a_file() -> None:
    lines = convert([f"@daily {URL}", f"@hourly {URL}", f"@weekly {URL}?x=1"])
    assert [line.definitions[0]["name"] for line in lines] == [
        "example-com-ping",
        "example-com-ping-2",
        "example-com-ping-3",
    ]


def matches(fields: tuple[str, ...], at: datetime) -> bool:
    """Vixie's rule, word for word: both day fields restricted means either."""
    minute, hour, day, month, weekday = (read_field(t, f) for t, f in zip(fields, FIELDS, strict=True))
    by_day, by_weekday = at.day in day, at.isoweekday() % 7 in weekday
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    days = by_day or by_weekday if either else by_day and by_weekday
    return at.minute in minute and at.hour in hour and at.month in month and days


def values(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    spans = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    stepped = st.tuples(spans, st.integers(1, 12)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    piece = st.one_of(number.map(str), spans, stepped)
    every = st.integers(1, 12).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), every, st.lists(piece, min_size=1, max_size=3).map(",".join))


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(values(0, 59), values(0, 23), values(1, 31), values(1, 12), values(0, 7)),
    st.integers(0, 1_500_000),
)
def test_converted_fields_fire_exactly_when_cron_does(fields: tuple[str, ...], minutes_on: int) -> None:
    try:
        expressions = expressions_of(fields)
    except Invalid as error:
        assert "match both" in error.message  # noqa: PT017 - the one thing that may be refused here
        return
    start = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes_on)
    minutes = [start + timedelta(minutes=minute) for minute in range(1, 2_000)]
    expected = {at for at in minutes if matches(fields, at)}
    fired = {
        at
        for expression in expressions
        for at in Occurrences(parse(expression), anchor=start).between(start, minutes[-1], 2_000)
    }
    assert fired == expected


def test_every_field_knows_its_bounds() -> None:
    assert [read_field("*", f) for f in (MINUTE, HOUR, DAY, MONTH)] == [
        list(range(60)),
        list(range(24)),
        list(range(1, 32)),
        list(range(1, 13)),
    ]
    assert read_field("*", WEEKDAY) == list(range(7))
