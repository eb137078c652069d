"""The local host: one writer, a few readers, the engine's timer, the worker and the sweep, on one event loop.

Two kinds of thread: the event loop's, which serves requests, keeps time and runs actions; and the database's
(one writer, a few readers), which run use cases. A route awaits its use case's commit; no thread is ever
parked on a wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import Any, TypeVar

import apsw
import structlog

from rez_agent.domain.command import Message
from rez_agent.domain.errors import NotFound, Unavailable
from rez_agent.local.alerting import Alerting
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.failing import DAMAGED, STORAGE_FAILS, storage_error
from rez_agent.local.heartbeat import Heartbeat
from rez_agent.local.learning import keep_learning
from rez_agent.local.metrics import LocalMetrics, Readings
from rez_agent.local.queue import recover
from rez_agent.local.rows import fetch
from rez_agent.local.signals import Signals
from rez_agent.local.standing import standing
from rez_agent.local.sweep import Sweep
from rez_agent.local.timer import Timer
from rez_agent.local.worker import Worker
from rez_agent.local.writer import Job, Writer
from rez_agent.metrics import ENGINE_LAG, FIRED, WRITER_GROUPS, WRITER_USE_CASES
from rez_agent.ports import Actions, Clock, Ports, Random

T = TypeVar("T")

LAG_ALLOWED_SECONDS = 10.0
"""When the engine has not looked for so long, health is failing: a dead scheduler can't report its misses."""

SWEEP_SECONDS = 1.0
READERS = 2
PENDING_AT_ONCE = 200

log = structlog.get_logger()


class LocalHost:
    """Where use cases run on one machine (the Host port), and what drives the schedules.

    :meth:`start` and everything after it belong to one event loop. ``open_ports`` makes the ports over a
    new reading connection; ``make_writer`` the writer, called as :class:`Writer` is.
    """

    def __init__(
        self,
        ports: LocalPorts,
        *,
        open_ports: Callable[[], LocalPorts],
        actions: Actions,
        clock: Clock,
        random: Random,
        sweep: Sweep,
        metrics: LocalMetrics,
        heartbeat: Heartbeat | None,
        concurrency: int,
        target_concurrency: int,
        alert_channels: tuple[str, ...] = (),
        make_writer: Callable[..., Writer] = Writer,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._sweep = sweep
        self._heartbeat = heartbeat
        self._open_ports = open_ports
        self._per_thread = local()
        self._opened: list[LocalPorts] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._writer = make_writer(
            ports, on_settled=self._settled, on_commit=self._committed, on_damage=self._damaged
        )
        self._worker = Worker(
            self._write_whole,
            actions=actions,
            clock=clock,
            random=random,
            concurrency=concurrency,
            target_concurrency=target_concurrency,
            observer=metrics,
        )
        self._alerting = Alerting(
            self._write_whole, actions=actions, fallback=alert_channels, metrics=metrics
        )
        self._timer = Timer(self._write_whole, clock, on_heartbeat=self._send_heartbeat)
        self._waiting: dict[str, list[asyncio.Future[Message]]] = {}
        self._background: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = False
        self._corrupt: list[str] = []

    # --- the Host port ---

    async def write(self, use_case: Callable[[Ports], T]) -> T:
        """Run a use case whole in the writer; durable when this returns."""
        return await self._write_whole(use_case)

    async def read(self, use_case: Callable[[Ports], T]) -> T:
        """Run a use case that only reads, on a consistent view."""
        return await self._read_whole(use_case)

    async def judged(self, message_id: str, seconds: float) -> Message:
        """The message once it is final, or as it is after ``seconds``."""
        arrival: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(message_id, [])
        waiting.append(arrival)
        try:
            message = await self._message(message_id)
            if message.status.final:
                return message
            return await asyncio.wait_for(arrival, seconds)
        except TimeoutError:
            return await self._message(message_id)
        finally:
            waiting.remove(arrival)
            if not waiting:
                self._waiting.pop(message_id, None)

    def health(self) -> dict[str, Any]:
        """Facts for /healthz."""
        lag = self._timer.lag()
        reasons = []
        if lag > LAG_ALLOWED_SECONDS:
            reasons.append(f"the engine last looked {lag:.0f} s ago")
        if self._corrupt:
            reasons.append(f"the database is damaged: {self._corrupt[0]}")
        return {
            "status": "failing" if reasons else "ok",
            "reasons": reasons,
            "ready": self._ready,
            "engine_lag_seconds": round(lag, 3),
            "running": self._worker.running,
        }

    # --- life ---

    async def start(self) -> None:
        """Take up what a crash left, then keep time and work."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()
        taken_back = await self._write_whole(
            lambda ports: recover(ports.connection, self._clock.now(), all_leases=True, signals=ports.signals)
        )
        if taken_back:
            log.warning("leases_taken_back", action="leases_taken_back", executions=taken_back)
        await self._apply_pending()
        self._timer.start()
        self._worker.start()
        self._alerting.start()
        self._background = [
            asyncio.create_task(self._sweep_on()),
            asyncio.create_task(keep_learning(self.read, self.write, self._clock)),
        ]
        self._ready = True

    async def stop(self, grace: float) -> None:
        """Stop cleanly: nothing new fires, what runs gets ``grace`` seconds or goes back to the queue."""
        self._ready = False
        await self._timer.stop()
        await self._worker.stop(grace)
        await self._alerting.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._heartbeat is not None:
            await self._heartbeat.close()
        await asyncio.get_running_loop().run_in_executor(None, self._writer.stop)
        self._readers.shutdown()
        for ports in self._opened:
            ports.connection.close()

    def found_damage(self, lines: list[str]) -> None:
        """The check of the database found something: health fails until it has been restored."""
        self._corrupt = lines

    def _damaged(self, text: str) -> None:
        """On any thread: something that was read is not what was written."""
        self._corrupt = self._corrupt or [text]

    async def refresh_metrics(self) -> None:
        """Bring what is not counted as it happens up to date, before it is shown. What stands in the database
        is left out where that can't be read."""
        own: Readings = {
            ENGINE_LAG: {(): self._timer.lag()},
            FIRED: {(): self._timer.taken},
            WRITER_GROUPS: {(): self._writer.groups},
            WRITER_USE_CASES: {(): self._writer.jobs},
        }
        try:
            kept = await self._read_whole(lambda ports: standing(ports.connection, self._clock.now()))
        except (apsw.Error, Unavailable) as error:
            log.warning("metrics_incomplete", action="metrics_incomplete", error=str(error))
            kept = {}
        self._metrics.readings = {**own, **kept}

    # --- how the threads meet ---

    async def _write_whole(self, job: Callable[[LocalPorts], T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._writer.submit(Job(job, token=future))
        return await future

    async def _read_whole(self, use_case: Callable[[LocalPorts], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read_now, use_case)

    def _read_now(self, use_case: Callable[[LocalPorts], T]) -> T:
        try:
            return self._read_view(use_case)
        except STORAGE_FAILS as error:
            log.error("read_failed", action="read_failed", error=str(error))  # noqa: TRY400
            told = storage_error(error, f"can't be read: {error}. Ask again, or see the log.")
            if told.code == DAMAGED:
                self._damaged(told.message)
            raise told from error

    def _read_view(self, use_case: Callable[[LocalPorts], T]) -> T:
        ports: LocalPorts | None = getattr(self._per_thread, "ports", None)
        if ports is None:
            ports = self._per_thread.ports = self._open_ports()
            self._opened.append(ports)
        ports.connection.execute("BEGIN")
        try:
            return use_case(ports)
        finally:
            if ports.connection.in_transaction:
                ports.connection.execute("ROLLBACK")

    def _settled(self, jobs: list[Job]) -> None:
        """On the writer's thread: let the group's results go, in one call into the loop."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, jobs)

    def _committed(self, signals: Signals) -> None:
        """On the writer's thread: tell the loop what a group stirred up."""
        if signals.any and self._loop is not None:
            self._loop.call_soon_threadsafe(self._heed, signals)

    def _heed(self, signals: Signals) -> None:
        if signals.stepped:
            self._metrics.clock_steps += 1
            self._worker.look()
        if signals.wake_at is not None:
            self._timer.wake_by(signals.wake_at)
        if signals.work:
            self._worker.look()
        if signals.endings:
            self._metrics.settled(signals.endings)
        self._metrics.judged(signals.judged)
        if signals.alerts:
            self._alerting.wake()
        for execution_id in signals.cancelled:
            self._worker.cancel(execution_id)
        self._answer(signals.judged)

    def _answer(self, judged: list[Message]) -> None:
        if self._waiting:
            for message in judged:
                for arrival in self._waiting.get(message.id, ()):
                    if not arrival.done():
                        arrival.set_result(message)

    # --- what the loop does on the side ---

    async def _message(self, message_id: str) -> Message:
        message = await self.read(lambda ports: ports.messages.get(message_id))
        if message is None:
            raise NotFound(f"There is no message '{message_id}'.", code="message_not_found")
        return message

    async def _apply_pending(self) -> None:
        """See to it that commands that were stored but not judged are applied. The writer leaves none behind;
        a database that was copied or restored may."""
        while await self._write_whole(_publish_pending):
            pass

    async def _sweep_on(self) -> None:
        more = False
        while True:
            if not more:
                await asyncio.sleep(SWEEP_SECONDS)
            try:
                more = await self._write_whole(lambda ports: self._sweep.tick(ports, self._clock.now()))
            except Exception as error:  # noqa: BLE001 - a full disk must not end the sweep
                log.error("sweep_failed", action="sweep_failed", error=str(error))  # noqa: TRY400
                more = False

    def _send_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.send()


def _resolve(jobs: list[Job]) -> None:
    """On the loop's thread: hand each job's result to whoever awaits it."""
    for job in jobs:
        if job.token.done():
            continue
        if job.error is None:
            job.token.set_result(job.result)
        else:
            job.token.set_exception(job.error)


def _publish_pending(ports: LocalPorts) -> bool:
    """Hand a few pending commands to the writer again, which judges each as it does a new one; whether there
    were any."""
    rows = fetch(
        ports.connection,
        "SELECT id FROM messages WHERE status NOT IN ('completed', 'failed') ORDER BY seq LIMIT ?",
        (PENDING_AT_ONCE,),
    )
    for (message_id,) in rows:
        message = ports.messages.get(message_id)
        if message is not None:
            ports.topic.publish_command(message)
    return bool(rows)
