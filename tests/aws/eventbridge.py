"""EventBridge Scheduler for a test that moves the clock by hand: the emulator keeps the schedules, the test's
clock says what time it is there, and the emulator's own model says what fires."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from infrastructure.aws_local.eventbridge import Firing, Ticker, invocation

from rez_agent.aws.translation import Wiring
from rez_agent.ports import Clock
from tests.aws.stage import Stage, client

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}

_DATES = ("StartDate", "EndDate")


class ClockedScheduler:
    """A client of EventBridge Scheduler where it is as late as ``clock`` says.

    The emulator goes by the machine's clock, by which it refuses dates in the past. So dates are moved on
    their way there and back; those of a schedule's creation and last change are the test's own.
    """

    def __init__(self, scheduler: Any, clock: Clock) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._ahead = timedelta(seconds=int((datetime.now(UTC) - clock.now()).total_seconds()) + 1)
        self._made: dict[str, datetime] = {}
        self._changed: dict[str, datetime] = {}
        self.calls: list[str] = []

    def create_schedule(self, **request: Any) -> Any:
        """As the API's."""
        answer = self._call("create_schedule", self._there(request))
        self._made[request["Name"]] = self._changed[request["Name"]] = self._clock.now()
        return answer

    def update_schedule(self, **request: Any) -> Any:
        """As the API's."""
        answer = self._call("update_schedule", self._there(request))
        self._changed[request["Name"]] = self._clock.now()
        return answer

    def get_schedule(self, **request: Any) -> Any:
        """As the API's."""
        return self._back(self._call("get_schedule", request))

    def list_schedules(self, **request: Any) -> Any:
        """As the API's."""
        answer = self._call("list_schedules", request)
        return {**answer, "Schedules": [self._back(each) for each in answer["Schedules"]]}

    def delete_schedule(self, **request: Any) -> Any:
        """As the API's."""
        return self._call("delete_schedule", request)

    def _call(self, operation: str, request: dict[str, Any]) -> Any:
        self.calls.append(operation)
        return getattr(self._scheduler, operation)(**request)

    def _there(self, request: dict[str, Any]) -> dict[str, Any]:
        return request | {name: request[name] + self._ahead for name in _DATES if name in request}

    def _back(self, found: dict[str, Any]) -> dict[str, Any]:
        name = found["Name"]
        dates = {each: found[each] - self._ahead for each in _DATES if found.get(each)}
        return (
            found
            | dates
            | {
                "CreationDate": self._made.get(name, found["CreationDate"] - self._ahead),
                "LastModificationDate": self._changed.get(name, found["LastModificationDate"] - self._ahead),
            }
        )


class Eventbridge:
    """A stage's schedules, and what fires of them."""

    def __init__(self, stage: Stage, clock: Clock) -> None:
        settings = stage.settings
        self.wiring = Wiring(
            settings.schedule_group,
            settings.scheduler_function,
            settings.execution_role,
            settings.scheduler_dead_letters,
        )
        self.client = ClockedScheduler(client("scheduler"), clock)
        self._clock = clock
        self._ticker = Ticker(clock.now())
        client("scheduler").create_schedule_group(Name=settings.schedule_group)
        client("iam").create_role(
            RoleName=stage.names.execution_role, AssumeRolePolicyDocument=json.dumps(TRUST)
        )

    def held(self) -> dict[str, dict[str, Any]]:
        """Every schedule that EventBridge holds, whole, by name."""
        return {document["Name"]: document for document in self._documents()}

    def fire(self, take: Callable[[dict[str, Any]], object]) -> None:
        """Hand everything that is due by now to ``take``, as the scheduler function is given it."""
        for firing in self._ticker.due(list(self._documents()), self._clock.now()):
            take(json.loads(invocation(firing.document, firing.due, firing.execution_id, 1)))
            if firing.deletes:
                self._delete_unless_changed(firing)

    def _documents(self) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            answer = self.client.list_schedules(GroupName=self.wiring.group, **token)
            for summary in answer["Schedules"]:
                yield self.client.get_schedule(Name=summary["Name"], GroupName=self.wiring.group)
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _delete_unless_changed(self, firing: Firing) -> None:
        present = self.held().get(firing.document["Name"])
        if present is not None and present["LastModificationDate"] == firing.document["LastModificationDate"]:
            self.client.delete_schedule(Name=present["Name"], GroupName=self.wiring.group)
