"""``rez-agent forecast``: the load to come, its peaks, and what a flexible window would do to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rez_agent.cli.client import Client
from rez_agent.cli.render import counted, instant, progress, stamp, table
from rez_agent.cli.session import DONE, Session, command
from rez_agent.domain.errors import Invalid
from rez_agent.domain.instants import from_seconds, rfc3339, to_seconds

if TYPE_CHECKING:
    from rez_agent.domain.forecast import Forecast, Load

PANEL = "Many at once"
PAGE = 500
LONGEST_HOURS = 168
BUSIEST = 5
ROWS_AT_MOST = 48
BLOCKS = " ▁▂▃▄▅▆▇█"
CELLS = 30
"""Cells of a row's bar at most."""

ROW_MINUTES = (5, 60, 360)
"""How long the stretch of a row may be: the first with which there are few enough rows."""

Document = Mapping[str, Any]


@dataclass(slots=True)
class Seen:
    """How many schedules were read: those that count, and idle ones (paused, in error, finished)."""

    counted: int = 0
    idle: int = 0

    @property
    def all(self) -> int:
        """Both."""
        return self.counted + self.idle


def register(app: typer.Typer) -> None:
    """Put this command on the command line."""
    examples = (
        "rez-agent forecast",
        "rez-agent forecast --hours 48 --window 15",
        "rez-agent forecast --json --url https://API",
    )
    command(app, "forecast", examples=examples, panel=PANEL)(forecast)


def forecast(
    session: Session,
    *,
    hours: Annotated[
        int, typer.Option("--hours", min=1, max=LONGEST_HOURS, help="How far to look ahead.")
    ] = 24,
    window: Annotated[
        int | None,
        typer.Option(
            "--window",
            metavar="MINUTES",
            min=1,
            max=1_440,
            help="Show what a flexible window of so long would do.",
        ),
    ] = None,
) -> int:
    """Show how many executions will start in each minute, and when the most of them do."""
    from rez_agent.domain.forecast import MINUTE, Tally  # noqa: PLC0415 - not needed by any other command

    begins = -(-to_seconds(datetime.now(UTC)) // MINUTE) * MINUTE
    tally, seen = Tally(begins, hours * 60), Seen()
    with progress("schedules", shown=not session.as_json) as advance:
        for document in _schedules(session.client()):
            load = load_of(document)
            if load is None:
                seen.idle += 1
            else:
                seen.counted += 1
                tally.add(load)
            if seen.all % PAGE == 0:
                advance(seen.all, seen.all)
    found = tally.forecast()
    session.put(as_document(found, seen, window), lambda: _tell(found, seen, window))
    return DONE


def _schedules(client: Client) -> Iterable[Document]:
    return (item for page in client.pages("/api/schedules", limit=PAGE) for item in page["items"])


def load_of(document: Document) -> Load | None:
    """What an API's schedule adds to the load; None if nothing, as long as nobody changes it."""
    from rez_agent.domain.expression import parse  # noqa: PLC0415
    from rez_agent.domain.forecast import Load  # noqa: PLC0415

    since = _fires_from(document)
    if since is None:
        return None
    try:
        expression = parse(document["schedule_expression"], document["timezone"])
    except Invalid:  # a server of another edition of the tz database knows more zones than this machine
        return None
    policies = document.get("policies") or {}
    return Load(
        expression,
        created=_seconds(document["created_date"]) or 0,
        since=since,
        start=_seconds(document.get("start")),
        end=_seconds(document.get("end")),
        window_minutes=policies.get("flexible_window_minutes") or 0,
    )


def _fires_from(document: Document) -> int | None:
    """From when on it may fire: its creation, or the end of its pause; None where it does not."""
    if document["status"] == "paused":
        return _seconds((document.get("pause") or {}).get("until"))
    if document["status"] != "active" or document.get("finished_at"):
        return None
    return _seconds(document["created_date"])


def _seconds(text: Any) -> int | None:
    at = instant(text)
    return None if at is None else to_seconds(at)


def as_document(found: Forecast, seen: Seen, window: int | None) -> dict[str, Any]:
    """The forecast as JSON; ``per_minute`` begins at ``begins``."""
    standing = found.as_it_stands()
    halving = found.halving_window()
    document: dict[str, Any] = {
        "begins": rfc3339(from_seconds(found.begins)),
        "minutes": found.minutes,
        "schedules": seen.counted,
        "idle": seen.idle,
        "total": round(sum(standing), 3),
        "busiest": [_minute_document(found, at, standing) for at in busiest(standing)],
        "per_minute": [round(load, 3) for load in standing],
        "halving_window": None
        if halving is None
        else {"minutes": halving, "peak": round(found.peak(halving), 3)},
    }
    if window is not None:
        spread = found.under_window(window)
        document["window"] = {
            "minutes": window,
            "peak": round(max(spread), 3),
            "per_minute": [round(load, 3) for load in spread],
        }
    return document


def _minute_document(found: Forecast, at: int, standing: Sequence[float]) -> dict[str, Any]:
    return {"minute": rfc3339(from_seconds(found.begins + 60 * at)), "executions": round(standing[at], 3)}


def busiest(loads: Sequence[float]) -> list[int]:
    """The minutes in which most starts, the busiest first, of equals the earliest; no empty ones."""
    order = sorted(range(len(loads)), key=lambda at: (-loads[at], at))[:BUSIEST]
    return [at for at in order if loads[at] > 0]


def _tell(found: Forecast, seen: Seen, window: int | None) -> None:
    standing = found.as_it_stands()
    total = sum(standing)
    print(f"{counted(seen.counted, 'schedule')} that can fire{_idle(seen)}: {amount(total)} executions")
    print(f"in {counted(found.minutes // 60, 'hour')} from {stamp(from_seconds(found.begins))}.")
    if not total:
        return
    spread = None if window is None else found.under_window(window)
    print()
    _tell_course(found, standing, spread)
    print("\nThe busiest minutes:")
    _tell_busiest(found, standing, spread, window)
    print()
    print("\n".join(_sentences(found, window)))


def _idle(seen: Seen) -> str:
    return f" ({seen.idle} more are paused, in error or finished)" if seen.idle else ""


def _tell_course(found: Forecast, standing: Sequence[float], spread: Sequence[float] | None) -> None:
    """A row for each stretch of the clock, with a bar of how its minutes compare with the busiest of all."""
    width = next((w for w in ROW_MINUTES if found.minutes / w <= ROWS_AT_MOST), ROW_MINUTES[-1])
    columns = ["from", "executions", "most a minute", "minute by minute"]
    if spread is not None:
        columns += ["most with window", "with window"]
    highest, step = max(standing), -(-width // CELLS)
    first = width - found.begins // 60 % width
    rows = []
    for at, end in pairwise([0, *range(first, found.minutes, width), found.minutes]):
        row = [stamp(from_seconds(found.begins + 60 * at)), *_stretch(standing[at:end], highest, step)]
        if spread is not None:
            row += _stretch(spread[at:end], highest, step)[1:]
        rows.append(row)
    table(columns, rows)


def _stretch(loads: Sequence[float], highest: float, step: int) -> list[str]:
    return [amount(sum(loads)), amount(max(loads)), bar(loads, highest, step)]


def _tell_busiest(
    found: Forecast, standing: Sequence[float], spread: Sequence[float] | None, window: int | None
) -> None:
    columns = ["minute", "executions", "a second"] + ([] if window is None else [f"with {window} min"])
    rows = []
    for at in busiest(standing):
        row = [
            stamp(from_seconds(found.begins + 60 * at)),
            amount(standing[at]),
            amount(standing[at] / 60),
        ]
        rows.append(row if spread is None else [*row, amount(spread[at])])
    table(columns, rows)


def _sentences(found: Forecast, window: int | None) -> list[str]:
    peak, halving = found.peak(), found.halving_window()
    told = [f"Peak: {amount(peak)} in a minute."]
    if window is not None:
        told.append(f"Under a window of {counted(window, 'minute')}: {amount(found.peak(window))}.")
    if halving is not None:
        reached = amount(found.peak(halving))
        told.append(f"The shortest window that halves it: {counted(halving, 'minute')} ({reached}).")
        told.append("Give a schedule its window: rez-agent update SCHEDULE --window MINUTES")
    else:
        told.append("No window halves it: the load is even, or has windows already.")
    return told


def amount(number: float) -> str:
    """A number of executions as people read it: ``1,234``, ``2.5``, ``0.07``."""
    if number >= 10 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.2g}"


def bar(loads: Sequence[float], highest: float, step: int = 1) -> str:
    """Eight heights, against ``highest``; a cell shows the most of ``step`` minutes; any load shows."""
    cells = (max(loads[at : at + step]) for at in range(0, len(loads), step))
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[min(top, ceil(top * load / highest))] for load in cells)
