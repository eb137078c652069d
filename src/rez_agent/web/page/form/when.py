"""The friendly frequencies: expressions that a few fields can say, and the expression itself for the rest."""

from __future__ import annotations

import re
from datetime import datetime

from rez_agent.web.page.form.values import ON, Reader, whole_number

EXPRESSION = "expression"

FREQUENCIES = (
    ("every", "Every so often"),
    ("hourly", "Every hour, at a minute"),
    ("daily", "Every day at"),
    ("weekdays", "Monday to Friday at"),
    ("weekly", "Weekly, on days"),
    ("monthly", "Monthly, on a day"),
    ("once", "Once, at"),
    (EXPRESSION, "An expression"),
)
"""The choices, with their words."""

UNITS = ("minutes", "hours", "days")
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTH_DAYS = (
    *((str(day), f"the {day}.") for day in range(1, 32)),
    ("L", "the last day"),
    ("LW", "the last weekday"),
)

WHEN_FIELDS = (
    "frequency",
    "every_count",
    "every_unit",
    "hourly_minute",
    "at_time",
    *(f"on_{day.lower()}" for day in DAYS),
    "month_day",
    "once_at",
    EXPRESSION,
)
"""All the fields that say when."""

_RATE = re.compile(r"rate\(([1-9][0-9]{0,5}) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\(([0-9]{1,2}) (\*|[0-9]{1,2}) (\S+) \* (\S+) \*\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)\)")


def when_values(expression: str) -> dict[str, str]:
    """The fields that say ``expression``, exactly; :data:`EXPRESSION` where no other can."""
    for values in (_rate_values(expression), _at_values(expression), _cron_values(expression)):
        if values and expression_of(Reader(values)) == expression:
            return {**values, EXPRESSION: expression}
    return {"frequency": EXPRESSION, EXPRESSION: expression}


def expression_of(reader: Reader) -> str | None:
    """The expression that the fields say; None where they don't say one, which is a problem then."""
    match reader.text("frequency"):
        case "every":
            return _rate(reader)
        case "hourly":
            return _hourly(reader)
        case "once":
            return _once(reader)
        case "daily" | "weekdays" | "weekly" | "monthly" as frequency:
            return _cron(reader, frequency)
        case _:
            text = reader.text(EXPRESSION)
            if not text:
                reader.wrong(EXPRESSION, "Say when, such as cron(0 9 * * ? *).", "missing_field")
            return text or None


def field_of_expression(frequency: str) -> str:
    """The field that stands for the whole expression: where a problem with it is told."""
    fields = {
        "every": "every_count",
        "hourly": "hourly_minute",
        "once": "once_at",
        "weekly": "on_mon",
        "monthly": "month_day",
        "daily": "at_time",
        "weekdays": "at_time",
    }
    return fields.get(frequency, EXPRESSION)


def _rate(reader: Reader) -> str | None:
    count, unit = whole_number(reader.text("every_count")), reader.text("every_unit") or "minutes"
    if count is None or not 1 <= count <= 999_999 or unit not in UNITS:
        reader.wrong("every_count", "Every how many? Write a whole number from 1 on.")
        return None
    return f"rate({count} {unit.removesuffix('s') if count == 1 else unit})"


def _rate_values(expression: str) -> dict[str, str] | None:
    match = _RATE.fullmatch(expression)
    return match and {"frequency": "every", "every_count": match[1], "every_unit": f"{match[2]}s"}


def _hourly(reader: Reader) -> str | None:
    minute = whole_number(reader.text("hourly_minute") or "0")
    if minute is None or minute > 59:
        reader.wrong("hourly_minute", "At which minute of the hour? 0 to 59.")
        return None
    return f"cron({minute} * * * ? *)"


def _once(reader: Reader) -> str | None:
    text = reader.text("once_at")
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        wall = None
    if wall is None or wall.tzinfo is not None:
        reader.wrong("once_at", "When? Choose a date and a time.")
        return None
    return f"at({wall.isoformat(timespec='seconds')})"


def _at_values(expression: str) -> dict[str, str] | None:
    match = _AT.fullmatch(expression)
    return match and {"frequency": "once", "once_at": match[1].removesuffix(":00")}


def _cron(reader: Reader, frequency: str) -> str | None:
    time = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::00)?", reader.text("at_time"))
    if time is None:
        reader.wrong("at_time", "At what time? Write it as 09:00.")
    days = _days(reader, frequency)
    if time is None or days is None:
        return None
    return f"cron({int(time[2])} {int(time[1])} {days} *)"


def _days(reader: Reader, frequency: str) -> str | None:
    """The day of the month, the month and the day of the week."""
    if frequency == "daily":
        return "* * ?"
    if frequency == "weekdays":
        return "? * MON-FRI"
    if frequency == "monthly":
        day = reader.text("month_day") or "1"
        if day in dict(MONTH_DAYS):
            return f"{day} * ?"
        reader.wrong("month_day", "On which day of the month?")
        return None
    ticked = [day for day in DAYS if reader.ticked(f"on_{day.lower()}")]
    if not ticked:
        reader.wrong("on_mon", "On which days? Tick one at least.")
        return None
    return f"? * {','.join(ticked)}"


def _cron_values(expression: str) -> dict[str, str] | None:
    match = _CRON.fullmatch(expression)
    if match is None:
        return None
    minute, hour, month_day, week_day = match.groups()
    if hour == "*":
        return {"frequency": "hourly", "hourly_minute": minute}
    said = {"at_time": f"{int(hour):02}:{int(minute):02}"}
    if week_day == "?":
        return said | ({"frequency": "daily"} if month_day == "*" else _monthly(month_day))
    if week_day == "MON-FRI":
        return said | {"frequency": "weekdays"}
    ticked = {f"on_{day.lower()}": ON for day in week_day.split(",")}
    return said | {"frequency": "weekly"} | ticked


def _monthly(day: str) -> dict[str, str]:
    return {"frequency": "monthly", "month_day": day}
