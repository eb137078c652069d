"""The processor's work: a batch of messages, each of which names an execution."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from rez_agent.aws.build import build
from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.processor import MARGIN_SECONDS, Processor, Record
from rez_agent.aws.store import Store
from rez_agent.aws.tables import Table
from rez_agent.aws.wire import Item
from rez_agent.clock import SystemClock
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.execution import Attempt, Cause, Execution, ExecutionStatus
from rez_agent.ports import Clock, Ports
from rez_agent.usecases.entries import asked_execution
from tests.aws.events import record
from tests.aws.serving import EmulatorClients, parts
from tests.aws.stage import Stage
from tests.fakes import FAILED, NOON, REFUSED, FakeClock, FakeRandom, ScriptedActions
from tests.rig import schedule_of

T = TypeVar("T")

LONG = MARGIN_SECONDS + 600
QUEUE = "web-actions"


class Function:
    """A processor function: one schedule, and executions of it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.actions = ScriptedActions()
        self.stage = Stage()
        self.built = parts(self.stage, clock=self.clock, random=FakeRandom())
        self.store: Store | None = None
        self.schedule = schedule_of(schedule_expression="cron(0 12 * * ? *)")
        self.built.store.write(lambda ports: ports.schedules.add(self.schedule))

    def processor(self) -> Processor:
        return Processor(
            self.store or self.built.store,
            actions=self.actions,
            publisher=self.built.publisher,
            clock=self.clock,
            random=FakeRandom(),
            metrics=self.built.metrics,
            waits=(0.001, 0.001),
        )

    def queued(self, number: int = 1, **changes: Any) -> Execution:
        """An execution that is queued."""
        now = self.clock.now()
        one = replace(asked_execution(self.schedule, NOON, Cause.RUN, f"msg_{number}", now=now), **changes)
        self.built.store.write(lambda ports: ports.ledger.add([one]))
        return one

    def process(self, *records: Record, left: float = LONG) -> list[Record]:
        """Work on a batch; what failed."""
        return asyncio.run(self.processor().process(records, lambda: left))

    def now(self, execution: Execution) -> Execution:
        """The execution as it is now."""
        found = self.built.store.read(lambda ports: ports.ledger.get(execution.id))
        assert found is not None
        return found

    def attempts(self, execution: Execution) -> tuple[Attempt, ...]:
        """Its attempts."""
        return self.built.store.read(lambda ports: ports.ledger.attempts(execution.id))

    def waiting(self) -> tuple[int, int]:
        """How many messages of the queue can be received now, and how many are held back."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        sqs = self.stage.sqs()
        answer = sqs.get_queue_attributes(QueueUrl=self.stage.queue(QUEUE), AttributeNames=names)
        now, later = (int(answer["Attributes"][name]) for name in names)
        return now, later


class Faltering(Store):
    """A store that can't record an end the first ``failures`` times."""

    def __init__(self, store: Store, failures: int) -> None:
        self._store = store
        self._failures = failures

    def write(self, use_case: Callable[[AwsPorts], T], *, known: Iterable[tuple[Table, Item]] = ()) -> T:
        """As the store does, or not."""
        known = list(known)
        if known and self._failures:
            self._failures -= 1
            raise Unavailable("AWS can't be reached")
        return self._store.write(use_case, known=known)

    def read(self, use_case: Callable[[AwsPorts], T]) -> T:
        """Not even that, as long."""
        if self._failures:
            raise Unavailable("AWS can't be reached")
        return self._store.read(use_case)


@pytest.fixture
def function() -> Function:
    return Function()


def knock(execution: Execution) -> Record:
    return record({"schedule_id": execution.schedule_id, "execution_id": execution.id})


def test_an_execution_is_attempted_and_its_end_recorded(function: Function) -> None:
    one = function.queued()
    assert function.process(knock(one)) == []
    ended = function.now(one)
    assert (ended.status, ended.attempts, ended.response_status) == (ExecutionStatus.SUCCEEDED, 1, 200)
    (work,) = function.actions.works
    assert (work.idempotency_key, work.schedule_name) == (one.id, "report")
    assert function.waiting() == (0, 0)


def test_a_batch_is_worked_on_at_once(function: Function) -> None:
    many = [function.queued(number) for number in range(10)]
    gate = function.actions.gates["target"] = asyncio.Event()

    async def story() -> None:
        batch = [knock(one) for one in many]
        working = asyncio.create_task(function.processor().process(batch, lambda: LONG))
        for _ in many:
            await function.actions.next_begun()
        gate.set()
        assert await working == []

    asyncio.run(story())
    assert {function.now(one).status for one in many} == {ExecutionStatus.SUCCEEDED}


def test_a_message_that_comes_twice_makes_one_attempt(function: Function) -> None:
    one = function.queued()
    assert function.process(knock(one), knock(one)) == []
    assert function.process(knock(one)) == []
    assert len(function.actions.works) == 1


def test_a_message_for_nothing_is_dropped(function: Function) -> None:
    gone = replace(function.queued(), id=f"{function.schedule.id}_20260601T120000Z_run_msg_9")
    assert function.process(knock(gone)) == []
    assert function.actions.works == []


def test_a_failed_attempt_is_tried_again_by_a_new_message_that_waits(function: Function) -> None:
    one = function.queued()
    function.actions.script["target"].append(FAILED)
    assert function.process(knock(one)) == []
    after = function.now(one)
    assert (after.status, after.tries, after.code) == (ExecutionStatus.QUEUED, 1, "status")
    assert function.waiting() == (0, 1)


def test_a_refused_attempt_is_a_dead_letter_of_the_ledger_not_of_the_queue(function: Function) -> None:
    one = function.queued()
    function.actions.script["target"].append(REFUSED)
    assert function.process(knock(one)) == []
    after = function.now(one)
    assert (after.status, after.dead_letter) == (ExecutionStatus.FAILED, True)
    assert function.waiting() == (0, 0)


def test_an_action_that_raises_has_failed_and_costs_the_others_nothing(function: Function) -> None:
    one, other = function.queued(1), function.queued(2)
    function.actions.script["target"].append(RuntimeError("boom"))
    assert function.process(knock(one), knock(other)) == []
    after = {function.now(each).status: function.now(each) for each in (one, other)}
    assert after[ExecutionStatus.QUEUED].code == "internal_error"
    assert ExecutionStatus.SUCCEEDED in after


def test_what_is_due_much_later_is_sent_again_to_wait(function: Function) -> None:
    one = function.queued(next_attempt_at=NOON + timedelta(hours=1))
    assert function.process(knock(one)) == []
    assert function.actions.works == []
    assert function.waiting() == (0, 1)


def test_what_is_due_in_a_moment_is_waited_for() -> None:
    function = Function(SystemClock())
    one = function.queued(next_attempt_at=SystemClock().now() + timedelta(milliseconds=300))
    assert function.process(knock(one)) == []
    assert function.now(one).status is ExecutionStatus.SUCCEEDED


def test_what_was_held_behind_an_execution_is_published_when_it_ends(function: Function) -> None:
    one = function.queued(1)
    held = function.queued(2, next_attempt_at=None)
    assert function.process(knock(one)) == []
    assert function.now(held).next_attempt_at is not None
    assert [json.loads(body)["execution_id"] for body in function.stage.received(QUEUE)] == [held.id]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "7",
        {},
        {"schedule_id": "sch_1"},
        {"schedule_id": 1, "execution_id": 2},
        {"schedule_id": "sch_1", "execution_id": ""},
        "\ud800",
    ],
)
def test_a_message_that_cannot_be_read_fails_alone(function: Function, body: Any) -> None:
    one = function.queued()
    poison = record(body)
    assert function.process(poison, knock(one)) == [poison]
    assert function.now(one).status is ExecutionStatus.SUCCEEDED


def test_a_message_that_cannot_be_read_reaches_the_dead_letters_without_waiting(function: Function) -> None:
    sqs, url = function.stage.sqs(), function.stage.queue(QUEUE)
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(3):
        (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=960)["Messages"]
        arn = f"arn:aws:sqs:us-east-1:000000000000:{function.stage.names(QUEUE)}"
        poison = {**record("poison", queue=arn), "receiptHandle": message["ReceiptHandle"]}
        assert function.process(poison) == [poison]


def test_a_message_fails_while_the_tables_cannot_be_reached(
    function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    one = function.queued()
    tables = {**function.stage.settings.tables, "executions": "rez-agent-nowhere"}
    function.built = build(
        replace(function.stage.settings, tables=tables), clients=EmulatorClients(), clock=function.clock
    )
    assert function.process(knock(one)) != []
    (told,) = [each for each in caplog.records if each.getMessage() == "record_failed"]
    assert told.__dict__["code"] == "unavailable"


def test_an_end_is_recorded_as_soon_as_the_tables_can_be_reached_again(function: Function) -> None:
    one = function.queued()
    function.store = Faltering(function.built.store, 2)
    assert function.process(knock(one)) == []
    assert function.now(one).status is ExecutionStatus.SUCCEEDED
    assert len(function.actions.works) == 1


def test_an_end_that_cannot_be_recorded_leaves_the_execution_leased(function: Function) -> None:
    one = function.queued()
    function.store = Faltering(function.built.store, 99)
    assert function.process(knock(one)) != []
    assert function.now(one).status is ExecutionStatus.RUNNING
    function.store = None
    assert function.process(knock(one)) == []  # whoever holds it may still be at it
    assert len(function.actions.works) == 1


def test_an_attempt_is_cut_off_before_the_function_is(function: Function) -> None:
    one = function.queued()
    function.actions.gates["target"] = asyncio.Event()  # it never opens
    assert function.process(knock(one), left=MARGIN_SECONDS + 0.05) == []
    after = function.now(one)
    assert (after.status, after.code, after.tries) == (ExecutionStatus.QUEUED, "timeout", 1)


def test_what_there_is_no_time_for_is_given_back_as_if_it_had_not_been_taken(function: Function) -> None:
    one = function.queued()
    assert function.process(knock(one), left=MARGIN_SECONDS - 1) == []
    after = function.now(one)
    assert (after.status, after.attempts, after.started_at) == (ExecutionStatus.QUEUED, 0, None)
    assert function.actions.works == []
    assert len(function.stage.received(QUEUE)) == 1
    assert function.process(knock(one)) == []
    assert function.now(one).status is ExecutionStatus.SUCCEEDED


def test_a_schedules_work_is_done_though_it_was_deleted_meanwhile(function: Function) -> None:
    one = function.queued()

    def delete(ports: Ports) -> None:
        before = ports.schedules.get(function.schedule.id)
        assert before is not None
        ports.schedules.replace(before.deleted(NOON), before)

    function.built.store.write(delete)
    assert function.process(knock(one)) == []
    assert function.now(one).status is ExecutionStatus.SUCCEEDED
