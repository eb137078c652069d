"""The first system's plan for integration: schedules are made on the deployed stack, and fire.

The stack runs as ``make aws-local`` runs it: the functions' own zips, IAM enforced, EventBridge Scheduler on
time. What is due is created a few seconds ahead, and every wait is for something that must come.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.program import web_action
from tests.e2e.recorder import Recorder
from tests.stack.running import Stack, eventually

pytestmark = pytest.mark.e2e

SEED: dict[str, Any] = {
    "name": "test-daily-check",
    "schedule_expression": "cron(0 6 * * ? *)",
    "timezone": "America/New_York",
    "target_type": "web_action",
    "payload": {"action": "check_tee_times"},
}
"""The schedule of the first system's manual test, word for word."""

AHEAD = 4
"""Seconds: what is created now is stored, armed and waited for by then."""

LATE_AT_MOST = 5.0
"""Seconds. AWS promises a minute; the emulated one fires within a second, on a machine that may be busy."""


def ahead(timezone: str = "UTC", seconds: float = AHEAD) -> tuple[str, int]:
    """An expression that is due so many seconds from now, on the clock of ``timezone``; and when."""
    due = int(time.time() + seconds)
    return f"at({datetime.fromtimestamp(due, ZoneInfo(timezone)):%Y-%m-%dT%H:%M:%S})", due


def publish(stack: Stack, message: dict[str, Any]) -> None:
    topic = stack.outputs["scheduleCreationTopicArn"]
    stack.client("sns").publish(TopicArn=topic, Message=json.dumps(message))


def stored(stack: Stack, name: str) -> Any:
    """The row of a schedule, as ``aws dynamodb scan`` shows it, once it is there."""
    table = stack.outputs["schedulesTableName"]

    def found() -> Any:
        rows = stack.client("dynamodb").scan(TableName=table)["Items"]
        return next((row for row in rows if row["name"]["S"] == name), None)

    return eventually(found, 30, f"the row of {name}")


def armed(stack: Stack, schedule_id: str) -> Any:
    """EventBridge Scheduler's own schedule, once it is there."""
    group = stack.outputs["scheduleGroupName"]
    scheduler = stack.client("scheduler")

    def found() -> Any:
        summaries = scheduler.list_schedules(GroupName=group)["Schedules"]
        if schedule_id not in {summary["Name"] for summary in summaries}:
            return None
        return scheduler.get_schedule(GroupName=group, Name=schedule_id)

    return eventually(found, 30, f"EventBridge's schedule {schedule_id}")


def create(stack: Stack, definition: dict[str, Any]) -> str:
    answer = stack.post("/api/schedules", definition, {"Prefer": "wait=20"})
    assert answer.status == 201, answer.body
    return str(answer.body["schedule_id"])


def command(stack: Stack, method: str, path: str, body: Any = None, **headers: str) -> Any:
    answer = stack.ask(method, path, body, {"Prefer": "wait=20", **headers})
    assert answer.status in (200, 201, 204), (answer.status, answer.body)
    return answer.body


def ended(stack: Stack, schedule_id: str, status: str = "succeeded", seconds: float = 40) -> Any:
    """The schedule's newest execution, once it has ended so."""

    def found() -> Any:
        newest = stack.history(schedule_id)[:1]
        return newest[0] if newest and newest[0]["status"] == status else None

    return eventually(found, seconds, f"an execution of {schedule_id} that {status}")


def requests_at(target: Recorder, path: str) -> list[Any]:
    return [request for request in target.received() if request.path == path]


# --- the manual test ---


@pytest.mark.parametrize("timezone", ["America/New_York", "UTC"])
def test_the_first_system_s_message_makes_a_row_and_a_schedule_of_eventbridge(
    stack: Stack, timezone: str
) -> None:
    name = f"{SEED['name']}-{timezone}"
    publish(stack, {"action": "create", "schedule": {**SEED, "name": name, "timezone": timezone}})

    row = stored(stack, name)
    assert (row["status"]["S"], row["created_by"]["S"]) == ("active", "topic")
    kept = armed(stack, row["id"]["S"])
    assert (kept["ScheduleExpression"], kept["ScheduleExpressionTimezone"]) == (
        "cron(0 6 * * ? *)",
        timezone,
    )
    assert kept["State"] == "ENABLED"
    assert kept["Target"]["RoleArn"] == stack.outputs["eventBridgeSchedulerExecutionRoleArn"]


def test_active_schedules_are_found_by_the_status_index(stack: Stack) -> None:
    publish(stack, {"action": "create", "schedule": {**SEED, "name": "by-status"}})
    row = stored(stack, "by-status")

    def found() -> bool:
        answer = stack.client("dynamodb").query(
            TableName=stack.outputs["schedulesTableName"],
            IndexName="status-created_date-index",
            KeyConditionExpression="#s = :status",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":status": {"S": "active"}},
        )
        return row["id"]["S"] in {item["id"]["S"] for item in answer["Items"]}

    eventually(found, 10, "the schedule in the index")


@pytest.mark.parametrize("timezone", ["America/New_York", "UTC"])
def test_a_schedule_made_by_a_message_fires_on_the_clock_of_its_zone(
    stack: Stack, target: Recorder, timezone: str
) -> None:
    path = f"/published/{timezone}"
    expression, due = ahead(timezone)
    definition = {**web_action(f"once-{timezone}", expression, target.url(path)), "timezone": timezone}
    publish(stack, {"action": "create", "schedule": definition})

    (request,) = eventually(lambda: requests_at(target, path), AHEAD + 40, "the call")

    assert due <= request.at < due + LATE_AT_MOST
    row = stored(stack, f"once-{timezone}")
    execution = ended(stack, row["id"]["S"])
    assert execution["id"] == request.key
    assert datetime.fromisoformat(execution["scheduled_time"]).timestamp() == due


# --- the API ---


def test_a_request_is_answered_at_once_and_ends_in_a_call_with_its_entry(
    stack: Stack, target: Recorder
) -> None:
    expression, due = ahead()
    answer = stack.post("/api/schedules", web_action("posted", expression, target.url("/posted")))
    assert answer.status == 202
    schedule_id = answer.body["schedule_id"]
    assert stack.get(f"/api/messages/{answer.body['message_id']}").body["status"] in ("queued", "completed")

    (request,) = eventually(lambda: requests_at(target, "/posted"), AHEAD + 40, "the call")

    assert due <= request.at < due + LATE_AT_MOST
    execution = ended(stack, schedule_id)
    (attempt,) = execution["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["response_status"]) == (1, "succeeded", 200)
    assert stack.get(f"/api/executions/{execution['id']}").body["id"] == request.key


def test_a_spent_schedule_is_gone_from_eventbridge_and_its_history_stays(
    stack: Stack, target: Recorder
) -> None:
    expression, _ = ahead()
    schedule_id = create(stack, web_action("spent", expression, target.url("/spent")))
    ended(stack, schedule_id)
    group = stack.outputs["scheduleGroupName"]

    def gone() -> bool:
        summaries = stack.client("scheduler").list_schedules(GroupName=group)["Schedules"]
        return schedule_id not in {summary["Name"] for summary in summaries}

    eventually(gone, 20, "the end of EventBridge's schedule")
    assert stack.get(f"/api/schedules/{schedule_id}").body["next_run"] is None
    assert len(stack.history(schedule_id)) == 1


def test_a_schedule_is_paused_resumed_updated_and_deleted_and_eventbridge_follows(
    stack: Stack, target: Recorder
) -> None:
    schedule_id = create(stack, web_action("moved", "rate(1 hour)", target.url("/moved")))
    path = f"/api/schedules/{schedule_id}"
    assert armed(stack, schedule_id)["State"] == "ENABLED"

    command(stack, "POST", f"{path}/pause", {"reason": "under repair"})
    eventually(lambda: armed(stack, schedule_id)["State"] == "DISABLED", 20, "the pause")
    command(stack, "POST", f"{path}/resume")
    eventually(lambda: armed(stack, schedule_id)["State"] == "ENABLED", 20, "the resumption")
    command(stack, "PATCH", path, {"schedule_expression": "rate(2 hours)"})
    eventually(lambda: armed(stack, schedule_id)["ScheduleExpression"] == "rate(2 hours)", 20, "the update")
    assert stack.get(path).body["revision"] == 4

    command(stack, "DELETE", path)
    assert stack.get(path).status == 404
    group = stack.outputs["scheduleGroupName"]

    def gone() -> bool:
        summaries = stack.client("scheduler").list_schedules(GroupName=group)["Schedules"]
        return schedule_id not in {summary["Name"] for summary in summaries}

    eventually(gone, 20, "the deletion")


def test_a_schedule_is_run_now(stack: Stack, target: Recorder) -> None:
    schedule_id = create(stack, web_action("now", "cron(0 0 1 1 ? *)", target.url("/now")))

    message = command(stack, "POST", f"/api/schedules/{schedule_id}/run")

    execution = ended(stack, schedule_id)
    assert execution["cause"] == "run"
    assert execution["id"] == message["execution_id"]
    assert [request.key for request in requests_at(target, "/now")] == [execution["id"]]


def test_a_target_that_fails_twice_succeeds_at_the_third_try_with_the_same_key(
    stack: Stack, target: Recorder
) -> None:
    retry = {"max_attempts": 3, "min_backoff_seconds": 1, "max_backoff_seconds": 2}
    definition = web_action("flaky", "cron(0 0 1 1 ? *)", target.url("/fail/2/x"), policies={"retry": retry})
    schedule_id = create(stack, definition)
    command(stack, "POST", f"/api/schedules/{schedule_id}/run")

    execution = ended(stack, schedule_id)

    outcomes = [attempt["outcome"] for attempt in execution["attempts"]]
    assert outcomes == ["failed", "failed", "succeeded"]
    requests = requests_at(target, "/fail/2/x")
    assert [request.key for request in requests] == [execution["id"]] * 3


def test_a_payload_beyond_256_kb_arrives_whole(stack: Stack, target: Recorder) -> None:
    large = "☃" * 100_000
    definition = web_action("large", "cron(0 0 1 1 ? *)", target.url("/large"))
    definition["payload"]["body"] = {"text": large}
    schedule_id = create(stack, definition)
    assert stack.get(f"/api/schedules/{schedule_id}").body["payload"]["body"]["text"] == large

    command(stack, "POST", f"/api/schedules/{schedule_id}/run")

    ended(stack, schedule_id)
    assert len(requests_at(target, "/large")) == 1
    bucket = stack.outputs["blobsBucketName"]
    assert stack.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] >= 1


def test_a_schedule_s_times_to_come_are_those_of_its_zone(stack: Stack) -> None:
    definition = {**SEED, "name": "preview"}
    schedule_id = create(stack, definition)
    first = stack.get(f"/api/schedules/{schedule_id}/occurrences?limit=1").body["items"][0]
    shown = datetime.fromisoformat(first["utc"] if "utc" in first else first["time"])
    assert shown.astimezone(ZoneInfo("America/New_York")).hour == 6
    assert shown > datetime.now(UTC)
