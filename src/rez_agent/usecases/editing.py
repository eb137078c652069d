"""Editing: what a change of a schedule would come to, before it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rez_agent.domain.calendar import Calendar
from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.consequences import Consequences, Fate, consequences
from rez_agent.domain.errors import Problem
from rez_agent.domain.schedule import Schedule, ScheduleDefinition
from rez_agent.ports import Ports
from rez_agent.usecases.calendars import calendar_used
from rez_agent.usecases.callers import Caller, schedule_for
from rez_agent.usecases.changes import merged_definition
from rez_agent.usecases.checking import checked_definition
from rez_agent.usecases.commands import check_revision
from rez_agent.usecases.preview import Due, dues_of


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit that could be made: the schedule as it is, its definition afterwards with the ``calendar`` that
    it heeds then, and what comes of it."""

    schedule: Schedule
    after: ScheduleDefinition
    consequences: Consequences
    calendar: Calendar | None = None
    warnings: tuple[Problem, ...] = ()

    def coming(self) -> Iterator[tuple[Due, Fate]]:
        """The coming occurrences as their zone shows them: the present one for those that are lost."""
        edited = replace(self.schedule, definition=self.after, calendar=self.calendar)
        for one in self.consequences.coming:
            yield next(dues_of(self.schedule if one.fate is Fate.LOST else edited, [one.at])), one.fate


def edit(ports: Ports, caller: Caller, request: ScheduleCreationRequest) -> Edit:
    """What the update ``request`` would come to now. Nothing is changed.

    Raises what the update itself would be refused with.
    """
    now = ports.clock.now()
    schedule = schedule_for(ports, caller, request.schedule_id or "")
    check_revision(schedule, request.revision)
    after, warnings = checked_definition(
        merged_definition(schedule, request),
        now=now,
        actions=ports.actions,
        engine=ports.engine,
        records=ports.records,
        expression_before=schedule.definition.schedule_expression,
    )
    calendar = calendar_used(ports.records, after.calendar, now)
    found = consequences(schedule, after, now, calendar=calendar)
    return Edit(schedule, after, found, calendar, tuple(warnings))
