"""The contract of Changes, and that whatever changes a schedule keeps a change with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rez_agent.domain.changes import CHANGES_KEPT, Change, ChangeAction, Difference, as_it_was
from rez_agent.domain.command import Message, ScheduleCreationRequest
from rez_agent.domain.errors import Invalid
from rez_agent.domain.schedule import Schedule
from rez_agent.ports import Page, Ports
from rez_agent.usecases.applying import apply
from tests.contract.hosts import SteppedHost
from tests.fakes import NOON
from tests.rig import definition_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FULL = Change(
    "sch_1",
    2,
    ChangeAction.UPDATE,
    NOON + timedelta(milliseconds=1),
    by="ann",
    reason="ünïcode ☃",
    message_id="msg_1",
    diff=(
        Difference("/payload/a", None, [1, {"x": None}]),
        Difference("/payload/b", after=True),
        Difference("/description", omitted=True),
    ),
)


def add(host: SteppedHost, *changes: Change) -> None:
    def keep(ports: Ports) -> None:
        for change in changes:
            ports.changes.add(change)

    host.ask(keep)


def listed(host: SteppedHost, schedule_id: str = "sch_1", **asked: Any) -> Page[Change]:
    return host.ask(lambda ports: ports.changes.list(schedule_id, **asked))


def several(count: int) -> list[Change]:
    """Changes, a minute apart, oldest first."""
    return [
        Change("sch_1", 2 + number, ChangeAction.UPDATE, NOON + number * MINUTE, by="ann")
        for number in range(count)
    ]


def test_a_change_is_given_back_as_it_was_kept(host: SteppedHost) -> None:
    own = Change("sch_1", 2, ChangeAction.ERROR, NOON + MINUTE, reason="the zone has gone")
    add(host, FULL, own)
    assert listed(host) == Page((own, FULL), None, 2)


def test_changes_belong_to_their_schedule(host: SteppedHost) -> None:
    add(host, FULL, replace(FULL, schedule_id="sch_11"), replace(FULL, schedule_id="sch_"))
    assert listed(host).items == (FULL,)


def test_a_schedule_without_changes_has_none(host: SteppedHost) -> None:
    assert listed(host) == Page((), None, 0)
    assert host.ask(lambda ports: ports.changes.back_to("sch_1", NOON)) == ()


def test_pages_go_from_the_newest_to_the_oldest(host: SteppedHost) -> None:
    changes = several(12)
    add(host, *changes)
    found: list[Change] = []
    cursor = None
    for size in (5, 5, 2):
        page = listed(host, cursor=cursor, limit=5)
        assert (len(page.items), page.total) == (size, 12)
        found += page.items
        cursor = page.next_cursor
    assert cursor is None
    assert found == changes[::-1]


def test_a_cursor_of_another_list_is_refused(host: SteppedHost) -> None:
    add(host, *several(3))
    cursor = listed(host, limit=1).next_cursor
    for schedule_id, wrong in (("sch_2", cursor), ("sch_1", "x")):
        with pytest.raises(Invalid) as refused:
            listed(host, schedule_id, cursor=wrong)
        assert refused.value.code == "invalid_cursor"


def test_going_back_to_an_instant_ends_with_the_change_before_it(host: SteppedHost) -> None:
    changes = several(5)
    add(host, *changes)

    def back(minutes: float) -> tuple[Change, ...]:
        return host.ask(lambda ports: ports.changes.back_to("sch_1", NOON + minutes * MINUTE))

    assert back(9) == (changes[4],)
    assert back(2.5) == (changes[4], changes[3], changes[2])
    assert back(2) == (changes[4], changes[3], changes[2])
    assert back(-1) == tuple(changes[::-1])
    add(host, *(replace(changes[4], revision=7 + n, action=ChangeAction.PAUSE) for n in range(2)))
    assert [change.revision for change in back(9)] == [8, 7, 6]


def test_no_more_than_so_many_are_kept(host: SteppedHost) -> None:
    oldest = several(3)
    add(host, *oldest)
    add(host, replace(oldest[0], revision=CHANGES_KEPT + 2), replace(oldest[0], revision=CHANGES_KEPT + 3))
    assert [change.revision for change in listed(host).items] == [CHANGES_KEPT + 3, CHANGES_KEPT + 2, 4]


# --- whatever changes a schedule ---


def command(host: SteppedHost, by: str = "ann", **request: Any) -> Message:
    """A command, judged; it was accepted a moment ago."""
    read = ScheduleCreationRequest.model_validate(request)
    now = host.clock.now()
    message = Message(host_id(host), read, by, now, now, schedule_id=read.schedule_id, admin=by == "root")

    def take(ports: Ports) -> Message:
        ports.messages.add(message)
        return apply(ports, message)

    done = host.ask(take)
    assert done.problems == ()
    return done


def host_id(host: SteppedHost) -> str:
    return host.ask(lambda ports: ports.random.new_id("msg", host.clock.now()))


def made(host: SteppedHost, **changes: Any) -> Schedule:
    """A schedule, created by command."""
    command(host, action="create", schedule_id="sch_1", schedule=definition_of(**changes))
    return present(host)


def present(host: SteppedHost) -> Schedule:
    found = host.ask(lambda ports: ports.schedules.get("sch_1"))
    assert found is not None
    return found


def told(host: SteppedHost) -> list[tuple[str, int, str | None, str]]:
    """Each change as (action, revision, by, reason), oldest first."""
    return [(c.action.value, c.revision, c.by, c.reason) for c in reversed(listed(host).items)]


def test_a_creation_is_no_stored_change(host: SteppedHost) -> None:
    made(host)
    assert listed(host).items == ()


def test_each_command_keeps_its_change_with_author_reason_and_message(host: SteppedHost) -> None:
    states = [made(host)]
    messages = []
    daily = {"schedule_expression": "rate(1 day)"}
    for by, request in (
        ("ann", {"action": "update", "patch": daily, "reason": "too often"}),
        ("root", {"action": "pause", "reason": "mown", "until": "2026-06-09T00:00:00Z"}),
        ("root", {"action": "pause", "reason": "mown twice"}),
        ("ann", {"action": "resume", "reason": "done"}),
        ("ann", {"action": "delete", "reason": "no more"}),
    ):
        host.clock.advance(minutes=1)
        messages.append(command(host, by, schedule_id="sch_1", **request))
        states.append(present(host))
    assert told(host) == [
        ("update", 2, "ann", "too often"),
        ("pause", 3, "root", "mown"),
        ("pause", 4, "root", "mown twice"),
        ("resume", 5, "ann", "done"),
        ("delete", 6, "ann", "no more"),
    ]
    newest_first = listed(host).items
    assert [change.message_id for change in reversed(newest_first)] == [message.id for message in messages]
    for undone in range(6):
        past, then = as_it_was(states[-1], newest_first[:undone]), states[5 - undone]
        assert (past.definition, past.status, past.pause) == (then.definition, then.status, then.pause)


def test_a_refused_command_leaves_no_change(host: SteppedHost) -> None:
    made(host)
    read = ScheduleCreationRequest.model_validate({"action": "resume", "schedule_id": "sch_1"})
    message = Message("msg_1", read, "ann", NOON, NOON, schedule_id="sch_1")
    assert host.ask(lambda ports: apply(ports, message)).error_kind == "Conflict"
    assert listed(host).items == ()


def test_a_pause_that_ends_by_itself_is_told_as_the_engine_s(host: SteppedHost) -> None:
    made(host)
    until = NOON + 90 * MINUTE
    command(host, action="pause", schedule_id="sch_1", until=until.isoformat())
    host.clock.advance_to(until + MINUTE)
    host.keep_time()
    change = listed(host).items[0]
    assert (change.action, change.revision, change.by) == (ChangeAction.RESUME, 3, None)
    assert (change.at, change.reason) == (until, "the pause was until then")


def test_a_schedule_that_deletes_itself_tells_why(host: SteppedHost) -> None:
    made(host, schedule_expression="at(2026-06-01T13:00:00)", policies={"on_completion": "delete"})
    host.clock.advance_to(NOON + HOUR)
    host.keep_time()
    for claimed in host.claim():
        host.end(claimed)
    host.clock.advance(hours=1)
    host.tidy()
    assert told(host) == [("delete", 2, None, "nothing was left, and it was to be deleted then")]


def test_the_changes_go_with_the_tombstone(host: SteppedHost) -> None:
    made(host)
    command(host, action="pause", schedule_id="sch_1")
    command(host, action="delete", schedule_id="sch_1")
    host.clock.advance(days=89)
    host.tidy()
    assert listed(host).total == 2
    host.clock.advance(days=1, minutes=1)
    host.tidy()
    assert listed(host) == Page((), None, 0)
    assert host.ask(lambda ports: ports.changes.back_to("sch_1", NOON)) == ()
