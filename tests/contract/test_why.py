"""Why did it (not) run? A table of situations, each lived through on every host: what happened, what is
asked, and the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rez_agent.domain.action import Outcome
from rez_agent.domain.calendar_definition import CalendarDefinition, Found
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.execution import Reason
from rez_agent.domain.schedule import Schedule
from rez_agent.domain.verdicts import Verdict
from rez_agent.ports import Ports
from rez_agent.usecases.applying import apply
from rez_agent.usecases.calendars import create_calendar
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.why import Answer, why_for
from rez_agent.web.audit import why_document
from rez_agent.web.audit_models import WhyShape
from tests.contract.hosts import STEPPED, SteppedHost
from tests.fakes import FAILED, OK, REFUSED
from tests.rig import definition_of

ROOT = Caller("root", admin=True)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURLY = "cron(0 * * * ? *)"
NEW_YORK, PARIS, LORD_HOWE = "America/New_York", "Europe/Paris", "Australia/Lord_Howe"


def when(text: str) -> datetime:
    """``13:00`` on the first day, or an instant."""
    return datetime.fromisoformat(text if "T" in text else f"2026-06-01T{text}:00Z")


class World:
    """A host in which something happens to a schedule."""

    def __init__(self, host: SteppedHost) -> None:
        self.host = host

    def to(self, text: str) -> None:
        """Time passes and nobody is there: what falls due meanwhile is missed."""
        self.host.clock.advance_to(when(text))

    def live(self, text: str, outcome: Outcome = OK) -> None:
        """Time passes, everything runs when it is due, up to and including a moment."""
        until = when(text)
        while True:
            coming = (one.occurrences.next_after(self.host.clock.now()) for one in self.all())
            following = min((each for each in coming if each is not None), default=until)
            if following >= until:
                break
            self.host.clock.advance_to(following)
            self.work(outcome)
        self.host.clock.advance_to(until)
        self.work(outcome)

    def work(self, outcome: Outcome = OK) -> None:
        """What is due by now runs, and ends with ``outcome``."""
        self.host.keep_time()
        while claimed := self.host.claim():
            for one in claimed:
                self.host.end(one, outcome)

    def all(self) -> list[Schedule]:
        found = self.host.ask(lambda ports: [ports.schedules.get(each) for each in self.ids])
        return [one for one in found if one is not None]

    ids: tuple[str, ...] = ()

    def create(self, schedule_id: str = "sch_1", **changes: Any) -> None:
        self.ids = (*self.ids, schedule_id)
        self.command("create", schedule_id=schedule_id, schedule=definition_of(**changes))
        self.work()  # at noon it is due at once

    def command(self, action: str, by: str = "ann", schedule_id: str = "sch_1", **request: Any) -> Message:
        """A command, applied."""
        read = ScheduleCreationRequest.model_validate(
            {"action": action, "schedule_id": schedule_id, **request}
        )

        def take(ports: Ports) -> Message:
            now = ports.clock.now()
            identity, admin = ports.random.new_id("msg", now), by == "root"
            message = Message(identity, read, by, now, now, schedule_id=schedule_id, admin=admin)
            ports.messages.add(message)
            return apply(ports, message)

        done = self.host.ask(take)
        assert done.problems == ()
        return done

    def why(self, text: str, schedule_id: str = "sch_1") -> Answer:
        """Why, in words or on the first day's clock."""
        return self.host.ask(lambda ports: why_for(ports, ROOT, schedule_id, text))


Story = Callable[[World], Answer]


@dataclass(frozen=True)
class Situation:
    """What happens, and what the answer has to be: ``says`` are pieces of its sentence, ``notes`` of the
    notes."""

    story: Story
    verdict: Verdict
    says: tuple[str, ...]
    notes: tuple[str, ...] = ()
    reason: Reason | None = None
    hosts: tuple[str, ...] = tuple(STEPPED)


SITUATIONS: dict[str, Situation] = {}


def situation(
    verdict: str, *says: str, notes: tuple[str, ...] = (), reason: str | None = None, hosts: str = ""
) -> Callable[[Story], Story]:
    """Put a story into the table."""

    def register(story: Story) -> Story:
        where = tuple(hosts.split()) or tuple(STEPPED)
        because = None if reason is None else Reason(reason)
        SITUATIONS[story.__name__] = Situation(story, Verdict(verdict), says, notes, because, where)
        return story

    return register


# --- it ran ---


@situation("succeeded", "It ran and succeeded: it started at 13:00 on 1 June 2026 in UTC")
def it_ran(world: World) -> Answer:
    world.create()
    world.live("13:05")
    return world.why("13:00")


@situation("succeeded", "20 s after its time")
def it_ran_late_by_less_than_a_minute(world: World) -> Answer:
    world.create()
    world.to("13:00")
    world.host.clock.advance(seconds=20)
    world.work()
    return world.why("13:00")


@situation("failed", "It ran and failed", "404", "It is a dead letter")
def it_failed_for_good_and_is_a_dead_letter(world: World) -> Answer:
    world.create()
    world.live("13:05", REFUSED)
    return world.why("13:00")


@situation("queued", "Attempt 1 failed: the target answered 503; it is tried again at 13:00:")
def it_waits_for_its_second_attempt(world: World) -> Answer:
    world.create()
    world.to("13:00")
    world.host.keep_time()
    for claimed in world.host.claim():
        world.host.end(claimed, FAILED)
    return world.why("13:00")


@situation("running", "It is running: it started at 13:00", "attempt 1")
def it_is_running(world: World) -> Answer:
    world.create()
    world.to("13:00")
    world.host.keep_time()
    world.host.claim()
    return world.why("13:00")


@situation("cancelled", "It was cancelled: wrong day")
def somebody_cancelled_it(world: World) -> Answer:
    world.create()
    world.to("13:00")
    world.host.keep_time()
    world.command("cancel", execution_id="sch_1_20260601T130000Z", reason="wrong day", schedule_id="sch_1")
    return world.why("13:00")


@situation("succeeded", "It was not due: somebody asked for a run then. It ran and succeeded")
def somebody_ran_it_at_a_time_at_which_it_was_not_due(world: World) -> Answer:
    world.create()
    world.live("12:30")
    world.command("run")
    world.work()
    return world.why("12:30")


@situation(
    "not_covered", "it leaves out the minute 33", notes=("A run was asked for at 12:30 on 1 June 2026",)
)
def somebody_ran_it_a_few_minutes_before(world: World) -> Answer:
    world.create()
    world.live("12:30")
    world.command("run")
    world.work()
    world.live("12:40")
    return world.why("12:33")


@situation(
    "succeeded", "9.0 s after its time", notes=("Its expression was cron(0 * * * ? *) then. ann changed it",)
)
def it_ran_before_it_was_edited(world: World) -> Answer:
    world.create()
    world.to("13:00")
    world.host.clock.advance(seconds=9)
    world.work()
    world.live("13:30")
    world.command("update", patch={"schedule_expression": "rate(1 day)"})
    return world.why("13:00")


# --- it was skipped ---


@situation("skipped", "It was missed", "`latest`, runs only the newest", reason="missed")
def it_was_missed_while_the_server_was_down(world: World) -> Answer:
    world.create()
    world.live("12:10")
    world.to("16:30")
    world.work()
    return world.why("14:00")


@situation("succeeded", "It was missed at its time and made good later. It ran and succeeded", "30 min after")
def it_was_the_latest_that_was_missed(world: World) -> Answer:
    world.create()
    world.live("12:10")
    world.to("16:30")
    world.work()
    return world.why("16:00")


@situation("skipped", "`skip`, runs nothing that was missed", reason="missed")
def it_was_missed_and_nothing_is_caught_up(world: World) -> Answer:
    world.create(policies={"catch_up": "skip"})
    world.live("12:10")
    world.to("14:30")
    world.work()
    return world.why("14:00")


@situation("skipped", "is `all`, but what was missed by more than 2 h is not run", reason="missed")
def it_was_missed_by_more_than_the_window_of_catch_up(world: World) -> Answer:
    world.create(policies={"catch_up": {"mode": "all", "window_seconds": 7_200}, "overlap": "allow"})
    world.live("12:10")
    world.to("16:30")
    world.work()
    return world.why("13:00")


@situation("succeeded", "made good later", hosts="local aws")
def it_was_missed_and_all_are_caught_up(world: World) -> Answer:
    world.create(policies={"catch_up": "all"})
    world.live("12:10")
    world.to("16:30")
    world.work()
    return world.why("13:00")


@situation(
    "skipped", "the execution of 13:00 on 1 June 2026 in UTC was still in flight", "`skip`", reason="overlap"
)
def an_earlier_one_was_still_running(world: World) -> Answer:
    world.create()
    world.to("13:00")
    world.host.keep_time()
    world.host.claim()
    world.to("14:00")
    world.host.keep_time()
    return world.why("14:00")


@situation("queued", "It waits behind an earlier execution")
def it_is_held_behind_an_earlier_one(world: World) -> Answer:
    world.create(policies={"overlap": "queue"})
    world.to("13:00")
    world.host.keep_time()
    world.host.claim()
    world.to("14:00")
    world.host.keep_time()
    return world.why("14:00")


@situation("running", "It is running")
def two_at_once_are_allowed(world: World) -> Answer:
    world.create(policies={"overlap": "allow"})
    for text in ("13:00", "14:00"):
        world.to(text)
        world.host.keep_time()
        world.host.claim()
    return world.why("14:00")


@situation("skipped", "It expired: it could not be tried within 60 min of its time", reason="expired")
def it_could_not_be_tried_in_time(world: World) -> Answer:
    world.create(policies={"retry": {"max_attempts": 0}})
    world.to("13:00")
    world.host.keep_time()
    world.to("14:05")
    world.work()
    return world.why("13:00")


@situation("skipped", "for the condition was false (runs_today = 3)", reason="condition")
def its_condition_was_false(world: World) -> Answer:
    world.create(condition="runs_today < 3")
    world.live("12:30")
    told = "the condition was false (runs_today = 3)"
    world.live("13:10", Outcome(ok=False, code="condition", error=told, made=False))
    return world.why("13:00")


@situation("failed", "It was not run, for its condition can't be judged: no such key: slots.")
def its_condition_can_not_be_judged(world: World) -> Answer:
    world.create(condition="runs_today < 3")
    world.live("12:30")
    outcome = Outcome(
        ok=False, code="condition_error", error="no such key: slots", permanent=True, made=False
    )
    world.live("13:10", outcome)
    return world.why("13:00")


def _calendar(world: World, *closed: str) -> None:
    """The calendar ``at``, in which these days are closed."""
    days = CalendarDefinition.model_validate({"closed": {text[:10]: text[11:] for text in closed}})
    world.host.ask(lambda ports: create_calendar(ports, Caller("ann"), "at", days, Found({})))


@situation("skipped", "2026-06-02 is closed in calendar 'at': Republic Day", reason="calendar")
def its_calendar_closes_the_day(world: World) -> Answer:
    _calendar(world, "2026-06-02 Republic Day")
    world.create(schedule_expression="cron(0 9 * * ? *)", calendar="at")
    world.live("2026-06-03T12:00:00Z")
    return world.why("2026-06-02T09:00")


@situation("skipped", "It will be skipped by its calendar: 2026-06-02 is closed in calendar 'at'")
def its_calendar_will_close_the_day(world: World) -> Answer:
    _calendar(world, "2026-06-02 Republic Day")
    world.create(schedule_expression="cron(0 9 * * ? *)", calendar="at")
    return world.why("2026-06-02T09:00")


@situation(
    "moved", "Its calendar moved it to 09:00 on 4 June 2026 in UTC", "Republic Day", "It ran and succeeded"
)
def its_calendar_moved_it_to_another_day(world: World) -> Answer:
    _calendar(world, "2026-06-02 Republic Day", "2026-06-03 Bridge day")
    world.create(schedule_expression="cron(0 9 2 * ? *)", calendar={"name": "at", "closed": "next"})
    world.live("2026-06-05T12:00:00Z")
    return world.why("2026-06-02T09:00")


@situation("succeeded", "It ran and succeeded", notes=("moved it here from 09:00 on 2 June 2026 in UTC",))
def its_calendar_moved_it_here(world: World) -> Answer:
    _calendar(world, "2026-06-02 Republic Day", "2026-06-03 Bridge day")
    world.create(schedule_expression="cron(0 9 2 * ? *)", calendar={"name": "at", "closed": "next"})
    world.live("2026-06-05T12:00:00Z")
    return world.why("2026-06-04T09:00")


@situation("moved", "Its calendar moved it to 09:00 on 3 June 2026", "It ran", notes=("ann changed it",))
def it_heeded_a_calendar_then_that_it_does_not_heed_now(world: World) -> Answer:
    _calendar(world, "2026-06-02 Republic Day")
    world.create(schedule_expression="cron(0 9 2 * ? *)", calendar={"name": "at", "closed": "next"})
    world.live("2026-06-05T12:00:00Z")
    world.command("update", patch={"calendar": None, "schedule_expression": "cron(0 9 1 * ? *)"})
    return world.why("2026-06-02T09:00")


# --- it was paused ---


@situation(
    "paused",
    "It did not run, for the schedule was paused. root paused it at 12:30 on 1 June 2026 in UTC: mown.",
    "ann ended the pause at 15:30 on 1 June 2026 in UTC; what it let pass is not caught up.",
    reason="paused",
)
def it_was_paused_and_resumed(world: World) -> Answer:
    world.create()
    world.live("12:30")
    world.command("pause", by="root", reason="mown")
    world.live("15:30")
    world.command("resume")
    world.live("17:10")
    return world.why("14:00")


@situation("paused", "ann paused it", "and gave no reason. The pause lasts until somebody resumes it.")
def it_is_still_paused(world: World) -> Answer:
    world.create()
    world.command("pause")
    world.live("14:10")
    return world.why("14:00")


@situation("paused", "The pause ended by itself at 14:30", reason="paused")
def its_pause_ended_by_itself(world: World) -> Answer:
    world.create()
    world.command("pause", reason="mown", until="2026-06-01T14:30:00Z")
    world.live("14:30")
    world.live("15:10")
    return world.why("14:00")


@situation("paused", "root paused it at 12:45 on 1 June 2026 in UTC: still mown", reason="paused")
def it_was_paused_twice(world: World) -> Answer:
    world.create()
    world.command("pause", reason="mown")
    world.live("12:45")
    world.command("pause", by="root", reason="still mown")
    world.live("15:30")
    world.command("resume")
    return world.why("14:00")


@situation("paused", "ann paused it at 12:10 on 1 June 2026 in UTC: mown", reason="paused")
def it_was_edited_while_it_was_paused(world: World) -> Answer:
    world.create()
    world.live("12:10")
    world.command("pause", reason="mown")
    world.live("13:30")
    world.command("update", patch={"tags": ["new"]})
    world.live("15:30")
    world.command("resume")
    return world.why("13:00")


@situation("paused", "It will not run, for the schedule is paused", "until somebody resumes it")
def it_will_not_run_while_it_is_paused(world: World) -> Answer:
    world.create()
    world.command("pause", reason="mown")
    return world.why("tomorrow 09:00")


@situation("not_yet_due", "it will run at 09:00 on 2 June 2026 in UTC", "The schedule is paused until 18:00")
def its_pause_will_be_over_by_then(world: World) -> Answer:
    world.create()
    world.command("pause", until="2026-06-01T18:00:00Z")
    return world.why("tomorrow 09:00")


@situation("paused", "ann paused it", notes=("A backfill was asked for", "succeeded"), reason="paused")
def it_was_paused_and_made_good_by_a_backfill(world: World) -> Answer:
    world.create()
    world.command("pause")
    world.live("14:30")
    world.command("resume")
    world.command("backfill", **{"from": "2026-06-01T13:00:00Z", "to": "2026-06-01T13:00:00Z"})
    world.work()
    return world.why("13:00")


# --- the clock ---


@situation(
    "does_not_exist", "02:30 does not exist on 14 March 2027 in America/New_York", "from 02:00 to 03:00"
)
def the_clocks_skip_the_local_time(world: World) -> Answer:
    world.to("2027-03-13T12:00:00Z")
    world.create(schedule_expression="cron(30 2 * * ? *)", timezone=NEW_YORK)
    world.live("2027-03-14T12:00:00Z")
    return world.why("2027-03-14T02:30")


@situation("does_not_exist", "02:30 does not exist on 14 March 2027")
def the_clocks_skip_the_time_that_was_said_with_its_offset(world: World) -> Answer:
    world.to("2027-03-13T12:00:00Z")
    world.create(schedule_expression="cron(30 2 * * ? *)", timezone=NEW_YORK)
    world.live("2027-03-14T12:00:00Z")
    return world.why("2027-03-14T02:30:00-05:00")


@situation(
    "does_not_exist", "02:15 does not exist on 4 October 2026 in Australia/Lord_Howe", "from 02:00 to 02:30"
)
def a_zone_skips_half_an_hour(world: World) -> Answer:
    world.to("2026-10-03T00:00:00Z")
    world.create(schedule_expression="cron(15 2 * * ? *)", timezone=LORD_HOWE)
    world.live("2026-10-04T00:00:00Z")
    return world.why("2026-10-04T02:15")


@situation("succeeded", "It ran and succeeded", notes=("happens twice on 25 October 2026 in Europe/Paris",))
def the_time_came_twice_and_it_ran_at_the_first(world: World) -> Answer:
    world.to("2026-10-24T12:00:00Z")
    world.create(schedule_expression="cron(30 2 * * ? *)", timezone=PARIS)
    world.live("2026-10-25T12:00:00Z")
    return world.why("2026-10-25T02:30")


@situation(
    "second_pass", "02:30 happens twice on 25 October 2026", "this is the second", "It ran and succeeded"
)
def the_time_came_twice_and_this_is_the_second(world: World) -> Answer:
    world.to("2026-10-24T12:00:00Z")
    world.create(schedule_expression="cron(30 2 * * ? *)", timezone=PARIS)
    world.live("2026-10-25T12:00:00Z")
    return world.why("2026-10-25T02:30+01:00")


@situation("succeeded", "It ran", notes=("02:30 does not exist on 14 March 2027", "moves forward by the gap"))
def an_at_in_the_gap_moved_forward(world: World) -> Answer:
    world.to("2027-03-13T12:00:00Z")
    world.create(schedule_expression="at(2027-03-14T02:30:00)", timezone=NEW_YORK)
    world.live("2027-03-14T12:00:00Z")
    return world.why("2027-03-14T02:30")


@situation(
    "not_covered",
    "rate(12 hours) does not cover 01:00 on 29 March 2027",
    "counted in elapsed time from 13:00",
)
def a_rate_does_not_follow_the_clocks(world: World) -> Answer:
    world.to("2027-03-27T12:00:00Z")
    world.create(schedule_expression="rate(12 hours)", timezone=PARIS)
    world.live("2027-03-29T12:00:00Z")
    return world.why("2027-03-29T01:00")


@situation("succeeded", "It ran and succeeded: it started at 02:00:17")
def a_minute_holds_the_second_of_a_rate(world: World) -> Answer:
    world.to("2027-03-27T12:00:00Z")
    world.host.clock.advance(seconds=17)
    world.create(schedule_expression="rate(12 hours)", timezone=PARIS)
    world.live("2027-03-29T12:00:00Z")
    return world.why("2027-03-29T02:00")


@situation("not_covered", "rate(12 hours) does not cover 02:00 on 29 March 2027")
def a_second_that_was_said_is_exact(world: World) -> Answer:
    world.to("2027-03-27T12:00:00Z")
    world.host.clock.advance(seconds=17)
    world.create(schedule_expression="rate(12 hours)", timezone=PARIS)
    world.live("2027-03-29T12:00:00Z")
    return world.why("2027-03-29T02:00:00")


# --- it was not due ---


@situation("not_covered", "it leaves out the minute 31, the hour 9 and the day, Sunday 7 June 2026")
def nothing_of_it_matches(world: World) -> Answer:
    world.to("12:00")
    world.create(schedule_expression="cron(0 8 ? * MON-FRI *)")
    world.to("2026-06-08T12:00:00Z")
    return world.why("2026-06-07T09:31")


@situation("before_start", "It was not due before its start, 15:00 on 1 June 2026 in UTC")
def it_had_not_started(world: World) -> Answer:
    world.create(start="2026-06-01T15:00:00Z")
    world.live("16:10")
    return world.why("13:00")


@situation("after_end", "It was not due after its end, 13:30 on 1 June 2026 in UTC")
def it_had_ended(world: World) -> Answer:
    world.create(end="2026-06-01T13:30:00Z")
    world.live("15:10")
    return world.why("14:00")


@situation("finished", "at(2026-06-01T13:00:00) was due once, at 13:00 on 1 June 2026 in UTC")
def it_was_due_once_before(world: World) -> Answer:
    world.create(schedule_expression="at(2026-06-01T13:00:00)")
    world.live("15:10")
    return world.why("14:00")


@situation(
    "edited",
    "its expression was cron(0 * * * ? *) then. ann changed it at 13:45 on 1 June 2026 in UTC (too seldom)",
    "cron(0,30 * * * ? *), as it is since, covers it",
)
def it_was_edited_since_to_cover_it(world: World) -> Answer:
    world.create()
    world.live("13:45")
    patch = {"schedule_expression": "cron(0,30 * * * ? *)"}
    world.command("update", patch=patch, reason="too seldom")
    world.live("15:10")
    return world.why("13:30")


@situation(
    "edited", "It was not due any more. ann changed it at 13:45", "cron(0 * * * ? *), which covers it, became"
)
def it_was_edited_before_and_covers_it_no_more(world: World) -> Answer:
    world.create()
    world.live("13:45")
    world.command("update", patch={"schedule_expression": "cron(30 * * * ? *)"})
    for action in ("pause", "resume"):
        world.live("14:10")
        world.command(action)
    world.live("15:10")
    return world.why("15:00")


@situation("succeeded", "It ran and succeeded: it started at 13:00 on 1 June 2026", notes=("ann changed it",))
def it_ran_at_a_time_that_the_present_expression_does_not_cover(world: World) -> Answer:
    world.create()
    world.live("13:45")
    world.command("update", patch={"schedule_expression": "cron(30 * * * ? *)"})
    return world.why("13:00")


@situation("not_yet_due", "It is not due yet: it will run at 15:00 on 1 June 2026 in UTC.")
def its_time_has_not_come(world: World) -> Answer:
    world.create()
    return world.why("15:00")


@situation("not_yet_due", "or up to 30 min later, as its flexible window has it")
def it_will_run_within_its_window(world: World) -> Answer:
    world.create(policies={"flexible_window_minutes": 30})
    return world.why("15:00")


@situation("queued", "It is queued, and starts within its flexible window, at 13:", hosts="local")
def it_waits_for_its_moment_in_the_window(world: World) -> Answer:
    world.create(policies={"flexible_window_minutes": 30, "overlap": "allow"})
    world.to("13:00")
    world.host.keep_time()
    return world.why("13:00")


@situation("being_decided", "and is being decided. Its flexible window lasts until 13:30", hosts="aws")
def the_engine_keeps_its_window(world: World) -> Answer:
    world.create(policies={"flexible_window_minutes": 30})
    world.to("13:10")
    return world.why("13:00")


@situation("being_decided", "It was due at 13:00 on 1 June 2026 in UTC, and is being decided.")
def its_time_has_come_this_moment(world: World) -> Answer:
    world.create()
    world.to("13:00")
    world.host.clock.advance(seconds=2)
    return world.why("13:00")


@situation("missing", "Nothing is recorded of it, though it was due at 13:00", "`rez-agent doctor`")
def nothing_was_recorded_though_it_was_due(world: World) -> Answer:
    world.create()
    world.to("13:10")
    return world.why("13:00")


# --- it did not exist ---


@situation("not_created", "The schedule did not exist yet: ann created it at 12:00 on 1 June 2026 in UTC.")
def it_was_created_later(world: World) -> Answer:
    world.create()
    return world.why("11:00")


@situation(
    "deleted", "The schedule did not exist any more: root deleted it at 13:30 on 1 June 2026 in UTC: over."
)
def it_was_deleted(world: World) -> Answer:
    world.create()
    world.live("13:30")
    world.command("delete", by="root", reason="over")
    world.live("15:00")
    return world.why("14:00")


@situation("succeeded", "It ran and succeeded")
def it_ran_before_it_was_deleted(world: World) -> Answer:
    world.create()
    world.live("13:30")
    world.command("delete")
    return world.why("13:00")


@situation("deleted", "it was deleted at", "nothing was left, and it was to be deleted then")
def it_deleted_itself(world: World) -> Answer:
    world.create(schedule_expression="at(2026-06-01T13:00:00)", policies={"on_completion": "delete"})
    world.live("13:10")
    world.to("14:10")
    world.host.tidy()
    return world.why("15:00")


@situation("not_created", "The schedule did not exist yet: ann created it at 14:30")
def its_name_belonged_to_another_then(world: World) -> Answer:
    world.create()
    world.live("13:30")
    world.command("delete")
    world.live("14:30")
    world.create("sch_2")
    world.live("15:10")
    answer = world.why("13:00", "sch_2")
    assert [other.id for other in answer.namesakes] == ["sch_1"]
    return answer


@situation("succeeded", "It ran and succeeded: it started at 13:00")
def the_one_that_bore_its_name_answers_for_itself(world: World) -> Answer:
    world.create()
    world.live("13:30")
    world.command("delete")
    world.live("14:30")
    world.create("sch_2")
    return world.why("13:00", "sch_1")


@situation("not_covered", "it leaves out the minute 30")
def an_id_that_begins_like_another_tells_of_its_own(world: World) -> Answer:
    world.create()
    world.create("sch_11", name="other", schedule_expression="cron(30 * * * ? *)")
    world.live("13:40")
    return world.why("13:30", "sch_1")


# --- it can't be told, or not any more ---


@situation(
    "not_kept", "It was due at 13:00 on 1 June 2026 in UTC. The history of that time is not kept any more"
)
def the_history_of_that_time_is_forgotten(world: World) -> Answer:
    world.create(schedule_expression="cron(0 13 1 * ? *)")
    world.live("13:10")
    world.to("2026-09-20T00:00:00Z")
    world.work()
    world.host.tidy()
    return world.why("2026-06-01T13:00")


@pytest.fixture(
    params=[(name, host) for name, each in SITUATIONS.items() for host in each.hosts], ids="-".join
)
def lived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Situation, World]]:
    """A situation, and the host to live it through on."""
    name, host = request.param
    with STEPPED[host](tmp_path) as made:
        yield SITUATIONS[name], World(made)


def test_the_answer_is_right(lived: tuple[Situation, World]) -> None:
    expected, world = lived
    found = expected.story(world)
    assert WhyShape.model_validate(why_document(found))
    answer = found.why
    told = f"{answer.sentence} | {' '.join(answer.notes)}"
    assert answer.verdict is expected.verdict, told
    for piece in expected.says:
        assert piece in answer.sentence, told
    for piece in expected.notes:
        assert piece in " ".join(answer.notes), told
    if expected.reason is not None:
        assert answer.execution is not None
        assert answer.execution.reason is expected.reason


def test_there_are_forty_of_them() -> None:
    assert len(SITUATIONS) >= 40
