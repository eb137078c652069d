"""The scheduler handler, by the first system's plan: what the topic and the engine bring is read and done."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rez_agent.aws.build import build
from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.inbox import Inbox, arrivals
from rez_agent.aws.tables import SCHEDULES
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid, Malformed, NotFound, Unavailable
from rez_agent.domain.execution import Cause, ExecutionStatus
from rez_agent.domain.instants import compact, rfc3339
from rez_agent.domain.schedule import Schedule, ScheduleStatus
from rez_agent.ports import ExecutionQuery
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from tests.aws.events import firing
from tests.aws.serving import EmulatorClients, inbox, notification, parts
from tests.aws.stage import COMMANDS, Stage
from tests.fakes import NOON, FakeClock, FakeRandom

DAILY = {
    "action": "create",
    "schedule": {
        "name": "test-daily-check",
        "schedule_expression": "cron(0 6 * * ? *)",
        "timezone": "America/New_York",
        "target_type": "web_action",
        "payload": {"action": "check_tee_times"},
    },
}
"""The first system's own example."""

AT_NOON = rfc3339(NOON)
HOURLY: dict[str, Any] = {
    "name": "report",
    "schedule_expression": "rate(1 hour)",
    "target_type": "web_action",
    "payload": {"action": "http", "url": "https://example.com/"},
}


class Function:
    """A scheduler function under the test's own clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stage = Stage()
        self.built = parts(self.stage, clock=self.clock, random=FakeRandom())
        self.inbox = inbox(self.built)

    def take(self, body: Any, message_id: str = "95df01b4-ee98-5cb9-9903-4c221d41eb5e") -> None:
        """A notification that was published at noon arrives."""
        self.inbox.take(notification(body, message_id=message_id, timestamp=AT_NOON))

    def ask(self, question: Any) -> Any:
        return self.built.store.read(question)

    def schedules(self) -> list[Schedule]:
        """Every schedule by its index."""
        listed = self.stage.settings.tables["schedules"]
        items = self.built.clients.dynamodb.scan(TableName=listed)["Items"]
        return [self.ask(lambda ports, found=item: ports.schedules.get(found["id"]["S"])) for item in items]

    def message(self) -> Message:
        """The one message there is."""
        table = self.stage.settings.tables["messages"]
        (item,) = self.built.clients.dynamodb.scan(TableName=table)["Items"]
        found = self.ask(lambda ports: ports.messages.get(item["id"]["S"]))
        assert isinstance(found, Message)
        return found

    def submitted(self, **request: Any) -> Message:
        """A command that was stored and published, as the API does."""
        read = ScheduleCreationRequest.model_validate(request)
        return self.built.store.write(lambda ports: submit(ports, Caller("ann"), read).message)

    def created(self) -> Schedule:
        """A schedule of ann's, due every hour from noon on."""
        message = self.submitted(action="create", schedule=HOURLY)
        self.deliver()
        found = self.ask(lambda ports: ports.schedules.get(message.schedule_id))
        assert isinstance(found, Schedule)
        return found

    def deliver(self) -> None:
        """What was published arrives."""
        for body in self.stage.received(COMMANDS):
            self.take(body)

    def executions(self, schedule: Schedule) -> list[Any]:
        """The schedule's ledger, newest first."""
        query = ExecutionQuery(schedule_id=schedule.id)
        return list(self.ask(lambda ports: ports.ledger.list(query)).items)


@pytest.fixture
def function() -> Function:
    return Function()


def test_a_stored_command_is_carried_out(function: Function) -> None:
    message = function.submitted(action="create", schedule=HOURLY)
    function.deliver()
    (schedule,) = function.schedules()
    assert (schedule.id, schedule.created_by) == (message.schedule_id, "ann")
    assert function.message().status == "completed"


def test_a_command_handed_over_again_does_nothing_more(function: Function) -> None:
    schedule = function.created()
    message = function.submitted(action="run", schedule_id=schedule.id)
    for _ in range(3):
        function.take({"message_id": message.id, "action": "run", "schedule_id": schedule.id})
    runs = [one for one in function.executions(schedule) if one.cause is Cause.RUN]
    assert len(runs) == 1


def test_a_message_that_nobody_stored_is_refused_where_people_look(function: Function) -> None:
    with pytest.raises(NotFound, match="There is no message 'msg_forged'") as refused:
        function.take({"message_id": "msg_forged", "action": "delete", "schedule_id": "sch_1"})
    assert refused.value.code == "message_not_found"


def test_a_document_published_to_the_topic_is_a_command(function: Function) -> None:
    function.take(DAILY)
    (schedule,) = function.schedules()
    assert schedule.definition.name == "test-daily-check"
    assert (schedule.created_by, schedule.created_date) == ("topic", NOON)
    assert schedule.next_run is not None
    assert rfc3339(schedule.next_run) == "2026-06-02T10:00:00Z"  # six in New York
    message = function.message()
    assert (message.status, message.schedule_id, message.admin) == ("completed", schedule.id, False)
    assert message.id.removeprefix("msg_") == schedule.id.removeprefix("sch_")


def test_a_document_handed_over_again_makes_nothing_twice(function: Function) -> None:
    for _ in range(3):
        function.take(DAILY)
    assert len(function.schedules()) == 1
    assert function.message().status == "completed"


def test_ids_follow_from_the_notification_and_sort_as_it_was_published(function: Function) -> None:
    def identity(message_id: str, timestamp: str) -> str:
        (found,) = arrivals(notification(DAILY, message_id=message_id, timestamp=timestamp))
        return str(getattr(found, "message_id", ""))

    first = identity("95df01b4-ee98-5cb9-9903-4c221d41eb5e", "2026-06-01T12:00:00.123Z")
    assert first == identity("95df01b4-ee98-5cb9-9903-4c221d41eb5e", "2026-06-01T12:00:00.123Z")
    assert len(first) == len("msg_") + 26
    others = [
        identity("95df01b4-ee98-5cb9-9903-4c221d41eb5f", "2026-06-01T12:00:00.123Z"),
        identity("00000000-0000-0000-0000-000000000000", "2026-06-01T12:00:00.124Z"),
    ]
    assert first not in others
    assert first < others[1]


def test_what_counts_is_when_a_document_was_published_not_when_it_arrives(function: Function) -> None:
    document = {**HOURLY, "schedule_expression": "at(2026-06-01T12:00:30)"}
    function.clock.advance(minutes=3)
    function.take({"action": "create", "schedule": document})
    (schedule,) = function.schedules()
    assert schedule.created_date == NOON
    assert [one.status for one in function.executions(schedule)] == [ExecutionStatus.QUEUED]


def test_a_document_that_is_wrong_is_kept_as_failed_with_every_problem(
    function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = {
        **HOURLY,
        "timezone": "Mars/Olympus",
        "schedule_expression": "cron(0 25 * * ? *)",
        "colour": 1,
    }
    function.take({"action": "create", "schedule": schedule})
    message = function.message()
    assert (message.status, message.error_kind, message.created_by) == ("failed", "Invalid", "topic")
    assert {problem.pointer for problem in message.problems} >= {"/colour", "/schedule_expression"}
    assert function.schedules() == []
    (told,) = [each for each in caplog.records if each.getMessage() == "command_failed"]
    assert (told.__dict__["message_id"], told.__dict__["created_by"]) == (message.id, "topic")


def test_a_document_reaches_only_what_the_topic_made(function: Function) -> None:
    schedule = function.created()
    function.clock.advance(seconds=1)
    request = {"action": "delete", "schedule_id": schedule.id}
    other = notification(request, message_id="b", timestamp=rfc3339(function.clock.now()))
    function.inbox.take(other)
    (found,) = function.schedules()
    assert found.status is ScheduleStatus.ACTIVE


def test_a_document_counts_against_the_topics_quota(function: Function) -> None:
    full = Inbox(function.built.store, quota=1, metrics=function.built.metrics)
    full.take(notification(DAILY, message_id="a", timestamp=AT_NOON))
    second = {**DAILY, "schedule": {**HOURLY, "name": "second"}}
    full.take(notification(second, message_id="b", timestamp=AT_NOON))
    assert len(function.schedules()) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "malformed_json"),
        ("create it, please", "malformed_json"),
        ('{"action": "create", "action": "delete"}', "duplicate_key"),
        ("[]", "wrong_type"),
        ({}, "missing_field"),
        ({"action": "explode"}, "invalid_value"),
        ({"action": "create"}, "invalid_value"),
        ({"action": "delete", "schedule": {}}, "invalid_value"),
        ({"action": "create", "schedule": {}, "shedule_id": "x"}, "unknown_field"),
        ({"message_id": 7}, "missing_field"),
    ],
)
def test_a_body_that_is_no_command_is_refused_where_people_look(
    function: Function, body: Any, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        function.take(body)
    assert code in {problem.code for problem in refused.value.problems}
    table = function.stage.settings.tables["messages"]
    assert function.built.clients.dynamodb.scan(TableName=table)["Items"] == []


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"Records": []},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        {"Records": {"Sns": {}}},
        {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}},
    ],
)
def test_an_event_of_another_kind_is_refused(function: Function, event: Any) -> None:
    with pytest.raises(Malformed) as refused:
        function.inbox.take(event)
    assert refused.value.code == "unknown_event"


@pytest.mark.parametrize(
    "event",
    [
        {"scheduled_time": AT_NOON},
        {**firing("sch_1", AT_NOON), "revision": 0},
        {**firing("sch_1", "<aws.scheduler.scheduled-time>")},
        {**firing("sch_1", AT_NOON), "more": 1},
    ],
)
def test_a_firing_that_is_not_ours_is_refused(function: Function, event: Any) -> None:
    with pytest.raises(Invalid):
        function.inbox.take(event)


def test_a_firing_writes_its_execution_and_publishes_its_work(function: Function) -> None:
    schedule = function.created()
    due = function.clock.advance_to(NOON + timedelta(hours=1))
    function.stage.received("web-actions")  # the first occurrence was the creation itself
    function.inbox.take(firing(schedule.id, rfc3339(due)))
    fired = function.executions(schedule)[0]
    assert (fired.id, fired.cause) == (f"{schedule.id}_{compact(due)}", Cause.SCHEDULE)


def test_a_firing_of_a_schedule_that_is_gone_is_dropped_and_told(
    function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    function.inbox.take(firing("sch_gone", AT_NOON))
    assert function.stage.received("web-actions") == []
    (told,) = [each for each in caplog.records if each.getMessage() == "fired"]
    assert (told.__dict__["schedule_id"], told.__dict__["became"]) == ("sch_gone", "gone")


def test_what_cannot_be_told_now_is_tried_again_not_judged(function: Function) -> None:
    message = function.submitted(action="create", schedule=HOURLY)
    tables = {**function.stage.settings.tables, "schedules": "rez-agent-nowhere"}
    broken = build(
        replace(function.stage.settings, tables=tables), clients=EmulatorClients(), clock=function.clock
    )
    with pytest.raises(Unavailable, match="ResourceNotFoundException"):
        inbox(broken).take(notification({"message_id": message.id}))
    assert function.message().status == "queued"
    function.deliver()
    assert function.message().status == "completed"


def test_a_command_that_dynamodb_will_not_keep_has_failed(function: Function) -> None:
    schedule = function.created()
    patch = {"payload": {**HOURLY["payload"], "body": "x" * 5_000}}
    message = function.submitted(action="update", schedule_id=schedule.id, patch=patch)

    def grow(ports: AwsPorts) -> None:
        """The row holds as much as DynamoDB keeps, less a little."""
        item = ports.unit.get(SCHEDULES, schedule.id)
        assert item is not None
        ports.unit.put(SCHEDULES, {**item, "armed_at": "x" * 408_000})

    function.built.store.write(grow)
    function.take({"message_id": message.id})
    judged = function.ask(lambda ports: ports.messages.get(message.id))
    assert (judged.status, judged.error_kind) == ("failed", "TooLarge")


def test_a_notification_is_read_as_it_was_sent(function: Function) -> None:
    text = json.dumps(DAILY, indent=2, ensure_ascii=False)
    assert len(arrivals(notification(text))) == 1
