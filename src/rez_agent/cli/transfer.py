"""Commands that carry many schedules at once: import, export."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from rez_agent.cli.arguments import file_text
from rez_agent.cli.client import Client, Refused
from rez_agent.cli.names import find_schedule, schedule_path
from rez_agent.cli.render import Progress, clean, progress
from rez_agent.cli.session import DONE, FAILED, Session, command, put_json
from rez_agent.domain.crontab import convert
from rez_agent.domain.errors import Invalid, RezError

PANEL = "Many at once"
BATCH = 1_000
"""Schedules in one request, as the API allows."""

BATCH_BYTES = 3_500_000
"""Bytes of one request: below the API's 4 MiB."""

PAGE = 500
DEFINITION = (
    "name",
    "description",
    "schedule_expression",
    "timezone",
    "target_type",
    "payload",
    "tags",
    "start",
    "end",
    "policies",
    "condition",
    "calendar",
    "template",
)
"""The fields of a definition, in the order in which an export writes them."""


class Existing(StrEnum):
    """What import does about a name that is taken."""

    FAIL = "fail"
    SKIP = "skip"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Item:
    """A definition to import, and the line it stood on."""

    line: int
    definition: Any


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one item: ``done`` is created, updated, skipped or failed."""

    line: int
    name: str
    done: str
    document: Mapping[str, Any]
    problem: str | None = None


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for name, (function, examples) in COMMANDS.items():
        command(app, name, examples=examples, panel=PANEL)(function)


def import_(
    session: Session,
    *,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="JSON lines of definitions, a JSON array, or a crontab.")
    ],
    crontab: Annotated[bool, typer.Option("--crontab", help="The file is a crontab.")] = False,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="ZONE", help="A crontab's zone (else its CRON_TZ, else UTC)."),
    ] = None,
    custom: Annotated[
        str | None,
        typer.Option(
            "--custom", metavar="NAME", help="The custom action that runs a crontab's other commands."
        ),
    ] = None,
    existing: Annotated[
        Existing, typer.Option("--existing", help="What to do when a name is taken.")
    ] = Existing.FAIL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the definitions; create nothing.")
    ] = False,
) -> int:
    """Create schedules from a file, and say what became of each line. Exit 1 when any failed."""
    text = file_text(file, "FILE")
    refused: list[Report] = []
    items = _crontab_items(session, text, timezone, custom, refused) if crontab else _items(text, refused)
    found = list(items)
    if dry_run:
        for item in found:
            put_json(item.definition)
        return _told(session, refused)
    client = session.client()
    reports = list(refused)
    with progress("schedules", shown=not session.as_json) as advance:
        for chunk in _chunks(found):
            reports += _import(client, chunk, existing)
            advance(len(reports) - len(refused), len(found))
    return _told(session, reports)


def _items(text: str, refused: list[Report]) -> Iterator[Item]:
    """The definitions of a file: a JSON array, or one a line. What can't be read is ``refused``."""
    if text.lstrip().startswith("["):
        try:
            array = _read(text)
        except (ValueError, RecursionError) as error:
            raise Invalid(
                f"The file begins with [ and is no JSON array: {error}.", code="invalid_argument"
            ) from None
        yield from (Item(number, definition) for number, definition in enumerate(array, start=1))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield Item(number, _read(line))
        except (ValueError, RecursionError) as error:
            refused.append(_failed(number, "", "malformed_request", f"It is not JSON: {error}."))


def _read(text: str) -> Any:
    """JSON as the API takes it. Raises ValueError, also for NaN and for half a surrogate pair."""
    document = json.loads(text, parse_constant=_no_constant)
    json.dumps(document, ensure_ascii=False).encode()
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def _crontab_items(
    session: Session, text: str, timezone: str | None, custom: str | None, refused: list[Report]
) -> Iterator[Item]:
    for line in convert(text.splitlines(), timezone=timezone, custom=custom):
        if line.error is not None:
            refused.append(_failed(line.number, "", "invalid_crontab_line", line.error))
        if line.note is not None:
            session.note(f"line {line.number}: {line.note}")
        yield from (Item(line.number, definition) for definition in line.definitions)


def _failed(line: int, name: str, code: str, text: str) -> Report:
    problem = {"code": code, "detail": text}
    return Report(line, name, "failed", {"code": code, "detail": text, "errors": [problem]}, text)


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items in requests that the API takes."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        weight = len(json.dumps(item.definition, ensure_ascii=False).encode()) + 1
        if chunk and (len(chunk) == BATCH or size + weight > BATCH_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += weight
    if chunk:
        yield chunk


def _import(client: Client, chunk: list[Item], existing: Existing) -> list[Report]:
    """Create a chunk's schedules; what the API says of each."""
    try:
        answer = client.change(
            "POST", "/api/schedules/batch", {"schedules": [item.definition for item in chunk]}
        )
    except Refused as error:
        if error.status not in (400, 413, 422):
            raise
        if len(chunk) > 1:  # one bad item spoils a whole request: find it
            half = len(chunk) // 2
            return _import(client, chunk[:half], existing) + _import(client, chunk[half:], existing)
        return [_failed(item.line, _name(item), error.code, error.message) for item in chunk]
    return [
        _outcome(client, item, document, existing)
        for item, document in zip(chunk, answer.document["items"], strict=True)
    ]


def _name(item: Item) -> str:
    return str(item.definition.get("name", "")) if isinstance(item.definition, Mapping) else ""


def _outcome(client: Client, item: Item, document: Mapping[str, Any], existing: Existing) -> Report:
    name = _name(item)
    if int(document.get("status", 0)) < 300:
        return Report(item.line, name, "created", document)
    problem = document.get("problem") or document
    if problem.get("code") == "name_taken" and existing is not Existing.FAIL:
        return (
            Report(item.line, name, "skipped", problem)
            if existing is Existing.SKIP
            else _updated(client, item)
        )
    errors = [_told_problem(error) for error in problem.get("errors") or ()]
    return Report(item.line, name, "failed", problem, "; ".join(errors) or str(problem.get("detail")))


def _told_problem(error: Mapping[str, Any]) -> str:
    place = f" ({error['pointer']})" if error.get("pointer") else ""
    return f"{error.get('detail')}{place}"


def _updated(client: Client, item: Item) -> Report:
    """Replace the schedule of that name by the definition."""
    name = _name(item)
    try:
        schedule = find_schedule(client, name)
        path = schedule_path(schedule["id"])
        answer = client.change("PUT", path, item.definition, etag=f'"{schedule["revision"]}"')
    except RezError as error:
        return _failed(item.line, name, error.code, error.message)
    return Report(item.line, name, "updated", answer.document or {})


def _told(session: Session, reports: list[Report]) -> int:
    """Tell what became of each line: all of it to programs, to people the failures and the sums."""
    for report in sorted(reports, key=lambda report: report.line):
        if session.as_json:
            put_json(
                {"line": report.line, "name": report.name, "result": report.done, "answer": report.document}
            )
        elif report.done == "failed":
            name = f" ({clean(report.name)})" if report.name else ""
            print(f"line {report.line}{name}: {clean(report.problem)}", file=sys.stderr)
    counts = {
        word: sum(r.done == word for r in reports) for word in ("created", "updated", "skipped", "failed")
    }
    session.note(", ".join(f"{n} {word}" for word, n in counts.items() if n or word in ("created", "failed")))
    return FAILED if counts["failed"] else DONE


def export(
    session: Session,
    *,
    file: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="Where to; standard output when left out.")
    ] = "-",
    tag: Annotated[str | None, typer.Option("--tag", help="Only those with this tag.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only names that begin so.")] = None,
) -> int:
    """Write every schedule's definition, one JSON line each, as import takes them back unchanged."""
    client = session.client()
    pages = client.pages("/api/schedules", order="created_date", tag=tag, name_prefix=name, limit=PAGE)
    with _output(file) as out, progress("schedules", shown=file != "-") as advance:
        count, paused = _written(pages, out, advance)
    if file != "-":
        session.note(f"{count} schedules written to {file}.")
    if paused:
        session.note(f"{paused} of them are paused now. An import makes them active.")
    return DONE


@contextmanager
def _output(file: str) -> Iterator[TextIO]:
    """Standard output, or a file that takes its name only when it is whole."""
    if file == "-":
        yield sys.stdout
        return
    unfinished = Path(f"{file}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as out:
            yield out
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _written(pages: Iterable[Mapping[str, Any]], out: TextIO, advance: Progress) -> tuple[int, int]:
    """How many were written, and how many of them are paused."""
    count = paused = 0
    for page in pages:
        for schedule in page["items"]:
            out.write(json.dumps(definition_of(schedule), ensure_ascii=False) + "\n")
            count += 1
            paused += schedule["status"] == "paused"
        total = page.get("total")
        advance(
            count, total if isinstance(total, int) else max(count, int((total or {}).get("at_least", count)))
        )
    return count, paused


def definition_of(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody would say to get this schedule: its definition, empty fields left out."""
    return {name: schedule[name] for name in DEFINITION if schedule.get(name) not in (None, "", [], {})}


COMMANDS: dict[str, Any] = {
    "import": (
        import_,
        (
            "rez-agent import schedules.jsonl",
            "rez-agent import schedules.jsonl --existing update",
            "crontab -l | rez-agent import - --crontab --timezone Europe/Berlin --dry-run",
        ),
    ),
    "export": (
        export,
        ("rez-agent export > schedules.jsonl", "rez-agent export nightly.jsonl --tag nightly"),
    ),
}
