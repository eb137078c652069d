"""The week as it is drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rez_agent.domain.execution import Cause, Execution, ExecutionStatus, execution_id
from rez_agent.domain.instants import to_seconds
from rez_agent.domain.week import HOUR, Cell, Mark, MarkFate
from rez_agent.usecases.week import Row, Week, WeekLoad
from rez_agent.web.page.timeline import HEIGHT, MARK_WIDTH, drawn_of, legend
from tests.fakes import NOON
from tests.rig import schedule_of

MONDAY = NOON.replace(hour=0)
BEGINS = to_seconds(MONDAY)
SCHEDULE = schedule_of()
EXECUTION = Execution(
    id=execution_id("sch_a", MONDAY),
    schedule_id="sch_a",
    owner="ann",
    scheduled_time=MONDAY,
    status=ExecutionStatus.SUCCEEDED,
    cause=Cause.SCHEDULE,
    target_type="web_action",
    target="target",
    schedule_revision=1,
    created_date=MONDAY,
    due_at=MONDAY,
    expires_at=MONDAY,
)
WEEK = Week(
    timezone="UTC",
    days=tuple(MONDAY + timedelta(days=n) for n in range(8)),
    now=NOON,
    rows=(),
    next_cursor=None,
    total=0,
    total_is_exact=True,
    load=WeekLoad((0.0,) * 168, (0.0,) * 168, (), None, 0, whole=True),
)


def lines(*rows: Row) -> list[list[tuple[float, float, str, str]]]:
    found = drawn_of(replace(WEEK, rows=rows))
    return [[(box.x, box.width, box.kind, box.title) for box in line.boxes] for line in found.lines]


def test_the_days_stand_side_by_side_and_today_is_marked() -> None:
    found = drawn_of(WEEK)
    assert (found.width, found.now_x) == (168 * 6, 72)
    assert [(day.x, day.width, day.name, day.today) for day in found.days][:2] == [
        (0, 144, "Mon 1 Jun", True),
        (144, 144, "Tue 2 Jun", False),
    ]
    assert len(found.days) == 7
    assert drawn_of(replace(WEEK, now=MONDAY - timedelta(seconds=1))).now_x is None


def test_a_mark_stands_at_its_time_and_leads_to_its_run() -> None:
    ran = Mark(BEGINS + 9 * HOUR, MarkFate.SUCCEEDED, EXECUTION)
    ahead = Mark(BEGINS + 33 * HOUR, MarkFate.EXPECTED)
    (line,) = drawn_of(replace(WEEK, rows=(Row(SCHEDULE, 2, marks=(ran, ahead)),))).lines
    one, two = line.boxes
    assert (one.x, one.width, one.kind, one.title) == (54, MARK_WIDTH, "succeeded", "Mon 09:00 succeeded")
    assert one.href == f"/executions/{EXECUTION.id}"
    assert (two.x, two.title, two.href) == (198, "Tue 09:00 expected", "")
    assert line.told == "1 succeeded, 1 expected"


def test_an_entry_for_many_is_as_long_as_what_it_stands_for() -> None:
    pause = Mark(BEGINS - HOUR, MarkFate.PAUSED, EXECUTION, BEGINS + 2 * HOUR, 4)
    assert lines(Row(SCHEDULE, 4, marks=(pause,))) == [
        [(0, 12, "paused", "Sun 23:00 to Mon 02:00: 4 paused")]
    ]


def test_a_mark_in_the_last_minute_stays_on_the_axis() -> None:
    last = Mark(BEGINS + 168 * HOUR - 60, MarkFate.EXPECTED)
    ((box,),) = lines(Row(SCHEDULE, 1, marks=(last,)))
    assert box[0] + box[1] <= 168 * 6


def test_hours_of_one_kind_are_one_box_and_the_worst_counts() -> None:
    fates = [
        {MarkFate.SUCCEEDED: 60},
        {MarkFate.SUCCEEDED: 60},
        {MarkFate.SUCCEEDED: 59, MarkFate.FAILED: 1},
        {},
    ]
    cells = tuple(Cell(BEGINS + n * HOUR, one) for n, one in enumerate(fates))
    assert lines(Row(SCHEDULE, 180, cells=cells)) == [
        [
            (0, 12, "succeeded", "Mon 00:00 to Mon 02:00: 120 succeeded"),
            (12, 6, "failed", "Mon 02:00 to Mon 03:00: 1 failed, 59 succeeded"),
        ]
    ]


def test_what_was_missed_is_told_apart_by_more_than_its_colour() -> None:
    marks = tuple(Mark(BEGINS + n * HOUR, fate) for n, fate in enumerate(MarkFate))
    (line,) = drawn_of(replace(WEEK, rows=(Row(SCHEDULE, 11, marks=marks),))).lines
    heights = {box.kind: box.height for box in line.boxes}
    assert heights["missed"] > heights["succeeded"] > heights["skipped"] > heights["unknown"]
    assert all(box.y >= 0 and box.y + box.height <= HEIGHT for box in line.boxes)
    assert {kind for kind, _ in legend()} <= set(MarkFate)


def test_a_week_without_anything_says_so() -> None:
    (line,) = drawn_of(replace(WEEK, rows=(Row(SCHEDULE, 0),))).lines
    assert (line.boxes, line.told) == ((), "nothing this week")


def test_busy_hours_are_marked_and_their_minutes_named() -> None:
    hours, peaks = [0.0] * 168, [0.0] * 168
    hours[9], hours[10], peaks[9], peaks[10] = 21.0, 25.0, 20.0, 5.0
    load = WeekLoad(tuple(hours), tuple(peaks), ((MONDAY + timedelta(hours=9), 20.0),), None, 21, whole=True)
    found = drawn_of(replace(WEEK, load=load))
    assert [(box.x, box.kind, box.title) for box in found.load] == [
        (54, "busy", "Mon 09:00, one hour: 21, 20 in its busiest minute"),
        (60, "load", "Mon 10:00, one hour: 25, 5 in its busiest minute"),
    ]
    assert found.load[0].height > found.load[1].height
    assert found.busiest == ("Mon 09:00 (20 runs)",)
