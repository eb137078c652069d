"""What is read, what is refused, and what the refusal says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rez_agent.domain.errors import Invalid
from rez_agent.domain.expression import InvalidExpression, InvalidTimezone, Occurrences, parse


def days(text: str, year: int = 2026) -> list[str]:
    occurrences = Occurrences(parse(text))
    begin, end = datetime(year - 1, 12, 31, 23, 59, tzinfo=UTC), datetime(year, 12, 31, 23, 59, tzinfo=UTC)
    return [f"{instant:%m-%d}" for instant in occurrences.between(begin, end, limit=400)]


def times(text: str) -> list[str]:
    occurrences = Occurrences(parse(text))
    begin, end = datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    return [f"{instant:%H:%M}" for instant in occurrences.between(begin, end, limit=1440)]


def problems(text: str, timezone: str = "UTC") -> list[tuple[str | None, int | None, str]]:
    with pytest.raises(Invalid) as caught:
        parse(text, timezone)
    return [(problem.field, problem.position, problem.message) for problem in caught.value.problems]


# --- decisions where EventBridge is silent ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 20-2/3 * * ? *)", ["02:00", "20:00", "23:00"]),
        ("cron(50-10/10 0 * * ? *)", ["00:00", "00:10", "00:50"]),
        ("cron(0,*/30 1 * * ? *)", ["01:00", "01:30"]),
        ("cron(5,5,5 1 * * ? *)", ["01:05"]),
        ("cron(*,3 1-1 * * ? 2026)", [f"01:{minute:02}" for minute in range(60)]),
        ("cron(0  1 \t * * ? *)", ["01:00"]),
    ],
)
def test_times_of_day(text: str, expected: list[str]) -> None:
    assert times(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 0 31W * ? 2026)", ["01-30", "03-31", "05-29", "07-31", "08-31", "10-30", "12-31"]),
        ("cron(0 0 30W 1-3 ? 2026)", ["01-30", "03-30"]),
        ("cron(0 0 1w 8 ? 2026)", ["08-03"]),
        ("cron(0 0 L-3 1-3 ? 2026)", ["01-28", "02-25", "03-28"]),
        ("cron(0 0 L-30 1-3 ? 2026)", ["01-01", "03-01"]),
        ("cron(0 0 l 2 ? 2028)", []),
        ("cron(0 0 29-2 2,3 ? 2026)", ["02-01", "02-02", "03-01", "03-02", "03-29", "03-30", "03-31"]),
        ("cron(0 0 ? 1 FRI-MON 2026)", None),
        ("cron(0 0 ? 1 2/2 2026)", None),
        ("cron(0 0 ? 1 MON-6/2 2026)", None),
        ("cron(0 0 ? 1 L 2026)", ["01-03", "01-10", "01-17", "01-24", "01-31"]),
        ("cron(0 0 ? * MON#5 2026)", ["03-30", "06-29", "08-31", "11-30"]),
        ("cron(0 0 ? 1,2 1l 2026)", ["01-25", "02-22"]),
    ],
)
def test_days_of_a_year(text: str, expected: list[str] | None) -> None:
    same = {
        "cron(0 0 ? 1 FRI-MON 2026)": "cron(0 0 ? 1 FRI,SAT,SUN,MON 2026)",
        "cron(0 0 ? 1 2/2 2026)": "cron(0 0 ? 1 MON,WED,FRI 2026)",
        "cron(0 0 ? 1 MON-6/2 2026)": "cron(0 0 ? 1 MON,WED,FRI 2026)",
    }
    assert days(text) == (days(same[text]) if expected is None else expected)


@pytest.mark.parametrize(
    "text", ["rate(1 minute)", "rate(1 minutes)", "rate(05  minutes)", "rate(84000 days)"]
)
def test_rates_that_are_read(text: str) -> None:
    assert parse(text).kind == "rate"


# --- refusals: field, position, and the nearest right thing ---

REFUSED = [
    ("cron(0 9 ? * MON-FRY *)", "day-of-week", 17, "did you mean `FRI`?"),
    ("cron(0 9 ? * MONDAY *)", "day-of-week", 13, "did you mean `MON`?"),
    ("cron(0 9 1 JUNE ? *)", "month", 11, "did you mean `JUN`?"),
    ("cron(0 9 ? * 0 *)", "day-of-week", 13, "Sunday is 1"),
    ("cron(0 9 ? * 8 *)", "day-of-week", 13, "1-7 or SUN-SAT"),
    ("cron(0 24 * * ? *)", "hours", 7, "midnight is 0"),
    ("cron(60 1 * * ? *)", "minutes", 5, "the full hour is 0"),
    ("cron(*/60 * * * ? *)", "minutes", 7, "write `0` alone"),
    ("cron(0 0/24 * * ? *)", "hours", 9, "a step of hours is 1-23"),
    ("cron(0 0 1/32 * ? *)", "day-of-month", 11, "a step of day-of-month is 1-31"),
    ("cron(0 0 1 */13 ? *)", "month", 13, "a step of month is 1-12"),
    ("cron(0 0 ? * 2/8 *)", "day-of-week", 15, "a step of day-of-week is 1-7"),
    ("cron(/15 * * * ? *)", "minutes", 5, "did you mean `*/15`?"),
    ("cron(*/5/5 * * * ? *)", "minutes", 8, "two steps"),
    ("cron(1,,5 * * * ? *)", "minutes", 7, "a value is missing"),
    ("cron(1, * * * ? *)", "minutes", 7, "a value is missing"),
    ("cron(5- * * * ? *)", "minutes", 5, "is not a range"),
    ("cron(5-* * * * ? *)", "minutes", 7, "`*`"),
    ("cron(1-2-3 * * * ? *)", "minutes", 5, "is not a range"),
    ("cron(1.5 * * * ? *)", "minutes", 5, "write 0-59"),
    ("cron(² * * * ? *)", "minutes", 5, "write 0-59"),
    ("cron(-5 * * * ? *)", "minutes", 5, "is not a range"),
    ("cron(0 9 1 1 ? 2030-2026)", "year", 15, "did you mean `2026-2030`?"),
    ("cron(0 9 1 1 ? 26)", "year", 15, "1970-2199"),
    ("cron(0 9 1W,15W * ? *)", "day-of-month", 9, "must stand alone"),
    ("cron(0 9 1-15W * ? *)", "day-of-month", 9, "must stand alone"),
    ("cron(0 9 L/2 * ? *)", "day-of-month", 9, "must stand alone"),
    ("cron(0 9 L-31 * ? *)", "day-of-month", 11, "`L-1` to `L-30`"),
    ("cron(0 9 L-3W * ? *)", "day-of-month", 9, "must stand alone"),
    ("cron(0 9 32W * ? *)", "day-of-month", 9, "1-31"),
    ("cron(0 9 6L * ? *)", "day-of-month", 9, "belongs in day-of-week"),
    ("cron(0 9 ? * 15W *)", "day-of-week", 13, "belongs in day-of-month"),
    ("cron(0 9 ? * LW *)", "day-of-week", 13, "belongs in day-of-month"),
    ("cron(0 9 ? * 3#1,6#3 *)", "day-of-week", 13, "must stand alone"),
    ("cron(0 9 ? * MON,FRIL *)", "day-of-week", 17, "must stand alone"),
    ("cron(0 9 ? * MON#0 *)", "day-of-week", 17, "1-5"),
    ("cron(0 9 ? * MON# *)", "day-of-week", 17, "1-5"),
    ("cron(0 9 ? * 8#1 *)", "day-of-week", 13, "1-7"),
    ("cron(0 9 ? * 8L *)", "day-of-week", 13, "1-7"),
    ("cron(0 9 ? * FRYL *)", "day-of-week", 13, "did you mean `FRI`?"),
    ("cron(0 9 ? * ? *)", "day-of-month", 9, "did you mean `*` in day-of-month?"),
    ("cron(0 9 * * * *)", "day-of-month", 9, "did you mean `?` in day-of-month?"),
    ("cron(0 9 1 * MON *)", "day-of-week", 13, "did you mean `?` in day-of-week?"),
    ("cron(0 9 ?,1 * ? *)", "day-of-month", 9, "stands only alone"),
    ("cron(0 9 ? * JUL *)", "day-of-week", 13, "belongs in month"),
    ("cron(0 9 ? * FRIDAYL *)", "day-of-week", 13, "did you mean `FRI`?"),
    ("cron(0 12 * * ?)", "year", 15, "Did you mean `cron(0 12 * * ? *)`?"),
    ("cron( 0 12 * * ? *)", None, 5, "write `cron(0 12 * * ? *)`"),
    ("cron(0 12 * * ? *", None, 17, "did you mean `cron(0 12 * * ? *)`?"),
    ("cron(0 12 * * ? *) ", None, 18, "remove"),
    ("CRON(0 12 * * ? *)", None, 0, "did you mean `cron(0 12 * * ? *)`?"),
    ("crom(0 12 * * ? *)", None, 0, "did you mean `cron(...)`?"),
    ("0 12 * * *", None, 0, "did you mean `cron(0 12 * * ? *)`?"),
    ("0 12 * * ? *", None, 0, "did you mean `cron(0 12 * * ? *)`?"),
    ("0 12 * * 1", None, 0, "Sunday is 1"),
    ("@daily", None, 0, "did you mean `cron(0 0 * * ? *)`?"),
    ("5 minutes", None, 0, "did you mean `rate(5 minutes)`?"),
    ("2026-01-01T00:00:00", None, 0, "did you mean `at(2026-01-01T00:00:00)`?"),
    ("every day", None, 0, "is not an expression"),
    ("   ", None, 0, "the expression is empty"),
    ("rate(5 minute)", "unit", 7, "did you mean `minutes`?"),
    ("rate(5 Minutes)", "unit", 7, "did you mean `minutes`?"),
    ("rate(1 weeks)", "unit", 7, "did you mean `7 days`?"),
    ("rate(10 seconds)", "unit", 8, "the shortest rate is `rate(1 minute)`"),
    ("rate(3 h)", "unit", 7, "did you mean `hours`?"),
    ("rate(10 years)", "unit", 8, "write it in days"),
    ("rate(10 dayss)", "unit", 8, "did you mean `days`?"),
    ("rate(10)", "unit", 7, "did you mean `rate(10 minutes)`?"),
    ("rate(5minutes)", "value", 5, "is not a whole number"),
    ("rate(0 minutes)", "value", 5, "at least 1"),
    ("rate(1.5 hours)", "value", 5, "is not a whole number"),
    ("rate()", None, 5, "rate(value unit)"),
    ("rate(5 minutes 3)", None, 5, "rate(value unit)"),
    ("rate(99999999 days)", "value", 5, "230 years"),
    ("at()", None, 3, "yyyy-mm-ddThh:mm:ss"),
    ("at(2026-01-01T12:00)", None, 3, "did you mean `at(2026-01-01T12:00:00)`?"),
    ("at(2026-01-01 12:00:00)", None, 3, "did you mean `at(2026-01-01T12:00:00)`?"),
    ("at(2026-01-01T12:00:00+02:00)", None, 22, "did you mean `at(2026-01-01T12:00:00)`?"),
    ("at(2026-01-01T12:00:00.5)", None, 22, "no fraction of a second"),
    ("at(1969-12-31T23:59:59)", "year", 3, "1970-2199"),
    ("at(2026-02-30T00:00:00)", "day", 11, "2026-02 has no day 30"),
    ("at(2026-01-01T00:00:60)", "second", 20, "0-59"),
]


@pytest.mark.parametrize(("text", "field", "position", "hint"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_refusal_names_field_position_and_the_nearest_right_thing(
    text: str, field: str | None, position: int, hint: str
) -> None:
    (problem,) = problems(text)
    assert problem[:2] == (field, position)
    assert hint in problem[2]


def test_all_faults_are_told_at_once_in_order() -> None:
    found = problems("cron(60 24 32 13 ? 1969)")
    assert [(field, position) for field, position, _ in found] == [
        ("minutes", 5),
        ("hours", 8),
        ("day-of-month", 11),
        ("month", 14),
        ("year", 19),
    ]


def test_several_faults_in_one_list_are_told_at_once() -> None:
    assert [position for _, position, _ in problems("cron(60,5,71,x * * * ? *)")] == [5, 10, 13]


def test_a_wrong_zone_is_told_along_with_a_wrong_expression() -> None:
    with pytest.raises(InvalidExpression) as caught:
        parse("cron(60 * * * ? *)", "Europe/Berln")
    assert [(problem.code, problem.pointer) for problem in caught.value.problems] == [
        ("invalid_schedule_expression", "/schedule_expression"),
        ("invalid_timezone", "/timezone"),
    ]


def test_a_wrong_zone_alone_has_its_own_code() -> None:
    with pytest.raises(InvalidTimezone) as caught:
        parse("cron(0 * * * ? *)", "Europe/Berln")
    assert caught.value.code == "invalid_timezone"


def test_the_longest_text_allowed_has_256_characters() -> None:
    padding = " " * (256 - len("cron(0 9 * * ? *)"))
    assert parse(f"cron(0{padding} 9 * * ? *)").kind == "cron"
    ((field, position, message),) = problems(f"cron(0{padding}  9 * * ? *)")
    assert (field, position) == (None, 256)
    assert "at most 256 characters" in message


def test_what_cannot_be_printed_is_escaped_in_the_message() -> None:
    ((_, _, message),) = problems("cron(\x00 * * * ? *)")
    assert message.isprintable()
    assert "\\x00" in message


def test_equal_texts_in_equal_zones_are_equal_expressions() -> None:
    assert parse("rate(1 day)", "UTC") == parse("rate(1 day)")
    assert parse("rate(1 day)") != parse("rate(1 days)")
    assert parse("rate(1 day)", "UTC") != parse("rate(1 day)", "Europe/Paris")
