"""An emulated AWS with roles, queues and functions of a test's own."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from infrastructure.aws_local.process import Endpoint

LATEST_SECONDS = 1.0
"""How late a call may be."""


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid4().hex[:10]}"


def soon(seconds: int = 1) -> datetime:
    """A whole second at least ``seconds`` ahead."""
    return (datetime.now(UTC) + timedelta(seconds=seconds + 1)).replace(microsecond=0)


def at(due: datetime, zone: str = "UTC") -> dict[str, str]:
    """The members of a schedule that is due at ``due``, written in ``zone``."""
    wall = due.astimezone(ZoneInfo(zone))
    return {"ScheduleExpression": f"at({wall:%Y-%m-%dT%H:%M:%S})", "ScheduleExpressionTimezone": zone}


def trust(service: str) -> str:
    """The trust policy of a role that ``service`` may assume."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(actions: Sequence[str], resources: Sequence[str]) -> str:
    """A policy of one statement."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of the emulated AWS."""

    sqs: Any
    url: str
    arn: str

    def take(self, seconds: int = 6) -> dict[str, Any] | None:
        """The next message, at most ``seconds`` from now, deleted; None where none comes."""
        names: dict[str, Any] = {"MessageAttributeNames": ["All"], "AttributeNames": ["All"]}
        found = self.sqs.receive_message(QueueUrl=self.url, WaitTimeSeconds=seconds, **names)
        for message in found.get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            return dict(message)
        return None

    def sent(self) -> tuple[dict[str, Any], datetime]:
        """The next message's body, and when it was sent."""
        message = self.take()
        assert message is not None, "no message came"
        when = int(message["Attributes"]["SentTimestamp"])
        return json.loads(message["Body"]), datetime.fromtimestamp(when / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Rig:
    """What a test makes in an emulated AWS."""

    endpoint: Endpoint

    def client(self, service: str) -> Any:
        """A client with every right."""
        return self.endpoint.client(service)

    def queue(self, name: str | None = None) -> Queue:
        """A new queue."""
        sqs, name = self.client("sqs"), name or unique("queue")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        return Queue(sqs, url, f"arn:aws:sqs:{self.endpoint.region}:{self.endpoint.account}:{name}")

    def user(self, *policies: str) -> Endpoint:
        """The emulator as a new user with these rights sees it."""
        iam, name = self.client("iam"), unique("user")
        iam.create_user(UserName=name)
        for number, policy in enumerate(policies):
            iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return replace(self.endpoint, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])

    def role(
        self, *resources: str, actions: Sequence[str] = ("sqs:SendMessage",), service: str = "scheduler"
    ) -> str:
        """A new role that a service trusts and that may do ``actions`` to ``resources``; its ARN."""
        iam, name = self.client("iam"), unique("role")
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(f"{service}.amazonaws.com"))
        if resources:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=allow(actions, resources))
        return str(made["Role"]["Arn"])

    def function(self, source: str, *resources: str, actions: Sequence[str] = ("sqs:SendMessage",)) -> str:
        """A new function ``handler(event, context)`` in ``source``, with rights of its own; its ARN."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", source)
        made = self.client("lambda").create_function(
            FunctionName=unique("function"),
            Runtime="python3.11",
            Role=self.role(*resources, actions=actions, service="lambda"),
            Handler="index.handler",
            Code={"ZipFile": packed.getvalue()},
            Timeout=10,
        )
        return str(made["FunctionArn"])

    def schedule(self, target: str, role: str, name: str | None = None, **members: Any) -> str:
        """A new schedule of ``target``; ``members`` are the request's further ones, or its target's."""
        name = name or unique("schedule")
        self.client("scheduler").create_schedule(**self.request(target, role, name, **members))
        return name

    def request(self, target: str, role: str, name: str, **members: Any) -> dict[str, Any]:
        """What CreateSchedule and UpdateSchedule take."""
        own = ("Input", "RetryPolicy", "DeadLetterConfig", "SqsParameters")
        called = {"Arn": target, "RoleArn": role, **{key: members.pop(key) for key in own if key in members}}
        return {"Name": name, "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": called, **members}
