"""Hypothesis strategies: cron expressions of every construct, zones with every kind of clock change."""

from __future__ import annotations

from hypothesis import strategies as st

LIVELY_ZONES = (
    "UTC",
    "America/New_York",
    "Europe/London",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Africa/Cairo",
    "America/Sao_Paulo",
    "America/Nuuk",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Africa/Monrovia",
    "Etc/GMT+12",
    "Pacific/Kiritimati",
)
zones = st.sampled_from(LIVELY_ZONES)

_MONTHS = ("JAN", "feb", "MAR", "APR", "May", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "mon", "TUE", "WED", "Thu", "FRI", "SAT")


def _values(low: int, high: int, step: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    value = number | st.sampled_from(names) if names else number
    spans = st.tuples(value, value).map("-".join)
    steps = st.tuples(value | spans | st.just("*"), st.integers(1, step).map(str)).map("/".join)
    return st.just("*") | st.lists(value | spans | steps, min_size=1, max_size=3).map(",".join)


_years = st.sampled_from(("*", "*", "2020-2030", "2024/2", "2021,2026", "1970/4", "2150-2199"))
_month_days = (
    _values(1, 31, 31)
    | st.sampled_from(("L", "LW", "lw", "*"))
    | st.integers(1, 31).map("{}W".format)
    | st.integers(1, 30).map("L-{}".format)
)
_weekday = st.integers(1, 7).map(str) | st.sampled_from(_DAYS)
_week_days = (
    _values(1, 7, 7, _DAYS)
    | st.just("L")
    | _weekday.map("{}L".format)
    | st.tuples(_weekday, st.integers(1, 5).map(str)).map("#".join)
)
_days = st.tuples(_month_days, _values(1, 12, 12, _MONTHS), st.just("?")) | st.tuples(
    st.just("?"), _values(1, 12, 12, _MONTHS), _week_days
)


def crons(
    minutes: st.SearchStrategy[str] | None = None,
    hours: st.SearchStrategy[str] | None = None,
    years: st.SearchStrategy[str] = _years,
) -> st.SearchStrategy[str]:
    """Cron expressions that are right; each field may be pinned."""
    minute = _values(0, 59, 59) if minutes is None else minutes
    hour = _values(0, 23, 23) if hours is None else hours
    return st.tuples(minute, hour, _days, years).map(
        lambda f: f"cron({f[0]} {f[1]} {' '.join(f[2])} {f[3]})",
    )


often = crons(years=st.just("*"))
midnights = crons(minutes=st.just("0"), hours=st.just("0"))
