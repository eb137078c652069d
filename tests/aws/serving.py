"""The AWS host as it serves, without functions: what is published to schedule-creation is really delivered,
to the code of the scheduler function on a thread."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from rez_agent.aws.build import Built, build
from rez_agent.aws.clients import Clients
from rez_agent.aws.host import AwsHost
from rez_agent.aws.inbox import Inbox
from rez_agent.clock import SystemClock
from rez_agent.domain.instants import rfc3339
from rez_agent.ports import Clock, Host, Random
from tests.aws.stage import COMMANDS, Stage, client


class EmulatorClients(Clients):
    """Clients of the emulator, which the whole process shares."""

    def make(self, service: str) -> Any:
        """The emulator's."""
        return client(service)


def parts(stage: Stage, *, clock: Clock | None = None, random: Random | None = None) -> Built:
    """A function's parts over ``stage``, with its topics and queues."""
    stage.sns()
    return build(stage.settings, clients=EmulatorClients(), clock=clock, random=random)


def inbox(built: Built) -> Inbox:
    """What the scheduler function does."""
    return Inbox(built.store, quota=built.settings.quota, metrics=built.metrics)


def notification(
    body: Any, *, message_id: str = "", timestamp: str = "", topic: str = "arn:aws:sns:::t"
) -> dict[str, Any]:
    """The event by which SNS invokes a function, as the guide has it ("Invoking Lambda functions with Amazon
    SNS notifications"). ``body`` is sent as it is if it is a text."""
    return {
        "Records": [
            {
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{topic}:21be56ed-a058-49f5-8c98-aedd2564c486",
                "EventSource": "aws:sns",
                "Sns": {
                    "SignatureVersion": "1",
                    "Timestamp": timestamp or rfc3339(SystemClock().now()),
                    "Signature": "tcc6faL2yUC6dgZdmrwh1Y4cGa/ebXEkAi6RibDsvpi+tE/1+82j...65r==",
                    "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService.pem",
                    "MessageId": message_id or str(uuid4()),
                    "Message": body if isinstance(body, str) else json.dumps(body),
                    "MessageAttributes": {},
                    "Type": "Notification",
                    "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
                    "TopicArn": topic,
                    "Subject": None,
                },
            }
        ]
    }


@dataclass(slots=True)
class Serving:
    """A serving host and what stands behind it."""

    stage: Stage
    built: Built
    host: AwsHost


@contextmanager
def serving() -> Iterator[Serving]:
    """A host over a fresh stage, with its commands delivered until the end."""
    stage = Stage()
    built = parts(stage)
    host = AwsHost(built.store, built.clock)
    stopped = Event()
    thread = Thread(target=_deliver, args=(stage, inbox(built), stopped), name="scheduler", daemon=True)
    thread.start()
    try:
        yield Serving(stage, built, host)
    finally:
        stopped.set()
        thread.join()
        host.close()


@asynccontextmanager
async def aws_serving(_path: Path) -> AsyncIterator[Host]:
    """The same, for the contract of Host."""
    with serving() as served:
        yield served.host


def _deliver(stage: Stage, inbox: Inbox, stopped: Event) -> None:
    sqs, queue = stage.sqs(), stage.queue(COMMANDS)
    while not stopped.is_set():
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ())
        for message in messages:
            inbox.take(notification(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        if not messages:
            stopped.wait(0.02)
