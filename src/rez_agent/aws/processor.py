"""Processing: what the processor function does with the messages of a queue.

A message is only a knock: it names an execution, or an alert to be sent. The item so named says whether there
is anything to do, so a message that comes twice or too late does no harm. All messages of a batch are worked
on at once, each by itself; one that fails goes back to the queue, the others do not.

An attempt may take as long as the function has left, less :data:`MARGIN_SECONDS` to record its end. What is
cut off there counts as timed out, for the next try would have no more time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from rez_agent.aws.bundle import AwsPorts
from rez_agent.aws.logs import log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.queue import Later, as_claimed, claim, conclude, put_back
from rez_agent.aws.store import Store
from rez_agent.aws.tables import EXECUTIONS
from rez_agent.aws.topic import SOON_SECONDS, Publisher
from rez_agent.aws.wire import Item
from rez_agent.domain.action import Outcome
from rez_agent.domain.errors import Invalid, Malformed, RezError, Unavailable
from rez_agent.metrics import EXECUTIONS_DROPPED, RECORDS_FAILED
from rez_agent.ports import Actions, Claimed, Clock, Concluded, Random
from rez_agent.usecases.alert_rules import Watch, watch
from rez_agent.usecases.notices import Sending, lease_notices_of, record_notice
from rez_agent.usecases.processing import conclude as concluded_from
from rez_agent.web.json_reader import read_json

T = TypeVar("T")

MARGIN_SECONDS = 15.0
"""What is kept of the function's time to record how the attempts ended."""

WAITS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between two tries to record an end."""

LAST_SECONDS = 5.0
"""No try is begun with less time left."""

LOOKS = 3
"""How often a message whose time is about to come is looked at before it goes back to the queue."""

THREADS = 10
"""Units of work under way at once: a batch has no more messages."""

WATCH_SECONDS = 60.0
"""How long what the rules of alerting ask for is remembered."""

Record = Mapping[str, Any]
Left = Callable[[], float]
"""The seconds that the function has left."""


class Running(Actions, Protocol):
    """Actions that can be performed."""

    async def run(self, work: Any) -> Outcome:
        """Make one attempt."""


@dataclass(frozen=True, slots=True)
class Knock:
    """What a message says: there may be something to do for this execution."""

    schedule_id: str
    execution_id: str


@dataclass(frozen=True, slots=True)
class AlertKnock:
    """What a message says: there may be something of this alert to be sent."""

    alert_id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """An execution that was leased, and its item as it was written then."""

    claimed: Claimed
    item: Item


class Processor:
    """Works on batches of messages. :meth:`process` belongs to the event loop that started ``actions``."""

    def __init__(
        self,
        store: Store,
        *,
        actions: Running,
        publisher: Publisher,
        clock: Clock,
        random: Random,
        metrics: AwsMetrics,
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._waits = waits
        self._store = store
        self._publisher = publisher
        self._actions = actions
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._watched = Watched(store, clock)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="unit")

    async def process(self, records: Sequence[Record], left: Left) -> list[Record]:
        """Work on a batch; the records that failed and are to go back to their queue."""
        failed = await asyncio.gather(*[self._failed(record, left) for record in records])
        return [record for record, one in zip(records, failed, strict=True) if one]

    async def _failed(self, record: Record, left: Left) -> bool:
        try:
            await self._process(knock(record), left)
        except Exception as error:  # noqa: BLE001 - one message's fault must not cost the others their end
            code = error.code if isinstance(error, RezError) else "internal_error"
            told: dict[str, Any] = {"code": code, "error": str(error), "message_id": record.get("messageId")}
            unexpected = not isinstance(error, RezError)
            log.error("record_failed", action="record_failed", exc_info=unexpected, **told)
            self._metrics.count(RECORDS_FAILED)
            if isinstance(error, Malformed):
                await self._on_thread(lambda: self._hurry(record))
            return True
        return False

    def _hurry(self, record: Record) -> None:
        self._publisher.hurry(str(record.get("eventSourceARN")), str(record.get("receiptHandle")))

    async def _process(self, message: Knock | AlertKnock, left: Left) -> None:
        if isinstance(message, AlertKnock):
            await self._send(message.alert_id)
            return
        taken = await self._take(message)
        if taken is None:
            log.info("work_dropped", action="work_dropped", execution_id=message.execution_id)
            self._metrics.count(EXECUTIONS_DROPPED)
        elif isinstance(taken, Taken):
            await self._attempt(taken, left)

    async def _take(self, message: Knock) -> Taken | Later | None:
        """Lease the execution. One that is due a little later is waited for; one that is due much later is
        sent again, to arrive then."""
        for _ in range(LOOKS):
            found = await self._on_thread(lambda: self._claim(message))
            if not isinstance(found, Later) or self._seconds_until(found) > SOON_SECONDS:
                return found
            await asyncio.sleep(self._seconds_until(found))
        raise Unavailable(f"The time of execution '{message.execution_id}' does not come.")

    def _claim(self, message: Knock) -> Taken | Later | None:
        def look(ports: AwsPorts) -> tuple[AwsPorts, Claimed | Later | None]:
            found = claim(ports, message.schedule_id, message.execution_id, ports.clock.now())
            if isinstance(found, Later) and self._seconds_until(found) > SOON_SECONDS:
                execution = ports.ledger.get(message.execution_id)
                ports.topic.publish_work([execution] if execution else [])
            return ports, found

        ports, found = self._store.write(look)
        if not isinstance(found, Claimed):
            return found
        item = as_claimed(ports.unit, found)
        assert item is not None  # it was just written
        return Taken(found, item)

    def _seconds_until(self, later: Later) -> float:
        return max(0.0, (later.at - self._clock.now()).total_seconds())

    async def _attempt(self, taken: Taken, left: Left) -> None:
        seconds = left() - MARGIN_SECONDS
        if seconds <= 0:
            await self._on_thread(lambda: self._give_back(taken))
            return
        claimed = taken.claimed
        begun = self._clock.monotonic()
        self._metrics.began(claimed, self._clock.now())
        outcome = await self._outcome(claimed, seconds)
        finished = self._clock.now()
        concluded = concluded_from(
            claimed,
            outcome,
            started_at=finished - timedelta(seconds=self._clock.monotonic() - begun),
            finished_at=finished,
            draw=self._random.draw(),
        )
        await self._record(taken, concluded, left)
        self._metrics.ended(concluded)
        _tell(concluded)

    async def _outcome(self, claimed: Claimed, seconds: float) -> Outcome:
        try:
            async with asyncio.timeout(seconds):
                return await self._actions.run(claimed.work)
        except TimeoutError:
            text = f"The attempt was cut off after {seconds:.0f} seconds: the function's own time ends."
            return Outcome(ok=False, code="timeout", error=text)
        except Exception as error:  # noqa: BLE001 - an action's own fault must not cost it its end
            log.exception("action_failed", action="action_failed", execution_id=claimed.work.execution_id)
            text = f"the action failed: {type(error).__name__}"
            return Outcome(ok=False, code="internal_error", error=text)

    async def _record(self, taken: Taken, concluded: Concluded, left: Left) -> None:
        """Record an end, again and again while the tables can't be reached and there is time: what is not
        recorded is done again once the lease has run out."""
        waits = iter(self._waits)
        while True:
            try:
                await self._on_thread(lambda: self._conclude(taken, concluded))
            except Unavailable:
                wait = next(waits, None)
                if wait is None or left() < wait + LAST_SECONDS:
                    raise
                await asyncio.sleep(wait)
            else:
                return

    def _conclude(self, taken: Taken, concluded: Concluded) -> None:
        work = taken.claimed.work
        compared = self._watched.compares(work.owner, work.schedule_id)
        self._store.write(
            lambda ports: ports.topic.publish_work(conclude(ports, concluded, compared=compared)),
            known=[(EXECUTIONS, taken.item)],
        )

    async def _send(self, alert_id: str) -> None:
        """Send what is to be told of an alert now. When what failed is to be tried again, the sweep publishes
        it."""
        for sending in await self._on_thread(
            lambda: self._store.write(partial(lease_notices_of, alert_id=alert_id))
        ):
            outcome = await self._actions.run(sending.work)
            told: dict[str, Any] = {"alert_id": alert_id, "code": outcome.code, "error": outcome.error}
            log.info("alert_sent" if outcome.ok else "alert_not_sent", action="alert", **told)
            await self._on_thread(partial(self._sent, sending, outcome))

    def _sent(self, sending: Sending, outcome: Outcome) -> None:
        status = self._store.write(lambda ports: record_notice(ports, sending, outcome))
        if status is not None:
            self._metrics.noticed(sending.kind, status)

    def _give_back(self, taken: Taken) -> None:
        self._store.write(
            lambda ports: ports.topic.publish_work(put_back(ports, taken.claimed, ports.clock.now())),
            known=[(EXECUTIONS, taken.item)],
        )

    async def _on_thread(self, run: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)


class Watched:
    """What all rules of alerting ask for, read at most once a minute: a rule about durations is heeded so
    much later."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._watch = Watch()
        self._until: float | None = None

    def compares(self, owner: str, schedule_id: str) -> bool:
        """Whether a rule may compare the durations of the schedule. Safe for several threads."""
        if self._until is None or self._clock.monotonic() >= self._until:
            with suppress(Unavailable):  # what was known serves until it can be read
                self._watch = self._store.read(lambda ports: watch(ports, ports.clock.now()))
                self._until = self._clock.monotonic() + WATCH_SECONDS
        return self._watch.compares(owner, schedule_id)


def knock(record: Record) -> Knock | AlertKnock:
    """What a message of a work queue says. Raises Malformed ``malformed_work``."""
    try:
        document = read_json(str(record.get("body", "")).encode())
    except (Invalid, UnicodeEncodeError) as error:
        raise Malformed(f"The message can't be read: {error}", code="malformed_work") from None
    match document:
        case {"schedule_id": str(schedule_id), "execution_id": str(execution_id)} if (
            schedule_id and execution_id
        ):
            return Knock(schedule_id, execution_id)
        case {"alert_id": str(alert_id)} if alert_id:
            return AlertKnock(alert_id)
    text = "The message does not name a 'schedule_id' and an 'execution_id', or an 'alert_id'."
    raise Malformed(text, code="malformed_work")


def _tell(concluded: Concluded) -> None:
    attempt = concluded.attempt
    log.info(
        "attempt_ended",
        action="attempt_ended",
        execution_id=concluded.execution_id,
        schedule_id=concluded.schedule_id,
        status=concluded.status.value,
        attempt=attempt.number,
        code=attempt.code,
        response_status=attempt.response_status,
    )
