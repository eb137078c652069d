"""The action catalogue: parameters judged, templates filled in and bounded, faults told with their lines."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from rez_agent.actions.build import SAMPLE_CATALOGUE, read_actions_file
from rez_agent.actions.templates import BadTemplate, RenderingFailed, Templates
from rez_agent.domain.errors import Invalid
from rez_agent.domain.secret import Secret
from tests.actions.support import NOW, MemorySecrets, acting, ok, run, serving, work
from tests.steps import Steps

CATALOGUE = """
actions:
  book:
    description: Book a time.
    parameters:
      additionalProperties: false
      required: [course]
      properties:
        course: {{type: string, maxLength: 40}}
        players: {{type: integer, minimum: 1, maximum: 4, default: 2}}
        names: {{type: array, items: {{type: string}}}}
        note: {{type: string}}
    method: POST
    url: "{url}/courses/{{{{ course }}}}/book"
    query:
      day: "{{{{ scheduled_time | plus(days=1) | date('%d.%m.%Y', 'America/New_York') }}}}"
      note: "{{{{ note | default(none) }}}}"
    headers:
      X-Note: "for {{{{ players }}}} by {{{{ schedule_name }}}}"
      X-Key: {{secret: KEY}}
    body:
      players: "{{{{ players }}}}"
      text: "{{{{ players }}}} players"
      names: "{{{{ names | default([]) }}}}"
      fixed: 7
    success: "200-204"
"""


def catalogue(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "actions.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_an_entry_makes_its_request_of_the_parameters(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(ok) as server:
            path = catalogue(tmp_path, CATALOGUE.format(url=server.url))
            secrets = MemorySecrets(Secret("KEY", "key-value", ("127.0.0.1",)))
            async with acting(server.host, actions_file=path, secrets=secrets) as actions:
                payload: dict[str, Any] = {"action": "book", "course": "a/b ü?x=1#", "names": ["Ann", "Bo"]}
                assert actions.check("web_action", payload) == []
                assert actions.target("web_action", payload) == server.host
                assert (await actions.run(work(payload))).ok
                nested = {"action": "book", "parameters": {"course": "c", "players": 4, "note": "hi & bye"}}
                assert actions.check("web_action", nested) == []
                assert (await actions.run(work(nested))).ok
            first, second = server.seen
            assert first.method == "POST"
            assert first.path == "/courses/a/b ü?x=1#/book"  # decoded; it was one segment: see the next line
            assert first.query == {"day": "02.03.2026"}
            assert json.loads(first.body) == {
                "players": 2,
                "text": "2 players",
                "names": ["Ann", "Bo"],
                "fixed": 7,
            }
            assert first.headers["X-Note"] == "for 2 by nightly"
            assert first.headers["X-Key"] == "key-value"
            assert second.query == {"day": "02.03.2026", "note": "hi & bye"}
            assert json.loads(second.body)["players"] == 4

    run(scenario())


def test_parameters_are_judged_by_the_schema_all_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = catalogue(tmp_path, CATALOGUE.format(url="https://book.example"))
        secrets = MemorySecrets(Secret("KEY", "key-value", ("book.example",)))
        async with acting(actions_file=path, secrets=secrets) as actions:

            def found(payload: dict[str, Any]) -> dict[str, str]:
                return {p.pointer: p.code for p in actions.check("web_action", payload)}

            assert found({"action": "book", "playrs": 3, "players": 9, "names": [1]}) == {
                "/course": "missing_field",
                "/playrs": "unknown_field",
                "/players": "invalid_parameter",
                "/names/0": "invalid_parameter",
            }
            nested = {"action": "book", "parameters": {"course": 1}}
            assert found(nested) == {"/parameters/course": "invalid_parameter"}
            assert found(nested | {"course": "x"}) == {"/course": "unknown_field"}
            assert found({"action": "book", "parameters": []}) == {"/parameters": "wrong_type"}
            (problem,) = actions.check("web_action", {"action": "book", "course": ".."})
            assert problem.code == "rendering_failed"
            (problem,) = actions.check("web_action", {"action": "boook", "course": "x"})
            assert "Did you mean 'book'?" in problem.message
            outcome = await actions.run(work({"action": "book"}))
            assert (outcome.code, outcome.permanent) == ("invalid_payload", True)

    run(scenario())


def test_the_shipped_catalogue_knows_the_tee_times() -> None:
    async def scenario() -> None:
        async with acting(actions_file=SAMPLE_CATALOGUE) as actions:
            assert actions.check("web_action", {"action": "check_tee_times"}) == []
            assert actions.target("web_action", {"action": "check_tee_times"}) == "tee-times.example.com:443"

    run(scenario())


def test_an_entry_obeys_the_guard(tmp_path: Path) -> None:
    async def scenario() -> None:
        text = "actions:\n  meta:\n    url: http://169.254.169.254/latest\n"
        async with acting(actions_file=catalogue(tmp_path, text)) as actions:
            (problem,) = actions.check("web_action", {"action": "meta"})
            assert problem.code == "forbidden_target"
            assert (await actions.run(work({"action": "meta"}))).code == "forbidden_target"

    run(scenario())


def test_every_fault_of_the_file_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
    actions:
      http:
        url: https://a.example/
      one:
        ulr: https://a.example/
      two:
        url: "https://a.example/{{ x"
        metod: GET
        timeout: 5000
      three:
        url: https://a.example/
        parameters: {type: objekt}
        body:
          text: |
            fine
            {{ range(3) }}
      four:
        url: https://a.example/
        parameters:
          properties:
            action: {type: string}
    channels:
      log: json://x
      bad: nowhere
    chanels: {}
    """
    with pytest.raises(Invalid) as caught:
        read_actions_file(catalogue(tmp_path, text))
    places = [(p.message.split(":")[0], p.code) for p in caught.value.problems]
    assert sorted(places) == sorted(
        [
            ("actions.yaml, line 2", "invalid_name"),
            ("actions.yaml, line 5", "unknown_field"),
            ("actions.yaml, line 4", "missing_field"),
            ("actions.yaml, line 7", "invalid_template"),
            ("actions.yaml, line 8", "unknown_field"),
            ("actions.yaml, line 9", "invalid_value"),
            ("actions.yaml, line 12", "invalid_schema"),
            ("actions.yaml, line 15", "invalid_template"),
            ("actions.yaml, line 21", "invalid_name"),
            ("actions.yaml, line 23", "invalid_name"),
            ("actions.yaml, line 24", "invalid_channel"),
            ("actions.yaml, line 25", "unknown_field"),
        ]
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("actions:\n  a: {url: x\n", 3),
        ("actions:\n  a: 1\n  a: 2\n", 3),
        ("a: &a\n  b: *a\n", 2),
        ("- 1\n", 1),
        ("actions: !!python/object:os.system {}\n", 1),
    ],
)
def test_a_file_that_is_not_such_yaml_is_told_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(Invalid) as caught:
        read_actions_file(catalogue(tmp_path, text))
    assert f"actions.yaml, line {line}:" in caught.value.problems[0].message


def test_a_missing_or_empty_file_is_told_or_accepted(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="can't be read"):
        read_actions_file(tmp_path / "none.yaml")
    assert read_actions_file(catalogue(tmp_path, "")) == ({}, {})


@pytest.mark.parametrize(
    "source",
    [
        "{{ range(10**9) }}",
        "{{ x() }}",
        "{{ ''.join(['a']) }}",
        "{{ 9 ** 9 ** 9 }}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% set x %}a{% endset %}",
        "{% for a in x recursive %}{% endfor %}",
        "{{ x | map('upper') }}",
        "{{ x | counted }}",
        "{{ x | pprint }}",
        "{{ 'a' | center(1000000000) }}",
        "{{ x | nosuch }}",
        "{{ x is nosuch }}",
        "{{ x",
        "{% if %}",
        "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    ],
)
def test_what_a_template_must_not_say_is_refused_when_it_is_read(source: str) -> None:
    with pytest.raises(BadTemplate):
        Templates().text(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ unknown }}",
        "{{ x.__class__.__mro__ }}",
        "{{ x['__class__'] }}",
        "{{ 'a' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ '%1000000000d' % 5 }}",
        "{{ 2 * 10000000000000000000000 }}",
        "{% for a in many %}{% for b in many %}{% for c in many %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in many %}{{ long }}{% endfor %}",
        "{{ many }}",
        "{{ 1 / 0 }}",
        "{{ scheduled_time | date('%999999999d') }}",
        "{{ scheduled_time | date('%Y', 'Mars/Olympus') }}",
        "{{ scheduled_time | plus(days=99999999999) }}",
        "{{ x | tojson(1, 2, 3) }}",
    ],
)
def test_a_template_can_neither_escape_nor_run_away(source: str) -> None:
    template = Templates().text(source)
    values = {"x": "x", "many": list(range(3000)), "long": "y" * 10_000, "scheduled_time": NOW}
    with Steps() as steps, pytest.raises(RenderingFailed):
        template.render(values)
    assert steps.count < 1_000_000


def test_a_lone_expression_keeps_its_kind_and_anything_else_is_a_text() -> None:
    templates = Templates()
    values = {"n": 3, "l": [1], "d": {"a": None}, "t": "x", "none": None, "scheduled_time": NOW}
    for source, value in {
        "{{ n }}": 3,
        "{{ n + 1 }}": 4,
        "{{ l }}": [1],
        "{{ d }}": {"a": None},
        "{{ t }}": "x",
        "{{ none }}": None,
        "{{ n > 2 }}": True,
        " {{ n }}": " 3",
        "{{ n }}{{ n }}": "33",
        "plain": "plain",
        "{{ d | tojson }}": '{"a": null}',
        "{{ scheduled_time }}": "2026-03-01T12:00:00Z",
        "{% for x in l %}[{{ x }}]{% endfor %}": "[1]",
        "{{ ['a', 'b'] | join(', ') }}": "a, b",
        "{{ 7 % 4 }}": 3,
    }.items():
        assert templates.value(source).render(values) == value, source


def test_a_parameter_cannot_change_a_url_s_host_path_or_query() -> None:
    template = Templates().url("https://{{ h }}.example.org/{{ p }}?q={{ q }}")
    rendered = template.render({"h": "evil.test/", "p": "../../admin", "q": "1&admin=1#x"})
    assert rendered == "https://evil.test%2F.example.org/..%2F..%2Fadmin?q=1%26admin%3D1%23x"
    with pytest.raises(RenderingFailed):
        template.render({"h": "a", "p": "..", "q": "1"})


def test_a_header_cannot_be_smuggled_in_by_a_parameter(tmp_path: Path) -> None:
    text = """
    actions:
      a:
        url: https://a.example/
        parameters: {properties: {v: {type: string}}}
        headers: {X-V: "{{ v }}"}
    """

    async def scenario() -> None:
        async with acting(actions_file=catalogue(tmp_path, text)) as actions:
            (problem,) = actions.check("web_action", {"action": "a", "v": "1\r\nX-Evil: 1"})
            assert problem.code == "invalid_header"

    run(scenario())
