"""Each role may do what its function does, and nothing else.

A story makes every function do all that it can do. The emulated IAM writes down whatever it was asked, each
part of a transaction by itself; that is held against the policies of the very template that was deployed. So
a right that is missing shows as a denial, and one that nothing needs as a right that was never used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from typing import NamedTuple

import pytest
from infrastructure.synth import synthesize

from infrastructure.aws_local import emulator
from tests.e2e.recorder import Recorder
from tests.infrastructure.templates import ACCOUNT, REGION, Deployed, allows, statements
from tests.stack.running import STAGE, Stack, running_stack
from tests.stack.story import Story, tell
from tests.stack.zips import built_zips

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FUNCTIONS = ("scheduler", "webapi", "processor", "sweep")


class Unused(NamedTuple):
    """A right that functions have and the story does not use, and why they have it. ``resource`` is a pattern
    of its ARN."""

    functions: tuple[str, ...]
    action: str
    resource: str
    why: str


LOGS = "Lambda writes a function's log in the name of its role; the emulated one asks nobody."
POLLS = "Lambda polls a queue in the name of its function's role; the emulated one asks nobody."
FAILED = "Lambda sends what failed in the name of the function's role; the emulated one asks nobody."
ABSENT = "S3 asks for it when an object is not there, to answer NoSuchKey; the emulated one asks nobody."
DESIGN = "The design lists it for the function, whose code has no need of it."
OLD = "Only objects older than a day are collected, and the emulated S3 dates them by its own clock."

UNUSED = (
    Unused(FUNCTIONS, "logs:CreateLogStream", "*", LOGS),
    Unused(FUNCTIONS, "logs:PutLogEvents", "*", LOGS),
    Unused(("processor",), "sqs:ReceiveMessage", "*", POLLS),
    Unused(("processor",), "sqs:DeleteMessage", "*", POLLS),
    Unused(("processor",), "sqs:GetQueueAttributes", "*", POLLS),
    Unused(("scheduler", "sweep"), "sqs:SendMessage", "*:rez-agent-scheduler-dead-letters-dev", FAILED),
    Unused(("scheduler", "webapi", "processor"), "s3:ListBucket", "*", ABSENT),
    Unused(("scheduler",), "scheduler:GetSchedule", "*", DESIGN),
    Unused(("webapi",), "dynamodb:PutItem", "*:table/rez-agent-schedules-dev", DESIGN),
    Unused(("sweep",), "s3:DeleteObject", "*", OLD),
)
"""Everything that is granted is used in the story, or stands here."""

PASSED = {"iam:PassedToService": "scheduler.amazonaws.com"}
"""What IAM knows of a role that is passed: only EventBridge Scheduler is given one."""


class Call(NamedTuple):
    """What a function asked IAM for; the ARN as the template has it."""

    function: str
    action: str
    resource: str


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: what other tests ask, and what they take away to see it missed, is no evidence."""
    asked = tmp_path_factory.mktemp("rights") / "asked.jsonl"
    with running_stack(built_zips(tmp_path_factory), asked) as stack:
        yield stack


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed(synthesize(STAGE))


def test_each_function_may_do_what_it_does_and_does_what_it_may(
    own_stack: Stack, target: Recorder, deployed: Deployed
) -> None:
    granted = set(_granted(deployed))
    listed = {right for right in granted if any(_is(one, right) for one in UNUSED)}

    try:
        tell(Story(own_stack, target))
    finally:
        assert set(_asked(own_stack, allowed=False)) == set()

    assert _never_used(granted - listed, own_stack) == set()
    assert set(_asked(own_stack, allowed=False)) == set()
    assert listed - _never_used(listed, own_stack, seconds=0) == set(), "listed as unused, and used"
    assert [one for one in UNUSED if not any(_is(one, right) for right in granted)] == []
    assert {call for call in _asked(own_stack, allowed=True) if not _allowed(deployed, call)} == set()


def _granted(deployed: Deployed) -> Iterator[Call]:
    """What the template grants; the resources are patterns."""
    for function in FUNCTIONS:
        for statement in statements(deployed.role(function)):
            for action, resource in product(statement["Action"], statement["Resource"]):
                yield Call(function, action, resource)


def _is(one: Unused, right: Call) -> bool:
    return (
        right.function in one.functions
        and right.action == one.action
        and fnmatchcase(right.resource, one.resource)
    )


def _asked(stack: Stack, *, allowed: bool) -> Iterator[Call]:
    """What the functions asked of IAM; with the account and the region of the template in its place."""
    written, _, _ = stack.asked.read_text().rpartition("\n")  # the last line may not be whole yet
    for line in written.splitlines():
        one = json.loads(line)
        resource = one["resource"].replace(emulator.ACCOUNT, ACCOUNT).replace(emulator.REGION, REGION)
        for function in FUNCTIONS:
            if f"/rez-agent-{function}-role-{STAGE}/" in one["principal"] and one["allowed"] is allowed:
                yield Call(function, one["action"], resource)


def _never_used(rights: set[Call], stack: Stack, *, seconds: float = 30) -> set[Call]:
    """Those of ``rights`` that were not used within so many seconds."""
    until = time.monotonic() + seconds
    while True:
        calls = set(_asked(stack, allowed=True))
        unused = {right for right in rights if not any(_uses(call, right) for call in calls)}
        if not unused or time.monotonic() >= until:
            return unused
        time.sleep(0.2)


def _uses(call: Call, right: Call) -> bool:
    return call[:2] == right[:2] and fnmatchcase(call.resource, right.resource)


def _allowed(deployed: Deployed, call: Call) -> bool:
    context = PASSED if call.action == "iam:PassRole" else {}
    return allows(deployed.role(call.function), call.action, call.resource, context)
