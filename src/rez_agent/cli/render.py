"""Answers for people: tables, facts and times. Plain text when no terminal reads it.

rich is imported where a table or a bar is drawn, so that commands without one start fast.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rez_agent.domain.telling import length

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    "active": "green",
    "succeeded": "green",
    "ok": "green",
    "running": "cyan",
    "queued": "cyan",
    "paused": "yellow",
    "skipped": "yellow",
    "cancelled": "yellow",
    "warning": "yellow",
    "failed": "red",
    "error": "red",
    "problem": "red",
    "finished": "dim",
    "deleted": "dim",
}
"""The colour of each word that tells a state."""

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""


def clean(text: Any) -> str:
    """``text`` on one line and without control characters: what others wrote must not steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, styled: int | None = None, below: int = 0
) -> None:
    """Print a table; the words of column ``styled`` are coloured by :data:`STYLES`.

    On a terminal too narrow for it, the last ``below`` columns stand each on a line of its own under its row,
    so that an id stays whole. Where no terminal reads it: aligned columns, nothing coloured, folded or cut.
    """
    words = [[clean("" if cell is None else cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _drawn(columns, words, styled, below)
        return
    widths = _widths(columns, words)
    for row in [list(columns), *words]:
        print(_aligned(row, widths))


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(columns, *rows, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=False)).rstrip()


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]], styled: int | None, below: int) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    widths = _widths(columns, rows)
    if below and sum(widths) + 3 * len(widths) > console.width:
        _stacked(console, columns, rows, styled, len(columns) - below)
        return
    drawn = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for row in rows:
        styles = [STYLES.get(word, "") if at == styled else "" for at, word in enumerate(row)]
        drawn.add_row(*(Text(word, style, overflow="fold") for word, style in zip(row, styles, strict=True)))
    console.print(drawn)


def _stacked(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], styled: int | None, beside: int
) -> None:
    """The first ``beside`` columns side by side, the rest under them."""
    from rich.text import Text  # noqa: PLC0415

    widths = _widths(columns[:beside], [row[:beside] for row in rows])
    console.print(Text(_aligned(columns, widths), "bold"), soft_wrap=True)
    for row in rows:
        line = Text(_aligned(row, widths))
        if styled is not None:
            line.highlight_words([row[styled]], STYLES.get(row[styled], ""))
        console.print(line, soft_wrap=True)
        for word in filter(None, row[beside:]):
            console.print(Text(f"    {word}", "dim"), soft_wrap=True)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print facts, one a line, their names aligned; those that are None or empty are left out."""
    kept = [(name, clean(value)) for name, value in pairs if value not in (None, "", (), [], {})]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        print(f"{name:<{width}}  {value}")


def compact_json(value: Any) -> str:
    """JSON on one line, short."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def instant(text: Any) -> datetime | None:
    """An RFC 3339 time of the API; None for None."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def when(text: Any, now: datetime) -> str:
    """An instant for people: ``2026-03-08 07:30:00 UTC (in 2 h)``; nothing for None."""
    at = instant(text)
    if at is None:
        return ""
    return f"{stamp(at)} ({distance(at - now)})"


def stamp(at: datetime) -> str:
    """``2026-03-08 07:30:00 UTC``."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def distance(span: timedelta) -> str:
    """How far from now: ``now``, ``in 5 min``, ``2 h ago``."""
    if abs(span) < timedelta(seconds=1):
        return "now"
    text = length(abs(span).total_seconds())
    return f"in {text}" if span >= timedelta(0) else f"{text} ago"


def counted(count: int, word: str) -> str:
    """``1 problem``, ``2 problems``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def total(document: Any) -> str:
    """A list's total: exact, or ``more than 1000``."""
    if isinstance(document, Mapping):
        return f"more than {document.get('at_least')}"
    return str(document)


@contextmanager
def progress(what: str, *, shown: bool = True) -> Iterator[Progress]:
    """A progress bar on standard error while the block runs; silent where no terminal reads it."""
    if not shown or not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
