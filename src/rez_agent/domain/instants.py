"""Instants: aware datetimes in UTC, and the spellings that the program uses for them.

Every instant in the domain is an aware ``datetime``; a naive one is refused where it enters. Stores keep
whole milliseconds since 1970-01-01T00:00:00Z; occurrences fall on whole seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_SPELLING = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+ -]\d\d:\d\d)?")
_LOST_PLUS = re.compile(r" (\d\d:\d\d)$")


def _spelled(value: Any) -> Any:
    """Only RFC 3339: pydantic alone would read 1700000000 as a time too."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or _SPELLING.fullmatch(value) is None:
        raise ValueError("a time is written as in 2026-03-08T07:30:00Z")
    return _LOST_PLUS.sub(r"+\1", value)  # in a query, + stands for a blank


def _within(value: datetime) -> datetime:
    if not 1970 <= value.year <= 2199:
        raise ValueError("times lie between 1970 and 2199")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_spelled), AfterValidator(_within)]
"""An instant in a document: RFC 3339 with an offset, from 1970 to 2199; in UTC once it is read."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_utc(instant: datetime) -> datetime:
    """``instant`` in UTC. A naive datetime has no meaning here: ValueError."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: write an offset, such as Z or +02:00")
    return instant.astimezone(UTC)


def to_ms(instant: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down: a stored instant is never later than it was.

    A naive datetime is a TypeError.
    """
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def not_before(instant: datetime) -> datetime:
    """The first whole millisecond that is not before ``instant``: what may not come early is stored so."""
    return from_ms(to_ms(instant + _MILLISECOND - timedelta.resolution))


def from_ms(milliseconds: int) -> datetime:
    """The instant of :func:`to_ms`, exactly (no float is involved)."""
    return EPOCH + milliseconds * _MILLISECOND


def floor_second(instant: datetime) -> datetime:
    """The whole second in which ``instant`` lies: what a schedule's creation counts as."""
    return to_utc(instant).replace(microsecond=0)


def rfc3339(instant: datetime) -> str:
    """RFC 3339 in UTC with ``Z``; milliseconds only where there are any (``2026-03-08T07:30:00Z``)."""
    utc = to_utc(instant)
    spec = "milliseconds" if utc.microsecond else "seconds"
    return utc.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def compact(instant: datetime) -> str:
    """The spelling inside ids: ``20260308T073000Z``. It sorts as time does and is fit for a URL."""
    return to_utc(instant).strftime("%Y%m%dT%H%M%SZ")


def to_seconds(instant: datetime) -> int:
    """Whole seconds since the epoch, rounded down."""
    return to_ms(instant) // 1000


def from_seconds(seconds: int) -> datetime:
    """The instant of :func:`to_seconds`."""
    return EPOCH + timedelta(seconds=seconds)
