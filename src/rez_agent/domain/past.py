"""A schedule's past: what it was at each second, as far back as its changes tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.changes import Change, ChangeAction, as_it_was, without_a_gap
from rez_agent.domain.instants import to_seconds
from rez_agent.domain.schedule import Schedule, ScheduleStatus

_NONE: Mapping[str, Calendar] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a schedule was from second ``since`` on, until the next stretch. ``change`` began it; None for the
    earliest stretch that is known."""

    since: int
    schedule: Schedule
    change: Change | None


class Past:
    """The past of ``schedule``, as far back as ``changes``, newest first, go: those made since a time, and
    some before it. ``calendars`` are those that it heeded, by name, as they are now."""

    def __init__(
        self, schedule: Schedule, changes: Sequence[Change], calendars: Mapping[str, Calendar] = _NONE
    ) -> None:
        self.schedule = schedule
        self._calendars = calendars
        self.created = to_seconds(schedule.created_date)
        self.changes = tuple(changes)
        self.stretches = tuple(self._stretches())
        """Newest first."""

    def _stretches(self) -> Iterator[Stretch]:
        schedule = self.schedule
        for change in self.changes:
            yield Stretch(change.counts_from, schedule, change)
            schedule = self._heeding(as_it_was(schedule, [change]))
        yield Stretch(self.created, schedule, None)

    def _heeding(self, schedule: Schedule) -> Schedule:
        """The schedule with the calendar that its definition names."""
        use = schedule.definition.calendar
        present = schedule.calendar.name if schedule.calendar is not None else None
        if use is None or use.name == present:
            return schedule
        return replace(schedule, calendar=self._calendars.get(use.name))

    def at(self, second: int) -> Stretch:
        """What it was when an occurrence at ``second`` was decided about."""
        return next((each for each in self.stretches if each.since <= second), self.stretches[-1])

    def known_at(self, second: int) -> bool:
        """Whether no change that matters to ``second`` has been forgotten."""
        if not without_a_gap(self.schedule, self.changes):
            return False
        return self.stretches[-1].schedule.revision == 1 or self.at(second).change is not None

    def first_due(self, first: int, last: int) -> tuple[int | None, Stretch]:
        """The first occurrence from ``first`` to ``last``, both inclusive, and the stretch it belongs to;
        without one, the stretch of ``first``. A deleted schedule has none. Raises Invalid where a zone has
        left the tz database."""
        second = max(first, self.created)
        while second <= last:
            stretch = self.at(second)
            ends = min([last, *(each.since - 1 for each in self.stretches if each.since > second)])
            deleted = stretch.schedule.status is ScheduleStatus.DELETED
            found = None if deleted else defined(stretch.schedule, second, ends)
            if found is not None:
                return found, stretch
            second = ends + 1
        return None, self.at(first)

    def paused_by(self, second: int) -> Change | None:
        """The change that made the pause which ``second`` falls into, if it is known."""
        return self._last(second, ChangeAction.PAUSE)

    def broken_by(self, second: int) -> Change | None:
        """The change that put the schedule in error, if it is known."""
        return self._last(second, ChangeAction.ERROR)

    def deleted_by(self) -> Change | None:
        """The change that deleted the schedule, if it is known."""
        return next((each for each in self.changes if each.action is ChangeAction.DELETE), None)

    def ended_after(self, second: int) -> Change | None:
        """The first change after ``second`` that ended a pause."""
        ends = (ChangeAction.RESUME, ChangeAction.DELETE)
        later = [each for each in self.changes if each.counts_from > second and each.action in ends]
        return later[-1] if later else None

    def _last(self, second: int, action: ChangeAction) -> Change | None:
        before = (each for each in self.changes if each.counts_from <= second)
        return next((each for each in before if each.action is action), None)


def defined(schedule: Schedule, first: int, last: int) -> int | None:
    """The first occurrence from ``first`` to ``last``, both inclusive, by the definition alone, whatever the
    schedule's state. Raises Invalid where its zone has left the tz database."""
    found = schedule.occurrences.next_epoch(first - 1)
    return found if found is not None and found <= last else None
