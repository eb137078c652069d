"""A schedule in EventBridge Scheduler's words. Pure: what is asked of EventBridge follows from the schedule
and the moment alone.

API reference, CreateSchedule; User Guide, "Schedule types" and "Context attributes". An update replaces
everything, so a request always says the whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.errors import Problem
from rez_agent.domain.expression import Expression
from rez_agent.domain.grammar import At, Rate
from rez_agent.domain.instants import from_seconds, to_seconds
from rez_agent.domain.schedule import Schedule, ScheduleDefinition, ScheduleStatus

Request = dict[str, Any]
"""What CreateSchedule and UpdateSchedule are given, without a client token. Dates are aware."""

RETRIES = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400}
"""How EventBridge hands a firing over to the scheduler function: as long as it can. A schedule's own retry
policy rules the attempts at its target, which is another matter."""

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge puts the occurrence's nominal instant here."""

_LONGEST_DESCRIPTION = 512
_OFF = {"Mode": "OFF"}


@dataclass(frozen=True, slots=True)
class Wiring:
    """The group that schedules stand in, the function that firings go to, the role that may invoke it, and
    the queue for what could not be handed over: a name and three ARNs."""

    group: str
    function: str
    role: str
    dead_letters: str


def translate(schedule: Schedule, now: datetime, wiring: Wiring) -> Request | None:
    """The whole of what EventBridge is to hold for ``schedule`` from ``now`` on; None for nothing.

    A paused schedule is disabled, or, where the pause ends by itself, a one-time schedule for its end. A rate
    starts at the next point of its grid, which is its first occurrence there, as AWS says. Where a calendar
    moves what is due, it is a one-time schedule for the next occurrence, and is asked for anew after each.
    Occurrences up to ``now`` are never asked for: AWS does not promise them.

    Raises Invalid for an active schedule whose time zone has left the tz database.
    """
    until = schedule.pause.until if schedule.pause else None
    if until is not None:
        if until <= now:
            return None
        # EventBridge would delete it after its firing, and with it what the resumed schedule has become
        return _request(schedule, wiring, _once(_ceiling(until)), enabled=True, completion="NONE") | {
            "FlexibleTimeWindow": _OFF,
            "Target": _target(schedule, wiring, ends_pause=True),
        }
    if schedule.pause is None and schedule.status is not ScheduleStatus.ACTIVE:
        return None
    following = schedule.occurrences.next_epoch(to_seconds(now))
    if following is None:
        return None
    if schedule.moves:  # EventBridge knows no calendar: it is asked for one occurrence at a time
        times, completion = _once(from_seconds(following)), "NONE"
        return _request(schedule, wiring, times, enabled=schedule.pause is None, completion=completion)
    times = _times(schedule.definition, from_seconds(following), now)
    completion = "DELETE" if times["ScheduleExpression"].startswith("at(") else "NONE"
    return _request(schedule, wiring, times, enabled=schedule.pause is None, completion=completion)


def agrees(request: Request, found: Mapping[str, Any]) -> bool:
    """Whether what GetSchedule answered fires as ``request`` would."""
    same = ("ScheduleExpression", "State", "ActionAfterCompletion", "EndDate")
    return (
        all(found.get(name) == request.get(name) for name in same)
        and found.get("ScheduleExpressionTimezone", "UTC") == request["ScheduleExpressionTimezone"]
        and _starts_alike(request, found.get("StartDate"))
        and _window(found) == _window(request)
        and all(found.get("Target", {}).get(name) == value for name, value in request["Target"].items())
    )


def unsupported(definition: ScheduleDefinition) -> list[Problem]:
    """What our grammar has and EventBridge's documents have not, each with a way to say it there."""
    expression = definition.expression
    if expression.kind != "cron":
        return []
    return [
        Problem("unsupported_by_engine", text, "/schedule_expression", field)
        for field, text in _extensions(expression.text)
    ]


# --- when ---


def _times(definition: ScheduleDefinition, following: datetime, now: datetime) -> Request:
    expression = definition.expression
    match expression.meaning:
        case At():
            return _at(expression, following)
        case Rate():
            start: datetime | None = following
        case _:
            start = definition.start if definition.start is not None and definition.start > now else None
    if start is not None and definition.end is not None and definition.end <= start:
        return _once(following)  # EventBridge is not known to accept an end that is no later than the start
    times: Request = {
        "ScheduleExpression": _spelled(expression.text),
        "ScheduleExpressionTimezone": definition.timezone,
    }
    if start is not None:
        times["StartDate"] = start
    if definition.end is not None:
        times["EndDate"] = definition.end
    return times


def _at(expression: Expression, due: datetime) -> Request:
    """An ``at``; in UTC where its wall time never comes or comes twice: AWS does not say what it does."""
    assert isinstance(expression.meaning, At)
    wall = expression.meaning.wall
    offsets = {wall.replace(tzinfo=expression.zone.info, fold=fold).utcoffset() for fold in (0, 1)}
    if len(offsets) > 1:
        return _once(due)
    return {"ScheduleExpression": expression.text, "ScheduleExpressionTimezone": expression.timezone}


def _once(instant: datetime) -> Request:
    return {"ScheduleExpression": f"at({instant:%Y-%m-%dT%H:%M:%S})", "ScheduleExpressionTimezone": "UTC"}


def _ceiling(instant: datetime) -> datetime:
    """The first whole second not before ``instant``."""
    whole = instant.replace(microsecond=0)
    return whole if whole == instant else whole + timedelta(seconds=1)


def _spelled(text: str) -> str:
    """One blank between fields, names in capitals: as AWS's documents have them."""
    kind, _, rest = text.partition("(")
    body = " ".join(rest[:-1].split())
    return f"{kind}({body.upper() if kind == 'cron' else body})"


# --- what ---


def _request(
    schedule: Schedule, wiring: Wiring, times: Request, *, enabled: bool, completion: str
) -> Request:
    minutes = schedule.definition.policies.flexible_window_minutes
    return {
        "Name": schedule.id,
        "GroupName": wiring.group,
        "Description": schedule.definition.name[:_LONGEST_DESCRIPTION],
        "State": "ENABLED" if enabled else "DISABLED",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes} if minutes else _OFF,
        "ActionAfterCompletion": completion,
        "Target": _target(schedule, wiring),
        **times,
    }


def _target(schedule: Schedule, wiring: Wiring, *, ends_pause: bool = False) -> Request:
    firing = {"schedule_id": schedule.id, "revision": schedule.revision, "scheduled_time": SCHEDULED_TIME}
    if ends_pause:
        firing["ends_pause"] = True
    return {
        "Arn": wiring.function,
        "RoleArn": wiring.role,
        "Input": json.dumps(firing, separators=(",", ":")),
        "RetryPolicy": RETRIES,
        "DeadLetterConfig": {"Arn": wiring.dead_letters},
    }


# --- comparing ---


def _starts_alike(request: Request, found: datetime | None) -> bool:
    """A rate may have started at any point of the grid; a cron's start means nothing once it has passed."""
    start: datetime | None = request.get("StartDate")
    text = request["ScheduleExpression"]
    if start is None or found is None:
        return start is None
    if not text.startswith("rate("):
        return found == start
    value, unit = text[5:-1].split()
    interval = Rate(int(value), unit.removesuffix("s")).seconds
    return found <= start and (to_seconds(start) - to_seconds(found)) % interval == 0


def _window(document: Mapping[str, Any]) -> tuple[str, int | None]:
    window: Mapping[str, Any] = document.get("FlexibleTimeWindow") or _OFF
    return window["Mode"], window.get("MaximumWindowInMinutes")


# --- what EventBridge's documents do not have ---

_BEFORE_LAST = re.compile(r"L-\d+", re.IGNORECASE)
_MIXED = re.compile(r"([A-Z]{3})-(\d+)|(\d+)-([A-Z]{3})", re.IGNORECASE)
_NAMES = ("minutes", "hours", "day-of-month", "month", "day-of-week", "year")
_NOT_KNOWN = "EventBridge Scheduler is not known to read"


def _extensions(text: str) -> Iterator[tuple[str, str]]:
    """The field of each, and what to write instead."""
    for name, field in zip(_NAMES, text[5:-1].split(), strict=True):
        parts = field.split(",")
        if name == "day-of-month" and _BEFORE_LAST.fullmatch(field):
            yield name, f"{_NOT_KNOWN} `{field}`: write `L`, or a day of the month by its number"
        if name == "day-of-week" and "/" in field:
            yield name, f"{_NOT_KNOWN} the step in `{field}`: write the days one by one, as in `2,4,6`"
        if any(_MIXED.search(part) for part in parts):
            yield name, f"{_NOT_KNOWN} `{field}`: write both ends as names, or both as numbers"
        if len(parts) > 1 and "*" in parts:
            yield name, f"{_NOT_KNOWN} `{field}`: write `*` alone, which means the same"
