"""The changes of a schedule: what was changed, by whom, when and why, and how to undo them.

A change tells every field that differs, before and after, so a schedule as it was at any earlier time is the
present one with the later changes undone. Values here are JSON documents' values.

A schedule's creation is no stored change: the schedule itself tells who made it and when.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic_core import to_json

from rez_agent.domain.instants import rfc3339, to_seconds
from rez_agent.domain.reading import pointer_to
from rez_agent.domain.schedule import Pause, Schedule, ScheduleDefinition, ScheduleStatus

Document = dict[str, Any]

LARGE_BYTES = 8_192
"""What differs in one field of the definition is told up to so many bytes of JSON; of more it is only told
that the field changed."""

CHANGES_KEPT = 1_000
"""Changes of one schedule that are kept, the newest, as long as the schedule or its tombstone stands."""

STATE = ("status", "pause", "error_message")
"""What of a schedule's state changes are told of, besides its definition."""


class ChangeAction(StrEnum):
    """The kinds of change. ``error``: the schedule can't be evaluated any more."""

    CREATE = "create"
    UPDATE = "update"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    ERROR = "error"


class _Absent:
    """Stands where a document has no such member."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""No value at all, as distinct from null."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs. ``path`` is a JSON pointer into the definition, or ``/status``, ``/pause``,
    ``/error_message``. Where ``omitted`` it is too large to be told: neither value is kept."""

    path: str
    before: Any = ABSENT
    after: Any = ABSENT
    omitted: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made. ``revision`` is the one that it led to (an ``error`` keeps the revision).

    ``at``: the moment from which it counts. ``by``: the name of the key, None for what the engine did by
    itself. ``message_id``: the command that asked for it.
    """

    schedule_id: str
    revision: int
    action: ChangeAction
    at: datetime
    by: str | None = None
    reason: str = ""
    message_id: str | None = None
    diff: tuple[Difference, ...] = ()

    @property
    def place(self) -> tuple[int, int]:
        """Its place among the changes of its schedule: they are in the order of this."""
        return self.revision, int(self.action is ChangeAction.ERROR)

    @property
    def counts_from(self) -> int:
        """The first second whose occurrences it is about: what was due before a change is settled before it.
        A created or resumed schedule fires in that very second, whatever else counts from the next one."""
        at_once = self.action in (ChangeAction.CREATE, ChangeAction.RESUME)
        return to_seconds(self.at) + (not at_once)


def creation_of(schedule: Schedule) -> Change:
    """The change that made ``schedule``: its first, with nothing before it."""
    return Change(schedule.id, 1, ChangeAction.CREATE, schedule.created_date, by=schedule.created_by)


def change_between(
    before: Schedule,
    after: Schedule,
    action: ChangeAction,
    *,
    at: datetime,
    by: str | None = None,
    reason: str = "",
    message_id: str | None = None,
) -> Change:
    """The change that made ``after`` out of ``before``."""
    diff = state_differences(before, after)
    if before.definition is not after.definition:
        diff = definition_differences(before.definition, after.definition) + diff
    return Change(after.id, after.revision, action, at, by, reason, message_id, diff)


def definition_differences(
    before: ScheduleDefinition, after: ScheduleDefinition, *, at_most: int = LARGE_BYTES
) -> tuple[Difference, ...]:
    """Every field of the definition that differs, in the definition's order."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    fields = ((name, tuple(_differences((name,), old[name], new[name]))) for name in new)
    return tuple(each for name, found in fields for each in _bounded(name, found, at_most))


def state_differences(before: Schedule, after: Schedule) -> tuple[Difference, ...]:
    """What of the state differs."""
    old, new = _state(before), _state(after)
    return tuple(Difference(f"/{name}", old[name], new[name]) for name in STATE if old[name] != new[name])


def as_it_was(schedule: Schedule, changes: Iterable[Change]) -> Schedule:
    """``schedule`` with its latest ``changes``, newest first, undone.

    What a change only marks as omitted stays as it is later. ``next_run`` and ``finished_at`` tell of the
    present still.
    """
    for change in changes:
        schedule = _undone(schedule, change)
    return schedule


def without_a_gap(schedule: Schedule, changes: Iterable[Change]) -> bool:
    """Whether ``changes``, newest first, lead to ``schedule`` as it is: none is missing in between."""
    revision = schedule.revision
    for change in changes:
        if change.revision != revision:
            return False
        revision = _revision_before(change)
    return True


def diff_document(diff: Iterable[Difference]) -> list[Document]:
    """Differences as JSON: a side that has no value is left out."""
    return [_difference_document(difference) for difference in diff]


def diff_from(documents: Iterable[Document]) -> tuple[Difference, ...]:
    """The differences of :func:`diff_document`."""
    return tuple(
        Difference(
            read["path"],
            read.get("before", ABSENT),
            read.get("after", ABSENT),
            omitted=read.get("omitted", False),
        )
        for read in documents
    )


# --- finding differences ---


def _state(schedule: Schedule) -> Document:
    """A host may note on an active schedule what keeps its engine from following: that is no change."""
    return {
        "status": schedule.status.value,
        "pause": None if schedule.pause is None else _pause_document(schedule.pause),
        "error_message": schedule.error_message if schedule.status is ScheduleStatus.ERROR else None,
    }


def _pause_document(pause: Pause) -> Document:
    until = None if pause.until is None else rfc3339(pause.until)
    return {"since": rfc3339(pause.since), "by": pause.by, "reason": pause.reason, "until": until}


def _differences(path: tuple[str, ...], before: Any, after: Any) -> Iterator[Difference]:
    """Objects are compared member by member, everything else as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _differences((*path, name), before.get(name, ABSENT), after.get(name, ABSENT))
    elif before is ABSENT or after is ABSENT or not _same(before, after):
        yield Difference(pointer_to(path), before, after)


def _same(before: Any, after: Any) -> bool:
    """Whether two values are the same JSON: true is not 1."""
    if type(before) is type(after) and not isinstance(before, list):
        return bool(before == after)
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def _bounded(name: str, found: tuple[Difference, ...], at_most: int) -> tuple[Difference, ...]:
    if not found or len(to_json(diff_document(found))) <= at_most:
        return found
    return (Difference(f"/{name}", omitted=True),)


def _difference_document(difference: Difference) -> Document:
    document: Document = {"path": difference.path}
    if difference.omitted:
        return {**document, "omitted": True}
    if difference.before is not ABSENT:
        document["before"] = difference.before
    if difference.after is not ABSENT:
        document["after"] = difference.after
    return document


# --- undoing them ---


def _undone(schedule: Schedule, change: Change) -> Schedule:
    kept = [difference for difference in change.diff if not difference.omitted]
    states = {each.path[1:]: each.before for each in kept if each.path[1:] in STATE}
    fields = [each for each in kept if each.path[1:] not in STATE]
    revision = _revision_before(change)
    return replace(schedule, revision=revision, **_read_state(states), **_read_definition(schedule, fields))


def _revision_before(change: Change) -> int:
    return change.revision - (change.action is not ChangeAction.ERROR)


def _read_state(states: Document) -> Document:
    read = dict(states)
    if "status" in read:
        read["status"] = ScheduleStatus(read["status"])
    if read.get("pause") is not None:
        read["pause"] = _pause_from(read["pause"])
    return read


def _pause_from(read: Document) -> Pause:
    until = None if read["until"] is None else datetime.fromisoformat(read["until"])
    return Pause(datetime.fromisoformat(read["since"]), read["by"], read["reason"], until)


def _read_definition(schedule: Schedule, fields: list[Difference]) -> Document:
    if not fields:
        return {}
    document = schedule.definition.model_dump(mode="json")
    for difference in fields:
        _put(document, _steps(difference.path), difference.before)
    return {"definition": ScheduleDefinition.model_validate(document)}


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _put(document: Document, steps: list[str], value: Any) -> None:
    *way, last = steps
    for step in way:
        document = document.setdefault(step, {})
    if value is ABSENT:
        document.pop(last, None)
    else:
        document[last] = value
