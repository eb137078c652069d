"""``rez-agent condition``: try a condition before a schedule has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from rez_agent.cli.arguments import json_object
from rez_agent.cli.names import schedule_id_of
from rez_agent.cli.render import clean
from rez_agent.cli.schedules import PANEL
from rez_agent.cli.session import DONE, FAILED, WRONG, Session, command


def register(app: typer.Typer) -> None:
    """Put this command on the command line."""
    examples = (
        "rez-agent condition 'local.weekday <= 5 && local.hour < 18'",
        "rez-agent condition '!last.exists || last.body.free' --schedule tee-times",
        """rez-agent condition 'last.body.free' --values '{"last": {"body": {"free": true}}}'""",
    )
    command(app, "condition", examples=examples, panel=PANEL)(condition)


def condition(
    session: Session,
    *,
    expression: Annotated[str, typer.Argument(metavar="EXPR", help="The condition, in quotes.")],
    schedule: Annotated[
        str | None,
        typer.Option("--schedule", metavar="NAME", help="Judge it by the latest facts of this schedule."),
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            "--values",
            metavar="JSON|@FILE",
            help="Facts to judge it by: payload, timezone, scheduled_time, runs_today, last.",
        ),
    ] = None,
) -> int:
    """Say what a condition comes to, and the values that decide. Fails where it has no value."""
    client = session.client()
    asked = json_object(values, "--values") if values is not None else {}
    asked["condition"] = expression
    if schedule is not None:
        asked["schedule_id"] = schedule_id_of(client, schedule)
    found: Mapping[str, Any] = client.change("POST", "/api/conditions/check", asked, wait=0).document
    session.put(found, lambda: _tell(found))
    if not found["valid"]:
        return WRONG
    return DONE if found["error"] is None else FAILED


def _tell(found: Mapping[str, Any]) -> None:
    for problem in found["errors"]:
        place = "" if problem.get("position") is None else f" (at character {problem['position'] + 1})"
        print(clean(f"{problem['detail']}{place}"))
    if found["error"] is not None:
        print(clean(f"It can't be judged: {found['error']}."))
    elif found["valid"]:
        print("true: it would be executed" if found["value"] else "false: it would be skipped")
    for read in found["read"]:
        print(clean(f"  {read['name']} = {read['value']}"))
