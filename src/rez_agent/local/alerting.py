"""Alerting on the local host: looks each second at what became true, and sends what is to be told.

Both are off the hot path: a look takes a small slice in the writer, a message is sent on the event loop (its
transport in a thread of its own). Crash: what was looked at and what it led to are one transaction; a message
that was being sent is sent again when its lease has run out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import structlog

from rez_agent.domain.action import Outcome
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.metrics import LocalMetrics
from rez_agent.ports import Actions
from rez_agent.usecases.alerting import look
from rez_agent.usecases.notices import Sending, lease_notices, record_notice

LOOK_SECONDS = 1.0
SENT_AT_ONCE = 16
"""Messages on their way at the same time; each channel has its own limit besides."""

GRACE_SECONDS = 5.0
"""What messages on their way get to end in, after a stop was asked for."""

log = structlog.get_logger()


class Write(Protocol):
    """Runs a use case whole in the writer."""

    def __call__(self, use_case: Callable[[LocalPorts], Any], /) -> Awaitable[Any]:
        """What it returns, once it is durable."""


class Alerting:
    """Drives the looks and the sending. All methods belong to the event loop's thread. ``fallback``: the
    channels of rules that name none."""

    def __init__(
        self, write: Write, *, actions: Actions, fallback: tuple[str, ...], metrics: LocalMetrics
    ) -> None:
        self._write = write
        self._metrics = metrics
        self._actions = actions
        self._fallback = fallback
        self._wake = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.create_task(self._run())

    def wake(self) -> None:
        """There is something to be sent."""
        self._wake.set()

    async def stop(self) -> None:
        """End: what is on its way gets a little time, and is sent again at the next start if that is not
        enough."""
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        if self._sending:
            await asyncio.wait(self._sending, timeout=GRACE_SECONDS)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def tick(self) -> bool:
        """One look, and the sending of what it led to begun; whether there is more to be looked at."""
        more: bool = await self._write(partial(look, fallback=self._fallback))
        room = SENT_AT_ONCE - len(self._sending)
        if room > 0:
            for sending in await self._write(partial(lease_notices, limit=room)):
                task = asyncio.create_task(self._send(sending))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
        return more

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                more = await self.tick()
            except Exception as error:  # noqa: BLE001 - the loop must outlive a full disk
                log.error("alerting_failed", action="alerting_failed", error=str(error))  # noqa: TRY400
                more = False
            if not more:
                await self._wait()

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)
        except TimeoutError:
            return

    async def _send(self, sending: Sending) -> None:
        outcome = await self._actions.run(sending.work)
        _tell(sending, outcome)
        try:
            status = await self._write(lambda ports: record_notice(ports, sending, outcome))
        except Exception as error:  # noqa: BLE001 - not recorded: it is sent again when its lease has run out
            log.error("alerting_failed", action="alerting_failed", error=str(error))  # noqa: TRY400
            return
        if status is not None:
            self._metrics.noticed(sending.kind, status)


def _tell(sending: Sending, outcome: Outcome) -> None:
    told = {"alert_id": sending.alert_id, "channel": sending.work.payload["channel"]}
    if outcome.ok:
        log.info("alert_sent", action="alert_sent", **told)
    else:
        log.warning("alert_not_sent", action="alert_not_sent", code=outcome.code, error=outcome.error, **told)
