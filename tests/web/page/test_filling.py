"""A template's form: fields from the schema of its parameters, and parameters from what was sent."""

from __future__ import annotations

from typing import Any

from rez_agent.domain.errors import Problem
from rez_agent.domain.gallery import gallery
from rez_agent.domain.template import Template, TemplateDefinition
from rez_agent.web.page.filling import by_field, fields_of, parameters_of
from rez_agent.web.page.visits import Form

PROPERTIES: dict[str, Any] = {
    "url": {"type": "string", "title": "URL", "examples": ["https://example.org/"]},
    "count": {"type": "integer", "default": 5},
    "loud": {"type": "boolean"},
    "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
    "body": {"type": "object", "default": {"x": 1}},
    "text": {"type": "string", "maxLength": 2000},
    "timezone": {"type": "string", "default": "UTC"},
}
TEMPLATE = Template(
    TemplateDefinition(
        name="t",
        title="T",
        parameters={"type": "object", "properties": PROPERTIES, "required": ["url"]},
        definition={},
    )
)


def sent(**fields: str) -> Form:
    return Form(tuple((f"p-{name}", value) for name, value in fields.items()))


def test_each_parameter_has_the_control_that_suits_it() -> None:
    controls = {field.name: field.control for field in fields_of(TEMPLATE)}
    assert controls == {
        "url": "text",
        "count": "number",
        "loud": "choice",
        "kind": "choice",
        "body": "json",
        "text": "lines",
        "timezone": "text",
    }
    url, count, loud, kind, body, _, zone = fields_of(TEMPLATE)
    assert (url.label, url.required, url.value, url.placeholder) == ("URL", True, "", "https://example.org/")
    assert (count.label, count.value, count.required) == ("Count", "5", False)
    assert (loud.choices, loud.value) == (("true", "false"), "")
    assert (kind.choices, kind.value) == (("a", "b"), "a")
    assert body.value == '{\n  "x": 1\n}'
    assert zone.zones


def test_what_was_sent_stands_in_the_fields_again() -> None:
    fields = {field.name: field.value for field in fields_of(TEMPLATE, sent(url="x", count="many"))}
    assert (fields["url"], fields["count"], fields["timezone"]) == ("x", "many", "")


def test_parameters_have_the_types_that_the_schema_asks_for() -> None:
    form = sent(url="5", count="7", loud="true", body='{"y": [1]}', text="  ", kind="b")
    assert parameters_of(TEMPLATE, form) == {
        "url": "5",
        "count": 7,
        "loud": True,
        "body": {"y": [1]},
        "kind": "b",
    }


def test_what_can_not_be_read_stays_a_text_for_the_schema_to_refuse() -> None:
    assert parameters_of(TEMPLATE, sent(count="many", body="{")) == {"count": "many", "body": "{"}


def test_problems_stand_beside_the_field_that_caused_them() -> None:
    problems = (
        Problem("unfit_parameter", "one", "/parameters/count"),
        Problem("unfit_parameter", "two", "/parameters/body/x/0"),
        Problem("name_taken", "three", "/name"),
        Problem("invalid_value", "four", "/definition/payload"),
    )
    placed = by_field(problems)
    told = {field: [problem.message for problem in found] for field, found in placed.items()}
    assert told == {"p-count": ["one"], "p-body": ["two"], "name": ["three"], "": ["four"]}


def test_every_template_that_ships_has_a_form() -> None:
    for template in gallery().values():
        fields = fields_of(template)
        assert [field.name for field in fields] == list(template.properties)
        form = Form(tuple((field.key, field.value or field.placeholder) for field in fields))
        assert parameters_of(template, form) == template.sample
