"""The contract of Records."""

from __future__ import annotations

from datetime import datetime, timedelta

from rez_agent.ports import Record
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON

SECOND = timedelta(seconds=1)
ENDING = Record("api_key", "b", {"n": 2}, NOON + SECOND)
LASTING = Record("api_key", "a\nb ☃", {"deep": [1, {"x": None}], "text": "ünïcode"})


def put(host: SteppedHost, *records: Record) -> None:
    def keep(record: Record) -> None:
        host.ask(lambda ports: ports.records.put(record))

    for record in records:
        keep(record)


def get(host: SteppedHost, key: str, now: datetime = NOON, kind: str = "api_key") -> Record | None:
    return host.ask(lambda ports: ports.records.get(kind, key, now))


def test_a_record_is_given_back_as_it_was_kept(host: SteppedHost) -> None:
    put(host, ENDING, LASTING)
    assert get(host, ENDING.key) == ENDING
    assert get(host, LASTING.key) == LASTING


def test_a_record_takes_the_place_of_the_one_before(host: SteppedHost) -> None:
    put(host, ENDING, Record("api_key", "b", {"n": 3}))
    assert get(host, "b", NOON + 9 * SECOND) == Record("api_key", "b", {"n": 3})


def test_a_key_belongs_to_its_kind(host: SteppedHost) -> None:
    put(host, ENDING)
    assert get(host, "b", kind="idempotency") is None


def test_a_record_is_gone_at_the_moment_it_expires(host: SteppedHost) -> None:
    put(host, ENDING)
    assert get(host, "b", NOON + SECOND - timedelta(milliseconds=1)) is not None
    assert get(host, "b", NOON + SECOND) is None
    assert host.ask(lambda ports: ports.records.list("api_key", NOON + SECOND)) == []


def test_a_deleted_record_is_gone_and_deleting_tells_whether_there_was_one(host: SteppedHost) -> None:
    put(host, ENDING)
    assert host.ask(lambda ports: ports.records.delete("api_key", "b"))
    assert not host.ask(lambda ports: ports.records.delete("api_key", "b"))
    assert get(host, "b") is None


def test_all_of_a_kind_are_listed_by_key(host: SteppedHost) -> None:
    put(host, ENDING, LASTING, Record("other", "c", {}))
    assert host.ask(lambda ports: ports.records.list("api_key", NOON)) == [LASTING, ENDING]
