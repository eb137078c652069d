"""A definition as the fields of a form, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rez_agent.domain.action import Offered, OfferedAction
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import read
from rez_agent.domain.schedule import ScheduleDefinition
from rez_agent.web.page.form.fields import (
    draft_of,
    new_values,
    partial_values,
    placed,
    rebased,
    touched,
    values_of,
)
from tests.domain.strategies import LIVELY_ZONES, often

SCHEMA = {
    "type": "object",
    "properties": {
        "course": {"type": "string"},
        "players": {"type": "integer"},
        "fee": {"type": "number"},
        "cart": {"type": "boolean"},
        "days": {"type": "array"},
    },
}
OFFERED = Offered((OfferedAction("book", "Books a tee time", SCHEMA),), ("log", "team"), ("greet",))


def defined(**changes: Any) -> ScheduleDefinition:
    document: dict[str, Any] = {
        "name": "report",
        "schedule_expression": "cron(0 9 * * ? *)",
        "target_type": "web_action",
        "payload": {"action": "http", "url": "https://example.com/"},
    }
    return ScheduleDefinition.model_validate(document | changes)


def there_and_back(definition: ScheduleDefinition, *, opened: bool = False) -> ScheduleDefinition:
    """The definition that its own fields say."""
    draft = draft_of(values_of(definition, OFFERED), OFFERED, definition if opened else None)
    assert draft.problems == ()
    return read(ScheduleDefinition, draft.document)


# --- every definition ---

texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=30)
anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
leaves: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    anything,
    st.floats(allow_nan=False, allow_infinity=False),
)
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    max_leaves=6,
)
secrets = st.builds(lambda name: {"secret": name}, st.sampled_from(("token", "a.b-c_d", "not fit", "")))
http_payloads = st.fixed_dictionaries(
    {"action": st.just("http")},
    optional={
        "url": st.sampled_from(("https://example.com/a?b=1", " spaced ", "")) | json_values,
        "method": st.sampled_from(("GET", "post", "PATCH", "")) | json_values,
        "headers": st.dictionaries(
            st.sampled_from(("X-One", "Content-Type", "a b", "")), texts | secrets | json_values, max_size=3
        )
        | json_values,
        "body": json_values,
        "timeout": json_values,
        "success": st.sampled_from(("200-299", "200-299,304")) | json_values,
        "follow_redirects": st.booleans() | st.integers(0, 5),
        "auth": st.builds(lambda token: {"type": "bearer", "token": token}, secrets) | json_values,
        "query": json_values,
        "signing_secret": secrets,
    },
)
catalogue_payloads = st.fixed_dictionaries(
    {"action": st.sampled_from(("book", "other"))},
    optional={
        "course": json_values,
        "players": json_values,
        "fee": json_values,
        "cart": json_values,
        "days": json_values,
        "parameters": json_values,
    },
)
note_payloads = st.fixed_dictionaries(
    {},
    optional={
        "channel": json_values,
        "title": json_values,
        "message": json_values,
        "priority": st.sampled_from(("low", "max", 3)),
        "tags": json_values,
        "action": st.just("notify"),
    },
)
custom_payloads = st.dictionaries(st.sampled_from(("action", "a", "b")), json_values, max_size=3)
targets = (
    st.tuples(st.just("web_action"), http_payloads | catalogue_payloads | custom_payloads)
    | st.tuples(st.just("notification"), note_payloads)
    | st.tuples(st.just("custom"), custom_payloads)
)
minutes, hours = st.integers(0, 59), st.integers(0, 23)
expressions = (
    often
    | st.tuples(st.integers(1, 400), st.sampled_from(("minutes", "hours", "days", "minute", "hour"))).map(
        lambda said: "rate({} {})".format(*said)
    )
    | st.tuples(minutes, hours).map(lambda t: f"cron({t[0]} {t[1]} * * ? *)")
    | st.tuples(minutes, hours).map(lambda t: f"cron({t[0]:02} {t[1]:02} ? * MON-FRI *)")
    | st.tuples(minutes, hours, st.sampled_from(("L", "LW", "31", "01", "15W"))).map(
        lambda t: f"cron({t[0]} {t[1]} {t[2]} * ? *)"
    )
    | st.sampled_from(
        (
            "cron(0 9 ? * MON,WED *)",
            "cron(0 9 ? * WED,MON *)",
            "cron(0 9 ? * 2 *)",
            "cron(5 * * * ? *)",
            "at(2027-01-31T09:00:00)",
            "at(2027-01-31T09:00:05)",
            " cron(0 9 * * ? *)",
            "nonsense",
        )
    )
)
instants = st.datetimes(datetime(1971, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
definitions = st.builds(
    lambda target, bounds, **fields: ScheduleDefinition.model_validate(
        {"target_type": target[0], "payload": target[1], "start": bounds[0], "end": bounds[1], **fields}
    ),
    targets,
    st.tuples(st.none() | instants, st.none() | instants).map(
        lambda both: tuple(sorted(both)) if None not in both else both
    ),
    name=texts.filter(lambda text: len(text.strip()) >= 1),
    description=texts,
    schedule_expression=expressions.filter(lambda text: text == text.strip()),
    timezone=st.sampled_from(LIVELY_ZONES),
    tags=st.lists(anything.filter(lambda text: text.strip() != ""), max_size=3),
    policies=st.fixed_dictionaries(
        {},
        optional={
            "retry": st.fixed_dictionaries(
                {
                    "max_attempts": st.integers(0, 185),
                    "min_backoff_seconds": st.floats(0, 100),
                    "max_backoff_seconds": st.floats(100, 86_400),
                }
            ),
            "catch_up": st.fixed_dictionaries(
                {"mode": st.sampled_from(("skip", "all")), "window_seconds": st.integers(60, 31_536_000)}
            ),
            "overlap": st.sampled_from(("allow", "skip", "queue")),
            "flexible_window_minutes": st.integers(0, 1_440),
            "on_completion": st.sampled_from(("keep", "delete")),
        },
    ),
    condition=st.none() | st.sampled_from(("last.ok", "a\n&& b")),
    calendar=st.none() | st.sampled_from(("at", {"name": "de-by", "closed": "next"})),
    template=st.none() | st.just({"name": "daily", "revision": 3, "parameters": {"a": [1]}}),
)


@settings(max_examples=400)
@given(definitions)
def test_a_definition_that_is_opened_and_saved_is_the_same_definition(definition: ScheduleDefinition) -> None:
    assert there_and_back(definition) == definition
    assert there_and_back(definition, opened=True) == definition
    assert touched(values_of(definition, OFFERED), definition, OFFERED) == frozenset()


def test_what_no_field_gives_back_stays_as_it_was_opened() -> None:
    definition = defined(
        description="one\r\ntwo\rthree", start="2026-11-01T06:30:00.000Z", timezone="America/New_York"
    )
    values = values_of(definition, OFFERED) | {"name": "other"}
    draft = draft_of(values, OFFERED, definition)
    assert read(ScheduleDefinition, draft.document) == definition.model_copy(update={"name": "other"})
    assert touched(values, definition, OFFERED) == {"name"}


# --- the friendly fields ---


@pytest.mark.parametrize(
    ("expression", "frequency"),
    [
        ("rate(15 minutes)", "every"),
        ("rate(1 hour)", "every"),
        ("cron(5 * * * ? *)", "hourly"),
        ("cron(0 9 * * ? *)", "daily"),
        ("cron(30 6 ? * MON-FRI *)", "weekdays"),
        ("cron(0 9 ? * MON,WED *)", "weekly"),
        ("cron(0 9 L * ? *)", "monthly"),
        ("cron(0 9 LW * ? *)", "monthly"),
        ("at(2027-01-31T09:00:00)", "once"),
        ("cron(0/15 9-17 ? * MON-FRI *)", "expression"),
        ("cron(0 9 ? * 6L *)", "expression"),
    ],
)
def test_a_frequency_is_shown_where_it_says_the_expression(expression: str, frequency: str) -> None:
    values = values_of(defined(schedule_expression=expression), OFFERED)
    assert values["frequency"] == frequency
    assert values["expression"] == expression


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"frequency": "every", "every_count": "0"}, "every_count"),
        ({"frequency": "daily", "at_time": "25:00"}, "at_time"),
        ({"frequency": "weekly", "at_time": "09:00"}, "on_mon"),
        ({"frequency": "monthly", "at_time": "09:00", "month_day": "32"}, "month_day"),
        ({"frequency": "once", "once_at": ""}, "once_at"),
        ({"frequency": "hourly", "hourly_minute": "60"}, "hourly_minute"),
        ({"frequency": "expression"}, "expression"),
        ({"http_headers": "no header"}, "http_headers"),
        ({"http_more": "{"}, "http_more"),
        ({"http_more": "[]"}, "http_more"),
        ({"http_body": "{", "http_body_kind": "json"}, "http_body"),
        ({"start": "soon"}, "start"),
        ({"kind": "catalogue"}, "action_name"),
        ({"kind": ""}, "kind"),
    ],
)
def test_what_can_not_be_read_is_told_at_its_field(values: dict[str, str], field: str) -> None:
    problems = draft_of(new_values(name="x") | values, OFFERED).problems
    assert [problem.field for problem in problems] == [field]


@pytest.mark.parametrize(
    ("values", "pointer", "field"),
    [
        ({"kind": "http"}, "/payload/url", "http_url"),
        ({"kind": "http"}, "/payload/headers/Host", "http_headers"),
        ({"kind": "http"}, "/payload/query", "http_more"),
        ({"kind": "notification"}, "/payload/message", "note_message"),
        ({"kind": "catalogue", "action_name": "book"}, "/payload/players", "param_players"),
        ({"kind": "catalogue", "action_name": "book"}, "/payload/days", "action_more"),
        ({"kind": "custom"}, "/payload/action", "custom_name"),
        ({"kind": "raw"}, "/payload/x", "raw_payload"),
        ({"frequency": "every"}, "/schedule_expression", "every_count"),
        ({"frequency": "expression"}, "/schedule_expression", "expression"),
        ({}, "/policies/retry/max_attempts", "retry_attempts"),
        ({}, "/policies/retry", "retry_least"),
        ({}, "/tags/0", "tags"),
        ({}, "/calendar/name", "calendar"),
        ({}, "/somewhere/else", ""),
    ],
)
def test_a_problem_is_placed_at_the_field_that_caused_it(
    values: dict[str, str], pointer: str, field: str
) -> None:
    (found,) = placed([Problem("code", "text", pointer)], values, OFFERED)
    assert (found.field, found.message, found.code) == (field, "text", "code")


def test_a_problem_calls_its_field_as_the_page_does() -> None:
    problems = [
        Problem("wrong_type", "'max_attempts' must be a whole number.", "/policies/retry/max_attempts"),
        Problem("missing_field", "'url' is required.", "/payload/url"),
        Problem("invalid_value", "'x' of 'url' is odd.", "/payload/url"),
    ]
    told = [found.message for found in placed(problems, {"kind": "http"}, OFFERED)]
    assert told == [
        "Tries after a failed one must be a whole number.",
        "URL is required.",
        "'x' of 'url' is odd.",
    ]


def test_a_number_that_is_none_is_left_for_the_check_to_refuse() -> None:
    draft = draft_of(new_values(name="x", retry_attempts="many", window=""), OFFERED)
    assert draft.document["policies"]["retry"]["max_attempts"] == "many"
    assert "flexible_window_minutes" not in draft.document["policies"]


def test_bounds_are_read_on_the_clock_of_the_schedule() -> None:
    values = new_values(
        name="x", timezone="Europe/Paris", start="2026-06-01T09:00", end="2026-07-01T00:00:00Z"
    )
    document = draft_of(values, OFFERED).document
    assert (document["start"], document["end"]) == ("2026-06-01T07:00:00Z", "2026-07-01T00:00:00Z")


def test_a_part_of_a_definition_fills_its_fields_alone() -> None:
    said = {"timezone": "Europe/Paris", "schedule_expression": "cron(0 9 * * ? *)"}
    assert partial_values(said, OFFERED) == {
        "timezone": "Europe/Paris",
        "frequency": "daily",
        "at_time": "09:00",
        "expression": "cron(0 9 * * ? *)",
    }


# --- others were quicker ---


def test_what_was_typed_is_laid_over_what_others_changed() -> None:
    opened = defined(tags=["a"], policies={"overlap": "queue"})
    present = defined(tags=["b"], policies={"overlap": "queue"}, schedule_expression="rate(1 hour)")
    typed = values_of(opened, OFFERED) | {
        "description": "mine",
        "tags": "c",
        "http_url": "https://example.org/",
    }
    found = rebased(typed, opened, present, OFFERED, frozenset({"tags", "schedule_expression"}))
    assert (set(found.both), set(found.theirs)) == ({"tags"}, {"schedule_expression"})
    merged = read(ScheduleDefinition, draft_of(found.values, OFFERED, present).document)
    assert merged == present.model_copy(
        update={
            "description": "mine",
            "tags": ("c",),
            "payload": {"action": "http", "url": "https://example.org/"},
        }
    )


def test_what_was_typed_and_can_not_be_read_is_kept_as_it_is() -> None:
    opened, present = defined(), defined(tags=["b"])
    typed = values_of(opened, OFFERED) | {"retry_attempts": "many", "start": "soon"}
    found = rebased(typed, opened, present, OFFERED, frozenset({"tags"}))
    assert (found.values["retry_attempts"], found.values["start"]) == ("many", "soon")
    assert found.values["tags"] == "b"
