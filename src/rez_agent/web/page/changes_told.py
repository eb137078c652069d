"""Changes and verdicts as a page shows them: pure functions of the domain's values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rez_agent.domain.changes import ABSENT, STATE, Change, ChangeAction, Difference
from rez_agent.domain.verdicts import Verdict
from rez_agent.usecases.auditing import Beginning
from rez_agent.usecases.changes import definition_document
from rez_agent.web.page.telling import absolute

LONGEST = 4_000
"""Characters of a value that are shown."""

FIELDS = {
    "name": "Name",
    "description": "Description",
    "schedule_expression": "Expression",
    "timezone": "Time zone",
    "target_type": "Target",
    "payload": "Payload",
    "tags": "Tags",
    "start": "Begins",
    "end": "Ends",
    "policies": "Policies",
    "condition": "Condition",
    "calendar": "Calendar",
    "template": "Template",
}
"""How the page calls what a change is about."""

_ACTIONS = {
    ChangeAction.CREATE: ("created", "Created"),
    ChangeAction.UPDATE: ("queued", "Updated"),
    ChangeAction.PAUSE: ("paused", "Paused"),
    ChangeAction.RESUME: ("active", "Resumed"),
    ChangeAction.DELETE: ("deleted", "Deleted"),
    ChangeAction.ERROR: ("error", "Error"),
}

_VERDICTS = {
    Verdict.NOT_YET_DUE: ("queued", "Not yet due"),
    Verdict.BEING_DECIDED: ("queued", "Being decided"),
    Verdict.NOT_CREATED: ("deleted", "Did not exist yet"),
    Verdict.DELETED: ("deleted", "Was deleted"),
    Verdict.DOES_NOT_EXIST: ("skipped", "The time does not exist"),
    Verdict.MOVED: ("skipped", "Moved by its calendar"),
    Verdict.SECOND_PASS: ("skipped", "Ran at the first pass"),
    Verdict.BEFORE_START: ("finished", "Before its start"),
    Verdict.AFTER_END: ("finished", "After its end"),
    Verdict.FINISHED: ("finished", "Nothing was left"),
    Verdict.EDITED: ("finished", "Not due then"),
    Verdict.NOT_COVERED: ("finished", "Not due"),
    Verdict.NOT_KEPT: ("finished", "Not kept any more"),
    Verdict.UNKNOWN: ("finished", "Not known"),
    Verdict.MISSING: ("missed", "Nothing recorded"),
}
"""What a verdict looks like, where it is no state of an execution or a schedule: the badge, and its words."""


@dataclass(frozen=True, slots=True)
class Side:
    """A value on one side of a difference; ``text`` is empty where there is none."""

    text: str
    there: bool
    cut: bool = False


_NOTHING = Side("", there=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One field that differs."""

    label: str
    before: Side
    after: Side
    omitted: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A change as it is shown: its badge, its word, who made it, for how long (of a pause), and what of the
    definition differs: the badge tells the state."""

    change: Change
    badge: str
    word: str
    by: str
    until: str
    lines: tuple[Line, ...]


def told(changes: Iterable[Change], timezone: str) -> tuple[Told, ...]:
    """Changes as they are shown, instants on the clocks of ``timezone``."""
    return tuple(_told(change, timezone) for change in changes)


def verdict_badge(verdict: Verdict) -> tuple[str, str]:
    """The badge of a verdict, and its words."""
    return _VERDICTS.get(verdict) or (verdict.value, verdict.value.replace("_", " ").capitalize())


def _told(change: Change, timezone: str) -> Told:
    badge, word = _ACTIONS[change.action]
    by = change.by if change.by is not None else "the engine"
    lines = tuple(_line(each, timezone) for each in change.diff if each.path[1:] not in STATE)
    return Told(change, badge, word, by, _until(change, timezone), lines)


def _until(change: Change, timezone: str) -> str:
    """Until when a pause lasts, if the change says anything new of it."""
    pauses = (each.after for each in change.diff if each.path == "/pause")
    pause = next(pauses, None) if change.action is ChangeAction.PAUSE else None
    if pause is None:
        return ""
    until = pause["until"]
    return f"until {_instant(until, timezone)}" if until else "until somebody resumes it"


def _line(difference: Difference, timezone: str) -> Line:
    before, after = (_side(each, difference.path, timezone) for each in (difference.before, difference.after))
    return Line(label_of(difference.path), before, after, difference.omitted)


def begun(beginning: Beginning, timezone: str) -> tuple[Line, ...]:
    """What a schedule was created with, as lines with nothing before them; not what nobody said."""
    said = definition_document(beginning.definition)
    usual = beginning.definition.model_dump(mode="json", exclude_defaults=True)
    return tuple(
        Line(label_of(f"/{name}"), _NOTHING, _side(value, f"/{name}", timezone), name in beginning.later)
        for name, value in said.items()
        if name in usual and value not in (None, "", [], {})
    )


def label_of(path: str) -> str:
    """A JSON pointer in words: ``Policies: retry: max_attempts``."""
    first, *rest = (step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:])
    return ": ".join((FIELDS.get(first, first), *rest))


def _side(value: Any, path: str, timezone: str) -> Side:
    if value is ABSENT or value is None or value in ("", []):
        return Side("", there=False)
    text = _text(value, path, timezone)
    return Side(text[:LONGEST], there=True, cut=len(text) > LONGEST)


def _text(value: Any, path: str, timezone: str) -> str:
    if path in ("/start", "/end"):
        return _instant(value, timezone)
    if path == "/tags":
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _instant(text: str, timezone: str) -> str:
    return absolute(datetime.fromisoformat(text), timezone)
