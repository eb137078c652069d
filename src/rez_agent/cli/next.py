"""``rez-agent next``: when an expression is due, without a server; with one, when a schedule is, and what a
calendar makes of an expression (see :mod:`rez_agent.cli.due`).

One expression for people (or ``--json``), or a stream of questions, a JSON object a line, with ``--stdin``.
A rate without a start is counted from ``after`` itself here, so its first answer is one interval later.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, BinaryIO, TextIO

import typer

from rez_agent.cli.completion import schedule_names
from rez_agent.cli.session import Key, Session, Url, guarded, session_of
from rez_agent.domain.errors import Invalid, Problem, RezError
from rez_agent.domain.expression import Expression, Occurrences, parse

DEFAULT_COUNT = 5
MOST = 1000
"""Answers to one question at most."""
LONGEST_LINE = 65_536
"""Bytes of one question at most; a longer line is answered with an error and left unread."""

_SECOND = timedelta(seconds=1)
_EXPRESSION = re.compile(r"[()*?]")
"""What a name has seldom, and an expression, or what was meant to be one, always."""


@dataclass(frozen=True, slots=True)
class Question:
    """The ``count`` occurrences after ``after`` (exclusive) are asked for; ``start`` is the schedule's."""

    expression: str
    timezone: str
    after: datetime
    start: datetime | None = None
    count: int = DEFAULT_COUNT

    def occurrences(self) -> Occurrences:
        """The schedule asked about. Raises :class:`Invalid` with what is wrong with expression and zone."""
        return Occurrences(parse(self.expression, self.timezone), start=self.start, anchor=self.after)

    def answer(self) -> list[datetime]:
        """The next occurrences; fewer than ``count`` means that no more follow."""
        occurrences = self.occurrences()
        found: list[datetime] = []
        following = occurrences.next_after(self.after)
        while following is not None and len(found) < self.count:
            found.append(following)
            following = occurrences.next_after(following)
        return found


def next_command(
    ctx: typer.Context,
    expression: Annotated[
        str | None,
        typer.Argument(
            metavar="[EXPRESSION|SCHEDULE]",
            help="cron(...), rate(...) or at(...), in quotes; or a schedule's name or id.",
            show_default=False,
            autocompletion=schedule_names,
        ),
    ] = None,
    *,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="IANA time zone.", show_default="UTC")
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(help="Occurrences strictly after this moment (default: now).", metavar="TIME"),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="The schedule's start; a rate is counted from it.", metavar="TIME")
    ] = None,
    count: Annotated[int, typer.Option(help="How many.", min=1, max=MOST)] = DEFAULT_COUNT,
    calendar: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:skip|next|previous]", help="A calendar of the server for the expression to heed."
        ),
    ] = None,
    url: Url = None,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Answer JSON lines from standard input, a line each.")
    ] = False,
) -> None:
    """Say when an expression or a schedule is due, in its time zone and in UTC.

    An expression needs no server, unless it is to heed a calendar; a schedule heeds its own.
    Times are RFC 3339 with an offset: 2026-03-08T00:00:00Z.

    Examples:

      rez-agent next 'cron(0 9 ? * MON-FRI *)' --timezone Europe/Berlin

      rez-agent next 'rate(90 minutes)' --start 2026-01-01T06:00:00Z --count 3

      rez-agent next 'cron(0 9 ? * MON-FRI *)' --calendar at:next

      rez-agent next hourly-check --count 3

      echo '{"expression": "cron(0 9 LW * ? *)", "count": 2}' | rez-agent next --stdin
    """
    now = datetime.now(UTC)
    if stdin:
        answer_lines(sys.stdin.buffer, sys.stdout, now)
        return
    if expression is None:
        hint = "give an expression, a schedule, or --stdin"
        raise typer.BadParameter(hint, param_hint="EXPRESSION")
    session = session_of(ctx, url, key, as_json)
    if calendar is not None or not _EXPRESSION.search(expression):
        asked = {"count": count, "timezone": timezone, "calendar": calendar}
        raise typer.Exit(
            guarded(
                session, lambda: _ask_server(session, expression, asked, after=after, start=start, now=now)
            )
        )
    as_json = session.as_json
    try:
        question = _question(expression, timezone or "UTC", after=after, start=start, count=count, now=now)
        shown = _as_json(question) if as_json else "\n".join(_for_people(question, now))
    except Invalid as error:
        _refuse(error, expression, as_json=as_json)
        raise typer.Exit(2) from None
    print(shown)


def _ask_server(
    session: Session,
    text: str,
    asked: dict[str, Any],
    *,
    after: str | None,
    start: str | None,
    now: datetime,
) -> int:
    from rez_agent.cli.due import Wish, tell_next  # noqa: PLC0415 - the rest needs no server, and starts fast

    since = now if after is None else _instant("after", after)
    begins = None if start is None else _instant("start", start)
    return tell_next(session, Wish(text, since, start=begins, **asked), now)


# --- a stream of questions ---


def answer_lines(questions: BinaryIO, answers: TextIO, now: datetime) -> None:
    """Answer each line of ``questions`` with a line, at once; a bad line gets an error and stops nothing."""
    for line in _lines(questions):
        answers.write(json.dumps(answer_line(line, now)) + "\n")
        answers.flush()


def answer_line(line: bytes, now: datetime) -> dict[str, Any]:
    """``{"next": [...]}`` or ``{"error": {...}}``; ``now`` stands for a missing ``after``."""
    try:
        return {"next": [_utc(due) for due in read_question(line, now).answer()]}
    except Invalid as error:
        return {"error": _error(error)}


def read_question(line: bytes, now: datetime) -> Question:
    """The question in a line of JSON. Unknown members are left alone. Raises :class:`Invalid`."""
    if len(line) > LONGEST_LINE:
        raise _wrong("malformed_request", f"a line has at most {LONGEST_LINE} bytes")
    try:
        document = json.loads(line.decode("utf-8"))
    except RecursionError:
        raise _wrong("malformed_request", "the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise _wrong("malformed_request", "the line is not UTF-8") from None
    except ValueError:
        raise _wrong("malformed_request", "the line is not JSON: write one object a line") from None
    if not isinstance(document, dict):
        raise _wrong("malformed_request", "the line is not a JSON object")
    return _question(
        _required(document, "expression"),
        "UTC" if document.get("timezone") is None else _required(document, "timezone"),
        after=_member(document, "after"),
        start=_member(document, "start"),
        count=_count(document.get("count", DEFAULT_COUNT)),
        now=now,
    )


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of ``stream``; of one too long only a beginning, just longer than allowed."""
    while line := stream.readline(LONGEST_LINE + 2):
        rest = line
        while not rest.endswith(b"\n") and len(rest) == LONGEST_LINE + 2:
            rest = stream.readline(LONGEST_LINE + 2)
        yield line.rstrip(b"\r\n")


# --- reading ---


def _question(
    expression: str, timezone: str, *, after: str | None, start: str | None, count: int, now: datetime
) -> Question:
    return Question(
        expression,
        timezone,
        now if after is None else _instant("after", after),
        None if start is None else _instant("start", start),
        count,
    )


def _instant(name: str, text: str) -> datetime:
    """An RFC 3339 time with an offset. Raises :class:`Invalid` naming ``name``."""
    way_out = "write it with an offset, such as 2026-03-08T00:00:00Z"
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong("invalid_value", f"{name} is not a time: {way_out}", name) from None
    if instant.tzinfo is None:
        raise _wrong("naive_time", f"{name} has no offset: {way_out}", name)
    return instant


def _member(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong("wrong_type", f"{name} is a string", name)
    return value


def _required(document: dict[str, Any], name: str) -> str:
    value = _member(document, name)
    if value is None:
        raise _wrong("missing_field", f"{name} is required", name)
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("wrong_type", "count is a whole number", "count")
    if not 1 <= value <= MOST:
        raise _wrong("invalid_value", f"count is 1 to {MOST}", "count")
    return value


def _wrong(code: str, message: str, name: str | None = None) -> RezError:
    return Invalid.of([Problem(code, message, f"/{name}" if name else "", field=name)])


# --- answering ---


def _error(error: Invalid) -> dict[str, Any]:
    """The first problem, which names the error, as programs read it."""
    first = error.problems[0]
    name = first.field or ("timezone" if first.pointer == "/timezone" else None)
    return {"code": first.code, "message": first.message, "field": name, "position": first.position}


def _as_json(question: Question) -> str:
    occurrences = question.occurrences()
    expression = occurrences.expression
    due = question.answer()
    document = {
        "expression": expression.text,
        "timezone": expression.timezone,
        "explanation": expression.explain(),
        "next": [
            {"utc": _utc(at), "local": _local(at, expression).isoformat(), "note": expression.note_at(at)}
            for at in due
        ],
        "skipped": [
            {"local": skipped.wall.isoformat(), "note": skipped.note}
            for skipped in expression.skipped_between(question.after, due[-1] if due else question.after)
        ],
        "warnings": [{"code": problem.code, "message": problem.message} for problem in expression.warnings()],
    }
    return json.dumps(document, indent=2)


def _for_people(question: Question, now: datetime) -> Iterator[str]:
    """The sentence, a line an occurrence in the zone and in UTC, then what clock changes do."""
    occurrences = question.occurrences()
    expression = occurrences.expression
    due = question.answer()
    yield expression.explain()
    yield ""
    for at in due:
        local = _local(at, expression)
        zoned = f"{local:%a} {local:%Y-%m-%d %H:%M:%S} {local.tzname()}"
        yield f"  {zoned:<30}  {_utc(at)}  {_relative(at - now)}"
    if len(due) < question.count:
        yield "  no more follow" if due else "  none follow"
    yield from _notes(expression, question.after, due)


def _notes(expression: Expression, after: datetime, due: list[datetime]) -> Iterator[str]:
    notes = [problem.message for problem in expression.warnings()]
    notes += [note for at in due if (note := expression.note_at(at)) and note not in notes]
    notes += [skipped.note for skipped in expression.skipped_between(after, due[-1] if due else after)]
    if notes:
        yield ""
    yield from (f"note: {note}" for note in notes)


def _refuse(error: Invalid, text: str, *, as_json: bool) -> None:
    """Every problem on standard error, with a caret under its place; as JSON, on standard output."""
    if as_json:
        print(json.dumps({"error": _error(error)}, indent=2))
        return
    for problem in error.problems:
        print(f"error: {problem.message}", file=sys.stderr)
        if problem.position is not None:
            print("\n".join(_caret(text, problem.position)), file=sys.stderr)


def _caret(text: str, position: int) -> tuple[str, str]:
    """The part of ``text`` around ``position`` and a line that points at it."""
    start = max(0, position - 60)
    shown = "".join(char if char.isprintable() else "?" for char in text[start : start + 80])
    return f"  {shown}", f"  {' ' * (position - start)}^"


def _local(instant: datetime, expression: Expression) -> datetime:
    return instant.astimezone(expression.zone.info)


def _utc(instant: datetime) -> str:
    return f"{instant.replace(tzinfo=None).isoformat()}Z"


def _relative(delta: timedelta) -> str:
    """How far off, in the one or two largest units."""
    seconds = abs(delta) // _SECOND
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days >= 2:
        amount = f"{days} days"
    elif seconds >= 3600:
        amount = f"{days * 24 + hours} h {minutes} min"
    else:
        amount = f"{minutes} min" if minutes else f"{seconds} s"
    return f"in {amount}" if delta >= timedelta(0) else f"{amount} ago"
