"""Templates on every host: kept with revisions, changed by their owner, made into schedules."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from rez_agent.actions.build import make_actions
from rez_agent.domain.errors import Conflict, Forbidden, Invalid, NotFound, RevisionConflict
from rez_agent.domain.gallery import NAMES, gallery
from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.domain.template import Template
from rez_agent.usecases import templates
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.checking import checked_definition
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON, ParticularEngine
from tests.rig import ADMIN, ANN, BOB, schedule_of

SCHEMA = "invalid_parameters_schema"
X = ("parameters", "properties", "x")
PING: dict[str, Any] = {
    "name": "ping",
    "title": "Ping",
    "parameters": {
        "type": "object",
        "properties": {
            "target": {"type": "string", "minLength": 2, "examples": ["here"]},
            "minutes": {"type": "integer", "minimum": 2, "default": 5},
            "tag": {"type": "string"},
        },
        "required": ["target"],
    },
    "definition": {
        "name": "ping-{{ target }}",
        "schedule_expression": "rate({{ minutes }} minutes)",
        "target_type": "web_action",
        "payload": {"target": "{{ target }}"},
    },
}


def changed(**changes: Any) -> dict[str, Any]:
    return deepcopy(PING) | changes


def create(host: SteppedHost, document: dict[str, Any] = PING, caller: Caller = ANN) -> Template:
    return host.ask(lambda ports: templates.create_template(ports, caller, document))


def made(host: SteppedHost, **asked: Any) -> dict[str, Any]:
    template = host.ask(lambda ports: templates.template_named(ports, "ping"))
    parameters = asked.pop("parameters", {"target": "here"})
    return templates.definition_from(template, parameters, **asked)


def problems(host: SteppedHost, document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        create(host, document)
    return [(problem.code, problem.pointer) for problem in error.value.problems]


def test_a_template_is_kept_with_its_owner_revision_and_dates(host: SteppedHost) -> None:
    create(host)
    kept = host.ask(lambda ports: templates.template_named(ports, "ping"))
    assert (kept.name, kept.revision, kept.created_by, kept.shipped) == ("ping", 1, "ann", False)
    assert (kept.created_date, kept.updated_date) == (NOON, NOON)
    assert kept.definition.definition == PING["definition"]
    listed = host.ask(templates.list_templates)
    assert [one.name for one in listed] == [*NAMES, "ping"]


def test_a_change_is_the_next_revision_and_needs_the_present_one(host: SteppedHost) -> None:
    create(host)
    host.clock.advance(minutes=1)
    renamed = changed(title="Ping!")
    after = host.ask(lambda ports: templates.replace_template(ports, ANN, "ping", renamed, 1))
    assert (after.revision, after.created_date, after.definition.title) == (2, NOON, "Ping!")
    assert after.updated_date == host.clock.now()
    with pytest.raises(RevisionConflict):
        host.ask(lambda ports: templates.replace_template(ports, ANN, "ping", PING, 1))
    with pytest.raises(RevisionConflict):
        host.ask(lambda ports: templates.delete_template(ports, ANN, "ping", 1))


def test_a_template_keeps_its_name_and_no_two_have_one(host: SteppedHost) -> None:
    create(host)
    with pytest.raises(Conflict) as taken:
        create(host, caller=BOB)
    assert taken.value.code == "template_exists"
    with pytest.raises(Conflict):
        create(host, changed(name="heartbeat"))
    other = changed(name="pong")
    with pytest.raises(Invalid) as error:
        host.ask(lambda ports: templates.replace_template(ports, ANN, "ping", other, None))
    assert error.value.problems[0].pointer == "/name"


def test_everybody_uses_a_template_and_only_its_owner_or_an_admin_changes_it(host: SteppedHost) -> None:
    create(host)
    assert made(host)["name"] == "ping-here"
    with pytest.raises(Forbidden):
        host.ask(lambda ports: templates.replace_template(ports, BOB, "ping", PING, None))
    with pytest.raises(Forbidden):
        host.ask(lambda ports: templates.delete_template(ports, BOB, "ping", None))
    host.ask(lambda ports: templates.replace_template(ports, ADMIN, "ping", PING, None))
    kept = host.ask(lambda ports: templates.template_named(ports, "ping"))
    assert kept.created_by == "ann"
    host.ask(lambda ports: templates.delete_template(ports, ADMIN, "ping", None))
    with pytest.raises(NotFound):
        host.ask(lambda ports: templates.template_named(ports, "ping"))


def test_what_ships_can_not_be_changed(host: SteppedHost) -> None:
    with pytest.raises(Forbidden) as error:
        host.ask(lambda ports: templates.delete_template(ports, ADMIN, "heartbeat", None))
    assert error.value.code == "template_shipped"


def test_a_name_that_is_nearly_one_is_proposed(host: SteppedHost) -> None:
    with pytest.raises(NotFound, match="Did you mean 'heartbeat'"):
        host.ask(lambda ports: templates.template_named(ports, "hartbeat"))


@pytest.mark.parametrize(
    ("path", "value", "code", "pointer"),
    [
        (("definition", "name"), "{{ nobody }}", "invalid_placeholder", "/definition/name"),
        (("definition", "nme"), "x", "unknown_field", "/definition/nme"),
        (("definition", "template"), {"name": "x"}, "unknown_field", "/definition/template"),
        (("definition", "payload"), {"bad": 1}, "invalid_payload", "/definition/payload/bad"),
        (("definition", "condition"), "{{ minutes }} +", "invalid_condition", "/definition/condition"),
        (("parameters", "type"), "array", SCHEMA, "/parameters/type"),
        (X, {"type": "string", "pattern": "(a+)+$"}, SCHEMA, "/parameters/properties/x/pattern"),
        (X, {"$ref": "#/x"}, SCHEMA, "/parameters/properties/x/type"),
        (X, {"type": "integer", "default": "x"}, "unfit_parameter", "/parameters/x"),
        (("parameters", "required"), ["nobody"], SCHEMA, "/parameters/required"),
        (("name",), "Not A Name", "invalid_value", "/name"),
        (("title",), "", "invalid_value", "/title"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_template_is_told_with_its_place(
    host: SteppedHost, path: tuple[str, ...], value: Any, code: str, pointer: str
) -> None:
    document = deepcopy(PING)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert (code, pointer) in problems(host, document)


def test_a_template_that_is_too_large_is_refused(host: SteppedHost) -> None:
    large = changed(definition=PING["definition"] | {"payload": {"text": "x" * 70_000}})
    assert ("too_large", "") in problems(host, large)


def test_a_schedule_tells_where_it_came_from_and_can_be_found(host: SteppedHost) -> None:
    create(host)
    document = made(host, parameters={"target": "here"})
    assert document["schedule_expression"] == "rate(5 minutes)"
    assert document["payload"] == {"target": "here"}
    assert document["tags"] == ["template:ping"]
    assert document["template"] == {
        "name": "ping",
        "revision": 1,
        "parameters": {"target": "here", "minutes": 5},
    }
    for owner in ("ann", "bob"):
        keep(host, document, owner)
    host.keep_time()
    for caller, owners in ((ANN, {"ann"}), (ADMIN, {"ann", "bob"})):
        page = host.ask(lambda ports, caller=caller: templates.schedules_of(ports, caller, "ping"))  # type: ignore[misc]
        assert {one.created_by for one in page.items} == owners
        assert all(one.definition.template is not None for one in page.items)
        assert page.total == len(owners)


def keep(host: SteppedHost, document: dict[str, Any], owner: str) -> None:
    definition = ScheduleDefinition.model_validate(document)
    fields = definition.model_dump(exclude={"name"})
    schedule = schedule_of("x", schedule_id=f"sch_{owner}", created_by=owner, **fields)
    host.ask(lambda ports: ports.schedules.add(schedule))


def test_a_name_and_overrides_count_before_the_template(host: SteppedHost) -> None:
    create(host)
    overrides = {"payload": {"extra": 1}, "timezone": "Europe/Paris", "tags": ["mine"]}
    document = made(host, name="own", overrides=overrides)
    assert (document["name"], document["timezone"]) == ("own", "Europe/Paris")
    assert document["payload"] == {"target": "here", "extra": 1}
    assert document["tags"] == ["mine", "template:ping"]


@pytest.mark.parametrize(
    ("parameters", "code", "pointer"),
    [
        ({}, "missing_parameter", "/parameters/target"),
        ({"target": "x"}, "unfit_parameter", "/parameters/target"),
        ({"target": "xx", "minutes": "5"}, "unfit_parameter", "/parameters/minutes"),
        ({"target": "xx", "minutes": 1}, "unfit_parameter", "/parameters/minutes"),
        ({"target": "xx", "minuts": 1}, "unknown_field", "/parameters/minuts"),
    ],
)
def test_what_is_wrong_with_the_parameters_points_at_them(
    host: SteppedHost, parameters: dict[str, Any], code: str, pointer: str
) -> None:
    create(host)
    with pytest.raises(Invalid) as error:
        made(host, parameters=parameters)
    assert [(one.code, one.pointer) for one in error.value.problems] == [(code, pointer)]


@pytest.mark.parametrize("name", NAMES)
def test_each_template_that_ships_makes_a_right_schedule_with_its_examples(name: str) -> None:
    template = gallery()[name]
    document = templates.definition_from(template, template.sample)
    definition, _ = checked_definition(
        document, now=NOON, actions=ACTIONS, engine=ParticularEngine(), records=None
    )
    assert definition.template is not None
    assert definition.template.name == name
    assert f"template:{name}" in definition.tags
    assert definition.expression.explain()
    required = template.definition.parameters.get("required", [])
    assert all("title" in schema for schema in template.properties.values())
    assert set(required) <= template.sample.keys()


class NoSecrets:
    def get(self, name: str) -> None:
        """There is none."""

    def names(self) -> list[Any]:
        """There are none."""
        return []


ACTIONS = make_actions(secrets=NoSecrets(), now=lambda: datetime.now(UTC), monotonic=float)


@pytest.mark.parametrize("name", NAMES)
def test_each_template_that_ships_can_be_copied(host: SteppedHost, name: str) -> None:
    document = gallery()[name].definition.model_dump(mode="json") | {"name": f"my-{name}"}
    copied = copy(document)
    host.ask(lambda ports: templates.create_template(ports, ANN, copied))
    assert host.ask(lambda ports: templates.template_named(ports, f"my-{name}")).revision == 1


def copy(document: dict[str, Any]) -> dict[str, Any]:
    return deepcopy(document)


def test_a_reminder_before_an_event_is_due_so_many_minutes_before_it() -> None:
    asked = {"event": "2027-03-28T09:15", "minutes_before": 45, "message": "go", "timezone": "Europe/Berlin"}
    document = templates.definition_from(gallery()["reminder-before"], asked)
    assert document["schedule_expression"] == "at(2027-03-28T08:30:00)"
    assert document["policies"]["on_completion"] == "delete"


def test_an_event_that_is_no_time_points_at_its_parameter() -> None:
    with pytest.raises(Invalid) as error:
        templates.definition_from(gallery()["reminder-before"], {"event": "soon", "message": "go"})
    assert error.value.problems[0].pointer == "/parameters/event"
