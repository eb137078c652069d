"""The screen of alerts: what is wrong now, the rules, and what was wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from rez_agent.domain.alert import Alert, NoticeStatus
from rez_agent.domain.alert_rules import PARAMETERS, AlertKind, AlertRule, RuleDefinition
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.policies import Frozen
from rez_agent.domain.reading import read
from rez_agent.ports import AlertQuery, Page, Ports
from rez_agent.usecases.alert_rules import create_rule, delete_rule, list_rules, replace_rule, rule_for
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.keys import Scope
from rez_agent.usecases.notices import alerts_for
from rez_agent.web.alerting import sent_test
from rez_agent.web.forms import Cursor
from rez_agent.web.operations import Api
from rez_agent.web.page.alerts_told import KINDS, LABELS, AlertRow, alert_row, condition, watched
from rez_agent.web.page.form.values import whole_number
from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.run_list import schedule_id_of
from rez_agent.web.page.visits import Form, Toast, Visit

PATH = "/alerts"
OPEN_AT_MOST, ON_A_PAGE = 100, 25


class AlertsFilter(Frozen):
    """Which of the past alerts."""

    kind: AlertKind | None = None
    cursor: Cursor = None

    def address(self, cursor: str | None = None) -> str:
        """The screen's address, from ``cursor`` on."""
        said = {"kind": None if self.kind is None else self.kind.value, "cursor": cursor}
        told = {name: value for name, value in said.items() if value}
        return PATH + (f"?{urlencode(told)}" if told else "")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in the list."""

    rule: AlertRule
    kind: str
    condition: str
    watched: str


@dataclass(frozen=True, slots=True)
class Screen:
    """All that the screen shows, as it was at ``now``."""

    now: datetime
    open: tuple[AlertRow, ...]
    rules: tuple[RuleRow, ...]
    past: tuple[AlertRow, ...]
    page: Page[Alert]


async def show(api: Api, visit: Visit) -> Response:
    """GET /alerts"""
    asked = visit.filters(AlertsFilter)
    screen = await api.host.read(lambda ports: screen_of(ports, visit.caller, asked))
    following = screen.page.next_cursor
    return visit.page(
        "alerts_body.html" if visit.is_fragment else "alerts.html",
        asked=asked,
        screen=screen,
        kinds=KINDS,
        here=asked.address(asked.cursor),
        first=asked.address() if asked.cursor else None,
        following=asked.address(following) if following else None,
    )


def screen_of(ports: Ports, caller: Caller, asked: AlertsFilter) -> Screen:
    """What the screen shows."""
    opened = alerts_for(ports, caller, AlertQuery(open=True, limit=OPEN_AT_MOST))
    query = AlertQuery(open=False, kind=asked.kind, cursor=asked.cursor, limit=ON_A_PAGE)
    page = alerts_for(ports, caller, query)
    rules = list_rules(ports, caller)
    wanted = [one for alert in (*opened.items, *page.items) for one in alert.affected[:2]]
    wanted += [rule.definition.schedule_id for rule in rules if rule.definition.schedule_id is not None]
    names = names_of(ports, wanted)
    return Screen(
        now=ports.clock.now(),
        open=tuple(alert_row(alert, names) for alert in opened.items),
        rules=tuple(rule_row(rule, names) for rule in rules),
        past=tuple(alert_row(alert, names) for alert in page.items),
        page=page,
    )


def rule_row(rule: AlertRule, names: dict[str, str]) -> RuleRow:
    """A rule in words."""
    return RuleRow(rule, KINDS[rule.kind][0], condition(rule), watched(rule.definition, names))


def names_of(ports: Ports, schedule_ids: Iterable[str]) -> dict[str, str]:
    """The names of these schedules, as far as they are known."""
    found = {one: ports.schedules.get(one) for one in dict.fromkeys(schedule_ids)}
    return {one: schedule.definition.name for one, schedule in found.items() if schedule is not None}


# --- a rule's form ---


class _New(Frozen):
    """What a new rule begins with."""

    kind: AlertKind | None = None
    schedule: str | None = None


async def new(api: Api, visit: Visit) -> Response:
    """GET /alerts/rules/new: first which kind, then its form."""
    del api
    asked = visit.filters(_New)
    if asked.kind is None:
        more = "" if asked.schedule is None else "&" + urlencode({"schedule": asked.schedule})
        return visit.page("alert_kinds.html", kinds=KINDS, more=more)
    beginning = RuleDefinition(name=KINDS[asked.kind][0], kind=asked.kind)
    return _form(visit, None, {**_values(beginning), "schedule": asked.schedule or ""}, {})


async def edit(api: Api, visit: Visit) -> Response:
    """GET /alerts/rules/{alert_rule_id}"""
    rule_id = visit.path("alert_rule_id")

    def read_rule(ports: Ports) -> tuple[AlertRule, dict[str, str]]:
        rule = rule_for(ports, visit.caller, rule_id)
        schedule_id = rule.definition.schedule_id
        return rule, names_of(ports, [] if schedule_id is None else [schedule_id])

    rule, names = await api.host.read(read_rule)
    schedule_id = rule.definition.schedule_id
    schedule = "" if schedule_id is None else names.get(schedule_id, schedule_id)
    values = {**_values(rule.definition), "schedule": schedule, "revision": str(rule.revision)}
    return _form(visit, rule_id, values, {})


async def create(api: Api, visit: Visit) -> Response:
    """POST /alerts/rules"""
    return await _save(api, visit, None)


async def replace(api: Api, visit: Visit) -> Response:
    """POST /alerts/rules/{alert_rule_id}"""
    return await _save(api, visit, visit.path("alert_rule_id"))


async def _save(api: Api, visit: Visit, rule_id: str | None) -> Response:
    form = await visit.form()

    def save(ports: Ports) -> AlertRule:
        definition = definition_of(ports, visit.caller, form)
        if rule_id is None:
            return create_rule(ports, visit.caller, definition)
        revision = whole_number(form.text("revision"))
        return replace_rule(ports, visit.caller, rule_id, definition, revision=revision)

    try:
        rule = await api.host.write(save)
    except Invalid as error:
        if form.text("kind") not in set(AlertKind):
            raise  # there is no form of that kind to show it in
        values = {name: form.text(name) for name, _ in form.fields}
        return _form(visit, rule_id, values, _by_field(error.problems), status=422)
    return visit.redirect(PATH, Toast(f"Saved the rule {rule.definition.name}."))


def definition_of(ports: Ports, caller: Caller, form: Form) -> RuleDefinition:
    """The rule that a form says. Raises Invalid with all that is wrong."""
    document: dict[str, Any] = {
        "name": form.text("name"),
        "kind": form.text("kind"),
        "tag": form.text("tag") or None,
        "channels": [one.strip() for one in form.text("channels").split(",") if one.strip()],
        "recovery": form.has("recovery"),
        "enabled": form.has("enabled"),
    }
    named = form.text("schedule")
    if named:
        document["schedule_id"] = schedule_id_of(ports, caller, named) or named
    for name in ("quiet_period_seconds", *LABELS):
        if form.text(name):
            document[name] = _number(form.text(name))
    return read(RuleDefinition, document)


def _number(text: str) -> Any:
    """A number, whole where it is; what is none is left to be refused as such."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _values(definition: RuleDefinition) -> dict[str, str]:
    """A rule as the fields of its form."""
    values = {name: str(value) for name, value in definition.document().items() if value not in (None, ())}
    values["channels"] = ", ".join(definition.channels)
    for flag in ("recovery", "enabled"):
        values[flag] = "on" if getattr(definition, flag) else ""
    return values


def _form(
    visit: Visit,
    rule_id: str | None,
    values: dict[str, str],
    errors: dict[str, list[Problem]],
    *,
    status: int = 200,
) -> Response:
    kind = AlertKind(values["kind"])
    return visit.page(
        "alert_rule.html",
        status,
        rule_id=rule_id,
        kind=kind,
        told=KINDS[kind],
        values=values,
        errors=errors,
        parameters=[(name, *LABELS[name]) for name in PARAMETERS[kind]],
        action=f"{PATH}/rules" if rule_id is None else f"{PATH}/rules/{rule_id}",
    )


def _by_field(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """Problems by the field that caused them; the rest under an empty name."""
    known = {"schedule_id": "schedule"}
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        name = problem.pointer.split("/")[1] if "/" in problem.pointer else ""
        found.setdefault(known.get(name, name), []).append(problem)
    return found


# --- its buttons ---


async def switch(api: Api, visit: Visit) -> Response:
    """POST /alerts/rules/{alert_rule_id}/switch: on, or off."""
    rule_id = visit.path("alert_rule_id")

    def turn(ports: Ports) -> AlertRule:
        before = rule_for(ports, visit.caller, rule_id).definition
        after = RuleDefinition.model_validate(before.document() | {"enabled": not before.enabled})
        return replace_rule(ports, visit.caller, rule_id, after)

    rule = await api.host.write(turn)
    word = "on" if rule.definition.enabled else "off"
    return visit.redirect(PATH, Toast(f"The rule {rule.definition.name} is {word}."))


async def delete(api: Api, visit: Visit) -> Response:
    """POST /alerts/rules/{alert_rule_id}/delete"""
    rule_id = visit.path("alert_rule_id")
    await api.host.write(lambda ports: delete_rule(ports, visit.caller, rule_id))
    return visit.redirect(PATH, Toast("Deleted the rule."))


async def test(api: Api, visit: Visit) -> Response:
    """POST /alerts/rules/{alert_rule_id}/test: says what each channel answered."""
    alert = await sent_test(api, visit.caller, visit.path("alert_rule_id"))
    wrong = [one for one in alert.notices if one.status is not NoticeStatus.SENT]
    if not wrong:
        channels = ", ".join(one.channel for one in alert.notices)
        return visit.redirect(PATH, Toast(f"The test arrived: {channels}."))
    details = tuple(f"{one.channel}: {one.error or 'no answer yet'}" for one in wrong)
    return visit.redirect(PATH, Toast("The test did not arrive everywhere.", "bad", details=details))


_RULE = f"{PATH}/rules/{{alert_rule_id}}"
OPERATIONS = (
    PageOperation("GET", PATH, show, "page_alerts", title="Alerts"),
    PageOperation("GET", f"{PATH}/rules/new", new, "page_alert_rule_new", scope=Scope.WRITE),
    PageOperation("POST", f"{PATH}/rules", create, "page_alert_rule_create", scope=Scope.WRITE),
    PageOperation("GET", _RULE, edit, "page_alert_rule"),
    PageOperation("POST", _RULE, replace, "page_alert_rule_replace", scope=Scope.WRITE),
    PageOperation("POST", f"{_RULE}/switch", switch, "page_alert_rule_switch", scope=Scope.WRITE),
    PageOperation("POST", f"{_RULE}/delete", delete, "page_alert_rule_delete", scope=Scope.WRITE),
    PageOperation("POST", f"{_RULE}/test", test, "page_alert_rule_test", scope=Scope.WRITE),
)
