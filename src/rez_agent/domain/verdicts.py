"""The answers to "why did it (not) run?", and the facts that they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rez_agent.domain.asked import Asked
from rez_agent.domain.calendar import Calendar
from rez_agent.domain.changes import Change
from rez_agent.domain.execution import Execution
from rez_agent.domain.schedule import Schedule


class Verdict(StrEnum):
    """The answers. Programs match on them.

    The first five are the state of the execution that there is. ``skipped``: its reason tells why. ``paused``
    covers a pause that has not ended yet. ``missing``: it was due, and nothing is recorded. ``unknown``: nor
    can it be told whether it was due, for changes of that time are not kept any more.
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RUNNING = "running"
    QUEUED = "queued"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    PAUSED = "paused"
    NOT_YET_DUE = "not_yet_due"
    BEING_DECIDED = "being_decided"
    NOT_CREATED = "not_created"
    DELETED = "deleted"
    ERROR = "error"
    DOES_NOT_EXIST = "does_not_exist"
    MOVED = "moved"
    SECOND_PASS = "second_pass"  # noqa: S105 - of the clock
    BEFORE_START = "before_start"
    AFTER_END = "after_end"
    FINISHED = "finished"
    EDITED = "edited"
    NOT_COVERED = "not_covered"
    NOT_KEPT = "not_kept"
    UNKNOWN = "unknown"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known. ``changes``: those since the time in question, newest first, and before it back to the
    last update.
    ``entries``: of the ledger, newest first: whatever is scheduled near, and what came last before. What was
    written before ``kept_since`` may have been forgotten. ``calendars``: those that the schedule heeds or
    heeded, by name, as they are now."""

    schedule: Schedule
    now: datetime
    changes: tuple[Change, ...]
    entries: tuple[Execution, ...]
    kept_since: datetime
    calendars: Mapping[str, Calendar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Why:
    """The answer: a verdict, the sentence that says it, and what it rests on.

    ``occurrence``: the one that it is about. ``execution``: the entry of the ledger. ``change``: the one that
    explains it. ``then``: the schedule as it was. ``before``, ``after``: the occurrences next to the time
    asked about. ``near``: executions that somebody asked for at about that time. ``notes``: what else one
    should know.
    """

    verdict: Verdict
    sentence: str
    asked: Asked
    then: Schedule
    occurrence: datetime | None = None
    execution: Execution | None = None
    change: Change | None = None
    before: datetime | None = None
    after: datetime | None = None
    near: tuple[Execution, ...] = ()
    notes: tuple[str, ...] = ()
