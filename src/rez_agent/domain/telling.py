"""Instants, lengths of time and entries of the ledger in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rez_agent.domain.clock_notes import clock, date
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, Reason
from rez_agent.domain.instants import to_seconds
from rez_agent.domain.policies import HELD_AT_MOST, CatchUpMode, Overlap
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.zones import Zone

CONDITION_ERROR = "condition_error"
"""The code of an execution whose condition could not be judged."""

CAUSES = {
    Cause.SCHEDULE: "",
    Cause.CATCH_UP: "It was missed at its time and made good later. ",
    Cause.RUN: "It was not due: somebody asked for a run then. ",
    Cause.BACKFILL: "It was asked for as part of a backfill. ",
    Cause.REPLAY: "It was asked for again, as a replay. ",
    Cause.ENGINE_ONLY: "The engine fired at a time that the expression does not know. ",
}
"""What comes before the sentence about an execution, by its cause."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Tells times on the clock of a zone. ``ahead``: what is told of is still to come."""

    zone: Zone
    ahead: bool = False

    @property
    def was(self) -> str:
        """``was``, or ``is`` of what is still to come."""
        return "is" if self.ahead else "was"

    def instant(self, at: datetime | int) -> str:
        """``09:30 on 9 March 2026 in Europe/Paris``, to the second."""
        return f"{self.bare(at)} in {self.zone.name}"

    def bare(self, at: datetime | int) -> str:
        """The same without the zone, where a sentence has named it."""
        wall = self.zone.wall_of(at if isinstance(at, int) else to_seconds(at))
        return f"{clock(wall)} on {date(wall)}"


def length(seconds: float) -> str:
    """A length of time in the unit that suits it: ``14 ms``, ``2.5 s``, ``3 min``, ``5 h``, ``9 days``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size, end in (("s", 1, 120), ("min", 60, 5_400), ("h", 3_600, 172_800)):
        if seconds < end:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def execution_sentence(execution: Execution, words: Wording) -> str:
    """What became of an execution that was not skipped."""
    match execution.status:
        case ExecutionStatus.QUEUED:
            told = _queued(execution, words)
        case ExecutionStatus.RUNNING:
            told = f"It is running: {_started(execution, words)}, attempt {execution.attempts}."
        case ExecutionStatus.SUCCEEDED:
            told = f"It ran and succeeded: {_started(execution, words)}{_took(execution)}{_tries(execution)}."
        case ExecutionStatus.CANCELLED:
            told = f"It was cancelled{_because(execution.detail)}."
        case _ if execution.code == CONDITION_ERROR:
            told = f"It was not run, for its condition can't be judged{_because(execution.error)}."
        case _:
            dead = " It is a dead letter: a redrive queues it again." if execution.dead_letter else ""
            ran = f": {_started(execution, words)}{_tries(execution)}" if execution.started_at else ""
            told = f"It ran and failed{ran}{_because(execution.error or execution.code)}.{dead}"
    return CAUSES[execution.cause] + told


def short(execution: Execution) -> str:
    """Its state in a word or two."""
    if execution.status is ExecutionStatus.SKIPPED and execution.reason is not None:
        return f"skipped ({execution.reason})"
    return execution.status.value


def _queued(execution: Execution, words: Wording) -> str:
    following = execution.next_attempt_at
    if following is None:
        return "It waits behind an earlier execution of its schedule, and starts when that has ended."
    if execution.attempts:
        failed = f"Attempt {execution.attempts} failed{_because(execution.error or execution.code)}"
        return f"{failed}; it is tried again at {words.instant(following)}."
    if execution.due_at > execution.scheduled_time and following > execution.created_date:
        return f"It is queued, and starts within its flexible window, at {words.instant(following)}."
    return f"It is queued, and starts as soon as a worker takes it; it was due at {words.instant(following)}."


def _started(execution: Execution, words: Wording) -> str:
    started = execution.started_at or execution.created_date
    late = started - execution.scheduled_time
    if execution.cause in (Cause.RUN, Cause.BACKFILL, Cause.REPLAY) or late <= timedelta(0):
        return f"it started at {words.instant(started)}"
    spread = execution.due_at - execution.scheduled_time > timedelta(seconds=1)
    share = ", as its flexible window has it" if spread and execution.cause is Cause.SCHEDULE else ""
    return f"it started at {words.instant(started)}, {length(late.total_seconds())} after its time{share}"


def _took(execution: Execution) -> str:
    return "" if execution.duration is None else f", and took {length(execution.duration.total_seconds())}"


def _tries(execution: Execution) -> str:
    return "" if execution.attempts < 2 else f", in {execution.attempts} attempts"


def _because(why: str | None) -> str:
    return f": {why.rstrip('.')}" if why else ""


def skipped_sentence(
    execution: Execution, then: Schedule, entries: Iterable[Execution], words: Wording
) -> str:
    """Why an execution was skipped, under the policies of the schedule as it was then; not for a pause.
    ``entries`` may hold what was in its way."""
    detail = (execution.detail or "").rstrip(".")
    match execution.reason:
        case Reason.MISSED:
            return f"It was missed: nothing could fire at its time. {_not_caught_up(then)}"
        case Reason.OVERLAP:
            return f"It was skipped: {_in_the_way(execution, then, entries, words)}."
        case Reason.EXPIRED:
            age = length(then.definition.policies.retry.max_event_age_seconds)
            return (
                f"It expired: it could not be tried within {age} of its time, as long as its policy allows."
            )
        case Reason.CONDITION:
            return f"It was skipped, for {detail or 'its condition was false'}."
        case Reason.CALENDAR:
            return f"It was skipped by its calendar: {detail or 'the day is closed'}."
        case _:
            return f"It was skipped: {detail or 'no reason was kept'}."


def _not_caught_up(then: Schedule) -> str:
    catch_up = then.definition.policies.catch_up
    within = f"what was missed by more than {length(catch_up.window_seconds)} is not run"
    match catch_up.mode:
        case CatchUpMode.SKIP:
            return "Its catch-up policy, `skip`, runs nothing that was missed."
        case CatchUpMode.LATEST:
            return f"Its catch-up policy, `latest`, runs only the newest of what was missed, and {within}."
        case CatchUpMode.ALL:
            return f"Its catch-up policy is `all`, but {within}."


def _in_the_way(execution: Execution, then: Schedule, entries: Iterable[Execution], words: Wording) -> str:
    policy = then.definition.overlap
    earlier = (each for each in entries if _in_flight_at(each, execution))
    found = next(earlier, None)
    which = (
        "an earlier execution" if found is None else f"the execution of {words.instant(found.scheduled_time)}"
    )
    held = f" with {HELD_AT_MOST} waiting behind it" if policy is Overlap.QUEUE else ""
    return f"{which} was still in flight{held}, and its overlap policy is `{policy}`"


def _in_flight_at(other: Execution, execution: Execution) -> bool:
    """Whether ``other`` was queued or running when ``execution`` was decided about."""
    if other.id == execution.id or other.status is ExecutionStatus.SKIPPED:
        return False
    ended = other.finished_at
    return other.created_date <= execution.created_date and (ended is None or ended >= execution.created_date)
