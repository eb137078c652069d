"""Where a calendar's days come from: a country's holidays, or an ICS file.

Asked once, when a calendar is made or changed, outside of any transaction, and once a year again for
holidays. Both libraries are slow to import, so that is done when they are first needed. What is found is
bounded: a stretch of years around the present one, and a number of days.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from rez_agent.domain.calendar import EVERY_DAY
from rez_agent.domain.calendar_definition import (
    DAYS_AT_MOST,
    YEARS_AHEAD,
    YEARS_BACK,
    Found,
    HolidaySource,
    IcsSource,
    Kept,
    Source,
)
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.nearest import nearest, shown

EVENTS_AT_MOST = 5_000
"""Of an ICS file."""

_LONGEST_LABEL = 100
_LANGUAGE = "en_US"
"""In which holidays are named, where the library can; else in the country's own."""


def found_in(source: Source | None, today: date) -> Found | None:
    """The days that a source names around ``today``; None for an ICS source that comes without its text.

    Raises Invalid for a country, a subdivision or a category that is not known, and for a text that is no
    ICS file.
    """
    if source is None:
        return Found({})
    if isinstance(source, HolidaySource):
        return _holidays(source, today)
    return None if source.text is None else _ics(source, today)


def found_anew(kept: Kept, today: date) -> Found:
    """The days that the source of a calendar of holidays names around ``today``. Raises Invalid where the
    library no longer knows the country."""
    return _holidays(HolidaySource.model_validate(kept.source), today)


def countries() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every country whose holidays are known, by its code: its name, and its subdivisions."""
    import holidays  # noqa: PLC0415  # slow

    found = {}
    for code, subdivisions in holidays.list_supported_countries(include_aliases=False).items():
        found[code] = (_name_of(code), tuple(subdivisions))
    return found


# --- holidays ---


def _holidays(source: HolidaySource, today: date) -> Found:
    import holidays  # noqa: PLC0415  # slow

    _check_country(source, holidays.list_supported_countries())
    kind: Any = getattr(holidays, source.country)
    categories = set(source.categories)
    if unknown := sorted(categories - set(kind.supported_categories)):
        known = ", ".join(kind.supported_categories)
        text = f"{source.country} has no holidays of the category {shown(unknown[0])}: it has {known}."
        raise Invalid(text, problems=[Problem("unknown_category", text, "/source/categories")])
    first, until = _span(today)
    years = range(first.year, until.year + 1)
    # said, since the library would otherwise ask the environment's locale: no two hosts would agree
    language = _LANGUAGE if _LANGUAGE in kind.supported_languages else kind.default_language
    days = holidays.country_holidays(
        source.country, subdiv=source.subdivision, years=years, categories=categories, language=language
    )
    weekdays = EVERY_DAY - frozenset(days.weekend)
    named = {day: str(label)[:_LONGEST_LABEL] for day, label in days.items()}
    return Found(dict(sorted(named.items())), weekdays, until)


def _check_country(source: HolidaySource, known: dict[str, list[str]]) -> None:
    if source.country not in known:
        text = f"No holidays are known of {shown(source.country)}. Write a country as in AT or US."
        raise Invalid(text, problems=[Problem("unknown_country", text, "/source/country")])
    subdivisions = known[source.country]
    if source.subdivision is None or source.subdivision in subdivisions:
        return
    close = nearest(source.subdivision, subdivisions)
    hint = f" Did you mean {shown(close)}?" if close else f" It has {', '.join(subdivisions) or 'none'}."
    text = f"{source.country} has no subdivision {shown(source.subdivision)}.{hint}"
    raise Invalid(text, problems=[Problem("unknown_subdivision", text, "/source/subdivision")])


def _name_of(code: str) -> str:
    """A country's name, from that of its class: ``UnitedStates`` is United States."""
    from holidays.registry import COUNTRIES  # noqa: PLC0415  # slow

    named: str = next((names[0] for names in COUNTRIES.values() if code in names[1:]), code)
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in named).strip()
    return code if len(spaced.replace(" ", "")) <= len(code) else spaced


# --- ICS ---


def _ics(source: IcsSource, today: date) -> Found:
    from icalendar import Calendar  # noqa: PLC0415  # slow

    try:
        read: Any = Calendar.from_ical(source.text or "")
        events = read.walk("VEVENT")
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise _unreadable(f"The text is no ICS file: {str(error)[:200]}.") from None
    if len(events) > EVENTS_AT_MOST:
        raise _unreadable(f"The file has {len(events)} events; {EVENTS_AT_MOST} are allowed.")
    first, until = _span(today)
    days: dict[date, str] = {}
    for event in events:
        if event.errors:
            raise _unreadable(f"An event can't be read: {event.errors[0][0]}: {event.errors[0][1]}"[:300])
        label = str(event.get("SUMMARY", ""))[:_LONGEST_LABEL]
        for day in _days_of(event, first, until):
            days.setdefault(day, label)
            if len(days) > DAYS_AT_MOST:
                raise _unreadable(f"The file names more than {DAYS_AT_MOST} days.")
    if not days:
        raise _unreadable(f"The file has no whole day from {first} to {until}.")
    return Found(dict(sorted(days.items())), None, until)


def _days_of(event: Any, first: date, until: date) -> Iterator[date]:
    """The whole days of one event within the stretch, its repetitions included; none for one with a time of
    day, or one that was cancelled."""
    begins = getattr(event.get("DTSTART"), "dt", None)
    if not isinstance(begins, date) or isinstance(begins, datetime):
        return
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    ends = getattr(event.get("DTEND"), "dt", None)
    length = (ends - begins).days if isinstance(ends, date) and not isinstance(ends, datetime) else 1
    for start in _starts(event, begins, first, until):
        for number in range(min(max(length, 1), (until - first).days)):
            day = start + timedelta(days=number)
            if first <= day <= until:
                yield day


def _starts(event: Any, begins: date, first: date, until: date) -> Iterator[date]:
    """The first days of the event and its repetitions: RRULE, RDATE and EXDATE of RFC 5545."""
    left_out = set(_listed(event, "EXDATE"))
    starts = {begins, *_listed(event, "RDATE")}
    if "RRULE" in event:
        starts |= set(_repeated(event, begins, first, until))
    yield from sorted(starts - left_out)


def _repeated(event: Any, begins: date, first: date, until: date) -> Iterator[date]:
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped] # noqa: PLC0415  # slow

    text = event["RRULE"].to_ical().decode()
    if "FREQ=YEARLY" not in text and "FREQ=MONTHLY" not in text and "FREQ=WEEKLY" not in text:
        raise _unreadable(f"An event repeats by {shown(text)}: whole days repeat weekly, monthly or yearly.")
    try:
        rule = rrulestr(text, dtstart=datetime.combine(begins, time()), ignoretz=True)
        low = datetime.combine(first - timedelta(days=366), time())
        for count, at in enumerate(rule.xafter(low, inc=True)):
            if at.date() > until or count > DAYS_AT_MOST:
                return
            yield at.date()
    except (ValueError, TypeError) as error:
        raise _unreadable(f"An event's RRULE can't be read: {str(error)[:200]}.") from None


def _listed(event: Any, name: str) -> Iterator[date]:
    """The whole days that RDATE or EXDATE lists."""
    found = event.get(name, [])
    for each in found if isinstance(found, list) else [found]:
        for one in getattr(each, "dts", ()):
            if isinstance(one.dt, date):
                yield one.dt.date() if isinstance(one.dt, datetime) else one.dt


def _unreadable(text: str) -> Invalid:
    return Invalid(text, problems=[Problem("invalid_ics", text, "/source/text")])


def _span(today: date) -> tuple[date, date]:
    return date(today.year - YEARS_BACK, 1, 1), date(today.year + YEARS_AHEAD, 12, 31)
