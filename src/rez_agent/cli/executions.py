"""Commands about executions: run, backfill, history, retry, replay, cancel, redrive."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer

from rez_agent.cli import telling
from rez_agent.cli.arguments import json_object, moment
from rez_agent.cli.client import Client, Refused
from rez_agent.cli.completion import schedule_names
from rez_agent.cli.names import execution_path, find_schedule, is_execution_id, schedule_id_of, schedule_path
from rez_agent.cli.render import Progress, clean, counted, progress
from rez_agent.cli.runs import Patience, Payload, Wait, is_final, tell_run
from rez_agent.cli.schedules import Named
from rez_agent.cli.session import DONE, FAILED, Session, command, exit_code, put_json, tell_error
from rez_agent.domain.errors import Invalid, RezError
from rez_agent.domain.execution import ExecutionStatus, Reason
from rez_agent.domain.instants import rfc3339

PANEL = "Executions"
PAGE = 200
"""Executions asked for at once; `history --follow` sees the newest so many at each look."""

SECOND = timedelta(seconds=1)


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for name, (function, examples) in COMMANDS.items():
        command(app, name, examples=examples, panel=PANEL)(function)


def run(
    session: Session,
    *,
    named: Named,
    payload: Payload = None,
    wait: Wait = False,
    timeout: Patience = 0,
) -> int:
    """Run a schedule now, whatever its expression says. Its coming occurrences stay as they are."""
    wish = {} if payload is None else {"payload": json_object(payload, "--payload")}
    client = session.client()
    schedule = find_schedule(client, named)
    answer = client.change("POST", schedule_path(schedule["id"], "run"), wish)
    return tell_run(session, client, answer, schedule["name"], wait=wait, timeout=timeout)


def backfill(
    session: Session,
    *,
    named: Named,
    first: Annotated[str, typer.Option("--from", metavar="TIME", help="The first occurrence, inclusive.")],
    last: Annotated[str, typer.Option("--to", metavar="TIME", help="The last one, inclusive.")] = "now",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there would be.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until all have ended; exit 1 unless all succeeded.")
    ] = False,
) -> int:
    """Execute the occurrences of a stretch of the past, one after the other where overlap forbids more."""
    now = datetime.now(UTC)
    since, to = moment(first, "--from", now), moment(last, "--to", now)
    wish: dict[str, Any] = {"from": rfc3339(since), "to": rfc3339(to), "dry_run": dry_run}
    client = session.client()
    schedule = find_schedule(client, named)
    answer = client.change("POST", schedule_path(schedule["id"], "backfill"), wish)
    document = answer.document or {}
    if dry_run or not wait:
        session.put(document, lambda: print(_backfilled(document, schedule["name"], dry_run=dry_run)))
        return DONE
    message = str(document.get("message_id") or document["id"])
    with progress("executions", shown=not session.as_json) as advance:
        items = partial(
            _items_between, client, schedule["id"], since=wish["from"], until=rfc3339(to + SECOND)
        )
        counts = _followed(items, message, _count(document), advance)
    result = {"message_id": message, "executions": counts}
    session.put(
        result, lambda: print(", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "none")
    )
    return DONE if set(counts) <= {"succeeded"} else FAILED


def _count(document: Mapping[str, Any]) -> int:
    return int((document.get("result") or document).get("count") or 0)


def _backfilled(document: Mapping[str, Any], name: str, *, dry_run: bool) -> str:
    wish = "would be executed" if dry_run else "queued"
    return f"{clean(name)}: {counted(_count(document), 'occurrence')} {wish}."


def _followed(
    items: Callable[[], Iterator[dict[str, Any]]], message: str, count: int, advance: Progress
) -> dict[str, int]:
    """How many of the executions that ``message`` asked for ended in which state, once all ``count`` have."""
    while True:
        mine = [item for item in items() if item.get("message_id") == message]
        counts = Counter(item["status"] for item in mine if is_final(item))
        advance(counts.total(), count)
        if counts.total() >= count:
            return dict(counts)
        time.sleep(0.5)


def _items_between(client: Client, schedule_id: str, *, since: str, until: str) -> Iterator[dict[str, Any]]:
    path = schedule_path(schedule_id, "executions")
    for page in client.pages(path, since=since, until=until, limit=PAGE):
        yield from page["items"]


def history(
    session: Session,
    *,
    named: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCHEDULE]",
            help="A schedule's name or id; all when left out.",
            autocompletion=schedule_names,
        ),
    ] = None,
    status: Annotated[
        ExecutionStatus | None, typer.Option("--status", help="Only those in this state.")
    ] = None,
    reason: Annotated[
        Reason | None, typer.Option("--reason", help="Only those skipped or cancelled for it.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Scheduled at or after: 2h, or a time.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Scheduled before it.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many at most.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where the page before ended.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on telling, until Ctrl-C.")] = False,
) -> int:
    """What became of every occurrence, newest first: it ran, or it was skipped and why."""
    now = datetime.now(UTC)
    client = session.client()
    path = schedule_path(schedule_id_of(client, named), "executions") if named else "/api/executions"
    query = {
        "status": status and status.value,
        "reason": reason and reason.value,
        "since": rfc3339(moment(since, "--since", now)) if since else None,
        "until": rfc3339(moment(until, "--until", now)) if until else None,
    }
    if follow:
        return _follow(session, lambda: client.page(path, **query, limit=PAGE)["items"], limit)
    page = client.page(path, **query, limit=limit, cursor=cursor)
    session.put(page, lambda: _tell_page(page, None if named else _names(client, page["items"])))
    return DONE


def _names(client: Client, items: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The names of the schedules that ``items`` belong to, as far as they still exist."""
    names: dict[str, str] = {}
    for schedule_id in {item["schedule_id"] for item in items}:
        with suppress(Refused):
            names[schedule_id] = client.get(schedule_path(schedule_id)).document["name"]
    return names


def _tell_page(page: Mapping[str, Any], names: Mapping[str, str] | None) -> None:
    if not page["items"]:
        print("No executions.")
        return
    telling.executions(page["items"], names)
    if page.get("next_cursor"):
        print(f"There are more: --cursor {page['next_cursor']}")


def _follow(session: Session, newest: Callable[[], list[dict[str, Any]]], limit: int) -> int:
    """Tell the newest ``limit``, then each whenever its state or number of attempts changes, until Ctrl-C."""
    try:
        items = newest()
        told = {item["id"]: _state(item) for item in items[limit:]}
        while True:
            for item in reversed(items):
                if told.get(item["id"]) != _state(item):
                    _tell_one(session, item)
            told = {item["id"]: _state(item) for item in items}
            time.sleep(1)
            items = newest()
    except KeyboardInterrupt:
        return DONE


def _state(item: Mapping[str, Any]) -> tuple[Any, Any]:
    return item["status"], item.get("attempt_count")


def _tell_one(session: Session, item: Mapping[str, Any]) -> None:
    if session.as_json:
        put_json(item)
    else:
        print("  ".join(clean(cell) for cell in telling.execution_row(item) if cell), flush=True)


def retry(
    session: Session,
    *,
    executions: Annotated[list[str], typer.Argument(metavar="EXECUTION...", help="Executions' ids.")],
) -> int:
    """Try failed or cancelled executions again, with a fresh budget of attempts and the same key."""
    return _each(session, executions, "retry", {}, "Queued again")


def replay(
    session: Session,
    *,
    execution: Annotated[str, typer.Argument(metavar="EXECUTION", help="An execution's id.")],
    payload: Payload = None,
    wait: Wait = False,
    timeout: Patience = 0,
) -> int:
    """Do the work of an execution once more, as an execution of its own, with the payload that it had."""
    wish = {} if payload is None else {"payload": json_object(payload, "--payload")}
    client = session.client()
    answer = client.change("POST", execution_path(_known_id(execution), "replay"), wish)
    return tell_run(session, client, answer, execution, wait=wait, timeout=timeout)


def cancel(
    session: Session,
    *,
    executions: Annotated[list[str], typer.Argument(metavar="EXECUTION...", help="Executions' ids.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the history tells it.")] = "",
) -> int:
    """Cancel queued executions, and ask running ones to stop."""
    return _each(session, executions, "cancel", {"reason": reason} if reason else {}, "Cancelled")


def _each(session: Session, executions: list[str], verb: str, wish: Mapping[str, Any], done: str) -> int:
    """Make the same change to each; what fails is told, and the rest goes on."""
    client = session.client()
    worst = DONE
    for execution_id in executions:
        try:
            answer = client.change("POST", execution_path(_known_id(execution_id), verb), wish)
        except RezError as error:
            worst = max(worst, exit_code(error))
            tell_error(session, error)
            continue
        if session.as_json:
            put_json(answer.document)
        else:
            print(f"{done if answer.status != 202 else 'Accepted'}: {execution_id}")
    return worst


def _known_id(text: str) -> str:
    """``text``, if it is an execution's id."""
    if not is_execution_id(text):
        wrong = f"'{text}' is not an execution's id. `rez-agent history SCHEDULE` shows them."
        raise Invalid(wrong, code="invalid_argument")
    return text


def redrive(
    session: Session,
    *,
    named: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCHEDULE]",
            help="Only this schedule's; all when left out.",
            autocompletion=schedule_names,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 1_000,
) -> int:
    """Try dead letters again: executions that failed for good, oldest first."""
    client = session.client()
    wish: dict[str, Any] = {"limit": limit}
    if named:
        wish["schedule_id"] = schedule_id_of(client, named)
    answer = client.change("POST", "/api/executions/redrive", wish)
    document = answer.document or {}
    session.put(document, lambda: print(f"Queued again: {counted(_count(document), 'dead letter')}."))
    return DONE


COMMANDS: dict[str, Any] = {
    "run": (
        run,
        (
            "rez-agent run hourly-check",
            "rez-agent run hourly-check --wait",
            "rez-agent run report --payload @once.json",
        ),
    ),
    "backfill": (
        backfill,
        (
            "rez-agent backfill report --from 2026-03-01 --to 2026-03-08 --dry-run",
            "rez-agent backfill report --from 7d --wait",
        ),
    ),
    "history": (
        history,
        (
            "rez-agent history hourly-check",
            "rez-agent history --status failed --since 1d",
            "rez-agent history hourly-check --follow",
        ),
    ),
    "retry": (retry, ("rez-agent retry sch_..._20260308T073000Z",)),
    "replay": (
        replay,
        (
            "rez-agent replay sch_..._20260308T073000Z --wait",
            "rez-agent replay sch_..._20260308T073000Z --payload @mended.json",
        ),
    ),
    "cancel": (cancel, ('rez-agent cancel sch_..._20260308T073000Z --reason "wrong day"',)),
    "redrive": (redrive, ("rez-agent redrive", "rez-agent redrive report --limit 50")),
}
