"""Values to items and back, and items as DynamoDB writes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rez_agent.aws.items import (
    dumps,
    expired,
    instant,
    message_from,
    message_item,
    request_text,
    schedule_from,
    schedule_item,
    stamp,
    ttl_at,
)
from rez_agent.aws.wire import from_wire, to_wire
from rez_agent.domain.command import Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import Problem
from rez_agent.domain.instants import from_ms
from rez_agent.domain.schedule import Pause, Schedule, ScheduleStatus
from tests.domain.strategies import zones
from tests.fakes import NOON
from tests.rig import schedule_of

text = st.text(st.characters(codec="utf-8"), max_size=20)
word = text.map(str.strip).filter(bool)
moments = st.integers(0, 7_258_118_399_999).map(from_ms)
documents = st.dictionaries(
    text,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
pauses = st.builds(Pause, moments, word, text, st.none() | moments)
problems = st.builds(Problem, word, text, text, st.none() | word, st.none() | st.integers(0, 300))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Schedules with every attribute there may be."""
    made = schedule_of(
        "name",
        description=draw(text),
        timezone=draw(zones),
        target_type=draw(st.sampled_from(["web_action", "notification", "custom"])),
        payload=draw(documents),
        tags=draw(st.lists(word, max_size=3)),
        start=draw(st.sampled_from([None, "2026-06-01T00:00:00+02:00"])),
        policies=draw(st.sampled_from([{}, {"retry": {"max_attempts": 0}}, {"overlap": "queue"}])),
        condition=draw(st.sampled_from([None, "last.status == 'failed'"])),
        calendar=draw(st.sampled_from([None, {"name": "at", "closed": "next"}])),
        template=draw(st.sampled_from([None, {"name": "daily", "revision": 2, "parameters": {"n": 1}}])),
    )
    return replace(
        made,
        created_date=draw(moments),
        updated_date=draw(moments),
        status=draw(st.sampled_from(list(ScheduleStatus))),
        revision=draw(st.integers(1, 10**9)),
        error_message=draw(st.none() | text),
        pause=draw(st.none() | pauses),
        next_run=draw(st.none() | moments),
        finished_at=draw(st.none() | moments),
        target=draw(text),
    )


def never(reference: str) -> str:
    raise AssertionError(reference)


@given(schedules())
def test_a_schedule_is_the_same_after_a_row(schedule: Schedule) -> None:
    item = from_wire(to_wire(schedule_item(schedule, {"payload": dumps(schedule.definition.payload)})))
    read = schedule_from(item, never)
    assert (read, read.target) == (schedule, schedule.target)


@given(st.data())
def test_a_message_is_the_same_after_a_row(data: st.DataObject) -> None:
    asked: dict[str, Any] = {
        "action": "update",
        "schedule_id": "sch_1",
        "patch": data.draw(documents),
        "reason": data.draw(text),
        "until": stamp(data.draw(moments)),
        "revision": data.draw(st.none() | st.integers(1, 10**6)),
    }
    message = Message(
        id="msg_1",
        request=ScheduleCreationRequest.model_validate(asked),
        created_by=data.draw(word),
        created_date=data.draw(moments),
        updated_date=data.draw(moments),
        status=data.draw(st.sampled_from(list(MessageStatus))),
        schedule_id=data.draw(st.none() | st.just("sch_1")),
        admin=data.draw(st.booleans()),
        problems=tuple(data.draw(st.lists(problems, max_size=3))),
        error_kind=data.draw(st.none() | word),
        result=data.draw(documents),
    )
    item = from_wire(to_wire(message_item(message, {"request": request_text(message.request)})))
    assert message_from(item, never) == message


@given(moments, moments)
@example(NOON, NOON + timedelta(milliseconds=250))
def test_moments_are_kept_and_sort_as_text(one: datetime, other: datetime) -> None:
    assert instant(stamp(one)) == one
    assert (stamp(one) < stamp(other)) == (one < other)


def test_a_moment_is_stored_in_utc_and_never_later_than_it_was() -> None:
    late = datetime(2026, 6, 1, 14, 0, 0, 999_999, tzinfo=UTC)
    assert stamp(late) == "2026-06-01T14:00:00.999Z"
    with pytest.raises(ValueError, match="no time zone"):
        stamp(late.replace(tzinfo=None))


@given(moments)
def test_an_item_goes_within_the_second_after_its_moment_and_never_before(moment: datetime) -> None:
    item = {"ttl": ttl_at(moment)}
    assert not expired(item, moment - timedelta(milliseconds=1))
    assert expired(item, moment + timedelta(seconds=1))
    assert not expired({}, moment)


@given(
    st.dictionaries(
        word,
        st.recursive(
            st.booleans() | st.integers() | text | st.binary(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word, inner, max_size=3),
        ),
    )
)
def test_an_item_is_the_same_after_the_wire(item: dict[str, Any]) -> None:
    assert from_wire(to_wire(item | {"absent": None})) == item


@pytest.mark.parametrize("value", [1.5, {1}, object()])
def test_what_an_item_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="can't hold"):
        to_wire({"a": value})
