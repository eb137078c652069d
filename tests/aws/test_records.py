"""Records and messages in DynamoDB: what their contracts do not tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from rez_agent.aws.items import PENDING
from rez_agent.aws.records import INLINE_BYTES, PENDING_LOOKED_AT
from rez_agent.aws.tables import MESSAGES, RECORDS
from rez_agent.aws.wire import Item
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.ports import Record
from tests.aws.stepped import AwsStepped
from tests.fakes import NOON
from tests.rig import definition_of

DAY = timedelta(days=1)
LARGE = "☃" * INLINE_BYTES


def keys(host: AwsStepped) -> list[str]:
    return [key for key, _ in host.shared.bucket.page("", 1_000)]


def message_of(message_id: str = "msg_1", **request: Any) -> Message:
    asked = {"action": "create", "schedule": definition_of()} | request
    read = ScheduleCreationRequest.model_validate(asked)
    return Message(message_id, read, "ann", NOON, NOON, schedule_id=read.schedule_id)


def item(host: AwsStepped, message_id: str = "msg_1") -> Item:
    found = host.unit().get(MESSAGES, message_id)
    assert found is not None
    return found


# --- records ---


def test_a_unit_reads_the_records_that_it_has_put_and_not_those_it_has_deleted(host: AwsStepped) -> None:
    a, b, c = (Record("kind", key, {"n": 1}) for key in "abc")
    for record in (a, b):
        host.do(lambda ports, record=record: ports.records.put(record))  # type: ignore[misc]

    def change(ports: Any) -> list[Record]:
        ports.records.put(c)
        ports.records.delete("kind", "a")
        found: list[Record] = ports.records.list("kind", NOON)
        return found

    assert host.do(change) == [b, c]


def test_a_record_tells_dynamodb_when_it_may_go(host: AwsStepped) -> None:
    until = NOON + DAY + timedelta(milliseconds=1)
    host.do(lambda ports: ports.records.put(Record("kind", "a", {}, until)))
    kept = host.unit().get(RECORDS, "record#kind", "a")
    assert kept is not None
    assert kept["ttl"] == int(NOON.timestamp()) + 86_401


def test_a_large_record_stands_in_a_blob_that_goes_with_it(host: AwsStepped) -> None:
    large = Record("kind", "a", {"text": LARGE}, NOON + DAY)
    host.do(lambda ports: ports.records.put(large))
    assert len(keys(host)) == 1
    assert host.do(lambda ports: ports.records.get("kind", "a", NOON)) == large
    assert host.do(lambda ports: ports.records.list("kind", NOON)) == [large]
    other = replace(large, value={"text": LARGE + "!"})
    host.do(lambda ports: ports.records.put(other))
    assert host.do(lambda ports: ports.records.get("kind", "a", NOON)) == other
    assert len(keys(host)) == 1
    host.do(lambda ports: ports.records.put(other))
    assert host.do(lambda ports: ports.records.get("kind", "a", NOON)) == other
    assert host.do(lambda ports: ports.records.delete("kind", "a"))
    assert keys(host) == []


# --- messages ---


def test_a_message_stands_in_the_index_of_pending_ones_until_it_is_judged(host: AwsStepped) -> None:
    message = message_of()
    host.do(lambda ports: ports.messages.add(message))
    assert item(host)["pending"] == PENDING
    assert host.do(lambda ports: ports.messages.judged(message.id)) is None
    done = message.completed(NOON, {"revision": 1})
    host.do(lambda ports: ports.messages.save(done))
    assert "pending" not in item(host)
    assert host.do(lambda ports: ports.messages.judged(message.id)) == done


def test_a_judged_message_is_gone_after_a_week_though_its_row_is_still_there(host: AwsStepped) -> None:
    message = message_of()
    host.do(lambda ports: ports.messages.add(message))
    host.clock.advance(days=30)
    now = host.clock.now()
    host.do(lambda ports: ports.messages.save(message.completed(now, {})))
    host.clock.advance(days=6.999)
    assert host.do(lambda ports: ports.messages.get(message.id)) is not None
    host.clock.advance(days=0.001)
    assert host.do(lambda ports: ports.messages.get(message.id)) is None
    assert item(host)["status"] == "completed"


def test_a_large_request_stands_in_a_blob_as_long_as_its_message(host: AwsStepped) -> None:
    message = message_of(schedule=definition_of(payload={"text": LARGE}))
    host.do(lambda ports: ports.messages.add(message))
    assert "request" not in item(host)
    assert host.do(lambda ports: ports.messages.get(message.id)) == message
    done = message.completed(NOON, {"revision": 1})
    host.do(lambda ports: ports.messages.save(done))
    assert host.do(lambda ports: ports.messages.get(message.id)) == done
    (reference,) = keys(host)
    host.clock.advance(days=7)
    host.do(lambda ports: ports.blobs.sift(reference))
    assert keys(host) == []


def test_what_became_of_a_message_that_is_not_there_is_not_kept(host: AwsStepped) -> None:
    host.do(lambda ports: ports.messages.save(message_of().completed(NOON, {})))
    assert host.do(lambda ports: ports.messages.get("msg_1")) is None


def test_a_create_whose_caller_chose_the_id_is_found_among_the_newest_commands_and_any_other_by_its_twin_id(
    host: AwsStepped,
) -> None:
    twin = message_of("msg_twin", schedule_id="sch_twin")

    def add(ports: Any) -> None:
        ports.messages.add(twin)
        for number in range(PENDING_LOOKED_AT + 1):
            at = NOON + number * timedelta(seconds=1)
            chosen = message_of(f"msg_x{number}", schedule_id=f"sch_{number}")
            ports.messages.add(replace(chosen, created_date=at))

    host.do(add)

    def found(number: int | str) -> str | None:
        message = host.do(lambda ports: ports.messages.pending_create(f"sch_{number}"))
        return None if message is None else message.id

    assert [found(number) for number in (PENDING_LOOKED_AT, 1)] == [f"msg_x{PENDING_LOOKED_AT}", "msg_x1"]
    assert found(0) is None
    assert found("twin") == twin.id
