"""The contract of calendars: what both hosts make of a schedule that heeds one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from rez_agent.domain.calendar_definition import CalendarDefinition, Found, Kept
from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.errors import Conflict, Invalid
from rez_agent.domain.schedule import CalendarUse, ClosedDay, Schedule
from rez_agent.ports import ExecutionQuery, Ports
from rez_agent.usecases.applying import apply
from rez_agent.usecases.calendars import (
    create_calendar,
    delete_calendar,
    follow,
    learn,
    list_calendars,
    outdated_calendars,
    replace_calendar,
)
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.commands import submit
from rez_agent.usecases.preview import preview_in
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON
from tests.rig import ANN, BOB, definition_of

DAY = timedelta(days=1)


def keep(host: SteppedHost, *closed: str, name: str = "at", **more: Any) -> Kept:
    definition = calendar(*closed, **more)
    return host.ask(lambda ports: create_calendar(ports, ANN, name, definition, Found({})))


def calendar(*closed: str, **more: Any) -> CalendarDefinition:
    days = {text[:10]: text[11:] for text in closed}
    return CalendarDefinition.model_validate({"closed": days, **more})


def change(host: SteppedHost, *closed: str) -> None:
    definition = calendar(*closed)
    host.ask(lambda ports: replace_calendar(ports, ANN, "at", definition, Found({}), revision=None))
    while host.ask(follow):
        pass


def command(host: SteppedHost, caller: Caller = ANN, **request: Any) -> Schedule:
    def do(ports: Ports) -> Schedule:
        read = ScheduleCreationRequest.model_validate(request)
        message = apply(ports, submit(ports, caller, read).message)
        assert message.problems == ()
        schedule = ports.schedules.get(message.schedule_id or "")
        assert schedule is not None
        return schedule

    return host.ask(do)


def create(host: SteppedHost, expression: str, closed: str, **more: Any) -> Schedule:
    use = {"name": "at", "closed": closed}
    document = definition_of(
        schedule_expression=expression, calendar=use, policies={"overlap": "allow"}, **more
    )
    return command(host, action="create", schedule=document)


def days_pass(host: SteppedHost, until: str) -> None:
    """The engine keeps time, at each noon and midnight."""
    end = at(until)
    while host.clock.now() < end:
        half_days = (host.clock.now() - NOON) // (DAY / 2) + 1
        host.clock.advance_to(min(end, NOON + half_days * DAY / 2))
        host.keep_time()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def entries(host: SteppedHost, schedule: Schedule) -> list[str]:
    found = host.ask(lambda ports: ports.ledger.list(ExecutionQuery(schedule_id=schedule.id))).items
    return [f"{e.scheduled_time:%m-%d %H} {e.reason or e.cause}" for e in reversed(found)]


def test_an_occurrence_on_a_closed_day_is_skipped_and_its_entry_says_why(host: SteppedHost) -> None:
    keep(host, "2026-06-02 Republic Day")
    schedule = create(host, "cron(0 0 * * ? *)", "skip")
    assert schedule.next_run == at("2026-06-02")
    days_pass(host, "2026-06-03T00:00:00")
    assert entries(host, schedule) == ["06-02 00 calendar", "06-03 00 schedule"]
    found = host.ask(lambda ports: ports.ledger.list(ExecutionQuery(schedule_id=schedule.id))).items
    assert found[-1].detail == "2026-06-02 is closed in calendar 'at': Republic Day"


@pytest.mark.parametrize(
    ("closed", "first", "second"),
    [
        ("next", "2026-06-11T12:00:00", "2026-07-09T12:00:00"),
        ("previous", "2026-06-08T12:00:00", "2026-07-09T12:00:00"),
    ],
)
def test_an_occurrence_on_a_closed_day_is_moved(
    host: SteppedHost, closed: str, first: str, second: str
) -> None:
    keep(host, "2026-06-09", "2026-06-10")
    schedule = create(host, "cron(0 12 9 * ? *)", closed)
    assert schedule.next_run == at(first)
    days_pass(host, "2026-06-12T00:00:00")
    present = host.ask(lambda ports: ports.schedules.get(schedule.id))
    assert present is not None
    assert present.next_run == at(second)
    assert entries(host, schedule) == [f"{at(first):%m-%d} 12 schedule"]
    days_pass(host, "2026-07-10T00:00:00")
    assert entries(host, schedule)[1:] == ["07-09 12 schedule"]


def test_a_moved_schedule_goes_on_and_what_lands_on_one_instant_runs_once(host: SteppedHost) -> None:
    keep(host, open_weekdays=("mon", "tue", "wed", "thu", "fri"))
    schedule = create(host, "cron(0 12 * * ? *)", "next")
    days_pass(host, "2026-06-10T13:00:00")  # 1 June was a Monday
    dues = [entry[:5] for entry in entries(host, schedule)]
    assert dues == ["06-01", "06-02", "06-03", "06-04", "06-05", "06-08", "06-09", "06-10"]


def test_schedules_follow_a_change_of_their_calendar(host: SteppedHost) -> None:
    keep(host)
    schedule = create(host, "cron(0 12 9 * ? *)", "next")
    assert schedule.next_run == at("2026-06-09T12:00:00")
    host.clock.advance(hours=5)
    change(host, "2026-06-09", "2026-06-10")
    present = host.ask(lambda ports: ports.schedules.get(schedule.id))
    assert present is not None
    assert (present.next_run, present.revision) == (at("2026-06-11T12:00:00"), 1)
    days_pass(host, "2026-06-12T00:00:00")
    assert entries(host, schedule) == ["06-11 12 schedule"]
    change(host)
    days_pass(host, "2026-07-10T00:00:00")
    assert entries(host, schedule) == ["06-11 12 schedule", "07-09 12 schedule"]


def test_a_change_may_bring_an_occurrence_forward(host: SteppedHost) -> None:
    keep(host, "2026-06-02", "2026-06-03", "2026-06-04")
    schedule = create(host, "cron(0 12 2 * ? *)", "next")
    assert schedule.next_run == at("2026-06-05T12:00:00")
    change(host, "2026-06-02")
    days_pass(host, "2026-06-06T12:00:00")
    assert entries(host, schedule) == ["06-03 12 schedule"]


def test_who_may_not_see_a_schedule_does_not_learn_its_id_from_the_calendar(host: SteppedHost) -> None:
    keep(host, "2026-06-02")
    document = definition_of(schedule_expression="rate(1 day)", calendar={"name": "at", "closed": "skip"})
    schedule = command(host, BOB, action="create", schedule=document)
    with pytest.raises(Conflict) as refused:
        host.ask(lambda ports: delete_calendar(ports, ANN, "at", revision=None))
    assert refused.value.code == "calendar_in_use"
    assert schedule.id not in refused.value.message


def test_a_calendar_that_is_used_stays_and_one_that_is_not_can_go(host: SteppedHost) -> None:
    keep(host, "2026-06-02")
    schedule = create(host, "cron(0 12 * * ? *)", "previous")
    assert host.ask(lambda p: p.schedules.heeding("at", ClosedDay.PREVIOUS, None, 9)) == (schedule.id,)
    assert host.ask(lambda p: p.schedules.heeding("at", ClosedDay.SKIP, None, 9)) == ()
    assert host.ask(lambda p: p.schedules.heeding("at", ClosedDay.PREVIOUS, schedule.id, 9)) == ()
    with pytest.raises(Conflict) as refused:
        host.ask(lambda ports: delete_calendar(ports, ANN, "at", revision=None))
    assert refused.value.code == "calendar_in_use"
    assert schedule.id in refused.value.message
    patched = command(host, action="update", schedule_id=schedule.id, patch={"calendar": None})
    assert patched.calendar is None
    host.ask(lambda ports: delete_calendar(ports, ANN, "at", revision=None))
    assert host.ask(list_calendars) == []


def test_a_deleted_schedule_uses_no_calendar(host: SteppedHost) -> None:
    keep(host, "2026-06-02")
    schedule = create(host, "cron(0 12 * * ? *)", "skip")
    command(host, action="delete", schedule_id=schedule.id)
    assert host.ask(lambda p: p.schedules.heeding("at", ClosedDay.SKIP, None, 9)) == ()


def test_a_calendar_that_is_not_there_is_refused(host: SteppedHost) -> None:
    keep(host, "2026-06-02", name="austria")
    with pytest.raises(Invalid) as refused:
        command(host, action="create", schedule=definition_of(calendar="austira"))
    assert [problem.code for problem in refused.value.problems] == ["unknown_calendar"]
    assert refused.value.problems[0].pointer == "/calendar/name"
    assert "`austria`" in refused.value.message


def test_a_calendar_is_given_along_with_the_schedule(host: SteppedHost) -> None:
    keep(host, "2026-06-02 Republic Day")
    schedule = create(host, "cron(0 12 * * ? *)", "skip")
    assert schedule.calendar is not None
    assert schedule.calendar.why_closed(date(2026, 6, 2)) == "Republic Day"
    change(host, "2026-06-03")
    present = host.ask(lambda ports: ports.schedules.get(schedule.id))
    assert present is not None
    assert present.calendar is not None
    assert present.calendar.why_closed(date(2026, 6, 2)) is None
    assert present.next_run == NOON


def test_many_schedules_follow_slice_by_slice(host: SteppedHost) -> None:
    keep(host)
    made = [create(host, "cron(0 12 9 * ? *)", "next", name=f"many-{n:02}") for n in range(23)]
    change(host, "2026-06-09")
    for schedule in made:
        present = host.ask(lambda ports, one=schedule: ports.schedules.get(one.id))  # type: ignore[misc]
        assert present.next_run == at("2026-06-10T12:00:00")


def holidays(host: SteppedHost, until: date, *days: date) -> Kept:
    """A calendar of Austria's holidays, whose source was asked up to ``until``."""
    definition = CalendarDefinition.model_validate({"source": {"kind": "holidays", "country": "AT"}})
    found = Found(dict.fromkeys(days, "a holiday"), None, until)
    return host.ask(lambda ports: create_calendar(ports, ANN, "at", definition, found))


def test_holidays_are_asked_for_again_once_a_year(host: SteppedHost) -> None:
    holidays(host, date(2036, 12, 31))
    assert host.ask(outdated_calendars) == []
    host.clock.advance_to(at("2026-12-31T23:59:59"))
    assert host.ask(outdated_calendars) == []
    host.clock.advance_to(at("2027-01-01T00:00:00"))
    assert [kept.name for kept in host.ask(outdated_calendars)] == ["at"]


def test_what_is_listed_by_hand_or_came_in_a_file_is_never_outdated(host: SteppedHost) -> None:
    keep(host, "2026-06-02")
    definition = CalendarDefinition.model_validate({"source": {"kind": "ics"}})
    host.ask(lambda p: create_calendar(p, ANN, "file", definition, Found({}, None, date(2026, 1, 1))))
    assert host.ask(outdated_calendars) == []


def test_schedules_follow_the_days_that_a_source_has_learned(host: SteppedHost) -> None:
    kept = holidays(host, date(2025, 12, 31))
    schedule = create(host, "cron(0 12 9 * ? *)", "next")
    host.clock.advance(hours=5)
    found = Found({date(2026, 6, 9): "Whit Tuesday"}, None, date(2036, 12, 31))
    assert host.ask(lambda ports: learn(ports, kept, found))
    while host.ask(follow):
        pass
    present = host.ask(lambda ports: ports.schedules.get(schedule.id))
    assert present is not None
    assert present.next_run == at("2026-06-10T12:00:00")
    (learned,) = host.ask(list_calendars)
    assert (learned.revision, learned.known_until) == (2, date(2036, 12, 31))
    assert host.ask(outdated_calendars) == []


def test_what_was_learned_of_a_calendar_that_changed_meanwhile_is_dropped(host: SteppedHost) -> None:
    kept = holidays(host, date(2025, 12, 31))
    change(host, "2026-06-02")
    assert not host.ask(lambda ports: learn(ports, kept, Found({}, None, date(2036, 12, 31))))
    (present,) = host.ask(list_calendars)
    assert present.revision == 2
    host.ask(lambda ports: delete_calendar(ports, ANN, "at", revision=None))
    assert not host.ask(lambda ports: learn(ports, kept, Found({}, None, date(2036, 12, 31))))
    assert host.ask(list_calendars) == []


@pytest.mark.parametrize(
    ("expression", "closed", "codes"),
    [
        ("at(2026-06-02T11:00:00)", "previous", ["closed_by_calendar"]),
        ("at(2026-06-02T11:00:00)", "next", []),
        ("at(2026-06-02T11:00:00)", "skip", ["closed_by_calendar"]),
        ("at(2026-06-02T12:00:00)", "previous", []),  # it is moved to this very second, which counts
        ("at(2026-06-02T11:59:59)", "previous", ["closed_by_calendar"]),
        ("at(2026-06-03T11:00:00)", "skip", []),
        ("cron(0 11 2 6 ? 2026)", "skip", ["closed_by_calendar"]),
        ("cron(0 11 2 6 ? *)", "skip", []),
    ],
)
def test_what_a_calendar_leaves_nothing_of_is_accepted_with_a_warning(
    host: SteppedHost, expression: str, closed: str, codes: list[str]
) -> None:
    keep(host, "2026-06-02 Republic Day")
    use = CalendarUse(name="at", closed=ClosedDay(closed))
    document = definition_of(schedule_expression=expression, calendar=use.model_dump(mode="json"))
    request = ScheduleCreationRequest.model_validate({"action": "create", "schedule": document})
    told = host.ask(lambda ports: submit(ports, ANN, request).warnings)
    now = host.clock.now()
    shown = host.ask(lambda ports: preview_in(ports, expression, "UTC", use=use, now=now).warnings)
    assert [problem.code for problem in told] == codes
    assert [problem.code for problem in shown] == codes


def test_the_warning_says_where_the_only_occurrence_would_be(host: SteppedHost) -> None:
    keep(host, "2026-06-02 Republic Day")
    use = CalendarUse(name="at", closed=ClosedDay.PREVIOUS)
    expression, now = "at(2026-06-02T11:00:00)", host.clock.now()
    (found,) = host.ask(lambda ports: preview_in(ports, expression, "UTC", use=use, now=now).warnings)
    assert found.pointer == "/calendar"
    assert found.message == (
        "2026-06-02 is closed in calendar 'at': Republic Day; the only occurrence is moved to "
        "2026-06-01T11:00:00Z, which has passed: nothing would fire. Choose a later time, or 'next' in place "
        "of 'previous'"
    )
