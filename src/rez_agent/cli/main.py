"""The ``rez-agent`` command: a REST client, the same for every host, and the local server."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rez_agent.cli import (
    access,
    alerts,
    calendars,
    condition,
    doctor,
    executions,
    forecast,
    keeping,
    schedules,
    serving,
    templates,
    testing,
    transfer,
    why,
)
from rez_agent.cli.client import DEFAULT_URL
from rez_agent.cli.next import next_command
from rez_agent.cli.session import FAILED, Session

app = typer.Typer(
    name="rez-agent",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"rez-agent {version('rez-agent')}")
        raise typer.Exit


@app.callback(epilog="Begin with `rez-agent demo`, or `rez-agent serve` and `rez-agent create --help`.")
def common(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Option("--url", metavar="URL", envvar="REZ_URL", help="The server's address.")
    ] = DEFAULT_URL,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", envvar="REZ_KEY", show_envvar=True, help="The API key."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")] = False,
    _shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Dynamic schedules as a service: create a schedule, trust that it fired, be told why when it did not."""
    ctx.obj = Session(url or DEFAULT_URL, key or None, as_json)


COMMANDS = (
    serving,
    schedules,
    testing,
    why,
    condition,
    calendars,
    templates,
    executions,
    alerts,
    transfer,
    forecast,
    access,
    keeping,
    doctor,
)

for part in COMMANDS:
    part.register(app)
app.command("next", rich_help_panel="Schedules")(next_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 asked wrongly."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
