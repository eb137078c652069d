"""What should have become of every occurrence: from the commands that were carried out, the process's lives,
the clocks, and the oracle. Nothing here asks the program."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import floor
from typing import Any

from tests.simulation.clocks import Clocks, Window
from tests.simulation.oracle import SECOND, Days, closed_on, due
from tests.simulation.record import Asked, Record

MISSED_AFTER = 60
FOREVER = float("inf")

RUN, MISSED, PAUSED, CALENDAR, OVERLAP = "run", "missed", "paused", "calendar", "overlap"


@dataclass(slots=True)
class Stretch:
    """A part of a schedule's life under one definition. Occurrences later than ``after`` count. Of an active
    one those decided from ``began`` to ``ended``; of a ``paused`` one those up to ``through``."""

    definition: Mapping[str, Any]
    created: datetime
    began: float
    after: datetime
    ended: float = FOREVER
    paused: bool = False
    through: datetime | None = None
    until: datetime | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Expected:
    """An occurrence, when it may have been decided about, and what may have been decided."""

    schedule_id: str
    instant: datetime
    stretch: Stretch
    windows: list[Window]
    kinds: set[str]

    @property
    def key(self) -> str:
        """The key that every attempt must carry."""
        return f"{self.schedule_id}_{self.instant:%Y%m%dT%H%M%SZ}"

    @property
    def first(self) -> float:
        """The first moment at which it can have been known to be due."""
        return self.windows[0].first

    @property
    def last(self) -> float:
        """The last moment at which it can have been decided about."""
        return self.windows[-1].last


@dataclass(slots=True)
class Life:
    """A schedule's life: its stretches, in order, and how many changes it had (``revision``)."""

    schedule_id: str
    stretches: list[Stretch] = field(default_factory=list)
    revision: int = 0
    deleted: bool = False

    @property
    def present(self) -> Stretch:
        """The last one."""
        return self.stretches[-1]


def floor_second(instant: datetime) -> datetime:
    """The second in which it lies."""
    return instant.replace(microsecond=0)


def carried_out(record: Record, schedule_id: str) -> list[Asked]:
    """The commands about a schedule that changed it, in the order in which they did."""
    done = {
        asked.message_id: asked
        for asked in record.asked
        if asked.schedule_id == schedule_id
        and asked.judged is not None
        and asked.judged.status == "completed"
    }
    return sorted(done.values(), key=lambda asked: (asked.judged_at or 0.0, asked.number))


def life_of(record: Record, clocks: Clocks, schedule_id: str) -> Life:
    """The schedule's stretches."""
    life = Life(schedule_id)
    for asked in carried_out(record, schedule_id):
        moment = asked.judged_at
        assert moment is not None
        if life.stretches:
            _wake(life, clocks, moment)
        _CHANGES.get(asked.action, _nothing)(life, asked, moment)
    if life.stretches and not life.deleted:
        _wake(life, clocks, record.ended)
    return life


def _create(life: Life, asked: Asked, moment: float) -> None:
    assert asked.judged is not None
    accepted = asked.judged.created_date
    definition = asked.request["schedule"]
    life.revision = 1
    life.stretches.append(Stretch(definition, accepted, moment, floor_second(accepted) - SECOND))


def _update(life: Life, asked: Asked, moment: float) -> None:
    assert asked.judged is not None
    before, now = life.present, floor_second(asked.judged.updated_date)
    definition = asked.request["schedule"]
    life.revision += 1
    before.ended = moment
    if before.paused:
        before.through = now
        after = Stretch(definition, before.created, moment, now, paused=True, until=before.until)
    else:
        accepted = floor_second(asked.judged.created_date)
        after = Stretch(definition, before.created, moment, accepted)
    life.stretches.append(after)


def _pause(life: Life, asked: Asked, moment: float) -> None:
    assert asked.judged is not None
    life.revision += 1
    before, until = life.present, asked.judged.request.until
    if before.paused:
        before.until = until
        return
    before.ended = moment
    now = floor_second(asked.judged.updated_date)
    life.stretches.append(Stretch(before.definition, before.created, moment, now, paused=True, until=until))


def _resume(life: Life, asked: Asked, moment: float) -> None:
    assert asked.judged is not None
    _resume_at(life, asked.judged.updated_date, moment)


def _resume_at(life: Life, wall: datetime, moment: float) -> None:
    before, now = life.present, floor_second(wall)
    life.revision += 1
    before.ended, before.through = moment, now - SECOND
    after = now - SECOND if now > before.after else before.after
    life.stretches.append(Stretch(before.definition, before.created, moment, after))


def _delete(life: Life, asked: Asked, moment: float) -> None:
    assert asked.judged is not None
    before = life.present
    life.revision += 1
    life.deleted = True
    before.ended = moment
    if before.paused:
        before.through = floor_second(asked.judged.updated_date)


def _nothing(life: Life, asked: Asked, moment: float) -> None:
    """A command that changes no schedule."""


_CHANGES = {"create": _create, "update": _update, "pause": _pause, "resume": _resume, "delete": _delete}


def _wake(life: Life, clocks: Clocks, moment: float) -> None:
    """A pause that says until when has ended by itself, if that came before ``moment``."""
    present = life.present
    if not present.paused or present.until is None:
        return
    windows = clocks.decided(present.until, present.began, moment)
    if windows and windows[0].first < moment:
        _resume_at(life, present.until, windows[0].first)


def expectations(record: Record, clocks: Clocks, life: Life) -> dict[datetime, Expected]:
    """Every occurrence of a schedule that was reached, by its instant."""
    found: dict[datetime, Expected] = {}
    for stretch in life.stretches:
        days = _days(record, stretch)
        if stretch.paused:
            _expect_paused(found, clocks, life, stretch, days)
        else:
            _expect_active(found, clocks, life, stretch, days)
    return found


def _days(record: Record, stretch: Stretch) -> Days | None:
    return record.plan.calendars[0] if stretch.definition.get("calendar") else None


def _expect_paused(
    found: dict[datetime, Expected], clocks: Clocks, life: Life, stretch: Stretch, days: Days | None
) -> None:
    if stretch.through is None:  # it is paused still: nothing is told of it yet
        return
    window = Window(stretch.ended, stretch.ended, timedelta(0), final=True)
    for instant in due(stretch.definition, stretch.created, stretch.after + SECOND, stretch.through, days):
        found.setdefault(instant, Expected(life.schedule_id, instant, stretch, [window], {PAUSED}))


def _expect_active(
    found: dict[datetime, Expected], clocks: Clocks, life: Life, stretch: Stretch, days: Days | None
) -> None:
    until = min(stretch.ended, clocks.record.ended)
    low, high = stretch.after + SECOND, clocks.highest(until)
    instants = due(stretch.definition, stretch.created, low, high, days)
    opened = [each for each in instants if not closed_on(stretch.definition, each, days)]
    for instant in instants:
        if instant in found:
            continue
        windows = clocks.decided(instant, stretch.began, until)
        if windows:
            kinds = _kinds(clocks, stretch, instant, opened, windows)
            found[instant] = Expected(life.schedule_id, instant, stretch, windows, kinds)


def _kinds(
    clocks: Clocks, stretch: Stretch, instant: datetime, opened: list[datetime], windows: list[Window]
) -> set[str]:
    """What may be decided about an occurrence, whenever within its windows that was."""
    place = bisect_left(opened, instant)
    if place == len(opened) or opened[place] != instant:
        return {CALENDAR}
    kinds = set()
    for window in windows:
        first, last = clocks.wall(window.first, window.offset), clocks.wall(window.last, window.offset)
        now = floor_second(first)
        for _ in range(min(floor((last - now).total_seconds()), 400) + 1):
            kinds.add(_kind(stretch.definition, instant, opened, now))
            now += SECOND
    return kinds


def _kind(definition: Mapping[str, Any], instant: datetime, opened: list[datetime], now: datetime) -> str:
    """What the catch-up policy decides about an occurrence that is looked at ``now``."""
    missed_from = now - MISSED_AFTER * SECOND
    if instant > missed_from:
        return RUN
    catch_up = definition.get("policies", {}).get("catch_up", {})
    if instant < now - catch_up.get("window_seconds", 86_400) * SECOND:
        return MISSED
    mode = catch_up.get("mode", "latest")
    if mode == "all":
        return RUN
    if mode == "skip":
        return MISSED
    newest = bisect_right(opened, now) - 1
    return RUN if newest >= 0 and opened[newest] == instant else MISSED
