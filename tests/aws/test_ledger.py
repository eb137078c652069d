"""What the ledger on AWS promises beyond its contract: what an item looks like, how long it is kept, how much
a list reads, and that only allowed moves happen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.execution_items import ATTEMPTS_KEPT, attempts_from, fitting, schedule_of, with_attempt
from rez_agent.aws.keeping import Kept, kept_until
from rez_agent.aws.ledger import DynamoLedger
from rez_agent.aws.queue import LEASE
from rez_agent.aws.tables import EXECUTIONS
from rez_agent.aws.wire import Item
from rez_agent.domain.execution import (
    MOVES,
    Attempt,
    Cause,
    Execution,
    ExecutionStatus,
    Reason,
    asked_execution_id,
    execution_id,
)
from rez_agent.ports import COUNTED_EXACTLY, Claimed, ExecutionQuery, Page
from tests import rig
from tests.aws import work
from tests.aws.stage import client
from tests.aws.stepped import AwsStepped
from tests.fakes import FAILED, NOON, OK, REFUSED

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def host() -> AwsStepped:
    return AwsStepped()


def keep(host: AwsStepped, **changes: Any) -> None:
    host.do(lambda ports: ports.schedules.add(rig.schedule_of(**changes)))


def entry(number: int = 0, **changes: Any) -> Execution:
    """A queued execution of an hourly schedule."""
    at = NOON + number * HOUR
    queued = Execution(
        id=execution_id("sch_report", at),
        schedule_id="sch_report",
        owner="ann",
        scheduled_time=at,
        status=ExecutionStatus.QUEUED,
        cause=Cause.SCHEDULE,
        target_type="web_action",
        target="target",
        schedule_revision=1,
        created_date=NOON,
        due_at=at,
        expires_at=at + HOUR,
        next_attempt_at=at,
    )
    return replace(queued, **changes)


def skipped(number: int = 0, **changes: Any) -> Execution:
    ended = {"status": ExecutionStatus.SKIPPED, "reason": Reason.MISSED, "finished_at": NOON}
    return entry(number, next_attempt_at=None, **ended, **changes)


def put(host: AwsStepped, *executions: Execution) -> int:
    return host.ask(lambda ports: ports.ledger.add(executions))


def item_of(host: AwsStepped, execution: Execution) -> Item:
    item = host.do(lambda ports: ports.unit.get(EXECUTIONS, execution.schedule_id, execution.id))
    assert item is not None
    return item


def listed(host: AwsStepped, **query: Any) -> Page[Execution]:
    return host.ask(lambda ports: ports.ledger.list(ExecutionQuery(**query)))


# --- ids ---


@pytest.mark.parametrize("schedule_id", ["sch_01k0q9w3c0f4h8j2m6n1p5r7t9", "a", "sch_a_2"])
@pytest.mark.parametrize("cause", [None, Cause.RUN, Cause.BACKFILL])
def test_an_executions_id_tells_its_schedules(schedule_id: str, cause: Cause | None) -> None:
    named = execution_id(schedule_id, NOON)
    if cause is not None:
        named = asked_execution_id(schedule_id, NOON, cause, "msg_01k0q9w3c0f4h8j2m6n1p5r7t9")
    assert schedule_of(named) == schedule_id


@pytest.mark.parametrize("text", ["", "sch_a", "_20260601T120000Z", "sch_a_20260601T120000Z_", "a" * 3_000])
def test_what_names_no_execution_is_not_looked_for(host: AwsStepped, text: str) -> None:
    assert schedule_of(text) is None
    assert host.ask(lambda ports: ports.ledger.get(text)) is None
    assert host.ask(lambda ports: ports.ledger.attempts_of([text])) == {text: ()}
    assert not host.ask(lambda ports: ports.ledger.cancel(text, NOON, ""))


# --- items ---


def test_an_item_can_be_read_at_the_console(host: AwsStepped) -> None:
    keep(host)
    put(host, entry())
    (claimed,) = work.claim_all(host, NOON)
    host.end(claimed, REFUSED)
    item = item_of(host, entry())
    told = ("status", "scheduled_time", "finished_at", "owner", "attempts", "code", "error", "dead_letter")
    assert [item[name] for name in told] == [
        "failed",
        "2026-06-01T12:00:00.000Z",
        "2026-06-01T12:00:00.000Z",
        "ann",
        1,
        "status",
        "the target answered 404",
        True,
    ]
    (attempt,) = [json.loads(text) for text in item["attempts_made"]]
    assert attempt["outcome"] == "failed"
    assert "response" not in attempt


def test_only_what_needs_them_stands_in_the_sparse_indexes(host: AwsStepped) -> None:
    keep(host, policies={"retry": {"max_attempts": 0}})
    put(host, entry(), entry(-1), entry(1), entry(2, next_attempt_at=None), skipped(3))
    running, failed = reversed(work.claim_all(host, NOON))
    work.end(host, failed, NOON, FAILED)
    items = {item["id"]: item for item in host.do(lambda ports: ports.unit.scan(EXECUTIONS))[0]}
    places = {
        each: (item.get("queue", "").partition("#")[0], item.get("in_flight", "").partition("#")[0])
        for each, item in items.items()
    }
    assert places == {
        failed.work.execution_id: ("dead", ""),
        running.work.execution_id: ("running", "live"),
        entry(1).id: ("waiting", "live"),
        entry(2).id: ("held", "held"),
        skipped(3).id: ("", ""),
    }


def test_the_first_written_of_two_with_one_id_counts(host: AwsStepped) -> None:
    assert put(host, entry(target="a"), entry(target="b")) == 1
    found = host.ask(lambda ports: ports.ledger.get(entry().id))
    assert found is not None
    assert found.target == "a"


def attempt_of(number: int, text: str) -> Attempt:
    return Attempt(number, NOON, NOON, "failed", text, error=text, response_status=503, response=text[:4_096])


def size_of(item: Item) -> int:
    """As DynamoDB counts it: names and values in UTF-8, a byte or so more for each part of a list."""
    texts = [each for value in item.values() for each in (value if isinstance(value, list) else [value])]
    return sum(len(str(text).encode()) + 3 for text in (*item, *texts))


@pytest.mark.parametrize("text", ["x", "\0", "☃", '"\\'], ids=["plain", "control", "wide", "quoted"])
def test_an_item_with_every_attempt_there_may_be_stays_below_what_dynamodb_takes(
    host: AwsStepped, text: str
) -> None:
    payload = {"body": "x" * 65_000}
    put(host, entry(payload=payload))
    item = item_of(host, entry())
    for number in range(1, 211):
        item = with_attempt(item, attempt_of(number, text * 5_000))
    host.do(lambda ports: ports.unit.put(EXECUTIONS, item))
    attempts = attempts_from(item_of(host, entry()))
    assert len(attempts) == ATTEMPTS_KEPT
    assert [a.number for a in attempts[:6]] == [1, 2, 3, 4, 5, 16]
    assert attempts[-1].number == 210
    assert [a.number for a in attempts if a.response] == [1, 2, 3, 4, 5, 206, 207, 208, 209, 210]
    assert all(a.error for a in attempts)
    assert size_of(item) < 370_000


@given(text=st.text(st.characters(exclude_categories=["Cs"])), size=st.integers(0, 50))
def test_a_text_that_is_cut_fits_and_is_a_beginning(text: str, size: int) -> None:
    kept = fitting(text, size)
    assert text.startswith(kept)
    assert len(json.dumps(kept, ensure_ascii=False).encode()) - 2 <= max(size, 0)


def test_a_text_that_fits_is_not_cut() -> None:
    assert fitting("a☃\n", 6) == "a☃\n"


# --- how long it is kept ---


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("rate(1 minute)", 10_000 / 1_440),
        ("cron(* * * * ? *)", 10_000 / 1_440),
        ("rate(10 minutes)", 10_000 / 144),
        ("cron(0 * * * ? *)", 90),
        ("at(2026-06-01T12:00:00)", 90),
        ("no expression", 90),
    ],
)
def test_an_execution_is_kept_by_age_and_by_how_many_its_schedule_makes(expression: str, days: float) -> None:
    until = kept_until(Kept(), expression, "Europe/Berlin", NOON)
    assert until == pytest.approx((NOON + days * DAY).timestamp(), abs=DAY.total_seconds() / 20)


def test_what_is_in_flight_is_kept_and_what_has_ended_goes_in_time(host: AwsStepped) -> None:
    keep(host, name="often", schedule_expression="rate(1 minute)")
    mine = entry(schedule_id="sch_often", id=execution_id("sch_often", NOON))
    put(host, mine)
    assert "ttl" not in item_of(host, mine)
    (claimed,) = work.claim_all(host, NOON)
    assert "ttl" not in item_of(host, mine)
    host.end(claimed)
    ends = NOON + 10_000 * MINUTE
    assert item_of(host, mine)["ttl"] == pytest.approx(ends.timestamp(), abs=60)


def test_what_should_be_gone_is_gone_though_dynamodb_still_has_it(host: AwsStepped) -> None:
    put(host, skipped(), entry(1, next_attempt_at=NOON + 100 * DAY))
    host.clock.advance_to(NOON + 90 * DAY - MINUTE)
    assert listed(host, schedule_id="sch_report").total == listed(host).total == 2
    host.clock.advance(minutes=1)
    assert host.ask(lambda ports: ports.ledger.get(skipped().id)) is None
    for query in ({"schedule_id": "sch_report"}, {"status": ExecutionStatus.SKIPPED}, {"owner": "ann"}):
        page = listed(host, **query)
        assert (skipped().id in [one.id for one in page.items], page.next_cursor) == (False, None)
    assert host.ask(lambda ports: ports.ledger.get(entry(1).id)) is not None
    assert put(host, skipped(created_date=host.clock.now())) == 1


# --- lists ---


def test_the_list_over_all_schedules_is_in_the_order_of_writing_whoever_wrote(host: AwsStepped) -> None:
    put(host, entry(3), entry(1))
    put(host, entry(2))
    host.clock.advance(seconds=1)
    put(host, entry(0, created_date=host.clock.now()))
    numbers = [one.scheduled_time.hour - 12 for one in listed(host).items]
    assert numbers == [0, 2, 1, 3]


def ledger_that_looks_at(host: AwsStepped, looked_at: int, ports: AwsPorts) -> DynamoLedger:
    return DynamoLedger(
        ports.unit,
        host.clock,
        ports.blobs,
        kept=Kept(),
        number=host.shared.number,
        released=lambda _: None,
        looked_at=looked_at,
    )


def test_a_page_that_has_looked_at_enough_ends_short_and_the_next_goes_on(host: AwsStepped) -> None:
    put(host, skipped(0), skipped(1), *[entry(number) for number in range(2, 12)])

    def page(cursor: str | None) -> Page[Execution]:
        query = ExecutionQuery(status=ExecutionStatus.SKIPPED, limit=5, cursor=cursor)
        return host.do(lambda ports: ledger_that_looks_at(host, 4, ports).list(query))

    pages = [page(None)]
    while pages[-1].next_cursor is not None:
        pages.append(page(pages[-1].next_cursor))
    assert [[one.scheduled_time for one in each.items] for each in pages] == [
        [],
        [],
        [NOON + HOUR, NOON],
        [],
    ]
    assert not any(each.total_is_exact for each in pages)


def test_an_owner_with_little_among_others_is_shown_all_of_it_in_pages_that_may_be_short(
    host: AwsStepped,
) -> None:
    others = [skipped(number) for number in range(600)]
    bobs = [skipped(number, schedule_id="sch_b", owner="bob") for number in range(5)]
    bobs = [replace(one, id=execution_id("sch_b", one.scheduled_time)) for one in bobs]
    mixed = [one for n, bob in enumerate(bobs) for one in (*others[n * 120 : (n + 1) * 120], bob)]
    put(host, *mixed)

    def page(cursor: str | None) -> Page[Execution]:
        query = ExecutionQuery(owner="bob", limit=5, cursor=cursor)
        return host.do(lambda ports: ledger_that_looks_at(host, 8, ports).list(query))

    pages = [page(None)]
    while pages[-1].next_cursor is not None:
        pages.append(page(pages[-1].next_cursor))
    assert [one.id for each in pages for one in each.items] == [one.id for one in reversed(bobs)]
    assert 2 < len(pages) < 20
    whole = listed(host, owner="bob")
    assert (whole.total, whole.total_is_exact, whole.next_cursor) == (5, True, None)


def test_pages_hold_what_matches_once_while_more_is_written(host: AwsStepped) -> None:
    put(host, *[entry(number) for number in range(20)])
    found, cursor = [], None
    while True:
        page = listed(host, limit=3, cursor=cursor)
        found += [one.scheduled_time for one in page.items]
        put(host, entry(20 + len(found)))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [NOON + number * HOUR for number in reversed(range(20))]


@pytest.mark.parametrize("query", [{"schedule_id": "sch_report"}, {"owner": "ann"}, {}], ids=str)
def test_the_total_of_a_long_history_is_not_counted_out(host: AwsStepped, query: dict[str, Any]) -> None:
    put(host, *[skipped(number) for number in range(COUNTED_EXACTLY)])
    page = listed(host, limit=1, **query)
    assert (page.total, page.total_is_exact) == (COUNTED_EXACTLY, True)
    put(host, skipped(COUNTED_EXACTLY))
    page = listed(host, limit=1, **query)
    assert (page.total, page.total_is_exact) == (COUNTED_EXACTLY, False)


def test_the_attempts_of_a_page_are_not_read_again(host: AwsStepped) -> None:
    put(host, entry(), entry(1))
    calls: list[str] = []

    def note(model: Any, **_: Any) -> None:
        calls.append(model.name)

    def page_with_attempts(ports: AwsPorts) -> Sequence[str]:
        page = ports.ledger.list(ExecutionQuery(schedule_id="sch_report"))
        return list(ports.ledger.attempts_of([one.id for one in page.items]))

    events = client("dynamodb").meta.events
    events.register("before-call.dynamodb", note)
    assert len(host.do(page_with_attempts)) == 2
    events.unregister("before-call.dynamodb", note)
    assert calls == ["Query", "Query"]


def test_dead_letters_of_one_schedule_are_found_among_anothers(host: AwsStepped) -> None:
    keep(host)
    keep(host, name="other")
    other = entry(schedule_id="sch_other", id=execution_id("sch_other", NOON), owner="bob")
    put(host, entry(), entry(-1), other)
    for claimed in work.claim_all(host, NOON):
        host.end(claimed, REFUSED)

    def dead(**query: Any) -> set[str]:
        return set(host.ask(lambda ports: ports.ledger.dead_letters(ExecutionQuery(**query))))

    assert dead(schedule_id="sch_report") == {entry().id, entry(-1).id}
    assert dead(owner="bob") == dead(schedule_id="sch_other") == {other.id}
    assert dead(since=NOON) == {entry().id, other.id}


def test_more_than_one_transaction_holds_is_written_all_the_same(host: AwsStepped) -> None:
    def backfill(ports: AwsPorts) -> int:
        busy = ports.ledger.in_flight("sch_report").total
        return ports.ledger.add([entry(number, next_attempt_at=None) for number in range(250)]) + busy

    assert host.do(backfill) == 250
    assert host.do(backfill) == 250
    assert host.ask(lambda ports: ports.ledger.in_flight("sch_report")).held == 250
    assert host.ask(lambda ports: ports.ledger.cancel_all("sch_report", NOON, "no")) == 250


# --- moves ---

STEPS = ["fire", "claim", "succeed", "fail", "refuse", "cancel", "retry", "crash", "hour", "second"]


def fire(host: AwsStepped, overlap: str) -> None:
    """As the scheduler function does, roughly: one occurrence, by what is in flight."""
    at = host.clock.now().replace(minute=0, second=0)
    queued = entry(schedule_id="sch_report", id=execution_id("sch_report", at), created_date=host.clock.now())
    queued = replace(queued, scheduled_time=at, due_at=at, expires_at=at + DAY, next_attempt_at=at)

    def decide(ports: AwsPorts) -> None:
        busy = overlap != "allow" and ports.ledger.in_flight("sch_report").total
        if busy and overlap == "skip":
            return
        ports.ledger.add([replace(queued, next_attempt_at=None if busy else at)])

    host.do(decide)


def take(host: AwsStepped, step: str, claimed: list[Claimed], overlap: str) -> None:
    """One step of a story."""
    now = host.clock.now()
    match step:
        case "fire":
            fire(host, overlap)
        case "claim":
            claimed += work.claim_all(host, now)
        case "succeed" | "fail" | "refuse" if claimed:
            host.end(claimed.pop(0), {"succeed": OK, "fail": FAILED, "refuse": REFUSED}[step])
        case "cancel" | "retry":
            for execution in listed(host, schedule_id="sch_report", limit=2).items:
                if step == "cancel":
                    host.ask(lambda ports, one=execution.id: ports.ledger.cancel(one, now, "no"))  # type: ignore[misc]
                else:
                    host.ask(lambda ports, one=execution.id: ports.ledger.requeue(one, now, now + HOUR))  # type: ignore[misc]
        case "crash":
            work.take_back_all(host, host.clock.advance_to(now + LEASE + MINUTE))
        case "hour" | "second":
            host.clock.advance(**{f"{step}s": 1})


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=25), overlap=st.sampled_from(["allow", "skip", "queue"])
)
def test_whatever_happens_only_allowed_moves_are_made(steps: list[str], overlap: str) -> None:
    host = AwsStepped()
    keep(host, policies={"overlap": overlap, "retry": {"max_attempts": 1}})
    claimed: list[Claimed] = []
    before: dict[str, ExecutionStatus] = {}
    for step in steps:
        take(host, step, claimed, overlap)
        items = listed(host, schedule_id="sch_report", limit=1_000).items
        after = {execution.id: execution.status for execution in items}
        assert before.keys() <= after.keys()
        for each, status in after.items():
            was = before.get(each, ExecutionStatus.QUEUED)
            assert status is was or status in MOVES[was]
        running = [status for status in after.values() if status is ExecutionStatus.RUNNING]
        assert overlap == "allow" or "retry" in steps or len(running) <= 1
        waits = [one for one in items if one.status is ExecutionStatus.QUEUED]
        held = [one for one in waits if one.next_attempt_at is None]
        assert not held or len(held) < len(waits) + len(running)  # never behind nothing
        before = after
