"""What an edit comes to: which coming occurrences it gains, loses and keeps, and which fields it changes.

Pure. Both definitions are those of one schedule: a rate counts from its start, else from the creation, and
the definition after the edit counts from the second after the one in which the edit is made, as
:meth:`~rez_agent.domain.schedule.Schedule.updated` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.changes import Difference, definition_differences
from rez_agent.domain.errors import Invalid
from rez_agent.domain.schedule import Schedule, ScheduleDefinition, occurrences_of

COMPARED_AT_MOST = 50
"""Occurrences of either side that are compared."""

HORIZON = timedelta(days=90)
"""How far ahead they are looked for."""


class Fate(StrEnum):
    """What an edit does to a coming occurrence."""

    GAINED = "gained"
    LOST = "lost"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Coming:
    """A coming occurrence of either definition, and what the edit does to it."""

    at: datetime
    fate: Fate


@dataclass(frozen=True, slots=True)
class Consequences:
    """What an edit comes to, up to ``until``, inclusive: the moment up to which both sides are known whole.

    ``cut``: more follow on either side, which were not compared. Occurrences are in order. ``unread``: the
    definition before can't be evaluated any more, so that everything is gained.
    """

    coming: tuple[Coming, ...]
    changes: tuple[Difference, ...]
    until: datetime
    cut: bool
    unread: bool = False

    def count(self, fate: Fate) -> int:
        """How many of the coming occurrences have this fate."""
        return sum(one.fate is fate for one in self.coming)


def consequences(
    schedule: Schedule,
    after: ScheduleDefinition,
    now: datetime,
    *,
    calendar: Calendar | None = None,
    at_most: int = COMPARED_AT_MOST,
    horizon: timedelta = HORIZON,
) -> Consequences:
    """What becomes of ``schedule`` if ``after``, which names ``calendar``, is put in place of its definition
    ``now``. One more than are compared are looked for on each side, to know whether there are.

    The occurrences are those that come after the second of ``now``, whatever the schedule's state: a pause
    keeps all of them from firing. Raises Invalid where ``after`` can't be evaluated.
    """
    last = now + horizon
    try:
        old = schedule.occurrences.between(now, last, at_most + 1)
    except Invalid:
        old = None
    moved = occurrences_of(after, created=schedule.created_date, calendar=calendar)
    new = moved.between(now, last, at_most + 1)
    sides = [side for side in (old, new) if side is not None]
    cut = any(len(side) > at_most for side in sides)
    until = min([side[at_most - 1] for side in sides if len(side) > at_most], default=last)
    return Consequences(
        coming=_compared(old or (), new, until),
        changes=definition_differences(schedule.definition, after),
        until=until,
        cut=cut,
        unread=old is None,
    )


def _compared(old: Sequence[datetime], new: Sequence[datetime], until: datetime) -> tuple[Coming, ...]:
    before, after = set(old), set(new)
    fates = {at: Fate.KEPT if at in after else Fate.LOST for at in before}
    fates |= dict.fromkeys(after - before, Fate.GAINED)
    return tuple(Coming(at, fates[at]) for at in sorted(fates) if at <= until)
