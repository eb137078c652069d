"""The topics, the queues behind them and the dead letters of each."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infrastructure.stack.rights import WORK
from infrastructure.stack.settings import Settings

COMMANDS = "schedule-creation"
"""The topic of commands."""

DAY = 86_400

LEASE = 960
"""Seconds that a received message stays hidden: the processor's time limit and a minute."""

CRASHES = 5
"""How often a message is received before it is a dead letter. A retry is a new message, so this counts the
processor's crashes alone."""


@dataclass(frozen=True, slots=True)
class Queues:
    """``topics``: the topic of commands and those of work. ``work``: the queue behind each topic of work.
    ``dead_letters``: by what they are the dead letters of; ``scheduler`` are those of the firings and of the
    functions that nobody waits for."""

    topics: dict[str, aws.sns.Topic]
    work: dict[str, aws.sqs.Queue]
    dead_letters: dict[str, aws.sqs.Queue]


def make_queues(settings: Settings) -> Queues:
    """All of them, and the subscriptions of the queues to their topics."""
    topics = {what: _topic(settings, what) for what in (COMMANDS, *WORK)}
    dead_letters = {what: _dead_letters(settings, what) for what in (*WORK, COMMANDS, "scheduler")}
    work = {what: _work(settings, what, dead_letters[what]) for what in WORK}
    for what in WORK:
        let_topic_send(what, topics[what], work[what])
        let_topic_send(f"{what}-dead-letters", topics[what], dead_letters[what])
        _subscribe(what, topics[what], work[what], dead_letters[what])
    let_topic_send(f"{COMMANDS}-dead-letters", topics[COMMANDS], dead_letters[COMMANDS])
    return Queues(topics, work, dead_letters)


def redrive(dead_letters: aws.sqs.Queue) -> pulumi.Output[str]:
    """Where a subscription puts what it cannot deliver."""
    return pulumi.Output.json_dumps({"deadLetterTargetArn": dead_letters.arn})


def _topic(settings: Settings, what: str) -> aws.sns.Topic:
    return aws.sns.Topic(what, name=settings.names(what), tags=settings.tags)


def _dead_letters(settings: Settings, what: str) -> aws.sqs.Queue:
    return aws.sqs.Queue(
        f"{what}-dead-letters",
        name=settings.names(f"{what}-dead-letters"),
        message_retention_seconds=14 * DAY,
        sqs_managed_sse_enabled=True,
        tags=settings.tags,
    )


def _work(settings: Settings, what: str, dead_letters: aws.sqs.Queue) -> aws.sqs.Queue:
    return aws.sqs.Queue(
        what,
        name=settings.names(what),
        visibility_timeout_seconds=LEASE,
        message_retention_seconds=14 * DAY,
        sqs_managed_sse_enabled=True,
        redrive_policy=pulumi.Output.json_dumps(
            {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": CRASHES}
        ),
        tags=settings.tags,
    )


def let_topic_send(name: str, topic: aws.sns.Topic, queue: aws.sqs.Queue) -> None:
    """Let one topic, and no other, send to a queue."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic.arn}},
    }
    document = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.sqs.QueuePolicy(name, queue_url=queue.url, policy=document)


def _subscribe(what: str, topic: aws.sns.Topic, queue: aws.sqs.Queue, dead_letters: aws.sqs.Queue) -> None:
    aws.sns.TopicSubscription(
        what,
        topic=topic.arn,
        protocol="sqs",
        endpoint=queue.arn,
        raw_message_delivery=True,
        redrive_policy=redrive(dead_letters),
    )
