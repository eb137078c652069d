"""Calendars as the engine and the store ask for them: by name, read once for each state of their record."""

from __future__ import annotations

import json
from functools import lru_cache

import apsw

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.schedule import CalendarUse
from rez_agent.usecases.calendars import KIND, kept_from

_VALUE = "SELECT value FROM records WHERE kind = ? AND key = ?"


def calendar_used(connection: apsw.Connection, use: CalendarUse | None) -> Calendar | None:
    """The calendar that is used, as it is now; None where none is, or it is gone."""
    if use is None:
        return None
    for (text,) in connection.execute(_VALUE, (KIND, use.name)):
        return _calendar(use.name, str(text))
    return None


@lru_cache(maxsize=256)
def _calendar(name: str, text: str) -> Calendar:
    return kept_from(name, json.loads(text)).calendar
