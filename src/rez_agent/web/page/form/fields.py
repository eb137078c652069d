"""A definition as the fields of a form, and back.

Pure, both ways. A definition that is opened and saved unchanged is the same definition: what no field can say
exactly stands as JSON, and a member whose fields nobody touched is taken from the definition that was opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from rez_agent.domain.action import Offered
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.policies import DEFAULT_POLICIES
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.domain.zones import Zone, zone
from rez_agent.web.page.form.target import (
    HTTP_FIELDS,
    MORE,
    NOTE_FIELDS,
    PARAMETER,
    field_of_payload,
    target_of,
    target_values,
)
from rez_agent.web.page.form.values import (
    Document,
    FieldProblem,
    Reader,
    Values,
    instant_text,
    json_text,
    number_text,
    of_problem,
)
from rez_agent.web.page.form.when import WHEN_FIELDS, expression_of, field_of_expression, when_values

POLICY_FIELDS = {
    "/policies/retry/max_attempts": "retry_attempts",
    "/policies/retry/min_backoff_seconds": "retry_least",
    "/policies/retry/max_backoff_seconds": "retry_most",
    "/policies/retry/max_event_age_seconds": "retry_age",
    "/policies/catch_up/mode": "catch_up",
    "/policies/catch_up/window_seconds": "catch_up_window",
    "/policies/overlap": "overlap",
    "/policies/flexible_window_minutes": "window",
    "/policies/on_completion": "on_completion",
}
"""The policies, and their fields."""

LABELS = {
    "name": "Name",
    "http_url": "URL",
    "http_timeout": "Timeout",
    "http_success": "Success",
    "note_title": "Title",
    "note_message": "Message",
    "retry_attempts": "Tries after a failed one",
    "retry_age": "Give up after",
    "retry_least": "Wait at least",
    "retry_most": "Wait at most",
    "catch_up": "Missed while down",
    "catch_up_window": "Missed for at most",
    "overlap": "Due while one runs",
    "window": "Flexible window",
    "on_completion": "When nothing is left",
}
"""What the page calls the fields of which the checks speak by the name of their member."""

_PLAIN = {
    "/name": "name",
    "/description": "description",
    "/tags": "tags",
    "/timezone": "timezone",
    "/start": "start",
    "/end": "end",
    "/condition": "condition",
    "/calendar": "calendar",
    "/calendar/name": "calendar",
    "/calendar/closed": "calendar_closed",
    "/target_type": "kind",
    "/policies/retry": "retry_least",
    **POLICY_FIELDS,
}

_TARGET_FIELDS = (
    "kind",
    "raw_type",
    "action_name",
    "custom_name",
    "http_body_kind",
    *HTTP_FIELDS.values(),
    *NOTE_FIELDS.values(),
    *MORE.values(),
)
_MEMBERS: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "description": ("description",),
    "schedule_expression": WHEN_FIELDS,
    "timezone": ("timezone",),
    "start": ("start", "timezone"),
    "end": ("end", "timezone"),
    "tags": ("tags",),
    "policies": tuple(POLICY_FIELDS.values()),
    "condition": ("condition",),
    "calendar": ("calendar", "calendar_closed"),
    "template": ("template",),
}
"""The members of a definition, and the fields that say each; the target's are those above."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The definition that fields say, as far as they say one, and what is wrong with the fields."""

    document: Document
    problems: tuple[FieldProblem, ...] = ()


# --- from a definition to fields ---


def new_values(**more: str) -> dict[str, str]:
    """The fields of a form that nobody has filled in yet."""
    empty = {"kind": "http", "frequency": "daily", "at_time": "09:00", "timezone": "UTC", "every_count": "15"}
    return {**_policy_values(DEFAULT_POLICIES.model_dump(mode="json")), **empty, **more}


def values_of(definition: ScheduleDefinition, offered: Offered) -> dict[str, str]:
    """The fields that say ``definition``."""
    where = zone_or_none(definition.timezone)
    bounds = {"start": definition.start, "end": definition.end}
    document = definition.model_dump(mode="json", include={"policies", "calendar", "template"})
    return {
        "name": definition.name,
        "description": definition.description,
        "tags": _tags_text(definition.tags),
        "timezone": definition.timezone,
        **{name: instant_text(at, where) for name, at in bounds.items() if at is not None},
        **when_values(definition.schedule_expression),
        **target_values(definition.target_type.value, definition.payload, offered),
        **_policy_values(document["policies"]),
        "condition": definition.condition or "",
        **_calendar_values(document["calendar"]),
        "template": json_text(document["template"]) if document["template"] else "",
    }


def partial_values(document: Mapping[str, Any], offered: Offered) -> dict[str, str]:
    """The fields that a part of a definition says, such as what was pasted."""
    values: dict[str, str] = {name: document[name] for name in ("name", "timezone") if name in document}
    if "schedule_expression" in document:
        values |= when_values(document["schedule_expression"])
    if "target_type" in document:
        values |= target_values(document["target_type"], document.get("payload", {}), offered)
    return values


def zone_or_none(name: str) -> Zone | None:
    """The zone, if there is one of that name."""
    try:
        return zone(name)
    except KeyError:
        return None


def _policy_values(policies: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for pointer, name in POLICY_FIELDS.items():
        value: Any = policies
        for step in pointer.split("/")[2:]:
            value = value[step]
        found[name] = _short(number_text(value) or value or "")
    return found


def _short(text: str) -> str:
    return text.removesuffix(".0")


def _calendar_values(calendar: Mapping[str, Any] | None) -> dict[str, str]:
    return {} if calendar is None else {"calendar": calendar["name"], "calendar_closed": calendar["closed"]}


# --- from fields to a definition ---


def draft_of(values: Values, offered: Offered, opened: ScheduleDefinition | None = None) -> Draft:
    """The definition that the fields say.

    ``opened``: the definition that they showed at first; what nobody touched stays exactly as it is there.
    """
    reader = Reader(values)
    document = _read(reader, offered)
    if opened is None:
        return Draft(document, tuple(reader.problems))
    kept = _untouched(values, opened, offered)
    before = opened.model_dump(mode="json")
    document |= {member: before[member] for member in kept}
    fields = {name for member in kept for name in _fields_of(member)}
    return Draft(document, tuple(each for each in reader.problems if each.field not in fields))


def touched(values: Values, opened: ScheduleDefinition, offered: Offered) -> frozenset[str]:
    """The members of the definition that are not as they were when it was opened, or can't be read."""
    draft, before = draft_of(values, offered, opened), opened.model_dump(mode="json")
    document, unread = draft.document, {problem.field for problem in draft.problems}
    with suppress(Invalid):
        document = read(ScheduleDefinition, document).model_dump(mode="json")
    return frozenset(
        member
        for member in before
        if document.get(member) != before[member] or not unread.isdisjoint(_fields_of(member))
    )


def _untouched(values: Values, opened: ScheduleDefinition, offered: Offered) -> frozenset[str]:
    shown = values_of(opened, offered)
    members = {*_MEMBERS, "payload", "target_type"}
    return frozenset(
        member
        for member in members
        if all(
            _same(values, shown, name) for name in {*_fields_of(member), *_parameters(member, values, shown)}
        )
    )


def _fields_of(member: str) -> tuple[str, ...]:
    return _MEMBERS.get(member, _TARGET_FIELDS)


def _parameters(member: str, *sides: Values) -> Iterable[str]:
    """The fields of an action's parameters, which have names of their own."""
    if member not in ("payload", "target_type"):
        return ()
    return {name for values in sides for name in values if name.startswith(PARAMETER)}


def _same(values: Values, shown: Values, name: str) -> bool:
    """Whether a field says what it said. An expression that a frequency stands for is no field of its own."""
    if name == "expression" and values.get("frequency") != "expression" != shown.get("frequency"):
        return True
    given = values.get(name, "")
    return given.replace("\r\n", "\n") == shown.get(name, "").replace("\r\n", "\n")


def _read(reader: Reader, offered: Offered) -> Document:
    target_type, payload = target_of(reader, offered)
    timezone = reader.text("timezone") or "UTC"
    where = zone_or_none(timezone)
    said: Document = {
        "name": reader.raw("name") if reader.text("name") else None,
        "schedule_expression": expression_of(reader),
        "timezone": timezone,
        "target_type": target_type,
        "start": reader.instant("start", where),
        "end": reader.instant("end", where),
        "condition": reader.text("condition") or None,
        "calendar": _calendar(reader),
        "template": reader.json("template"),
    }
    return {
        **{name: value for name, value in said.items() if value is not None},
        "description": reader.raw("description"),
        "payload": payload,
        "tags": _tags(reader),
        "policies": _policies(reader),
    }


def _tags_text(tags: tuple[str, ...]) -> str:
    """Tags with commas between them; as JSON where one of them has a comma itself."""
    text = ", ".join(tags)
    return text if _tags(Reader({"tags": text})) == list(tags) else json_text(tags)


def _tags(reader: Reader) -> list[Any]:
    if reader.text("tags").startswith("["):
        found = reader.json("tags")
        return found if isinstance(found, list) else []
    return [tag.strip(" ") for tag in reader.raw("tags").split(",") if tag.strip()]


def _calendar(reader: Reader) -> Document | None:
    name = reader.text("calendar")
    return {"name": name, "closed": reader.text("calendar_closed") or "skip"} if name else None


def _policies(reader: Reader) -> Document:
    policies: Document = {}
    for pointer, name in POLICY_FIELDS.items():
        value = reader.number(name)
        if value is None:
            continue
        *way, last = pointer.split("/")[2:]
        place = policies
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    return policies


# --- a form that others were quicker than ---


@dataclass(frozen=True, slots=True)
class Rebased:
    """A form laid over what the schedule has become since it was opened: its fields; the members of the
    definition that both sides changed, which the form's own values would overwrite; and those that only the
    others changed, which the fields show now."""

    values: dict[str, str]
    both: frozenset[str]
    theirs: frozenset[str]


def rebased(
    values: Values,
    opened: ScheduleDefinition,
    present: ScheduleDefinition,
    offered: Offered,
    others: frozenset[str],
) -> Rebased:
    """``values``, typed over ``opened``, laid over ``present``, of which somebody changed the members
    ``others``: nothing that was typed is lost."""
    mine = touched(values, opened, offered)
    found = values_of(present, offered)
    for member in mine:
        names = {*_fields_of(member), *_parameters(member, values, found)}
        found |= {name: values.get(name, "") for name in names}
    return Rebased(found, mine & others, others - mine)


# --- from problems to fields ---


def placed(problems: Iterable[Problem], values: Values, offered: Offered) -> tuple[FieldProblem, ...]:
    """The problems of a definition, each at the field that caused it."""
    return tuple(_placed(problem, _field_of(problem.pointer, values, offered)) for problem in problems)


def _placed(problem: Problem, field: str) -> FieldProblem:
    """The problem at ``field``, which it calls as the page does."""
    member, label = problem.pointer.rpartition("/")[2], LABELS.get(field)
    if label is not None and problem.message.startswith(f"'{member}' "):
        problem = replace(problem, message=label + problem.message[len(member) + 2 :])
    return of_problem(problem, field)


def _field_of(pointer: str, values: Values, offered: Offered) -> str:
    if pointer in _PLAIN:
        return _PLAIN[pointer]
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    head, member = steps[0] if steps else "", steps[1] if len(steps) > 1 else ""
    if head == "payload":
        return field_of_payload(values.get("kind", ""), member, offered, values)
    if head == "schedule_expression":
        return field_of_expression(values.get("frequency", ""))
    return _PLAIN.get(f"/{head}", "")
