"""The unit of work, against the emulator; what only AWS would do is put in by the hooks of botocore."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from rez_agent.aws.tables import EXECUTIONS, IN_FLIGHT, RECORDS, SCHEDULES
from rez_agent.aws.unit import (
    FIRST_WAIT_SECONDS,
    ITEMS_AT_ONCE,
    LONGEST_WAIT_SECONDS,
    TRIES,
    VERSION,
    Conflicting,
    Unit,
    run_whole,
)
from rez_agent.aws.wire import Item
from rez_agent.domain.errors import NotFound, TooLarge, Unavailable
from tests.aws.stage import Stage, endpoint

ONE = {"pk": "p", "sk": "one"}
TWO = {"pk": "p", "sk": "two"}
BIG = "x" * 450_000


@cache
def _client() -> Any:
    return endpoint().client("dynamodb")


class Table:
    """Units over a fresh stage, by a client that no other test uses and that a test may disturb."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.client = _client()
        self._numbers = itertools.count(1)

    def unit(self) -> Unit:
        """A fresh unit."""
        return Unit(self.client, self.stage.settings.tables, lambda: f"v{next(self._numbers)}")

    def keep(self, *items: Item) -> None:
        """Commit items, whatever was there."""
        unit = self.unit()
        for item in items:
            unit.put(RECORDS, item)
        unit.commit()

    def kept(self, item: Mapping[str, Any]) -> Item | None:
        """What is there now, without its version."""
        found = self.unit().get(RECORDS, item["pk"], item["sk"])
        return None if found is None else {name: found[name] for name in found if name != VERSION}

    @contextmanager
    def on(self, event: str, handler: Callable[..., Any]) -> Iterator[None]:
        """While ``handler`` hears of one of botocore's events before anybody else."""
        self.client.meta.events.register_first(event, handler)
        try:
            yield
        finally:
            self.client.meta.events.unregister(event, handler)


@pytest.fixture
def table() -> Table:
    return Table()


def answers_lost(operation: str, table: Table) -> Any:
    """The first answer of each call is lost: the SDK sends it again."""

    def again(attempts: int, **_: Any) -> int | None:
        return 0 if attempts == 1 else None

    return table.on(f"needs-retry.dynamodb.{operation}", again)


def answers(code: str, table: Table) -> Any:
    """Every call is answered with an error."""

    def refuse(request: Any, **_: Any) -> AWSResponse:
        body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "so it is"})
        return AWSResponse(request.url, 400, {}, _Body(body.encode()))

    return table.on("before-send.dynamodb", refuse)


class _Body:
    """A response's body, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        """All of it."""
        yield self._content


# --- alone, whole or not at all ---


def test_nothing_is_written_before_the_commit_and_everything_after_it(table: Table) -> None:
    unit = table.unit()
    unit.put(RECORDS, {**ONE, "n": 1})
    unit.put(RECORDS, {**TWO, "n": 2})
    assert table.kept(ONE) is None
    unit.commit()
    assert (table.kept(ONE), table.kept(TWO)) == ({**ONE, "n": 1}, {**TWO, "n": 2})


@pytest.mark.parametrize("others", [[], [TWO]], ids=["alone", "in a transaction"])
def test_a_write_does_not_hold_if_the_item_was_changed_since_it_was_read(
    table: Table, others: list[Item]
) -> None:
    table.keep({**ONE, "n": 1})
    unit = table.unit()
    assert unit.get(RECORDS, "p", "one") is not None
    table.keep({**ONE, "n": 2})
    for item in [{**ONE, "n": 9}, *others]:
        unit.put(RECORDS, item)
    with pytest.raises(Conflicting):
        unit.commit()
    assert table.kept(ONE) == {**ONE, "n": 2}
    assert table.kept(TWO) is None


def test_a_write_does_not_hold_if_an_item_has_come_where_there_was_none(table: Table) -> None:
    unit = table.unit()
    assert unit.get(RECORDS, "p", "one") is None
    table.keep({**ONE, "n": 1})
    unit.put(RECORDS, {**ONE, "n": 9})
    with pytest.raises(Conflicting):
        unit.commit()
    assert table.kept(ONE) == {**ONE, "n": 1}


def test_a_deletion_does_not_hold_if_the_item_was_changed_since_it_was_read(table: Table) -> None:
    table.keep({**ONE, "n": 1})
    unit = table.unit()
    unit.get(RECORDS, "p", "one")
    table.keep({**ONE, "n": 2})
    unit.delete(RECORDS, "p", "one")
    with pytest.raises(Conflicting):
        unit.commit()
    assert table.kept(ONE) == {**ONE, "n": 2}


def test_what_was_not_read_is_written_whatever_is_there(table: Table) -> None:
    table.keep({**ONE, "n": 1}, TWO)
    unit = table.unit()
    unit.put(RECORDS, {**ONE, "n": 2})
    unit.delete(RECORDS, "p", "two")
    unit.commit()
    assert (table.kept(ONE), table.kept(TWO)) == ({**ONE, "n": 2}, None)


def test_an_item_that_somebody_made_by_hand_can_be_changed_once(table: Table) -> None:
    name = table.stage.settings.tables[RECORDS.what]
    table.client.put_item(TableName=name, Item={"pk": {"S": "p"}, "sk": {"S": "one"}, "n": {"N": "1"}})
    first, second = table.unit(), table.unit()
    for unit in (first, second):
        found = unit.get(RECORDS, "p", "one")
        assert found == {**ONE, "n": 1}
        unit.put(RECORDS, {**found, "n": 2})
    first.commit()
    with pytest.raises(Conflicting):
        second.commit()


def test_a_unit_may_go_on_after_its_commit(table: Table) -> None:
    unit = table.unit()
    for n in (1, 2):
        unit.put(RECORDS, {**ONE, "n": n})
        unit.commit()
    table.keep({**ONE, "n": 3})
    unit.put(RECORDS, {**ONE, "n": 4})
    with pytest.raises(Conflicting):
        unit.commit()


def test_what_a_caller_knows_is_not_read_and_holds_only_if_it_is_still_so(table: Table) -> None:
    table.keep({**ONE, "n": 1})
    known = table.unit().get(RECORDS, "p", "one")
    assert known is not None
    table.keep({**ONE, "n": 2})
    seen = []

    def use_case(unit: Unit) -> None:
        present = unit.get(RECORDS, "p", "one") or {}
        seen.append(present["n"])
        unit.put(RECORDS, {**present, "n": present["n"] + 10})

    run_whole(table.unit, use_case, draw=lambda: 0.0, known=[(RECORDS, known)])
    assert seen == [1, 2]
    assert table.kept(ONE) == {**ONE, "n": 12}


# --- running again ---


def test_a_use_case_that_met_others_runs_again_on_what_is_there_now(table: Table) -> None:
    effects: list[int] = []
    others = iter([1, 2])

    def use_case(unit: Unit) -> int:
        present = unit.get(RECORDS, "p", "one") or {**ONE, "n": 0}
        for n in itertools.islice(others, 1):
            table.keep({**ONE, "n": n})
        unit.put(RECORDS, {**present, "n": present["n"] + 10})
        unit.after(lambda: effects.append(present["n"]))
        return int(present["n"])

    assert run_whole(table.unit, use_case, draw=lambda: 0.0) == 2
    assert table.kept(ONE) == {**ONE, "n": 12}
    assert effects == [2]


def test_a_use_case_that_always_meets_others_is_given_up_after_growing_waits(table: Table) -> None:
    waits: list[float] = []

    def use_case(unit: Unit) -> None:
        unit.get(RECORDS, "p", "one")
        table.keep(ONE)
        unit.put(RECORDS, ONE)

    with pytest.raises(Unavailable):
        run_whole(table.unit, use_case, draw=lambda: 1.0, sleep=waits.append)
    assert len(waits) == TRIES
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)


def test_of_a_use_case_that_raises_nothing_remains(table: Table) -> None:
    effects: list[str] = []

    def use_case(unit: Unit) -> None:
        unit.put(RECORDS, ONE)
        unit.after(lambda: effects.append("done"))
        raise NotFound("no such thing")

    with pytest.raises(NotFound):
        run_whole(table.unit, use_case, draw=lambda: 0.0)
    assert (table.kept(ONE), effects) == (None, [])


def test_effects_happen_once_in_the_order_of_asking(table: Table) -> None:
    unit, effects = table.unit(), []
    for number in range(3):
        unit.after(lambda number=number: effects.append(number))  # type: ignore[misc]
    unit.commit()
    assert effects == []
    unit.finish()
    unit.finish()
    assert effects == [0, 1, 2]


# --- answers lost on their way ---


def test_a_put_whose_answer_was_lost_is_known_again(table: Table) -> None:
    unit = table.unit()
    assert unit.get(RECORDS, "p", "one") is None
    unit.put(RECORDS, {**ONE, "n": 1})
    with answers_lost("PutItem", table):
        unit.commit()
    assert table.kept(ONE) == {**ONE, "n": 1}


def test_a_put_of_another_is_not_taken_for_ones_own(table: Table) -> None:
    unit = table.unit()
    assert unit.get(RECORDS, "p", "one") is None
    table.keep({**ONE, "n": 2})
    unit.put(RECORDS, {**ONE, "n": 1})
    with answers_lost("PutItem", table), pytest.raises(Conflicting):
        unit.commit()


def test_a_transaction_whose_answer_was_lost_is_done_once(table: Table) -> None:
    unit = table.unit()
    assert unit.get(RECORDS, "p", "one") is None
    unit.put(RECORDS, ONE)
    unit.add(RECORDS, ("p", "count"), "n", 5)
    with answers_lost("TransactWriteItems", table):
        unit.commit()
    assert table.kept({"pk": "p", "sk": "count"}) == {"pk": "p", "sk": "count", "n": 5}


def test_an_addition_or_a_deletion_alone_whose_answer_was_lost_is_done_once(table: Table) -> None:
    table.keep(TWO)
    adding, deleting = table.unit(), table.unit()
    adding.add(RECORDS, ("p", "one"), "n", 5)
    assert deleting.get(RECORDS, "p", "two") is not None
    deleting.delete(RECORDS, "p", "two")
    with answers_lost("TransactWriteItems", table), answers_lost("UpdateItem", table):
        adding.commit()
        deleting.commit()
    assert (table.kept(ONE), table.kept(TWO)) == ({**ONE, "n": 5}, None)


# --- reading ---


@pytest.mark.parametrize(
    "key",
    [("", "x"), ("x", ""), ("x" * 2_049, "x"), ("x", "ü" * 513)],
    ids=["no hash", "no range", "long hash", "long range"],
)
def test_there_is_nothing_with_a_key_that_cannot_be(table: Table, key: tuple[str, str]) -> None:
    assert table.unit().get(RECORDS, *key) is None
    assert table.unit().get_all(RECORDS, [key]) == {}


def test_an_item_with_the_longest_key_is_found(table: Table) -> None:
    item = {"pk": "ü" * 1_024, "sk": "x" * 1_024}
    table.keep(item)
    assert table.kept(item) == item
    assert len(table.unit().get_all(RECORDS, [(item["pk"], item["sk"])])) == 1


def test_an_item_is_read_once(table: Table) -> None:
    table.keep({**ONE, "n": 1})
    unit = table.unit()
    unit.get(RECORDS, "p", "one")
    unit.get(RECORDS, "p", "two")
    table.keep({**ONE, "n": 2}, TWO)
    assert (unit.get(RECORDS, "p", "one") or {})["n"] == 1
    assert unit.get(RECORDS, "p", "two") is None
    assert list(unit.get_all(RECORDS, [("p", "one"), ("p", "two")])) == [("p", "one")]


def test_a_unit_reads_what_it_has_staged(table: Table) -> None:
    table.keep({**ONE, "n": 1}, TWO)
    unit = table.unit()
    unit.put(RECORDS, {**ONE, "n": 2})
    unit.delete(RECORDS, "p", "two")
    assert unit.get(RECORDS, "p", "one") == {**ONE, "n": 2}
    assert unit.get(RECORDS, "p", "two") is None
    assert unit.get_all(RECORDS, [("p", "one"), ("p", "two")]) == {("p", "one"): {**ONE, "n": 2}}
    assert unit.staged(RECORDS) == {("p", "one"): {**ONE, "n": 2}, ("p", "two"): None}
    assert unit.staged(SCHEDULES) == {}


def test_a_query_shows_what_is_in_the_table_and_staged_tells_the_rest(table: Table) -> None:
    table.keep(ONE, TWO)
    unit = table.unit()
    unit.delete(RECORDS, "p", "two")
    asked: dict[str, Any] = {"KeyConditionExpression": "pk = :pk", "values": {":pk": "p"}}
    assert [row["sk"] for row in unit.query(RECORDS, **asked)] == ["one", "two"]
    assert unit.count(RECORDS, **asked) == 2


def test_what_was_staged_last_is_what_is_committed(table: Table) -> None:
    unit = table.unit()
    unit.put(RECORDS, {**ONE, "n": 1})
    unit.delete(RECORDS, "p", "one")
    unit.put(RECORDS, {**ONE, "n": 2})
    unit.commit()
    assert table.kept(ONE) == {**ONE, "n": 2}


def test_many_keys_are_read_in_few_calls_though_some_are_left_unprocessed(table: Table) -> None:
    items = [{"pk": "p", "sk": f"{n:03}", "n": n} for n in range(130)]
    table.keep(*items)
    calls: list[int] = []

    def leave_some(parsed: dict[str, Any], **_: Any) -> None:
        name = table.stage.settings.tables[RECORDS.what]
        found = parsed["Responses"][name]
        calls.append(len(found))
        if len(calls) == 1:
            left = [{"pk": item["pk"], "sk": item["sk"]} for item in found[60:]]
            del found[60:]
            parsed["UnprocessedKeys"] = {name: {"Keys": left, "ConsistentRead": True}}

    with table.on("after-call.dynamodb.BatchGetItem", leave_some):
        found = table.unit().get_all(RECORDS, [("p", f"{n:03}") for n in range(140)])
    assert [found["p", f"{n:03}"]["n"] for n in range(130)] == list(range(130))
    assert len(found) == 130
    assert sum(calls) == 130 + 40
    assert len(calls) == 3


def test_a_query_a_count_and_a_scan_go_on_over_all_pages(table: Table) -> None:
    items = [{"pk": "p", "sk": f"{n:03}"} for n in range(25)]
    table.keep(*items)
    unit = table.unit()
    asked: dict[str, Any] = {"KeyConditionExpression": "pk = :pk"}
    rows = unit.query(RECORDS, values={":pk": "p"}, Limit=4, ScanIndexForward=False, **asked)
    assert [row["sk"] for row in rows] == [f"{n:03}" for n in reversed(range(25))]
    assert unit.count(RECORDS, values={":pk": "p"}, Limit=4, **asked) == 25
    assert unit.count(RECORDS, values={":pk": "p"}, most=7, **asked) == 7
    assert unit.count(RECORDS, values={":pk": "p"}, most=70, **asked) == 25
    scanned: list[str] = []
    after = None
    while True:
        page, after = unit.scan(RECORDS, after=after, limit=4)
        scanned += [row["sk"] for row in page]
        if after is None:
            break
    assert sorted(scanned) == [f"{n:03}" for n in range(25)]


def test_an_index_is_queried_and_counted(table: Table) -> None:
    unit = table.unit()
    for n in range(3):
        unit.put(EXECUTIONS, {"schedule_id": "s", "id": f"e{n}", "in_flight": f"live#{n}"})
    unit.put(EXECUTIONS, {"schedule_id": "s", "id": "final"})
    unit.commit()
    asked: dict[str, Any] = {"KeyConditionExpression": "schedule_id = :s", "ConsistentRead": True}
    rows = unit.query(EXECUTIONS, IN_FLIGHT.name, values={":s": "s"}, **asked)
    assert [row["id"] for row in rows] == ["e0", "e1", "e2"]
    assert unit.count(EXECUTIONS, IN_FLIGHT.name, values={":s": "s"}, **asked) == 3


# --- counters ---


def test_additions_of_several_units_never_conflict(table: Table) -> None:
    first, second = table.unit(), table.unit()
    for unit, number in ((first, 2), (second, 40)):
        assert unit.get(RECORDS, "p", "one") is None
        unit.add(RECORDS, ("p", "one"), "n", number)
        unit.add(RECORDS, ("p", "one"), "n", number)
        unit.put(RECORDS, {"pk": "q", "sk": str(number)})
    first.commit()
    second.commit()
    assert table.kept(ONE) == {**ONE, "n": 84}


def test_a_counter_is_read_as_it_will_be_and_after_the_commit_as_it_is(table: Table) -> None:
    unit = table.unit()
    unit.add(RECORDS, ("p", "one"), "n", 2)
    assert unit.get(RECORDS, "p", "one") == {**ONE, "n": 2}
    assert unit.get_all(RECORDS, [("p", "one")]) == {("p", "one"): {**ONE, "n": 2}}
    unit.commit()
    other = table.unit()
    other.add(RECORDS, ("p", "one"), "n", 5)
    other.commit()
    assert unit.get(RECORDS, "p", "one") == {**ONE, "n": 7}


# --- large things ---


def test_more_items_than_a_transaction_holds_are_written_in_the_order_of_staging_the_last_together(
    table: Table,
) -> None:
    items = [{"pk": "p", "sk": f"{n:03}"} for n in range(2 * ITEMS_AT_ONCE + 1)]
    table.keep(*items)
    assert len(table.unit().get_all(RECORDS, [("p", item["sk"]) for item in items])) == len(items)
    unit = table.unit()
    last = items[-1]
    unit.get(RECORDS, last["pk"], last["sk"])
    table.keep(last)
    for item in items:
        unit.put(RECORDS, {**item, "n": 1})
    with pytest.raises(Conflicting):
        unit.commit()
    written = [(table.kept(item) or {}).get("n") for item in items]
    assert written == [1] * (ITEMS_AT_ONCE + 1) + [None] * ITEMS_AT_ONCE


def test_more_bytes_than_a_transaction_holds_are_written_in_several(table: Table) -> None:
    items = [{"pk": "p", "sk": str(n), "text": "x" * 380_000} for n in range(12)]
    sent: list[int] = []

    def weigh(params: dict[str, Any], **_: Any) -> None:
        sent.append(len(params["body"]))

    with table.on("before-call.dynamodb.TransactWriteItems", weigh):
        table.keep(*items)
    assert len(sent) == 2
    assert max(sent) < 4_000_000
    assert len(table.unit().get_all(RECORDS, [("p", str(n)) for n in range(12)])) == 12


@pytest.mark.parametrize("others", [[], [TWO]], ids=["alone", "in a transaction"])
def test_an_item_beyond_400_kb_is_refused_whole_and_says_so(table: Table, others: list[Item]) -> None:
    unit = table.unit()
    for item in [*others, {**ONE, "text": BIG}]:
        unit.put(RECORDS, item)
    with pytest.raises(TooLarge, match="400 KB") as refused:
        unit.commit()
    assert refused.value.code == "item_too_large"
    assert (table.kept(ONE), table.kept(TWO)) == (None, None)


# --- what AWS refuses ---


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"]
)
def test_what_dynamodb_cannot_do_now_is_unavailable(table: Table, code: str) -> None:
    with answers(code, table), pytest.raises(Unavailable, match=code) as refused:
        table.unit().get(RECORDS, "p", "one")
    assert refused.value.code == "unavailable"
    with answers(code, table), pytest.raises(Unavailable, match=code):
        table.keep(ONE)


def test_a_right_that_is_missing_has_a_code_of_its_own(table: Table) -> None:
    with answers("AccessDeniedException", table), pytest.raises(Unavailable) as refused:
        table.keep(ONE, TWO)
    assert refused.value.code == "access_denied"


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["None", "ConditionalCheckFailed"], Conflicting),
        (["TransactionConflict", "ConditionalCheckFailed"], Conflicting),
        (["ConditionalCheckFailed", "ThrottlingError"], Unavailable),
        (["ProvisionedThroughputExceeded", "None"], Unavailable),
        (["None", "ItemCollectionSizeLimitExceeded"], TooLarge),
    ],
    ids=str,
)
def test_a_cancelled_transaction_is_told_by_its_reasons(
    table: Table, codes: list[str], expected: type[Exception]
) -> None:
    def cancel(request: Any, **_: Any) -> AWSResponse:
        document = {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
            "CancellationReasons": [{"Code": code} for code in codes],
        }
        return AWSResponse(request.url, 400, {}, _Body(json.dumps(document).encode()))

    with table.on("before-send.dynamodb.TransactWriteItems", cancel), pytest.raises(expected):
        table.keep(ONE, TWO)


def test_an_endpoint_that_is_not_there_is_unavailable(table: Table) -> None:
    def break_off(**_: Any) -> None:
        from botocore.exceptions import EndpointConnectionError

        raise EndpointConnectionError(endpoint_url="https://dynamodb.test")

    with table.on("before-send.dynamodb", break_off), pytest.raises(Unavailable, match="can't be reached"):
        table.unit().get(RECORDS, "p", "one")
