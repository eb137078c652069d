"""What a form is about when it is shown or sent: its fields, and the schedule that it edits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from json import dumps
from typing import Any

from rez_agent.domain.action import Offered
from rez_agent.domain.changes import Change, Difference, as_it_was
from rez_agent.domain.command import CommandAction, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.schedule import CalendarUse, Schedule, ScheduleDefinition
from rez_agent.ports import Ports
from rez_agent.usecases.callers import Caller, schedule_for
from rez_agent.usecases.checking import checked_definition
from rez_agent.usecases.editing import Edit, edit
from rez_agent.usecases.preview import Preview, preview_in
from rez_agent.web.page.form.fields import (
    Draft,
    Rebased,
    draft_of,
    placed,
    rebased,
    values_of,
    zone_or_none,
)
from rez_agent.web.page.form.values import FieldProblem, Reader, Values, whole_number
from rez_agent.web.page.form.when import field_of_expression

CHANGES_LOOKED_AT = 100
"""Changes that are undone at most, to find the definition that a form was opened with."""

_UTC = ("UTC", "Etc/UTC", "Etc/GMT", "GMT")

SHOWN = 10
"""Occurrences of a preview."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A form with its fields, as things are at ``now``.

    ``schedule``: the one that it edits, None for a new one. ``opened``: its definition at the revision that
    the form was opened with. ``since``: what became of the schedule after that, newest first; ``gap``: some
    of that is not known any more.
    """

    values: Values
    offered: Offered
    now: datetime
    schedule: Schedule | None = None
    opened: ScheduleDefinition | None = None
    since: tuple[Change, ...] = ()
    gap: bool = False

    @property
    def draft(self) -> Draft:
        """The definition that the fields say."""
        return draft_of(self.values, self.offered, self.opened)

    @property
    def moved_on(self) -> bool:
        """Whether somebody else changed the definition since the form was opened."""
        return self.gap or bool(self.members_moved)

    @property
    def members_moved(self) -> frozenset[str]:
        """The members of the definition that somebody else changed; of a large one only that is known."""
        differences = (one for _, found in self.others() for one in found)
        return frozenset(one.path.split("/")[1] for one in differences)

    @property
    def payload_digest(self) -> str:
        """What the form carries, to tell later whether its payload was touched."""
        return "" if self.opened is None else _digest(self.opened.payload)

    def rebase(self) -> tuple[Situation, Rebased]:
        """The same form laid over the schedule as it is now."""
        assert self.schedule is not None
        assert self.opened is not None
        present = self.schedule.definition
        moved = frozenset(type(present).model_fields) if self.gap else self.members_moved
        found = rebased(self.values, self.opened, present, self.offered, moved)
        return replace(self, values=found.values, opened=present), found

    def others(self) -> list[tuple[Change, list[Difference]]]:
        """What others changed since the form was opened, newest first, the definition's fields alone."""
        state = ("/status", "/pause", "/error_message")
        told = [(each, [one for one in each.diff if one.path not in state]) for each in self.since]
        return [(change, differences) for change, differences in told if differences]

    def request(self, draft: Draft) -> ScheduleCreationRequest:
        """The command that the form stands for."""
        if self.schedule is None:
            return ScheduleCreationRequest(action=CommandAction.CREATE, schedule=draft.document)
        return ScheduleCreationRequest(
            action=CommandAction.UPDATE,
            schedule_id=self.schedule.id,
            revision=self.schedule.revision,
            schedule=draft.document,
            reason=self.values.get("reason", "").strip()[:500],
        )


def situation(ports: Ports, caller: Caller, values: Values, schedule_id: str = "") -> Situation:
    """What a form that was sent is about. Raises NotFound ``schedule_not_found``."""
    made = Situation(values, ports.actions.offered(), ports.clock.now())
    if not schedule_id:
        return made
    schedule = schedule_for(ports, caller, schedule_id)
    sent = whole_number(values.get("revision", ""))
    revision = schedule.revision if sent is None else sent
    since: tuple[Change, ...] = ()
    if revision < schedule.revision:
        listed = ports.changes.list(schedule_id, limit=CHANGES_LOOKED_AT).items
        since = tuple(change for change in listed if change.revision > revision)
    known = len({change.revision for change in since}) == schedule.revision - revision
    opened = _with_payload(made, as_it_was(schedule, since).definition)
    return replace(made, schedule=schedule, opened=opened, since=since, gap=not known)


def _with_payload(form: Situation, opened: ScheduleDefinition) -> ScheduleDefinition:
    """``opened``, of whose payload only that it changed may be known: then the form's own payload is what it
    was opened with, if the form's digest says so."""
    payload = draft_of(form.values, form.offered).document["payload"]
    same = form.values.get("payload_digest") == _digest(payload)
    return opened.model_copy(update={"payload": payload}) if same else opened


def _digest(payload: Mapping[str, Any]) -> str:
    return sha256(dumps(payload, sort_keys=True).encode()).hexdigest()


def opened(ports: Ports, caller: Caller, schedule_id: str, *, copied: bool = False) -> Situation:
    """A form that shows a schedule, to edit it or to make another of its kind."""
    schedule = schedule_for(ports, caller, schedule_id)
    offered, now = ports.actions.offered(), ports.clock.now()
    values = values_of(schedule.definition, offered)
    if copied:
        name = f"{schedule.definition.name[:123]} copy"
        return Situation({**values, "name": name, "template": ""}, offered, now)
    return Situation(values, offered, now, schedule, schedule.definition)


def problems_of(ports: Ports, form: Situation, draft: Draft) -> tuple[FieldProblem, ...]:
    """All that is wrong with the fields, and with the definition that they say."""
    found = list(draft.problems)
    before = form.schedule.definition.schedule_expression if form.schedule is not None else None
    try:
        checked_definition(
            draft.document,
            now=form.now,
            actions=ports.actions,
            engine=ports.engine,
            records=ports.records,
            expression_before=before,
        )
    except Invalid as error:
        found += unsaid(placed(error.problems, form.values, form.offered), draft.problems)
    return tuple(found)


def unsaid(found: Iterable[FieldProblem], told: Iterable[FieldProblem]) -> list[FieldProblem]:
    """Problems at fields of which nothing is told yet: a field that can't be read is missing, too."""
    known = {problem.field for problem in told}
    return [problem for problem in found if problem.field not in known]


# --- what the fields come to, while they are filled in ---


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the form comes to so far: when it is due, what an edit changes, and what is wrong with when.

    ``unready``: why the edit can't be told yet.
    """

    expression: str | None = None
    preview: Preview | None = None
    edit: Edit | None = None
    unready: tuple[FieldProblem, ...] = ()
    problems: tuple[FieldProblem, ...] = field(default=())


def outlook(ports: Ports, caller: Caller, form: Situation) -> Outlook:
    """When the form's schedule would be due; for an edit, what would be gained and lost."""
    draft = form.draft
    preview, problems = _preview(ports, form, draft.document)
    when = {"start", "end", field_of_expression(form.values.get("frequency", ""))}
    told = [problem for problem in draft.problems if problem.field in when]
    told += unsaid(problems, told)
    expression = draft.document.get("schedule_expression")
    if form.schedule is None:
        return Outlook(expression, preview, problems=tuple(told))
    found, unready = _edit(ports, caller, form, draft)
    return Outlook(expression, preview, found, unready, tuple(told))


def _preview(
    ports: Ports, form: Situation, document: Mapping[str, Any]
) -> tuple[Preview | None, tuple[FieldProblem, ...]]:
    expression = document.get("schedule_expression")
    if expression is None:
        return None, ()
    schedule = form.schedule
    bounds = {name: _instant(document.get(name)) for name in ("start", "end")}
    found = preview_in(
        ports,
        expression,
        document["timezone"],
        now=form.now,
        after=None if schedule is None else form.now,
        anchor=None if schedule is None else schedule.created_date,
        use=_use(document),
        count=SHOWN,
        **bounds,
    )
    problems: tuple[Problem, ...] = found.problems
    if schedule is not None and expression == schedule.definition.schedule_expression:
        problems = tuple(each for each in problems if each.code != "schedule_in_past")
    return found, placed(problems, form.values, form.offered)


def _use(document: Mapping[str, Any]) -> CalendarUse | None:
    """The calendar that the form names, as far as it can be read."""
    try:
        return CalendarUse.model_validate(document["calendar"]) if document.get("calendar") else None
    except ValueError:
        return None


def _edit(
    ports: Ports, caller: Caller, form: Situation, draft: Draft
) -> tuple[Edit | None, tuple[FieldProblem, ...]]:
    if draft.problems:
        return None, draft.problems
    request = form.request(draft)
    try:
        return edit(ports, caller, request), ()
    except Invalid as error:
        return None, placed(error.problems, form.values, form.offered)


def _instant(text: str | None) -> datetime | None:
    """A bound as far as it can be read: what can't is told by the check of the whole."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def viewer_zone(values: Values) -> str | None:
    """The zone of whoever reads the page, if the browser told one that there is; None for UTC, which is shown
    anyway."""
    name = Reader(values).text("viewer_zone")
    return name if zone_or_none(name) is not None and name not in _UTC else None
