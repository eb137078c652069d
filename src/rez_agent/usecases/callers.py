"""Who asks, and how far their key reaches."""

from __future__ import annotations

from dataclasses import dataclass

from rez_agent.domain.errors import NotFound
from rez_agent.domain.execution import Execution
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Ports


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner on whose behalf a request is made. ``admin`` reaches every owner's schedules."""

    name: str
    admin: bool = False

    @property
    def owner_filter(self) -> str | None:
        """What lists are narrowed to: None means every owner."""
        return None if self.admin else self.name

    def reaches(self, owner: str) -> bool:
        """Whether ``owner``'s things are visible. What is not visible is answered as if it did not exist."""
        return self.admin or owner == self.name


def schedule_for(ports: Ports, caller: Caller, schedule_id: str) -> Schedule:
    """The living schedule, if the caller may see it. Raises NotFound ``schedule_not_found``."""
    schedule = ports.schedules.get(schedule_id)
    if schedule is None or not schedule.living or not caller.reaches(schedule.created_by):
        raise NotFound(f"There is no schedule '{schedule_id}'.", code="schedule_not_found")
    return schedule


def known_schedule(ports: Ports, caller: Caller, schedule_id: str) -> Schedule:
    """The schedule, living or deleted, if the caller may see it. Its history and its changes can be read, and
    its dead letters redriven, as long as its tombstone stands. Raises NotFound ``schedule_not_found``."""
    schedule = ports.schedules.get(schedule_id)
    if schedule is None or not caller.reaches(schedule.created_by):
        raise NotFound(f"There is no schedule '{schedule_id}'.", code="schedule_not_found")
    return schedule


def check_known(ports: Ports, caller: Caller, schedule_id: str) -> None:
    """Raises NotFound ``schedule_not_found`` unless there is one that the caller may see, living or
    deleted."""
    known_schedule(ports, caller, schedule_id)


def execution_for(ports: Ports, caller: Caller, execution_id: str) -> Execution:
    """The execution, if the caller may see it. Raises NotFound ``execution_not_found``."""
    execution = ports.ledger.get(execution_id)
    if execution is None or not caller.reaches(execution.owner):
        raise NotFound(f"There is no execution '{execution_id}'.", code="execution_not_found")
    return execution
