"""Editing: what a change of a schedule would come to, before it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
from rez_agent.usecases.preview import Due, dues


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit that could be made: the schedule as it is, its definition afterwards, and what comes of it."""

    schedule: Schedule
    after: ScheduleDefinition
    consequences: Consequences
    warnings: tuple[Problem, ...] = ()

    def coming(self) -> Iterator[tuple[Due, Fate]]:
        """The coming occurrences as their zone shows them: the present one for those that are lost."""
        for one in self.consequences.coming:
            definition = self.schedule.definition if one.fate is Fate.LOST else self.after
            yield next(dues(definition.expression, [one.at])), one.fate


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
    return Edit(schedule, after, found, tuple(warnings))
