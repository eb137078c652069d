"""What the scheduler function is given: commands from the topic, and firings of EventBridge Scheduler.

A command of ours is stored before it is published; the topic carries its id, and the stored message is the
truth. Whoever may publish to the topic may also send a command's document itself: it is checked like a
request to the API, stored, and carried out, all in one unit of work. Its message's id follows from the
notification, so the topic may hand the same notification over as often as it likes.

Whatever can't be read is refused by raising: the function fails where people look, Lambda tries again, and in
the end the event lies among the dead letters. A command that could be read and is wrong is no such failure,
for no retry mends it: its message is kept as failed, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rez_agent.aws.logs import log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.store import Store
from rez_agent.clock import encoded
from rez_agent.domain.command import Message, MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import Malformed, NotFound, RezError, Unavailable
from rez_agent.domain.instants import Instant, rfc3339, to_ms
from rez_agent.domain.reading import read
from rez_agent.metrics import FIRINGS
from rez_agent.ports import Ports
from rez_agent.usecases.applying import apply
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from rez_agent.usecases.firing import fire
from rez_agent.web.json_reader import read_json

TOPIC = "topic"
"""The owner of what is made by publishing a command's document to the topic. It is no administrator: it
reaches what was made in the same way."""

CHANCE_BYTES = 10


@dataclass(frozen=True, slots=True)
class Stored:
    """A command that was stored before it was published."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A command's document, published by somebody: ``at`` when, as SNS says; ``characters`` are the 26 that
    its message's and its schedule's ids share."""

    request: ScheduleCreationRequest
    characters: str
    at: datetime

    @property
    def message_id(self) -> str:
        """The id of its message, the same however often it arrives."""
        return f"msg_{self.characters}"


class Firing(BaseModel):
    """What EventBridge Scheduler sends when a schedule falls due, or when its pause ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule_id: str
    revision: int = Field(ge=1)
    scheduled_time: Instant
    ends_pause: bool = False


class _Note(BaseModel):
    """The part of a notification that counts here."""

    message_id: str = Field(alias="MessageId")
    timestamp: Instant = Field(alias="Timestamp")
    body: str = Field(alias="Message")


Arrival = Stored | Asked | Firing


def arrivals(event: Any) -> list[Arrival]:
    """What ``event`` brings. Raises Malformed or Invalid, with every problem, for what can't be read."""
    if isinstance(event, Mapping) and "scheduled_time" in event:
        return [read(Firing, event)]
    records = event.get("Records") if isinstance(event, Mapping) else None
    known = isinstance(records, list) and all(isinstance(r, Mapping) and "Sns" in r for r in records)
    if not records or not known:
        text = "The event is neither a notification of SNS nor a firing of EventBridge Scheduler."
        raise Malformed(text, code="unknown_event")
    return [_command(read(_Note, record["Sns"])) for record in records]


def _command(note: _Note) -> Stored | Asked:
    document = read_json(note.body.encode(errors="surrogatepass"))
    if isinstance(document, dict) and isinstance(document.get("message_id"), str):
        return Stored(document["message_id"])
    request = read(ScheduleCreationRequest, document)
    chance = blake2b(note.message_id.encode(), digest_size=CHANCE_BYTES).digest()
    return Asked(request, encoded(to_ms(note.timestamp), int.from_bytes(chance)), note.timestamp)


class Inbox:
    """Acts on what arrives. ``quota``: living schedules of one owner."""

    def __init__(self, store: Store, *, quota: int, metrics: AwsMetrics) -> None:
        self._store = store
        self._quota = quota
        self._metrics = metrics

    def take(self, event: Any) -> None:
        """Act on everything that ``event`` brings; safe to repeat. Raises RezError for what can't be read or
        acted on now."""
        for arrival in arrivals(event):
            if isinstance(arrival, Firing):
                self._fire(arrival)
            else:
                self._judge(arrival)

    def _fire(self, firing: Firing) -> None:
        became = self._store.write(
            lambda ports: fire(
                ports,
                firing.schedule_id,
                firing.scheduled_time,
                firing.revision,
                ends_pause=firing.ends_pause,
            )
        )
        told = {"schedule_id": firing.schedule_id, "scheduled_time": rfc3339(firing.scheduled_time)}
        log.info("fired", action="fired", extra={**told, "became": became.value})
        self._metrics.count(FIRINGS, became=became.value)

    def _judge(self, command: Stored | Asked) -> None:
        try:
            message = self._store.write(lambda ports: carry_out(ports, command, quota=self._quota))
        except (NotFound, Unavailable):
            raise
        except RezError as error:  # found at the commit: DynamoDB won't keep what it would have to
            refusal = error
            message = self._store.write(lambda ports: refuse(ports, command, refusal))
        _tell(message)
        self._metrics.judged(message)


def carry_out(ports: Ports, command: Stored | Asked, *, quota: int) -> Message:
    """Carry out a command, once; one that somebody published is checked and stored first.

    Raises NotFound ``message_not_found``, and Unavailable when it can't be judged now.
    """
    message = ports.messages.get(command.message_id)
    if message is None:
        message = _accepted(ports, command, quota)
    return message if message.status.final else apply(ports, message)


def refuse(ports: Ports, command: Stored | Asked, error: RezError) -> Message:
    """Keep a command as failed for an ``error`` that only showed when it was to be written."""
    stored = ports.messages.get(command.message_id)
    if stored is None:
        return _kept_as_failed(ports, command, error)
    if stored.status.final:
        return stored
    failed = stored.failed(ports.clock.now(), type(error).__name__, error.problems)
    ports.messages.save(failed)
    return failed


def _accepted(ports: Ports, command: Stored | Asked, quota: int) -> Message:
    """The message of a new request: accepted as the API would have at that moment, or failed at once."""
    if isinstance(command, Stored):
        raise _unknown(command)
    moment = _Moment(min(command.at, ports.clock.now()), command.characters)
    then = replace(ports, clock=moment, random=moment, topic=_Silent())
    try:
        return submit(then, Caller(TOPIC), command.request, quota=quota).message
    except Unavailable:
        raise
    except RezError as error:
        return _kept_as_failed(ports, command, error)


def _kept_as_failed(ports: Ports, command: Stored | Asked, error: RezError) -> Message:
    if isinstance(command, Stored):
        raise _unknown(command)
    message = Message(
        id=command.message_id,
        request=command.request,
        created_by=TOPIC,
        created_date=command.at,
        updated_date=command.at,
        schedule_id=command.request.schedule_id,
    ).failed(ports.clock.now(), type(error).__name__, error.problems)
    ports.messages.add(message)
    return message


def _unknown(command: Stored) -> NotFound:
    text = (
        f"There is no message '{command.message_id[:100]}': the topic's commands are stored before they "
        "are published. To publish a command yourself, send its document without 'message_id'."
    )
    return NotFound(text, code="message_not_found")


class _Moment:
    """Time and chance at which a notification was published: the same whenever it arrives."""

    def __init__(self, at: datetime, characters: str) -> None:
        self._at = at
        self._characters = characters

    def now(self) -> datetime:
        """Then."""
        return self._at

    def monotonic(self) -> float:
        """No time passes."""
        return 0.0

    def draw(self) -> float:
        """Nothing is left to chance."""
        return 0.0

    def new_id(self, prefix: str, now: datetime) -> str:  # noqa: ARG002
        """The id of the one thing of its kind that the notification makes."""
        return f"{prefix}_{self._characters}"


class _Silent:
    """A topic for what is carried out where it arrives."""

    def publish_command(self, message: Message) -> None:
        """It has arrived already."""

    def publish_work(self, executions: Any) -> None:
        """A command that is only accepted makes no work."""


def _tell(message: Message) -> None:
    """A judged command in the log."""
    told: dict[str, Any] = {
        "message_id": message.id,
        "command": message.request.action.value,
        "schedule_id": message.schedule_id,
        "created_by": message.created_by,
    }
    if message.status is MessageStatus.FAILED:
        problems = [f"{problem.pointer or '/'}: {problem.message}" for problem in message.problems]
        code = message.problems[0].code if message.problems else message.error_kind
        log.warning("command_failed", action="command_failed", code=code, problems=problems, **told)
    else:
        log.info("command_applied", action="command_applied", **told)
