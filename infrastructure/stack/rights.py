"""What each role may do, as a table: what its function calls, on what it calls it on, and nothing else.

An action is granted on ``*`` only where AWS knows no resource for it; its ``why`` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infrastructure.stack.place import Place
from rez_agent.aws.tables import (
    BY_CREATOR,
    BY_STATUS,
    EXECUTIONS,
    IN_FLIGHT,
    MESSAGES,
    PENDING,
    QUEUE,
    RECORDS,
    SCHEDULES,
    TABLES,
    UNARMED,
    WRITTEN,
    Index,
    Table,
)

WORK = ("web-actions", "notifications", "custom")
"""The topics of work, and the queues behind them."""

KEEP_ENGINE = (
    "scheduler:CreateSchedule",
    "scheduler:GetSchedule",
    "scheduler:UpdateSchedule",
    "scheduler:DeleteSchedule",
)


@dataclass(frozen=True, slots=True)
class Right:
    """Leave to take ``actions`` on ``resources`` under ``conditions``. ``why``: the reason, where the actions
    don't say it themselves."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    why: str = ""

    def statement(self) -> dict[str, Any]:
        """The right as a statement of a policy."""
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": sorted(self.actions),
            "Resource": sorted(self.resources),
        }
        return {**statement, "Condition": self.conditions} if self.conditions else statement


def rights_of_functions(place: Place) -> dict[str, tuple[Right, ...]]:
    """What the role of each function may do."""
    return {
        "webapi": (
            _logs(place, "webapi"),
            _get(place, *TABLES),
            _get_many(place, *TABLES),
            _query(place, EXECUTIONS, RECORDS),
            _query_index(place, SCHEDULES, BY_STATUS, BY_CREATOR),
            _query_index(place, MESSAGES, PENDING),
            _query_index(place, EXECUTIONS, WRITTEN),
            _put(place, MESSAGES, RECORDS),
            _put(
                place,
                SCHEDULES,
                why="The design gives it, though it is the scheduler that applies commands.",
            ),
            _delete(place, why="Keys go, and what owns a payload that was kept for an Idempotency-Key."),
            _publish(place, "schedule-creation", "notifications"),
            *_payloads(place, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
            *_secrets(place),
        ),
        "scheduler": (
            _logs(place, "scheduler"),
            _get(place, *TABLES),
            _get_many(place, EXECUTIONS, RECORDS),
            _query(place, EXECUTIONS, RECORDS),
            _query_index(place, EXECUTIONS, IN_FLIGHT, QUEUE),
            _put(place, *TABLES),
            _delete(place, why="A name is free again when its schedule goes."),
            _count(place),
            _publish(place, *WORK),
            _send(place, *WORK, why="Work that is due later goes to its queue with a delay."),
            *_payloads(place, "s3:GetObject", "s3:PutObject"),
            *_secrets(place),
            *_engine(place),
            _on_failure(place),
        ),
        "processor": (
            _logs(place, "processor"),
            _get(place, SCHEDULES, EXECUTIONS, RECORDS),
            _query(place, EXECUTIONS, why="A condition may ask for the last run."),
            _query_index(place, EXECUTIONS, IN_FLIGHT),
            _put(place, EXECUTIONS, RECORDS),
            _delete(place, why="What stands for an alert that is to be sent goes when it was."),
            _receive(place, *WORK),
            _hurry(place, *WORK),
            _publish(place, *WORK),
            _send(place, *WORK, why="A retry is a new message with a delay."),
            *_payloads(place, "s3:GetObject"),
            *_secrets(place),
        ),
        "sweep": (
            _logs(place, "sweep"),
            _get(place, *TABLES),
            _get_many(place, SCHEDULES, EXECUTIONS),
            _query(place, EXECUTIONS, RECORDS),
            _query_index(place, SCHEDULES, UNARMED),
            _query_index(place, MESSAGES, PENDING),
            _query_index(place, EXECUTIONS, IN_FLIGHT, QUEUE),
            Right(
                ("dynamodb:Scan",),
                (place.table(SCHEDULES.what),),
                why="The reconcile goes through all of them.",
            ),
            _put(place, *TABLES),
            _delete(place, why="Names of schedules that delete themselves, and payloads that nobody owns."),
            _count(place),
            _publish(place, "schedule-creation", *WORK),
            _send(place, *WORK, why="Work that is due later goes to its queue with a delay."),
            *_payloads(place, "s3:GetObject", "s3:DeleteObject"),
            *_engine(place),
            Right(("scheduler:ListSchedules",), ("*",), why="AWS knows no resource for it."),
            _on_failure(place),
        ),
    }


def execution_rights(place: Place) -> tuple[Right, ...]:
    """What EventBridge Scheduler may do to fire a user's schedule."""
    return (
        Right(("lambda:InvokeFunction",), (place.function("scheduler"),)),
        _send(place, "scheduler-dead-letters", why="Dead letters of the hand-over."),
    )


def timer_rights(place: Place) -> tuple[Right, ...]:
    """What EventBridge Scheduler may do to start the sweep."""
    return (Right(("lambda:InvokeFunction",), (place.function("sweep"),)),)


def policy(rights: tuple[Right, ...]) -> dict[str, Any]:
    """The rights as a policy."""
    return {"Version": "2012-10-17", "Statement": [right.statement() for right in rights]}


def trust(service: str, conditions: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Any]:
    """The policy that lets an AWS service assume a role."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if conditions:
        statement["Condition"] = conditions
    return {"Version": "2012-10-17", "Statement": [statement]}


def _logs(place: Place, function: str) -> Right:
    return Right(("logs:CreateLogStream", "logs:PutLogEvents"), (place.log_streams(function),))


def _get(place: Place, *tables: Table) -> Right:
    return Right(("dynamodb:GetItem",), _arns(place, tables))


def _get_many(place: Place, *tables: Table) -> Right:
    return Right(("dynamodb:BatchGetItem",), _arns(place, tables))


def _query(place: Place, *tables: Table, why: str = "") -> Right:
    return Right(("dynamodb:Query",), _arns(place, tables), why=why)


def _query_index(place: Place, table: Table, *indexes: Index) -> Right:
    return Right(("dynamodb:Query",), tuple(place.index(table.what, index.name) for index in indexes))


WHOLE = "Items are written whole. A transaction needs the rights of its parts; there is none of its own."


def _put(place: Place, *tables: Table, why: str = WHOLE) -> Right:
    return Right(("dynamodb:PutItem",), _arns(place, tables), why=why)


def _delete(place: Place, why: str) -> Right:
    """Only records are deleted. Everything else goes by its TTL."""
    return Right(("dynamodb:DeleteItem",), _arns(place, [RECORDS]), why=why)


def _count(place: Place) -> Right:
    return Right(("dynamodb:UpdateItem",), _arns(place, [RECORDS]), why="An owner's schedules are counted.")


def _arns(place: Place, tables: Iterable[Table]) -> tuple[str, ...]:
    return tuple(place.table(table.what) for table in tables)


def _publish(place: Place, *topics: str) -> Right:
    return Right(("sns:Publish",), tuple(place.topic(topic) for topic in topics))


def _send(place: Place, *queues: str, why: str = "") -> Right:
    return Right(("sqs:SendMessage",), tuple(place.queue(queue) for queue in queues), why=why)


def _receive(place: Place, *queues: str) -> Right:
    actions = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    why = "Lambda polls the queues in the name of the function's role."
    return Right(actions, tuple(place.queue(queue) for queue in queues), why=why)


def _hurry(place: Place, *queues: str) -> Right:
    why = "What can't be read goes back to its queue to be received again at once."
    return Right(("sqs:ChangeMessageVisibility",), tuple(place.queue(queue) for queue in queues), why=why)


def _payloads(place: Place, *actions: str) -> tuple[Right, ...]:
    why = "To list them, and because S3 answers AccessDenied instead of NoSuchKey to those who may not list."
    return (Right(actions, (place.objects,)), Right(("s3:ListBucket",), (place.bucket,), why=why))


def _secrets(place: Place) -> tuple[Right, ...]:
    """To use secrets, to check that they may be used so, and to strike them out of what is kept."""
    return (
        Right(("secretsmanager:GetSecretValue",), (place.secrets,)),
        Right(("secretsmanager:ListSecrets",), ("*",), why="AWS knows no resource for it."),
    )


def _engine(place: Place) -> tuple[Right, ...]:
    passed = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    return (
        Right(
            KEEP_ENGINE, (place.schedules,), why="The design gives all four, though only the sweep asks back."
        ),
        Right(("iam:PassRole",), (place.execution_role,), passed, "A schedule names the role that fires it."),
    )


def _on_failure(place: Place) -> Right:
    return _send(place, "scheduler-dead-letters", why="Lambda sends what failed in the name of the role.")
