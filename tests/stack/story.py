"""A story in which every function of the stack does all that it can do.

What people ask for goes through the API and the topic. What faults leave behind is put straight into the
tables and into EventBridge Scheduler; then the sweep and the reconcile go by. The steps don't wait for what
they bring about, except where a later one needs it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rez_agent.aws.arming import WATCHED
from rez_agent.aws.execution_items import digits
from rez_agent.aws.items import PENDING, UNARMED, stamp
from rez_agent.aws.passes import KEY, KIND
from rez_agent.aws.tables import MESSAGES, RECORDS
from rez_agent.domain.instants import rfc3339
from tests.e2e.program import at, web_action
from tests.e2e.recorder import Recorder
from tests.stack.console import Console
from tests.stack.running import Stack, eventually

WAIT = {"Prefer": "wait=20"}
NEVER_SOON = "cron(0 0 1 1 ? *)"
HOURLY = "cron(0 * * * ? *)"
HOUR = timedelta(hours=1)
LARGE = {"text": "x" * 80_000}
"""More than stands in an item."""

TOPICS = {
    "web_action": "webActionsTopicArn",
    "notification": "notificationsTopicArn",
    "custom": "customTopicArn",
}
"""The topic of work of each kind, by its output."""


@dataclass(frozen=True, slots=True)
class Story:
    """The stack as people see it, and as somebody with every right does."""

    stack: Stack
    target: Recorder

    @property
    def console(self) -> Console:
        """The other way in."""
        return Console(self.stack)

    def definition(self, name: str, expression: str = NEVER_SOON, path: str = "/ok", **more: Any) -> Any:
        """A schedule that calls ``path``; ``headers`` and ``body`` are its request's."""
        request = {key: more.pop(key) for key in ("headers", "body") if key in more}
        definition = web_action(name, expression, self.target.url(path), **more)
        return {**definition, "payload": {**definition["payload"], **request}}

    def create(self, name: str, *definition: str, **more: Any) -> str:
        """Create a schedule; its id, once EventBridge has taken it up."""
        body = self.ask("POST", "/api/schedules", self.definition(name, *definition, **more))
        return str(self.console.row(body["schedule_id"])["id"])

    def ask(self, method: str, path: str, body: Any = None, *, key: str = "", refused: int = 0) -> Any:
        """The answer to a request, once it is carried out. ``key``: under this Idempotency-Key; ``refused``:
        with this status."""
        headers = {**WAIT, "Idempotency-Key": key} if key else WAIT
        answer = self.stack.ask(method, path, body, headers)
        assert answer.status == refused or (answer.status < 300 and not refused), (path, answer)
        return answer.body

    def run(self, schedule_id: str, payload: Any = None) -> str:
        """Run a schedule now; the execution's id."""
        asked = None if payload is None else {"payload": payload}
        return str(self.ask("POST", f"/api/schedules/{schedule_id}/run", asked)["execution_id"])

    def ended(self, schedule_id: str, number: int = 1) -> list[str]:
        """The ids of so many of a schedule's executions, once they are final."""

        def final() -> list[str]:
            history = self.stack.history(schedule_id)
            ids = [one["id"] for one in history if one["status"] not in ("queued", "running")]
            return ids[:number] if len(ids) >= number else []

        found: list[str] = eventually(final, 60, f"the end of {number} executions of {schedule_id}")
        return found


def tell(story: Story) -> None:
    """All of it."""
    story.console.keep_secret("TOKEN", "not for everybody", "127.0.0.1")
    kept = _change(story)
    _create(story)
    kinds = {kind: _work(story, kind) for kind in TOPICS}
    spare = _execute(story)
    _read(story, kept)
    _alert(story, kept)
    _leave_undone(story, kinds, spare, kept)
    story.console.invoke("sweep", {"sweep": "minute"})
    _disagree(story)
    story.console.invoke("sweep", {"sweep": "reconcile"})
    story.ask("DELETE", f"/api/schedules/{kept}")


# --- what people ask for ---


def _alert(story: Story, kept: str) -> None:
    """A rule, changed, tested through a channel, and gone; and what it leaves in the list."""
    asked = {"name": "kept", "kind": "dead_letter", "schedule_id": kept, "channels": ["log"]}
    rule = story.ask("POST", "/api/alert-rules", asked)
    path = f"/api/alert-rules/{rule['id']}"
    story.ask("PUT", path, {**asked, "quiet_period_seconds": 60})
    told = story.ask("POST", f"{path}/test", {})
    assert [one["status"] for one in told["notices"]] == ["sent"]
    assert story.ask("GET", "/api/alerts")["items"][0]["id"] == told["id"]
    story.ask("DELETE", path)


def _change(story: Story) -> str:
    """A schedule's life, but for its end; its id."""
    kept = story.create("kept", "rate(1 hour)", tags=["a"])
    path = f"/api/schedules/{kept}"
    story.ask("POST", f"{path}/pause", {"reason": "repair"})
    story.ask("POST", f"{path}/resume")
    story.ask("PATCH", path, {"description": "changed", "payload": {"body": LARGE}})
    story.ask("PATCH", path, {"description": "changed again"})
    return kept


def _create(story: Story) -> None:
    """Every way to create, and what is refused."""
    batch = {"schedules": [story.definition(f"batch{number}") for number in range(3)]}
    story.ask("POST", "/api/schedules/batch", batch, key="batch")
    _create_under_an_old_key(story)
    unknown = story.definition("unknown", headers={"X-Token": {"secret": "TOKENS"}})
    story.ask("POST", "/api/schedules", unknown, refused=422)
    for definition in (story.definition("by-topic"), unknown):
        story.console.publish("scheduleCreationTopicArn", {"action": "create", "schedule": definition})
    key = story.ask("POST", "/api/keys", {"name": "ann", "scope": "read"})
    story.ask("DELETE", f"/api/keys/{key['id']}")


def _create_under_an_old_key(story: Story) -> None:
    """An Idempotency-Key whose time is over, and whose answer is still there: DynamoDB forgets late."""
    for name in ("large", "large-again"):
        definition = story.definition(name, body=LARGE)
        story.ask("POST", "/api/schedules", definition, key="large")
        (row,) = (row for row in story.console.items(RECORDS) if "value_blob" in row)
        story.console.put(RECORDS, {**row, "expires_at": stamp(_now() - HOUR)})


def _work(story: Story, kind: str) -> str:
    """Work of a kind: at once, one after the other, and ahead of its time; then some that nobody can read.
    Only the kind of work counts: what the stage carries nothing for fails in the processor."""
    one_by_one = _of_kind(story, kind, story.create(f"{kind}-1", HOURLY, policies={"overlap": "queue"}))
    story.run(one_by_one)
    since = {"from": rfc3339(_now() - 3 * HOUR), "to": rfc3339(_now())}
    story.ask("POST", f"/api/schedules/{one_by_one}/backfill", since)
    early = _of_kind(story, kind, story.create(f"{kind}-2", policies={"overlap": "allow"}))
    _fire_early(story, kind, early)
    story.console.publish(TOPICS[kind], {"poison": kind})
    return one_by_one


def _of_kind(story: Story, kind: str, schedule_id: str) -> str:
    story.console.change_schedule(schedule_id, target_type=kind)
    return schedule_id


def _fire_early(story: Story, kind: str, schedule_id: str) -> None:
    """EventBridge's clock is ahead of the function's, and the queue does not wait as long as it was asked."""
    due = (_now() + timedelta(seconds=30)).replace(microsecond=0)
    firing = {"schedule_id": schedule_id, "revision": 1, "scheduled_time": rfc3339(due)}
    story.console.invoke("scheduler", firing)
    (execution,) = story.stack.history(schedule_id)
    message = {"schedule_id": schedule_id, "execution_id": execution["id"]}
    story.console.publish(TOPICS[kind], message)


def _execute(story: Story) -> list[str]:
    """What becomes of executions; schedules with one that has ended."""
    fired = story.create("fired", at(_now().timestamp() + 4))
    judged = story.create("judged", at(_now().timestamp() + 4), condition="runs_today < 5")
    secret = story.create("secret", headers={"X-Token": {"secret": "TOKEN"}})
    story.run(secret)
    retry = {"retry": {"max_attempts": 1, "min_backoff_seconds": 1, "max_backoff_seconds": 2}}
    flaky = story.create("flaky", path="/fail/1/rights", policies=retry)
    story.run(flaky, story.definition("x", path="/fail/1/rights", body=LARGE)["payload"])
    dead = story.create("dead", path="/fail/1/dead-rights", policies={"retry": {"max_attempts": 0}})
    story.run(dead)
    story.ended(dead)
    story.ask("POST", "/api/executions/redrive", {"schedule_id": dead})
    for schedule in (fired, judged, secret, flaky, dead):
        story.ended(schedule)
    run = story.run(story.create("cancelled", path="/slow/5/x"))
    story.ask("POST", f"/api/executions/{run}/cancel", {"reason": "enough"})
    return [secret, flaky]


def _read(story: Story, kept: str) -> None:
    owner = story.ask("GET", f"/api/schedules/{kept}")["created_by"]
    for path in (
        "/api/schedules",
        "/api/schedules?order=name&tag=a",
        f"/api/schedules?order=name&created_by={owner}",
        f"/api/schedules?created_by={owner}",
        f"/api/schedules/{kept}/executions",
        "/api/executions",
        "/api/executions?dead_letter=true",
        "/api/keys",
    ):
        story.ask("GET", path)
    story.ask("GET", "/api/schedules/sch_nobody", refused=404)


# --- what faults leave behind ---


def _leave_undone(story: Story, kinds: dict[str, str], spare: list[str], kept: str) -> None:
    """Something for every step of the sweep."""
    for schedule in kinds.values():
        _lose_work(story, *story.ended(schedule, 2))
    taken, held = (story.ended(schedule)[0] for schedule in spare)
    console, now = story.console, _now()
    console.change_execution(taken, status="running", lease_until=stamp(now - HOUR))
    console.change_execution(held, status="queued", next_attempt_at=None)
    _lose_commands(story)
    _lose_armings(story)
    _lose_the_end_of_a_pause(story, kept)


def _lose_work(story: Story, lost: str, late: str) -> None:
    """Work that nobody took from its topic; and such that the index still has where it was."""
    now = _now()
    story.console.change_execution(lost, status="queued", next_attempt_at=stamp(now - HOUR))
    story.console.change_execution(
        late, status="queued", next_attempt_at=stamp(now + HOUR), queue_at=digits(now - HOUR)
    )


def _lose_commands(story: Story) -> None:
    """A command that nobody took from the topic, and one that was given up, too large for its row."""
    rows = list(story.console.items(MESSAGES))
    resumed = next(row for row in rows if row["action"] == "resume")
    large = next(row for row in rows if "request_blob" in row)
    for row, age in ((resumed, timedelta(minutes=3)), (large, 2 * HOUR)):
        again = {"id": f"{row['id']}x", "status": "queued", "pending": PENDING, "ttl": None}
        story.console.put(MESSAGES, {**row, **again, "created_date": stamp(_now() - age)})


def _lose_armings(story: Story) -> None:
    """Schedules that EventBridge has not heard the last of; the time of one has come meanwhile."""
    marked = {"unarmed": UNARMED, "unarmed_since": stamp(_now() - HOUR)}
    lost = story.create("lost")
    story.console.lose(lost)
    story.console.change_schedule(lost, **marked)
    passed = story.create("passed", at(_now().timestamp() + 7_200))
    then = _now() - HOUR / 2
    due = {"schedule_expression": at(then.timestamp()), "next_run": stamp(then.replace(microsecond=0))}
    story.console.change_schedule(passed, **due, **marked)


def _lose_the_end_of_a_pause(story: Story, schedule_id: str) -> None:
    pause = {"by": "ann", "since": stamp(_now() - HOUR), "until": stamp(_now() - HOUR / 2), "reason": None}
    marked = {"unarmed": WATCHED, "unarmed_since": stamp(_now() - HOUR / 2)}
    story.console.change_schedule(schedule_id, status="paused", pause=json.dumps(pause), **marked)


def _disagree(story: Story) -> None:
    """Something for every kind of thing that the reconcile mends, left long ago."""
    console, now = story.console, _now()
    before = {"armed_at": stamp(now - HOUR)}
    missing, drifted, orphaned = (story.create(name) for name in ("missing", "drifted", "orphaned"))
    console.lose(missing)
    console.misarm(drifted)
    console.copy(orphaned, "sch_orphan")
    owing = story.create("owing", HOURLY)
    over = story.create("over", policies={"on_completion": "delete"})
    for schedule in (missing, drifted):
        console.change_schedule(schedule, **before)
    console.change_schedule(owing, **before, next_run=stamp(now - 3 * HOUR))
    console.change_schedule(over, **before, next_run=None, finished_at=stamp(now - HOUR))
    console.forget(f"record#{KIND}", KEY)


def _now() -> datetime:
    return datetime.now(UTC)
