"""Once a year the libraries know more days of a calendar of holidays: they are asked again, each hour."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rez_agent.aws.logs import log
from rez_agent.aws.sweep import TIME_KEPT_SECONDS, Run
from rez_agent.day_sources import found_anew
from rez_agent.domain.errors import RezError
from rez_agent.ports import Clock
from rez_agent.usecases.calendars import learn, outdated_calendars


def learn_days(run: Run, clock: Clock, time_left: Callable[[], float]) -> int:
    """Ask the sources of the calendars that are outdated, for as long as there is time; how many know
    more days now. One that can't be asked is told and leaves the others alone."""
    learned = 0
    for kept in run(outdated_calendars):
        if time_left() <= TIME_KEPT_SECONDS:
            break
        try:
            learned += run(partial(learn, kept=kept, found=found_anew(kept, clock.now().date())))
        except RezError as error:
            log.warning(
                "calendar_outdated", action="calendar_outdated", calendar=kept.name, error=error.message
            )
    return learned
