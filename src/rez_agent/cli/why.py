"""Commands that say what happened to a schedule: why, changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from rez_agent.cli.arguments import is_duration, moment, unfit
from rez_agent.cli.names import past_schedule_id, schedule_path
from rez_agent.cli.render import clean, compact_json, facts, when
from rez_agent.cli.schedules import PANEL, Named
from rez_agent.cli.session import DONE, Session, command

VALUE_AT_MOST = 120
"""Characters of a value that a difference prints."""


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for name, (function, examples) in COMMANDS.items():
        command(app, name, examples=examples, panel=PANEL)(function)


def why(
    session: Session,
    *,
    named: Named,
    time: Annotated[
        list[str],
        typer.Argument(
            metavar="TIME...", help="09:30, yesterday 09:30, 2h, now, 2026-03-08T09:30, 2026-03-08T07:30:00Z."
        ),
    ],
) -> int:
    """Why a schedule did or did not run at a time: what the ledger, its expression and its changes tell."""
    client = session.client()
    path = schedule_path(past_schedule_id(client, named), "why")
    found = client.get(path, at=_asked(" ".join(time), datetime.now(UTC))).document
    session.put(found, lambda: _tell_why(found))
    return DONE


def _asked(text: str, now: datetime) -> str:
    """The time as the server reads it: it knows the schedule's zone, and we how long ago something was."""
    if not text.strip():
        raise unfit("TIME", text, "write 09:30, yesterday 09:30, 2h, now, or 2026-03-08T07:30:00Z.")
    if text == "now" or is_duration(text):
        return moment(text, "TIME", now).strftime("%Y-%m-%dT%H:%MZ")
    return text


def _tell_why(found: Mapping[str, Any]) -> None:
    for sentence in (found["sentence"], *found["notes"]):
        print(clean(sentence))
    execution = found["execution"]
    print()
    facts(
        [
            ("verdict", found["verdict"] + (f" ({execution['reason']})" if _reason(execution) else "")),
            ("occurrence", _moment(found["occurrence"])),
            ("execution", execution and f"{execution['id']} (rez-agent show {execution['id']})"),
            ("asked for", ", ".join(each["id"] for each in found["near"])),
            ("then", f"{found['then']['schedule_expression']} in {found['then']['timezone']}"),
            ("before", _moment(found["before"])),
            ("after", _moment(found["after"])),
        ]
    )
    for other in found["namesakes"]:
        print(f"Another of this name lived then, {other['id']}: ask about it by its id.")


def _reason(execution: Mapping[str, Any] | None) -> bool:
    return execution is not None and execution["reason"] is not None


def _moment(moment: Mapping[str, Any] | None) -> str | None:
    return None if moment is None else f"{moment['local']}  =  {moment['utc']}"


def changes(
    session: Session,
    *,
    named: Named,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many at most.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where the page before ended.")] = None,
) -> int:
    """Who changed a schedule, when and why, and what differs since; newest first, of a deleted one too."""
    client = session.client()
    path = schedule_path(past_schedule_id(client, named), "changes")
    page = client.page(path, limit=limit, cursor=cursor)
    session.put(page, lambda: _tell_changes(page, datetime.now(UTC)))
    return DONE


def _tell_changes(page: Mapping[str, Any], now: datetime) -> None:
    for change in page["items"]:
        by = change["by"] if change["by"] is not None else "the engine"
        why = f": {change['reason']}" if change["reason"] else ""
        print(clean(f"{when(change['at'], now)}  {change['action']} by {by}{why}"))
        for difference in change["diff"]:
            print(clean(f"    {difference_line(difference)}"))
    if page.get("next_cursor"):
        print(f"There are more: --cursor {page['next_cursor']}")


def difference_line(difference: Mapping[str, Any]) -> str:
    """``/timezone: "UTC" -> "Europe/Paris"``; a side without a value is told as ``nothing``."""
    if difference.get("omitted"):
        return f"{difference['path']}: changed, and too large to be kept"
    before, after = (_value(difference, side) for side in ("before", "after"))
    return f"{difference['path']}: {before} -> {after}"


def _value(difference: Mapping[str, Any], side: str) -> str:
    if side not in difference:
        return "nothing"
    text = compact_json(difference[side])
    return text if len(text) <= VALUE_AT_MOST else f"{text[:VALUE_AT_MOST]}..."


COMMANDS: dict[str, Any] = {
    "why": (
        why,
        (
            "rez-agent why hourly-check 09:30",
            "rez-agent why hourly-check yesterday 09:30",
            "rez-agent why hourly-check 2026-03-08T07:30:00Z",
        ),
    ),
    "changes": (changes, ("rez-agent changes hourly-check", "rez-agent changes hourly-check --limit 1")),
}
