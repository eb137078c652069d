"""Read the inside of ``cron(...)``: six fields, every fault of each one at once.

The grammar is EventBridge Scheduler's (User Guide, "Schedule types"; docs/reference/expressions.md has the
whole of it and each decision where AWS is silent). Reading yields plain sets and a day rule; nothing here
knows of zones or instants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rez_agent.domain.days import (
    EVERY_DAY,
    FIRST_YEAR,
    LAST_YEAR,
    DayRule,
    DaysOfMonth,
    LastDay,
    LastOfWeekday,
    LastWeekday,
    NearestWeekday,
    NthWeekday,
    Weekdays,
)
from rez_agent.domain.nearest import nearest, shown

MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
SATURDAY = 7


class Fault(Exception):
    """Something wrong at ``position``, counted from the start of the text being read."""

    def __init__(self, position: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.position = position
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class Field:
    """A field's name, its least and greatest value, the largest step, and the names its values go by."""

    name: str
    low: int
    high: int
    max_step: int
    names: tuple[str, ...] = ()

    @property
    def span(self) -> str:
        """What may stand here, for people."""
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{names}"


MINUTES = Field("minutes", 0, 59, 59)
HOURS = Field("hours", 0, 23, 23)
DAY_OF_MONTH = Field("day-of-month", 1, 31, 31)
MONTH = Field("month", 1, 12, 12, MONTH_NAMES)
DAY_OF_WEEK = Field("day-of-week", 1, 7, 7, WEEKDAY_NAMES)
YEAR = Field("year", FIRST_YEAR, LAST_YEAR, LAST_YEAR - FIRST_YEAR)
FIELDS = (MINUTES, HOURS, DAY_OF_MONTH, MONTH, DAY_OF_WEEK, YEAR)


@dataclass(frozen=True, slots=True)
class Cron:
    """What a cron expression says: sorted tuples of values, and the rule that picks its days."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayRule
    months: tuple[int, ...]
    years: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of the text and where it begins."""

    text: str
    position: int

    def split(self, separator: str) -> Iterator[_Token]:
        position = self.position
        for part in self.text.split(separator):
            yield _Token(part, position)
            position += len(part) + len(separator)


def read_cron(body: str, position: int) -> tuple[Cron | None, list[Fault]]:
    """The fields in ``body``, which begins at ``position`` of the whole text; or every fault found."""
    tokens = [_Token(match[0], position + match.start()) for match in re.finditer(r"[^ \t]+", body)]
    if body != body.strip(" \t") and tokens:
        return None, [Fault(position, f"no blanks next to the parentheses: write `cron({body.strip()})`")]
    if len(tokens) != len(FIELDS):
        return None, [_wrong_count(tokens, position + len(body))]
    minutes, hours, month_day, months, weekday, years = tokens
    faults: list[Fault] = []
    rule = _day_rule(month_day, weekday, faults)
    cron = Cron(
        _values(MINUTES, minutes, faults),
        _values(HOURS, hours, faults),
        rule,
        _values(MONTH, months, faults),
        _values(YEAR, years, faults),
    )
    return (None, sorted(faults, key=lambda fault: fault.position)) if faults else (cron, [])


def _wrong_count(tokens: list[_Token], end: int) -> Fault:
    names = " ".join(field.name for field in FIELDS)
    what = f"cron(...) has six fields ({names}), this one has {len(tokens)}"
    if len(tokens) == len(FIELDS) - 1:
        fixed = " ".join([*(token.text for token in tokens), "*"])
        return Fault(end, f"{what}: the year is missing. Did you mean `cron({fixed})`?", YEAR.name)
    if len(tokens) > len(FIELDS):
        return Fault(tokens[6].position, f"{what}: remove what follows the year (there is no seconds field)")
    missing = FIELDS[len(tokens)].name
    return Fault(end, f"{what}: {missing} is missing", missing)


def _values(field: Field, token: _Token, faults: list[Fault]) -> tuple[int, ...]:
    """A list of values, ranges and steps, sorted; what is wrong goes to ``faults``."""
    values: set[int] = set()
    for part in token.split(","):
        try:
            values.update(_part(field, part))
        except Fault as fault:
            faults.append(Fault(fault.position, fault.message, field.name))
    return tuple(sorted(values))


def _part(field: Field, part: _Token) -> range | list[int]:
    """``*``, ``a``, ``a-b``, each perhaps with ``/n``; a reversed range wraps round the field's end."""
    body, *steps = part.split("/")
    if len(steps) > 1:
        raise Fault(steps[1].position - 1, f"{shown(part.text)} has two steps: write one `/`")
    step = _step(field, steps[0]) if steps else 1
    if not body.text:
        raise Fault(part.position, _nothing(field, steps))
    if body.text == "*":
        return range(field.low, field.high + 1, step)
    first, *rest = body.split("-")
    if len(rest) > 1 or (rest and not (first.text and rest[0].text)):
        raise Fault(body.position, f"{shown(body.text)} is not a range: write `first-last`, {field.span}")
    low = _number(field, first)
    if not rest:
        return range(low, field.high + 1, step) if steps else range(low, low + 1)
    return _range(field, body, low, _number(field, rest[0]), step)


def _nothing(field: Field, steps: list[_Token]) -> str:
    if steps:
        return f"a step needs a start: did you mean `*/{steps[0].text}`?"
    return f"a value is missing here: a list is written `{field.low},{field.low + 1}`, without blanks"


def _range(field: Field, body: _Token, low: int, high: int, step: int) -> range | list[int]:
    if low <= high:
        return range(low, high + 1, step)
    if field is YEAR:
        raise Fault(body.position, f"years do not wrap round: did you mean `{high}-{low}`?")
    size = field.high - field.low + 1
    return [(value - field.low) % size + field.low for value in range(low, high + size + 1, step)]


def _step(field: Field, token: _Token) -> int:
    allowed = f"a step of {field.name} is 1-{field.max_step}"
    if not token.text:
        raise Fault(token.position, f"a number is missing after `/`: {allowed}")
    if not _is_number(token.text):
        raise Fault(token.position, f"{shown(token.text)} is not a step: {allowed}")
    step = int(token.text)
    if step > field.max_step:
        once = f"for once a round write `{field.low}` alone"
        raise Fault(token.position, f"step {token.text[:20]} is out of range: {allowed}; {once}")
    if step == 0:
        raise Fault(token.position, f"step {token.text[:20]} is out of range: {allowed}")
    return step


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(field: Field, token: _Token) -> int:
    """A value by number or, in any letter case, by name."""
    text = token.text
    if _is_number(text):
        value = int(text)
        if field.low <= value <= field.high:
            return value
        raise Fault(
            token.position, f"{field.name} {text[:20]} is out of range: {field.span}{_off_by(field, value)}"
        )
    name = text.upper()
    if name in field.names:
        return field.names.index(name) + (field.low if field is not MONTH else 1)
    raise Fault(token.position, _unknown(field, text))


def _off_by(field: Field, value: int) -> str:
    """The slip behind a number just outside its field, where there is a usual one."""
    slips = {
        ("day-of-week", 0): " (Sunday is 1 here, Saturday 7)",
        ("hours", 24): " (midnight is 0)",
        ("minutes", 60): " (the full hour is 0)",
    }
    return slips.get((field.name, value), "")


def _unknown(field: Field, text: str) -> str:
    if text in ("?", "L", "l"):
        where = "day-of-month and day-of-week"
        plain = text == "?" and field not in (DAY_OF_MONTH, DAY_OF_WEEK)
        hint = "did you mean `*`?" if plain else f"write {field.span}"
        return f"`{text}` stands only alone, in {where}: {hint}"
    for other in (MONTH, DAY_OF_WEEK):
        if field is not other and text.upper() in other.names:
            return f"{shown(text)} belongs in {other.name}; {field.name} takes {field.span}"
    guess = _guess(field, text)
    hint = f"did you mean `{guess}`?" if guess else f"write {field.span}"
    return f"{shown(text)} is not a value of {field.name}: {hint}"


def _guess(field: Field, text: str) -> str | None:
    name = text.upper()
    if len(name) > 3 and name[:3] in field.names:
        return name[:3]
    return nearest(name, field.names, 0.5)


def _day_rule(month_day: _Token, weekday: _Token, faults: list[Fault]) -> DayRule:
    """The rule of the one day field that is not ``?``; of no use where it added to ``faults``."""
    open_month, open_week = month_day.text == "?", weekday.text == "?"
    if open_month == open_week:
        faults.append(_both_days(month_day, weekday, both_open=open_month))
    by_month = None if open_month else _read_day(DAY_OF_MONTH, month_day, _month_rule, faults)
    by_week = None if open_week else _read_day(DAY_OF_WEEK, weekday, _week_rule, faults)
    return by_month or by_week or EVERY_DAY


def _both_days(month_day: _Token, weekday: _Token, *, both_open: bool) -> Fault:
    rule = "exactly one of day-of-month and day-of-week must be `?`"
    if both_open:
        return Fault(month_day.position, f"{rule}: did you mean `*` in day-of-month?", DAY_OF_MONTH.name)
    if month_day.text == "*":
        return Fault(month_day.position, f"{rule}: did you mean `?` in day-of-month?", DAY_OF_MONTH.name)
    return Fault(weekday.position, f"{rule}: did you mean `?` in day-of-week?", DAY_OF_WEEK.name)


def _read_day(
    field: Field, token: _Token, special: Callable[[_Token], DayRule | None], faults: list[Fault]
) -> DayRule | None:
    """A day field: one special form alone, or a list of plain values."""
    try:
        rule = special(token)
    except Fault as fault:
        faults.append(Fault(fault.position, fault.message, field.name))
        return None
    if rule is not None:
        return rule
    days = _values(field, token, faults)
    if field is DAY_OF_WEEK:
        return Weekdays(days) if len(days) < SATURDAY else EVERY_DAY
    return DaysOfMonth(days)


_SPECIAL_MONTH_DAY = re.compile(
    r"L(?:-(?P<before>\d+))?|(?P<last>LW)|(?P<near>\d+)W", re.ASCII | re.IGNORECASE
)
_SPECIAL_WEEKDAY = re.compile(r"(?P<last>\d+|[A-Z]{3})L|(?P<day>\w+)#(?P<nth>\w*)", re.ASCII | re.IGNORECASE)
_IN_MONTH_LIST = re.compile(r"L(-\d+|W)?|\d+W", re.ASCII | re.IGNORECASE)
_IN_WEEK_LIST = re.compile(r"L|(\d+|[A-Z]{3})L|\w+#\w*", re.ASCII | re.IGNORECASE)


def _month_rule(token: _Token) -> DayRule | None:
    """``L``, ``L-n``, ``LW``, ``nW``; None for plain values."""
    _alone(token, _IN_MONTH_LIST, "`L`, `LW` and `W`")
    text = token.text
    found = _SPECIAL_MONTH_DAY.fullmatch(text)
    if found is None:
        _not_here(token)
        return None
    if found["last"]:
        return LastWeekday()
    if found["near"]:
        return NearestWeekday(_number(DAY_OF_MONTH, _Token(found["near"], token.position)))
    before = int(found["before"] or 0)
    if before > 30:
        raise Fault(
            token.position + 2, f"`L-{found['before'][:20]}` is before any month begins: `L-1` to `L-30`"
        )
    return LastDay(before)


def _not_here(token: _Token) -> None:
    """Say where a weekday's form belongs when it stands in day-of-month."""
    text = token.text.upper()
    if "#" in text:
        raise Fault(
            token.position, f"{shown(token.text)} belongs in day-of-week: `#` picks a weekday of the month"
        )
    if re.fullmatch(r"(\d|[A-Z]{3})L", text):
        raise Fault(token.position, f"{shown(token.text)} belongs in day-of-week: for the last day write `L`")


def _week_rule(token: _Token) -> DayRule | None:
    """``L``, ``6L``, ``FRIL``, ``6#3``, ``FRI#3``; None for plain values."""
    _alone(token, _IN_WEEK_LIST, "`L` and `#`")
    text = token.text
    if text.upper() == "L":
        return Weekdays((SATURDAY,))
    if re.fullmatch(r"\d+W|LW", text, re.ASCII | re.IGNORECASE):
        raise Fault(token.position, f"{shown(text)} belongs in day-of-month, with `?` here")
    found = _SPECIAL_WEEKDAY.fullmatch(text)
    if found is None:
        return None
    weekday = _number(DAY_OF_WEEK, _Token(found["last"] or found["day"], token.position))
    if found["last"]:
        return LastOfWeekday(weekday)
    nth = found["nth"]
    if nth not in ("1", "2", "3", "4", "5"):
        at = token.position + len(found["day"]) + 1
        raise Fault(at, f"{shown(text)}: after `#` stands 1-5, the which-th {found['day']} of the month")
    return NthWeekday(weekday, int(nth))


def _alone(token: _Token, special: re.Pattern[str], names: str) -> None:
    """Refuse a special form inside a list, a range or a step."""
    if special.fullmatch(token.text):
        return
    for part in token.split(","):
        for piece in re.split(r"[/-]", part.text):
            if special.fullmatch(piece):
                raise Fault(
                    part.position, f"{shown(part.text)} must stand alone: {names} take no list, range or step"
                )
