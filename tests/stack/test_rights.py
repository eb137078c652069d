"""Each role may do what its function does, and nothing else.

A story makes every function do all that it can do. The emulated IAM writes down whatever it was asked, each
part of a transaction by itself; that is held against the policies of the very template that was deployed. So
a right that is missing shows as a denial, and one that nothing needs as a right that was never used.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import pytest
from infrastructure.synth import synthesize

from tests.e2e.program import web_action
from tests.e2e.recorder import Recorder
from tests.infrastructure.templates import Deployed, statements
from tests.stack.running import STAGE, Stack, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WAIT = {"Prefer": "wait=20"}
NEVER_SOON = "cron(0 0 1 1 ? *)"
FUNCTIONS = ("scheduler", "webapi", "processor", "sweep")

NOT_OUR_CALLS = {
    "logs:CreateLogStream": "Lambda writes a function's log in the name of its role",
    "logs:PutLogEvents": "Lambda writes a function's log in the name of its role",
    "sqs:ReceiveMessage": "Lambda polls the queues in the name of the function's role",
    "sqs:DeleteMessage": "Lambda polls the queues in the name of the function's role",
    "sqs:GetQueueAttributes": "Lambda polls the queues in the name of the function's role",
}
"""Rights that AWS itself uses for a function; the emulated one asks nobody."""


class Story:
    """All that can be asked of the stack, one thing after the other."""

    def __init__(self, stack: Stack, target: Recorder) -> None:
        self._stack = stack
        self._target = target

    def create(self, name: str, expression: str = NEVER_SOON, path: str = "/ok", **more: Any) -> str:
        definition = web_action(name, expression, self._target.url(path), **more)
        answer = self._stack.post("/api/schedules", definition, WAIT)
        assert answer.status == 201, answer.body
        return str(answer.body["schedule_id"])

    def url(self, path: str) -> str:
        """Where the target answers."""
        return self._target.url(path)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self._stack.ask(method, path, body, {**WAIT, **headers})
        assert answer.status < 400, (method, path, answer.status, answer.body)
        return answer.body

    def sweep(self, which: str) -> None:
        answer = self._stack.client("lambda").invoke(
            FunctionName=self._stack.outputs["sweepFunctionName"],
            Payload=json.dumps({"sweep": which}).encode(),
        )
        assert "FunctionError" not in answer, answer["Payload"].read()

    def ends(self, schedule_id: str, number: int = 1) -> None:
        """Wait until so many of its executions are final."""

        def final() -> bool:
            states = [one["status"] for one in self._stack.history(schedule_id)]
            return sum(state not in ("queued", "running") for state in states) >= number

        eventually(final, 60, f"the end of {number} executions of {schedule_id}")


def tell(story: Story) -> None:
    """Everything, in an order in which each step finds what it needs."""
    kept = _schedules(story)
    _executions(story)
    _reading(story, kept)
    story.ask("DELETE", f"/api/schedules/{kept}")
    story.sweep("minute")
    story.sweep("reconcile")


def _schedules(story: Story) -> str:
    kept = story.create("kept", "rate(1 hour)", tags=["a"])
    path = f"/api/schedules/{kept}"
    story.ask("POST", f"{path}/pause", {"reason": "repair"})
    story.ask("POST", f"{path}/resume")
    story.ask("PATCH", path, {"description": "changed", "payload": {"body": {"text": "x" * 80_000}}})
    story.ask("PATCH", path, {"description": "changed again"})
    schedules = [web_action(f"batch{n}", NEVER_SOON, "http://127.0.0.1:9/x") for n in range(3)]
    story.ask("POST", "/api/schedules/batch", {"schedules": schedules}, **{"Idempotency-Key": "batch"})
    key = story.ask("POST", "/api/keys", {"name": "ann", "scope": "read"})
    story.ask("DELETE", f"/api/keys/{key['id']}")
    return kept


def _executions(story: Story) -> None:
    soon = datetime.fromtimestamp(time.time() + 3, UTC)
    fired = story.create("fired", f"at({soon:%Y-%m-%dT%H:%M:%S})")
    backoff = {"max_attempts": 1, "min_backoff_seconds": 1, "max_backoff_seconds": 2}
    flaky = story.create("flaky", path="/fail/1/rights", policies={"retry": backoff})
    story.ask("POST", f"/api/schedules/{flaky}/run", {"payload": _large(story)})
    dead = story.create("dead", path="/fail/1/dead-rights", policies={"retry": {"max_attempts": 0}})
    story.ask("POST", f"/api/schedules/{dead}/run")
    queued = story.create("queued", "rate(1 minute)", policies={"overlap": "queue"})
    hour = datetime.now(UTC) - timedelta(hours=1)
    story.ask(
        "POST", f"/api/schedules/{queued}/backfill", {"from": f"{hour:%Y-%m-%dT%H:%M:%SZ}", "to": _now()}
    )
    story.ends(dead)
    story.ask("POST", "/api/executions/redrive", {"schedule_id": dead})
    story.ends(flaky)
    story.ends(fired)
    slow = story.create("slow", path="/slow/5/x")
    run = story.ask("POST", f"/api/schedules/{slow}/run")["execution_id"]
    story.ask("POST", f"/api/executions/{run}/cancel", {"reason": "enough"})
    story.ends(slow)


def _large(story: Story) -> dict[str, Any]:
    payload: dict[str, Any] = web_action("x", NEVER_SOON, story.url("/fail/1/rights"))["payload"]
    return {**payload, "body": {"text": "y" * 80_000}}


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _reading(story: Story, kept: str) -> None:
    for path in (
        "/api/schedules",
        "/api/schedules?order=name&tag=a",
        f"/api/schedules/{kept}",
        f"/api/schedules/{kept}/executions",
        "/api/executions",
        "/api/executions?dead_letter=true",
        "/api/keys",
    ):
        story.ask("GET", path)


Asked = dict[str, set[tuple[str, str]]]


def asked(stack: Stack, *, allowed: bool) -> Asked:
    """What each function asked of IAM: pairs of an action and a resource."""
    found: Asked = defaultdict(set)
    for line in stack.asked.read_text().splitlines():
        one = json.loads(line)
        for function in FUNCTIONS:
            if f"/rez-agent-{function}-role-{STAGE}/" in one["principal"] and one["allowed"] is allowed:
                found[function].add((one["action"], one["resource"]))
    return found


def test_each_function_may_do_what_it_does_and_does_what_it_may(stack: Stack, target: Recorder) -> None:
    tell(Story(stack, target))

    denied = asked(stack, allowed=False)
    assert denied == {}
    used = asked(stack, allowed=True)
    deployed = Deployed(synthesize(STAGE))
    unused = {
        f"{function} {action} {resource}"
        for function in FUNCTIONS
        for statement in statements(deployed.role(function))
        for action in statement["Action"]
        if action not in NOT_OUR_CALLS
        for resource in statement["Resource"]
        if not any(a == action and fnmatchcase(_tail(r), _tail(resource)) for a, r in used[function])
    }
    print("\n".join(sorted(unused)))
    assert not unused


def _tail(arn: str) -> str:
    """An ARN without account and region, which differ between a template and an emulator."""
    return arn.rpartition(":")[2].replace("123456789012", "000000000000")
