"""Once a year the libraries know more days of a calendar of holidays: they are asked again.

Asked outside the writer, since a library takes its time, and looked for each hour, since that costs one read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

import structlog

from rez_agent.day_sources import found_anew
from rez_agent.domain.errors import RezError
from rez_agent.ports import Clock, Ports
from rez_agent.usecases.calendars import learn, outdated_calendars

T = TypeVar("T")

LOOKED_EVERY_SECONDS = 3_600.0

log = structlog.get_logger()


class Run(Protocol):
    """Runs a use case whole."""

    def __call__(self, use_case: Callable[[Ports], T], /) -> Awaitable[T]:
        """What it returns; of one that writes, once its effects are durable."""


async def learn_days(read: Run, write: Run, clock: Clock) -> int:
    """Ask the sources of all calendars that are outdated; how many know more days now. One that can't be
    asked is told and leaves the others alone."""
    learned = 0
    for kept in await read(outdated_calendars):
        try:
            found = await asyncio.to_thread(found_anew, kept, clock.now().date())
            learned += await write(partial(learn, kept=kept, found=found))
        except RezError as error:
            told = {"calendar": kept.name, "error": error.message}
            log.warning("calendar_outdated", action="calendar_outdated", **told)
    return learned


async def keep_learning(read: Run, write: Run, clock: Clock) -> None:
    """The same, at once and every hour, for as long as the host runs."""
    while True:
        try:
            await learn_days(read, write, clock)
        except Exception as error:  # noqa: BLE001 - a full disk must not end it
            log.error("learning_failed", action="learning_failed", error=str(error))  # noqa: TRY400
        await asyncio.sleep(LOOKED_EVERY_SECONDS)
