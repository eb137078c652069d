"""Checking a definition: every problem at once, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from rez_agent.domain.calendar_warnings import calendar_warnings
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.expression import Occurrences, parse
from rez_agent.domain.instants import floor_second
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import CONDITION_AT_MOST, ScheduleDefinition, TargetType
from rez_agent.ports import Actions, Engine, Records
from rez_agent.usecases.calendars import calendar_used

_TARGET_TYPES = frozenset(TargetType)

PAYLOAD_AT_MOST = 983_040
"""Bytes of a payload as JSON (960 KiB): what fits into a request's body beside the rest of a definition. The
256 KB that EventBridge Scheduler allows are no limit here: it is only given ids, on either host."""


def checked_definition(
    document: Mapping[str, Any],
    *,
    now: datetime,
    actions: Actions,
    engine: Engine,
    records: Records | None,
    expression_before: str | None = None,
) -> tuple[ScheduleDefinition, list[Problem]]:
    """The definition that ``document`` says, and warnings about it.

    Raises :class:`Invalid` with all problems: of the shape, the expression, the zone, the payload, the
    condition, what ``engine`` can't keep time for, and a calendar that ``records`` do not hold (None where
    the document names none). An ``at`` in the past is refused, since nothing would ever fire, unless it is
    ``expression_before``: an edit may leave a spent expression as it stands.
    """
    problems: list[Problem] = []
    definition: ScheduleDefinition | None = None
    try:
        definition = read(ScheduleDefinition, document)
    except Invalid as error:
        problems += error.problems
    warnings = _expression_problems(document, now, expression_before, problems)
    if definition is not None and not problems:
        problems += engine.check(definition)
    problems += _payload_problems(document, actions) + _condition_problems(document, actions)
    if definition is not None and definition.calendar is not None and records is not None:
        warnings += _calendar_warnings(definition, records, now, problems)
    if problems or definition is None:
        raise Invalid.of(problems)
    return definition, warnings


def checked_payload(target_type: str, payload: Mapping[str, Any], actions: Actions) -> None:
    """Raises :class:`Invalid` with all that is wrong with a payload for ``target_type``."""
    problems = _payload_problems({"target_type": target_type, "payload": payload}, actions)
    if problems:
        raise Invalid.of(problems)


def _expression_problems(
    document: Mapping[str, Any], now: datetime, before: str | None, problems: list[Problem]
) -> list[Problem]:
    """Adds what is wrong with expression and zone to ``problems``; returns warnings."""
    text, timezone = document.get("schedule_expression"), document.get("timezone", "UTC")
    if not isinstance(text, str) or not isinstance(timezone, str):
        return []  # the shape's own problem says so
    try:
        expression = parse(text, timezone)
    except Invalid as error:
        problems += error.problems
        return []
    past = None if text == before else expression.check_future(now)
    if past is not None:
        problems.append(past)
    return expression.warnings()


def _condition_problems(document: Mapping[str, Any], actions: Actions) -> list[Problem]:
    condition, payload = document.get("condition"), document.get("payload", {})
    if not isinstance(condition, str) or not 0 < len(condition.strip()) <= CONDITION_AT_MOST:
        return []  # there is none, or the shape's own problem says so
    payload = payload if isinstance(payload, dict) else {}
    return [problem.under("/condition") for problem in actions.check_condition(condition.strip(), payload)]


def _calendar_warnings(
    definition: ScheduleDefinition, records: Records, now: datetime, problems: list[Problem]
) -> list[Problem]:
    """Adds to ``problems`` that there is no such calendar; returns warnings."""
    try:
        calendar = calendar_used(records, definition.calendar, now)
    except Invalid as error:
        problems += error.problems
        return []
    if problems:
        return []
    nominal = Occurrences(
        definition.expression, start=definition.start, end=definition.end, anchor=floor_second(now)
    )
    return calendar_warnings(nominal, definition.calendar, calendar, now)


def _payload_problems(document: Mapping[str, Any], actions: Actions) -> list[Problem]:
    target_type, payload = document.get("target_type"), document.get("payload", {})
    if not isinstance(target_type, str) or target_type not in _TARGET_TYPES or not isinstance(payload, dict):
        return []  # the shape's own problem says so
    size = len(to_json(payload))
    if size > PAYLOAD_AT_MOST:
        text = (
            f"The payload is {size} bytes of JSON; {PAYLOAD_AT_MOST} are allowed. Send a reference instead."
        )
        return [Problem("payload_too_large", text, "/payload")]
    return [problem.under("/payload") for problem in actions.check(str(target_type), payload)]
