"""How long an execution is kept: by age, and by the number that a schedule makes.

DynamoDB forgets by time alone, so "the newest 10,000 of a schedule" is turned into the time that so many
occurrences take by the expression's density.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from rez_agent.domain.errors import Invalid
from rez_agent.domain.expression import Occurrences, parse
from rez_agent.domain.instants import EPOCH, to_seconds

_DAY = 86_400

TOMBSTONE_KEPT = timedelta(days=90)
"""How long a deleted schedule's row is kept, and its changes with it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How much history is kept: by age, and executions by schedule."""

    ledger: timedelta = timedelta(days=90)
    per_schedule: int = 10_000


def kept_until(kept: Kept, expression: str, timezone: str, created: datetime) -> int:
    """Until when an execution written at ``created`` is kept, in epoch seconds."""
    at = to_seconds(created)
    seconds = int(kept.ledger.total_seconds())
    due = _count(expression, timezone, at - at % _DAY, seconds)
    return at + (seconds if due <= kept.per_schedule else seconds * kept.per_schedule // due)


@lru_cache(maxsize=4_096)
def _count(expression: str, timezone: str, day: int, seconds: int) -> int:
    """How many occurrences the ``seconds`` after a day's beginning have; none if nobody can say."""
    try:
        occurrences = Occurrences(parse(expression, timezone), start=None, end=None, anchor=EPOCH)
    except Invalid:  # its zone has left the tz database
        return 0
    return occurrences.count_epochs(day, day + seconds)
