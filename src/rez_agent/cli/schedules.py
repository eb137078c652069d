"""Commands about schedules: create, list, show, update, pause, resume, delete."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from rez_agent.cli import consequences, telling
from rez_agent.cli.arguments import json_object, moment, object_file
from rez_agent.cli.client import Answer, Client
from rez_agent.cli.completion import schedule_names
from rez_agent.cli.definition import DefinitionOptions, new_definition, patch_for
from rez_agent.cli.names import execution_path, find_schedule, is_execution_id, schedule_id_of, schedule_path
from rez_agent.cli.session import DONE, FAILED, Session, command, exit_code, tell_error
from rez_agent.domain.errors import Invalid, RezError
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.schedule import ScheduleStatus, TargetType

PANEL = "Schedules"
PATH = "/api/schedules"
PAGE = 200
"""Schedules asked for at once when a list is followed to its end."""

Named = Annotated[
    str,
    typer.Argument(metavar="SCHEDULE", help="A schedule's name or id.", autocompletion=schedule_names),
]

DefinitionFile = Annotated[
    str | None,
    typer.Option(
        "--file",
        metavar="FILE|-",
        help="A definition in JSON, or YAML (.yaml); what is said here lies over it.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the change.")]


class Order(StrEnum):
    """The words for ``list --order``."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    NEXT = "next"

    @property
    def word(self) -> str:
        """The API's word for it."""
        return {"newest": "-created_date", "oldest": "created_date", "name": "name", "next": "next_run"}[
            self.value
        ]


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for name, (function, examples) in COMMANDS.items():
        command(app, name, examples=examples, panel=PANEL)(function)


def create(
    session: Session,
    *,
    options: DefinitionOptions,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="What to call it.")] = None,
    expression: Annotated[
        str | None, typer.Argument(metavar="EXPRESSION", help="rate(...), cron(...) or at(...), in quotes.")
    ] = None,
    file: DefinitionFile = None,
) -> int:
    """Create a schedule, and say when it will run."""
    now = datetime.now(UTC)
    given = object_file(file, "--file") if file else {}
    definition = new_definition(name, expression, options, given, now)
    client = session.client()
    answer = client.change("POST", PATH, definition)
    session.put(answer.document, lambda: telling.created(client, definition, answer))
    return DONE


def list_schedules(
    session: Session,
    *,
    status: Annotated[
        ScheduleStatus | None, typer.Option("--status", help="Only those in this state.")
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only those with this tag.")] = None,
    target_type: Annotated[TargetType | None, typer.Option("--target-type", help="Only this kind.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only names that begin so.")] = None,
    created_by: Annotated[str | None, typer.Option("--created-by", help="Only this owner's.")] = None,
    finished: Annotated[
        bool | None,
        typer.Option("--finished/--unfinished", help="Only those with nothing left to do, or not."),
    ] = None,
    order: Annotated[Order, typer.Option("--order", help="In which order.")] = Order.NEWEST,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where the page before ended.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every page.")] = False,
) -> int:
    """List schedules."""
    query = {
        "status": status and status.value,
        "tag": tag,
        "target_type": target_type and target_type.value,
        "name_prefix": name,
        "created_by": created_by,
        "finished": finished,
        "order": order.word,
    }
    client = session.client()
    page = _all(client, query) if everything else client.page(PATH, **query, limit=limit, cursor=cursor)
    session.put(page, lambda: telling.listed(page, datetime.now(UTC)))
    return DONE


def _all(client: Client, query: Mapping[str, Any]) -> dict[str, Any]:
    items = [item for page in client.pages(PATH, **query, limit=PAGE) for item in page["items"]]
    return {"items": items, "next_cursor": None, "total": len(items)}


def show(
    session: Session,
    *,
    named: Annotated[
        str,
        typer.Argument(
            metavar="SCHEDULE|EXECUTION",
            help="A schedule's name or id, or an execution's id.",
            autocompletion=schedule_names,
        ),
    ],
    count: Annotated[int, typer.Option("--count", min=0, max=50, help="How many runs, coming and past.")] = 5,
) -> int:
    """Show a schedule in plain words with its coming and last runs, or an execution with its attempts."""
    client = session.client()
    now = datetime.now(UTC)
    if is_execution_id(named):
        execution = client.get(execution_path(named)).document
        session.put(execution, lambda: telling.execution(execution, now))
        return DONE
    schedule = client.get(schedule_path(schedule_id_of(client, named))).document
    session.put(schedule, lambda: telling.schedule(client, schedule, count, now))
    return DONE


def update(
    session: Session,
    *,
    named: Named,
    options: DefinitionOptions,
    expression: Annotated[str | None, typer.Option("--expression", help="The new expression.")] = None,
    rename: Annotated[str | None, typer.Option("--rename", metavar="NAME", help="The new name.")] = None,
    patch: Annotated[
        str | None,
        typer.Option(
            "--patch", metavar="JSON|@FILE|-", help="A JSON merge patch; what is said here lies over it."
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", metavar="FILE|-", help="A whole definition to replace it by, in JSON or YAML (.yaml)."
        ),
    ] = None,
    reason: Reason = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell which runs it would gain and lose.")
    ] = False,
) -> int:
    """Change a schedule: only what is said changes, unless --file replaces the whole."""
    now = datetime.now(UTC)
    renamed = {"name": rename, "schedule_expression": expression}
    said = {name: value for name, value in renamed.items() if value is not None} | options.said(now)
    client = session.client()
    schedule = find_schedule(client, named)
    if file is not None:
        change = {"schedule": object_file(file, "--file") | said}
    else:
        change = {"patch": patch_for(schedule, (json_object(patch, "--patch") if patch else {}) | said)}
        if not change["patch"]:
            raise Invalid("Nothing to change was said. `rez-agent update --help` lists what can be.")
    if dry_run:
        return _dry_run(session, client, schedule, change)
    answer = _changed(client, schedule, change, reason)
    session.put(answer.document, lambda: telling.changed(answer, schedule["name"], "Updated"))
    return DONE


def _changed(client: Client, schedule: Mapping[str, Any], change: Mapping[str, Any], reason: str) -> Answer:
    """Make the change, unless somebody else made one in between."""
    etag, path = f'"{schedule["revision"]}"', schedule_path(schedule["id"]) + _because(reason)
    if "schedule" in change:
        return client.change("PUT", path, change["schedule"], etag=etag)
    patch = change["patch"]
    return client.change("PATCH", path, patch, etag=etag, content_type="application/merge-patch+json")


def _dry_run(session: Session, client: Client, schedule: Mapping[str, Any], change: Mapping[str, Any]) -> int:
    path = schedule_path(schedule["id"], "consequences")
    found = client.change("POST", path, change, wait=0, etag=f'"{schedule["revision"]}"').document
    session.put(found, lambda: consequences.told(found, schedule["name"]))
    return DONE


def pause(
    session: Session,
    *,
    named: Named,
    reason: Reason = "",
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Resume by itself then: 2h, or a time.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel what is queued or running too.")] = False,
) -> int:
    """Pause a schedule. What is queued or running finishes, unless --cancel."""
    now = datetime.now(UTC)
    wish: dict[str, Any] = {"reason": reason, "cancel": cancel}
    if until is not None:
        wish["until"] = rfc3339(moment(until, "--until", now, ahead=True))
    return _change(session, named, "pause", wish=wish, done="Paused")


def resume(session: Session, *, named: Named, reason: Reason = "") -> int:
    """Resume a paused schedule. What passed meanwhile is not caught up; the history tells of it."""
    return _change(session, named, "resume", wish={"reason": reason} if reason else {}, done="Resumed")


def _change(session: Session, named: str, verb: str, *, wish: Mapping[str, Any], done: str) -> int:
    client = session.client()
    schedule = find_schedule(client, named)
    answer = client.change("POST", schedule_path(schedule["id"], verb), wish)
    session.put(answer.document, lambda: telling.changed(answer, schedule["name"], done))
    return DONE


def delete(
    session: Session,
    *,
    named: Annotated[
        list[str], typer.Argument(metavar="SCHEDULE...", help="Names or ids.", autocompletion=schedule_names)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, however many.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel what is queued or running too.")] = False,
    reason: Reason = "",
) -> int:
    """Delete schedules. What is queued or running finishes, unless --cancel. Several: asks first."""
    if len(named) > 1 and not yes and not _confirmed(len(named)):
        return FAILED
    client = session.client()
    worst = DONE
    for one in named:
        try:
            schedule = find_schedule(client, one)
            client.change("DELETE", schedule_path(schedule["id"]) + _because(reason, cancel=cancel))
        except RezError as error:
            worst = max(worst, exit_code(error))
            tell_error(session, error)
            continue
        gone = {"id": schedule["id"], "name": schedule["name"], "status": "deleted"}
        session.put(gone, lambda gone=gone: print(f"Deleted {gone['name']}."))  # type: ignore[misc]
    return worst


def _because(reason: str, *, cancel: bool = False) -> str:
    """The query that says why."""
    said = {name: text for name, text in (("reason", reason), ("cancel", "true" if cancel else "")) if text}
    return f"?{urlencode(said)}" if said else ""


def _confirmed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise Invalid(
            f"This deletes {count} schedules. Add --yes to say that it is meant.", code="not_confirmed"
        )
    return typer.confirm(f"Delete these {count} schedules?", err=True)


COMMANDS: dict[str, Any] = {
    "create": (
        create,
        (
            'rez-agent create hourly-check "rate(1 hour)" --http https://example.com/health',
            'rez-agent create report "cron(0 9 ? * MON *)" --http https://example.com --json-body @body.json',
            'rez-agent create rent "at(2027-01-31T08:00:00)" --notify log --message "Pay the rent" --once',
            'rez-agent create tee-times "cron(0 6 * * ? *)" --action check_tee_times --param course=north',
            "rez-agent create --file definition.json",
        ),
    ),
    "list": (
        list_schedules,
        (
            "rez-agent list",
            "rez-agent list --status paused --order next",
            "rez-agent list --tag nightly --all --json",
        ),
    ),
    "show": (show, ("rez-agent show hourly-check", "rez-agent show sch_..._20270131T080000Z")),
    "update": (
        update,
        (
            'rez-agent update hourly-check --expression "rate(30 minutes)" --dry-run',
            'rez-agent update hourly-check --expression "rate(30 minutes)"',
            "rez-agent update hourly-check --retry 5 --end none",
            'rez-agent update hourly-check --patch \'{"tags":["nightly"]}\'',
        ),
    ),
    "pause": (pause, ('rez-agent pause hourly-check --reason "moving house" --until 2h',)),
    "resume": (resume, ("rez-agent resume hourly-check",)),
    "delete": (delete, ("rez-agent delete hourly-check", "rez-agent delete one two three --yes")),
}
