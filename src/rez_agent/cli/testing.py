"""``rez-agent test``: what a definition does, run once now, without saving it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from rez_agent.cli.arguments import object_file
from rez_agent.cli.client import Client
from rez_agent.cli.completion import schedule_names
from rez_agent.cli.definition import merged, patch_for
from rez_agent.cli.names import find_schedule
from rez_agent.cli.runs import tell_run
from rez_agent.cli.schedules import PANEL, PATH, DefinitionFile
from rez_agent.cli.session import Session, command
from rez_agent.cli.target import TargetOptions
from rez_agent.domain.errors import Invalid

TESTED = ("name", "target_type", "payload")
"""The fields of a definition that a test run heeds."""


def register(app: typer.Typer) -> None:
    """Put this command on the command line."""
    examples = (
        "rez-agent test --http https://example.com/health --header 'Accept: text/plain'",
        'rez-agent test --notify log --message "Does this arrive?"',
        "rez-agent test --file definition.yaml",
        "rez-agent test hourly-check --timeout 2",
    )
    command(app, "test", examples=examples, panel=PANEL)(run_test)


def run_test(
    session: Session,
    *,
    options: TargetOptions,
    named: Annotated[
        str | None,
        typer.Argument(
            metavar="[SCHEDULE]",
            help="A schedule's name or id, to try with what is said here; it stays as it is.",
            autocompletion=schedule_names,
        ),
    ] = None,
    file: DefinitionFile = None,
    patience: Annotated[
        float,
        typer.Option(
            "--patience",
            min=0,
            metavar="SECONDS",
            help="How long to wait for its end; 0: as long as it takes.",
        ),
    ] = 0,
) -> int:
    """Run a definition once now without saving it, and tell what comes of it. Exit 1 unless it succeeds."""
    if named is not None and file is not None:
        raise Invalid("Give a SCHEDULE or --file: one definition is tried.", code="invalid_argument")
    target_type, payload = options.target()
    said = {name: value for name, value in (("target_type", target_type), ("payload", payload)) if value}
    client = session.client()
    tested = _tested(client, named, object_file(file, "--file") if file is not None else {}, said)
    answer = client.change("POST", f"{PATH}/test", tested)
    return tell_run(session, client, answer, "the test run", wait=True, timeout=patience)


def _tested(
    client: Client, named: str | None, given: Mapping[str, Any], said: Mapping[str, Any]
) -> dict[str, Any]:
    """What is tried: a schedule's definition or the one ``given``, with what was ``said`` laid over it."""
    if named is not None:
        given = find_schedule(client, named)
        said = patch_for(given, said)
    tested = merged({name: given[name] for name in TESTED if name in given}, said)
    if "target_type" not in tested:
        text = "Say what to try: a SCHEDULE, --file FILE, --http URL, --action NAME, --notify CHANNEL or "
        raise Invalid(f"{text}--custom NAME.", code="missing_argument")
    return tested
