"""Fires schedules as EventBridge Scheduler does: on time, as their role, with retries and dead letters.

One thread looks ten times a second which firings :class:`~infrastructure.aws_local.eventbridge.Ticker` has;
each call of a target is made through the public API, by a pool of threads, with the credentials of a session
of the schedule's role, so IAM judges it. What fails is tried again when the retry policy says so. A schedule
that is to be deleted after completion is deleted when its last firing has ended, well or badly.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from infrastructure.aws_local.eventbridge import (
    Again,
    Document,
    Firing,
    Ticker,
    dead_letter,
    invocation,
    retry,
)

_LOG = logging.getLogger(__name__)
_TICK_SECONDS = 0.1
_UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"

ClientFor = Callable[[Document, str], Any]
"""A boto3 client of a service, acting as a schedule's role; RoleRefused where that cannot be assumed."""


class RoleRefused(Exception):
    """The execution role does not exist, or does not trust EventBridge Scheduler."""


@dataclass(frozen=True, slots=True)
class World:
    """What firing needs of its surroundings."""

    documents: Callable[[], Iterable[Document]]
    client: ClientFor
    delete: Callable[[Document], None]
    """Deletes a schedule, unless it was changed since."""
    backoff: float = 1.0
    """Seconds before the first retry."""


class Scheduler:
    """The thread that fires. ``start`` it once; it ends with the process or at ``stop``."""

    def __init__(self, world: World, threads: int = 16) -> None:
        self._world = world
        self._ticker = Ticker(datetime.now(UTC))
        self._pool = ThreadPoolExecutor(threads, "firing")
        self._retries: list[tuple[datetime, int, Firing, int]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to fire."""
        threading.Thread(target=self._run, daemon=True, name="ticker").start()

    def stop(self) -> None:
        """Fire nothing more; calls of targets under way end by themselves."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            try:
                self._tick(datetime.now(UTC))
            except Exception:  # noqa: BLE001 - no look may be the last
                _LOG.exception("a look for due schedules failed; the next one follows")

    def _tick(self, now: datetime) -> None:
        for firing in self._ticker.due(self._world.documents(), now):
            self._pool.submit(self._call, firing, 1)
        with self._lock:
            while self._retries and self._retries[0][0] <= now:
                _, _, firing, attempt = heapq.heappop(self._retries)
                self._pool.submit(self._call, firing, attempt)

    def _call(self, firing: Firing, attempt: int) -> None:
        """Call number ``attempt`` of the firing's target, and what follows from it."""
        name = firing.document["Name"]
        try:
            body = invocation(firing.document, firing.due, firing.execution_id, attempt)
            try:
                _invoke(self._world.client, firing.document, body)
            except (ClientError, BotoCoreError, RoleRefused, ValueError) as error:
                _LOG.warning("%s, attempt %d: %s", name, attempt, error)
                self._failed(firing, attempt, body, error)
            else:
                late = (datetime.now(UTC) - firing.at).total_seconds()
                _LOG.info("%s fired for %s, %.2f s late", name, firing.due, late)
                self._ended(firing)
        except Exception:  # noqa: BLE001 - a thread of the pool would swallow it
            _LOG.exception("the firing of %s for %s is lost", name, firing.due)

    def _failed(self, firing: Firing, attempt: int, body: str, error: Exception) -> None:
        answer = retry(firing.document, firing.at, attempt, datetime.now(UTC), self._world.backoff)
        if isinstance(answer, Again):
            with self._lock:
                heapq.heappush(self._retries, (answer.at, next(self._order), firing, attempt + 1))
            return
        queue = (firing.document["Target"].get("DeadLetterConfig") or {}).get("Arn")
        try:
            if queue is not None:
                attributes = dead_letter(firing, attempt, answer.condition, _code(error), str(error))
                _send(self._world.client(firing.document, "sqs"), queue, body, MessageAttributes=attributes)
        except (ClientError, BotoCoreError, RoleRefused) as refused:
            _LOG.warning("%s: its dead letter could not be sent: %s", firing.document["Name"], refused)
        finally:
            self._ended(firing)

    def _ended(self, firing: Firing) -> None:
        if firing.deletes:
            self._world.delete(firing.document)


def _invoke(client: ClientFor, document: Document, body: str) -> None:
    """Call the target, templated or universal; ValueError for one that is not emulated."""
    target = document["Target"]
    arn: str = target["Arn"]
    if arn.startswith(_UNIVERSAL):
        service, action = arn.removeprefix(_UNIVERSAL).split(":")
        getattr(client(document, service), xform_name(action))(**json.loads(body))
        return
    match service := arn.split(":")[2]:
        case "lambda":
            client(document, service).invoke(FunctionName=arn, InvocationType="Event", Payload=body.encode())
        case "sns":
            client(document, service).publish(TopicArn=arn, Message=body)
        case "sqs":
            _send(client(document, service), arn, body, **(target.get("SqsParameters") or {}))
        case _:
            raise ValueError(f"a target of the service {service} is not emulated: {arn}")


def _send(sqs: Any, queue_arn: str, body: str, **more: Any) -> None:
    _, _, _, _, account, name = queue_arn.split(":")
    url = f"{sqs.meta.endpoint_url}/{account}/{name}"  # asking for it would need a right of its own
    sqs.send_message(QueueUrl=url, MessageBody=body, **more)


def _code(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
